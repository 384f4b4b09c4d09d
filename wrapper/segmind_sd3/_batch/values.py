"""What is asked of a journal, and what it answers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

from .tables import BILLION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .outcome import State


def billionths(amount: Decimal) -> int:
    """Return an amount of USD as the journal has it, rounded up."""
    return int((amount * BILLION).to_integral_value(ROUND_UP))


def usd(amount: int) -> Decimal:
    """Return an amount of the journal in USD."""
    return Decimal(amount) / BILLION


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is checked and complete, and not in the journal yet. `where` is where it stands."""

    id: str
    digest: str
    operation: str
    parameters: str
    price: int
    where: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was claimed, with all that its call takes.

    Attributes:
        claimed: when it was claimed, by the monotonic clock of this process.
    """

    n: int
    id: str
    operation: str
    parameters: Mapping[str, Any]
    price: int
    attempt: int
    tries: int
    claimed: float = field(default_factory=time.monotonic, compare=False)


@dataclass(slots=True)
class Claim:
    """Asks for the next job.

    Attributes:
        budget: what may be spent.
        between: how many seconds are to be between two calls of all runs.
        job: the job; None where there is none, or none that may be sent now.
        over_budget: whether the next job does not fit into the budget.
        wait: for how many seconds no call may begin.
        more: whether other runs may bring a job later.
    """

    budget: int | None = None
    between: float = 0.0
    job: Job | None = None
    over_budget: bool = False
    wait: float = 0.0
    more: bool = False
    settled: bool = False


@dataclass(slots=True)
class Finish:
    """Says what came of a job. `cost` counts where it was billed; None is its price.

    Attributes:
        call_ended: whether the call is certainly not under way any more.
        applied: whether the journal has it: a job that another run found may have moved on.
    """

    job: Job
    state: State
    billed: bool | None
    cost: int | None = None
    files: Sequence[str] = ()
    kept: str | None = None
    request_id: str | None = None
    error: str = ""
    message: str = ""
    counts_as_try: bool = True
    call_ended: bool = True
    applied: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a job that was to be added: `problem` says why it was not, where that is a mistake."""

    job: NewJob
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """How the journal stands; amounts in billionths."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    spent: int = 0
    reserved: int = 0
