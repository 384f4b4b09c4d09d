"""The options of the command line, other than the parameters of an endpoint.

An option of `CALL_OPTIONS` or `DRAW_OPTIONS` is a field of `Options`. Where it concerns the client,
`Options.for_client` says how.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from ._retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was given. The options with a default are only for drawing."""

    as_json: bool
    timeout: float | None
    base_url: str | None
    local: bool
    no_retry: bool
    verbose: bool
    traceback: bool
    color: bool | None = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    prompt_file: str = ""
    out: str = ""
    overwrite: bool = False
    exclusive: bool = False
    dry_run: bool = False

    @property
    def pipes(self) -> bool:
        """Whether standard output is the picture's alone."""
        return self.out == "-"

    def for_client(self) -> dict[str, Any]:
        """Return the arguments that a client is made with, besides key, address and transport."""
        arguments: dict[str, Any] = {}
        if self.no_retry:
            arguments["retry"] = Retry(attempts=1)
        if self.timeout is not None:
            arguments["timeout"] = self.timeout
        return arguments


def parse_extra(_context: object, _option: object, pairs: tuple[str, ...]) -> dict[str, object]:
    """Parse `NAME=VALUE` pairs, each value as JSON where it is JSON."""
    extra: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE, such as steps=4")
        try:
            extra[name] = json.loads(text)
        except (ValueError, RecursionError):
            extra[name] = as_utf8(text)
    return extra


def as_utf8(text: str) -> str:
    """Return an argument as UTF-8, where the locale knows none of its characters, as `LC_ALL=C` does."""
    try:
        return text.encode("ascii", "surrogateescape").decode()
    except UnicodeError:
        return text


CALL_OPTIONS: Final = (
    click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on stdout, errors too."),
    click.Option(
        ["--timeout"], type=float, metavar="SECONDS", help="Deadline of the call, retries included."
    ),
    click.Option(
        ["--base-url"],
        metavar="URL",
        help="The server to call; else SEGMIND_BASE_URL, else the live service.",
    ),
    click.Option(
        ["--local"], is_flag=True, help="Call the reference server, in this process: free, not live."
    ),
    click.Option(
        ["--no-retry"], is_flag=True, help="Try once, even where another try can't be billed twice."
    ),
    click.Option(
        ["--verbose", "-v"], is_flag=True, help="Print each try, wait and outcome on stderr, without the key."
    ),
    click.Option(["--traceback"], is_flag=True, help="Show the traceback of an error."),
    click.Option(
        ["--color/--no-color"],
        default=None,
        help="Print in colour, or not; else where it is a terminal and NO_COLOR is not set.",
    ),
)
"""The options of every command that calls the service. Their names are fields of `Options`."""

DRAW_OPTIONS: Final = (
    click.Option(
        ["--prompt-file"],
        type=click.Path(),
        default="",
        metavar="FILE",
        help="Take the prompt from a file, in UTF-8. `--prompt -` takes it from standard input.",
    ),
    click.Option(
        ["--extra"],
        multiple=True,
        metavar="NAME=VALUE",
        callback=parse_extra,
        help="Sent unchecked, also in place of a parameter. The value is JSON, else text. May be repeated.",
    ),
    click.Option(
        ["--out"],
        type=click.Path(),
        default="",
        metavar="FILE",
        help="Where the picture goes, in the suffix's format where the endpoint has a choice; several are "
        "numbered. Else a name made of endpoint and seed. `-` is standard output: all else is printed on "
        "stderr, JSON too.",
    ),
    click.Option(["--overwrite"], is_flag=True, help="Replace a file; else the picture is saved beside it."),
    click.Option(["--exclusive"], is_flag=True, help="Refuse the name of an existing file, unpaid."),
    click.Option(["--dry-run"], is_flag=True, help="Print the call as curl and send nothing. Needs no key."),
    *CALL_OPTIONS,
)
"""The options of every endpoint's command, besides its parameters."""
