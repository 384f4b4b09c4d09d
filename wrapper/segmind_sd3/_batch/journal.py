"""The journal of a batch: one row for each job, in a database that outlives every crash.

A job goes from state to state as `NEXT` says. It is *sending* from before its first byte leaves: one
transaction says so, reserves its price and counts the attempt. It is *done* only once its pictures are on
disk under their final names. A job that is found in *sending* when its run is gone is *unknown*: it may have
been billed.

Every transaction begins with the row of the account, which is locked until its end. So reservations come one
after the other, and no two transactions wait for each other.

While the database of a run is away, its transactions wait until it is back. Each of them may be carried out
twice, since nobody knows whether the last one was before the connection broke: what is finished already is
not finished again, and what was claimed then is found.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from segmind_sd3._errors import InvalidRequest
from segmind_sd3._events import log
from segmind_sd3._text import printable

from .databases import PostgreSQL, SQLite
from .tables import BILLION, NEXT, VERSION, account, jobs, runs, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from .databases import Database
    from .outcome import State

__all__ = [
    "BILLION",
    "NEXT",
    "Added",
    "Claim",
    "Finish",
    "Job",
    "Journal",
    "NewJob",
    "account",
    "jobs",
    "usd",
]

LEASE: Final = 30.0
"""Seconds without a heartbeat after which a run is taken for gone."""

PATIENCE: Final = 3600.0
"""Seconds for which a run waits for its database."""

LAST_PATIENCE: Final = 60.0
"""Seconds for which a run that is to stop waits for its database."""

_T = TypeVar("_T")


def billionths(amount: Decimal) -> int:
    """Return an amount of USD as the journal has it, rounded up."""
    return int((amount * BILLION).to_integral_value(ROUND_UP))


def usd(amount: int) -> Decimal:
    """Return an amount of the journal in USD."""
    return Decimal(amount) / BILLION


class DatabaseAway(OSError):
    """The database can't be used now, and may be later."""


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


@dataclass(slots=True)
class _Account:
    """The account within a transaction."""

    spent: int
    reserved: int
    next_call: float
    now: float


