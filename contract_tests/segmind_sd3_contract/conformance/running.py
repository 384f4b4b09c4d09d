"""Run the cases in order, and give each its verdict.

The cheapest come first, and free ones before all others. A case that is not run says why. An endpoint that is
gone is one finding, and its other cases are not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.conformance.cases import cases
from segmind_sd3_contract.conformance.judging import judged
from segmind_sd3_contract.conformance.prices import pictures
from segmind_sd3_contract.conformance.replies import about_replies
from segmind_sd3_contract.conformance.results import TIERS, Exchange, Outcome
from segmind_sd3_contract.conformance.sending import Refused, Sender, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.conformance.case import Case
    from segmind_sd3_contract.conformance.judging import Readings
    from segmind_sd3_contract.conformance.prices import Prices
    from segmind_sd3_contract.conformance.results import Tier, Verdict

MOST_PICTURES_LIVE: Final = 2
"""Pictures that one call asks a live service for at most."""

SMOKE_PAID: Final = 5
"""Calls of the smallest run that may be paid for at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run tries, in its order; what it leaves out, and why; and what each call costs at the worst."""

    cases: tuple[Case, ...]
    left_out: tuple[tuple[Case, str], ...]
    worst: dict[str, float] = field(repr=False)

    def calls(self) -> dict[str, Call]:
        """Return every call, once, in the order of sending."""
        return {call.name: call for case in self.cases for call in case.calls}

    @property
    def price(self) -> float:
        return sum(self.worst[name] for name in self.calls())


def planned(
    readings: Readings,
    prices: Prices,
    *,
    can_send: Callable[[Call], bool],
    tier: Tier = "thorough",
    live: bool = False,
    shared_account: bool = False,
    a_minute: float | None = None,
    only: Callable[[str], bool] = lambda _: True,
    seed: int = 0,
) -> Plan:
    """Plan a run: the cases of a tier, without those of too many pictures or without a key."""

    def asked(call: Call) -> float:
        schema: Any = readings.pages.schema(call.operation)
        return pictures(call, schema["properties"] if schema else {})

    worst: dict[str, float] = {}
    chosen: list[Case] = []
    left_out: list[tuple[Case, str]] = []
    for case in cases(readings, seed):
        if not only(case.id) and readings.pages.schema(case.operation):
            continue  # the balance costs nothing, and tells who answers: it is always asked for
        worst |= {call.name: prices.worst(call, readings.pages) for call in case.calls}
        if TIERS.index(case.tier) > TIERS.index(tier):
            left_out.append((case, f"it is of the tier {case.tier}"))
        elif not all(map(can_send, case.calls)):
            left_out.append((case, "it needs a second key, of an account without credits"))
        elif shared_account and case.about_the_balance:
            left_out.append((case, "others use the account too"))
        elif live and any(asked(call) > MOST_PICTURES_LIVE for call in case.calls):
            left_out.append((case, f"it asks for more than {MOST_PICTURES_LIVE} pictures a call"))
        elif a_minute is not None and case.at_once > a_minute:
            left_out.append(
                (case, f"it sends {case.at_once} calls at once, and {a_minute:g} a minute may go")
            )
        else:
            chosen.append(case)
    # Stable: cases of one price stay in the page's order.
    chosen.sort(key=lambda case: sum(worst[call.name] for call in case.calls))
    return Plan(tuple(chosen), tuple(left_out), worst)


@dataclass
class Progress:
    """What has come out so far, and why the run stopped, if it did."""

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    exchanges: dict[str, Exchange] = field(default_factory=dict[str, Exchange])
    stopped: str | None = None
    key_refused: bool = False
    gone: dict[str, str] = field(default_factory=dict[str, str])


def run(
    plan: Plan,
    sender: Sender,
    readings: Readings,
    *,
    strict: bool,
    tell: Callable[[Outcome], None],
    progress: Progress,
) -> Progress:
    """Try the plan; what comes out is put into `progress` at once, so that an interruption loses nothing."""
    for case in plan.cases:
        outcome = tried(case, plan, sender, readings, strict=strict, progress=progress)
        progress.outcomes.append(outcome)
        tell(outcome)
    operations = dict.fromkeys(outcome.operation for outcome in progress.outcomes)
    for operation in operations:
        exchanges = exchanges_of(operation, progress)
        for outcome in (money(operation, exchanges), *about_replies(operation, exchanges, readings)):
            progress.outcomes.append(outcome)
            tell(outcome)
    progress.outcomes.extend(ended(case, "not run", (why,)) for case, why in plan.left_out)
    return progress


def tried(
    case: Case, plan: Plan, sender: Sender, readings: Readings, *, strict: bool, progress: Progress
) -> Outcome:
    """Send what a case needs and was not sent yet, and judge it."""
    if progress.stopped or case.operation in progress.gone:
        return _left_out(case, progress)
    sent: list[Exchange] = []
    for call in case.calls[: len(case.calls) - case.at_once]:
        try:
            exchange = progress.exchanges.get(call.name) or _answer(call, plan, sender, progress)
        except Refused as refusal:
            return ended(case, "inconclusive", (str(refusal),), calls=(call.name,))
        if exchange is None:
            return _left_out(case, progress)
        sent.append(exchange)
        if progress.stopped or case.operation in progress.gone:
            break
    else:
        sent += _answers_at_once(case, plan, sender, progress)
    if len(sent) < len(case.calls):
        if sent[-1].status == 200:
            return _left_out(case, progress)
        whole = [*sent, *[sent[-1]] * (len(case.calls) - len(sent))]
        judgement = judged(case, whole, readings, strict=strict)
        if judgement.verdict != "broken":
            return _left_out(case, progress)
    else:
        judgement = judged(case, sent, readings, strict=strict)
    return ended(
        case, judgement.verdict, judgement.reasons, judgement.deviation, tuple(each.call for each in sent)
    )


def _answer(call: Call, plan: Plan, sender: Sender, progress: Progress) -> Exchange | None:
    """Return what came of a call, and note what ends the run; None where it was not sent.

    Raises Refused where the key or the account was refused, which says nothing of the contract.
    """
    try:
        exchange = sender.answer(call, plan.worst[call.name])
    except Stopped as stop:
        progress.stopped, progress.key_refused = str(stop), stop.of_the_key
        if isinstance(stop, Refused):
            progress.exchanges[call.name] = stop.exchange
            raise
        exchange = sender.kept(call)
        if exchange is None:
            return None
    progress.exchanges[call.name] = exchange
    if exchange.status in (404, 410) and call.may_draw:
        progress.gone[call.operation] = f"the endpoint is gone: a good address gave {exchange.status}"
    return exchange


def _answers_at_once(case: Case, plan: Plan, sender: Sender, progress: Progress) -> list[Exchange]:
    """Return what came of the calls of a case that are sent at the same time; none where they were not."""
    calls = case.calls[len(case.calls) - case.at_once :]
    try:
        exchanges = sender.answers_at_once(calls, plan.worst) if calls else []
    except Stopped as stop:
        progress.stopped, progress.key_refused = str(stop), stop.of_the_key
        exchanges = [exchange for call in calls if (exchange := sender.kept(call))]
    progress.exchanges |= {exchange.call: exchange for exchange in exchanges}
    return exchanges


def exchanges_of(operation: str, progress: Progress) -> list[Exchange]:
    """Return all that was sent to an endpoint so far."""
    return [each for name, each in progress.exchanges.items() if name.startswith(f"{operation}:")]


def _left_out(case: Case, progress: Progress) -> Outcome:
    return ended(case, "not run", (progress.gone.get(case.operation) or progress.stopped or "",))


def ended(
    case: Case,
    verdict: Verdict,
    reasons: Sequence[str],
    deviation: str | None = None,
    calls: tuple[str, ...] = (),
) -> Outcome:
    distinct = tuple(dict.fromkeys(reasons))
    return Outcome(
        case.id,
        case.operation,
        case.group,
        case.place,
        case.layer,
        case.claim,
        verdict,
        distinct,
        deviation,
        calls,
    )


# -- Money ------------------------------------------------------------------------------------------------


def money(operation: str, exchanges: Iterable[Exchange]) -> Outcome:
    """Judge what calls of an endpoint cost: a 200 what it says, and nothing else anything."""
    calls = {each.call: each.wrong_cost for each in exchanges if each.wrong_cost is not None}
    wrong = {name: reasons for name, reasons in calls.items() if reasons}
    verdict: Verdict = "broken" if wrong else "held" if calls else "not run"
    reasons = [f"{reason} ({name})" for name, each in wrong.items() for reason in each]
    claim = "A 200 costs what its x-cost says, the balance falls by that, and nothing else costs anything."
    return Outcome(
        f"{operation}::(account)::x-cost=fall",
        operation,
        "(account)",
        "x-cost=fall",
        "observed",
        claim,
        verdict,
        tuple(reasons[:5]) or (("no reply told the balance",) if not calls else ()),
        calls=tuple(wrong)[:5],
    )


def exit_code(outcomes: Sequence[Outcome], progress: Progress) -> int:
    """Return the exit code: 2 the key was refused, or no case was decided; 3 incomplete; 1 broken; else 0."""
    verdicts = {outcome.verdict for outcome in outcomes}
    if progress.key_refused or verdicts == {"not run"}:
        return 2
    if progress.stopped or "inconclusive" in verdicts:
        return 3
    return 1 if "broken" in verdicts else 0
