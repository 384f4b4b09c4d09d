"""The command line: one command for each endpoint, with an option for each parameter of the generated table.

No bound is checked here. What can't be read as a number is passed on as text, so that the SDK names
everything that is wrong at once. `_cli_options.py` has all other options, and `_cli_run.py` makes the call.
Nothing that loads httpx is imported before.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem
from segmind_sd3_api.parameters import OPERATIONS

from ._cli_options import CALL_OPTIONS, DRAW_OPTIONS, Options
from ._cli_run import CreditsCall, DrawCall, command_name, for_command_line, option_name
from ._text import printable
from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmind_sd3_api.parameters import Operation, Parameter

NUMBER_PARSERS: Final[dict[str, tuple[Callable[[str], object], ...]]] = {
    "integer": (int,),
    "number": (int, float),
}
METAVARS: Final = {"integer": "INTEGER", "number": "FLOAT", "string": "TEXT", "image": "IMAGE"}
PLUGINS: Final = "segmind_sd3.commands"
CHECKOUT_PLUGINS: Final = "segmind_sd3.checkout_commands"


class CallCommand(click.Command):
    """A command that calls the service. A mistake in its options is JSON too with `--json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        as_json = "--json" in args  # before click consumes the list
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not as_json:
                raise
            name = (self.name or "").replace("-", "_")
            result = {"operation": name, "error": "UsageError", "message": error.format_message()}
            click.echo(json.dumps({**result, "billed": False, "status": None, "problems": []}, indent=2))
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
    """Return the number that the text is, for a parameter that is one; any other text as it is."""
    for parser in NUMBER_PARSERS.get(parameter.kind, ()):
        try:
            return parser(text)
        except ValueError:
            continue
    return text


class CommandGroup(click.Group):
    """The endpoints, `credits`, and the commands that other packages provide through entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return [*map(command_name, OPERATIONS.values()), "credits", *offered_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own signature
        if operation := OPERATIONS.get(cmd_name.replace("-", "_")):
            return endpoint_command(operation)
        if cmd_name == "credits":
            return credits_command()
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
        with formatter.section("Account"):
            formatter.write_dl([("credits", "Show what the account has left.")])
        if others := offered_commands():
            with formatter.section("Other commands"):
                formatter.write_dl([(name, f"See segmind-sd3 {name} --help.") for name in others])


class PluginCommand(click.Command):
    """A command from an entry point, loaded when it is called: a slow or broken one affects no other."""

    def __init__(self, point: EntryPoint) -> None:
        super().__init__(point.name)
        self._point = point

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return self._load().make_context(info_name, args, parent, **extra)

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


def is_offered(point: EntryPoint) -> bool:
    """Return whether a command is offered: one for a checkout is, where its package is installed."""
    return point.group == PLUGINS or find_spec(point.module.partition(".")[0]) is not None


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nTo try it without a key:\n  segmind-sd3 sd35-turbo-txt2img --prompt 'a panda' --local",
)
@click.version_option(__version__)
def commands() -> None:
    """Draw pictures with Segmind's five Stable Diffusion 3 endpoints.

    The key is taken from SEGMIND_API_KEY alone: an option would be visible in the process list and in the
    shell's history. SEGMIND_BASE_URL names another server than the live one.
    """
