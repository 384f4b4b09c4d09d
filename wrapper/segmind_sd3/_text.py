"""Text that is safe to show: values in error messages, and text from outside on a terminal."""

from __future__ import annotations

import reprlib


def printable(text: str, limit: int | None = None) -> str:
    r"""Return the text without anything that a terminal obeys, cut with an ellipsis to `limit` characters.

    Every character that does not print (control characters, bidirectional overrides, line separators, lone
    surrogates) becomes its escape, such as `\x1b`. Line feeds and tabs stay.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode("ascii")
        for each in text.replace("\r\n", "\n")
    )


def short_repr(value: object) -> str:
    """Return a short repr on one line for an error message, even where the value's own repr fails."""
    try:
        if isinstance(value, (bytes, bytearray)):
            return f"{len(value)} bytes"
        text = str.__str__(reprlib.repr(value))
    except Exception:  # noqa: BLE001 - a repr may raise anything
        text = "a value whose own repr fails"
    return printable(text.replace("\n", " "), 80)


def type_name(value: object) -> str:
    """Return the name of a value's type, from `type` itself: a metaclass may return another, or raise."""
    return type.__dict__["__name__"].__get__(type(value))


def describe_error(error: BaseException) -> str:
    """Return an error's type and text on one line, even where its own text fails."""
    try:
        text = " ".join(str.__str__(str(error)).split())
    except Exception:  # noqa: BLE001 - a text may raise anything
        text = ""
    return printable(f"{type_name(error)}: {text}" if text else type_name(error), 160)
