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
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import griffe

from segmind_sd3_pipeline.changes.table import read_table

if TYPE_CHECKING:
    from collections.abc import Generator

    from segmind_sd3_pipeline.changes.nodes import Bundle
    from segmind_sd3_pipeline.changes.table import Table

WORKING_TREE: Final = "the working tree"
PACKAGES: Final = ("openapi", "generated_client", "wrapper", "contract_tests")
"""The folders that Python imports the project from."""

CARRIED: Final = "generated_client/segmind_sd3_api"
CHANGELOG: Final = "CHANGELOG.md"
VERSION: Final = "wrapper/segmind_sd3/_version.py"

Api: TypeAlias = "griffe.Object | griffe.Alias"


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
    def api(self) -> Api:
        """The SDK as griffe reads it, which runs nothing of it."""
        loader = griffe.GriffeLoader(
            search_paths=[self.folder / "wrapper", self.folder / "generated_client"],
            extensions=griffe.load_extensions("unpack_typeddict"),
            allow_inspection=False,
        )
        try:
            # The parameters first: the typed dicts are written into whoever unpacks them.
            loader.load("segmind_sd3_api.parameters")
            loader.load("segmind_sd3")
        except (ImportError, griffe.GriffeError) as problem:
            raise NoState(f"{self.name} has no SDK that can be read: {problem}") from None
        loader.resolve_aliases()
        return loader.modules_collection["segmind_sd3"]

    @cached_property
    def changelog(self) -> str:
        return self._text(CHANGELOG)

    @cached_property
    def version(self) -> str:
        found = re.search(r'"(\d+\.\d+\.\d+[^"]*)"', self._text(VERSION))
        if not found:
            raise NoState(f"{self.name} names no version in {VERSION}.")
        return found[1]

    def _carried(self, name: str) -> Any:
        try:
            return json.loads(self._text(f"{CARRIED}/{name}"))
        except ValueError:
            raise NoState(f"{self.name}: {CARRIED}/{name} is no JSON.") from None

    def _text(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError:
            raise NoState(f"{self.name} has no {name}: is it a checkout of the project?") from None


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
