"""Generate generated_client/ and the SDK's `_endpoints.py` from openapi/: write and list what has changed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

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
# Every rule is named and every config file around them ignored: the output is the same wherever it is made.
RUFF = (
    "check . --isolated --no-cache --fix-only --select=F,I,UP --target-version=py311 --line-length=120",
    "format . --isolated --no-cache --target-version=py311 --line-length=120",
)
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
    """Run openapi-python-client on a document, in this process, and format what it made.

    Raises:
        ContractError: It failed or has a warning.
    """
    with TemporaryDirectory() as scratch:
        document = Path(scratch, "view.json")
        write_json(view, document)
        options = Config.from_sources(
            ConfigFile.load_from_path(config),
            MetaType.NONE,
            document,
            file_encoding="utf-8",
            overwrite=True,
            output_path=package,
        )
        try:
            with redirect_stdout(StringIO()):  # it prints where it writes
                faults = generate(config=options, custom_template_path=TEMPLATES)
        except Exception as fault:
            raise ContractError(f"openapi-python-client failed: {type(fault).__name__}: {fault}") from fault
    if faults:
        texts = " ".join(f"{fault.header} {fault.detail or ''}" for fault in faults)
        raise ContractError(f"openapi-python-client failed: {' '.join(texts.split())}")
    ruff = Path(sysconfig.get_path("scripts"), "ruff")
    for arguments in RUFF:
        subprocess.run([ruff, *arguments.split()], cwd=package, check=True, capture_output=True)  # noqa: S603 - pinned


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
