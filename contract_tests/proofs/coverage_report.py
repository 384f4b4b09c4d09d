"""Report the SDK's lines and branches that the tests reach, and check the reasons for the gaps.

As a pytest plugin (`-p proofs.coverage_report`, with `--cov`), it pauses coverage.py in tests that reach
nothing new, since tracing makes a test up to twice as slow.

`python -m proofs.coverage_report` prints the table after the tests. `uncovered.toml` lists the gaps in
`wrapper/` with their reasons. The exit code is 1 if a gap is not listed, if a listed gap is reached, or if
less than 96 % is reached: PostgreSQL and Ray, some 2 % of the lines, have slow tests and a proof.
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
MIN_PERCENT: Final = 96.0
"""The minimum percentage of the SDK's lines and branches."""

USES_THE_SDK: Final = re.compile(r"^(from|import) segmind_sd3\b", re.MULTILINE)

_NAMES: Final = """
    addresses batch batch_command batch_journal batch_places batch_workers budget checks cli closing
    connections deadline deprecation environment errors events exchange exported_members faults gaps
    http image_table images key large_pictures lifecycle limits many_at_once metadata options pictures
    prepared quirk_replies quirks retry saving sent showing signals spool the_key_in_the_clear transport
"""

MEASURED: Final = frozenset(f"sdk/test_{name}.py" for name in _NAMES.split())
"""The test files that together reach every line that any test reaches."""


# -- The plugin -------------------------------------------------------------------------------------------

_paused: Final[list[Coverage]] = []


@cache
def uses_the_sdk(file: Path) -> bool:
    return USES_THE_SDK.search(file.read_text("utf-8")) is not None


def pause() -> None:
    # In a process of pytest-xdist, pytest-cov nests two measurements.
    while measured := Coverage.current():
        measured.stop()
        _paused.append(measured)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Import the whole SDK under measurement. Then pause while the tests are collected."""
    package = importlib.import_module("segmind_sd3")
    for module in pkgutil.walk_packages(package.__path__, "segmind_sd3."):
        importlib.import_module(module.name)
    pause()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Measure the tests of `MEASURED`, and pause for others."""
    if f"{item.path.parent.name}/{item.path.name}" not in MEASURED:
        pause()
        return
    while _paused:
        _paused.pop().start()


# -- The report -------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Gap:
    """A line that no test reaches, or that has a branch that no test takes."""

    file: str
    function: str
    line: str

    def __str__(self) -> str:
        return f"{self.file}, {self.function or 'the module itself'}: {self.line}"


@dataclass(frozen=True)
class Reason:
    """The reason why a function, or some of its lines by their text, is not reached."""

    file: str
    function: str
    reason: str
    lines: tuple[str, ...] = ()
    sometimes: bool = False
    """Whether chance decides if it is reached, such as the faster end of a connection."""

    def covers(self, gap: Gap) -> bool:
        is_same = (gap.file, gap.function) == (self.file, self.function)
        return is_same and (not self.lines or gap.line in self.lines)


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
    """List the gaps of the SDK in coverage.py's JSON report."""
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
    """Yield the gaps that are not listed, and the listed gaps that are reached."""
    for gap in found:
        if not any(reason.covers(gap) for reason in listed):
            yield f"not reached and not in {UNCOVERED.name}: {gap}"
    for reason in (reason for reason in listed if not reason.sometimes):
        for line in reason.lines or ("",):
            if not any(reason.covers(gap) and line in ("", gap.line) for gap in found):
                yield f"in {UNCOVERED.name} but reached: {Gap(reason.file, reason.function, line)}"


def table(files: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'':<64} lines  branches  reached"
    for name, measured in sorted(files.items()):
        counts = measured["summary"]
        lines, branches = counts["num_statements"], counts["num_branches"]
        if lines:
            yield f"{name:<64} {lines:5}  {branches:8}  {counts['percent_covered']:5.1f} %"


def percent_reached(files: Mapping[str, Any]) -> float:
    """Return the percentage of lines and branches that are reached."""
    counts = [measured["summary"] for measured in files.values()]
    there = sum(each["num_statements"] + each["num_branches"] for each in counts)
    met = sum(each["covered_lines"] + each["covered_branches"] for each in counts)
    return 100 * met / there if there else 0.0


def measured_files() -> Mapping[str, Any]:
    """Return the measurements of the last test run."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        try:
            coverage.json_report(outfile=str(report))
        except NoDataError:
            sys.exit("Nothing was measured. Run make test to its end first.")
        return json.loads(report.read_text("utf-8"))["files"]


def main() -> int:
    files, listed = measured_files(), reasons()
    sdk = {name: each for name, each in files.items() if name.startswith(SDK)}
    problems = list(complaints(gaps(files), listed))
    share = percent_reached(sdk)
    if share < MIN_PERCENT:
        problems.append(f"less than {MIN_PERCENT:g} % of the SDK is reached")
    lines = [
        *table(files),
        "",
        *(f"not reached: {each.file}, {each.function}: {each.reason}" for each in listed),
        f"{share:.1f} % of the SDK's lines and branches are reached.",
        *problems,
    ]
    print("\n".join(lines))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
