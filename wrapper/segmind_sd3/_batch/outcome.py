"""What a batch tells its caller: the outcome of each job, and a summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from segmind_sd3._public import public

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

State = Literal["waiting", "sending", "done", "failed", "unknown"]

MOST_PROBLEMS: Final = 1000
"""How many wrong jobs a summary names; all of them are counted."""


@public
@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What came of one job of a batch.

    Attributes:
        id: the job's id.
        state: `done`, `failed` or `unknown`: it may have been billed, and nobody can know.
        files: the pictures that are in a folder.
        seed: the seed that was sent.
        cost: what this attempt was billed, in USD; None where nobody can know.
        billed: whether this attempt was billed; None where nobody can know.
        error: the name of the error; empty for a picture.
        message: what went wrong.
        kept: the file of a reply that is no picture.
        request_id: the service's name for the call.
        urls: the addresses of what is in a store: the pictures, or the reply that is none.
        worker: which worker sent it, where there are several machines.
    """

    id: str
    state: State
    files: tuple[Path, ...] = ()
    seed: int | None = None
    cost: Decimal | None = None
    billed: bool | None = False
    error: str = ""
    message: str = ""
    kept: Path | None = None
    request_id: str | None = None
    urls: tuple[str, ...] = ()
    worker: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        record = asdict(self)
        record["files"] = [str(file) for file in self.files]
        record["kept"] = self.kept and str(self.kept)
        record["cost"] = None if self.cost is None else float(self.cost)
        return record


@public
@dataclass(frozen=True, slots=True)
class JobProblem:
    """A job that was not taken: where it stands, and what is wrong with it."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@public
@dataclass(slots=True)
class BatchSummary:
    """What a batch came to.

    Attributes:
        counts: the number of jobs in each state, those of earlier runs included.
        spent: what all runs were certainly billed, in USD.
        uncertain: what may have been billed beyond that, at the worst, in USD.
        problems: the jobs that were not taken: at most 1000 of `wrong`.
        wrong: how many jobs were not taken.
        stopped: why the batch ended before its last job; empty where it did not.
    """

    counts: dict[str, int] = field(default_factory=dict[str, int])
    spent: float = 0.0
    uncertain: float = 0.0
    problems: list[JobProblem] = field(default_factory=list[JobProblem])
    wrong: int = 0
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return asdict(self)
