"""Write the summary for a pipeline's own page, in GitHub's Markdown: `summary.md`.

What a server sent stands in code, where nothing is a link, a picture, a mention or a tag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.report import words
from segmind_sd3_contract.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmind_sd3_contract.conformance.results import Outcome, Run

MOST: Final = 50
"""Entries of a list: GitHub refuses a summary of more than 1 MiB, and a reader looks into the report."""

LONGEST: Final = 1_000
"""Characters of one text."""


def written(run: Run) -> bytes:
    return ("\n".join(_lines(run)) + "\n").encode("utf-8", "replace")


def _lines(run: Run) -> Iterator[str]:
    yield f"## {words.headline(run)}"
    yield ""
    yield f"{words.source(run)}. Target {code(run.target)}, judged as {words.judged_as(run)}."
    yield f"Tier {run.tier}, seed {run.seed}, {len(run.exchanges)} exchanges, spent {words.money(run)}."
    yield f"Exit {run.exit_code}: {code(words.ending(run))}."
    yield ""
    counts = run.counts()
    yield from _table(
        [f"{words.SIGNS[verdict]} {verdict}" for verdict in counts], [map(str, counts.values())]
    )
    broken = [outcome for outcome in run.outcomes if outcome.verdict == "broken"]
    if broken:
        yield "### Broken"
        yield ""
        yield from _listed(_broken(outcome, run) for outcome in broken)
    if run.changed is not None:
        yield "### Changed since the baseline" if run.changed else "Nothing changed since the baseline."
        yield ""
        yield from _listed(f"- {code(case)}: {was} → {now}" for case, was, now in words.changes(run))
    if left := words.untested(run):
        yield "### Not tested"
        yield ""
        yield from _listed(f"- {len(cases)} {verdict}: {code(why)}" for (verdict, why), cases in left.items())
    yield from _coverage(run)


def _broken(outcome: Outcome, run: Run) -> str:
    came = ", ".join(words.came(exchange) for exchange in words.exchanges_of(outcome, run))
    reasons = "".join(f"\n  - {code(reason)}" for reason in outcome.reasons)
    return f"- **{code(outcome.id)}** {code(outcome.claim)}{reasons}" + (
        f"\n  - came {code(came)}" if came else ""
    )


def _coverage(run: Run) -> Iterator[str]:
    covered = words.coverage(run)
    if not covered:
        return
    yield "### Coverage of the contract"
    yield ""
    yield from _table(
        ["layer", "exercised", "of", "share", "of what a call can bring about"],
        [
            (
                each.layer,
                str(each.exercised),
                str(each.stated),
                words.percent(each.exercised, each.stated),
                words.percent(each.exercised, each.within_reach),
            )
            for each in covered
        ],
    )
    for each in covered:
        if missing := {**each.missing, **each.out_of_reach}:
            count = each.stated - each.exercised
            yield f"<details><summary>{each.layer}, and not exercised: {count}</summary>"
            yield ""
            for what, operations in missing.items():
                yield f"- {code(what)}: {words.endpoints(operations, run)}"
            yield ""
            yield "</details>"
            yield ""


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    headers = list(headers)
    yield f"| {' | '.join(headers)} |"
    yield f"|{' --- |' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _listed(entries: Iterable[str]) -> Iterator[str]:
    every = list(entries)
    yield from every[:MOST]
    if len(every) > MOST:
        yield f"- … and {len(every) - MOST} more: they are in the report"
    yield ""


def code(text: str) -> str:
    """Return a text as code on one line: its fence is longer than any row of backticks in it."""
    line = " ".join(printable(text[:LONGEST]).split()) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"
