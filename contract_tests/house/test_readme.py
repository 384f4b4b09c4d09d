"""The examples of the README run and print what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = list(PROJECT["optional-dependencies"])
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for kind, block in BLOCKS
    if kind == "sh"
    for line in block.splitlines()
    if line.startswith(("segmind-sd3 sd3", "segmind-sd3 credits"))
]


def block(mark: str) -> str:
    (found,) = (code for kind, code in BLOCKS if kind == "python" and mark in code)
    return found


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Change to an empty folder, and set a made-up key and the URL of a reference server."""
    with ReferenceServer(credits=10).listening() as url:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SEGMIND_API_KEY", MADE_UP_KEY)
        monkeypatch.setenv("SEGMIND_BASE_URL", url)
        yield


def python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("env")
def test_the_six_lines_print_the_output_shown_below_them():
    shown = README[README.index(block("neon market")) :].split("```")[2].split()
    seed, cost, left = python("-c", block("neon market")).split()
    assert (cost, left) == (shown[1], shown[2])
    assert seed.isdigit()


@pytest.mark.usefixtures("env")
def test_the_six_lines_write_the_picture(tmp_path: Path):
    python("-c", block("neon market"))
    assert (tmp_path / "panda.jpg").read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("env")
def test_each_command_line_runs(command: str):
    words = shlex.split(command)[1:]
    python("-m", "segmind_sd3", *words)


def test_each_block_of_code_begins_with_the_extra_that_it_needs():
    extras = "|".join(["none", *EXTRAS])
    needs = [code.splitlines()[0] for kind, code in BLOCKS if kind and not code.startswith("pip install .")]
    assert needs
    assert [line for line in needs if not re.fullmatch(f"# extra: ({extras})|# in a clone", line)] == []


def test_readme_and_first_page_list_the_extras_that_there_are():
    table = (ROOT / "docs/index.md").read_text("utf-8").partition("| extra |")[2].partition("\n\n")[0]
    (sentence,) = re.findall(r"The extras are (.*?)\. Where", README, re.DOTALL)
    assert re.findall(r"^\| `(\w+)` ", table, re.MULTILINE) == EXTRAS
    assert set(re.findall(r"`(\w+)`", sentence)) == set(EXTRAS)


def test_the_readme_and_the_classifiers_name_the_same_versions_of_python():
    (sentence,) = re.findall(r"pass on Linux with Python (.*)\. Windows", README)
    classified = [each.split(" :: ")[-1] for each in PROJECT["classifiers"] if ":: Python ::" in each]
    assert re.findall(r"[\d.]+", sentence) == classified


def test_each_link_leads_to_a_file_of_the_repository():
    links = re.findall(r"\]\(([^)]*)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_readme_is_one_page():
    assert len(README.splitlines()) < 120


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {target for _, code in BLOCKS for target in re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)}
    assert named
    assert named <= targets
