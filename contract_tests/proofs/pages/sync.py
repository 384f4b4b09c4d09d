"""Prove that `docs sync` applies each change of a page, and nothing else: `python -m proofs.pages.sync`.

Each mutant changes one fact of a page. After the sync, the check must accept the specs. Outside the places of
that fact, the spec must stay the same, byte for byte. If an overlay action stops the sync, the proof removes
the action and tries again. `REFUSED` lists the changes that no spec can follow.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.comparison import located_differences
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.overlays import remove_actions
from segmind_sd3_pipeline.pages.page import read_page
from segmind_sd3_pipeline.pages.sync import CanNotSync, synced_files
from segmind_sd3_pipeline.pages.yaml_editor import YamlEditor

from proofs.pages.check import OPENAPI, saved_page
from proofs.pages.page_mutants import page_mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.yaml_editor import Path as Place

    from proofs.pages.page_mutants import Mutant

REFUSED: Final = {
    r"200: (code|removed)": "an endpoint must have a call that succeeds",
    r"version": "every endpoint has the address /v1/<slug>",
    r"host": "all specs share one host, so all pages must change together",
    r"header of the key": "all endpoints share one key header, so all pages must change together",
}
"""Why no spec can follow the page, by a pattern for the mutant's name."""

STOPPING_ACTION: Final = re.compile(r"The action (\S+) of \S+\.overlay\.yaml ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one mutant. `problem` is empty if the mutant passes."""

    name: str
    kind: str
    problem: str = ""
    actions: tuple[str, ...] = ()


def outcomes(slug: str, *, every: int = 1) -> Iterator[Outcome]:
    """Try every Nth mutant of a page."""
    (recorded,) = (facts for facts in all_recorded_facts(OPENAPI) if facts["slug"] == slug)
    text = saved_page(recorded)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "openapi")
        shutil.copytree(OPENAPI, folder, ignore=shutil.ignore_patterns("__pycache__"))
        facts = read_page(text)
        write_files(synced_files([facts], folder))
        for mutant in list(page_mutants(text, facts))[::every]:
            yield _outcome(mutant, facts, folder)


def _outcome(mutant: Mutant, before: Facts, folder: Path) -> Outcome:
    after = read_page(mutant.text)
    files = sorted(folder.glob("*.yaml")) + sorted((folder / "facts").glob("*.json"))
    originals = {file: file.read_text(encoding="utf-8") for file in files}
    stops: list[str] = []
    try:
        while True:
            try:
                texts = synced_files([after], folder)
                break
            except CanNotSync as problem:
                found = STOPPING_ACTION.match(str(problem))
                if not found:
                    return _refusal(mutant, str(problem), tuple(stops))
                stops.append(found[1])
                _remove_action(found[1], folder)
        write_files(texts)
        problem = _problem(mutant, before, after, originals, folder)
        return Outcome(mutant.name, "stopped by an action" if stops else "synced", problem, tuple(stops))
    finally:
        write_files(originals)


def _refusal(mutant: Mutant, problem: str, stops: tuple[str, ...]) -> Outcome:
    is_known = any(re.fullmatch(name, mutant.name) for name in REFUSED)
    return Outcome(mutant.name, "refused", "" if is_known else problem, stops)


def _remove_action(action: str, folder: Path) -> None:
    write_files(
        {
            file: remove_actions(file.read_text(encoding="utf-8"), [action], ())
            for file in folder.glob("*.overlay.yaml")
        }
    )


def _problem(mutant: Mutant, before: Facts, after: Facts, originals: dict[Path, str], folder: Path) -> str:
    if rows := located_differences(after, folder):
        return f"docs check reports {rows[0]}"
    spec, shared = folder / f"{after['slug']}.yaml", folder / "components.yaml"
    places = list(dict.fromkeys(_places(mutant.fact, before, after)))
    for file in (spec, shared):
        if _text_without(originals[file], places) != _text_without(file.read_text(encoding="utf-8"), places):
            return f"{file.name} changes outside {places}"
    return ""


def _text_without(text: str, places: list[Place]) -> str:
    """Return the text without these places. `*` stands for the only key of a mapping."""
    edited = YamlEditor(text)
    for place in places:
        found = _resolve(edited, place)
        if found and edited.entry(found):
            edited.remove(found)
    return str(edited)


