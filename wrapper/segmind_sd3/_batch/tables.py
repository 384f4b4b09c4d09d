"""The tables of a journal, the states of a job, and what brings an older journal up to date.

Money is in billionths of a USD, so that sums are exact. Times are seconds since 1970, by the clock of the
journal's database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Mapping

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

metadata: Final = sa.MetaData()

jobs: Final = sa.Table(
    "jobs",
    metadata,
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
    # None while the call may be under way. Of a run that is gone nobody knows it.
    sa.Column("ended", sa.Float),
    # The next job that waits is found at once, however many are done.
    sa.Index("jobs_by_state", "state", "n"),
)
# PostgreSQL may take the index of the primary key instead while it believes that most jobs wait. An index of
# those that wait alone is always the cheaper one.
sa.Index("jobs_waiting", jobs.c.n, postgresql_where=sa.text("state = 'waiting'")).ddl_if(dialect="postgresql")

account: Final = sa.Table(
    "account",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    # When the next call may begin, where there is a limit of calls a minute.
    sa.Column("next_call", sa.Float, nullable=False, default=0.0),
    # No job before this one waits. What was done leaves traces in PostgreSQL's indexes, which are skipped so.
    sa.Column("first_waiting", sa.Integer, nullable=False, default=0),
)
runs: Final = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False, default=0.0),
    # Whether it may still add jobs.
    sa.Column("adding", sa.Boolean, nullable=False, default=False),
    # How long one of its calls takes at most.
    sa.Column("call_seconds", sa.Float, nullable=False, default=0.0),
)

MIGRATIONS: Final = (
    (
        "ALTER TABLE account ADD COLUMN next_call FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE account ADD COLUMN first_waiting INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN heartbeat FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN adding BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE runs ADD COLUMN call_seconds FLOAT NOT NULL DEFAULT 0",
    ),
)
"""What brings a journal from each version to the next; the first version is 1."""

VERSION: Final = 1 + len(MIGRATIONS)


def upgrade(connection: sa.Connection, version: int) -> None:
    """Bring a journal to this version; a version of 0 has no tables yet."""
    if version == 0:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(account.insert().values(id=1, spent=0, reserved=0))
        return
    for statements in MIGRATIONS[version - 1 :]:
        for statement in statements:
            connection.exec_driver_sql(statement)
