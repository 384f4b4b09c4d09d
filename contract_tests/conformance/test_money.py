"""What a run may cost: never more than its budget, and nothing twice, whatever interrupts it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from segmind_sd3_contract.conformance.inprocess import KEY, PENNILESS
from segmind_sd3_contract.conformance.prices import Prices
from segmind_sd3_contract.conformance.sending import Pace
from segmind_sd3_contract.conformance.session import CouldNotRun, Session, Settings
from segmind_sd3_contract.conformance.target import Target
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    from segmind_sd3_contract.conformance.results import Outcome, Run

pytestmark = pytest.mark.slow

BUDGET = 0.05
ONLY = "sd35_turbo_txt2img::*"
GOOD = "sd35_turbo_txt2img::(call)::good"
FAULTS = (
    *("reset", "hang-up", "reset-before-body", "reset-in-body", "truncated-body", "gateway-html:502"),
    *("gateway-html:504", "status:520", "server-error:plain", "garbage", "error-in-200", "truncated-picture"),
    *("no-header:x-cost", "no-header:x-remaining-credits", "odd-header:x-cost:nan", "no-retry-after:absent"),
)


def rich(prices: dict[str, float] | None = None) -> ReferenceServer:
    return ReferenceServer("observed", 1000.0, keys=[KEY], penniless=[PENNILESS], prices=prices)


def session(
    folder: Path | None,
    *,
    url: str = "http://reference.invalid",
    transport: httpx.BaseTransport | None = None,
    budget: float | None = BUDGET,
    only: str = ONLY,
) -> Session:
    """Begin a run, or go on with it where there is one."""
    settings = Settings(url, "observed", "full", 0, strict=False, only=only, shared_account=False)
    resumed = folder is not None and folder.exists()
    target = Target(url, KEY, PENNILESS)
    return Session(
        target, settings, Prices.read(), folder=folder, resumed=resumed, budget=budget, transport=transport
    )


def spent(server: ReferenceServer) -> float:
    return sum(entry.cost for entry in server.ledger)


def paid_twice(server: ReferenceServer, planned: Session) -> Counter[str]:
    """Give what was billed more often than the plan has calls that say the same."""
    meant = Counter(call.content for call in planned.plan.calls().values())
    allowed = Counter({hashlib.sha256(content).hexdigest(): times for content, times in meant.items()})
    return Counter(entry.digest for entry in server.ledger if entry.cost) - allowed


class Interruption(BaseException):
    """Ends a run where no code of it expects it."""


def interrupted_at(moment: int) -> Callable[[Outcome], None]:
    seen = 0

    def tell(_: Outcome) -> None:
        nonlocal seen
        seen += 1
        if seen == moment:
            raise Interruption

    return tell


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(22))  # of three interruptions each
def test_no_interruption_and_no_fault_spends_more_than_the_budget(seed: int, tmp_path: Path):
    chance = Random(seed)  # noqa: S311 - for chance, not for secrets
    server = rich()
    for fault in chance.sample(FAULTS, 3):
        server.provoke(fault, times=chance.randint(1, 3))
    run: Run | None = None
    for _ in range(3):
        with session(tmp_path / "run", transport=server.transport()) as going:
            try:
                run = going.run(Pace(), interrupted_at(chance.randint(1, 60)))
            except Interruption:
                continue
    with session(tmp_path / "run", transport=server.transport()) as last:
        run = last.run(Pace(), lambda _: None)
        assert paid_twice(server, last) == Counter()

    assert 0 < spent(server) <= BUDGET
    assert run.spent + run.reserved >= spent(server) - 1e-9
    assert run.stopped is not None


def test_a_service_that_charges_three_times_as_much_costs_one_call_too_much_and_the_run_says_why():
    server = rich({"stable-diffusion-3.5-turbo-txt2img": 3 * 0.0035})

    with session(None, transport=server.transport()) as going:
        run = going.run(Pace(), lambda _: None)

    assert run.stopped is not None
    assert "more than its worst price" in run.stopped
    assert sum(entry.cost > 0 for entry in server.ledger) == 1
    assert run.exit_code == 3


class Lying(ReferenceServer):
    """Says something else of money than is true, in each 200."""

    said: dict[str, str | None]

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        return answer.with_headers(**self.said) if "x-cost" in answer.headers else answer


@pytest.mark.parametrize(
    "said",
    [
        {"x_cost": None},
        {"x_cost": "0"},
        {"x_cost": "-1"},
        {"x_cost": "nan"},
        {"x_cost": "inf"},
        {"x_cost": "free"},
        {"x_cost": "0.000001", "x_remaining_credits": "1000000"},
    ],
    ids=str,
)
def test_a_cost_that_can_not_be_believed_counts_as_the_worst_price(said: dict[str, str | None]):
    lying = Lying("observed", 1000.0, keys=[KEY], penniless=[PENNILESS])
    lying.said = said
    with session(None, transport=lying.transport(), only=GOOD) as going:
        run = going.run(Pace(), lambda _: None)

    assert run.spent == pytest.approx(0.0035)


@pytest.mark.parametrize("said", [{"x_cost": "0"}, {"x_cost": None}, {"x_cost": "-9"}], ids=str)
def test_a_target_that_lies_about_its_prices_draws_no_more_than_the_budget_pays_for(
    said: dict[str, str | None],
):
    lying = Lying("observed", 1000.0, keys=[KEY], penniless=[PENNILESS])
    lying.said = {**said, "x_remaining_credits": "1000"}
    with session(None, transport=lying.transport()) as going:
        going.run(Pace(), lambda _: None)

    assert 0 < spent(lying) <= BUDGET


def test_a_run_without_a_budget_has_the_one_that_its_plan_shows():
    with session(None, budget=None) as going:
        assert going.budget == pytest.approx(going.price)


def test_the_reason_for_a_stop_is_told_where_the_budget_is_used_up():
    server = rich()
    with session(None, transport=server.transport(), budget=0.01) as going:
        run = going.run(Pace(), lambda _: None)

    assert run.stopped is not None
    assert "budget of 0.0100 credits" in run.stopped
    assert run.exit_code == 3
    assert run.counts()["not run"] > 0


def test_the_pace_is_kept_between_calls():
    slept: list[float] = []
    pace = Pace(60, sleep=slept.append, clock=lambda: 0.0)
    server = rich()
    with session(None, transport=server.transport(), only=GOOD) as going:
        going.run(pace, lambda _: None)

    assert len(slept) > 1
    assert slept == list(range(len(slept)))


# -- Killed, and resumed ----------------------------------------------------------------------------------


class Deadly(ReferenceServer):
    """Kills its client at its n-th request: before it is answered, or when the answer is on its way."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.victim: int | None = None
        self.requests_left = 0
        self.after_billing = False

    def answer(self, request: Request) -> Answer:
        self.requests_left -= 1
        now = self.requests_left == 0 and self.victim is not None
        if now and not self.after_billing:
            os.kill(self.victim or 0, signal.SIGKILL)
        answer = super().answer(request)
        if now and self.after_billing:
            os.kill(self.victim or 0, signal.SIGKILL)
        return answer


