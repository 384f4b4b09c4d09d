"""Compute the edits that make the specs match the pages.

The result is checked before it is returned: each page agrees with its spec, and every overlay action still
finds the value that it expects. This module writes nothing into the given folder.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.pages.contract import spec_differences, temporary_copy, write_files
from segmind_sd3_pipeline.pages.facts import all_recorded_facts, recorded_facts
from segmind_sd3_pipeline.pages.new_spec import new_spec
from segmind_sd3_pipeline.pages.properties import UnsupportedParameter
from segmind_sd3_pipeline.pages.spec_editor import SHARED, CanNotSync, SpecEditor, shared_responses
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.layers import read_layers, specs
from segmind_sd3_pipeline.spec.names import named_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts


def synced_files(pages: Iterable[Facts], folder: Path, *, saved_on: date | None = None) -> dict[Path, str]:
    """Return the new texts of the files that must change so that a folder's specs match the pages.

    Give pages together if they change what all pages share. `saved_on` is the day on which the pages were
    saved, by default today.

    Raises:
        CanNotSync: The specs can't match, for example because an overlay action expects the old value.
    """
    pages = list(pages)
    known = {facts["slug"]: facts for facts in (*all_recorded_facts(folder), *pages)}
    day = (saved_on or datetime.now(UTC).date()).isoformat()
    changed: dict[str, str] = {}
    try:
        with temporary_copy(folder) as copy:
            for facts in pages:
                changed |= _sync_page(facts, copy, day, known)
            _require_agreement(pages, copy, others=SHARED in changed)
    except (ContractError, UnsupportedParameter) as problem:
        raise CanNotSync(str(problem)) from problem
    return {folder / name: text for name, text in changed.items()}


def _sync_page(facts: Facts, folder: Path, day: str, known: Mapping[str, Facts]) -> dict[str, str]:
    """Write the edits for one page into a folder. Return the texts that changed, by their names in it."""
    try:
        edited = _edited_texts(facts, folder, day, known)
    except (KeyError, TypeError) as odd:
        raise CanNotSync(
            f"{facts['slug']}.yaml is not laid out as the other specs ({odd!r}): edit it by hand."
        ) from odd
    texts = {
        file: text
        for file, text in edited.items()
        if not file.is_file() or file.read_bytes() != text.encode()
    }
    write_files(texts)
    return {file.relative_to(folder).as_posix(): text for file, text in texts.items()}


def _require_agreement(pages: list[Facts], folder: Path, *, others: bool) -> None:
    """Raise `CanNotSync` unless the specs match the pages and the overlays still apply.

    With `others`, the pages that were not given must match too, because what all pages share has changed.
    """
    for facts in pages:
        if left := spec_differences(facts, folder):
            raise CanNotSync(f"{facts['slug']}: edit the spec by hand. {left[0]}.")
    named_operations(read_layers(folder))
    for facts in all_recorded_facts(folder) if others else ():
        if left := spec_differences(facts, folder):
            raise CanNotSync(
                f"{SHARED} would change for all pages, and {facts['slug']} would then differ: {left[0]}. "
                "Give all pages that have changed together."
            )


def _require_parameters_in_one_layout(facts: Facts, before: Facts | None) -> None:
    """Raise `CanNotSync` for a page without parameters, or whose layout states other facts than before."""
    if "attributes" not in facts:
        raise CanNotSync(
            f"{facts['slug']}: the page ends with its sample, above the parameters. Save it whole."
        )
    if before and ("layout" in before) != ("layout" in facts):
        raise CanNotSync(
            f"{facts['slug']}: the spec is written from a page in another layout, which states what this one "
            f"({facts.get('layout', 'A')}) leaves open. See docs check for what they say differently."
        )


def _edited_texts(facts: Facts, folder: Path, day: str, known: Mapping[str, Facts]) -> dict[Path, str]:
    """Return the texts for one page, changed or not. `known` holds the facts of every page now."""
    _require_parameters_in_one_layout(facts, recorded_facts(folder, facts["slug"]))
    file = folder / f"{facts['slug']}.yaml"
    recorded = folder / "facts" / f"{facts['slug']}.json"
    texts = {recorded: json.dumps(facts, indent=2, ensure_ascii=False) + "\n"}
    if not file.is_file():
        return texts | {file: new_spec(facts, shared_responses(folder), day)}
    if file not in specs(folder):
        raise CanNotSync(
            f"{file.name} is no spec, but has the name that the page's spec needs: leave the page out."
        )
    spec = SpecEditor(facts, read(file), file.read_text(encoding="utf-8"), folder, known)
    return texts | spec.edited_texts(day)
