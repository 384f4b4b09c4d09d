"""One call from the terminal: a name that is free before anything is paid, the call, and what is told of it.

Law: what may have been paid for is written somewhere, and every way out says whether it was billed. Exit
codes: 0 drawn, 1 failed, 2 refused here with nothing sent, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ._errors import InvalidRequest, OutcomeUnknown, SegmindError, UnusableReply
from ._imagefile import SUFFIXES
from ._result import target_of
from ._text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from segmind_sd3_api.parameters import Operation

    from ._client import Client
    from ._prepared import Prepared
    from ._result import Generation

Fault = OSError | KeyboardInterrupt | None

NO_KEY: Final = "SG_" + "0" * 16
"""Stands in where no key is needed: nothing is sent, or nothing leaves this process."""

MOST_NAMES_CHECKED: Final = 1000
"""How many numbered names are looked for before the call: some endpoints set no bound on the pictures."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options that every endpoint has were given."""

    extra: Mapping[str, object]
    out: str
    overwrite: bool
    dry_run: bool
    as_json: bool
    timeout: float | None
    base_url: str | None
    local: bool
    no_retry: bool
    traceback: bool


def command_of(operation: Operation) -> str:
    return operation.operation_id.replace("_", "-")


def option_of(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(slots=True)
class Drawing:
    """One call. `billed` is what is known so far, `out` where its picture goes, `saved` where it went."""

    operation: Operation
    given: Mapping[str, Any]
    asked: Asked
    billed: bool | None = False
    out: Path = field(default_factory=Path)
    saved: Path | None = None

    def run(self) -> int:
        """Do the call, tell what came of it, and give the exit code."""
        try:
            return self._drawn()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a terminal is told, not shown a stack
            if self.asked.traceback:
                echo("".join(traceback.format_exception(error)), err=True)
            return self._failed(error)

    def _drawn(self) -> int:
        with self._client() as client:
            parameters = {name: self._value(name) for name in self.given}
            with waiting("Preparing"):
                prepared = client.prepare(self.operation.operation_id, **parameters, extra=self.asked.extra)
            if self.asked.dry_run:
                return self._show(prepared)
            self.out = self._free_name(prepared.body)
            self.billed = False if self.asked.local else None
            with waiting(f"Drawing with {command_of(self.operation)}"):
                drawn = client.send(prepared)
                # Before anything else, even the end of the spinner, can go wrong.
                self.billed = not self.asked.local
                files, fault = kept(lambda path: drawn.save(path, overwrite=self.asked.overwrite), self.out)
                self.saved = files[0]
        return self._tell(prepared, drawn, files, fault)

    def _client(self) -> Client:
        from ._client import Client  # noqa: PLC0415 - loads httpx, which `--help` does without
        from ._options import key_of  # noqa: PLC0415 - as above
        from ._retry import Retry  # noqa: PLC0415 - as above

        asked = self.asked
        options: dict[str, Any] = {"retry": Retry(attempts=1)} if asked.no_retry else {}
        if asked.timeout is not None:
            options["timeout"] = asked.timeout
        if asked.local:
            if asked.base_url or asked.dry_run:
                raise InvalidRequest("--local has no address: use it without --base-url and --dry-run")
            return Client(NO_KEY, base_url="http://localhost", transport=local_transport(), **options)
        if asked.base_url == "":
            raise InvalidRequest("--base-url is empty: give an address, or leave it out")
        if asked.dry_run:
            return Client(NO_KEY, base_url=asked.base_url, **options)
        if isinstance(wrong := key_of(None), InvalidRequest):
            problem = str(wrong).removesuffix(", or pass api_key=")
            raise InvalidRequest(
                f"{problem}, or add --local to draw with the reference server, which needs none"
            )
        return Client(base_url=asked.base_url, **options)

    def _value(self, name: str) -> object:
        value = self.given[name]
        if value != "-" or self.operation.parameters[name].kind != "image":
            return value
        if sys.stdin.isatty():
            raise InvalidRequest(f"{option_of(name)} - reads standard input: send a picture into it")
        return sys.stdin.buffer.read()

    def _free_name(self, body: Mapping[str, Any]) -> Path:
        """Give the path to save to, once no picture can meet a file that is there.

        The format is the reply's to choose, so the name is looked for with the suffix of each.
        """
        said, out = self.asked.out, Path(self.asked.out)
        if out.is_dir():
            seed = body.get("seed")
            known = isinstance(seed, int) and seed >= 0
            out /= f"{command_of(self.operation)}-{seed if known else time.strftime('%Y%m%d-%H%M%S')}"
        folder = Path(said) if said.endswith("/") else out.parent
        if not folder.is_dir():
            raise InvalidRequest(f"the folder {folder} is not there: make it first, or choose another --out")
        if not os.access(folder, os.W_OK):
            raise InvalidRequest(f"the folder {folder} can't be written to: choose another --out")
        names = (target_of(out, kind, number) for number, kind in product(self._numbers(body), SUFFIXES))
        taken = next(filter(os.path.lexists, names), None)
        if taken and not self.asked.overwrite:
            raise InvalidRequest(f"{taken} is there already: choose another --out, or add --overwrite")
        return out

    def _numbers(self, body: Mapping[str, Any]) -> list[int] | list[None]:
        """Give the numbers that the pictures' names will carry, as far as the body tells."""
        said = (body.get(name) for name, known in self.operation.parameters.items() if known.counts_images)
        count = max((number for number in said if isinstance(number, int)), default=1)
        return list(range(1, min(count, MOST_NAMES_CHECKED) + 1)) if count > 1 else [None]

    # -- What is told -------------------------------------------------------------------------------------

    def _target(self, prepared: Prepared) -> str:
        from ._options import BASE_URL  # noqa: PLC0415 - loads httpx, as above

        origin = prepared.url.removesuffix(self.operation.path)
        return "local" if self.asked.local else "live" if origin == BASE_URL else origin

    def _show(self, prepared: Prepared) -> int:
        curl = prepared.as_curl()
        if self.asked.as_json:
            self._json(target=self._target(prepared), url=prepared.url, body=prepared.body, curl=curl)
        else:
            echo(curl)
        return 0

    def _tell(self, prepared: Prepared, drawn: Generation, files: list[Path], fault: Fault) -> int:
        first, target = drawn.images[0], self._target(prepared)
        names = [click.format_filename(file) for file in files]
        reason = f"{self.out} could not be written ({type(fault).__name__}: {fault})"
        moved = f"{reason}; what was drawn is in {names[0]}" if fault else ""
        if self.asked.as_json:
            reply = ("seed", "cost", "credits_remaining", "generation_time", "request_id")
            self._json(
                files=names,
                media_type=first.media_type,
                width=first.width,
                height=first.height,
                **{name: getattr(drawn, name) for name in reply},
                target=target,
                **({"error": type(fault).__name__, "message": moved} if fault else {}),
            )
            return 1 if fault else 0
        if fault:
            warn(moved)
        facts = (("seed {}", drawn.seed), ("cost ${}", drawn.cost), ("${} left", drawn.credits_remaining))
        told = [form.format(fact) for form, fact in facts if fact is not None]
        echo("  ".join([", ".join(names), f"{first.width}x{first.height}", *told]))
        if target == "local":
            click.echo("Drawn by the REFERENCE server, not live: no model, and no money.")
        elif target != "live":
            echo(f"Drawn by {target}, not by the live service.")
        return 1 if fault else 0

    def _failed(self, error: BaseException) -> int:
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
        if isinstance(error, (UnusableReply, OutcomeUnknown)) and error.body:
            reply = error
            beside = self.out.with_name(f"{self.out.name}.reply")
            [self.saved], _ = kept(lambda path: [reply.save(path)], beside)
        if self.asked.as_json:
            self._json(
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
            echo(fate(billed, self.saved), err=True)
        return code

    def _advice(self, error: InvalidRequest) -> str:
        lines = [
            f"\n  {option_of(problem.parameter)}: {problem.given}{problem.given and '; '}"
            f"{in_options(problem.advice)}"
            for problem in error.problems
        ]
        return f"{command_of(self.operation)} was not sent:{''.join(lines)}" if lines else str(error)

    def _json(self, **told: object) -> None:
        click.echo(json.dumps({"operation": self.operation.operation_id, **told}, indent=2))


def fate(billed: bool | None, saved: Path | None) -> str:  # noqa: FBT001 - an error's answer, not a switch
    """Say whether a call was paid for, and where what came of it is."""
    where = f"what came is saved in {click.format_filename(saved)}" if saved else ""
    if billed is None:
        return f"May have been billed: {where and where + '; '}look at your credits before you try again."
    return f"Billed: {where or 'nothing of it could be saved'}." if billed else "Not billed."


def in_options(advice: str) -> str:
    """Say in options what the SDK and the table say in Python."""
    advice = re.sub(r'extra=\{["\'](\w+)["\']: ([^}]*)\}', r"--extra \1=\2", advice)
    advice = re.sub(r'\b(\w+)="([^"]*)"', lambda found: f"{option_of(found[1])} {found[2]}", advice)
    advice = re.sub(r" bytes, an open (?:binary )?file, a (?:PIL image|Pillow picture),", "", advice)
    advice = advice.removesuffix(", or allow_private_image_urls=True to the client")
    return re.sub(r"\ba str\b", "a text", advice)


def echo(text: str, *, err: bool = False) -> None:
    """Print a text that may hold what a server, a proxy or a file's name says."""
    click.echo(printable(text), err=err)


def warn(message: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {printable(message)}", err=True)


def kept(save: Callable[[Path], list[Path]], path: Path) -> tuple[list[Path], Fault]:
    """Save, into a new temporary folder where the path can't be had, and give what stood in the way."""
    try:
        return save(path), None
    except (OSError, KeyboardInterrupt) as fault:
        # A name that was too long is not tried again.
        return save(Path(tempfile.mkdtemp(prefix="segmind-sd3-")) / path.name[-40:]), fault


def local_transport() -> Any:
    """Make a transport to the embedded reference server, which another package brings."""
    found = entry_points(group="segmind_sd3.targets", name="local")
    try:
        target: Any = next(iter(found)).load()
    except (StopIteration, ImportError) as missing:
        raise InvalidRequest(
            "--local draws with the reference server, which is not installed: "
            "pip install 'segmind-sd3[contract]'"
        ) from missing
    return target().transport()


@contextmanager
def waiting(task: str) -> Generator[None]:
    """Show a spinner and the seconds on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - takes 50 ms, and only a terminal needs it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

    # In ASCII: rich fails where the terminal's encoding lacks a character.
    columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(task, total=None)
        yield
