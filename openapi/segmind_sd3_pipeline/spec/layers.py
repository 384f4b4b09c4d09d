"""The three layers of the contract, each built on the one before: documented, observed, SDK policy."""

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
    """Three OpenAPI documents. Each only adds to the one before."""

    documented: Document
    observed: Document
    sdk: Document


def specs(folder: Path) -> list[Path]:
    """List the specs of a folder: its YAML files with `openapi` or `paths`."""
    return [path for path in sorted(folder.glob("*.yaml")) if {"openapi", "paths"} & read(path).keys()]


def read_layers(folder: Path) -> Layers:
    """Read the layers of a folder with specs and two overlays.

    Raises:
        ContractError: The files don't fit together, or an overlay removes something documented.
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
    """Apply actions that may add to a document, and may change and remove nothing."""
    result = apply(document, actions)
    if not contains(result, document, grown_arrays=True):
        loses = (not contains(apply(document, actions[:n]), document, grown_arrays=True) for n in count(1))
        action = next(action for action, lost in zip(actions, loses, strict=False) if lost)
        raise ContractError(f"{action.name} changes or removes what is documented; put x-observed beside it.")
    return result
