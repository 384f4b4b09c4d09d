"""Where, after a sync, a sentence of one's own is wanted or should be read again: no prose is copied.

A parameter without a sentence is documented by its facts alone. One whose page was reworded keeps the one
that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.editing import Edited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path as File

    from segmind_sd3_pipeline.pages.editing import Path
    from segmind_sd3_pipeline.pages.facts import Facts

NOTHING: Final[Facts] = {"attributes": [], "statuses": [], "prose": {}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line, and what to write or to read there."""

    file: File
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def wanted(before: Facts | None, after: Facts, file: File, text: str) -> list[Wanted]:
    """List the lines of a spec where people's words are wanted.

    Args:
        before: what the page said, or None where it is new.
        after: what it says now.
        file: the spec, and `text` what it holds now.
    """
    spec = Edited(text)
    ((path, method),) = ((path, spec.keys(("paths", path))[0]) for path in spec.keys(("paths",)))
    operation = ("paths", path, method)
    (model,) = spec.keys(("components", "schemas"))
    found = [
        *_of_endpoint(spec, before, after, operation),
        *_of_parameters(spec, before or NOTHING, after, ("components", "schemas", model, "properties")),
        *_of_statuses(spec, before or NOTHING, after, (*operation, "responses")),
    ]
    return [Wanted(file, spec.line(place), what) for place, what in found]


def _of_endpoint(
    spec: Edited, before: Facts | None, after: Facts, operation: Path
) -> Iterator[tuple[Path, str]]:
    if before is None:
        yield ("info", "title"), "a title"
        yield (*operation, "summary"), "a sentence on what it draws, and below it a description"
        yield (*operation, "operationId"), "the name of the method, made of the slug"
        return
    place = next(each for each in ((*operation, "description"), operation) if spec.entry(each))
    for name, digest in after["prose"].items():
        if before["prose"].get(name) not in (None, digest):
            yield place, f"the page's {'prose' if name == 'rest' else name} was reworded: read it again"
        elif name not in before["prose"] and name != "sample":
            yield place, f"the page has a new section, {name}: read it"
    for name in before["prose"].keys() - after["prose"].keys():
        yield place, f"the page's section {name} is gone"


def _of_parameters(spec: Edited, before: Facts, after: Facts, at: Path) -> Iterator[tuple[Path, str]]:
    old = _by(before, "attributes", "name")
    for name, attribute in _by(after, "attributes", "name").items():
        has_sentence = spec.entry((*at, name, "description")) is not None
        place = (*at, name, "description") if has_sentence else (*at, name)
        if not has_sentence:
            yield place, f"a description of {name}"
        elif name in old and old[name] != attribute:
            is_reworded = {**old[name], "description": ""} == {**attribute, "description": ""}
            what = "was reworded" if is_reworded else "has changed"
            yield place, f"the page's {name} {what}: does the sentence still hold?"


def _of_statuses(spec: Edited, before: Facts, after: Facts, at: Path) -> Iterator[tuple[Path, str]]:
    old = _by(before, "statuses", "code")
    for code, status in _by(after, "statuses", "code").items():
        place = (*at, str(code))
        if code in old and old[code] != status:
            yield place, f"the page's words on {code} have changed"
        elif code not in old and spec.entry((*place, "description")) and code != 200:
            yield (*place, "description"), f"what {code} means"


def _by(facts: Facts, kind: str, key: str) -> Mapping[Any, Facts]:
    return {row[key]: row for row in facts[kind]}