def go_on(folder: Path, url: str) -> None:
    with session(folder, url=url, budget=5.0) as going:
        going.run(Pace(), lambda _: None)


def test_a_run_killed_20_times_ends_with_one_answer_for_each_case_and_pays_for_none_twice(tmp_path: Path):
    chance, folder = Random(20), tmp_path / "run"  # noqa: S311 - as above
    server = Deadly(profile="observed", credits=1000.0, keys=[KEY], penniless=[PENNILESS])
    fork = multiprocessing.get_context("fork")
    killed = 0
    with server.listening() as url:
        while killed < 20:
            child = fork.Process(target=go_on, args=(folder, url))
            server.requests_left, server.after_billing = chance.randint(1, 9), chance.random() < 0.7
            child.start()
            server.victim = child.pid
            child.join()
            killed += child.exitcode == -signal.SIGKILL
            assert child.exitcode == -signal.SIGKILL, "the run ended before it was killed often enough"
        server.victim = None
        with session(folder, url=url, budget=5.0) as last:
            run = last.run(Pace(), lambda _: None)
            assert paid_twice(server, last) == Counter()
            planned = {case.id for case in last.plan.cases}

    ids = [outcome.id for outcome in run.outcomes if outcome.id in planned]
    assert Counter(ids) == Counter(planned)
    assert {outcome.verdict for outcome in run.outcomes if outcome.id in planned} - {"inconclusive"} == {
        "held",
        "open",
        "known deviation",
    }


def test_an_answer_that_was_never_kept_is_inconclusive_and_not_asked_for_again(tmp_path: Path):
    server = rich()
    with session(tmp_path / "run", transport=server.transport(), only=GOOD) as going:
        (name,) = (name for name in going.plan.calls() if name.startswith("sd35"))
        going.journal.begin(name, 0.0035)
        run = going.run(Pace(), lambda _: None)

    (outcome,) = (outcome for outcome in run.outcomes if outcome.id == GOOD)
    assert outcome.verdict == "inconclusive"
    assert not any(entry.cost for entry in server.ledger)
    assert run.reserved == pytest.approx(0.0035)


def test_a_run_is_resumed_only_as_what_it_was_begun_as(tmp_path: Path):
    session(tmp_path / "run").journal.close()

    with pytest.raises(CouldNotRun, match="was begun with only"):
        session(tmp_path / "run", only="*")


def test_a_new_run_does_not_begin_where_another_is(tmp_path: Path):
    session(tmp_path / "run").journal.close()
    target = Target("http://reference.invalid", KEY)
    settings = Settings(target.url, "observed", "full", 0, strict=False, only=ONLY, shared_account=False)

    with pytest.raises(CouldNotRun, match="--resume"):
        Session(target, settings, Prices.read(), folder=tmp_path / "run")
