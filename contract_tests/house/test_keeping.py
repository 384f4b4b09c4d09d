"""What set-up installs and what the workflow runs: locked, checked, and allowed no more than they need."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
SETTINGS: Any = YAML(typ="safe").load(WORKFLOW)  # pyright: ignore[reportUnknownMemberType] - ruamel has no types
JOBS: dict[str, Any] = SETTINGS["jobs"]


# -- The lock ---------------------------------------------------------------------------------------------


REQUIREMENTS: dict[str, list[str]] = {
    "build-system": PYPROJECT["build-system"]["requires"],
    "dependencies": PROJECT["dependencies"],
    # Ray takes 600 MB, so its own proof installs it.
    **{extra: needed for extra, needed in PROJECT["optional-dependencies"].items() if extra != "ray"},
    **PYPROJECT["dependency-groups"],
}


@pytest.mark.parametrize("table", REQUIREMENTS)
def test_everything_that_pyproject_requires_is_locked_at_a_version_that_it_allows(table: str):
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"(?m)^(\S+)==(\S+)", LOCK):
        locked.setdefault(canonicalize_name(name), []).append(version)

    for requirement in map(Requirement, REQUIREMENTS[table]):
        if requirement.name != PROJECT["name"]:
            versions = locked[canonicalize_name(requirement.name)]
            assert all(version in requirement.specifier for version in versions), requirement


def test_the_lock_names_versions_and_hashes_and_neither_an_index_nor_a_path():
    allowed = re.compile(r"[\w.-]+==[\w.]+( ; [^/\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?| *# [^/]*")

    assert [line for line in LOCK.splitlines() if not allowed.fullmatch(line)] == []


def test_whatever_an_installed_package_requires_is_installed():
    # Set-up looks for nothing beyond the lock: what is missing there is missing here.
    pip = [sys.executable, "-m", "pip", "check"]
    check = subprocess.run(pip, check=False, capture_output=True, text=True)

    assert check.returncode == 0, check.stdout


# -- Set-up -----------------------------------------------------------------------------------------------


def an_archive(folder: Path, package: str, suffix: str) -> bytes:
    """Write a wheel that requires what can't be found. Another suffix makes it a source archive."""
    file, about = folder / f"{package}-99{suffix}", f"{package}-99.dist-info"
    described = f"Metadata-Version: 2.1\nName: {package}\nVersion: 99\nRequires-Dist: nowhere\n"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{about}/METADATA", described)
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return file.read_bytes()


def an_entry(package: str, archive: bytes, hashed: str) -> str:
    of = {"its hash": archive, "another hash": archive + b"."}.get(hashed)
    return (
        f"{package}==99"
        + (f" --hash=sha256:{hashlib.sha256(of).hexdigest()}" if of else "")
        + "\n    # via\n"
    )


def install(folder: Path, line: int, hashed: str, suffix: str) -> subprocess.CompletedProcess[str]:
    """Run a line of `make setup` that reads the lock, on a lock of two made-up packages, without a network.

    One of the two is called pip, so nothing is really installed: pip checks what it would install, and stops.
    """
    packages = {name: an_archive(folder, name, suffix) for name in ("made_up", "pip")}
    lock = "".join(an_entry(name, archive, hashed) for name, archive in packages.items())
    (folder / "constraints.txt").write_text(lock, encoding="utf-8")
    (folder / "pyproject.toml").touch()
    make = ["make", "--dry-run", "--file", ROOT / "Makefile", "setup", f"BIN={Path(sys.executable).parent}"]
    recipe = subprocess.run(make, cwd=folder, check=True, capture_output=True, text=True).stdout
    lines = [line for line in recipe.splitlines() if "constraints.txt" in line]
    settings = {"CONFIG_FILE": os.devnull, "DRY_RUN": "1", "FIND_LINKS": str(folder), "NO_INDEX": "1"}
    return subprocess.run(
        ["sh", "-c", lines[line]],
        cwd=folder,
        env=os.environ | {f"PIP_{name}": value for name, value in settings.items()},
        check=False,
        capture_output=True,
        text=True,
    )


each_line = pytest.mark.parametrize("line", [0, 1], ids=["pip", "everything"])


@each_line
def test_set_up_takes_what_is_locked_and_nothing_else(line: int, tmp_path: Path):
    outcome = install(tmp_path, line, "its hash", "-py3-none-any.whl")

    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.slow
@each_line
@pytest.mark.parametrize(
    ("hashed", "suffix", "said"),
    [
        pytest.param("another hash", "-py3-none-any.whl", "DO NOT MATCH THE HASHES", id="another hash"),
        pytest.param("no hash", "-py3-none-any.whl", "Hashes are required", id="no hash"),
        pytest.param("its hash", ".zip", "No matching distribution", id="a source archive"),
    ],
)
def test_set_up_refuses_a_package_with(line: int, hashed: str, suffix: str, said: str, tmp_path: Path):
    outcome = install(tmp_path, line, hashed, suffix)

    assert outcome.returncode != 0
    assert said in outcome.stderr


# -- The workflow -----------------------------------------------------------------------------------------


def test_every_action_is_pinned_to_a_commit_and_its_version_is_named():
    uses = re.findall(r"(?m)\buses: (.*)$", WORKFLOW)

    assert uses
    assert [
        action for action in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    ] == []


def test_no_job_may_do_more_than_read():
    assert SETTINGS["permissions"] == {"contents": "read"}
    assert [name for name, job in JOBS.items() if "permissions" in job] == []


def test_every_job_ends_in_time():
    assert [name for name, job in JOBS.items() if "timeout-minutes" not in job] == []


def test_each_python_that_the_project_names_is_tested():
    named = set(re.findall(r"Python :: (\d\.\d+)", "\n".join(PROJECT["classifiers"])))

    assert named <= set(JOBS["tests"]["strategy"]["matrix"]["python"])
