"""Suggest a version and lines for the changelog.

The Python API decides the package's version. A change of the wire contract that the SDK absorbs is a patch.
Below 1.0, a breaking change raises the minor number, and any other change the patch number. Semantic
versioning permits this. This module writes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.changes.effects import worst_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmind_sd3_pipeline.changes.effects import Rating
    from segmind_sd3_pipeline.changes.rating import Change

HEADING: Final = re.compile(r"^## (\d+)\.(\d+)\.(\d+)(.*)$", re.MULTILINE)
WHY: Final[dict[Rating, str]] = {
    "breaking": "the Python API has a breaking change",
    "additive": "the Python API has additions only",
    "harmless": "the Python API has not changed",
}


def suggest_version(version: str, changes: Sequence[Change], changelog: str) -> tuple[str, str]:
    """Return the version for the changes, and the reason.

    An unreleased version at the top of the changelog is used if it is high enough.
    """
    if not changes:
        return version, "nothing has changed"
    worst = worst_of(each.python for each in changes)
    headings = [(tuple(map(int, found.groups()[:3])), found[4]) for found in HEADING.finditer(changelog)]
    pending = [number for number, more in headings[:1] if "unreleased" in more]
    released = [number for number, more in headings if "unreleased" not in more]
    if pending and not released:
        return _text(pending[0]), f"{WHY[worst]}, and no version has been released yet"
    last = released[0] if released else tuple(map(int, version.split(".")[:3]))
    needed = _next_version(last, worst)
    if pending and pending[0] >= needed:
        return _text(pending[0]), f"{WHY[worst]}, and this version is not released yet"
    return _text(needed), f"{WHY[worst]} since {_text(last)}"


def _next_version(version: tuple[int, ...], worst: Rating) -> tuple[int, ...]:
    major, minor, patch = version
    step = list(WHY).index(worst) + (major == 0)
    return [(major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1)][min(step, 2)]


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def changelog_lines(changes: Iterable[Change]) -> list[str]:
    """Return the lines for the changelog. Changes that are harmless in both ratings get none."""
    return [
        f"- {'**Breaking:** ' if each.python == 'breaking' else ''}{each.sentence}"
        for each in changes
        if each.worst != "harmless"
    ]


def add_to_changelog(changelog: str, version: str, entry: Iterable[str]) -> str:
    """Return the changelog with the lines added under the version. Existing lines are not repeated."""
    new = [line for line in entry if line not in changelog.splitlines()]
    if not new:
        return changelog
    block = "\n".join(new) + "\n"
    top = HEADING.search(changelog)
    if top is None or _text(tuple(map(int, top.groups()[:3]))) != version:
        place = top.start() if top else len(changelog)
        return f"{changelog[:place]}## {version} (unreleased)\n\n{block}\n{changelog[place:]}"
    following = HEADING.search(changelog, top.end())
    section = changelog[top.end() : following.start() if following else len(changelog)]
    # After the last item of the section's list, continuation lines included, else at its beginning.
    items = list(re.finditer(r"^- .*\n(?:  .*\n)*", section, re.MULTILINE))
    place = top.end() + (items[-1].end() if items else 0)
    return changelog[:place] + (block if items else f"\n\n{block}".rstrip("\n")) + changelog[place:]
