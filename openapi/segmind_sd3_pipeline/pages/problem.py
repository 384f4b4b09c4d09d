"""What is wrong with a page: in which section and line, what was expected there, and what it says instead."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line of a page, stripped, and its number."""

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
