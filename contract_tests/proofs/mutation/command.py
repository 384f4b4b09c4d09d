"""What both commands have in common: which mutants they run, and how they speak meanwhile."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from segmind_sd3_contract.terminal import Console

from proofs.mutation.mutants import named, sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from proofs.mutation.mutants import Mutant

Found = TypeVar("Found")


def options_of(module: str, description: str, out: Path) -> argparse.ArgumentParser:
    """Give the options of a command: which mutants, how many at a time, and the file of results."""
    parser = argparse.ArgumentParser(prog=f"python -m proofs.{module}", description=description)
    parser.add_argument(
        "patterns", nargs="*", metavar="GLOB", help="names of mutants, with * and ?; else all"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="so many of them, spread over kinds and endpoints"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=out, help="all results (%(default)s)")
    return parser


def chosen_by(options: argparse.Namespace) -> list[Mutant]:
    mutants = named(options.patterns)
    return sampled(mutants, options.sample, options.seed) if options.sample else mutants


def shown(results: Iterable[Found], total: int, killed: Callable[[Found], str | None]) -> Iterator[Found]:
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
            survivors += not killed(result)
            bar.update(task, advance=1, survivors=survivors)
            yield result


def say(line: str) -> None:
    print(line, flush=True)
