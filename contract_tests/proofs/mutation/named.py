"""Run, for each fault that names a case, that case alone: `python -m proofs.mutation.named [GLOB…]`.

A fault is found when its case is broken. Where no page rules the fault out, the case is open on a correct
server too; then the fault is reported when the case says something else than it says of a correct server.

Exit codes: 0, each fault is found or reported; 1, one is not; 2, nothing was measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from segmind_sd3_contract.conformance.inprocess import outcomes_of, whole_plan
from segmind_sd3_contract.conformance.judging import packaged

from proofs.mutation.mutants import UNCHANGED, Mutant, behaviour_mutants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmind_sd3_contract.conformance.results import Outcome

FOUND, REPORTED, MISSED = "found", "reported", "MISSED"


@dataclass(frozen=True)
class Result:
    """What came of one fault: the case that answers for it, and what it says."""

    mutant: str
    kind: str
    case: str
    why: str


def try_named(name: str) -> Result:
    """Run the case that a fault names, and those that it needs."""
    mutant = faults()[name]
    assert mutant.named_by  # noqa: S101 - only such mutants are chosen
    outcomes = outcomes_of(mutant.server().transport(), packaged(exact=True), cases_for(mutant))
    named = [each for each in outcomes if fnmatchcase(each.id, mutant.named_by)]
    for each in named:
        if each.verdict == "broken":
            return Result(name, FOUND, each.id, each.reasons[0])
    for each in named:
        if mutant.left_open and each.verdict == "open" and each.reasons != correct()[each.id].reasons:
            return Result(name, REPORTED, each.id, each.reasons[0])
    return Result(
        name, MISSED, mutant.named_by, "; ".join(str(each.verdict) for each in named) or "no such case"
    )


def cases_for(mutant: Mutant) -> frozenset[str]:
    """Return the ids of the cases to run: those named, or of the group, or all of the endpoint."""
    cases = [case for case in whole_plan(packaged(exact=True)).cases if case.operation == mutant.operation]
    named = {case.id for case in cases if fnmatchcase(case.id, mutant.named_by or "")}
    group = {case.id for case in cases if case.group == mutant.group}
    return frozenset(named or group or {case.id for case in cases})


@cache
def correct() -> dict[str, Outcome]:
    """Return what the suite says of a correct server, by case."""
    return {each.id: each for each in outcomes_of(UNCHANGED.server().transport(), packaged(exact=True), None)}


@cache
def faults() -> dict[str, Mutant]:
    """Return the faults that name a case."""
    return {mutant.name: mutant for mutant in behaviour_mutants() if mutant.named_by}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m proofs.mutation.named", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="GLOB", help="names of mutants, with * and ?")
    parser.add_argument("--workers", type=int, default=2, help="number of processes (%(default)s)")
    options = parser.parse_args(arguments)
    patterns = options.patterns or ["*"]
    chosen = [
        each for each in faults().values() if any(fnmatchcase(each.name, pattern) for pattern in patterns)
    ]
    broken = [each.id for each in correct().values() if each.verdict == "broken"]
    if broken or not chosen:
        print(
            f"Broken on a correct server: {', '.join(broken)}." if broken else "No such fault names a case."
        )
        return 2
    began = time.monotonic()
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        results = pool.map(try_named, [mutant.name for mutant in chosen], chunksize=4)
    for line in report(results, {mutant.name for mutant in chosen if mutant.left_open}):
        print(line)
    print(f"{time.monotonic() - began:.0f} s.", flush=True)
    return 1 if any(each.kind == MISSED for each in results) else 0


def report(results: Sequence[Result], left_open: set[str]) -> list[str]:
    """Return a line for each fault and the sums. A class is a fault's name, whatever its endpoint."""
    lines = [f"{each.kind:<8} {each.mutant}  by {each.case}: {each.why[:90]}" for each in results]
    count = Counter(each.kind for each in results)
    classes = {each.mutant.rpartition("::")[2] for each in results}
    missed = {each.mutant.rpartition("::")[2] for each in results if each.kind == MISSED}
    promised = [each for each in results if each.mutant not in left_open]
    found = sum(each.kind == FOUND for each in promised)
    found_or_reported = sum(each.kind != MISSED for each in results) - found
    sums = (
        f"{len(results)} faults of {len(classes)} classes: {count[FOUND]} found, {count[REPORTED]} reported, "
        f"{count[MISSED]} missed (in {len(missed)} classes)."
    )
    promises = (
        f"Of {len(promised)} in what is promised, {found} are found; "
        f"of {len(left_open)} in what is left open, {found_or_reported} are found or reported."
    )
    return [*lines, sums, promises]


if __name__ == "__main__":
    sys.exit(main())
