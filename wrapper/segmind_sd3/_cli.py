"""The command line: one command for each endpoint, with an option for each parameter of the generated table.

Law: no bound is checked here. What an option can't read goes on as text, so that the SDK names everything
that is wrong at once. `drawing.py` does the call; nothing that loads httpx is imported before it.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem
from segmind_sd3_api.parameters import OPERATIONS

from ._cli_run import Asked, Drawing, command_of, in_options, option_of
from ._text import printable
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmind_sd3_api.parameters import Operation, Parameter

READERS: Final[dict[str, tuple[Callable[[str], object], ...]]] = {"integer": (int,), "number": (int, float)}
METAVARS: Final = {"integer": "INTEGER", "number": "FLOAT", "string": "TEXT", "image": "IMAGE"}


class EndpointCommand(click.Command):
    """A command whose help lists the endpoint's parameters apart, and whose errors obey `--json` too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        parameters = [option for option in self.params if option not in ASKED]
        others = [option for option in self.get_params(ctx) if option not in parameters]
        for title, options in (("Parameters", parameters), ("Options", others)):
            with formatter.section(title):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        as_json = "--json" in args  # read before click takes the list apart
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as wrong:
            if not as_json:
                raise
            operation_id = (self.name or "").replace("-", "_")
            told = {"operation": operation_id, "error": "UsageError", "message": wrong.format_message()}
            click.echo(json.dumps({**told, "billed": False, "status": None, "problems": []}, indent=2))
            sys.exit(wrong.exit_code)


def endpoint_command(operation: Operation) -> click.Command:
    """Make the command of an endpoint. A parameter with the name of an option of ours goes by `--extra`."""
    ours = {option.name for option in ASKED}
    parameters = [known for known in operation.parameters.values() if not known.hidden]

    def draw(**values: Any) -> None:
        asked = Asked(**{name: values.pop(name) for name in list(values) if name in ours})
        sys.exit(Drawing(operation, values, asked).run())

    return EndpointCommand(
        command_of(operation),
        callback=draw,
        params=[*(parameter_option(known) for known in parameters if known.name not in ours), *ASKED],
        help=f"{operation.summary}\n\n{operation.doc}\n\n\b\nSource: {operation.page}",
        short_help=operation.summary,
        deprecated=operation.deprecated,
    )


def parameter_option(known: Parameter) -> click.Option:
    def typed(text: str) -> object:
        return read(known, text)

    def completed(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
        if known.kind == "image":
            return [CompletionItem(begun, type="file")]
        return [CompletionItem(value) for value in known.known_values if value.startswith(begun)]

    flag = option_of(known.name)
    text = in_options(known.doc) + (" `-` is standard input." if known.kind == "image" else "")
    text += "  [required]" if known.required else ""
    if known.kind == "boolean":
        return click.Option([f"{flag}/--no-{flag[2:]}", known.name], default=None, help=text)
    bounded = known.minimum is not None or known.maximum is not None
    metavar = METAVARS[known.kind] + (" RANGE" if bounded else "")
    return click.Option([flag, known.name], type=typed, metavar=metavar, help=text, shell_complete=completed)


def read(known: Parameter, text: str) -> object:
    """Read a number where it is one; anything else is the SDK's to judge."""
    for reader in READERS.get(known.kind, ()):
        try:
            return reader(text)
        except ValueError:
            continue
    return text


def extra_of(_context: object, _option: object, pairs: tuple[str, ...]) -> dict[str, object]:
    """Read `NAME=VALUE` pairs, each value as JSON where it is JSON."""
    extra: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE, such as steps=4")
        try:
            extra[name] = json.loads(text)
        except (ValueError, RecursionError):
            extra[name] = text
    return extra


ASKED: Final = (
    click.Option(
        ["--extra"],
        multiple=True,
        metavar="NAME=VALUE",
        callback=extra_of,
        help="Sent unchecked, and wins over every parameter; the value is JSON, else text. May be repeated.",
    ),
    click.Option(
        ["--out"],
        type=click.Path(),
        default="",
        metavar="FILE",
        help="Where the picture goes; several are numbered. Else a name made of endpoint and seed.",
    ),
    click.Option(
        ["--overwrite"], is_flag=True, help="Replace a file that is there; else it is refused unpaid."
    ),
    click.Option(["--dry-run"], is_flag=True, help="Print the call as curl and send nothing. Needs no key."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on stdout, errors too."),
    click.Option(
        ["--timeout"], type=float, metavar="SECONDS", help="Deadline of the call, retries included."
    ),
    click.Option(["--base-url"], metavar="URL", help="Where to draw; else SEGMIND_BASE_URL, else live."),
    click.Option(
        ["--local"], is_flag=True, help="Draw with the reference server, in-process: free, not live."
    ),
    click.Option(["--no-retry"], is_flag=True, help="Try once, also where trying again can't pay twice."),
    click.Option(["--traceback"], is_flag=True, help="Show the traceback of an error."),
)
"""The options that every endpoint's command has. Their names are the fields of `Asked`."""


class Commands(click.Group):
    """The endpoints, and the commands that packages bring through entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return [*map(command_of, OPERATIONS.values()), *sorted(brought())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        if operation := OPERATIONS.get(cmd_name.replace("-", "_")):
            return endpoint_command(operation)
        point = brought().get(cmd_name)
        return point and Brought(point)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # A command of any package may name a file, or say what a server said.
            message = printable(error.format_message())
            error.format_message = lambda: message
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        with formatter.section("Endpoints"):
            formatter.write_dl([(command_of(each), each.summary) for each in OPERATIONS.values()])
        if others := sorted(brought()):
            with formatter.section("Other commands"):
                formatter.write_dl([(name, f"See segmind-sd3 {name} --help.") for name in others])


class Brought(click.Command):
    """A command from an entry point. It is loaded when it is called: a slow or broken one harms no other."""

    def __init__(self, point: EntryPoint) -> None:
        super().__init__(point.name)
        self._point = point

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return self._loaded().make_context(info_name, args, parent, **extra)

    def _loaded(self) -> click.Command:
        try:
            command = self._point.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            advice = "Perhaps: pip install 'segmind-sd3[contract]'"
            raise click.ClickException(f"{self.name} can't be loaded ({reason}). {advice}") from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{self.name} can't be loaded: {self._point.value} is no command.")
        return command


def brought() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="segmind_sd3.commands")}


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nTo try it without a key:\n  segmind-sd3 sd35-turbo-txt2img --prompt 'a panda' --local",
)
@click.version_option(__version__)
def commands() -> None:
    """Draw pictures with Segmind's five Stable Diffusion 3 endpoints.

    The key is taken from SEGMIND_API_KEY alone: as an option it would stand in the process list and in the
    shell's history. SEGMIND_BASE_URL names another server than the live one.
    """
