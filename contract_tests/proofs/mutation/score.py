"""Compute the score: the mutants that the suite kills, the case that kills each, and the time.

The suite must pass on the unchanged server, or no kill would mean anything. That run also draws the pictures.
The processes for the mutants are forked after it, so the pictures are drawn only once.
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
from proofs.mutation.mutants import UNCHANGED, all_mutants, packaged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from segmind_sd3_contract.conformance.results import Outcome
    from segmind_sd3_contract.reference import ReferenceServer

    from proofs.mutation.equivalents import Equivalent
    from proofs.mutation.mutants import Mutant

    Made = TypeVar("Made")

    class Run(Protocol):
        """Run a function of a name in the processes, in any order."""

        def __call__(self, function: Callable[[str], Made], names: Iterable[str], /) -> Iterator[Made]: ...


FORMAT: Final = "segmind-sd3 mutation 1"
"""Name and version of the score file."""

MIN_PERCENT: Final = 99.0
"""The minimum percentage of killed mutants, equivalent ones left out."""


class UnchangedFails(Exception):
    """The suite or schemathesis fails on the unchanged server. `str()` names the place."""


@dataclass(frozen=True)
class Result:
    """The result for one mutant.

    `killed_by` is the broken case, or None. `why` is the first reason, or the error if the suite itself
    failed, which is no kill. `requests` were sent until then, and `cost` in USD is what they would have cost
    at the prices of the contract.
    """

    mutant: str
    killed_by: str | None
    why: str | None
    seconds: float
    requests: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Score:
    """The results of all mutants. `equivalent` has the listed survivors and their reasons."""

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
        """Return the survivors that are not listed as equivalent."""
        return tuple(
            each for each in self.results if not each.killed_by and each.mutant not in self.equivalent
        )

    @property
    def percent(self) -> float:
        """Return the percentage of killed mutants, equivalent ones left out."""
        noticeable = len(self.killed) + len(self.survivors)
        return 100 * len(self.killed) / noticeable if noticeable else 0.0

    @property
    def seconds(self) -> float:
        """Return the sum of the times of all mutants."""
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
    return {mutant.name: mutant for mutant in (UNCHANGED, *all_mutants())}


def outcome_of(
    mutant: Mutant, server: ReferenceServer | None = None, *, knows_group: bool = True
) -> Outcome | None:
    """Run the suite against a mutant's server, until a case is broken.

    The cases of its endpoint come first, and among them those of its group if the suite `knows_group`.
    """
    bundles = mutant.bundles()
    # Cases are made once for each contract, and most mutants leave that as it is.
    readings = (
        packaged_readings(exact=True)
        if bundles is packaged()
        else Readings.of(bundles.documented, bundles.observed, exact=True)
    )
    return first_broken(
        (server or mutant.server()).transport(),
        readings,
        likely=(mutant.operation, mutant.group if knows_group else ""),
    )


def try_mutant(name: str, *, knows_group: bool = True) -> Result:
    began, server = time.monotonic(), by_name()[name].server()
    try:
        outcome = outcome_of(by_name()[name], server, knows_group=knows_group)
    except Exception as error:  # noqa: BLE001 - the result reports it
        why = f"the suite itself failed: {type(error).__name__}: {error}"
        return Result(name, None, why, time.monotonic() - began)
    why = outcome and next(iter(outcome.reasons), None)
    return Result(name, outcome and outcome.id, why, time.monotonic() - began, *sent_to(server))


def sent_to(server: ReferenceServer) -> tuple[int, float]:
    """Return how many requests a server had, and what they cost in USD."""
    return len(server.ledger), sum(entry.cost for entry in server.ledger)


@contextmanager
def workers(count: int) -> Generator[Run]:
    """Fork processes, and yield a function that runs a function of a mutant's name in them.

    Raises:
        UnchangedFails: The suite fails on the unchanged server.
    """
    if broken := outcome_of(UNCHANGED):
        raise UnchangedFails(f"{broken.id} is broken on the unchanged server: {'; '.join(broken.reasons)}")
    by_name()
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield pool.imap_unordered
