"""Share options and progress display between the two commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from segmind_sd3_contract.terminal import Console

from proofs.mutation.mutants import named_mutants, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from proofs.mutation.mutants import Mutant

Found = TypeVar("Found")


def make_parser(module: str, description: str, out: Path) -> argparse.ArgumentParser:
    """Return the parser for a command: the mutants, the number of workers, the file of results."""
    parser = argparse.ArgumentParser(prog=f"python -m proofs.{module}", description=description)
    parser.add_argument(
        "patterns", nargs="*", metavar="GLOB", help="names of mutants, with * and ?; by default all"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="try N of them, spread over kinds and endpoints"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="number of processes (%(default)s)")
    parser.add_argument("--out", type=Path, default=out, help="file for all results (%(default)s)")
    return parser


def chosen_mutants(options: argparse.Namespace) -> list[Mutant]:
    mutants = named_mutants(options.patterns)
    return sample(mutants, options.sample, options.seed) if options.sample else mutants


def with_progress(
    results: Iterable[Found], total: int, killed: Callable[[Found], str | None]
) -> Iterator[Found]:
    """Yield results, and show the progress on stderr."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[survivors]} survive"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, survivors = bar.add_task("mutants", total=total, survivors=0), 0
        for result in results:
            survivors += not killed(result)
            bar.update(task, advance=1, survivors=survivors)
            yield result
