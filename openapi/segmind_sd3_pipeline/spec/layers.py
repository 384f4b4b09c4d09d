"""The contract's three layers, each upon the one before: documented, observed, and our SDK's policy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.spec.bundle import bundle
from segmind_sd3_pipeline.spec.documents import ContractError, Document, contains, read
from segmind_sd3_pipeline.spec.overlay import apply, read_overlays

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_pipeline.spec.overlay import Action


@dataclass(frozen=True)
class Layers:
    """Three OpenAPI documents. Each has all that the one before has, and only adds to it."""

    documented: Document
    observed: Document
    sdk: Document


def specs(folder: Path) -> list[Path]:
    """The folder's files that are OpenAPI documents, or mean to be; beside them stand others in YAML."""
    return [path for path in sorted(folder.glob("*.yaml")) if {"openapi", "paths"} & read(path).keys()]


def read_layers(folder: Path) -> Layers:
    """The layers of a folder with specs and two overlays.

    Raises:
        ContractError: The files don't fit together, or an overlay takes something documented away.
    """
    documented = bundle(specs(folder))
    observations, policies = read_overlays(folder / "observed.overlay.yaml", folder / "sdk.overlay.yaml")
    for action in observations:
        if action.spec["x-grade"] == "policy":
            raise ContractError(f"{action.name} has the grade policy, which is no observation.")
    for action in policies:
        if action.spec["x-grade"] != "policy":
            raise ContractError(f"{action.name} has a grade other than policy.")
    observed = _added(documented, observations)
    return Layers(documented, observed, _added(observed, policies))


def _added(document: Document, actions: list[Action]) -> Document:
    """The document with what the actions add, which may change and remove nothing that it says."""
    result = apply(document, actions)
    if not contains(result, document, grown_arrays=True):
        loses = (not contains(apply(document, actions[:n]), document, grown_arrays=True) for n in count(1))
        action = next(action for action, lost in zip(actions, loses, strict=False) if lost)
        raise ContractError(f"{action.name} changes or removes what is documented; put x-observed beside it.")
    return result
