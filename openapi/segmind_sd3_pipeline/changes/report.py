"""Report what changes of the contract mean for users."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.changes import python_api, rating
from segmind_sd3_pipeline.changes.effects import RATINGS
from segmind_sd3_pipeline.changes.outdated import (
    BrokenAction,
    CaseLister,
    Outdated,
    broken_actions,
    outdated_cases,
    outdated_cassettes,
)
from segmind_sd3_pipeline.changes.versions import changelog_lines, suggest_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from segmind_sd3_pipeline.changes.effects import Rating
    from segmind_sd3_pipeline.changes.rating import Change
    from segmind_sd3_pipeline.changes.states import State

MAX_IDS: Final = 3
"""The number of ids printed of a longer list. The JSON has all."""


@dataclass(frozen=True, slots=True)
class Report:
    """The differences of two states of the project, and what follows from them.

    Attributes:
        before, after: The names of the states.
        changes: The changes, worst first.
        version: The suggested version, and the reason.
        entry: The suggested lines for the changelog.
        to_write: What people must write.
        broken: The overlay actions of the later state that no longer hold.
        cases: How the conformance cases differ.
        cassettes: How the later state's cassettes differ from its cases and its contract.
        cases_known: Whether the later state's cases could be listed.
    """

    before: str
    after: str
    changes: list[Change]
    version: tuple[str, str]
    entry: list[str]
    to_write: list[str]
    broken: list[BrokenAction]
    cases: Outdated
    cassettes: Outdated
    cases_known: bool

    @property
    def may_break(self) -> bool:
        """Whether a change is breaking, or unknown and so to be looked at."""
        return any(each.worst in ("breaking", "unknown") for each in self.changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def find_changes(before: State, after: State) -> list[Change]:
    """List what differs between two states, the worst first.

    Raises:
        StateUnavailable: One of them can't be read.
    """
    tables = list(python_api.table_changes(before.table, after.table))
    signatures = python_api.signature_changes(before.api, after.api)
    python = [*tables, *python_api.unexplained_changes(signatures, tables)]
    return rating.merge_ratings(rating.rate_changes(before.documented, after.documented), python)


def make_report(before: State, after: State, changes: list[Change]) -> Report:
    """Report what follows from the changes.

    Raises:
        StateUnavailable: A part of a state can't be read.
    """
    lister = CaseLister(after)  # runs in parallel with the following steps
    broken = broken_actions(after.documented, after.folder / "openapi")
    cases = outdated_cases(before, after)
    case_names = lister.wait()
    return Report(
        before=before.name,
        after=after.name,
        changes=changes,
        version=suggest_version(before.version, changes, after.changelog),
        entry=changelog_lines(changes),
        to_write=list(python_api.missing_methods(after.api, after.table)),
        broken=broken,
        cases=cases,
        cassettes=outdated_cassettes(after, case_names),
        cases_known=case_names is not None,
    )


def print_report(found: Report, console: Console) -> None:
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
        console.print("\nFor the changelog (--write adds it):")
        for line in found.entry:
            console.print(line)
    if found.to_write:
        console.print("\nWrite by hand:")
        for line in found.to_write:
            console.print(f"- {line}")
    console.print(f"\nOverlay actions that no longer hold: {len(found.broken) or 'none'}.")
    for each in found.broken:
        rows = ", ".join(each.rows)
        console.print(f"- {each.why}" + (f" Its quirk rows: {rows}." if rows else ""))
    _print_outdated("Cases", "changed", found.cases, console)
    _print_outdated("Cassettes", "stale", found.cassettes, console)
    if not found.cases_known:
        console.print("  New and gone cassettes are unknown: the cases of that state can't be listed.")
    elif any(asdict(found.cassettes).values()):
        console.print("  make record records them again.")


def format_markdown(found: Report) -> str:
    """Return a report as Markdown that fits a pull request."""
    ratings = [each.worst for each in found.changes]
    counts = [f"{ratings.count(each)} {each}" for each in RATINGS if each in ratings]
    lines = [
        f"### From {_code(found.before)} to {_code(found.after)}: {', '.join(counts) or 'no change'}",
        "",
    ]
    if found.changes:
        lines += ["| wire | Python | change |", "| --- | --- | --- |"]
        lines += [
            f"| {_bold(each.wire)} | {_bold(each.python)} | {_cell(each.sentence)} |"
            for each in found.changes
        ]
        lines.append("")
    version, why = found.version
    lines.append(f"Version: **{version}** ({why}).")
    for heading, items in (
        ("For the changelog", [line.removeprefix("- ") for line in found.entry]),
        ("Write by hand", found.to_write),
        ("Overlay actions that no longer hold", [each.why for each in found.broken]),
    ):
        if items:
            lines += ["", f"{heading}:", "", *(f"- {item}" for item in items)]
    cases, cassettes = _outdated("changed", found.cases), _outdated("stale", found.cassettes)
    lines += ["", f"Cases: {cases}. Cassettes: {cassettes}."]
    return "\n".join(lines) + "\n"


def _bold(rated: Rating | None) -> str:
    return f"**{rated}**" if rated in ("breaking", "unknown") else rated or "-"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"


def _print_outdated(kind: str, stale: str, found: Outdated, console: Console) -> None:
    console.print(f"{kind}: {_outdated(stale, found)}.")


def _outdated(stale: str, found: Outdated) -> str:
    groups = {stale: found.stale, "new": found.new, "gone": found.gone}
    return _count_ids(groups.items()) or "no change"


def _count_ids(groups: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return "; ".join(f"{len(ids)} {word} ({_first_ids(ids)})" for word, ids in groups if ids)


def _first_ids(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:MAX_IDS]) + (", …" if len(ids) > MAX_IDS else "")
