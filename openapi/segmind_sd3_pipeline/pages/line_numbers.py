"""Remove the line numbers of a sample.

They stand before the code (`1 2 3 import …`), in a column of their own, at the start of each line (`12data
= {`), or, where the line ends are lost, each before its own code (`1const a; 2 3 4const b;`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.page_error import PageError

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.page_error import Line

WORD: Final = re.compile(r"\s*(\d{1,6})(?=\s|$)")
GLUED: Final = re.compile(r"1(?=[^\d\s.)])")
NUMBER_AFTER_BLANK: Final = re.compile(r"\s(\d{1,6})")
TEXT_OR_NUMBER: Final = re.compile(
    r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|`(?:[^`\\]|\\.)*+`|(?P<comment>//|\s#\s)|\s(?P<number>\d{1,6})""",
    re.DOTALL,
)
VALUE_FOLLOWS: Final = re.compile(r"[:=+*/%<>&|?!-]$|\b(?:return|case|await|typeof|of|in)$")
LIST_ITEM: Final = re.compile(r"[\[,]\s{0,9}-?[\d.]{1,40},$")


def without_line_numbers(lines: list[Line]) -> str:
    """Return the code of a sample, with a line end where the page shows one.

    Raises:
        PageError: A line between numbered lines has no number.
    """
    if not lines:
        return ""
    if GLUED.match(lines[0].text):
        if len(lines) > 1 and _code_after(lines[1].text, 2) is not None:
            return "\n".join(_numbered_code(lines))
        return _without_inner_numbers("\n".join(line.text for line in lines))
    code = "\n".join(line.text for line in lines)
    at, expected = 0, 1
    while (found := WORD.match(code, at)) and found[1] == str(expected):
        at, expected = found.end(), expected + 1
    return code[at:].strip()


def _numbered_code(lines: list[Line]) -> list[str]:
    code: list[str] = []
    for line in lines:
        text = _code_after(line.text, len(code) + 1)
        if text is None:
            raise PageError(
                "sample", line.number, f"line {len(code) + 1} of the code, with its number", line.text
            )
        code.append(text)
    return code


def _code_after(text: str, number: int) -> str | None:
    """Return the code behind a line number, or None if the line has another number or none."""
    return text.removeprefix(str(number)).strip() if text.startswith(str(number)) else None


def _without_inner_numbers(code: str) -> str:
    """Replace each line number by a line end.

    A number is a line's only if it is the next one, and stands outside of quotes and behind what ends a line:
    in `"steps": 9, 10 "seed"` the 9 is a value. In `[8, 9, 10]`, numbers are values.
    """
    pieces: list[str] = []
    start, at, expected = 1, 1, 2
    while found := TEXT_OR_NUMBER.search(code, at):
        at = found.end()
        if found["comment"]:
            # A comment may hold a quote, and ends with its line: at the next number.
            end = re.compile(rf"\s{expected}(?!\d)").search(code, at)
            at = end.start() if end else len(code)
        elif found["number"] == str(expected) and _begins_line(code, found, start):
            pieces.append(code[start : found.start()])
            start, expected = at, expected + 1
    return "\n".join([*pieces, code[start:]]).strip()


def _begins_line(code: str, found: re.Match[str], start: int) -> bool:
    """Return whether a number stands where a line begins. `start` is where the line before it begins.

    Behind a value, a bracket or a semicolon a number can only be a line's. Behind a colon or an operator
    it is a value, and so is a number between commas in a list.
    """
    before = code[start : found.start()].rstrip()
    if not before or before.lstrip().startswith(("//", "#")):
        return True
    if VALUE_FOLLOWS.search(before[-12:]):
        return False
    is_in_list = before[-1] == "[" or LIST_ITEM.search(before[-60:])
    return not (is_in_list and code[found.end() : found.end() + 1] in {",", "]"})
