"""The journal of a batch: one row for each job, in a database that outlives every crash.

A job goes from state to state as `NEXT` says. It is *sending* from before its first byte leaves: one
transaction says so, reserves its price and counts the attempt. It is *done* only once its pictures are on
disk under their final names. A job that is found in *sending* when no worker runs is *unknown*: it may have
been billed.

Money is in billionths of a USD, so that sums are exact.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from segmind_sd3._errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from .outcome import State

NEXT: Final[Mapping[State, frozenset[State]]] = {
    "waiting": frozenset({"sending"}),
    # Back to waiting: certainly not billed, and it may pass.
    "sending": frozenset({"done", "failed", "unknown", "waiting"}),
    # Done: its picture is there after all. Waiting: a person says so.
    "unknown": frozenset({"done", "waiting"}),
    "failed": frozenset({"waiting"}),
    "done": frozenset(),
}
"""The states that may follow each state of a job."""

BILLION: Final = 10**9

_metadata: Final = sa.MetaData()

jobs: Final = sa.Table(
    "jobs",
    _metadata,
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("digest", sa.String, nullable=False, unique=True),
    sa.Column("operation", sa.String, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("price", sa.BigInteger, nullable=False),
    sa.Column("cost", sa.BigInteger, nullable=False, default=0),
    sa.Column("uncertain", sa.BigInteger, nullable=False, default=0),
    sa.Column("billed", sa.Boolean),
    sa.Column("files", sa.Text, nullable=False, default="[]"),
    sa.Column("kept", sa.Text),
    sa.Column("request_id", sa.String),
    sa.Column("error", sa.String, nullable=False, default=""),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("run", sa.Integer),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    # The next job that waits is found at once, however many are done.
    sa.Index("jobs_by_state", "state", "n"),
)
account: Final = sa.Table(
    "account",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
)
runs: Final = sa.Table(
    "runs",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
)


def _create(connection: sa.Connection) -> None:
    _metadata.create_all(connection)
    connection.execute(account.insert().values(id=1, spent=0, reserved=0))


MIGRATIONS: Final = (_create,)
"""What brings a journal from each version to the next; its version is their number."""


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
    """A job that was claimed, with all that its call takes."""

    n: int
    id: str
    operation: str
    parameters: Mapping[str, Any]
    price: int
    attempt: int
    tries: int


@dataclass(slots=True)
class Claim:
    """Asks for the next job. `job` is None afterwards where there is none, or none within the budget."""

    budget: int | None = None
    job: Job | None = None
    over_budget: bool = False
    settled: bool = False


@dataclass(slots=True)
class Finish:
    """Says what came of a job. `cost` counts where it was billed; None is its price."""

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


class Journal:
    """The journal in one folder. Threads may share it; one process at a time may run it (`running`)."""

    def __init__(self, folder: Path) -> None:
        """Open the journal of a folder, or begin one.

        Raises:
            OSError: it can't be read or written.
            InvalidRequest: it was written by a later version.
        """
        self.folder = folder
        self.file = folder / "journal.db"
        self._run: int | None = None
        self._engine = sa.create_engine(f"sqlite:///{self.file}")
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        with self._transaction() as connection:
            self._migrate(connection)

    def _migrate(self, connection: sa.Connection) -> None:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > len(MIGRATIONS):
            raise InvalidRequest(f"{self.file} was written by a later version of segmind-sd3: install that")
        for migrate in MIGRATIONS[version:]:
            migrate(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _transaction(self) -> Generator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            number = errno.ENOSPC if "full" in str(error.orig) else errno.EIO
            raise OSError(number, f"the journal can't be used ({error.orig})", str(self.file)) from error

    def close(self) -> None:
        self._engine.dispose()

    # -- Who runs it ----------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Generator[None]:
        """Keep every other process from running this journal, and find the jobs of runs that died.

        The system frees the lock when the process ends, however it ends.

        Raises:
            InvalidRequest: another process runs it.
        """
        lock = sqlite3.connect(
            self.folder / "journal.lock", timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as locked:
                raise InvalidRequest(
                    f"another run works on {self.folder}{self._last_run()}: wait for its end, or stop it"
                ) from locked
            with self._transaction() as connection:
                values = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
                self._run = connection.execute(runs.insert().values(values)).lastrowid
            yield
        finally:
            lock.close()

    def _last_run(self) -> str:
        with self._transaction() as connection:
            last = connection.execute(sa.select(runs).order_by(runs.c.id.desc()).limit(1)).first()
        if last is None:
            return ""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.started))
        return f" (process {last.pid} on {last.host}, since {since})"

    # -- Jobs in --------------------------------------------------------------------------------------------

    def add(self, new: Sequence[NewJob]) -> list[Added]:
        """Add the jobs that are not there yet. A mistake is an id that has two contents, or the reverse."""
        with self._transaction() as connection:
            known = sa.select(jobs.c.id, jobs.c.digest).where(
                jobs.c.id.in_([job.id for job in new]) | jobs.c.digest.in_([job.digest for job in new])
            )
            digests = {row.id: row.digest for row in connection.execute(known)}
            ids = {digest: each for each, digest in digests.items()}
            rows: list[dict[str, Any]] = []
            answers: list[Added] = []
            for job in new:
                same = ids.get(job.digest)
                if digests.get(job.id, job.digest) != job.digest:
                    answers.append(
                        Added(job, f"id {job.id!r} is that of another job: give each job its own id")
                    )
                elif same not in (None, job.id):
                    answers.append(
                        Added(job, f"it asks for the same as job {same!r}, which is not paid twice")
                    )
                else:
                    if same is None:
                        names = ("id", "digest", "operation", "parameters", "price")
                        rows.append({name: getattr(job, name) for name in names} | {"state": "waiting"})
                        digests[job.id], ids[job.digest] = job.digest, job.id
                    answers.append(Added(job))
            if rows:
                connection.execute(jobs.insert(), rows)
        return answers

    # -- Work -----------------------------------------------------------------------------------------------

    def apply(self, requests: Sequence[Claim | Finish]) -> None:
        """Carry out requests in one transaction. None of them is done unless all are on disk."""
        finishes = [each for each in requests if isinstance(each, Finish)]
        claims = [each for each in requests if isinstance(each, Claim)]
        with self._transaction() as connection:
            if finishes:
                self._finish(connection, finishes)
            claimed = self._claim(connection, claims) if claims else ()
        for claim, job in zip(claims, claimed, strict=False):
            claim.job = job
        for request in requests:
            request.settled = True

    def _finish(self, connection: sa.Connection, finishes: Sequence[Finish]) -> None:
        rows: list[dict[str, Any]] = []
        spent = freed = 0
        for each in finishes:
            price = each.job.price
            cost = (price if each.cost is None else each.cost) if each.billed else 0
            settled = 0 if each.billed is None else price
            spent, freed = spent + cost, freed + settled
            rows.append(
                {
                    "the_n": each.job.n,
                    "the_attempt": each.job.attempt,
                    "the_state": each.state,
                    "the_cost": cost,
                    "the_settled": settled,
                    "the_try": int(each.state == "waiting" and each.counts_as_try),
                    "the_billed": each.billed,
                    "the_files": json.dumps(list(each.files)),
                    "the_kept": each.kept,
                    "the_request_id": each.request_id,
                    "the_error": each.error,
                    "the_message": each.message,
                    "the_ended": time.time(),
                }
            )
        if connection.execute(_FINISH, rows).rowcount != len(rows):
            raise AssertionError("a job was finished that was not being sent")
        connection.execute(
            account.update().values(spent=account.c.spent + spent, reserved=account.c.reserved - freed)
        )

    def _claim(self, connection: sa.Connection, claims: Sequence[Claim]) -> list[Job]:
        money = connection.execute(sa.select(account.c.spent, account.c.reserved)).one()
        committed = money.spent + money.reserved
        rows = connection.execute(_WAITING, {"many": len(claims)}).all()
        claimed: list[Job] = []
        for claim, row in zip(claims, rows, strict=False):
            if claim.budget is not None and committed + row.price > claim.budget:
                break
            committed += row.price
            parameters = json.loads(row.parameters)
            claimed.append(
                Job(row.n, row.id, row.operation, parameters, row.price, row.attempt + 1, row.tries)
            )
        for claim in claims[len(claimed) :]:
            claim.over_budget = len(rows) > len(claimed)
        if claimed:
            now = time.time()
            connection.execute(_SEND, [{"the_n": job.n, "the_run": self._run, "now": now} for job in claimed])
            reserved = sum(job.price for job in claimed)
            connection.execute(account.update().values(reserved=account.c.reserved + reserved))
        return claimed

    # -- What a person decides, and what is found -----------------------------------------------------------

    def abandoned(self) -> Iterator[tuple[Job, float]]:
        """Yield the jobs that are being sent, and when that began. No worker may run."""
        with self._transaction() as connection:
            rows = connection.execute(sa.select(jobs).where(jobs.c.state == "sending")).all()
        for row in rows:
            parameters = json.loads(row.parameters)
            job = Job(row.n, row.id, row.operation, parameters, row.price, row.attempt, row.tries)
            yield job, row.started

    def retry(self, *, failed: bool = False, unknown: bool = False, billed: bool = False) -> int:
        """Let jobs wait again, and return how many.

        Args:
            failed: those that failed and were not billed.
            unknown: those that may have been billed: they may be paid twice.
            billed: those that failed and were billed: they are paid twice.
        """
        failures = jobs.c.state == "failed"
        which = [
            condition
            for asked, condition in (
                (failed, failures & (jobs.c.billed.is_(False))),
                (billed, failures & (jobs.c.billed.is_(True))),
                (unknown, jobs.c.state == "unknown"),
            )
            if asked
        ]
        with self._transaction() as connection:
            again = jobs.update().where(sa.or_(sa.false(), *which)).values(state="waiting", tries=0)
            return connection.execute(again).rowcount

    def totals(self) -> Totals:
        """Return how the journal stands."""
        with self._transaction() as connection:
            counted = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
            counts = connection.execute(counted).all()
            money = connection.execute(sa.select(account.c.spent, account.c.reserved)).one()
        return Totals({row[0]: row[1] for row in counts}, money.spent, money.reserved)

    def waiting_price(self) -> int:
        """Return what the jobs that wait may cost at the worst."""
        with self._transaction() as connection:
            price = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.price), 0)).where(jobs.c.state == "waiting")
            return connection.execute(price).scalar_one()

    def failures(self) -> dict[str, int]:
        """Return how many jobs failed or are unknown, by the name of the error."""
        with self._transaction() as connection:
            named = (
                sa.select(jobs.c.error, sa.func.count())
                .where(jobs.c.state.in_(["failed", "unknown"]))
                .group_by(jobs.c.error)
            )
            return {row[0]: row[1] for row in connection.execute(named)}

    def work_done(self) -> tuple[int, float]:
        """Return how many pictures were drawn, and the seconds that the runs which drew them took."""
        pictures = sa.func.sum(sa.func.json_array_length(jobs.c.files))
        seconds = sa.func.max(jobs.c.ended) - sa.func.min(jobs.c.started)
        with self._transaction() as connection:
            each_run = sa.select(pictures, seconds).where(jobs.c.state == "done").group_by(jobs.c.run)
            rows = connection.execute(each_run).all()
        return sum(row[0] for row in rows), sum(max(row[1] or 0.0, 0.0) for row in rows)

    def rows(self, size: int = 500) -> Iterator[sa.Row[Any]]:
        """Yield every job in its order, with few in memory."""
        last = 0
        while True:
            with self._transaction() as connection:
                page = sa.select(jobs).where(jobs.c.n > last).order_by(jobs.c.n).limit(size)
                rows = connection.execute(page).all()
            yield from rows
            if len(rows) < size:
                return
            last = rows[-1].n


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin as `_begin` says
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # At once for writing: a transaction that reads first could find its claim taken.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


_WAITING: Final = (
    sa.select(jobs.c.n, jobs.c.id, jobs.c.operation, jobs.c.parameters)
    .add_columns(jobs.c.price, jobs.c.attempt, jobs.c.tries)
    .where(jobs.c.state == "waiting")
    .order_by(jobs.c.n)
    .limit(sa.bindparam("many"))
)
_SEND: Final = (
    jobs.update()
    .where(jobs.c.n == sa.bindparam("the_n"), jobs.c.state == "waiting")
    .values(
        state="sending",
        attempt=jobs.c.attempt + 1,
        uncertain=jobs.c.uncertain + jobs.c.price,
        run=sa.bindparam("the_run"),
        started=sa.bindparam("now"),
    )
)
_FINISH: Final = (
    jobs.update()
    .where(
        jobs.c.n == sa.bindparam("the_n"),
        jobs.c.attempt == sa.bindparam("the_attempt"),
        # A worker that was taken for dead may still bring its picture.
        (jobs.c.state == "sending") | ((jobs.c.state == "unknown") & (sa.bindparam("the_state") == "done")),
    )
    .values(
        state=sa.bindparam("the_state"),
        cost=jobs.c.cost + sa.bindparam("the_cost"),
        uncertain=jobs.c.uncertain - sa.bindparam("the_settled"),
        tries=jobs.c.tries + sa.bindparam("the_try"),
        **{
            name: sa.bindparam(f"the_{name}")
            for name in ("billed", "files", "kept", "request_id", "error", "message", "ended")
        },
    )
)
