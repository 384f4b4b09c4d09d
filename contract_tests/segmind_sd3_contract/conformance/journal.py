"""The journal on disk of what was sent and what came: nothing paid for is lost, and nothing is paid for
twice.

A call is written before it is sent, and its answer before it is judged. Each is written whole or not at all,
also when the process is killed. A call in the journal is never sent again, with or without an answer.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Self

from segmind_sd3_contract.conformance.results import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

_TABLES = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS call (
    name TEXT PRIMARY KEY, worst REAL NOT NULL, debit REAL, answer TEXT, body BLOB
);
"""


EACH_HAS: Final = frozenset({"target", "spec", "started"})
"""Settings without which no run begins."""


class UnreadableJournal(Exception):
    """The file is none of a run, or it is damaged; the text says which, and what to do."""


class Journal:
    """The calls of one run, in a file; in memory alone where `file` is None."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_TABLES)

    @classmethod
    def of_an_earlier_run(cls, file: Path) -> Self:
        """Open the journal of a run that is to go on, and read all of it once.

        Raises UnreadableJournal before anything is written to a file that is none.
        """
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as kept:
                names = {name for (name,) in kept.execute("SELECT name FROM setting")}
                whole = kept.execute("PRAGMA quick_check").fetchone() == ("ok",)
            if not whole or not names >= EACH_HAS:
                raise UnreadableJournal(f"{file} is no journal of a conformance run, or not a whole one.")
            journal = cls(file)
            journal.settings()
            for _ in journal.answers():
                pass
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise UnreadableJournal(
                f"{file} is no journal of a conformance run, or it is damaged: {error}."
            ) from None
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def settings(self) -> dict[str, Any]:
        """Return what was kept by `keep`."""
        return {name: json.loads(value) for name, value in self._file.execute("SELECT * FROM setting")}

    def keep(self, settings: Mapping[str, Any]) -> None:
        """Keep what a run was begun with."""
        rows = [(name, json.dumps(value)) for name, value in settings.items()]
        self._file.executemany("INSERT OR REPLACE INTO setting VALUES (?, ?)", rows)

    def begin(self, name: str, worst: float) -> None:
        """Write down that a call is about to be sent, and what it costs at the worst.

        Raises sqlite3.IntegrityError for a call that is there already.
        """
        self._file.execute("INSERT INTO call (name, worst) VALUES (?, ?)", (name, worst))

    def end(self, exchange: Exchange, debit: float) -> None:
        """Keep what came of a call, and what it cost."""
        answer = {name: value for name, value in asdict(exchange).items() if name != "body"}
        self._file.execute(
            "UPDATE call SET debit = ?, answer = ?, body = ? WHERE name = ?",
            (debit, json.dumps(answer), exchange.body, exchange.call),
        )

    def forget(self, name: str) -> None:
        """Take back a call that was refused for its key or its account, and so was not paid for."""
        self._file.execute("DELETE FROM call WHERE name = ?", (name,))

    def has(self, name: str) -> bool:
        """Return whether a call was sent, or was about to be."""
        return self._file.execute("SELECT 1 FROM call WHERE name = ?", (name,)).fetchone() is not None

    def answer(self, name: str) -> Exchange | None:
        """Return what came of a call; None where nothing was kept."""
        row = self._file.execute("SELECT answer, body FROM call WHERE name = ?", (name,)).fetchone()
        return Exchange(**json.loads(row[0]), body=row[1]) if row and row[0] else None

    def answers(self) -> Iterator[Exchange]:
        """Return all that came, in the order of sending."""
        rows = self._file.execute("SELECT answer, body FROM call WHERE answer IS NOT NULL ORDER BY rowid")
        return (Exchange(**json.loads(answer), body=body) for answer, body in rows)

    def spent(self) -> float:
        """Return what the answers say was spent, in USD."""
        return self._file.execute("SELECT TOTAL(debit) FROM call WHERE answer IS NOT NULL").fetchone()[0]

    def reserved(self) -> float:
        """Return what calls without an answer may have cost at the worst, in USD."""
        return self._file.execute("SELECT TOTAL(worst) FROM call WHERE answer IS NULL").fetchone()[0]
