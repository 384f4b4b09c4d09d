"""Compute the edits that make the specs match the pages.

The result is checked before it is returned: each page agrees with its spec, and every overlay action still
finds the value that it expects. This module writes nothing into the given folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.pages.contract import spec_differences, temporary_copy, write_files
from segmind_sd3_pipeline.pages.facts import all_recorded_facts, recorded_facts, recorded_second_facts
from segmind_sd3_pipeline.pages.new_spec import new_spec
from segmind_sd3_pipeline.pages.overlays import OBSERVED, POLICY, add_actions, add_citation
from segmind_sd3_pipeline.pages.policies import SEED_ROW, new_endpoint_actions
from segmind_sd3_pipeline.pages.properties import UnsupportedParameter
from segmind_sd3_pipeline.pages.second_page import is_second, take_in
from segmind_sd3_pipeline.pages.spec_editor import SHARED, CanNotSync, SpecEditor, shared_responses
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.layers import read_layers, specs
from segmind_sd3_pipeline.spec.names import named_operations
from segmind_sd3_pipeline.spec.quirks import FILE as QUIRKS
from segmind_sd3_pipeline.spec.quirks import read_quirks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.second_page import Comparison


@dataclass(frozen=True)
class Plan:
    """The new texts of the files that must change, and what second pages of models say, by slug."""

    texts: Mapping[Path, str]
    seconds: Mapping[str, Comparison]


def plan_sync(pages: Iterable[Facts], folder: Path, *, saved_on: date | None = None) -> Plan:
    """Plan the edits so that a folder's specs match the pages.

    Give pages together if they change what all pages share. `saved_on` is the day on which the pages were
    saved, by default today.

    Raises:
        CanNotSync: The specs can't match, for example because an overlay action expects the old value.
    """
    pages, seconds = split(pages, folder)
    compared: dict[str, Comparison] = {}
    known = {facts["slug"]: facts for facts in (*all_recorded_facts(folder), *pages)}
    day = (saved_on or datetime.now(UTC).date()).isoformat()
    changed: dict[str, str] = {}
    try:
        with temporary_copy(folder) as copy:
            for facts in pages:
                changed |= _sync_page(facts, copy, day, known)
                if facts["slug"] not in seconds and (second := recorded_second_facts(copy, facts["slug"])):
                    seconds[facts["slug"]] = second
            for facts in seconds.values():
                texts, compared[facts["slug"]] = take_in(facts, copy, day)
                changed |= _write(texts, copy)
            _require_agreement(pages, copy, others=SHARED in changed)
            if QUIRKS in changed:
                read_quirks(copy)
    except (ContractError, UnsupportedParameter) as problem:
        raise CanNotSync(str(problem)) from problem
    texts = {folder / name: text for name, text in changed.items()}
    return Plan({file: text for file, text in texts.items() if _differs(file, text)}, compared)


def synced_files(pages: Iterable[Facts], folder: Path, *, saved_on: date | None = None) -> Mapping[Path, str]:
    """Return the texts of `plan_sync`."""
    return plan_sync(pages, folder, saved_on=saved_on).texts


def split(pages: Iterable[Facts], folder: Path) -> tuple[list[Facts], dict[str, Facts]]:
    """Part pages into those that specs are written from, and second pages of their models, by slug.

    Of two pages of a new model, the spec is written from the one of the A family: it has the order of the
    parameters, the effects on the price and the media type.

    Raises:
        CanNotSync: Two pages of one model are in the same family of layouts.
    """
    firsts: dict[str, Facts] = {}
    seconds: dict[str, Facts] = {}
    for facts in sorted(pages, key=lambda each: "layout" in each):
        slug = facts["slug"]
        first = recorded_facts(folder, slug) or firsts.get(slug)
        place = seconds if is_second(facts, first) else firsts
        if slug in place:
            raise CanNotSync(f"{slug}: two of the pages are in one family of layouts. Give one of them.")
        place[slug] = facts
    return list(firsts.values()), seconds


def _sync_page(facts: Facts, folder: Path, day: str, known: Mapping[str, Facts]) -> dict[str, str]:
    """Write the edits for one page into a folder. Return the texts that changed, by their names in it."""
    try:
        edited = _edited_texts(facts, folder, day, known)
    except (KeyError, TypeError) as odd:
        raise CanNotSync(
            f"{facts['slug']}.yaml is not laid out as the other specs ({odd!r}): edit it by hand."
        ) from odd
    return _write(edited, folder)


def _write(edited: Mapping[Path, str], folder: Path) -> dict[str, str]:
    """Write the texts that changed into a folder. Return them by their names in it."""
    texts = {file: text for file, text in edited.items() if _differs(file, text)}
    write_files(texts)
    return {file.relative_to(folder).as_posix(): text for file, text in texts.items()}


def _differs(file: Path, text: str) -> bool:
    return not file.is_file() or file.read_bytes() != text.encode()


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


def _require_parameters(facts: Facts) -> None:
    """Raise `CanNotSync` for a page without parameters."""
    if "attributes" not in facts:
        raise CanNotSync(
            f"{facts['slug']}: the page ends with its sample, above the parameters. Save it whole."
        )


def _edited_texts(facts: Facts, folder: Path, day: str, known: Mapping[str, Facts]) -> dict[Path, str]:
    """Return the texts for one page, changed or not. `known` holds the facts of every page now."""
    _require_parameters(facts)
    file = folder / f"{facts['slug']}.yaml"
    recorded = folder / "facts" / f"{facts['slug']}.json"
    texts = {recorded: json.dumps(facts, indent=2, ensure_ascii=False) + "\n"}
    if not file.is_file():
        observed, policy = (folder / name for name in (OBSERVED, POLICY))
        price, seed = new_endpoint_actions(facts, day)
        quirks = folder / QUIRKS
        cited = quirks.read_text("utf-8")
        for action in seed:
            cited = add_citation(cited, SEED_ROW, action["x-id"])
        return texts | {
            file: new_spec(facts, shared_responses(folder), day),
            observed: add_actions(observed.read_text("utf-8"), price),
            policy: add_actions(policy.read_text("utf-8"), seed),
            quirks: cited,
        }
    if file not in specs(folder):
        raise CanNotSync(
            f"{file.name} is no spec, but has the name that the page's spec needs: leave the page out."
        )
    spec = SpecEditor(facts, read(file), file.read_text(encoding="utf-8"), folder, known)
    return texts | spec.edited_texts(day)
