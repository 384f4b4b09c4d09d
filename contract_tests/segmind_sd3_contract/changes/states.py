"""The project at a git revision, or as it stands in its folder: each a folder to read from."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.changes.table import read_table

if TYPE_CHECKING:
    from collections.abc import Generator

    from segmind_sd3_contract.changes.nodes import Bundle
    from segmind_sd3_contract.changes.table import Table

WORKING_TREE: Final = "the working tree"
CARRIED: Final = "generated_client/segmind_sd3_api"


class NoState(Exception):
    """There is nothing to read. `str()` says what is missing, and what to do."""


@dataclass(frozen=True)
class State:
    """The project in a folder. What is read of it are the specs and what was last generated of them."""

    name: str
    folder: Path

    @cached_property
    def documented(self) -> Bundle:
        return self._carried("documented.json")

    @cached_property
    def observed(self) -> Bundle:
        return self._carried("observed.json")

    @cached_property
    def table(self) -> Table:
        try:
            return read_table(self.folder)
        except (OSError, ValueError, SyntaxError) as problem:
            raise NoState(f"{self.name} has no table of parameters: {problem}") from None

    @cached_property
    def version(self) -> str:
        text = (self.folder / "wrapper/segmind_sd3/_version.py").read_text(encoding="utf-8")
        found = re.search(r'"(\d+\.\d+\.\d+[^"]*)"', text)
        if not found:
            raise NoState(f"{self.name} names no version in wrapper/segmind_sd3/_version.py.")
        return found[1]

    def _carried(self, name: str) -> Any:
        try:
            return json.loads((self.folder / CARRIED / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise NoState(
                f"{self.name} has no {CARRIED}/{name}: is it a checkout, and was it generated?"
            ) from None


@contextmanager
def state(revision: str | None, root: Path) -> Generator[State]:
    """Give the project at a revision, taken out of git into a folder that goes afterwards.

    None is the project as it stands in `root`.

    Raises:
        NoState: there is no such revision, or no repository.
    """
    if revision is None:
        yield State(WORKING_TREE, root)
        return
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    archive = _git(root, "archive", "--format=tar", commit.decode().strip())
    with TemporaryDirectory() as scratch:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(scratch, filter="data")
        yield State(revision, Path(scratch))


def _git(root: Path, command: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a revision is never taken for an option
            ["git", "-C", str(root), command, *arguments],  # noqa: S607 - the git of the path
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise NoState("git is not installed, and a revision is read from it.") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip() or f"{arguments[-1].partition('^')[0]} is no revision"
    raise NoState(f"git: {said.removeprefix('fatal: ')} (in {root.resolve()}).")
