"""The errors of a page that can't be read."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One stripped line of a page and its number."""

    number: int
    text: str


class PageError(Exception):
    """A page that can't be read: the section, the line, what was expected, what was found."""

    def __init__(self, section: str, line: int, expected: str, found: str = "") -> None:
        super().__init__(section, line, expected, found)
        self.section, self.line, self.expected, self.found = section, line, expected, found

    def __str__(self) -> str:
        found = f"{self.found[:80]!r}" if self.found else "nothing"
        return f"line {self.line}, {self.section}: expected {self.expected}, found {found}"


class LayoutError(PageError):
    """A page whose layout is unknown, or known and not read. `expected` says what is needed."""

    def __init__(self, line: int, what: str, needed: str) -> None:
        super().__init__("layout", line, needed, what)

    def __str__(self) -> str:
        return f"line {self.line}, layout: {self.found}. {self.expected}"


class BrokenPage(PageError):
    """A page that is the template's or another model's, not its own."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__("broken page", line, "the page of one model", what)

    def __str__(self) -> str:
        return (
            f"line {self.line}: this page is broken: {self.found}. "
            "Nothing of it can be relied on; save it again when the vendor has mended it"
        )
