"""The specs made to say what the pages say; nothing else in them changes, and nothing is written here.

Law: what comes out is checked before it is given: each page agrees with its spec, and every overlay action
still finds what it was written against. Otherwise there is nothing to write.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.pages.contract import copied, put, spec_differences
from segmind_sd3_pipeline.pages.following import SHARED, CanNotSync, Spec, shared_responses
from segmind_sd3_pipeline.pages.new_spec import new_spec
from segmind_sd3_pipeline.pages.properties import NoSuchProperty
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.layers import read_layers, specs
from segmind_sd3_pipeline.spec.names import named_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts


def synced(facts: Facts, folder: Path, *, on: date | None = None) -> dict[Path, str]:
    """The new texts of the files that change, so that the specs of a folder agree with one page.

    `on` is the day on which the page was saved: today, unless told.

    Raises:
        CanNotSync: They can't be made to agree; an overlay action was written against what has changed.
    """
    return all_synced([facts], folder, on=on)


def all_synced(pages: Iterable[Facts], folder: Path, *, on: date | None = None) -> dict[Path, str]:
    """The same for several pages, which are judged together: what all say in the same words may change."""
    pages = list(pages)
    said = {facts["slug"]: facts for facts in (*_kept(folder), *pages)}
    day = (on or datetime.now(UTC).date()).isoformat()
    changed: dict[str, str] = {}
    try:
        with copied(folder) as copy:
            for facts in pages:
                changed |= _changed(facts, copy, day, said)
            _require(pages, copy, others=SHARED in changed)
    except (ContractError, NoSuchProperty) as problem:
        raise CanNotSync(str(problem)) from problem
    return {folder / name: text for name, text in changed.items()}


def _kept(folder: Path) -> Iterable[Facts]:
    return (
        json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "facts").glob("*.json"))
    )


def _changed(facts: Facts, folder: Path, day: str, said: Mapping[str, Facts]) -> dict[str, str]:
    """Write what follows from one page into a folder, and give the texts by their names in it."""
    try:
        edited = _edited(facts, folder, day, said)
    except (KeyError, TypeError) as odd:
        raise CanNotSync(
            f"{facts['slug']}.yaml is not laid out as the other specs ({odd!r}): edit it by hand."
        ) from odd
    texts = {
        file: text
        for file, text in edited.items()
        if not file.is_file() or file.read_bytes() != text.encode()
    }
    put(texts)
    return {file.relative_to(folder).as_posix(): text for file, text in texts.items()}


def _require(pages: list[Facts], folder: Path, *, others: bool) -> None:
    """Nothing, if the specs say what the pages say, and the overlays still fit them.

    `others` are the pages that were not given: what all of them share has changed.
    """
    for facts in pages:
        if left := spec_differences(facts, folder):
            raise CanNotSync(f"{facts['slug']}: edit the spec by hand, for {left[0]}.")
    named_operations(read_layers(folder))
    for facts in _kept(folder) if others else ():
        if left := spec_differences(facts, folder):
            raise CanNotSync(
                f"{SHARED} holds what all pages say in the same words, and of {facts['slug']} then "
                f"{left[0]}. Give all pages that have changed at once."
            )


def _edited(facts: Facts, folder: Path, day: str, said: Mapping[str, Facts]) -> dict[Path, str]:
    """The texts that follow from one page, changed or not. `said` is what each page says now."""
    file = folder / f"{facts['slug']}.yaml"
    kept = folder / "facts" / f"{facts['slug']}.json"
    texts = {kept: json.dumps(facts, indent=2, ensure_ascii=False) + "\n"}
    if not file.is_file():
        return texts | {file: new_spec(facts, shared_responses(folder), day)}
    if file not in specs(folder):
        raise CanNotSync(f"{file.name} is no spec, and the page's would have its name: leave the page out.")
    spec = Spec(facts, read(file), file.read_text(encoding="utf-8"), folder, said)
    return texts | spec.texts(day)
