"""Open the project at a git revision, or the working tree, as a folder to read from."""

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
"""The folders that the project is imported from."""

GENERATED: Final = "generated_client/segmind_sd3_api"
CHANGELOG: Final = "CHANGELOG.md"
VERSION: Final = "wrapper/segmind_sd3/_version.py"

Api: TypeAlias = "griffe.Object | griffe.Alias"


class StateUnavailable(Exception):
    """A state of the project can't be read. `str()` names what is missing."""


@dataclass(frozen=True)
class State:
    """The project in a folder: its specs and the files that were last generated from them."""

    name: str
    folder: Path

    @cached_property
    def documented(self) -> Bundle:
        return self._generated_json("documented.json")

    @cached_property
    def observed(self) -> Bundle:
        return self._generated_json("observed.json")

    @cached_property
    def table(self) -> Table:
        try:
            return read_table(self.folder)
        except (OSError, ValueError, SyntaxError) as problem:
            raise StateUnavailable(f"{self.name} has no table of parameters: {problem}") from None

    @cached_property
    def api(self) -> Api:
        """Return the SDK as griffe reads it, without running it."""
        loader = griffe.GriffeLoader(
            search_paths=[self.folder / "wrapper", self.folder / "generated_client"],
            extensions=griffe.load_extensions("unpack_typeddict"),
            allow_inspection=False,
        )
        try:
            # The parameters first: griffe then expands the typed dicts in the signatures.
            loader.load("segmind_sd3_api.parameters")
            loader.load("segmind_sd3")
        except (ImportError, griffe.GriffeError) as problem:
            raise StateUnavailable(f"{self.name} has no SDK that can be read: {problem}") from None
        loader.resolve_aliases()
        return loader.modules_collection["segmind_sd3"]

    @cached_property
    def changelog(self) -> str:
        return self._read(CHANGELOG)

    @cached_property
    def version(self) -> str:
        found = re.search(r'"(\d+\.\d+\.\d+[^"]*)"', self._read(VERSION))
        if not found:
            raise StateUnavailable(f"{self.name} names no version in {VERSION}.")
        return found[1]

    def _generated_json(self, name: str) -> Any:
        try:
            return json.loads(self._read(f"{GENERATED}/{name}"))
        except ValueError:
            raise StateUnavailable(f"{self.name}: {GENERATED}/{name} is no JSON.") from None

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError:
            raise StateUnavailable(f"{self.name} has no {name}: is it a checkout of the project?") from None


@contextmanager
def open_state(revision: str | None, root: Path) -> Generator[State]:
    """Yield the project at a revision, extracted from git into a temporary folder.

    Without a revision, yield the project in `root` itself.

    Raises:
        StateUnavailable: There is no such revision, or no repository.
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
        raise StateUnavailable("git is not installed. It is needed to read a revision.") from None
    if done.returncode == 0:
        return done.stdout
    message = (
        done.stderr.decode(errors="replace").strip() or f"{arguments[-1].partition('^')[0]} is no revision"
    )
    raise StateUnavailable(f"git: {message.removeprefix('fatal: ')} (in {root.resolve()}).")
