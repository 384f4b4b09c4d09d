"""What type checkers make of the SDK: a good call passes, a bad one is an error on its line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CASES = Path(__file__).with_name("typing_cases.py")
IGNORED = re.compile(r"  # pyright: ignore\[(.*)\]")

Broken = set[tuple[int, str]]


def marked() -> Broken:
    """Return the lines that are marked as bad, counted from 1, each with a rule that it breaks."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return {
        (number, rule)
        for number, line in enumerate(lines, start=1)
        if (ignored := IGNORED.search(line))
        for rule in ignored[1].split(", ")
    }


def write_cases(folder: Path) -> None:
    """Write the cases without the marks, so that each bad line is reported."""
    (folder / "cases.py").write_text(IGNORED.sub("", CASES.read_text("utf-8")), encoding="utf-8")


def run(*command: str | Path, folder: Path) -> str:
    """Run a type checker beside this interpreter, whose packages it then sees, and return its report."""
    beside = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [beside / command[0], *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.stdout, done.stderr
    return done.stdout


def test_in_pyright_every_bad_call_is_an_error_on_its_line_and_no_good_one_is(tmp_path: Path):
    write_cases(tmp_path)

    report: Any = json.loads(run("pyright", "--outputjson", "cases.py", folder=tmp_path))

    broken = {(each["range"]["start"]["line"] + 1, each["rule"]) for each in report["generalDiagnostics"]}
    assert broken == marked()
    assert broken


@pytest.mark.thorough
def test_in_mypy_every_bad_call_is_an_error_on_its_line_and_no_good_one_is(tmp_path: Path):
    write_cases(tmp_path)

    report = run("mypy", "--strict", "--output=json", "cases.py", folder=tmp_path)

    found = [json.loads(line) for line in report.splitlines() if line.startswith("{")]
    assert {each["line"] for each in found if each["severity"] == "error"} == {line for line, _ in marked()}
