"""One call from the terminal: a file name that is free before anything is paid, the call, and what is told.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .errors import InvalidRequest, OutcomeUnknown, SegmindError, UnusableReply
from .generation import target_of
from .pictures import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from segmind_sd3_api.parameters import Operation

    from .client import Client
    from .generation import Generation
    from .request import Prepared

NO_KEY: Final = "SG_" + "0" * 16
"""Stands in where no key is needed: nothing is sent, or nothing leaves this process."""

MOST_NAMES_CHECKED: Final = 1000
"""How many numbered names are looked for before the call: some endpoints set no bound on the pictures."""

LOOK_FIRST: Final = "look at your credits before you try again"

ON_THE_COMMAND_LINE: Final = (
    (r'extra=\{["\'](\w+)["\']: ([^}]*)\}', lambda found: f"--extra {found[1]}={found[2]}"),
    (r'\b(\w+)="([^"]*)"', lambda found: f"{option_of(found[1])} {found[2]}"),
    (r" bytes, an open (?:binary )?file, a PIL image,", lambda _: ""),
    (r"\ba str\b", lambda _: "a text"),
)  # fmt: skip
"""What the SDK's advice says in Python, and how it is said here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options that every endpoint has were given."""

    extra: Mapping[str, object]
    out: str | None
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


def run(operation: Operation, given: Mapping[str, Any], asked: Asked) -> int:
    """Do one call, tell what came of it, and give the exit code."""
    drawing = Drawing(operation, given, asked)
    try:
        return drawing.done()
    except KeyboardInterrupt:
        return drawing.interrupted()
    except Exception as error:  # noqa: BLE001 - a traceback is no answer to give at a terminal
        return drawing.failed(error)


