"""Run one command from the terminal: draw pictures, or ask for the balance.

What may have been paid for is always written to a file, and every error says whether the call was billed.
Exit codes: 0 success, 1 failure, 2 refused before anything was sent, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import entry_points
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._errors import APIError, InvalidRequest, OutcomeUnknown, SegmindError
from ._imagefile import SUFFIXES
from ._result import save_images
from ._saving import is_picture_name, save_all, target_path
from ._text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from segmind_sd3_api.parameters import Operation

    from ._cli_options import Options
    from ._client import Client
    from ._prepared import Prepared
    from ._result import Generation
    from ._saving import Saved

PLACEHOLDER_KEY: Final = "SG_" + "0" * 16
"""The key where none is needed: nothing is sent, or nothing leaves this process."""

MAX_CHECKED_NAMES: Final = 1000
"""How many numbered names are checked before the call: some endpoints draw any number of pictures."""


def command_name(operation: Operation) -> str:
    return operation.operation_id.replace("_", "-")


def option_name(parameter: str) -> str:
    return "--" + parameter.replace("_", "-")


@dataclass(slots=True, kw_only=True)
class Call(ABC):
    """A command that calls the service.

    Attributes:
        name: the endpoint's name, or `credits`.
        options: what its options were given.
        billed: what is known so far about whether the call was billed.
        target: `live`, `local`, or the base URL of another server.
        out: the path that a picture goes to, without number and suffix.
        saved: the file that the call's result, or what came of it, was written to.
    """

    name: str
    options: Options
    billed: bool | None = False
    target: str = "live"
    out: Path = field(default_factory=Path)
    saved: Path | None = None

    def run(self) -> int:
        """Make the call, print the outcome, and return the exit code."""
        try:
            with log_to_stderr() if self.options.verbose else nullcontext():
                return self._call()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - people get a sentence, not a traceback
            if self.options.traceback:
                echo("".join(traceback.format_exception(error)), err=True)
            return self._report_error(error)

    @abstractmethod
    def _call(self) -> int: ...

    def _client(self) -> Client:
        from ._client import Client  # noqa: PLC0415 - loads httpx, which `--help` does not need
        from ._options import BASE_URL, read_key  # noqa: PLC0415 - as above

        options = self.options
        others = options.for_client()
        if options.local:
            if options.base_url or options.dry_run:
                conflict = "--base-url" if options.base_url else "--dry-run"
                raise InvalidRequest(
                    f"--local has no address that curl could call: use it without {conflict}, "
                    "or start `segmind-sd3 serve` and leave out --local"
                )
            self.target = "local"
            return Client(PLACEHOLDER_KEY, base_url="http://localhost", transport=local_transport(), **others)
        if options.base_url == "":
            raise InvalidRequest("--base-url is empty: give an address, or leave it out")
        key = PLACEHOLDER_KEY if options.dry_run else None
        if key is None and isinstance(error := read_key(None), InvalidRequest):
            problem = str(error).removesuffix(", or pass api_key=")
            raise InvalidRequest(f"{problem}, or add --local to call the reference server, which needs none")
        client = Client(key, base_url=options.base_url, **others)
        base_url = client._settings.base_url  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
        self.target = "live" if base_url == BASE_URL else base_url
        return client

    def _report_error(self, error: BaseException) -> int:
        match error:
            case KeyboardInterrupt():
                code, message, billed = 130, "interrupted", self.billed
            case InvalidRequest():
                code, message, billed = 2, self._advice(error), error.billed
            case SegmindError():
                code, message, billed = 1, str(error), error.billed
            case _:
                message = f"{type(error).__name__}: {error} (--traceback shows where)"
                code, billed = 1, self.billed
        if isinstance(error, (APIError, OutcomeUnknown)) and error.body and billed is not False:
            body = error.body
            beside = self.out.with_name(f"{self.out.name}.reply")
            kept = save_or_fallback(lambda path: save_all([body], path, lambda asked: [asked]), beside)
            self.saved = next(iter(kept.files), None)
        if self.options.as_json:
            self._print_json(
                error=type(error).__name__,
                message=message,
                billed=billed,
                status=getattr(error, "status", None),
                request_id=getattr(error, "request_id", None),
                problems=[asdict(problem) for problem in getattr(error, "problems", ())],
                saved=self.saved and click.format_filename(self.saved),
            )
            return code
        click.echo("Interrupted.", err=True) if code == 130 else warn(message)
        if code != 2:
            echo(billing_note(billed, self.saved), err=True)
        return code

    def _advice(self, error: InvalidRequest) -> str:
        lines = [
            f"\n  {option_name(problem.parameter)}: {problem.given}{problem.given and '; '}"
            f"{for_command_line(problem.advice)}"
            for problem in error.problems
        ]
        command = self.name.replace("_", "-")
        return f"{command} was not sent:{''.join(lines)}" if lines else str(error)

    def _print_json(self, **result: object) -> None:
        click.echo(json.dumps({"operation": self.name, **result}, indent=2))


@dataclass(slots=True, kw_only=True)
class CreditsCall(Call):
    """The command `credits`."""

    name: str = "credits"

    def _call(self) -> int:
        with self._client() as client, spinner("Asking for the balance", hidden=self.options.verbose):
            balance = client.credits()
        if self.options.as_json:
            self._print_json(**asdict(balance), total=balance.total, target=self.target)
            return 0
        echo(f"${balance.total} left: ${balance.credits} paid, ${balance.free_credits} free")
        if self.target == "local":
            click.echo("The balance of the REFERENCE server, not live: made-up credits.")
        elif self.target != "live":
            echo(f"The balance at {self.target}, not at the live service.")
        return 0


@dataclass(slots=True, kw_only=True)
class DrawCall(Call):
    """The command of an endpoint. Where its picture goes is checked before the call is paid for.

    Attributes:
        operation: the endpoint.
        parameters: the endpoint's parameters that were given.
    """

    operation: Operation
    parameters: Mapping[str, Any]

    def _call(self) -> int:
        with self._client() as client:
            parameters = {name: self._value(name) for name in self.parameters}
            note = self._ask_for_format(parameters)
            with (
                spinner("Preparing", hidden=self.options.verbose),
                warnings.catch_warnings(record=True) as notes,
            ):
                prepared = client.prepare(self.name, **parameters, extra=self.options.extra)
            for warning in notes:
                echo(f"Note: {warning.message}", err=True)
            if self.options.dry_run:
                return self._print_curl(prepared)
            self.out = self._path(prepared.body)
            self._note(note)
            self.billed = False if self.options.local else None
            with spinner(f"Drawing with {command_name(self.operation)}", hidden=self.options.verbose):
                drawn = client.send(prepared)
                # First of all: what follows may fail, even the end of the spinner.
                self.billed = not self.options.local
                saved = save_or_fallback(
                    lambda path: save_images(drawn.images, path, overwrite=self.options.overwrite), self.out
                )
                self.saved = next(iter(saved.files), None)
        return self._print_result(drawn, saved, noted=bool(note))

    def _value(self, name: str) -> object:
        value = self.parameters[name]
        if value != "-" or self.operation.parameters[name].kind != "image":
            return value
        if sys.stdin.isatty():
            raise InvalidRequest(f"{option_name(name)} - reads standard input: send a picture into it")
        return sys.stdin.buffer.read()

    def _ask_for_format(self, parameters: dict[str, Any]) -> str:
        """Ask for the format of the suffix, unless one was asked for. Return what to say if that fails."""
        out = Path(self.options.out)
        kinds = (kind for kind, suffixes in SUFFIXES.items() if out.suffix.lower() in suffixes)
        wanted = next(kinds, "image/jpeg").removeprefix("image/")
        known = next(
            (each for each in self.operation.parameters.values() if "jpeg" in each.known_values), None
        )
        if known and (parameters.get(known.name) is not None or known.name in self.options.extra):
            return ""
        if known and wanted in known.known_values and is_picture_name(out):
            parameters[known.name] = wanted
        elif wanted != "jpeg":
            problem = (
                f"{option_name(known.name)} lists no {wanted}"
                if known
                else "there is no option for the format"
            )
            name = target_path(out, "image/jpeg")
            return (
                f"{command_name(self.operation)}: {problem}; its page promises a JPEG, to be saved as {name}."
            )
        return ""

    def _path(self, body: Mapping[str, Any]) -> Path:
        """Return the path to save to, after a check that it can be had, as far as that can be known.

        The reply decides the format, so a name that must be free is checked with the suffix of each.
        """
        given, out = self.options.out, Path(self.options.out)
        if out.is_dir():
            seed = body.get("seed")
            known = isinstance(seed, int) and seed >= 0
            out /= f"{command_name(self.operation)}-{seed if known else time.strftime('%Y%m%d-%H%M%S')}"
        folder = Path(given) if given.endswith("/") else out.parent
        if not folder.is_dir():
            raise InvalidRequest(
                f"the folder {folder} does not exist: make it first, or choose another --out"
            )
        if not os.access(folder, os.W_OK):
            raise InvalidRequest(f"the folder {folder} can't be written to: choose another --out")
        names = (target_path(out, kind, number) for number, kind in product(self._numbers(body), SUFFIXES))
        if self.options.exclusive and (taken := next(filter(os.path.lexists, names), None)):
            raise InvalidRequest(f"{taken} exists already: choose another --out, or leave --exclusive out")
        return out

    def _note(self, text: str) -> None:
        """Print a remark, unless nothing but JSON is wanted."""
        if text and not self.options.as_json:
            echo(text, err=True)

    def _numbers(self, body: Mapping[str, Any]) -> list[int] | list[None]:
        """Return the numbers in the pictures' names, as far as the body shows how many there will be."""
        counts = (body.get(name) for name, known in self.operation.parameters.items() if known.counts_images)
        count = max((number for number in counts if isinstance(number, int)), default=1)
        return list(range(1, min(count, MAX_CHECKED_NAMES) + 1)) if count > 1 else [None]

    def _print_curl(self, prepared: Prepared) -> int:
        curl = prepared.as_curl()
        if self.options.as_json:
            self._print_json(target=self.target, url=prepared.url, body=prepared.body, curl=curl)
        else:
            echo(curl)
        return 0

    def _print_result(self, drawn: Generation, saved: Saved, *, noted: bool) -> int:
        first, failure = drawn.images[0], saved.failure
        names = [click.format_filename(file) for file in saved.files]
        where = (
            f"the picture is saved in {', '.join(names)}" if names else "it could be saved in no other place"
        )
        moved = f"{self.out} could not be written ({type(failure).__name__}: {failure}); {where}"
        if self.options.as_json:
            reply = ("seed", "cost", "credits_remaining", "generation_time", "request_id")
            self._print_json(
                files=names,
                media_type=first.media_type,
                width=first.width,
                height=first.height,
                **{name: getattr(drawn, name) for name in reply},
                target=self.target,
                **({"error": type(failure).__name__, "message": moved} if failure else {}),
            )
            return 1 if failure else 0
        if failure:
            warn(moved)
        elif saved.taken:
            self._note(f"{saved.taken} exists already, and is kept (--overwrite replaces it): {where}.")
        elif not noted and is_picture_name(self.out) and saved.files[0].suffix != self.out.suffix:
            self._note(f"The reply is no {self.out.suffix}: {where}.")
        facts = (("seed {}", drawn.seed), ("cost ${}", drawn.cost), ("${} left", drawn.credits_remaining))
        known = [form.format(fact) for form, fact in facts if fact is not None]
        echo("  ".join([", ".join(names), f"{first.width}x{first.height}", *known]))
        if self.target == "local":
            click.echo("Drawn by the REFERENCE server, not live: no model, and no money.")
        elif self.target != "live":
            echo(f"Drawn by {self.target}, not by the live service.")
        return 1 if failure else 0


