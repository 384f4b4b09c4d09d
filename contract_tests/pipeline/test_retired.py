"""An endpoint that is retired or deprecated, in copies of the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from segmind_sd3_pipeline.pages.retire_command import retire
from segmind_sd3_pipeline.pages.retirement import CanNotRetire, plan_retirement
from segmind_sd3_pipeline.spec.documents import read

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

ROOT = Path(__file__).parents[2]
SLUG, OPERATION = "sd3-med-tile", "sd3_medium_tile"
KNOWN = f"""
from segmind_sd3 import AsyncClient, Client
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.cassettes.cases import cases
recorded = {{case.operation for case in cases().values()}}
print(*({OPERATION!r} in each for each in (OPERATIONS, recorded, vars(Client), vars(AsyncClient))))
"""
FOLDERS = ("openapi", "wrapper", "generated_client", "contract_tests", "cassettes")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the repository into a folder that the test may change."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_only_endpoint_is_not_retired(root: Path):
    for file in (root / "openapi").glob("s*-*.yaml"):
        if file.stem != SLUG:
            file.unlink()

    with pytest.raises(CanNotRetire, match="the only endpoint"):
        plan_retirement(SLUG, root)


def test_a_no_changes_nothing(root: Path):
    def files() -> dict[Path, bytes]:
        found = (file for file in root.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        return {file: file.read_bytes() for file in found}

    before = files()

    declined = CliRunner().invoke(retire, [SLUG, "--root", str(root)], input="n\n")

    assert declined.exit_code == 1
    assert files() == before


def test_an_unknown_endpoint_exits_with_2(root: Path):
    assert CliRunner().invoke(retire, ["sd4", "--root", str(root), "--yes"]).exit_code == 2


def test_the_remaining_specs_make_a_client_without_it(root: Path):
    done = CliRunner().invoke(retire, [SLUG, "--root", str(root), "--yes"])
    run(root, "-m", "segmind_sd3_pipeline.generate")

    assert done.exit_code == 0
    assert not (root / "cassettes" / SLUG).exists()
    assert run(root, "-c", KNOWN) == "False False False False\n"


def test_a_deprecated_endpoint_is_marked_in_its_docstring_and_its_help(root: Path):
    spec = root / "openapi" / f"{SLUG}.yaml"
    marked = f"operationId: {OPERATION}\n      deprecated: true"
    spec.write_text(
        spec.read_text(encoding="utf-8").replace(f"operationId: {OPERATION}", marked), encoding="utf-8"
    )
    run(root, "-m", "segmind_sd3_pipeline.generate")

    docstring = run(root, "-c", f"from segmind_sd3 import Client; print(Client.{OPERATION}.__doc__)")
    help_text = run(root, "-m", "segmind_sd3", "sd3-medium-tile", "--help")

    assert read(spec)["paths"][f"/v1/{SLUG}"]["post"]["deprecated"] is True
    assert "Deprecated: the vendor retires this endpoint." in docstring
    assert "DEPRECATED" in help_text.upper()


def run(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(root / name) for name in FOLDERS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
