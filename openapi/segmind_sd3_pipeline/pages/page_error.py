"""The error of a page that can't be read: the section, the line, what was expected, what was found."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One stripped line of a page and its number."""

    number: int
    text: str


class PageError(Exception):
    """A page that can't be read."""

    def __init__(self, section: str, line: int, expected: str, found: str = "") -> None:
        super().__init__(section, line, expected, found)
        self.section, self.line, self.expected, self.found = section, line, expected, found

    def __str__(self) -> str:
        found = f"{self.found[:80]!r}" if self.found else "nothing"
        return f"line {self.line}, {self.section}: expected {self.expected}, found {found}"
