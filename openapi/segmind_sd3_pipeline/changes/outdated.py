"""Find what no longer holds after a change: overlay actions and their quirk rows, cases, cassettes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.cassettes.library import LIVE, digest_of, recorded
from segmind_sd3_contract.conformance.cases import cases
from segmind_sd3_contract.conformance.judging import Readings

from segmind_sd3_pipeline.changes.states import PACKAGES, StateUnavailable
from segmind_sd3_pipeline.spec.bundle import bundle
from segmind_sd3_pipeline.spec.documents import ContractError
from segmind_sd3_pipeline.spec.layers import specs
from segmind_sd3_pipeline.spec.overlay import apply, read_overlays
from segmind_sd3_pipeline.spec.quirks import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segmind_sd3_pipeline.changes.nodes import Bundle
    from segmind_sd3_pipeline.changes.states import State
    from segmind_sd3_pipeline.spec.documents import Document

OVERLAYS: Final = ("observed.overlay.yaml", "sdk.overlay.yaml")


@dataclass(frozen=True, slots=True)
class Outdated:
    """The ids of what is stale, what is new, and what is gone."""

    stale: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]


# -- Quirk rows -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BrokenAction:
    """An overlay action that no longer holds or no longer exists, and its quirk rows."""

    action: str
    rows: tuple[str, ...]
    why: str


def broken_actions(documented: Bundle, openapi: Path) -> list[BrokenAction]:
    """List every action whose target or expected value is gone. The build stops at the first.

    `openapi` is the folder of the overlays and of quirks.yaml.

    Raises:
        StateUnavailable: One of them can't be read.
    """
    found: list[BrokenAction] = []
    known: set[str] = set()
    document = documented
    try:
        overlays = read_overlays(*(openapi / name for name in OVERLAYS))
        rows = read_rows(openapi)
    except ContractError as problem:
        raise StateUnavailable(str(problem)) from None
    for action in (action for actions in overlays for action in actions):
        name = action.spec["x-id"]
        known.add(name)
        try:
            document = apply(document, [action])
        except ContractError as problem:
            found.append(BrokenAction(name, _citing(name, rows), str(problem)))
    orphaned = sorted({name for row in rows for name in row["actions"]} - known)
    return found + [
        BrokenAction(name, _citing(name, rows), f"The action {name} is in no overlay.") for name in orphaned
    ]


def _citing(action: str, rows: list[Document]) -> tuple[str, ...]:
    """Return the names of the rows that cite an action."""
    return tuple(row["name"] for row in rows if action in row["actions"])


def bundle_specs(openapi: Path) -> Bundle:
    """Bundle the specs in a folder.

    Raises:
        StateUnavailable: The specs are no valid contract.
    """
    try:
        return bundle(specs(openapi))
    except ContractError as problem:
        raise StateUnavailable(str(problem)) from None


# -- Cases ------------------------------------------------------------------------------------------------


def outdated_cases(before: State, after: State) -> Outdated:
    """Compare the conformance cases of two contracts. A case that sends or claims something else is stale."""
    old, new = _cases(before), _cases(after)
    return Outdated(
        tuple(name for name, case in new.items() if name in old and old[name] != case),
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
    )


def _cases(contract: State) -> dict[str, Any]:
    readings = Readings.of(contract.documented, contract.observed, exact=True)
    return {case.id: (case.claim, case.calls, case.layer, case.is_open) for case in cases(readings)}


# -- Cassettes --------------------------------------------------------------------------------------------

LIST_CASES: Final = (
    "import json; from segmind_sd3_contract.cassettes import cases; print(json.dumps(list(cases())))"
)


class CaseLister:
    """List the cases that a state of the project records. Its own code runs, in another process."""

    def __init__(self, after: State) -> None:
        path = os.pathsep.join(str((after.folder / name).resolve()) for name in PACKAGES)
        self._process = subprocess.Popen(  # noqa: S603 - no shell, and the code stands above
            [sys.executable, "-c", LIST_CASES],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> list[str] | None:
        """Return the list, or None if the code fails, for example because an endpoint is incomplete."""
        output, _ = self._process.communicate()
        return json.loads(output) if self._process.returncode == 0 else None


def outdated_cassettes(after: State, case_names: list[str] | None) -> Outdated:
    """Compare the cassettes of a state with its cases and its contract.

    A cassette is stale if it was recorded under another contract. Without a list of cases, no cassette is new
    or gone. Cassettes of the live service cover only some cases.
    """
    local = recorded(after.folder / "cassettes")
    live = recorded(after.folder / "cassettes" / LIVE)
    digests = dict(_digests(after))
    names = local.keys() if case_names is None else case_names
    return Outdated(
        tuple(
            each.name
            for each in (*local.values(), *live.values())
            if each.name in names and each.spec != digests.get(each.operation)
        ),
        tuple(name for name in names if name not in local),
        tuple(name for name in local if name not in names),
    )


def _digests(contract: State) -> Iterator[tuple[str, str]]:
    for document in (contract.observed, contract.documented):  # the documented layer overrides
        for path, item in document["paths"].items():
            for spec in item.values():
                yield spec["operationId"], digest_of(document, path)
