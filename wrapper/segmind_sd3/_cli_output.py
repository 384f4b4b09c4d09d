"""What the command line prints: a spinner, lines of text, the log, and an error's text about options."""

from __future__ import annotations

import logging
import re
import shlex
import shutil
import sys
import textwrap
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

import click

from ._text import printable

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def spinner(task: str, *, color: bool | None) -> Generator[None]:
    """Show a spinner and the seconds on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a terminal needs it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    # In ASCII: rich fails where the terminal's encoding lacks a character.
    columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True, no_color=None if color is None else not color)
    progress = Progress(*columns, console=console, transient=True)
    progress.add_task(task, total=None)
    try:
        progress.start()
        yield
    finally:
        with suppress(OSError):  # a terminal that was closed meanwhile: what the call raised counts
            progress.stop()


# -- Text -------------------------------------------------------------------------------------------------


def option_name(parameter: str) -> str:
    return "--" + parameter.replace("_", "-")


def billing_note(billed: bool | None, saved: Path | None) -> str:  # noqa: FBT001 - an error's answer, not a switch
    """Return a sentence on whether a call was billed, and where what came of it is."""
    where = f"what came is saved in {click.format_filename(saved)}" if saved else ""
    if billed is None:
        advice = "see `segmind-sd3 credits` before you try again"
        return f"May have been billed: {where and where + '; '}{advice}."
    return f"Billed: {where or 'nothing of it could be saved'}." if billed else "Not billed."


_MONEY: Final = re.compile(
    r" and (was|may have been) billed(?=, but)| and are in \.body"
    r"| (The call may have been billed|It was billed all the same)\."
    r"| What came is kept: \.body, \.save\(path\)\."
)


def for_terminal(message: str) -> str:
    """Return the message of an error without what `billing_note` says below it."""
    return _MONEY.sub("", message)


def _as_option(extra: re.Match[str]) -> str:
    name, text, other = extra[1], extra[3], extra[4]
    return f"--extra {name}={other if text is None else shlex.quote(text)}"


def for_command_line(text: str) -> str:
    """Return text about Python arguments as text about options."""
    text = re.sub(r'\b(\w+)="([^"]*)"', lambda found: f"{option_name(found[1])} {found[2]}", text)
    text = re.sub(r'extra=\{["\'](\w+)["\']: (?:(["\'])(.*?)\2|([^}]*))\}', _as_option, text)
    text = re.sub(r" bytes, an open (?:binary )?file, .* a picture that (?:was drawn|a call drew),", "", text)
    text = re.sub(r" A Pillow picture is .*|; of what Pillow opens, .*", "", text)
    text = text.replace("; extra= sends", "; --extra sends")
    text = text.removesuffix(", or allow_private_image_urls=True to the client")
    return re.sub(r"\ba str\b", "a text", text)


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain what a server, a proxy or a file's name says."""
    # By its name: click would write on the line of a progress bar, which takes the place of stderr.
    stream = sys.stderr if err else sys.stdout
    click.echo(fit(printable(text), stream), file=stream)


def warn(message: str) -> None:
    text = fit(printable(f"Error: {message}"), sys.stderr)
    click.echo(click.style("Error:", fg="red") + text.removeprefix("Error:"), err=True)


def fit(text: str, stream: TextIO) -> str:
    """Break lines between words for a terminal, which breaks them anywhere."""
    if not stream.isatty():
        return text
    wrapper = textwrap.TextWrapper(
        shutil.get_terminal_size().columns,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    lines: list[str] = []
    for line in text.split("\n"):
        wrapper.subsequent_indent = line[: len(line) - len(line.lstrip())]
        lines.append(wrapper.fill(line))
    return "\n".join(lines)


class _OneLineHandler(logging.Handler):
    """Prints each record on stderr in one line. A closed stderr must not end a call that is paid for."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            click.echo(printable(self.format(record)).replace("\n", "\\n"), err=True)


@contextmanager
def log_to_stderr() -> Generator[None]:
    """Print the log of the SDK on stderr."""
    logger, handler = logging.getLogger("segmind_sd3"), _OneLineHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
