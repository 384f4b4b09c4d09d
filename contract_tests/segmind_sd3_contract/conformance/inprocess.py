"""The whole suite without a socket or a file: for the mutation score, and for tests."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.journal import Journal
from segmind_sd3_contract.conformance.prices import Prices
from segmind_sd3_contract.conformance.replies import about_replies
from segmind_sd3_contract.conformance.running import (
    Plan,
    Progress,
    exchanges_of,
    money,
    planned,
    run,
    tried,
)
from segmind_sd3_contract.conformance.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx

    from segmind_sd3_contract.conformance.judging import Readings
    from segmind_sd3_contract.conformance.results import Outcome

NOBODY_PAYS: Final = "http://conformance.invalid"
KEY: Final = "SG_0123456789abcdef"
PENNILESS: Final = "SG_00000000000000ff"
"""The key that a server of the suite's own gives no credits."""


@lru_cache(maxsize=2)
def whole_plan(readings: Readings) -> Plan:
    """Plan everything: there is a key for each call."""
    return planned(readings, Prices.read(), can_send=lambda _: True)


def outcomes_of(
    transport: httpx.BaseTransport, readings: Readings, chosen: Collection[str] | None
) -> list[Outcome]:
    """Run the cases with some ids (all: None) to their end, strictly, and return what came of them."""
    plan, progress = whole_plan(readings), Progress()
    cases = tuple(case for case in plan.cases if chosen is None or case.id in chosen)
    # The balance first, as in every run: what a call costs is seen by how it falls.
    first = tuple(case for case in plan.cases[:1] if case not in cases)
    with Journal() as journal:
        sender = Sender(NOBODY_PAYS, KEY, journal, transport, penniless=PENNILESS)
        run(
            Plan((*first, *cases), (), plan.worst),
            sender,
            readings,
            strict=True,
            tell=lambda _: None,
            progress=progress,
        )
    return progress.outcomes


def first_broken(
    transport: httpx.BaseTransport,
    readings: Readings,
    *,
    strict: bool = True,
    likely: tuple[str, str] | None = None,
) -> Outcome | None:
    """Run the whole suite against what a transport answers, until a case is broken.

    `likely` is an endpoint and a group: its cases come first, then those of the endpoint. None means that no
    case is broken. A refused key is found too.
    """
    with Journal() as journal:
        sender = Sender(NOBODY_PAYS, KEY, journal, transport, penniless=PENNILESS)
        plan = whole_plan(readings)
        if likely:
            operation, group = likely
            # The balance first: what a call costs is seen by how it falls.
            first = plan.cases[0].operation
            order = sorted(
                plan.cases,
                key=lambda case: (case.operation != first, case.operation != operation, case.group != group),
            )
            plan = Plan(tuple(order), plan.left_out, plan.worst)
        progress = Progress()
        for operation, group in groupby(plan.cases, lambda case: case.operation):
            for case in group:
                outcome = tried(case, plan, sender, readings, strict=strict, progress=progress)
                if outcome.verdict == "broken" or progress.key_refused:
                    return outcome
                progress.outcomes.append(outcome)
                paid = [progress.exchanges[name] for name in outcome.calls]
                if (bill := money(case.operation, paid)).verdict == "broken":
                    return bill
            for outcome in about_replies(operation, exchanges_of(operation, progress), readings):
                if outcome.verdict == "broken":
                    return outcome
        return None
