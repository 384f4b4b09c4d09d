"""The contract's three layers, each upon the one before: documented, observed, and our SDK's policy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from bundle import bundle
from documents import ContractError, Document, contains, require_openapi
from overlay import apply, read_overlays

if TYPE_CHECKING:
    from pathlib import Path

    from overlay import Action

NO_SPECS = ("components.yaml", "generator.yaml")


@dataclass(frozen=True)
class Layers:
    """Three OpenAPI documents. Each has all that the one before has, and only adds to it."""

    documented: Document
    observed: Document
    sdk: Document


def read_layers(folder: Path) -> Layers:
    """The layers of a folder with specs and, where they are there, the two overlays.

    Raises:
        ContractError: The files don't fit together, or an overlay takes something documented away.
    """
    specs = sorted(
        path
        for path in folder.glob("*.yaml")
        if path.name not in NO_SPECS and not path.name.endswith(".overlay.yaml")
    )
    documented = bundle(specs)
    observations, policies = read_overlays(folder / "observed.overlay.yaml", folder / "sdk.overlay.yaml")
    for action in observations:
        if action.spec["x-grade"] == "policy":
            raise ContractError(f"{action.name} has the grade policy, which is no observation.")
    for action in policies:
        if action.spec["x-grade"] != "policy":
            raise ContractError(f"{action.name} has a grade other than policy.")
    observed = _added(documented, observations)
    require_openapi(observed, "What observed.overlay.yaml makes of the specs")
    return Layers(documented, observed, _added(observed, policies))


def _added(document: Document, actions: list[Action]) -> Document:
    """The document with what the actions add, which may change and remove nothing that it says."""
    result = apply(document, actions)
    if not contains(result, document, grown_arrays=True):
        loses = (not contains(apply(document, actions[:n]), document, grown_arrays=True) for n in count(1))
        action = next(action for action, lost in zip(actions, loses, strict=False) if lost)
        raise ContractError(f"{action.name} changes or removes what is documented; put x-observed beside it.")
    return result
