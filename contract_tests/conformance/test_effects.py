"""What the suite asks of parameters, prompts, pictures and calls at once: what it finds and leaves open."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from proofs.mutation import named
from segmind_sd3_contract.conformance.bodies import PROMPTS
from segmind_sd3_contract.conformance.inprocess import KEY, PENNILESS
from segmind_sd3_contract.conformance.judging import packaged
from segmind_sd3_contract.conformance.prices import Prices
from segmind_sd3_contract.conformance.replies import GROUP, RULES
from segmind_sd3_contract.conformance.report.curl import command
from segmind_sd3_contract.conformance.running import planned
from segmind_sd3_contract.conformance.sending import Pace
from segmind_sd3_contract.conformance.session import Session, Settings
from segmind_sd3_contract.conformance.target import Target
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    from segmind_sd3_contract.conformance.results import Outcome, Run

pytestmark = pytest.mark.slow

TURBO, LARGE = "sd35_turbo_txt2img", "sd3_large_img2img"
READINGS = packaged(exact=True)
EIGHT = f"{TURBO}::(parallel)::eight"


class Altered(ReferenceServer):
    """An honest server whose requests are changed before it sees them."""

    def __init__(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        super().__init__("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])
        self.change = change

    def answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.body[:1] == b"{":
            body = json.dumps(self.change(json.loads(request.body))).encode()
            return super().answer(replace(request, body=body))
        return super().answer(request)


def honest() -> ReferenceServer:
    return ReferenceServer("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])


def session(
    only: str,
    transport: httpx.BaseTransport,
    *,
    budget: float | None = None,
    folder: Path | None = None,
) -> Session:
    target = Target("http://reference.invalid", KEY, PENNILESS)
    settings = Settings(target.url, "observed", "thorough", 0, strict=False, only=only, shared_account=False)
    resumed = folder is not None and folder.exists()
    return Session(
        target,
        settings,
        Prices.read(),
        folder=folder,
        resumed=resumed,
        budget=budget,
        transport=transport,
    )


def run(only: str, server: ReferenceServer, **options: Any) -> Run:
    with session(only, server.transport(), **options) as going:
        return going.run(Pace(), lambda _: None)


def outcome(ran: Run, case: str) -> Outcome:
    (found,) = (each for each in ran.outcomes if each.id == case)
    return found


# -- Faults, and the cases that name them -----------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *("negative_prompt-ignored", "guidance_scale-ignored", "sampler-ignored", "scheduler-ignored"),
        *("steps-pinned-to-minimum", "width-rounded-to-64", "height-rounded-to-64", "prompt-cut-at-60"),
        *("prompt-not-ascii-500", "prompt-longer-than-200-500", "ten-the-same", "seed-27-bits"),
        *(
            "parallel-calls-draw-each-other",
            "parallel-calls-billed-twice",
            "parallel-calls-billed-too-little",
        ),
    ],
)
def test_a_fault_is_found_by_the_case_that_names_it(fault: str):
    assert named.try_named(f"behaviour:{TURBO}::{fault}").kind == named.FOUND


def test_each_fault_names_a_case_or_a_rule_that_there_is():
    cases = {case.id for case in planned(READINGS, Prices.read(), can_send=lambda _: True).cases}
    rules = {f"{each.operation}::{GROUP}::{rule.place}" for each in named.faults().values() for rule in RULES}
    money = {f"{each.operation}::(account)::x-cost=fall" for each in named.faults().values()}
    known = cases | rules | money

    assert len(named.faults()) > 500
    assert [
        each.name
        for each in named.faults().values()
        if not any(fnmatchcase(name, each.named_by or "") for name in known)
    ] == []


@pytest.mark.parametrize(
    "fault", ["chunked-411", "prompt-in-lower-case", "prompt-cut-at-1500", "seed-as-float64"]
)
def test_a_fault_in_what_is_left_open_is_reported(fault: str):
    assert named.try_named(f"behaviour:{TURBO}::{fault}").kind == named.REPORTED


# -- Effects ----------------------------------------------------------------------------------------------


def test_where_equal_calls_differ_an_effect_is_open_and_the_run_says_why():
    numbers = iter(range(1000))
    server = Altered(lambda body: {**body, "seed": next(numbers)})

    found = outcome(run(f"{TURBO}::steps::effect", server), f"{TURBO}::steps::effect")

    assert found.verdict == "open"
    assert "two equal calls draw different pictures" in found.reasons[0]


@pytest.mark.parametrize(
    ("ignored", "reason"), [((), "the pictures differ"), (("strength",), "draw the same picture")], ids=str
)
def test_without_a_seed_an_effect_is_open_and_the_run_says_what_it_saw(ignored: tuple[str, ...], reason: str):
    server = Altered(lambda body: {name: value for name, value in body.items() if name not in ignored})

    found = outcome(run(f"{LARGE}::strength::effect", server), f"{LARGE}::strength::effect")

    assert found.verdict == "open"
    assert reason in found.reasons[0]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("prompt::length:20000", "open"),
        ("prompt::text:html", "open"),
        ("prompt::length:200", "broken"),
        ("prompt::script:thai", "broken"),
    ],
)
def test_a_refusal_is_open_where_a_service_may_have_its_reasons(case: str, expected: str):
    """The server refuses every prompt but that of the good call."""
    server = Altered(lambda body: body if body["prompt"] in PROMPTS else {**body, "prompt": 7})

    found = outcome(run(f"{TURBO}::{case}", server), f"{TURBO}::{case}")

    assert found.verdict == expected


# -- Calls at the same time -------------------------------------------------------------------------------


class Together(ReferenceServer):
    """Answers the calls of a prompt's second time when eight of them are here."""

    def __init__(self) -> None:
        super().__init__("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])
        self.seen: set[bytes] = set()
        self.eight = threading.Barrier(8, timeout=20)

    def answer(self, request: Request) -> Answer:
        if request.body in self.seen:
            self.eight.wait()
        elif request.body:
            self.seen.add(request.body)
        return super().answer(request)


def test_eight_calls_go_at_the_same_time_and_what_they_cost_adds_up():
    ran = run(EIGHT, Together())

    assert outcome(ran, EIGHT).verdict == "held"
    assert outcome(ran, f"{TURBO}::(account)::x-cost=fall").verdict == "held"
    assert ran.spent == pytest.approx(16 * 0.0035)


def test_a_budget_that_does_not_cover_all_of_them_lets_none_go():
    server = honest()

    ran = run(EIGHT, server, budget=12 * 0.0035)

    assert outcome(ran, EIGHT).verdict == "not run"
    assert len([entry for entry in server.ledger if entry.cost]) == 8


def test_a_run_that_is_resumed_sends_none_of_them_again(tmp_path: Path):
    server = honest()
    first, second = (run(EIGHT, server, folder=tmp_path / "run") for _ in range(2))

    assert len([entry for entry in server.ledger if entry.cost]) == 16
    assert outcome(first, EIGHT).verdict == outcome(second, EIGHT).verdict == "held"


def test_a_pace_that_lets_fewer_go_in_a_minute_leaves_them_out():
    plan = planned(READINGS, Prices.read(), can_send=lambda _: True, a_minute=5)
    assert {case.place: why for case, why in plan.left_out} == {
        "eight": "it sends 8 calls at once, and 5 a minute may go"
    }


# -- How a request is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "header", "value"),
    [
        ("chunked", "transfer-encoding", "chunked"),
        ("gzip", "content-encoding", "gzip"),
        ("expect", "expect", "100-continue"),
        ("connection-close", "connection", "close"),
    ],
)
def test_a_call_is_sent_in_another_way_over_a_socket(place: str, header: str, value: str):
    seen: list[Request] = []

    class Watched(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            seen.append(request)
            return super().answer(request)

    server = Watched("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])
    case = f"{TURBO}::(body)::{place}"
    with server.listening() as url:
        target = Target(url, KEY, PENNILESS)
        settings = Settings(url, "observed", "thorough", 0, strict=False, only=case, shared_account=False)
        with Session(target, settings, Prices.read()) as going:
            ran = going.run(Pace(), lambda _: None)

    (sent,) = (request for request in seen if request.method == "POST")
    body = gzip.decompress(sent.body) if place == "gzip" else sent.body
    assert sent.headers[header] == value
    assert json.loads(body)["prompt"]
    assert outcome(ran, case).verdict == "open"


def test_the_curl_command_of_a_zipped_call_zips_it():
    ran = run(f"{TURBO}::(body)::gzip", honest())
    (exchange,) = (each for each in ran.exchanges.values() if "content-encoding" in each.headers)

    line = command(exchange, "http://127.0.0.1:1")

    assert line.startswith("printf %s '{")
    assert "| gzip -c | curl " in line
    assert "--data-binary @-" in line
