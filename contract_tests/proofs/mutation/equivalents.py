"""Read `equivalent.toml`: the mutants that no suite can kill, each with its reason.

An outdated line is an error: one that matches no mutant, or one whose mutant is killed.
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
    """A mutant's name, or a pattern with `*` and `?`, and the reason why no suite can kill it."""

    pattern: str
    reason: str

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern)


def read_equivalents(file: Path = FILE) -> list[Equivalent]:
    """Return the list. A reason may apply to several patterns.

    Raises:
        KeyError: A row has no reason.
    """
    rows = tomllib.loads(file.read_text("utf-8"))["equivalent"]
    return [Equivalent(pattern, row["reason"]) for row in rows for pattern in row["mutants"]]


def reason_of(name: str, rows: Collection[Equivalent]) -> str | None:
    return next((row.reason for row in rows if row.matches(name)), None)


def outdated_rows(
    rows: Collection[Equivalent], names: Collection[str], killed: Collection[str]
) -> Iterator[str]:
    """Yield the outdated rows, given the names of all mutants and of the killed ones."""
    for row in rows:
        if not any(map(row.matches, names)):
            yield f"{row.pattern} is listed as equivalent, but there is no such mutant"
        for name in filter(row.matches, killed):
            yield f"{name} is listed as equivalent ({row.pattern}), but was killed"
