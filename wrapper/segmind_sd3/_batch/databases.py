"""The two databases that a journal can be in: SQLite, for one process, and PostgreSQL, for many."""

from __future__ import annotations

import hashlib
import math
import os
import re
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from segmind_sd3._errors import InvalidRequest
from segmind_sd3._text import short_repr

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    Transaction = Callable[[], AbstractContextManager[sa.Connection]]

SCHEMES: Final = ("postgres", "postgresql", "postgresql+psycopg")

_BATCH: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    # A database that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""How the driver connects, unless the URL says it."""


class SQLite:
    """A file in a folder. Threads may share it, and one process at a time may run it."""

    shared = False

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self._lock = folder / "journal.lock"
        self._file = folder / "journal.db"
        self.where = str(self._file)
        self.engine = sa.create_engine(f"sqlite:///{self._file}")
        event.listen(self.engine, "connect", self._configure)
        event.listen(self.engine, "begin", self._begin)

    @staticmethod
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin as `_begin` says
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000"):
            connection.execute(f"PRAGMA {pragma}")

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        # At once for writing: a transaction that reads first could find its claim taken.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def is_there(self, _transaction: Transaction) -> bool:
        """Return whether a journal is there."""
        return self._file.is_file()

    def version(self, connection: sa.Connection) -> int:
        """Return the version of the tables; 0 where there are none."""
        return connection.exec_driver_sql("PRAGMA user_version").scalar_one()

    def set_version(self, connection: sa.Connection, version: int) -> None:
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")

    @contextmanager
    def locked(self, last_run: Callable[[], str]) -> Generator[None]:
        """Keep every other process from running the journal. The system frees it when the process ends.

        Raises:
            InvalidRequest: another process runs it.
        """
        lock = sqlite3.connect(self._lock, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as locked:
                raise InvalidRequest(
                    f"another run works on {self.folder}{last_run()}: wait for its end, or stop it"
                ) from locked
            yield
        finally:
            lock.close()

    def clock(self, _connection: sa.Connection) -> tuple[float, float]:
        """Return the time, and for how many seconds the database has been up."""
        return time.time(), math.inf

    def lock_adding(self, _connection: sa.Connection) -> None:
        """Let one transaction at a time add jobs: here it is so anyway."""

    def as_json(self, column: sa.Column[str]) -> sa.ColumnElement[Any]:
        """Return a column of text as JSON functions take it."""
        return column

    def is_away(self, _error: DBAPIError) -> bool:
        """Return whether the database may be back later."""
        return False


class PostgreSQL:
    """A schema of a PostgreSQL database. Many processes on many machines may run it."""

    shared = True
    folder: Path | None = None
    """A journal that is in no folder names each picture's whole path."""

    def __init__(self, url: sa.URL) -> None:
        """Take a URL of `parse_journal`.

        Raises:
            InvalidRequest: psycopg is not installed.
        """
        self.where = url.render_as_string(hide_password=True)
        self._schema = f"segmind_{url.query['batch']}"
        self._key = int.from_bytes(hashlib.sha256(self._schema.encode()).digest()[:7], "big")
        address = url.difference_update_query(["batch"]).set(drivername="postgresql+psycopg")
        given = {name: value for name, value in CONNECT.items() if name not in url.query}
        try:
            # Each transaction ends by itself: a connection that is cut has nothing to reset.
            engine = sa.create_engine(address, connect_args=given, pool_reset_on_return=None)
        except ImportError as missing:
            raise InvalidRequest(
                "a journal on PostgreSQL needs psycopg: pip install 'segmind-sd3[postgres]'"
            ) from missing
        event.listen(engine, "connect", self._configure)
        self.engine = engine.execution_options(schema_translate_map={None: self._schema})

    @staticmethod
    def _configure(connection: Any, _record: object) -> None:
        try:
            # A process that is halted within a transaction must not hold up all the others.
            connection.execute("SET idle_in_transaction_session_timeout = '10s'")
            # A job must not be sent unless the disk says that it is being sent.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
            connection.commit()
        except BaseException:
            connection.close()  # SQLAlchemy does not know it yet
            raise

    def is_there(self, transaction: Transaction) -> bool:
        """Return whether a journal is there."""
        with transaction() as connection:
            return self._has_schema(connection)

    def _has_schema(self, connection: sa.Connection) -> bool:
        there = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
        return bool(connection.execute(there, {"name": self._schema}).scalar_one())

    def version(self, connection: sa.Connection) -> int:
        """Return the version of the tables; 0 where there are none. One starter at a time goes on."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self._key)))
        if not self._has_schema(connection):
            connection.exec_driver_sql(f'CREATE SCHEMA "{self._schema}"')
        # For the statements of the migrations, which name no schema.
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{self._schema}"')
        _version.create(connection, checkfirst=True)
        return connection.execute(sa.select(_version.c.version)).scalar_one_or_none() or 0

    def set_version(self, connection: sa.Connection, version: int) -> None:
        connection.execute(_version.delete())
        connection.execute(_version.insert().values(version=version))

    @contextmanager
    def locked(self, _last_run: Callable[[], str]) -> Generator[None]:
        """Keep nobody out: several runs may work at once."""
        yield

    def clock(self, connection: sa.Connection) -> tuple[float, float]:
        """Return the time, and for how many seconds the database has been up."""
        now, begun = connection.execute(_CLOCK).one()
        return now, now - begun

    def lock_adding(self, connection: sa.Connection) -> None:
        """Let one transaction at a time add jobs: two must not find the same id free."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(self._key + 1)))

    def as_json(self, column: sa.Column[str]) -> sa.ColumnElement[Any]:
        """Return a column of text as JSON functions take it."""
        return sa.cast(column, sa.JSON)

    def is_away(self, error: DBAPIError) -> bool:
        """Return whether the database may be back later."""
        return error.connection_invalidated or isinstance(error, OperationalError)


_version: Final = sa.Table("version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False))
_CLOCK: Final = sa.text(
    "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision), "
    "CAST(extract(epoch FROM pg_postmaster_start_time()) AS double precision)"
)

Database = SQLite | PostgreSQL


def parse_journal(journal: object, out: Path | str) -> Path | sa.URL:
    """Return the folder of a journal, or the URL of its database, with the batch's name as its `batch`.

    Args:
        journal: what was given; None for a journal beside the pictures.
        out: the place of the pictures, by which a batch without a name is known.

    Raises:
        InvalidRequest: it is no place for a journal.
    """
    if journal is None:
        if not isinstance(out, Path):
            raise InvalidRequest(
                f"out was {out}, where no journal can be: name a folder for it, or a PostgreSQL database"
            )
        return out
    text = os.fspath(cast("str", journal))
    if "://" not in text:
        return Path(text)
    # What was given may hold a password, so it is not shown.
    scheme = text.partition("://")[0]
    if scheme not in SCHEMES:
        raise InvalidRequest(
            f"journal was {short_repr(scheme)}://…; allowed are a folder and "
            "postgresql://USER@HOST/DATABASE, with ?batch=NAME for one of several batches"
        )
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise InvalidRequest(
            "journal was a URL that can't be read; allowed is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with %-escapes for what is special in a password"
        ) from None
    if any("password" in name for name in url.query):
        raise InvalidRequest(
            "journal was a URL with a password behind its '?': it belongs before the '@', into PGPASSWORD "
            "or into ~/.pgpass"
        )
    name = url.query.get("batch") or _name_of(out)
    if not isinstance(name, str) or _BATCH.fullmatch(name) is None:
        raise InvalidRequest(
            f"the batch of the journal was {short_repr(name)}; allowed are up to 40 small letters, digits, "
            "_ and -"
        )
    return url.update_query_dict({"batch": name})


def _name_of(out: Path | str) -> str:
    """Return the name of a batch that was given none: the end of its address, and a digest of the whole."""
    address = os.path.abspath(out) if isinstance(out, Path) else out  # noqa: PTH100 - it removes `..`, and follows no link
    last = re.sub(r"[^a-z0-9]+", "_", address.rstrip("/").rpartition("/")[2].lower()).strip("_")
    return f"{last[:30]}_{hashlib.sha256(address.encode()).hexdigest()[:8]}".lstrip("_")
