"""Run the suite against each mutant, and print its score: `python -m proofs.mutation [GLOB…]`.

Exit codes: 0, every mutant is killed or listed as equivalent; 1, one survived; 2, nothing was measured.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proofs.mutation.command import chosen_mutants, make_parser, with_progress
from proofs.mutation.equivalents import outdated_rows, read_equivalents
from proofs.mutation.mutants import all_mutants
from proofs.mutation.score import MIN_PERCENT, Score, UnchangedFails, try_mutant, workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCORE_FILE: Final = Path("out/mutation.json")


def main(arguments: Sequence[str] | None = None) -> int:
    options = make_parser(
        "mutation",
        "Change one thing at a time in contract, server and specs, and run the suite.",
        SCORE_FILE,
    ).parse_args(arguments)
    chosen = chosen_mutants(options)
    if not chosen:
        print("No mutant has such a name.", flush=True)
        return 2
    began = time.monotonic()
    try:
        with workers(options.workers) as run:
            names = [mutant.name for mutant in chosen]
            results = with_progress(run(try_mutant, names), len(names), lambda each: each.killed_by)
            found = {each.mutant: each for each in results}
    except UnchangedFails as broken:
        print(str(broken), flush=True)
        return 2
    rows = read_equivalents()
    score = Score.of([found[name] for name in names], rows)
    score.write(options.out)
    outdated = list(
        outdated_rows(rows, [mutant.name for mutant in all_mutants()], [each.mutant for each in score.killed])
    )
    for line in report(score, outdated, time.monotonic() - began):
        print(line, flush=True)
    return 1 if score.survivors or outdated or score.percent < MIN_PERCENT else 0


def report(score: Score, outdated: Sequence[str], seconds: float) -> Iterator[str]:
    for result in score.killed:
        yield f"killed   {result.mutant}  by {result.killed_by}  ({result.seconds:.2f} s)"
    for name, reason in score.equivalent.items():
        yield f"listed   {name}: {reason}"
    for result in score.survivors:
        yield f"SURVIVED {result.mutant}{f': {result.why}' if result.why else ''}"
    yield from (f"OUTDATED {line}" for line in outdated)
    yield (
        f"{len(score.results)} mutants: {len(score.killed)} killed, {len(score.equivalent)} equivalent, "
        f"{len(score.survivors)} survived. Score {score.percent:.2f} %."
    )
    yield f"{seconds:.0f} s in all; {score.seconds / len(score.results):.2f} s a mutant on average."


if __name__ == "__main__":
    sys.exit(main())
