"""The mutants that no suite can notice, as `equivalent.toml` lists them, each with its reason.

Law: a line that is no longer true is an error: one that matches no mutant, and one whose mutant is noticed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FILE: Final = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True)
class Equivalent:
    """A name of a mutant, or a pattern with `*` and `?`, and why it can't be noticed."""

    pattern: str
    reason: str

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern)


def listed(file: Path = FILE) -> list[Equivalent]:
    """Read the list; each reason may stand for several patterns. Raises KeyError where one has no reason."""
    rows = tomllib.loads(file.read_text("utf-8"))["equivalent"]
    return [Equivalent(pattern, row["reason"]) for row in rows for pattern in row["mutants"]]


def reason_of(name: str, rows: Collection[Equivalent]) -> str | None:
    return next((row.reason for row in rows if row.matches(name)), None)


def untrue(rows: Collection[Equivalent], names: Collection[str], killed: Collection[str]) -> Iterator[str]:
    """Say what is no longer true of the list: by the names of all mutants, and of those that were killed."""
    for row in rows:
        if not any(map(row.matches, names)):
            yield f"{row.pattern} is listed as equivalent, and there is no such mutant"
        for name in filter(row.matches, killed):
            yield f"{name} is listed as equivalent ({row.pattern}), and was killed"
