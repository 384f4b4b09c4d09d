"""List where people must write or review descriptions after a sync. A sync copies no prose.

A parameter without a description is documented by its facts alone. A parameter whose page was reworded keeps
its description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.yaml_editor import YamlEditor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path as File

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.yaml_editor import Path

NOTHING: Final[Facts] = {"attributes": [], "statuses": [], "prose": {}}


@dataclass(frozen=True, slots=True)
class ProseTask:
    """A line of a spec, and what to write or review there."""

    file: File
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def prose_tasks(before: Facts | None, after: Facts, file: File, text: str) -> list[ProseTask]:
    """List the lines of a spec that need people's words.

    Args:
        before: The facts of the page as it was, or None if the page is new.
        after: The facts of the page now.
        file: The spec.
        text: The text of the spec now.
    """
    spec = YamlEditor(text)
    ((path, method),) = ((path, spec.keys(("paths", path))[0]) for path in spec.keys(("paths",)))
    operation = ("paths", path, method)
    (model,) = spec.keys(("components", "schemas"))
    found = [
        *_endpoint_tasks(spec, before, after, operation),
        *_parameter_tasks(spec, before or NOTHING, after, ("components", "schemas", model, "properties")),
        *_status_tasks(spec, before or NOTHING, after, (*operation, "responses")),
    ]
    return [ProseTask(file, spec.line(place), what) for place, what in found]


def _endpoint_tasks(
    spec: YamlEditor, before: Facts | None, after: Facts, operation: Path
) -> Iterator[tuple[Path, str]]:
    if before is None:
        yield ("info", "title"), "a title"
        yield (*operation, "summary"), "a summary in one sentence, and below it a description"
        yield (*operation, "operationId"), "review the method's name, which is derived from the slug"
        return
    place = next(each for each in ((*operation, "description"), operation) if spec.entry(each))
    for name, digest in after["prose"].items():
        if before["prose"].get(name) not in (None, digest):
            yield (
                place,
                f"the page's {'prose' if name == 'rest' else name} was reworded: review the description",
            )
        elif name not in before["prose"] and name != "sample":
            yield place, f"the page has a new section, {name}: review it"
    for name in before["prose"].keys() - after["prose"].keys():
        yield place, f"the page's section {name} is gone"


def _parameter_tasks(spec: YamlEditor, before: Facts, after: Facts, at: Path) -> Iterator[tuple[Path, str]]:
    old = _rows_by(before, "attributes", "name")
    for name, attribute in _rows_by(after, "attributes", "name").items():
        has_description = spec.entry((*at, name, "description")) is not None
        place = (*at, name, "description") if has_description else (*at, name)
        if not has_description:
            yield place, f"a description of {name}"
        elif name in old and old[name] != attribute:
            is_reworded = {**old[name], "description": ""} == {**attribute, "description": ""}
            what = "was reworded" if is_reworded else "has changed"
            yield place, f"the page's {name} {what}: review the description"


def _status_tasks(spec: YamlEditor, before: Facts, after: Facts, at: Path) -> Iterator[tuple[Path, str]]:
    old = _rows_by(before, "statuses", "code")
    for code, status in _rows_by(after, "statuses", "code").items():
        place = (*at, str(code))
        if code in old and old[code] != status:
            yield place, f"the page's text on {code} has changed"
        elif code not in old and spec.entry((*place, "description")) and code != 200:
            yield (*place, "description"), f"what {code} means"


def _rows_by(facts: Facts, kind: str, key: str) -> Mapping[Any, Facts]:
    return {row[key]: row for row in facts.get(kind, ())}