class Journal:
    """The journal in a folder, or at a URL of `parse_journal`. Threads may share it."""

    def __init__(self, place: Path | sa.URL, *, must_exist: bool = False) -> None:
        """Open a journal, or begin one unless it `must_exist`.

        Raises:
            OSError: it can't be read or written.
            FileNotFoundError: it must exist and does not.
            InvalidRequest: it was written by a later version, or a library is missing.
        """
        self._database: Database = SQLite(place) if isinstance(place, Path) else PostgreSQL(place)
        self.shared = self._database.shared
        self.folder = self._database.folder
        self.stopped = threading.Event()
        """Set where the run is to end: then it waits less long for its database."""
        self._run: int | None = None
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._in_doubt = False
        self._back_since = -LEASE
        try:
            if must_exist and not self._database.is_there(self._transaction):
                raise FileNotFoundError(errno.ENOENT, "there is no journal", self._database.where)
            with self._transaction() as connection:
                self._migrate(connection)
        except BaseException:
            self.close()
            raise

    def _migrate(self, connection: sa.Connection) -> None:
        version = self._database.version(connection)
        if version > VERSION:
            raise InvalidRequest(
                f"{self._database.where} was written by a later version of segmind-sd3: install that"
            )
        upgrade(connection, version)
        if version < VERSION:
            self._database.set_version(connection, VERSION)

    @contextmanager
    def _transaction(self) -> Generator[sa.Connection]:
        try:
            with self._database.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            away = self._database.is_away(error)
            number = errno.ENOSPC if "full" in str(error.orig) else errno.EIO
            reason = printable(" ".join(str(error.orig).split()), 300)
            raise (DatabaseAway if away else OSError)(
                number, f"the journal can't be used ({reason})", self._database.where
            ) from error

    def _carry_out(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Carry out work in one transaction. A run waits for a database that is away, and tries again.

        Raises:
            OSError: the journal can't be used, or is not back in time.
        """
        begun, delay = 0.0, 0.1
        while True:
            try:
                with self._transaction() as connection:
                    result = work(connection)
            except DatabaseAway as away:
                self._in_doubt = True
                now = time.monotonic()
                if self._run is None or (begun and now - begun > self._patience()):
                    raise
                if not begun:
                    begun = now
                    log.warning("%s. No job is sent until it is back; what was paid for is on disk.", away)
                time.sleep(delay)
                delay = min(2 * delay, 2.0)
            else:
                if begun:
                    self._back_since = time.monotonic()
                    log.warning("The journal can be used again.")
                return result

    def _patience(self) -> float:
        return LAST_PATIENCE if self.stopped.is_set() else PATIENCE

    def close(self) -> None:
        self._database.engine.dispose()

    # -- Who runs it ----------------------------------------------------------------------------------------

    @contextmanager
    def running(self, call_seconds: float = 0.0) -> Generator[None]:
        """Enter a run. On SQLite it keeps every other process out.

        Args:
            call_seconds: how long one of its calls takes at most.

        Raises:
            InvalidRequest: another process runs it.
        """
        with self._database.locked(self._last_run):
            with self._transaction() as connection:
                now, _ = self._database.clock(connection)
                values: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname(), "started": now}
                values |= {"heartbeat": now, "adding": True, "call_seconds": call_seconds}
                key: Any = connection.execute(runs.insert().values(values)).inserted_primary_key
                self._run = key[0]
            try:
                yield
            finally:
                self._note_run(heartbeat=0.0, adding=False)
                self._run = None

    def added_all(self) -> None:
        """Note that this run adds no other job."""
        self._note_run(adding=False)

    def beat(self) -> bool:
        """Note that this run is alive; return whether the database could be used."""
        return self._note_run()

    def _note_run(self, **values: Any) -> bool:
        try:
            with self._transaction() as connection:
                now, _ = self._database.clock(connection)
                connection.execute(
                    runs.update().where(runs.c.id == self._run).values({"heartbeat": now} | values)
                )
        except OSError:  # the next transaction says it, or waits
            self._back_since = time.monotonic()
            return False
        return True

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
        return self._carry_out(lambda connection: self._add(connection, new))

    def _add(self, connection: sa.Connection, new: Sequence[NewJob]) -> list[Added]:
        self._database.lock_adding(connection)
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
                answers.append(Added(job, f"id {job.id!r} is that of another job: give each job its own id"))
            elif same not in (None, job.id):
                answers.append(Added(job, f"it asks for the same as job {same!r}, which is not paid twice"))
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

        def work(connection: sa.Connection) -> tuple[list[State | None], list[Job]]:
            money = connection.execute(_ACCOUNT).one()
            now, _ = self._database.clock(connection)
            standing = _Account(money.spent, money.reserved, money.next_call, now)
            states = self._finish(connection, finishes, standing) if finishes else []
            if self._in_doubt:
                self._put_back(connection, standing)
            claimed = self._claim(connection, claims, standing) if claims else []
            connection.execute(
                account.update().values(
                    spent=standing.spent, reserved=standing.reserved, next_call=standing.next_call
                )
            )
            return states, claimed

        with self._lock:
            states, claimed = self._carry_out(work)
            self._in_doubt = False
            self._held -= {finish.job.n for finish in finishes}
            self._held |= {job.n for job in claimed}
        for claim, job in zip(claims, claimed, strict=False):
            claim.job = job
        for finish, state in zip(finishes, states, strict=True):
            finish.applied = state == finish.state
            finish.state = state or finish.state
        for request in requests:
            request.settled = True

    def _finish(
        self, connection: sa.Connection, finishes: Sequence[Finish], standing: _Account
    ) -> list[State | None]:
        """Finish jobs; return the state of each, None where a later attempt is under way."""
        which = jobs.c.n.in_([each.job.n for each in finishes])
        query = sa.select(jobs.c.n, jobs.c.attempt, jobs.c.state).where(which).order_by(jobs.c.n)
        found = {row.n: row for row in connection.execute(query.with_for_update())}
        states: list[State | None] = []
        rows: list[dict[str, Any]] = []
        for each in finishes:
            row = found[each.job.n]
            if row.attempt != each.job.attempt:
                states.append(None)
                continue
            # A run that was taken for dead may still bring its picture.
            if row.state != "sending" and (row.state, each.state) != ("unknown", "done"):
                states.append(row.state)
                continue
            states.append(each.state)
            price = each.job.price
            cost = (price if each.cost is None else each.cost) if each.billed else 0
            settled = 0 if each.billed is None else price
            standing.spent += cost
            standing.reserved -= settled
            rows.append(
                {
                    "the_n": each.job.n,
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
                    "the_ended": standing.now if each.call_ended else None,
                }
            )
        if rows:
            connection.execute(_FINISH, rows)
        return states

    def _put_back(self, connection: sa.Connection, standing: _Account) -> None:
        """Let jobs wait that this run has claimed without hearing of it: they were not sent."""
        mine = (jobs.c.state == "sending") & (jobs.c.run == self._run)
        for row in connection.execute(sa.select(jobs.c.n, jobs.c.price).where(mine)).all():
            if row.n not in self._held:
                connection.execute(_PUT_BACK, {"the_n": row.n})
                standing.reserved -= row.price

    def _claim(self, connection: sa.Connection, claims: Sequence[Claim], standing: _Account) -> list[Job]:
        rows = connection.execute(_WAITING, {"many": len(claims)}).all()
        claimed: list[Job] = []
        over_budget, wait = False, 0.0
        for claim, row in zip(claims, rows, strict=False):
            if claim.budget is not None and standing.spent + standing.reserved + row.price > claim.budget:
                over_budget = True
                break
            if claim.between:
                if wait := max(0.0, standing.next_call - standing.now):
                    break
                standing.next_call = standing.now + claim.between
            standing.reserved += row.price
            parameters = json.loads(row.parameters)
            claimed.append(
                Job(row.n, row.id, row.operation, parameters, row.price, row.attempt + 1, row.tries)
            )
        if claimed:
            values = [{"the_n": job.n, "the_run": self._run, "now": standing.now} for job in claimed]
            connection.execute(_SEND, values)
        more = self.shared and not rows and self._others_work(connection, standing.now)
        for claim in claims[len(claimed) :]:
            claim.over_budget, claim.wait, claim.more = over_budget, wait, more
        return claimed

    def _others_work(self, connection: sa.Connection, now: float) -> bool:
        """Return whether another run may add jobs, or let a job wait again."""
        adding = runs.c.adding & (runs.c.heartbeat > now - LEASE) & (runs.c.id != self._run)
        sending = (jobs.c.state == "sending") & (jobs.c.run != self._run)
        query = sa.select(sa.exists().where(adding) | sa.exists().where(sending))
        return connection.execute(query).scalar_one()

    # -- What a person decides, and what is found -----------------------------------------------------------

    def abandoned(self, *, ending: bool = False) -> list[tuple[Job, float, bool]]:
        """Return the jobs that are being sent by a run that is gone, when that began, and if it has ended.

        A call of a run on another machine, which is silent, may still be under way.

        Args:
            ending: whether this run is gone too.
        """

        def work(connection: sa.Connection) -> list[tuple[Job, float, bool]]:
            now, up = self._database.clock(connection)
            own = jobs.c.run == self._run
            gone: sa.ColumnElement[bool] = sa.false() if self.shared else sa.true()
            if ending:
                gone |= own
            # A database that was away itself has heard of nobody.
            if self.shared and up > LEASE and time.monotonic() - self._back_since > LEASE:
                gone |= jobs.c.run.in_(sa.select(runs.c.id).where(runs.c.heartbeat < now - LEASE))
            query = sa.select(jobs, own.label("own")).where(jobs.c.state == "sending", gone)
            return [
                (
                    Job(
                        row.n,
                        row.id,
                        row.operation,
                        json.loads(row.parameters),
                        row.price,
                        row.attempt,
                        row.tries,
                    ),
                    row.started,
                    row.own or not self.shared,
                )
                for row in connection.execute(query)
            ]

        return self._carry_out(work)

    def retry(self, *, failed: bool = False, unknown: bool = False, billed: bool = False) -> int:
        """Let jobs wait again, and return how many.

        Args:
            failed: those that failed and were not billed.
            unknown: those that may have been billed, once their calls are over: they may be paid twice.
            billed: those that failed and were billed: they are paid twice.
        """
        failures = jobs.c.state == "failed"
        unsettled = jobs.c.state == "unknown"

        def work(connection: sa.Connection) -> tuple[int, int]:
            now, _ = self._database.clock(connection)
            longest = sa.select(runs.c.call_seconds).where(runs.c.id == jobs.c.run).scalar_subquery()
            # A run may be silent for a lease before it begins the call of a job that it has claimed.
            over = jobs.c.ended.is_not(None) | (jobs.c.started + longest + LEASE < now)
            which = [
                condition
                for asked, condition in (
                    (failed, failures & (jobs.c.billed.is_(False))),
                    (billed, failures & (jobs.c.billed.is_(True))),
                    (unknown, unsettled & over),
                )
                if asked
            ]
            again = jobs.update().where(sa.or_(sa.false(), *which)).values(state="waiting", tries=0)
            count = connection.execute(again).rowcount
            left = sa.select(sa.func.count()).select_from(jobs).where(unsettled)
            return count, connection.execute(left).scalar_one() if unknown else 0

        count, left = self._carry_out(work)
        if left:
            log.warning("%d unknown jobs may still be under way on another machine: ask again later.", left)
        return count

    def totals(self) -> Totals:
        """Return how the journal stands."""

        def work(connection: sa.Connection) -> Totals:
            counted = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
            counts = connection.execute(counted).all()
            money = connection.execute(sa.select(account.c.spent, account.c.reserved)).one()
            return Totals({row[0]: row[1] for row in counts}, money.spent, money.reserved)

        return self._carry_out(work)

    def waiting_price(self) -> int:
        """Return what the jobs that wait may cost at the worst."""
        with self._transaction() as connection:
            price = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.price), 0)).where(jobs.c.state == "waiting")
            return int(connection.execute(price).scalar_one())

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
        pictures = sa.func.sum(sa.func.json_array_length(self._database.as_json(jobs.c.files)))
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

    def copy_from(self, other: Journal) -> None:
        """Add all jobs of another journal, as they stand, to this one, which is empty."""
        rows = other.rows()
        while chunk := [dict(zip(jobs.c.keys(), row, strict=True)) for row in islice(rows, 500)]:
            with self._transaction() as connection:
                connection.execute(jobs.insert(), chunk)

    def locate(self, file: str) -> Path:
        """Return where a file is that the journal names."""
        return (self.folder or Path()) / file


_ACCOUNT: Final = sa.select(account).with_for_update()
_WAITING: Final = (
    sa.select(jobs.c.n, jobs.c.id, jobs.c.operation, jobs.c.parameters)
    .add_columns(jobs.c.price, jobs.c.attempt, jobs.c.tries)
    # As it stands in the condition of an index.
    .where(jobs.c.state == sa.literal_column("'waiting'"))
    .order_by(jobs.c.n)
    .limit(sa.bindparam("many"))
    .with_for_update(skip_locked=True)
)
_SEND: Final = (
    jobs.update()
    .where(jobs.c.n == sa.bindparam("the_n"))
    .values(
        state="sending",
        attempt=jobs.c.attempt + 1,
        uncertain=jobs.c.uncertain + jobs.c.price,
        run=sa.bindparam("the_run"),
        started=sa.bindparam("now"),
        ended=None,
    )
)
_PUT_BACK: Final = (
    jobs.update()
    .where(jobs.c.n == sa.bindparam("the_n"))
    .values(state="waiting", uncertain=jobs.c.uncertain - jobs.c.price)
)
_FINISH: Final = (
    jobs.update()
    .where(jobs.c.n == sa.bindparam("the_n"))
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