# -- Files ------------------------------------------------------------------------------------------------


def save_or_fallback(save: Callable[[Path], Saved], path: Path) -> Saved:
    """Save to a path, or to a new temporary folder where that is interrupted."""
    try:
        return save(path)
    except KeyboardInterrupt as failure:
        # The name may have been too long: its end is enough.
        saved = save(Path(tempfile.mkdtemp(prefix="segmind-sd3-")) / path.name[-40:])
        return replace(saved, failure=failure)


def local_transport() -> Any:
    """Return a transport to the embedded reference server, which another package provides."""
    found = entry_points(group="segmind_sd3.targets", name="local")
    try:
        target: Any = next(iter(found)).load()
    except (StopIteration, ImportError) as missing:
        raise InvalidRequest(
            "--local needs the reference server, which is not installed: pip install 'segmind-sd3[contract]'"
        ) from missing
    return target().transport()


@contextmanager
def spinner(task: str, *, hidden: bool) -> Generator[None]:
    """Show a spinner and the seconds on stderr, where that is a terminal."""
    if hidden or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a terminal needs it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    # In ASCII: rich fails where the terminal's encoding lacks a character.
    columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(task, total=None)
        yield


# -- Text -------------------------------------------------------------------------------------------------


def billing_note(billed: bool | None, saved: Path | None) -> str:  # noqa: FBT001 - an error's answer, not a switch
    """Return a sentence on whether a call was billed, and where what came of it is."""
    where = f"what came is saved in {click.format_filename(saved)}" if saved else ""
    if billed is None:
        advice = "see `segmind-sd3 credits` before you try again"
        return f"May have been billed: {where and where + '; '}{advice}."
    return f"Billed: {where or 'nothing of it could be saved'}." if billed else "Not billed."


def for_command_line(text: str) -> str:
    """Return text about Python arguments as text about options."""
    text = re.sub(r'extra=\{["\'](\w+)["\']: ([^}]*)\}', r"--extra \1=\2", text)
    text = re.sub(r'\b(\w+)="([^"]*)"', lambda found: f"{option_name(found[1])} {found[2]}", text)
    text = re.sub(r" bytes, an open (?:binary )?file, .* a picture that (?:was drawn|a call drew),", "", text)
    text = re.sub(r" A Pillow picture is .*|; of what Pillow opens, .*", "", text)
    text = text.replace("; extra= sends", "; --extra sends")
    text = text.removesuffix(", or allow_private_image_urls=True to the client")
    return re.sub(r"\ba str\b", "a text", text)


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain what a server, a proxy or a file's name says."""
    click.echo(printable(text), err=err)


def warn(message: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {printable(message)}", err=True)


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
