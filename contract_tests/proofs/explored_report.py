"""Report how much schemathesis and Hypothesis tried, by endpoint and contract.

As a pytest plugin (`-p proofs.explored_report`), it sums what tests record as the property `explored`: who
tried, the contract, the endpoint, and how many examples and calls were made.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

PROPERTY: Final = "explored"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for each in ("passed", "failed") for report in terminalreporter.stats.get(each, ())]
    for line in table(reports):
        terminalreporter.write_line(line)


def table(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Yield a line for each combination, and their sum; nothing where no test has recorded any."""
    sums: defaultdict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0, 0, 0])
    for report in reports:
        for name, value in report.user_properties if report.when == "call" else ():
            if name == PROPERTY:
                # Any: a property may be anything; the tests record this one as the module says.
                recorded: Any = value
                who, contract, endpoint, examples, calls = recorded
                row = sums[who, contract, endpoint]
                counts = (examples, calls, report.duration)
                row[:] = [before + more for before, more in zip(row, counts, strict=True)]
    if sums:
        yield f"{'tried by':<28}{'contract':<12}{'endpoint':<22}{'examples':>9}{'calls':>8}{'seconds':>9}"
        rows = sorted(sums.items())
        total = [sum(column) for column in zip(*sums.values(), strict=True)]
        for (who, contract, endpoint), row in [*rows, (("together", "", ""), total)]:
            examples, calls, seconds = row
            yield f"{who:<28}{contract:<12}{endpoint:<22}{examples:>9.0f}{calls:>8.0f}{seconds:>9.2f}"
