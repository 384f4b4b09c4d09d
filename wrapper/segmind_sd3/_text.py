"""Text for people: values in error messages, and text from outside on a terminal."""

from __future__ import annotations

import reprlib


def printable(text: str, limit: int | None = None) -> str:
    r"""Give a text in which nothing steers a terminal: at most `limit` characters, the rest is an ellipsis.

    Every character that does not print (control characters, bidirectional overrides, line separators, lone
    surrogates) is written as its escape, such as `\x1b`. Line feeds and tabs stay.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode("ascii")
        for each in text.replace("\r\n", "\n")
    )


def shown(value: object) -> str:
    """Show a value in an error message: short, on one line, and whatever the value's own code does."""
    try:
        if isinstance(value, (bytes, bytearray)):
            return f"{len(value)} bytes"
        text = str.__str__(reprlib.repr(value))
    except Exception:  # noqa: BLE001 - a repr may raise anything
        text = "a value whose own repr fails"
    return printable(text.replace("\n", " "), 80)
