"""Ask other programs whether a change is breaking: redocly, which needs Node, and oasdiff, if installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

REDOCLY: Final = "@redocly/cli@2.77.0"
LEVELS: Final = ("none", "info", "warning", "error")
QUIET: Final = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "OASDIFF_NO_TELEMETRY": "1",
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that compares two documents.

    Attributes:
        name: Its name.
        command: The words that start it.
        version: Which one it is.
        is_pinned: Whether the version is always the same, so that no answer may surprise.
        breaking: Its answers that call a change breaking.
        ask: Returns its answer for the words that start it and two files.
    """

    name: str
    command: Sequence[str]
    version: str
    is_pinned: bool
    breaking: frozenset[str]
    ask: Callable[[Sequence[str], Path, Path], str]

    def answer(self, before: Path, after: Path) -> str:
        return self.ask(self.command, before, after)


def _ask_redocly(command: Sequence[str], before: Path, after: Path) -> str:
    return json.loads(_run(*command, "diff", before, after, "--format", "json", "--fail-on", "none")).get(
        "bump", "none"
    )


def _ask_oasdiff(command: Sequence[str], before: Path, after: Path) -> str:
    found = json.loads(_run(*command, "changelog", before, after, "--format", "json") or "[]")
    return LEVELS[max((each["level"] for each in found), default=0)]


def find_programs() -> Mapping[str, Program]:
    """Return the programs that can be started here, by name."""
    found: dict[str, Program] = {}
    if shutil.which("npx"):
        # npx costs more time than the comparison, so it is asked once for the program's place.
        place = _run("npx", "--yes", "--package", REDOCLY, "--call", "command -v redocly").strip()
        version = REDOCLY.rpartition("@")[2]
        found["redocly"] = Program(
            "redocly", [place], version, is_pinned=True, breaking=frozenset({"major"}), ask=_ask_redocly
        )
    if place := shutil.which("oasdiff"):
        version = _run(place, "--version").split()[-1]
        breaking = frozenset({"warning", "error"})
        found["oasdiff"] = Program(
            "oasdiff", [place], version, is_pinned=False, breaking=breaking, ask=_ask_oasdiff
        )
    return found


def _run(*command: str | Path) -> str:
    done = subprocess.run(  # noqa: S603 - no shell
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **QUIET},
        timeout=300,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout
