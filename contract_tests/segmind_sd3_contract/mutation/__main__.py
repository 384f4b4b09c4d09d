"""`python -m segmind_sd3_contract.mutation [GLOB…]`: run the suite against each mutant, and print its score.

Exit codes: 0, every mutant was noticed or is listed as equivalent; 1, not so; 2, it could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segmind_sd3_contract.mutation.equivalents import listed, untrue
from segmind_sd3_contract.mutation.mutants import every, named, sampled
from segmind_sd3_contract.mutation.score import LEAST, Score, tried, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segmind_sd3_contract.mutation.mutants import Mutant
    from segmind_sd3_contract.mutation.score import Result

SCORE_FILE: Final = Path("out/mutation.json")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    chosen = chosen_by(options)
    if not chosen:
        say("No mutant has such a name.")
        return 2
    began = time.monotonic()
    try:
        with workers(options.workers) as run:
            names = [mutant.name for mutant in chosen]
            found = {each.mutant: each for each in shown(run(tried, names), len(names))}
    except ValueError as broken:
        say(str(broken))
        return 2
    rows = listed()
    score = Score.of([found[name] for name in names], rows)
    score.write(options.out)
    wrong = list(untrue(rows, [mutant.name for mutant in every()], [each.mutant for each in score.killed]))
    for line in report(score, wrong, time.monotonic() - began):
        say(line)
    return 1 if score.survivors or wrong or score.percent < LEAST else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m segmind_sd3_contract.mutation",
        description="Change one thing at a time in contract, server and specs; the suite must notice.",
    )
    add_choice(parser)
    parser.add_argument("--out", type=Path, default=SCORE_FILE, help="the score file (%(default)s)")
    return parser


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose mutants, and how many are run at a time."""
    parser.add_argument(
        "patterns", nargs="*", metavar="GLOB", help="names of mutants, with * and ?; else all"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="so many of them, spread over kinds and endpoints"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (%(default)s)")


def chosen_by(options: argparse.Namespace) -> list[Mutant]:
    mutants = named(options.patterns)
    return sampled(mutants, options.sample, options.seed) if options.sample else mutants


def shown(results: Iterable[Result], total: int) -> Iterator[Result]:
    """Show how far it is, on stderr, while results come in."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[survivors]} not noticed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, survivors = bar.add_task("mutants", total=total, survivors=0), 0
        for result in results:
            survivors += not result.killed_by
            bar.update(task, advance=1, survivors=survivors)
            yield result


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


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command speaks to a terminal


if __name__ == "__main__":
    sys.exit(main())
