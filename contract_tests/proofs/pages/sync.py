"""Proof that `docs sync` follows each change of a page: `python -m proofs.pages.sync`.

Each fact of each page is changed, one at a time. Then the check accepts the new specs, and without the places
of that fact the old spec and the new one are the same, byte for byte. Where an overlay action stops the sync,
the same holds once the action is taken out. What no
spec can follow is in `REFUSED`.
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

from segmind_sd3_pipeline.pages.checking import checked
from segmind_sd3_pipeline.pages.contract import put
from segmind_sd3_pipeline.pages.editing import Edited
from segmind_sd3_pipeline.pages.overlays import without
from segmind_sd3_pipeline.pages.page import read_page
from segmind_sd3_pipeline.pages.syncing import CanNotSync, synced

from proofs.pages.mutation import OPENAPI, kept_facts, page_text
from proofs.pages.page_mutants import page_mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_pipeline.pages.editing import Path as Place
    from segmind_sd3_pipeline.pages.facts import Facts

    from proofs.pages.page_mutants import Mutant

REFUSED: Final = {
    r"200: (code|removed)": "a call that never succeeds is no endpoint",
    r"version": "an endpoint has the address /v1/<slug>",
    r"host": "the specs have one host: all pages have to name it",
    r"header of the key": "one key is for all: all pages have to name its header",
}
"""By the name of the mutant, why no spec can follow the page."""

STOPPED: Final = re.compile(r"The action (\S+) of \S+\.overlay\.yaml ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one mutant. `problem` is empty where all is well."""

    name: str
    kind: str
    problem: str = ""
    actions: tuple[str, ...] = ()


def outcomes(slug: str, *, every: int = 1) -> Iterator[Outcome]:
    """Try each so-manieth mutant of a page."""
    (kept,) = (facts for facts in kept_facts() if facts["slug"] == slug)
    text = page_text(kept)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "openapi")
        shutil.copytree(OPENAPI, folder, ignore=shutil.ignore_patterns("__pycache__"))
        facts = read_page(text)
        put(synced(facts, folder))
        for mutant in list(page_mutants(text, facts))[::every]:
            yield _outcome(mutant, facts, folder)


def _outcome(mutant: Mutant, before: Facts, folder: Path) -> Outcome:
    after = read_page(mutant.text)
    files = sorted(folder.glob("*.yaml")) + sorted((folder / "facts").glob("*.json"))
    as_it_was = {file: file.read_text(encoding="utf-8") for file in files}
    stops: list[str] = []
    try:
        while True:
            try:
                texts = synced(after, folder)
                break
            except CanNotSync as problem:
                found = STOPPED.match(str(problem))
                if not found:
                    return _refusal(mutant, str(problem), tuple(stops))
                stops.append(found[1])
                _take_out(found[1], folder)
        put(texts)
        problem = _problem(mutant, before, after, as_it_was, folder)
        return Outcome(mutant.name, "stopped by an action" if stops else "followed", problem, tuple(stops))
    finally:
        put(as_it_was)


def _refusal(mutant: Mutant, problem: str, stops: tuple[str, ...]) -> Outcome:
    is_known = any(re.fullmatch(name, mutant.name) for name in REFUSED)
    return Outcome(mutant.name, "refused", "" if is_known else problem, stops)


def _take_out(action: str, folder: Path) -> None:
    put(
        {
            file: without(file.read_text(encoding="utf-8"), [action], ())
            for file in folder.glob("*.overlay.yaml")
        }
    )


def _problem(mutant: Mutant, before: Facts, after: Facts, as_it_was: dict[Path, str], folder: Path) -> str:
    if rows := checked(after, folder):
        return f"the check says {rows[0]}"
    spec, shared = folder / f"{after['slug']}.yaml", folder / "components.yaml"
    places = list(dict.fromkeys(_places(mutant.fact, before, after)))
    for file in (spec, shared):
        if _rest(as_it_was[file], places) != _rest(file.read_text(encoding="utf-8"), places):
            return f"{file.name} changes in other places than {places}"
    return ""


def _rest(text: str, places: list[Place]) -> str:
    """The text without these places. `*` is the only key there is, or any schema."""
    edited = Edited(text)
    for place in places:
        found = _followed(edited, place)
        if found and edited.entry(found):
            edited.remove(found)
    return str(edited)


def _followed(edited: Edited, place: Place) -> Place:
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
OTHERS: Final[dict[str, tuple[Place, ...]]] = {
    "auth_header": (("components", "securitySchemes"),),
    "method": (("paths",),),
}


def _places(fact: str, before: Facts, after: Facts) -> Iterator[Place]:
    """Where a spec may change with a fact: as few places as there are."""
    yield from (("info", "x-source", name) for name in ("saved", "digest"))
    kind, _, rest = fact.partition(".")
    match kind:
        case "attributes":
            yield from _of_attribute(rest, before, after)
        case "sample":
            yield (*SAMPLE, *(() if rest == "language" else ("values",)), rest)
            yield from ((*SAMPLE, "values", each) for each in _renamed(before, after))
            yield (*SCHEMA, "properties", rest, "examples")
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
            yield from OTHERS.get(kind, ())


def _of_attribute(rest: str, before: Facts, after: Facts) -> Iterator[Place]:
    name, _, what = rest.rpartition(".")
    for each in [name] if name else _moved(before, after, "attributes", "name"):
        yield (*SCHEMA, "properties", str(each))
        if not name or what == "default":  # a text of several words is kept as it is where it is the default
            yield (*SAMPLE, "values", str(each))
    if not name or what == "required":
        yield (*SCHEMA, "required")


def _renamed(before: Facts, after: Facts) -> set[str]:
    return before["sample"]["values"].keys() ^ after["sample"]["values"].keys()


def _moved(before: Facts, after: Facts, kind: str, key: str) -> set[str | int]:
    """The rows that one of the two has alone, or that stand in another place."""
    old, new = ([row[key] for row in facts[kind]] for facts in (before, after))
    alone = set(old) ^ set(new)
    others = ([each for each in rows if each not in alone] for rows in (old, new))
    return alone | {each for pair in zip(*others, strict=True) if pair[0] != pair[1] for each in pair}


def _of_page(slug: str, every: int) -> tuple[str, list[Outcome], float]:
    began = time.monotonic()
    return slug, list(outcomes(slug, every=every)), time.monotonic() - began


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Change each fact of each page: the specs follow, or say why."
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth change")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    began, failed, total = time.monotonic(), False, Counter[str]()
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        pages = [pool.apply_async(_of_page, (facts["slug"], options.every)) for facts in kept_facts()]
        for page in pages:
            slug, found, seconds = page.get()
            counted = Counter(each.kind for each in found)
            total += counted
            say(f"{slug:<36} {len(found):4} changes: {_told(counted)}, {seconds:.1f} s")
            for each in found:
                if each.problem:
                    failed = True
                    say(f"  NOT FOLLOWED {each.name}: {each.problem}")
    say(f"{total.total()} changes: {_told(total)}, {time.monotonic() - began:.1f} s")
    return 1 if failed or not total else 0


def _told(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in counted.most_common())


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
