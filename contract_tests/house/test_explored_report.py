"""The table of what schemathesis and Hypothesis tried."""

import pytest
from proofs.explored_report import PROPERTY, table


def report(*recorded: object, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(
        "test",
        ("file", 1, "test"),
        {},
        "passed",
        None,
        when,  # pyright: ignore[reportArgumentType] - one of the three phases
        user_properties=[(PROPERTY, [*recorded]), ("other", 7)],
        duration=0.5,
    )


def test_examples_calls_and_seconds_are_summed_for_each_endpoint_and_contract():
    reports = [
        report("Hypothesis", "documented", "tile", 10, 4),
        report("Hypothesis", "documented", "tile", 20, 5),
        report("Hypothesis", "observed", "tile", 1, 1),
        report("Hypothesis", "observed", "tile", 1, 1, when="teardown"),
    ]

    assert [line.split() for line in table(reports)][1:] == [
        ["Hypothesis", "documented", "tile", "30", "9", "1.00"],
        ["Hypothesis", "observed", "tile", "1", "1", "0.50"],
        ["together", "31", "10", "1.50"],
    ]


def test_tests_that_try_nothing_print_no_table():
    assert list(table([])) == []
