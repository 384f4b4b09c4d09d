"""ARCHITECTURE.md is true: a call and a case enter its functions, and its files exist."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from segmind_sd3 import Client
from segmind_sd3_contract.conformance.cases import cases
from segmind_sd3_contract.conformance.command import conformance
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
TESTS = ROOT / "contract_tests"
FOLDERS = sorted({file.parent.name for file in TESTS.glob("*/test_*.py")} | {"proofs"})

Step = tuple[str, str]
"""The end of a file's path, and a function in it."""


def steps(title: str) -> list[Step]:
    """Read the steps below a heading."""
    section = PAGE.partition(f"## {title}")[2].partition("\n## ")[0]
    return re.findall(r"^\d  (\S+\.py) +(\w+) ", section, flags=re.MULTILINE)


@contextmanager
def entered_functions() -> Generator[list[Step]]:
    """List the functions that this thread enters, by path and name, in the order of their first entry."""
    entered: dict[Step, None] = {}
    found: list[Step] = []

    def trace(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered[frame.f_code.co_filename, frame.f_code.co_name] = None

    sys.setprofile(trace)
    try:
        yield found
    finally:
        sys.setprofile(None)
        found.extend(entered)


def those_of(way: list[Step], entered: list[Step]) -> list[Step]:
    """Return the entered functions that are steps of a way."""
    return [
        (file, name)
        for path, name in entered
        for file, step in way
        if path.endswith(f"/{file}") and name == step
    ]


# -- The ways ---------------------------------------------------------------------------------------------


def test_one_call_enters_the_seven_functions_in_the_order_of_the_page():
    way = steps("One call, from the method to the socket and back")
    with ReferenceServer().listening() as url, Client(MADE_UP_KEY, base_url=url) as client:
        client.sd35_turbo_txt2img(prompt="a lighthouse", width=64, height=64)  # what is loaded once is loaded
        with entered_functions() as entered:
            client.sd35_turbo_txt2img(prompt="a lighthouse", width=64, height=64)

    assert len(way) == 7
    assert those_of(way, entered) == way


@pytest.mark.slow
def test_one_conformance_case_enters_the_nine_functions_in_the_order_of_the_page(tmp_path: Path):
    way = steps("One conformance case")
    cases.cache_clear()
    with entered_functions() as entered:
        result = CliRunner().invoke(
            conformance, ["--only", "sd35_turbo_txt2img::(call)::good", "--out", str(tmp_path / "found")]
        )

    assert result.exit_code == 0, result.output
    assert len(way) == 9
    assert those_of(way, entered) == way


# -- The names --------------------------------------------------------------------------------------------


def test_each_of_the_ten_tasks_has_its_file():
    tasks = dict(re.findall(r"^\| ([^|]+?) \| `([^`]+)` \|", PAGE, flags=re.MULTILINE))

    assert list(tasks) == [
        "change a bound",
        "change a default",
        "add an alias to a reply",
        "add a status",
        "add a CLI option",
        "price a model",
        "add a conformance case",
        "add a probe",
        "add a fault",
        "read a new page layout",
    ]
    assert {name for name in tasks.values() if not list(ROOT.glob(name.replace("<slug>", "*-*")))} == set()


def test_every_file_and_folder_in_backticks_exists():
    named = [name for name in re.findall(r"`([\w./-]+)`", PAGE) if "/" in name]

    assert named
    assert {name for name in named if not ((ROOT / name).exists() or (TESTS / name).exists())} == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_has_a_readme_of_about_ten_lines(folder: str):
    lines = (TESTS / folder / "README.md").read_text("utf-8").splitlines()

    assert lines[0].startswith("# ")
    assert 5 <= len(lines) <= 12


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folders_readme_names_only_existing_files(folder: str):
    text = (TESTS / folder / "README.md").read_text("utf-8")
    named = [name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name or "." in name]

    assert {name for name in named if not (TESTS / folder / name).exists()} == set()
