"""The command line: one command for each endpoint, with an option for each parameter of the generated table.

No bound is checked here. What can't be read as a number is passed on as text, so that the SDK names
everything that is wrong at once. `_cli_options.py` has all other options, and `_cli_run.py` makes the call.
Nothing that loads httpx is imported before.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem
from segmind_sd3_api.parameters import OPERATIONS

from ._cli_batch import batch
from ._cli_options import CALL_OPTIONS, DRAW_OPTIONS, Options, as_utf8
from ._cli_output import for_command_line, option_name
from ._cli_run import CreditsCall, DrawCall, command_name
from ._cli_signals import SIGNALS
from ._text import printable
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from segmind_sd3_api.parameters import Operation, Parameter

NUMBER_PARSERS: Final[dict[str, tuple[Callable[[str], object], ...]]] = {
    "integer": (int,),
    "number": (int, float),
}
METAVARS: Final = {"integer": "INTEGER", "number": "FLOAT", "string": "TEXT", "image": "IMAGE"}
PLUGINS: Final = "segmind_sd3.commands"
CHECKOUT_PLUGINS: Final = "segmind_sd3.checkout_commands"


NARROW: Final = 60
"""Columns below which a help page has each text under what it explains, not beside it."""


class HelpFormatter(click.HelpFormatter):
    """Writes help for terminals of any width: click's own takes 50 columns for the least."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        columns = min(shutil.get_terminal_size().columns, max_width or 80)
        super().__init__(indent_increment, width or max(columns - 2, 20), max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, col_max if self.width >= NARROW else 2, col_spacing)


class Context(click.Context):
    formatter_class = HelpFormatter


