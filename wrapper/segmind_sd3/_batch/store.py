"""The database of a journal: transactions that wait while it is away, and what the tables say."""

from __future__ import annotations

import errno
import math
import threading
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from segmind_sd3._errors import InvalidRequest
from segmind_sd3._events import log
from segmind_sd3._text import printable

from .databases import PostgreSQL, SQLite
from .tables import VERSION, account, jobs, upgrade
from .values import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from .databases import Database

PATIENCE: Final = 3600.0
"""Seconds for which a run waits for its database."""

LAST_PATIENCE: Final = 60.0
"""Seconds for which a run that is to stop waits for its database."""

_T = TypeVar("_T")


class DatabaseAway(OSError):
    """The database can't be used now, and may be later."""


class Store:
    """The tables of a journal in a folder, or at a URL of `parse_journal`."""

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
        self._in_doubt = False
        self._given_up = False
        self._back_since = -math.inf
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
                self._given_up |= bool(begun) and now - begun > self._patience()
                if self._run is None or self._given_up:
                    raise
                if not begun:
                    begun = now
                    log.warning(
                        "%s: %s. No job is sent until it is back; what was paid for is on disk.",
                        *(away.filename, away.strerror),
                    )
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

    def copy_from(self, other: Store) -> None:
        """Add all jobs of another journal, as they stand, to this one, which is empty."""
        rows = other.rows()
        while chunk := [dict(zip(jobs.c.keys(), row, strict=True)) for row in islice(rows, 500)]:
            with self._transaction() as connection:
                connection.execute(jobs.insert(), chunk)

    def locate(self, file: str) -> Path:
        """Return where a file is that the journal names."""
        return (self.folder or Path()) / file
