"""How a report speaks of a run: the sentences and signs that its forms share."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segmind_sd3_contract.conformance.results import Exchange, Outcome, Run, Verdict

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


def ending(run: Run) -> str:
    """Say what the exit code means: beside an earlier run, only what changed counts."""
    match run.exit_code:
        case 0:
            return "nothing is broken" if run.changed is None else "no verdict changed"
        case 1:
            return "something is broken" if run.changed is None else "a verdict changed"
        case 2:
            return "it could not run"
        case _:
            return "it is incomplete"


def money(run: Run) -> str:
    spent = f"{run.spent:.4f}" + (f" (and up to {run.reserved:.4f} more)" if run.reserved else "")
    return f"{spent} of {run.budget:g} credits" if run.budget is not None else f"{spent} credits, no budget"


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


def rank(place: str) -> tuple[int, int, str]:
    """Sort places by this as a reader looks for them: the bounds from the lowest up, then by name."""
    bound = re.fullmatch(r"(min|max)([+-]\d+)?(.*)", place)
    return (("min", "max").index(bound[1]), int(bound[2] or 0), bound[3]) if bound else (2, 0, place)
