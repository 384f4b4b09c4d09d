"""The summary that closes a run in the terminal.

What servers say is text: the console lets no markup and no control character of it through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from segmind_sd3_contract.conformance.report.words import (
    SIGNS,
    came,
    changes,
    coverage,
    ending,
    endpoints,
    exchanges_of,
    judged_as,
    money,
    source,
    untested,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from segmind_sd3_contract.conformance.results import Outcome, Run, Verdict

MOST: Final = 40
"""Cases that are shown in one list: where a server is broken as a whole, more say no more."""

MOST_MISSING: Final = 10
"""Clauses of a layer that are named as not exercised: a small run leaves most of them."""

STYLES: Final[Mapping[Verdict, str]] = {
    "held": "green",
    "broken": "bold red",
    "known deviation": "yellow",
    "open": "blue",
    "inconclusive": "magenta",
    "not run": "dim",
}


def summary(run: Run, console: Console) -> None:
    """Print what a run has found."""
    _heading(console, source(run), f"{run.target}, judged as {judged_as(run)}")
    console.print(Text(f"tier {run.tier}, seed {run.seed}, spec {run.spec}, {run.started}", "dim"))
    broken = [outcome for outcome in run.outcomes if outcome.verdict == "broken"]
    for outcome in broken[:MOST]:
        _broken(outcome, run, console)
    _left_out(console, len(broken))
    if run.ledger:
        _heading(console, "Ledger")
        rows = ((row.quirk, row.probed, row.grade, row.why) for row in run.ledger)
        _table(console, ("quirk", "probed", "grade", "why"), rows)
    _coverage(run, console)
    if left := untested(run):
        _heading(console, "Not tested")
        rows = ((str(len(cases)), verdict, why) for (verdict, why), cases in left.items())
        _table(console, ("cases", "verdict", "why"), rows)
    if run.changed is not None:
        _heading(
            console, "Changed since the baseline" if run.changed else "Nothing changed since the baseline"
        )
        if run.changed:
            _table(console, ("case", "was", "is"), [*changes(run)][:MOST])
            _left_out(console, len(run.changed))
    _heading(console, "Verdicts")
    for verdict, count in run.counts().items():
        style = STYLES[verdict] if count else "dim"
        console.print(Text(f"{count:6} {SIGNS[verdict]} {verdict}", style))
    console.print()
    console.print(Text(f"Exchanges: {len(run.exchanges)}, live: {run.live_exchanges}. Spent: {money(run)}."))
    if run.stopped:
        console.print(Text(f"Stopped before its end: {run.stopped}", "bold"))
    console.print(Text(f"Exit {run.exit_code}: {ending(run)}.", "bold"))


def _coverage(run: Run, console: Console) -> None:
    for each in coverage(run):
        _heading(console, f"Coverage of what is {each.layer}", str(each))
        for what, operations in [*each.missing.items()][:MOST_MISSING]:
            console.print(Text(f"  not exercised: {what} ({endpoints(operations, run)})"))
        if (more := len(each.missing) - MOST_MISSING) > 0:
            console.print(Text(f"  … and {more} more: they are in the report", "dim"))
        if each.out_of_reach:
            statuses = ", ".join(dict.fromkeys(what.partition(" ")[0] for what in each.out_of_reach))
            console.print(Text(f"  no call brings about: {statuses}", "dim"))


def _heading(console: Console, text: str, rest: str = "") -> None:
    console.print()
    console.print(Text.assemble((text, "bold"), f"  {rest}" if rest else ""))


def _broken(outcome: Outcome, run: Run, console: Console) -> None:
    console.print()
    console.print(Text(f"{SIGNS['broken']} {outcome.id}", STYLES["broken"]))
    for line in (outcome.claim, *outcome.reasons):
        console.print(Text(f"  {line}"))
    for exchange in exchanges_of(outcome, run):
        console.print(Text(f"  {came(exchange)}, x-request-id: {exchange.request_id}", "dim"))


def _left_out(console: Console, count: int) -> None:
    if count > MOST:
        console.print(Text(f"… and {count - MOST} more: they are in the report", "dim"))


def _table(console: Console, headers: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
