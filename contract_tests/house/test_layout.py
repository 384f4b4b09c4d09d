"""The layout of the repository: what ships, what does not, and one way to reach each part."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = (
    "help setup demo test check format generate regenerate record "
    "conformance bench prove docs docs-pictures clean"
)
FILES = [
    Path(name)
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
PYTHON = [file for file in FILES if file.suffix == ".py"]
TEST_FOLDERS = ("sdk", "reference", "conformance", "pipeline", "cassettes", "house")


def test_no_file_edits_sys_path():
    edits = re.compile(r"\bsys[.]path\b")
    found = [file for file in PYTHON if edits.search((ROOT / file).read_text("utf-8"))]
    assert found == []


def test_make_has_these_targets_and_no_other():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"^([a-z-]+):", makefile, re.MULTILINE) == TARGETS.split()


def test_make_help_describes_each_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^ +make ([a-z-]+) +\w", shown, re.MULTILINE) == TARGETS.split()


def test_each_test_is_in_a_folder_by_its_subject():
    tests = [file for file in PYTHON if file.name.startswith("test_")]
    assert {file.parent for file in tests} == {Path("contract_tests", name) for name in TEST_FOLDERS}


def test_prove_without_a_name_lists_each_proof():
    listed = subprocess.run(
        [sys.executable, "-m", "proofs"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert len(listed) > 10
    assert all(re.match(r"  make prove WHAT=[a-z-]+ +\w", line) for line in listed)


def test_an_unknown_proof_is_refused_and_the_known_ones_are_named():
    refused = subprocess.run(
        [sys.executable, "-m", "proofs", "faulst"], check=False, capture_output=True, text=True
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "faults" in refused.stderr


@pytest.mark.parametrize("package", ["openapi/segmind_sd3_pipeline", "contract_tests/proofs"])
def test_what_needs_a_checkout_is_not_in_the_wheel(package: str):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert package not in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert (ROOT / package / "__init__.py").is_file()
