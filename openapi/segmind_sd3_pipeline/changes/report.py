"""What a change of the contract means for users, put together and told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.changes import python_api, rating
from segmind_sd3_pipeline.changes.outdated import (
    Broken,
    CassetteCases,
    Outdated,
    broken_actions,
    outdated_cases,
    outdated_cassettes,
)
from segmind_sd3_pipeline.changes.versions import lines, suggested

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from segmind_sd3_pipeline.changes.rating import Change
    from segmind_sd3_pipeline.changes.states import State

MOST_IDS: Final = 3
"""So many ids are shown of a longer list; all are in the JSON."""


@dataclass(frozen=True, slots=True)
class Report:
    """Two states of the project, and all that follows from their differences.

    Attributes:
        before, after: what the states are called.
        changes: the worst first.
        version: the one that the changes ask for, and why.
        entry: the lines that the changelog would get.
        to_write: what no command can write.
        broken: the overlay actions of the later state that no longer hold.
        cases: the conformance cases of the one beside those of the other.
        cassettes: those of the later state, judged by its contract; `listed` says whether its own cases were.
    """

    before: str
    after: str
    changes: list[Change]
    version: tuple[str, str]
    entry: list[str]
    to_write: list[str]
    broken: list[Broken]
    cases: Outdated
    cassettes: Outdated
    listed: bool

    @property
    def is_breaking(self) -> bool:
        return any(each.worst == "breaking" for each in self.changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compared(before: State, after: State) -> list[Change]:
    """List what differs between two states, the worst first.

    Raises:
        NoState: one of them can't be read.
    """
    tables = list(python_api.compared(before.table, after.table))
    signatures = python_api.breakages(before.api, after.api)
    python = [*tables, *python_api.unexplained(signatures, tables)]
    return rating.merged(rating.rated(before.documented, after.documented), python)


def report(before: State, after: State, changes: list[Change]) -> Report:
    """Say what follows from the changes.

    Raises:
        NoState: a part of a state can't be read.
    """
    recording = CassetteCases(after)  # another process, beside all that follows
    broken = broken_actions(after.documented, after.folder / "openapi")
    cases = outdated_cases(before, after)
    wanted = recording.listed()
    return Report(
        before=before.name,
        after=after.name,
        changes=changes,
        version=suggested(before.version, changes, after.changelog),
        entry=lines(changes),
        to_write=list(python_api.missing_methods(after.api, after.table)),
        broken=broken,
        cases=cases,
        cassettes=outdated_cassettes(after, wanted),
        listed=wanted is not None,
    )


def tell(found: Report, console: Console) -> None:
    """Print a report for people."""
    console.print(f"From {found.before} to {found.after}:", style="bold")
    if found.changes:
        console.print(f"{'wire':10}{'Python':10}change")
        for each in found.changes:
            console.print(f"{each.wire or '-':10}{each.python:10}{each.sentence}")
    else:
        console.print("Neither the wire contract nor the Python API has changed.")
    version, why = found.version
    console.print(f"\nVersion: {version} ({why}).")
    if found.entry:
        console.print("\nFor the changelog (--write writes it):")
        for line in found.entry:
            console.print(line)
    if found.to_write:
        console.print("\nTo be written by hand:")
        for line in found.to_write:
            console.print(f"- {line}")
    console.print(f"\nOverlay actions that no longer hold: {len(found.broken) or 'none'}.")
    for each in found.broken:
        rows = ", ".join(each.rows)
        console.print(f"- {each.why}" + (f" It is for the quirk {rows}." if rows else ""))
    _tell_outdated("Cases", "changed", found.cases, console)
    _tell_outdated("Cassettes", "stale", found.cassettes, console)
    if not found.listed:
        console.print("  Which are new or gone is not known: the cases of that state can't be listed.")
    elif any(asdict(found.cassettes).values()):
        console.print("  make record makes them anew.")


def _tell_outdated(kind: str, stale: str, found: Outdated, console: Console) -> None:
    told = {stale: found.stale, "new": found.new, "gone": found.gone}
    console.print(f"{kind}: " + (_listed(told.items()) or "as they were") + ".")


def _listed(told: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return "; ".join(f"{len(ids)} {word} ({_some(ids)})" for word, ids in told if ids)


def _some(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:MOST_IDS]) + (", …" if len(ids) > MOST_IDS else "")