@dataclass(slots=True)
class Drawing:
    """One call. `sent` is whether it may have reached the service; `out` where its picture goes."""

    operation: Operation
    given: Mapping[str, Any]
    asked: Asked
    sent: bool = False
    out: Path = field(default_factory=Path)

    def done(self) -> int:
        parameters = {
            name: from_stdin(name) if self._is_stdin(name) else self.given[name] for name in self.given
        }
        with self._client() as client:
            with waiting("Preparing"):
                prepared = client.prepare(self.operation.operation_id, **parameters, extra=self.asked.extra)
            target = self._target(prepared)
            if self.asked.dry_run:
                return self._show(prepared, target)
            self.out = self._free_name(prepared.body)
            self.sent = not self.asked.local
            with waiting(f"Drawing with {command_of(self.operation)}"):
                drawn = client.send(prepared)
        files, fault = kept(lambda path: drawn.save(path, overwrite=self.asked.overwrite), self.out)
        return self._tell(drawn, files, target, fault)

    def _is_stdin(self, name: str) -> bool:
        return self.operation.parameters[name].kind == "image" and self.given[name] == "-"

    def _client(self) -> Client:
        from .client import Client  # noqa: PLC0415 - loads httpx, which `--help` does without
        from .retry import Retry  # noqa: PLC0415 - as above
        from .settings import key_of  # noqa: PLC0415 - as above

        asked = self.asked
        options: dict[str, Any] = {"base_url": asked.base_url, "timeout": asked.timeout}
        options = {name: value for name, value in options.items() if value is not None}
        if asked.no_retry:
            options["retry"] = Retry(attempts=1)
        if asked.local:
            if asked.base_url or asked.dry_run:
                raise InvalidRequest("--local has no address: leave out --base-url and --dry-run, or --local")
            options |= {"base_url": "http://localhost", "transport": local_transport()}
        elif not asked.dry_run:
            if key_of(None) is None:
                raise InvalidRequest(
                    "there is no usable API key: set SEGMIND_API_KEY, or add --local to draw with the "
                    "reference server, which needs none"
                )
            return Client(**options)
        return Client(NO_KEY, **options)

    def _target(self, prepared: Prepared) -> str:
        from .settings import BASE_URL  # noqa: PLC0415 - as above

        origin = prepared.url.removesuffix(self.operation.path)
        return "local" if self.asked.local else "live" if origin == BASE_URL else origin

    def _free_name(self, body: Mapping[str, Any]) -> Path:
        """Give the path to save to, once no picture can meet a file that is there.

        The format is the reply's to choose, so the name is looked for with the suffix of each.
        """
        said = self.asked.out or ""
        out = Path(said)
        if out.is_dir():
            seed = body.get("seed")
            drawn_once = isinstance(seed, int) and seed >= 0
            out /= f"{command_of(self.operation)}-{seed if drawn_once else time.strftime('%Y%m%d-%H%M%S')}"
        folder = Path(said) if said.endswith(os.sep) else out.parent
        if not folder.is_dir():
            raise InvalidRequest(f"the folder {folder} is not there: make it first, or choose another --out")
        if not os.access(folder, os.W_OK):
            raise InvalidRequest(f"nothing can be written into the folder {folder}: choose another --out")
        names = (
            target_of(out, kind, number) for number in numbers(self.operation, body) for kind in SUFFIXES
        )
        if not self.asked.overwrite and (taken := next(filter(os.path.lexists, names), None)):
            raise InvalidRequest(f"{taken} is there already: choose another --out, or add --overwrite")
        return out

    # -- What is told -------------------------------------------------------------------------------------

    def _show(self, prepared: Prepared, target: str) -> int:
        if self.asked.as_json:
            told = {"url": prepared.url, "body": prepared.body, "curl": prepared.as_curl(), "target": target}
            self._json(told)
        else:
            click.echo(prepared.as_curl())
        return 0

    def _tell(self, drawn: Generation, files: list[Path], target: str, fault: OSError | None) -> int:
        first = drawn.images[0]
        about = {
            name: getattr(drawn, name)
            for name in ("seed", "cost", "credits_remaining", "generation_time", "request_id")
        }
        names = [click.format_filename(file) for file in files]
        failure = f"{self.out} could not be written ({fault}), so the picture is elsewhere" if fault else None
        if self.asked.as_json:
            size = {"media_type": first.media_type, "width": first.width, "height": first.height}
            error = {"error": type(fault).__name__, "message": failure} if fault else {}
            self._json({"files": names, **size, **about, "target": target, **error})
            return 1 if fault else 0
        if failure:
            warn(failure)
        facts = (
            ("", f"{first.width} x {first.height}"),
            ("seed ", drawn.seed),
            ("cost $", drawn.cost),
            ("credits left $", drawn.credits_remaining),
        )
        click.echo("  ".join([", ".join(names), *(f"{name}{it}" for name, it in facts if it is not None)]))
        if target == "local":
            click.echo("Drawn by the REFERENCE server, not live: no model, and no money.")
        elif target != "live":
            click.echo(f"Drawn by {target}, not by the live service.")
        return 1 if fault else 0

    def interrupted(self) -> int:
        fate = f"the call was sent and may have been drawn and paid for; {LOOK_FIRST}"
        message = f"Interrupted: {fate if self.sent else 'nothing was paid for'}."
        self._fail("KeyboardInterrupt", message, billed=None if self.sent else False)
        return 130

    def failed(self, error: Exception) -> int:
        if self.asked.traceback:
            traceback.print_exception(error)
        if isinstance(error, InvalidRequest):
            self._fail_as_invalid(error)
            return 2
        if not isinstance(error, SegmindError):
            hint = "" if self.asked.traceback else " (--traceback shows where)"
            billed = None if self.sent else False
            self._fail(type(error).__name__, f"{type(error).__name__}: {error}{hint}", billed=billed)
            return 1
        saved = None
        if isinstance(error, (UnusableReply, OutcomeUnknown)) and error.body:
            ((saved,), _) = kept(
                lambda path: [error.save(path)], self.out.with_name(f"{self.out.name}.reply")
            )
        self._fail(type(error).__name__, str(error), billed=error.billed, error=error, saved=saved)
        return 1

    def _fail_as_invalid(self, error: InvalidRequest) -> None:
        lines = [
            f"  {option_of(problem.parameter)}: {problem.given}{problem.given and '; '}{said(problem.advice)}"
            for problem in error.problems
        ]
        message = "\n".join([f"{command_of(self.operation)} was not sent:", *lines]) if lines else str(error)
        if self.asked.as_json:
            self._fail(type(error).__name__, message, billed=False, error=error)
        else:
            warn(message)

    def _fail(
        self,
        name: str,
        message: str,
        *,
        billed: bool | None,
        error: SegmindError | None = None,
        saved: Path | None = None,
    ) -> None:
        if self.asked.as_json:
            told = {
                "error": name,
                "message": message,
                "billed": billed,
                "status": getattr(error, "status", None),
                "problems": [asdict(problem) for problem in getattr(error, "problems", ())],
                "request_id": getattr(error, "request_id", None),
                "saved": saved and click.format_filename(saved),
            }
            self._json(told)
            return
        warn(message)
        where = f"what came is saved in {click.format_filename(saved)}" if saved else ""
        if billed is None:
            fate = "May have been billed: " + "; ".join(filter(None, (where, LOOK_FIRST))) + "."
        else:
            fate = f"Billed: {where or 'nothing of it came'}." if billed else "Not billed."
        click.echo(fate, err=True)

    def _json(self, told: Mapping[str, object]) -> None:
        click.echo(json.dumps({"operation": self.operation.operation_id, **told}, indent=2))


def warn(message: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {message}", err=True)
