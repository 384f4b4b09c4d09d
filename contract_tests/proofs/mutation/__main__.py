"""`python -m proofs.mutation [GLOB…]`: run the suite against each mutant, and print its score.

Exit codes: 0, every mutant was noticed or is listed as equivalent; 1, not so; 2, it could not be measured.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proofs.mutation.command import chosen_by, options_of, say, shown
from proofs.mutation.equivalents import listed, untrue
from proofs.mutation.mutants import every
from proofs.mutation.score import LEAST, BrokenUnchanged, Score, tried, workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCORE_FILE: Final = Path("out/mutation.json")


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(
        "mutation",
        "Change one thing at a time in contract, server and specs; the suite must notice.",
        SCORE_FILE,
    ).parse_args(arguments)
    chosen = chosen_by(options)
    if not chosen:
        say("No mutant has such a name.")
        return 2
    began = time.monotonic()
    try:
        with workers(options.workers) as run:
            names = [mutant.name for mutant in chosen]
            results = shown(run(tried, names), len(names), lambda each: each.killed_by)
            found = {each.mutant: each for each in results}
    except BrokenUnchanged as broken:
        say(str(broken))
        return 2
    rows = listed()
    score = Score.of([found[name] for name in names], rows)
    score.write(options.out)
    wrong = list(untrue(rows, [mutant.name for mutant in every()], [each.mutant for each in score.killed]))
    for line in report(score, wrong, time.monotonic() - began):
        say(line)
    return 1 if score.survivors or wrong or score.percent < LEAST else 0


def report(score: Score, wrong: Sequence[str], seconds: float) -> Iterator[str]:
    for result in score.killed:
        yield f"killed   {result.mutant}  by {result.killed_by}  ({result.seconds:.2f} s)"
    for name, reason in score.equivalent.items():
        yield f"listed   {name}: {reason}"
    for result in score.survivors:
        yield f"SURVIVED {result.mutant}{f': {result.why}' if result.why else ''}"
    yield from (f"WRONG    {line}" for line in wrong)
    yield (
        f"{len(score.results)} mutants: {len(score.killed)} killed, {len(score.equivalent)} equivalent, "
        f"{len(score.survivors)} survived. Score {score.percent:.2f} %."
    )
    yield f"{seconds:.0f} s in all; {score.seconds / len(score.results):.2f} s a mutant on average."


if __name__ == "__main__":
    sys.exit(main())
