"""`make generate` after one edited bound: everything derived from the spec changes with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDERS = ("openapi", "generated_client", "wrapper", "contract_tests")
SPEC = "openapi/stable-diffusion-3.5-turbo-txt2img.yaml"
OPERATION, PARAMETER, OLD, NEW = "sd35_turbo_txt2img", "guidance_scale", 15, 16


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository, raise the maximum of one parameter in its spec, and generate the client."""
    folder = tmp_path_factory.mktemp("copy")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    spec = folder / SPEC
    text, edits = re.subn(
        rf"(        {PARAMETER}:\n(?:          .*\n)*?          maximum: ){OLD}\n",
        rf"\g<1>{NEW}\n",
        spec.read_text("utf-8"),
    )
    assert edits == 1
    spec.write_text(text, "utf-8")
    run(folder, "-m", "segmind_sd3_pipeline.generate")
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run Python with the copy's packages."""
    paths = os.pathsep.join(str(folder / name) for name in FOLDERS)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_only_generated_files_change(copy: Path):
    edited = {
        str(file.relative_to(copy))
        for name in FOLDERS
        for file in (copy / name).rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and ".pytest_cache" not in file.parts
        and file.read_bytes() != (ROOT / file.relative_to(copy)).read_bytes()
    }
    generated = ("generated_client/", "wrapper/segmind_sd3/_endpoints.py")
    assert {name for name in edited if not name.startswith(generated)} == {SPEC}


def test_the_sdk_checks_the_new_bound(copy: Path):
    code = f"""
from segmind_sd3 import Client, InvalidRequest
client = Client("SG_0123456789abcdef")
print(client.prepare({OPERATION!r}, prompt="a panda", {PARAMETER}={NEW}).body[{PARAMETER!r}])
try:
    client.prepare({OPERATION!r}, prompt="a panda", {PARAMETER}={NEW} + 0.01)
except InvalidRequest as error:
    print(error)
"""
    output = run(copy, "-c", code).splitlines()
    assert output[0] == str(NEW)
    assert f"from 1 to {NEW}" in output[-1]


def test_the_methods_docstring_has_the_new_bound(copy: Path):
    code = f"from segmind_sd3 import Client; print(Client.{OPERATION}.__doc__)"
    assert re.search(rf"{PARAMETER}: .*\b1 to {NEW}\b", run(copy, "-c", code))


def test_the_commands_help_has_the_new_bound(copy: Path):
    output = run(copy, "-m", "segmind_sd3", OPERATION.replace("_", "-"), "--help")
    assert f"1 to {NEW}" in " ".join(output.split())


def test_the_boundary_tests_try_the_new_bound(copy: Path):
    case = f"{OPERATION} and {PARAMETER}"
    output = run(
        copy, "-m", "pytest", "contract_tests/sdk/test_bounds.py", "-k", case, "-v", "-p", "no:cacheprovider"
    )
    assert re.search(r"\b[1-9]\d* passed", output)
    assert str(NEW) in output


def test_the_edit_without_generated_files_is_reported_as_drift(copy: Path, tmp_path: Path):
    shutil.copytree(copy / "openapi", tmp_path / "openapi")
    shutil.copytree(ROOT / "generated_client", tmp_path / "generated_client")
    checked = subprocess.run(
        [sys.executable, "-m", "segmind_sd3_pipeline.generate", "--check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "openapi")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1
    assert "parameters.py" in checked.stdout + checked.stderr