def _resolve(edited: YamlEditor, place: Place) -> Place:
    found: Place = ()
    for step in place:
        keys = edited.keys(found) if found else []
        if step == "*" and len(keys) != 1:
            return ()
        found = (*found, keys[0] if step == "*" else step)
    return found


SCHEMA: Final = ("components", "schemas", "*")
SAMPLE: Final = (*SCHEMA, "x-documented-sample")
OPERATION: Final = ("paths", "*", "*")
OTHER_PLACES: Final[dict[str, tuple[Place, ...]]] = {
    "auth_header": (("components", "securitySchemes"),),
    "method": (("paths",),),
}


def _places(fact: str, before: Facts, after: Facts) -> Iterator[Place]:
    """Yield the places of a spec that may change with a fact."""
    yield from (("info", "x-source", name) for name in ("saved", "digest"))
    kind, _, rest = fact.partition(".")
    match kind:
        case "attributes":
            yield from _attribute_places(rest, before, after)
        case "sample":
            yield (*SAMPLE, *(() if rest == "language" else ("values",)), rest)
            yield from ((*SAMPLE, "values", each) for each in _renamed_samples(before, after))
            yield (*SCHEMA, "properties", rest, "examples")
            if any(each["name"] == rest and each.get("default") == "1" for each in before["attributes"]):
                # The old pages print 1 for no default, too: the sample's value settles which it is.
                yield (*SCHEMA, "properties", rest, "default")
                yield (*SCHEMA, "properties", rest, "x-documented-default")
        case "statuses":
            code = rest.partition(".")[0]
            for each in [code] if code else _moved(before, after, "statuses", "code"):
                yield (*OPERATION, "responses", str(each))
            yield (*OPERATION, "x-documented-names")
            yield ("components", "responses")
        case "reply" | "headers":
            yield (*OPERATION, "responses", "200", "content" if kind == "reply" else "headers")
            yield ("components", "responses")
        case _:
            yield from OTHER_PLACES.get(kind, ())


def _attribute_places(rest: str, before: Facts, after: Facts) -> Iterator[Place]:
    name, _, what = rest.rpartition(".")
    for each in [name] if name else _moved(before, after, "attributes", "name"):
        yield (*SCHEMA, "properties", str(each))
        if not name or what == "default":  # a default in the sample is literal, not a digest
            yield (*SAMPLE, "values", str(each))
    if not name or what == "required":
        yield (*SCHEMA, "required")


def _renamed_samples(before: Facts, after: Facts) -> set[str]:
    return before["sample"]["values"].keys() ^ after["sample"]["values"].keys()


def _moved(before: Facts, after: Facts, kind: str, key: str) -> set[str | int]:
    """Return the rows that only one side has, or that have another position."""
    old, new = ([row[key] for row in facts[kind]] for facts in (before, after))
    alone = set(old) ^ set(new)
    others = ([each for each in rows if each not in alone] for rows in (old, new))
    return alone | {each for pair in zip(*others, strict=True) if pair[0] != pair[1] for each in pair}


def _try_page(slug: str, every: int) -> tuple[str, list[Outcome], float]:
    began = time.monotonic()
    return slug, list(outcomes(slug, every=every)), time.monotonic() - began


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Change each fact of each page, and run docs sync.")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try every Nth change only")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    began, failed, total = time.monotonic(), False, Counter[str]()
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        pages = [
            pool.apply_async(_try_page, (facts["slug"], options.every))
            for facts in all_recorded_facts(OPENAPI)
        ]
        for page in pages:
            slug, found, seconds = page.get()
            counts = Counter(each.kind for each in found)
            total += counts
            print(f"{slug:<36} {len(found):4} changes: {_format_counts(counts)}, {seconds:.1f} s", flush=True)
            for each in found:
                if each.problem:
                    failed = True
                    print(f"  NOT SYNCED {each.name}: {each.problem}", flush=True)
    print(f"{total.total()} changes: {_format_counts(total)}, {time.monotonic() - began:.1f} s", flush=True)
    return 1 if failed or not total else 0


def _format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
