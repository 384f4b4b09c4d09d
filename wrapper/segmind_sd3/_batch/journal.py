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

import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from segmind_sd3._events import log

from .store import Store
from .tables import account, jobs, runs
from .values import Added, Claim, Finish, Job

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from .outcome import State
    from .values import NewJob

LEASE: Final = 30.0
"""Seconds without a heartbeat after which a run is taken for gone."""


@dataclass(slots=True)
class _Account:
    """The account within a transaction."""

    spent: int
    reserved: int
    next_call: float
    first_waiting: int
    now: float


class Journal(Store):
    """A journal, as its runs use it. Threads may share it."""

    def __init__(self, place: Path | sa.URL, *, must_exist: bool = False) -> None:
        """Open a journal, or begin one, as `Store` does."""
        super().__init__(place, must_exist=must_exist)
        self._lock = threading.Lock()
        self._held: set[int] = set()

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
            standing = _Account(money.spent, money.reserved, money.next_call, money.first_waiting, now)
            states = self._finish(connection, finishes, standing) if finishes else []
            if self._in_doubt:
                self._put_back(connection, standing)
            # A run that was stopped while the database was away sends no other job.
            wanted = claims and not (self._in_doubt and self.stopped.is_set())
            claimed = self._claim(connection, claims, standing) if wanted else []
            names = ("spent", "reserved", "next_call", "first_waiting")
            changed = {
                name: value for name in names if (value := getattr(standing, name)) != getattr(money, name)
            }
            if changed:
                connection.execute(account.update().values(changed))
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
            if each.state == "waiting":
                standing.first_waiting = min(standing.first_waiting, each.job.n)
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
                standing.first_waiting = min(standing.first_waiting, row.n)

    def _claim(self, connection: sa.Connection, claims: Sequence[Claim], standing: _Account) -> list[Job]:
        rows: Sequence[sa.Row[Any]] = ()
        for first in dict.fromkeys((standing.first_waiting, 0)):  # a person may have changed the table
            rows = rows or connection.execute(_WAITING, {"first": first, "many": len(claims)}).all()
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
            standing.first_waiting = claimed[-1].n + 1
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

        if ending and self._in_doubt:
            self.apply(())

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
            connection.execute(account.update().values(first_waiting=0))
            again = jobs.update().where(sa.or_(sa.false(), *which)).values(state="waiting", tries=0)
            count = connection.execute(again).rowcount
            left = sa.select(sa.func.count()).select_from(jobs).where(unsettled)
            return count, connection.execute(left).scalar_one() if unknown else 0

        count, left = self._carry_out(work)
        if left:
            log.warning("%d unknown jobs may still be under way on another machine: ask again later.", left)
        return count


_ACCOUNT: Final = sa.select(account).with_for_update()
_WAITING: Final = (
    sa.select(jobs.c.n, jobs.c.id, jobs.c.operation, jobs.c.parameters)
    .add_columns(jobs.c.price, jobs.c.attempt, jobs.c.tries)
    # As it stands in the condition of an index.
    .where(jobs.c.state == sa.literal_column("'waiting'"), jobs.c.n >= sa.bindparam("first"))
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
