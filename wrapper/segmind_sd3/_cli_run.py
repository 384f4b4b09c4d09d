"""Run one command from the terminal: draw pictures, or ask for the balance.

What may have been paid for is always written to a file, and every error says whether the call was billed.
Exit codes: 0 success, 1 failure, 2 refused before anything was sent; 129, 130 and 143 ended by a signal.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import entry_points
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ._cli_output import (
    billing_note,
    echo,
    for_command_line,
    for_terminal,
    log_to_stderr,
    option_name,
    spinner,
    warn,
)
from ._cli_signals import SIGNALS, Interrupted
from ._errors import (
    APIError,
    AuthenticationError,
    ConnectionFailed,
    InvalidRequest,
    OutcomeUnknown,
    SegmindError,
)
from ._imagefile import SUFFIXES
from ._prepared import escaped, values_in
from ._result import save_images
from ._saving import is_picture_name, save_all, target_path
from ._text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_api.parameters import Operation

    from ._cli_options import Options
    from ._client import Client
    from ._prepared import Prepared
    from ._result import Generation
    from ._saving import Saved

Outcome = TypeVar("Outcome")

PLACEHOLDER_KEY: Final = "SG_" + "0" * 16
"""The key where none is needed: nothing is sent, or nothing leaves this process."""

MAX_CHECKED_NAMES: Final = 1000
"""How many numbered names are checked before the call: some endpoints draw any number of pictures."""


def command_name(operation: Operation) -> str:
    return operation.operation_id.replace("_", "-")


@dataclass(slots=True, kw_only=True)
class Call(ABC):
    """A command that calls the service.

    Attributes:
        name: the endpoint's name, or `credits`.
        options: what its options were given.
        billed: what is known so far about whether the call was billed.
        url: the base URL of the server, once it is called.
        target: `live`, `local`, or the base URL of another server.
        out: the path that a picture goes to, without number and suffix.
        saved: the file that the call's result, or what came of it, was written to.
    """

    name: str
    options: Options
    billed: bool | None = False
    url: str = ""
    target: str = "live"
    out: Path = field(default_factory=Path)
    saved: Path | None = None

    def run(self) -> int:
        """Make the call, print the outcome, and return the exit code."""
        click.get_current_context().color = self._color
        try:
            with log_to_stderr() if self.options.verbose else nullcontext():
                return self._call()
        except (Exception, KeyboardInterrupt, Interrupted) as error:  # noqa: BLE001 - people get a sentence, not a traceback
            return self._report_error(error)
        finally:
            if self.options.pipes:
                with suppress(OSError):  # where anything is left, or nothing was made
                    self.out.parent.rmdir()

    @abstractmethod
    def _call(self) -> int: ...

    @property
    def _color(self) -> bool | None:
        """Whether to print in colour; None where the terminal decides."""
        given = self.options.color
        return False if given is None and os.environ.get("NO_COLOR") else given

    def _spinner(self, task: str) -> AbstractContextManager[None]:
        return nullcontext() if self.options.verbose else spinner(task, color=self._color)

    def _carry_out(self, client: Client, call: Callable[[], Outcome], *, billed: bool | None) -> Outcome:
        """Call the service. A signal ends the call, and loses nothing that came."""

        def work() -> Outcome:
            self.url = client._settings.base_url  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own
            self.billed = billed
            return call()

        return SIGNALS.carry_out(work, client.close)

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
        kind, message, billed = type(error).__name__, str(error), self.billed
        match error:
            case KeyboardInterrupt():  # of a process whose signals another handles
                code, kind, message = 130, "Interrupted", "Interrupted."
            case InvalidRequest():
                code, message, billed = 2, self._advice(error), error.billed
            case SegmindError():
                code, message, billed = 1, f"{message}{self._next_step(error)}", error.billed
            case _:
                code, message = 1, f"{kind}: {error} (--traceback shows where)"
        if isinstance(error, (APIError, OutcomeUnknown)) and error.body and billed is not False:
            body = error.body
            beside = self.out.with_name(f"{self.out.name}.reply")
            self.saved = next(iter(save_all([body], beside, lambda asked: [asked]).files), None)
        if SIGNALS.settle():
            code = SIGNALS.exit_code
            if not isinstance(error, APIError):  # the service's own answer says more
                kind, message = "Interrupted", SIGNALS.word
        with suppress(OSError):  # a terminal that is closed
            if self.options.traceback:
                click.echo(printable("".join(traceback.format_exception(error))), err=True)
            if self.options.as_json:
                self._print_json(
                    error=kind,
                    message=message,
                    billed=billed,
                    status=getattr(error, "status", None),
                    request_id=getattr(error, "request_id", None),
                    problems=[asdict(problem) for problem in getattr(error, "problems", ())],
                    saved=self.saved and click.format_filename(self.saved),
                )
            else:
                echo(message, err=True) if kind == "Interrupted" else warn(for_terminal(message))
                if code != 2:
                    echo(billing_note(billed, self.saved), err=True)
        return code

    def _next_step(self, error: SegmindError) -> str:
        """Return what to do about an error that depends on the server, which it names."""
        if self.url and isinstance(error, AuthenticationError):
            return f" The key was sent to {self.url}: --base-url or SEGMIND_BASE_URL names another server."
        if self.url and isinstance(error, ConnectionFailed) and error.retryable:
            ways = "--base-url or SEGMIND_BASE_URL"
            return f" Check that {self.url} can be reached, or name another server with {ways}."
        return ""

    def _advice(self, error: InvalidRequest) -> str:
        lines = [
            f"\n  {option_name(problem.parameter)}: {problem.given}{problem.given and '; '}"
            f"{for_command_line(problem.advice)}"
            for problem in error.problems
        ]
        command = self.name.replace("_", "-")
        return f"{command} was not sent:{''.join(lines)}" if lines else str(error)

    def _say(self, text: str) -> None:
        echo(text, err=self.options.pipes)

    def _print_json(self, **result: object) -> None:
        click.echo(json.dumps({"operation": self.name, **result}, indent=2), err=self.options.pipes)


@dataclass(slots=True, kw_only=True)
class CreditsCall(Call):
    """The command `credits`."""

    name: str = "credits"

    def _call(self) -> int:
        with self._client() as client, self._spinner("Asking for the balance"):
            balance = self._carry_out(client, client.credits, billed=False)
        if SIGNALS.settle():
            raise Interrupted
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
            parameters = self._values()
            note = self._ask_for_format(parameters)
            with self._spinner("Preparing"), warnings.catch_warnings(record=True) as notes:
                prepared = client.prepare(self.name, **parameters, extra=self.options.extra)
            for warning in notes:
                echo(f"Note: {warning.message}", err=True)
            if self.options.dry_run:
                return self._print_curl(prepared)
            self.out = self._path(values_in(prepared))
            self._note(note)
            billed = False if self.options.local else None
            spooling = client
            with suppress(InvalidRequest):  # else the picture is held in memory, and saved elsewhere
                spooling = client.with_options(spool=self.out.parent)
            with self._spinner("Drawing"):
                drawn = self._carry_out(client, lambda: spooling.send(prepared), billed=billed)
                # First of all: what follows may fail, even the end of the spinner.
                self.billed = not self.options.local
                saved = save_images(drawn.images, self.out, overwrite=self.options.overwrite)
                self.saved = next(iter(saved.files), None)
        if self.options.pipes:
            saved = self._write_out(drawn, saved)
        if SIGNALS.settle():
            raise Interrupted
        return self._print_result(drawn, saved, noted=bool(note))

    def _values(self) -> dict[str, object]:
        """Return the parameters that were given, with what standard input and the prompt's file hold."""
        values, file = dict(self.parameters), self.options.prompt_file
        if file and values.get("prompt") is not None:
            raise InvalidRequest("--prompt and --prompt-file exclude each other: leave one out")
        kinds = {name: known.kind for name, known in self.operation.parameters.items()}
        piped = [
            name
            for name, value in values.items()
            if value == "-" and (kinds[name] == "image" or name == "prompt")
        ]
        if len(piped) > 1:
            names = " and ".join(map(option_name, piped))
            raise InvalidRequest(f"{names} can't both be standard input: give one of them as a file")
        for name in piped:
            what = "a picture" if kinds[name] == "image" else "a text"
            if sys.stdin.isatty():
                raise InvalidRequest(f"{option_name(name)} - reads standard input: send {what} into it")
            data = sys.stdin.buffer.read()
            values[name] = data if kinds[name] == "image" else text_from(data, f"{option_name(name)} -")
        if file:
            try:
                values["prompt"] = text_from(Path(file).read_bytes(), f"--prompt-file {file}")
            except OSError as error:
                raise InvalidRequest(f"--prompt-file {file} can't be read: {error.strerror}") from error
        return values

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
        if self.options.pipes:
            self._check_stdout(body)
            out = Path(tempfile.mkdtemp(prefix="segmind-sd3-"))
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

    def _check_stdout(self, body: Mapping[str, Any]) -> None:
        if sys.stdout is None or sys.stdout.isatty():
            where = "is closed" if sys.stdout is None else "is a terminal"
            raise InvalidRequest(
                f"--out - writes to standard output, which {where}: send it into a file, or name one"
            )
        if len(self._numbers(body)) > 1:
            raise InvalidRequest("--out - takes one picture, and several are asked for: name a file")

    def _write_out(self, drawn: Generation, saved: Saved) -> Saved:
        """Write the picture to standard output. Until that is done, it is in a file too."""
        stream, rest = sys.stdout.buffer, memoryview(drawn.image.data)
        raw = getattr(stream, "raw", stream)  # a buffer would go on after a failure, when Python ends
        with SIGNALS.raising():
            while rest:
                rest = rest[raw.write(rest) :]
        for file in saved.files:
            file.unlink()
        self.saved = None
        return replace(saved, files=[Path("-")], failure=None, taken=None)

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
        try:
            curl.encode(sys.stdout.encoding)
        except UnicodeEncodeError:  # outside of its JSON, all of it is ASCII
            curl = "".join(each if each.isascii() else escaped(each) for each in curl)
        if self.options.as_json:
            self._print_json(target=self.target, url=prepared.url, body=prepared.body, curl=curl)
        else:
            click.echo(printable(curl))
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
                billed=self.billed,
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
        self._say("  ".join([", ".join(names), f"{first.width}x{first.height}", *known]))
        if self.target == "local":
            self._say("Drawn by the REFERENCE server, not live: no model, and no money.")
        elif self.target != "live":
            self._say(f"Drawn by {self.target}, not by the live service.")
        return 1 if failure else 0


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


def text_from(data: bytes, source: str) -> str:
    """Return the text of a prompt's file, without the line breaks at its end."""
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{source} is no UTF-8 text: byte {error.start} is none of it") from error
