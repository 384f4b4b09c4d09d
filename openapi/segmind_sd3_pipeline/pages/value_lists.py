"""Read the allowed values of a parameter in the N family: quoted texts, or numbers without a space between.

`"calm""glad"+3 more` is a list of which three values are not shown. `512768` is split into rising numbers.
If the page and its sample leave more than one way to split it, it stays as printed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MORE: Final = re.compile(r"\+\s?(\d{1,9}) more")
DIGITS: Final = re.compile(r"\d{1,200}")
LITERAL: Final = re.compile(r"(?:true|false|null)(?![\w])")
FULL_SEARCH_DIGITS: Final = 24
"""Longer texts are split into numbers of almost the same length alone, of which there are few ways."""

MAX_NUMBER_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class ValueList:
    """The values, how many more there are, and the text itself if it can't be split in one way."""

    values: tuple[Any, ...] = ()
    more: str | None = None
    as_printed: str | None = None


def read_values(lines: list[str], holds: Collection[int], bounds: tuple[float, float]) -> ValueList | None:
    """Return the values on these lines, or None if they are no list.

    Args:
        lines: The text below `Allowed values`.
        holds: The numbers that the list must have: the default, and the sample's value if both fit.
        bounds: The least and the greatest number that may be in it.
    """
    text = "\n".join(lines)
    if len(lines) == 1 and DIGITS.fullmatch(text):
        split = split_numbers(text, holds, bounds)
        return ValueList(split) if split else ValueList(as_printed=text)
    decoder = json.JSONDecoder(strict=False)
    values: list[Any] = []
    at = 0
    while at < len(text):
        if text[at] in " \n,":
            at += 1
        elif more := MORE.fullmatch(text, at):
            return ValueList(tuple(values), more[1]) if values else None
        else:
            try:
                value, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                return None
            is_apart = (
                not isinstance(value, int)
                or isinstance(value, bool)
                or text[at : at + 1] in {"", "\n", ",", " ", "+"}
            )
            if not is_apart or isinstance(value, (dict, list, float)):
                return ValueList(as_printed=text)
            values.append(value)
    return ValueList(tuple(values)) if values else None


def split_numbers(text: str, holds: Collection[int], bounds: tuple[float, float]) -> tuple[int, ...] | None:
    """Return the one way to split digits into rising numbers, or None."""
    found = [split for split in _splits(text) if bounds[0] <= split[0] and split[-1] <= bounds[1]]
    for required in (set(holds), set(list(holds)[:1])):
        fitting = [split for split in found if required.issubset(split)]
        if fitting:
            break
    else:
        return None
    even = [split for split in fitting if len(str(split[-1])) - len(str(split[0])) <= 1]
    if len(fitting) == 1:
        return fitting[0]
    return even[0] if len(even) == 1 else None


def _splits(text: str) -> Iterator[tuple[int, ...]]:
    """Yield the ways to split digits into rising numbers, of any lengths if the text is short."""
    if len(text) <= FULL_SEARCH_DIGITS:
        yield from _rising(text, -1)
        return
    for length in range(1, min(len(text), MAX_NUMBER_DIGITS) + 1):
        for count in range(1, len(text) // length + 1):
            rest = len(text) - count * length
            if rest % (length + 1) == 0:
                cuts = [length] * count + [length + 1] * (rest // (length + 1))
                if split := _cut(text, cuts):
                    yield split


def _cut(text: str, lengths: list[int]) -> tuple[int, ...] | None:
    numbers: list[int] = []
    at = 0
    for length in lengths:
        piece = text[at : at + length]
        if (piece[0] == "0" and length > 1) or (numbers and int(piece) <= numbers[-1]):
            return None
        numbers.append(int(piece))
        at += length
    return tuple(numbers)


def _rising(text: str, above: int) -> Iterator[tuple[int, ...]]:
    if not text:
        yield ()
        return
    for length in range(1, min(len(text), MAX_NUMBER_DIGITS) + 1):
        number = int(text[:length])
        if length > 1 and text[0] == "0":
            return
        if number > above:
            for others in _rising(text[length:], number):
                yield (number, *others)
