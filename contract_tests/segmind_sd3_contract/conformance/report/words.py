"""How a report speaks of a run: the sentences and signs that its forms share."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.credits import ROUNDING, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segmind_sd3_contract.conformance.results import Clause, Exchange, Layer, Outcome, Run, Verdict

SIGNS: Final[Mapping[Verdict, str]] = {
    "held": "✓",
    "broken": "✗",
    "known deviation": "≈",
    "open": "?",
    "inconclusive": "…",
    "not run": "–",  # noqa: RUF001 - a dash, since nothing is there
}
"""A verdict is never told by its colour alone."""


def source(run: Run) -> str:
    """Say whether anything here was seen of the live API."""
    return f"LIVE: {run.live_exchanges} exchanges" if run.live_exchanges else "REFERENCE"


def headline(run: Run) -> str:
    """Say in a line what came out, behind the sign of it."""
    broken, tried = run.counts()["broken"], len(run.outcomes) - run.counts()["not run"]
    if broken:
        text = f"{broken} of {tried} cases {'is' if broken == 1 else 'are'} broken"
    else:
        text = f"Nothing is broken in {tried} cases" if tried else "No case was tried"
    if run.exit_code > 1:
        text += ", and the run is incomplete" if tried else ""
    return f"{SIGNS['broken' if broken else 'inconclusive' if run.exit_code else 'held']} {text}"


def judged_as(run: Run) -> str:
    return f"{run.profile}{', strictly' if run.strict else ''}"


def ending(run: Run) -> str:
    """Say what the exit code means: beside an earlier run, only what changed counts."""
    match run.exit_code:
        case 0:
            return "nothing is broken" if run.changed is None else "no verdict changed"
        case 1:
            return "something is broken" if run.changed is None else "a verdict changed"
        case 2:
            return f"it could not run: {run.stopped or 'no case was tried'}"
        case _:
            broken = run.counts()["broken"]
            return "it is incomplete" + (f", and {broken} of what was tried is broken" if broken else "")


def money(run: Run) -> str:
    if run.budget is None:
        return f"{_spent(run, run.spent)} credits, no budget"
    # A sum of many prices may be above its budget by a rounding alone.
    spent = min(run.spent, run.budget) if run.spent <= run.budget + ROUNDING else run.spent
    return f"{_spent(run, spent)} of {usd(run.budget)} credits"


def _spent(run: Run, spent: float) -> str:
    return usd(spent) + (f" (and up to {usd(run.reserved)} more)" if run.reserved else "")


def exchanges_of(outcome: Outcome, run: Run) -> list[Exchange]:
    return [run.exchanges[name] for name in outcome.calls if name in run.exchanges]


def came(exchange: Exchange) -> str:
    """Say what came of a call, in a line."""
    if exchange.status is None:
        return f"no reply: {exchange.failure}"
    cut_short = f", and not whole: {exchange.failure}" if exchange.failure else ""
    return f"{exchange.status} in {exchange.seconds:.2f} s{cut_short}"


def changes(run: Run) -> Iterator[tuple[str, str, str]]:
    """Return each case whose verdict is another than in the earlier run: its id, what it was, what it is."""
    now = {outcome.id: outcome.verdict for outcome in run.outcomes}
    for case, was in (run.changed or {}).items():
        yield case, was or "no such case", now.get(case, "no such case")


def untested(run: Run) -> dict[tuple[Verdict, str], list[Outcome]]:
    """Return what nothing can be said of, by verdict and reason, the commonest first."""
    found: defaultdict[tuple[Verdict, str], list[Outcome]] = defaultdict(list)
    for outcome in run.outcomes:
        if outcome.verdict in ("not run", "inconclusive"):
            found[outcome.verdict, "; ".join(outcome.reasons) or "no reason is told"].append(outcome)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of one layer of the contract a run has exercised, counted in sides.

    Attributes:
        within_reach: how many sides a call can bring about: no call makes an honest service fail.
        missing: what was not exercised, and at which endpoints.
        out_of_reach: the same, of what no call brings about.
    """

    layer: Layer
    stated: int
    exercised: int
    within_reach: int
    missing: Mapping[str, list[str]]
    out_of_reach: Mapping[str, list[str]]

    def __str__(self) -> str:
        text = f"{self.exercised} of {self.stated} ({percent(self.exercised, self.stated)})"
        if self.within_reach == self.stated:
            return text
        return f"{text}; of what a call can bring about {percent(self.exercised, self.within_reach)}"


def coverage(run: Run) -> list[Covered]:
    """Return the coverage of each layer that states anything."""
    found: list[Covered] = []
    layers: tuple[Layer, ...] = ("documented", "observed")
    for layer in layers:
        clauses = [clause for clause in run.coverage if clause.layer == layer]
        if not clauses:
            continue
        stated = sum(len(clause.sides) for clause in clauses)
        missing, out_of_reach = _missing(clauses, by_a_call=True), _missing(clauses, by_a_call=False)
        beyond = sum(map(len, out_of_reach.values()))
        exercised = stated - beyond - sum(map(len, missing.values()))
        found.append(Covered(layer, stated, exercised, stated - beyond, missing, out_of_reach))
    return found


def _missing(clauses: list[Clause], *, by_a_call: bool) -> dict[str, list[str]]:
    """Return each side that was not exercised, and the endpoints that state it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for clause in clauses:
        for side, calls in clause.sides.items():
            if not calls and by_a_call is not _is_of_the_service(clause.place):
                found[f"{clause}: {side}"].append(clause.operation)
    return dict(found)


OF_THE_SERVICE: Final = ("403", "410", "429")
"""Statuses below 500 that depend on the state of the service, and on no call."""


def _is_of_the_service(place: str) -> bool:
    return place in OF_THE_SERVICE or (place.isdecimal() and place >= "500")


def endpoints(operations: list[str], run: Run) -> str:
    """Name the endpoints; all that the contract has, by their number."""
    known = {clause.operation for clause in run.coverage if clause.keyword == "required"}
    return f"all {len(known)} endpoints" if known == set(operations) else ", ".join(operations)


def percent(part: int, whole: int) -> str:
    """Say a share; only the whole is 100 %."""
    return f"{1000 * part // whole / 10:g} %" if whole else "nothing is stated"


def rank(place: str) -> tuple[int, int, str]:
    """Sort places by this as a reader looks for them: the bounds from the lowest up, then by name."""
    bound = re.fullmatch(r"(min|max)([+-]\d+)?(.*)", place)
    return (("min", "max").index(bound[1]), int(bound[2] or 0), bound[3]) if bound else (2, 0, place)