class CallCommand(click.Command):
    """A command that calls the service. A mistake in its options is JSON too with `--json`."""

    context_class = Context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        as_json = "--json" in args  # before click consumes the list
        pipes = "--out=-" in args or ("--out", "-") in pairwise(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not as_json:
                raise
            name = (self.name or "").replace("-", "_")
            result: dict[str, object] = {
                "operation": name,
                "error": "UsageError",
                "message": error.format_message(),
            }
            result |= {"billed": False, "status": None, "problems": []}
            click.echo(json.dumps(result, indent=2), err=pipes)
            sys.exit(error.exit_code)


class EndpointCommand(CallCommand):
    """The command of an endpoint. Its help lists the endpoint's parameters apart from the other options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        parameters = [option for option in self.params if option not in DRAW_OPTIONS]
        others = [option for option in self.get_params(ctx) if option not in parameters]
        for title, options in (("Parameters", parameters), ("Options", others)):
            if records := [record for option in options if (record := option.get_help_record(ctx))]:
                with formatter.section(title):
                    formatter.write_dl(records)


def endpoint_command(operation: Operation) -> click.Command:
    """Return the command of an endpoint. `--extra` sends a parameter that has the name of another option."""
    reserved = {"--help"}.union(*map(option_words, DRAW_OPTIONS))
    parameters = [parameter_option(known) for known in operation.parameters.values() if not known.hidden]

    def draw(**values: Any) -> None:
        options = Options(**{name: values.pop(name) for name in list(values) if name in reserved})
        call = DrawCall(name=operation.operation_id, options=options, operation=operation, parameters=values)
        sys.exit(call.run())

    return EndpointCommand(
        command_name(operation),
        callback=draw,
        params=[
            *(option for option in parameters if reserved.isdisjoint(option_words(option))),
            *DRAW_OPTIONS,
        ],
        help=f"{operation.summary}\n\n{operation.doc}\n\n\b\nSource: {operation.page}",
        short_help=operation.summary,
        deprecated=operation.deprecated,
    )


def credits_command() -> click.Command:
    def ask(**values: Any) -> None:
        sys.exit(CreditsCall(options=Options(**values)).run())

    return CallCommand(
        "credits",
        callback=ask,
        params=[*CALL_OPTIONS],
        help="Show what the account has left. It costs nothing.",
    )


def parameter_option(parameter: Parameter) -> click.Option:
    def parse(text: str) -> object:
        return parse_number(parameter, text)

    def complete(_context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
        if parameter.kind == "image":
            return [CompletionItem(begun, type="file")]
        return [CompletionItem(value) for value in parameter.known_values if value.startswith(begun)]

    flag = option_name(parameter.name)
    text = for_command_line(parameter.doc) + (" `-` is standard input." if parameter.kind == "image" else "")
    text += "  [required]" if parameter.required else ""
    if parameter.kind == "boolean":
        return click.Option([f"{flag}/--no-{flag[2:]}", parameter.name], default=None, help=text)
    bounded = parameter.minimum is not None or parameter.maximum is not None
    metavar = METAVARS[parameter.kind] + (" RANGE" if bounded else "")
    return click.Option(
        [flag, parameter.name], type=parse, metavar=metavar, help=text, shell_complete=complete
    )


def option_words(option: click.Parameter) -> set[str | None]:
    """Return what an option is called, in the function of its command and on the command line."""
    return {option.name, *option.opts, *option.secondary_opts}


def parse_number(parameter: Parameter, text: str) -> object:
    """Return the number that the text is, for a parameter that is one; else the text."""
    for parser in NUMBER_PARSERS.get(parameter.kind, ()):
        try:
            return parser(text)
        except ValueError:
            continue
    return text if parameter.kind == "image" else as_utf8(text)


class CommandGroup(click.Group):
    """The endpoints, `credits`, and the commands that other packages provide through entry points."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return [*map(command_name, OPERATIONS.values()), "batch", "credits", *offered_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        if operation := OPERATIONS.get(cmd_name.replace("-", "_")):
            return endpoint_command(operation)
        if cmd_name == "credits":
            return credits_command()
        if cmd_name == "batch":
            return batch
        point = plugin_commands().get(cmd_name)
        return point and PluginCommand(point)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # A command of any package may show the name of a file, or text from a server.
            message = printable(error.format_message())
            error.format_message = lambda: message
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own signature
        with formatter.section("Endpoints"):
            formatter.write_dl([(command_name(each), each.summary) for each in OPERATIONS.values()])
        with formatter.section("Many pictures"):
            formatter.write_dl([("batch", "Send many jobs, each once, and keep a journal of them.")])
        with formatter.section("Account"):
            formatter.write_dl([("credits", "Show what the account has left.")])
        if others := offered_commands():
            points = plugin_commands()
            with formatter.section("Other commands"):
                formatter.write_dl([(name, help_line(points[name])) for name in others])


class PluginCommand(click.Command):
    """A command from an entry point, loaded when it is called: a slow or broken one affects no other."""

    def __init__(self, point: EntryPoint) -> None:
        super().__init__(point.name)
        self._point = point

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        command = self._load()
        SIGNALS.unwatch()  # what an interruption means, each command decides
        return command.make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - click's own signature
        return help_line(self._point)

    def _load(self) -> click.Command:
        if not is_offered(self._point):
            raise click.UsageError(
                f"{self.name} works on a checkout of segmind-sd3, not on an installed package: "
                f"clone the repository, run `make setup` in it, and call .venv/bin/segmind-sd3 {self.name}."
            )
        try:
            command = self._point.load()
        except ImportError as error:
            advice = ": run `make setup`" if self._point.group == CHECKOUT_PLUGINS else ""
            raise click.ClickException(f"{self.name} can't be loaded: {error}{advice}") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise click.ClickException(f"{self.name} can't be loaded: {reason}") from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{self.name} can't be loaded: {self._point.value} is no command.")
        return command


def plugin_commands() -> dict[str, EntryPoint]:
    points = (*entry_points(group=PLUGINS), *entry_points(group=CHECKOUT_PLUGINS))
    return {point.name: point for point in points}


def offered_commands() -> list[str]:
    return sorted(name for name, point in plugin_commands().items() if is_offered(point))


def help_line(point: EntryPoint) -> str:
    """Return the first sentence of a command's docstring. It is read: to import it may take seconds."""
    docstring = None
    with suppress(ImportError, OSError, ValueError, SyntaxError):
        for node in ast.parse(source_of(point.module).read_bytes()).body:
            if isinstance(node, ast.FunctionDef) and node.name == point.attr:
                docstring = ast.get_docstring(node)
    text = " ".join((docstring or f"See segmind-sd3 {point.name} --help.").split())
    return re.split(r"(?<=\.) ", text)[0]


def source_of(module: str) -> Path:
    """Return the file of a module. Of its packages, not even the outermost is imported."""
    package, *names = module.split(".")
    spec = find_spec(package)
    if not names or spec is None:
        return Path((spec and spec.origin) or "")
    place = Path(*spec.submodule_search_locations or (), *names)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def is_offered(point: EntryPoint) -> bool:
    """Return whether a command is offered: one for a checkout is, where its package is installed."""
    return point.group == PLUGINS or find_spec(point.module.partition(".")[0]) is not None


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nTo try it without a key:\n  segmind-sd3 sd35-turbo-txt2img --prompt 'a panda' --local\n\n"
    "\b\nCompletion in bash (zsh, fish too):\n"
    '  eval "$(_SEGMIND_SD3_COMPLETE=bash_source segmind-sd3)"',
)
@click.version_option(__version__)
def commands() -> None:
    """Draw pictures with Segmind's five Stable Diffusion 3 endpoints.

    The key is taken from SEGMIND_API_KEY alone: an option would be visible in the process list and in the
    shell's history. SEGMIND_BASE_URL names another server than the live one.
    """
