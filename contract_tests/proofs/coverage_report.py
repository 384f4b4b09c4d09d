"""What the tests reach of the SDK, line by line and branch by branch, and why they don't reach the rest.

As a plugin of pytest (`-p proofs.coverage_report`, beside `--cov`) it lets coverage.py rest
where it has nothing new to see, since a test that is traced takes up to twice as long.

`python -m proofs.coverage_report` prints the table once the tests have run. What is not reached
in `wrapper/` stands in `uncovered.toml`, each with its reason. The exit code is 1 where
something is not reached and not listed, or listed and reached, or where less than 97 % of it are reached.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from coverage import Coverage
from coverage.exceptions import NoDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
UNCOVERED: Final = Path(__file__).with_name("uncovered.toml")
SDK: Final = "wrapper/segmind_sd3/"
LEAST: Final = 97.0
"""Percent of the SDK's lines and branches."""

USES_THE_SDK: Final = re.compile(r"^(from|import) segmind_sd3\b", re.MULTILINE)

MEASURED: Final = frozenset(
    f"sdk/test_{name}.py"
    for name in (
        *("addresses", "checks", "cli", "closing", "deadline", "deprecation", "environment"),
        *("errors", "events", "exchange", "exported_members", "faults", "gaps", "images", "key", "lifecycle"),
        *(
            "connections",
            "limits",
            "many_at_once",
            "options",
            "pictures",
            "prepared",
            "quirk_replies",
            "retry",
            "saving",
        ),
        *("the_key_in_the_clear", "transport"),
    )
)
"""The test files that together reach each line that any of them reaches."""


# -- The plugin -------------------------------------------------------------------------------------------

_resting: Final[list[Coverage]] = []


@cache
def uses_the_sdk(file: Path) -> bool:
    return USES_THE_SDK.search(file.read_text("utf-8")) is not None


def rest() -> None:
    # pytest-cov has two measurements in a process of pytest-xdist, one upon the other.
    while measured := Coverage.current():
        measured.stop()
        _resting.append(measured)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Load the SDK whole while that is measured, and rest while the tests are collected."""
    package = importlib.import_module("segmind_sd3")
    for module in pkgutil.iter_modules(package.__path__, "segmind_sd3."):
        importlib.import_module(module.name)
    rest()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Measure the tests that reach something, and rest while others run."""
    if f"{item.path.parent.name}/{item.path.name}" not in MEASURED:
        rest()
        return
    while _resting:
        _resting.pop().start()


# -- The report -------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Gap:
    """A line that no test reaches, or that is never left for one of the lines that may follow it."""

    file: str
    function: str
    line: str

    def __str__(self) -> str:
        return f"{self.file}, {self.function or 'the module itself'}: {self.line}"


@dataclass(frozen=True)
class Reason:
    """Why a function, or some lines of it by their text, are not reached."""

    file: str
    function: str
    reason: str
    lines: tuple[str, ...] = ()
    sometimes: bool = False
    """Whether chance decides if it is reached, such as which of two ends of a connection is faster."""

    def covers(self, gap: Gap) -> bool:
        of_it = (gap.file, gap.function) == (self.file, self.function)
        return of_it and (not self.lines or gap.line in self.lines)


def reasons(file: Path = UNCOVERED) -> list[Reason]:
    listed: list[Any] = tomllib.loads(file.read_text("utf-8")).get("uncovered", [])
    return [
        Reason(
            each["file"],
            each["function"],
            each["reason"],
            tuple(each.get("lines", ())),
            each.get("sometimes", False),
        )
        for each in listed
    ]


def gaps(files: Mapping[str, Any]) -> list[Gap]:
    """List the gaps of the SDK in a report of coverage.py, as its JSON has it."""
    found: set[Gap] = set()
    for name, measured in files.items():
        if not name.startswith(SDK):
            continue
        source = (ROOT / name).read_text("utf-8").splitlines()
        for function, region in measured["functions"].items():
            left: list[tuple[int, int]] = region["missing_branches"]
            missing: set[int] = {*region["missing_lines"], *(begin for begin, _ in left)}
            found |= {Gap(name.removeprefix(SDK), function, source[line - 1].strip()) for line in missing}
    return sorted(found)


def complaints(found: list[Gap], listed: list[Reason]) -> Iterator[str]:
    """Say what is not reached and not listed, and what is listed and reached."""
    for gap in found:
        if not any(reason.covers(gap) for reason in listed):
            yield f"not reached, and not in {UNCOVERED.name}: {gap}"
    for reason in (reason for reason in listed if not reason.sometimes):
        for line in reason.lines or ("",):
            if not any(reason.covers(gap) and line in ("", gap.line) for gap in found):
                yield f"in {UNCOVERED.name}, and reached: {Gap(reason.file, reason.function, line)}"


def table(files: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'':<64} lines  branches  reached"
    for name, measured in sorted(files.items()):
        counts = measured["summary"]
        lines, branches = counts["num_statements"], counts["num_branches"]
        if lines:
            yield f"{name:<64} {lines:5}  {branches:8}  {counts['percent_covered']:5.1f} %"


def reached(files: Mapping[str, Any]) -> float:
    """Give the share of lines and branches that are reached, in percent."""
    counts = [measured["summary"] for measured in files.values()]
    there = sum(each["num_statements"] + each["num_branches"] for each in counts)
    met = sum(each["covered_lines"] + each["covered_branches"] for each in counts)
    return 100 * met / there if there else 0.0


def measured_files() -> Mapping[str, Any]:
    """Read what the last run of the tests measured."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        try:
            coverage.json_report(outfile=str(report))
        except NoDataError:
            sys.exit("Nothing was measured: the tests have to run to their end first, by make test.")
        return json.loads(report.read_text("utf-8"))["files"]


def main() -> int:
    files, listed = measured_files(), reasons()
    sdk = {name: each for name, each in files.items() if name.startswith(SDK)}
    wrong = list(complaints(gaps(files), listed))
    share = reached(sdk)
    if share < LEAST:
        wrong.append(f"less than {LEAST:g} % of the SDK are reached")
    lines = [
        *table(files),
        "",
        *(f"not reached: {each.file}, {each.function}: {each.reason}" for each in listed),
        f"{share:.1f} % of the SDK's lines and branches are reached.",
        *wrong,
    ]
    print("\n".join(lines))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
