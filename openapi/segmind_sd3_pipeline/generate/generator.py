"""Generate generated_client/ and the SDK's `_endpoints.py` from openapi/: write and list what has changed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

from segmind_sd3_pipeline.generate.methods import endpoint_methods
from segmind_sd3_pipeline.generate.parameters import Endpoint, endpoints, picture_members
from segmind_sd3_pipeline.generate.render import TEMPLATES, render
from segmind_sd3_pipeline.spec.documents import ContractError, Document, require_openapi
from segmind_sd3_pipeline.spec.gate import losses
from segmind_sd3_pipeline.spec.layers import read_layers
from segmind_sd3_pipeline.spec.quirks import read_quirks
from segmind_sd3_pipeline.spec.view import generators_view

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "segmind_sd3_api"
METHODS = Path("wrapper", "segmind_sd3", "_endpoints.py")
WRITTEN = {"missing": "added", "extra": "removed", "changed": "changed"}


def make(folder: Path, package: Path) -> list[Endpoint]:
    """Generate the package of a folder's specs into a new directory. Return its endpoints.

    Raises:
        ContractError: The contract can't be used, or the generator lost a part of it.
    """
    layers = read_layers(folder)
    quirks = read_quirks(folder)
    require_openapi(layers.documented, "The bundle of all specs")
    require_openapi(layers.observed, "What observed.overlay.yaml makes of the specs")
    known = list(endpoints(layers))
    package.mkdir(parents=True)
    # Written first: the generator's last step formats every file in the directory.
    for module in ("parameters.py", "calls.py"):
        source = render(f"{module}.jinja", known, picture_members(layers.observed))
        (package / module).write_text(source, encoding="utf-8")
    run_generator(generators_view(layers.documented), package, folder / "generator.yaml")
    if lost := losses(layers.documented, package):
        raise ContractError("\n".join(lost))
    write_json(layers.documented, package / "documented.json")
    write_json(layers.observed, package / "observed.json")
    write_json(quirks, package / "quirks.json")
    (package / "py.typed").touch()
    return known


def run_generator(view: Document, package: Path, config: Path) -> None:
    """Run openapi-python-client on a document.

    Raises:
        ContractError: It failed or printed a warning.
    """
    with TemporaryDirectory() as scratch:
        document = Path(scratch, "view.json")
        write_json(view, document)
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
        command += ["--meta", "none", "--custom-template-path", TEMPLATES, "--config", config]
        command += ["--path", document, "--output-path", package, "--overwrite"]
        # Its hooks run `ruff` from the PATH: put the one of this environment first.
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
        run = subprocess.run(  # noqa: S603 - nothing in the command comes from outside
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
    if run.returncode or run.stderr:
        # A warning ends with advice to report it; of a traceback only the last line is of use.
        said = run.stderr.strip().partition("If you believe")[0]
        said = said.splitlines()[-1] if "Traceback" in said else said
        raise ContractError(f"openapi-python-client failed: {' '.join(said.split()) or run.returncode}")


def write_json(document: Document | list[Document], path: Path) -> None:
    """Write a document as JSON, with the same bytes each time."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def differences(made: Path, present: Path) -> dict[str, str]:
    """Return the files that differ between two directories, each with missing, extra or changed."""
    wanted, there = _files(made), _files(present)
    return {
        name: "missing" if name not in there else "extra" if name not in wanted else "changed"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name) != there.get(name)
    }


def _files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _write(made: Path, present: Path, differing: dict[str, str]) -> None:
    for name, kind in differing.items():
        path = present / name
        if kind == "extra":
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((made / name).read_bytes())


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command in a checkout. Return its exit code: 0 for success, 1 for a refusal or a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file differs")
    parser.add_argument("--output", type=Path, default=root / "generated_client", metavar="DIR")
    options = parser.parse_args(arguments)
    present, methods = options.output / PACKAGE, root / METHODS
    try:
        with TemporaryDirectory() as scratch:
            made = Path(scratch, PACKAGE)
            known = make(root / "openapi", made)
            differing = differences(made, present)
            # A folder without the SDK gets the client alone.
            old = methods.read_text(encoding="utf-8") if methods.is_file() else ""
            new = endpoint_methods(known) if methods.parent.is_dir() else ""
            if not options.check:
                _write(made, present, differing)
                if new != old:
                    methods.write_text(new, encoding="utf-8")
    except ContractError as problem:
        print(problem, file=sys.stderr)
        return 1
    listed = {present / name: kind for name, kind in differing.items()}
    if new != old:
        listed[methods] = "changed"
    for path, kind in listed.items():
        print(f"{kind if options.check else WRITTEN[kind]:8}{path}")
    if options.check and listed:
        print(f"{present} differs from what the specs generate: run make generate.", file=sys.stderr)
        return 1
    return 0
