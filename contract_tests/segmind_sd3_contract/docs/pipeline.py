"""The pipeline of a checkout: scripts beside its specs, which are no package and are imported from there."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from segmind_sd3_contract.facts import differences

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from segmind_sd3_contract.facts import Difference, Facts


class BrokenContract(Exception):
    """The specs and overlays of a folder don't fit together. `str()` names the action or the file."""


@cache
def on_path(pipeline: Path) -> None:
    """Make the scripts of a checkout's folder importable.

    Raises:
        BrokenContract: It has none.
    """
    if not (pipeline / "layers.py").is_file():
        raise BrokenContract(
            f"{pipeline} has no pipeline: call this in a checkout of the project, or say --root."
        )
    if str(pipeline.resolve()) not in sys.path:
        sys.path.insert(0, str(pipeline.resolve()))


def read(file: Path) -> dict[str, Any]:
    """A YAML file, by the pipeline that is on the path: what it has read once it need not read again."""
    from documents import ContractError, read  # noqa: PLC0415 - a checkout's own, known only now

    try:
        return read(file)
    except ContractError as problem:
        raise BrokenContract(str(problem)) from problem


def require_layers(folder: Path, pipeline: Path) -> None:
    """Nothing, if every overlay action finds what it was written against.

    `pipeline` is the folder whose scripts judge; the specs may be another folder's.
    """
    on_path(pipeline)
    from documents import ContractError  # noqa: PLC0415 - as above
    from layers import read_layers  # noqa: PLC0415 - as above

    try:
        read_layers(folder)
    except ContractError as problem:
        raise BrokenContract(str(problem)) from problem


def spec_differences(facts: Facts, folder: Path, pipeline: Path) -> list[Difference]:
    """Where the spec of a page's slug says another thing than the page."""
    on_path(pipeline)
    from bundle import bundle  # noqa: PLC0415 - as above
    from documents import ContractError  # noqa: PLC0415 - as above

    try:
        return differences(facts, bundle([folder / f"{facts['slug']}.yaml"]))
    except ContractError as problem:
        raise BrokenContract(str(problem)) from problem


@contextmanager
def copied(folder: Path) -> Generator[Path]:
    """A copy of the folder's data, to try changes in."""
    with TemporaryDirectory() as scratch:
        copy = Path(scratch, folder.name)
        copy.mkdir()
        for file in folder.glob("*.yaml"):
            shutil.copy(file, copy)
        (copy / "facts").mkdir()
        for file in (folder / "facts").glob("*.json"):
            shutil.copy(file, copy / "facts")
        yield copy


def put(texts: Mapping[Path, str]) -> None:
    """Write each text whole."""
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8", newline="\n")


def gone_without(folder: Path, pipeline: Path) -> list[str]:
    """The names of the overlay actions that find nothing to speak of in the specs that are left."""
    on_path(pipeline)
    from bundle import bundle  # noqa: PLC0415 - as above
    from documents import ContractError  # noqa: PLC0415 - as above
    from layers import specs  # noqa: PLC0415 - as above
    from overlay import apply, read_overlays  # noqa: PLC0415 - as above

    gone: list[str] = []
    try:
        document = bundle(specs(folder))
        overlays = read_overlays(folder / "observed.overlay.yaml", folder / "sdk.overlay.yaml")
        for action in (action for overlay in overlays for action in overlay):
            try:
                document = apply(document, [action])
            except ContractError as problem:
                if "matches nothing" not in str(problem):
                    raise
                gone.append(action.spec["x-id"])
    except ContractError as problem:
        raise BrokenContract(str(problem)) from problem
    return gone


def methods_of(folder: Path, pipeline: Path) -> str:
    """Return the SDK's module with the methods of a folder's endpoints."""
    on_path(pipeline)
    from documents import ContractError  # noqa: PLC0415 - as above
    from layers import read_layers  # noqa: PLC0415 - as above
    from methods import endpoint_methods  # noqa: PLC0415 - as above
    from parameters import endpoints  # noqa: PLC0415 - as above

    try:
        return endpoint_methods(endpoints(read_layers(folder)))
    except ContractError as problem:
        raise BrokenContract(str(problem)) from problem
