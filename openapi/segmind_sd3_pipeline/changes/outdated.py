"""What no longer holds after a change: overlay actions and their quirk rows, cases, cassettes."""

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

from segmind_sd3_pipeline.changes.states import PACKAGES, NoState
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
    """What is stale, what is still to be made, and what nothing stands for any more; by id."""

    stale: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]


# -- Quirk rows -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Broken:
    """An overlay action that no longer holds, or is not there any more, and the quirk rows that it is for."""

    action: str
    rows: tuple[str, ...]
    why: str


def broken_actions(documented: Bundle, openapi: Path) -> list[Broken]:
    """List every action whose target or whose expected value is gone; the build would stop at the first.

    `openapi` is the folder of the overlays and of quirks.yaml.

    Raises:
        NoState: one of them can't be read.
    """
    found: list[Broken] = []
    known: set[str] = set()
    document = documented
    try:
        overlays = read_overlays(*(openapi / name for name in OVERLAYS))
        rows = read_rows(openapi)
    except ContractError as problem:
        raise NoState(str(problem)) from None
    for action in (action for actions in overlays for action in actions):
        name = action.spec["x-id"]
        known.add(name)
        try:
            document = apply(document, [action])
        except ContractError as problem:
            found.append(Broken(name, _citing(name, rows), str(problem)))
    orphaned = sorted({name for row in rows for name in row["actions"]} - known)
    return found + [
        Broken(name, _citing(name, rows), f"The action {name} is in no overlay.") for name in orphaned
    ]


def _citing(action: str, rows: list[Document]) -> tuple[str, ...]:
    """Return the names of the rows that cite an action."""
    return tuple(row["name"] for row in rows if action in row["actions"])


def bundled(openapi: Path) -> Bundle:
    """Make one document of the specs in a folder.

    Raises:
        NoState: they don't fit together.
    """
    try:
        return bundle(specs(openapi))
    except ContractError as problem:
        raise NoState(str(problem)) from None


# -- Cases ------------------------------------------------------------------------------------------------


def outdated_cases(before: State, after: State) -> Outdated:
    """Compare the conformance cases of two contracts; stale are those that send or claim another thing."""
    old, new = _cases(before), _cases(after)
    return Outdated(
        tuple(name for name, said in new.items() if name in old and old[name] != said),
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


class CassetteCases:
    """The cases that a state of the project records: made by its own code, so in a process of its own."""

    def __init__(self, after: State) -> None:
        path = os.pathsep.join(str((after.folder / name).resolve()) for name in PACKAGES)
        self._process = subprocess.Popen(  # noqa: S603 - no shell, and the code stands above
            [sys.executable, "-c", LIST_CASES],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def listed(self) -> list[str] | None:
        """Wait for the list; None where the code fails, as it does while an endpoint is half there."""
        said, _ = self._process.communicate()
        return json.loads(said) if self._process.returncode == 0 else None


def outdated_cassettes(after: State, wanted: list[str] | None) -> Outdated:
    """Compare the cassettes of a state with its cases, and what they were recorded under with its contract.

    Without a list of cases, no cassette is new or gone. From the live service only some cases are recorded.
    """
    kept = recorded(after.folder / "cassettes")
    live = recorded(after.folder / "cassettes" / LIVE)
    digests = dict(_digests(after))
    names = kept.keys() if wanted is None else wanted
    return Outdated(
        tuple(
            each.name
            for each in (*kept.values(), *live.values())
            if each.name in names and each.spec != digests.get(each.operation)
        ),
        tuple(name for name in names if name not in kept),
        tuple(name for name in kept if name not in names),
    )


def _digests(contract: State) -> Iterator[tuple[str, str]]:
    for document in (contract.observed, contract.documented):  # what a page says of an endpoint comes before
        for path, item in document["paths"].items():
            for spec in item.values():
                yield spec["operationId"], digest_of(document, path)
