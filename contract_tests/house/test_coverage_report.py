"""The coverage report: a gap without a reason is a problem, and so is a reason without a gap."""

from pathlib import Path
from typing import Any

import pytest
from proofs import coverage_report
from proofs.coverage_report import SDK, Gap, Reason

ROOT = Path(__file__).parents[2]
FILE = "_retry.py"
SOURCE = (ROOT / SDK / FILE).read_text("utf-8").splitlines()


def measured(*, lines: tuple[int, ...] = (), branches: tuple[tuple[int, int], ...] = ()) -> dict[str, Any]:
    """Return coverage.py's JSON report for a file with a gap in one function."""
    region = {"missing_lines": list(lines), "missing_branches": [list(each) for each in branches]}
    summary = {"num_statements": 6, "covered_lines": 5, "num_branches": 4, "covered_branches": 3}
    return {SDK + FILE: {"functions": {"one": region}, "summary": {**summary, "percent_covered": 80.0}}}


def number_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE, 1) if line.startswith(text))


CLASS = number_of("class ")
GAP = Gap(FILE, "one", SOURCE[CLASS - 1])


@pytest.mark.parametrize(
    "report", [measured(lines=(CLASS,)), measured(branches=((CLASS, -1),)), measured(branches=((CLASS, 7),))]
)
def test_an_unreached_line_or_an_untaken_branch_is_a_gap(report: dict[str, Any]):
    assert coverage_report.gaps(report) == [GAP]


def test_only_the_sdk_has_gaps():
    elsewhere = {"generated_client/segmind_sd3_api/types.py": measured(lines=(1,))[SDK + FILE]}

    assert coverage_report.gaps(elsewhere) == []


def test_a_gap_without_a_reason_is_reported():
    (complaint,) = coverage_report.complaints([GAP], [])

    assert str(GAP) in complaint
    assert "not in uncovered.toml" in complaint


@pytest.mark.parametrize("lines", [(), (GAP.line,)])
def test_a_gap_with_a_reason_is_not_reported(lines: tuple[str, ...]):
    reason = Reason(FILE, "one", "unreachable", lines)

    assert list(coverage_report.complaints([GAP], [reason])) == []


@pytest.mark.parametrize(
    "reason",
    [
        Reason(FILE, "one", "unreachable", (GAP.line, "return None")),
        Reason(FILE, "another", "unreachable"),
        Reason("wire.py", "one", "unreachable"),
    ],
)
def test_a_reason_without_a_gap_is_reported(reason: Reason):
    listed = [Reason(FILE, "one", "unreachable"), reason]

    (complaint,) = coverage_report.complaints([GAP], listed)

    assert "but reached" in complaint


def test_lines_and_branches_count_equally():
    assert coverage_report.percent_reached(measured()) == 80.0
    assert coverage_report.percent_reached({}) == 0.0


def test_the_table_has_a_line_for_each_file():
    head, line = coverage_report.table(measured())

    assert line.split() == [SDK + FILE, "6", "4", "80.0", "%"]
    assert head.split() == ["lines", "branches", "reached"]


def test_every_listed_gap_has_a_reason_and_an_existing_file():
    for reason in coverage_report.reasons():
        assert reason.reason
        assert (ROOT / SDK / reason.file).is_file()


@pytest.mark.parametrize(
    ("file", "uses"), [("sdk/test_calls.py", True), ("conformance/test_oracle.py", False)]
)
def test_a_test_file_that_imports_the_sdk_uses_it(file: str, *, uses: bool):
    assert coverage_report.uses_the_sdk(ROOT / "contract_tests" / file) is uses


def test_every_measured_file_exists_and_uses_the_sdk():
    for name in coverage_report.MEASURED:
        assert coverage_report.uses_the_sdk(ROOT / "contract_tests" / name)
