"""The score: which mutants the suite kills, by which case, and how long that takes.

Law: the suite must hold on the unchanged server, else no kill means anything. Each mutant is run in a process
that was forked once the unchanged server's pictures were drawn, so that they are drawn once for all.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from segmind_sd3_contract.conformance.inprocess import first_broken
from segmind_sd3_contract.conformance.judging import Readings
from segmind_sd3_contract.conformance.judging import packaged as packaged_readings

from proofs.mutation.equivalents import reason_of
from proofs.mutation.mutants import UNCHANGED, every, packaged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from segmind_sd3_contract.conformance.results import Outcome

    from proofs.mutation.equivalents import Equivalent
    from proofs.mutation.mutants import Mutant

    Made = TypeVar("Made")

    class Run(Protocol):
        """Runs a function of a name in the processes, in no order."""

        def __call__(self, function: Callable[[str], Made], names: Iterable[str], /) -> Iterator[Made]: ...


FORMAT: Final = "segmind-sd3 mutation 1"
"""Name and version of the score file."""

LEAST: Final = 99.0
"""Percent of the mutants that can be noticed."""


class BrokenUnchanged(Exception):
    """What is to notice the mutants fails on the unchanged server; the text says where."""


@dataclass(frozen=True)
class Result:
    """What came of one mutant.

    `killed_by` is the case that broke, or None where none did. `why` is the first thing that was wrong; where
    the suite itself failed on the mutant, which kills nothing, it says how.
    """

    mutant: str
    killed_by: str | None
    why: str | None
    seconds: float


@dataclass(frozen=True)
class Score:
    """What came of all of them. `equivalent` are the survivors that are listed, with their reasons."""

    results: tuple[Result, ...]
    equivalent: dict[str, str]

    @classmethod
    def of(cls, results: Sequence[Result], rows: Sequence[Equivalent]) -> Score:
        reasons = {each.mutant: reason_of(each.mutant, rows) for each in results if not each.killed_by}
        return cls(tuple(results), {name: reason for name, reason in reasons.items() if reason})

    @property
    def killed(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.killed_by)

    @property
    def survivors(self) -> tuple[Result, ...]:
        """The survivors that nothing explains."""
        return tuple(
            each for each in self.results if not each.killed_by and each.mutant not in self.equivalent
        )

    @property
    def percent(self) -> float:
        """Killed of all that can be noticed."""
        noticeable = len(self.killed) + len(self.survivors)
        return 100 * len(self.killed) / noticeable if noticeable else 0.0

    @property
    def seconds(self) -> float:
        """What all of them took, one after the other."""
        return sum(result.seconds for result in self.results)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        value = {
            "format": FORMAT,
            "mutants": len(self.results),
            "killed": len(self.killed),
            "equivalent": self.equivalent,
            "survivors": [result.mutant for result in self.survivors],
            "percent": round(self.percent, 2),
            "seconds": round(self.seconds, 1),
            "results": [asdict(result) for result in self.results],
        }
        file.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


@cache
def by_name() -> dict[str, Mutant]:
    return {mutant.name: mutant for mutant in (UNCHANGED, *every())}


def outcome_of(mutant: Mutant) -> Outcome | None:
    """Run the suite against a mutant, until a case is broken."""
    bundles = mutant.bundles()
    # Cases are made once for each contract, and most mutants leave that as it is.
    readings = (
        packaged_readings(exact=True)
        if bundles is packaged()
        else Readings.of(bundles.documented, bundles.observed, exact=True)
    )
    return first_broken(mutant.server().transport(), readings, likely=(mutant.operation, mutant.group))


def tried(name: str) -> Result:
    began = time.monotonic()
    try:
        outcome = outcome_of(by_name()[name])
    except Exception as error:  # noqa: BLE001 - a suite that fails itself has judged nothing, and that is told
        why = f"the suite itself failed: {type(error).__name__}: {error}"
        return Result(name, None, why, time.monotonic() - began)
    why = outcome and next(iter(outcome.reasons), None)
    return Result(name, outcome and outcome.id, why, time.monotonic() - began)


@contextmanager
def workers(count: int) -> Generator[Run]:
    """Fork some processes, and give a way to run a function of a mutant's name in them.

    Raises BrokenUnchanged where the suite breaks on the unchanged server. That run draws the pictures.
    """
    if broken := outcome_of(UNCHANGED):
        raise BrokenUnchanged(f"{broken.id} is broken on the unchanged server: {'; '.join(broken.reasons)}")
    by_name()
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield pool.imap_unordered
