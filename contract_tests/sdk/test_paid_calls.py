"""The table of paid calls (`make prove WHAT=peers`), with this SDK alone: the proof installs the others."""

from __future__ import annotations

import pytest
from proofs.paid_calls import __main__ as table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results() -> dict[str, table.Result]:
    return {each.fault: each for each in table.results_of(table.OURS)}


def test_a_call_without_a_fault_works_and_is_sent_once(results: dict[str, table.Result]):
    works = results[table.WORKS.name]

    assert (works.posts, works.error) == (1, None)


@pytest.mark.parametrize("fault", [each.name for each in table.FAULTS if each.may_be_billed])
def test_a_call_that_may_have_been_billed_is_sent_once(fault: str, results: dict[str, table.Result]):
    assert results[fault].posts == 1


def test_a_call_that_was_not_billed_is_sent_again(results: dict[str, table.Result]):
    assert results["status 429, Retry-After: 0"].posts > 1
