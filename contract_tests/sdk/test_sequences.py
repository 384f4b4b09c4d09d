"""Nothing is paid twice, lost or misreported: a sample of `make prove WHAT=sequences`, and its own checks."""

from dataclasses import replace

import pytest
from proofs.fixtures.drivers import DRIVERS, Driver
from proofs.fixtures.fault_server import Move, moves_for
from proofs.fixtures.ledger import End, Sending, repeat_violations, report_violations
from proofs.sequences import SETTINGS, Plan, Tally, in_process, make_plan, run
from segmind_sd3 import OutcomeUnknown

SAMPLE = {"in-process": 30, "reference server": 5, "http": 10, "https": 5}


def careless(plan: Plan) -> Plan:
    return replace(plan, retry=replace(plan.retry, unknown=True, attempts=4))


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_nothing_is_paid_twice_or_lost_or_misreported(driver: Driver, setting: str):
    tally = Tally()
    run(range(SAMPLE[setting]), driver, SETTINGS[setting][0], tally, seed=1)
    assert tally.violations == []
    assert tally.billed > 0


@pytest.mark.slow
def test_the_sample_has_repeated_calls_and_failing_calls():
    tally = Tally()
    run(range(60), "asyncio", SETTINGS["http"][0], tally, seed=1)
    assert tally.repeated > 0
    assert {"picture", "cancelled", "OutcomeUnknown"} <= tally.ended.keys()


def test_a_client_that_repeats_unknown_outcomes_is_detected():
    tally = Tally()
    run(range(40), "sync", in_process, tally, seed=1, change=careless)
    assert any("was billed 2 times" in violation for violation in tally.violations)
    assert any("was sent again after" in violation for violation in tally.violations)


def test_a_plan_depends_only_on_its_number_and_run():
    assert make_plan(5, run=1) == make_plan(5, run=1) != make_plan(5, run=2)


def test_the_moves_cover_every_kind_of_end():
    moves = {move for seed in range(2000) for move in moves_for(seed, run=0)}
    assert {move.sent for move in moves} == {
        *("nothing", "half the head", "the head", "half the body", "all", "more")
    }
    assert {move.then for move in moves} == {
        *("keep", "close", "reset", "stall", "close at the next", "reset at the next")
    }


# -- The ledger's checks ----------------------------------------------------------------------------------

BODY = Move().body(7, 0)
BILLED = Sending(7, "a picture", billed=True, repeatable=False, delivered=BODY)
LIMITED = Sending(7, "a 429", billed=False, repeatable=True)


def test_a_call_may_be_sent_again_after_an_unbilled_429():
    assert list(repeat_violations([LIMITED, BILLED])) == []


def test_each_seed_is_a_call_of_its_own():
    assert list(repeat_violations(replace(BILLED, seed=seed) for seed in range(3))) == []


@pytest.mark.parametrize(
    ("sendings", "end", "expected"),
    [
        ([BILLED], End("picture", billed=True, bodies=(BODY,)), ""),
        ([BILLED], End("UnusableReply", billed=True, bodies=(BODY,)), ""),
        ([BILLED], End("RequestRefused", billed=False, bodies=(BODY,)), "reports billed=False"),
        ([LIMITED], End("RateLimited", billed=True), "reports billed=True"),
        ([BILLED], End("UnusableReply", billed=True, bodies=(BODY[:-1],)), "lost a paid reply"),
        ([BILLED], End("OutcomeTimedOut", billed=None, timed_out=True), ""),
        ([BILLED], End.abandoned_by("cancelled"), ""),
        ([BILLED], End("picture", billed=True, bodies=(Move().body(8, 0),)), "another call's picture"),
        ([LIMITED], End.of(LookupError("x")), "another exception: LookupError: x"),
        ([LIMITED], End.of(OutcomeUnknown("x")), ""),
    ],
)
def test_a_callers_result_is_checked_against_the_ledger(sendings: list[Sending], end: End, expected: str):
    found = list(report_violations(sendings, [(7, end)]))
    assert bool(found) == bool(expected)
    assert not expected or any(expected in each for each in found)
