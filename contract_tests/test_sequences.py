"""Nothing is paid for twice: a sample of `make sequences`, and that it would be seen."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.ledger import Sending, sent_in_vain
from segmind_sd3_contract.sequences import Lend, Tally, in_process, over_sockets, planned, run

Lending = Callable[[Tally], AbstractContextManager[Lend]]


def tallied(driver: Driver, lending: Lending, count: int, **retry: Any) -> Tally:
    plans = [planned(number, seed=1) for number in range(count)]
    tally = Tally()
    with lending(tally) as lend:
        run([replace(plan, retry=replace(plan.retry, **retry)) for plan in plans], driver, lend)
    return tally


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("lending", "count"), [(in_process, 80), (over_sockets, 20)])
def test_nothing_is_sent_again_that_may_have_been_billed(driver: Driver, lending: Lending, count: int):
    tally = tallied(driver, lending, count)
    assert tally.wrong == []
    assert tally.billed > 0


def test_the_sample_has_calls_that_are_sent_again_and_calls_that_fail():
    tally = tallied("sync", in_process, 40)
    assert tally.repeated > 5
    assert len(tally.ended) > 5


def test_a_client_that_would_rather_pay_twice_is_seen_to():
    tally = tallied("sync", in_process, 40, unknown=True, attempts=4)
    assert any("was billed 2 times" in wrong for wrong in tally.wrong)
    assert any("was sent again after" in wrong for wrong in tally.wrong)


def test_a_sending_after_one_that_cost_nothing_is_no_waste():
    sent = [Sending(7, "status:503", billed=False, may_be_repeated=True), Sending(7, "", True, False)]  # noqa: FBT003
    assert list(sent_in_vain(sent)) == []


def test_calls_of_other_seeds_are_other_calls():
    assert list(sent_in_vain(Sending(seed, "", True, False) for seed in range(3))) == []  # noqa: FBT003


def test_a_sequence_is_the_same_each_time_it_is_planned():
    assert planned(5, seed=1) == planned(5, seed=1) != planned(5, seed=2)
