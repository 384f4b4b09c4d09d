"""What commands print: text from outside steers no terminal, and is never markup.

The reference server and the oracle must not import the SDK, which has a `printable` of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import rich.console
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


def printable(text: str) -> str:
    r"""Write every character that does not print as its escape, such as `\x1b`; line feeds and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode("ascii")
        for each in text.replace("\r\n", "\n")
    )


def echo(text: str, *, err: bool = False) -> None:
    """Print a text that may come from outside."""
    click.echo(printable(text), err=err)


class Failed(click.ClickException):
    """A command's end, in words that may come from outside."""

    def format_message(self) -> str:
        return printable(self.message)


class Console(rich.console.Console):
    """A console that prints text as it is given: no markup, no emoji codes, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Rich's own control sequences are marked as such.
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
