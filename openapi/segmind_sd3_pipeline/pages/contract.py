"""Read the contract in a folder, copy it, and write its files."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.generate.methods import endpoint_methods
from segmind_sd3_pipeline.generate.parameters import endpoints
from segmind_sd3_pipeline.pages.facts import differences
from segmind_sd3_pipeline.spec.bundle import bundle
from segmind_sd3_pipeline.spec.documents import ContractError
from segmind_sd3_pipeline.spec.layers import read_layers, specs
from segmind_sd3_pipeline.spec.overlay import apply, read_overlays

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from segmind_sd3_pipeline.pages.facts import Difference, Facts


def spec_differences(facts: Facts, folder: Path) -> list[Difference]:
    """List where a page's spec differs from the page.

    Raises:
        ContractError: The spec can't be used.
    """
    return differences(facts, bundle([folder / f"{facts['slug']}.yaml"]))


@contextmanager
def temporary_copy(folder: Path) -> Generator[Path]:
    """Yield a temporary copy of the folder's data."""
    with TemporaryDirectory() as scratch:
        copy = Path(scratch, folder.name)
        copy.mkdir()
        for file in folder.glob("*.yaml"):
            shutil.copy(file, copy)
        shutil.copytree(folder / "facts", copy / "facts")
        yield copy


def write_files(texts: Mapping[Path, str]) -> None:
    """Write each text to its file, in a new folder if need be."""
    for file, text in texts.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")


def actions_without_target(folder: Path) -> list[str]:
    """List the names of the overlay actions whose target no spec has.

    Raises:
        ContractError: The specs or overlays can't be used.
    """
    gone: list[str] = []
    document = bundle(specs(folder))
    overlays = read_overlays(folder / "observed.overlay.yaml", folder / "sdk.overlay.yaml")
    for action in (action for overlay in overlays for action in overlay):
        try:
            document = apply(document, [action])
        except ContractError as problem:
            if "matches nothing" not in str(problem):
                raise
            gone.append(action.spec["x-id"])
    return gone


def render_methods(folder: Path) -> str:
    """Return the SDK's module with the methods of a folder's endpoints.

    Raises:
        ContractError: The specs or overlays can't be used.
    """
    return endpoint_methods(endpoints(read_layers(folder)))
