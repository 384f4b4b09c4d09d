"""Compare a page with its spec, fact by fact in both directions, and locate each difference.

A spec has descriptions of its own. So the prose of a page is compared with the page as it was last read:
`facts/<slug>.json` holds a digest of each piece, which shows whether the page was reworded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.facts import KEYWORDS, Difference, differences, facts_by_path, recorded_facts
from segmind_sd3_pipeline.pages.places import Place, Places
from segmind_sd3_pipeline.spec.bundle import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.places import Step

JSON_BODY: Final = ("requestBody", "content", "application/json", "schema")
FACT_KEYWORDS: Final = {
    "type": ("x-documented-type", "type"),
    "default": ("default", "x-documented-default"),
    "allowed_values": ("enum",),
    "affects_pricing": ("x-affects-pricing",),
    **{fact: (keyword,) for fact, keyword in KEYWORDS.items()},
}
"""The keywords of a property that hold each fact of an attribute."""

OTHER_STEPS: Final[dict[str, tuple[Step, ...]]] = {
    "page": ("info", "x-source", "page"),
    "digest": ("info", "x-source", "digest"),
    "url": ("servers", 0, "url"),
    "auth_header": ("components", "securitySchemes", 0, "name"),
}


@dataclass(frozen=True, slots=True)
class LocatedDifference:
    """One fact in which page and spec differ, and its place. Values are JSON text; None means absent."""

    fact: str
    page: str | None
    spec: str | None
    place: Place

    @property
    def is_left_open(self) -> bool:
        """Return whether it is in what a page may say as it likes: its marketing, navigation and banners."""
        return self.fact in {"digest", "prose.rest"}

    @property
    def is_prose(self) -> bool:
        """Return whether the values are digests of text."""
        return _is_prose(self.fact) or self.fact == "digest"


def located_differences(facts: Facts, folder: Path) -> list[LocatedDifference]:
    """List every fact in which a page and its spec in a folder differ, with its place.

    Raises:
        ContractError: The spec can't be used.
    """
    return [
        LocatedDifference(each.fact, each.page, each.spec, place_of(folder, facts["slug"], each.fact))
        for each in page_differences(facts, folder)
    ]


def page_differences(facts: Facts, folder: Path) -> list[Difference]:
    """List every fact in which a page and its spec differ, without the places, which are slow to find.

    Raises:
        ContractError: The spec can't be used.
    """
    slug = facts["slug"]
    spec = folder / f"{slug}.yaml"
    if not spec.is_file():
        return [Difference("url", json_text(facts["url"]), None)]
    document = _document(spec, _file_bytes(folder))
    if f"/v1/{slug}" not in document["paths"]:
        return [Difference("url", json_text(facts["url"]), json_text([*document["paths"]]))]
    recorded = recorded_facts(folder, slug) or {}
    # A page says nothing of what its layout, or the part of it that was saved, leaves open.
    stated = {name: value for name, value in recorded.items() if name in facts}
    if "headers" not in facts and "prose" in stated:
        stated["prose"] = {name: value for name, value in stated["prose"].items() if name != "credits"}
    before, now = _prose(stated), _prose(facts)
    return differences(facts, document) + [
        Difference(fact, now.get(fact), before.get(fact))
        for fact in now | before
        if now.get(fact) != before.get(fact)
    ]


def reading_differences(before: Facts, after: Facts) -> list[Difference]:
    """List every fact in which two readings of pages differ, prose by its digests."""
    one, other = ({**facts_by_path(facts), **_prose(facts)} for facts in (before, after))
    return [
        Difference(fact, other.get(fact), one.get(fact))
        for fact in one | other
        if one.get(fact) != other.get(fact)
    ]


def _file_bytes(folder: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((file.name, file.read_bytes()) for file in sorted(folder.glob("*.yaml")))


@lru_cache(maxsize=16)
def _document(spec: Path, _files: tuple[tuple[str, bytes], ...]) -> Any:
    """Return one spec as a bundle. The files are the cache key: a changed file makes a new bundle."""
    return bundle([spec])


def _prose(facts: Facts) -> dict[str, str]:
    prose = {f"prose.{name}": digest for name, digest in facts.get("prose", {}).items()}
    for kind, key in (("attributes", "name"), ("statuses", "code")):
        for row in facts.get(kind, ()):
            if "description" in row:
                prose[f"{kind}.{row[key]}.description"] = row["description"]
    return {fact: json_text(digest) for fact, digest in prose.items()}


def json_text(value: object) -> str:
    """Return a value as JSON text, as differences hold it."""
    return json.dumps(value, ensure_ascii=False)


def place_of(folder: Path, slug: str, fact: str) -> Place:
    if _is_prose(fact):
        return Places(folder / "facts" / f"{slug}.json").find(_steps_in_facts(fact))
    places = Places(folder / f"{slug}.yaml")
    return max((places.find(steps) for steps in _steps(slug, fact)), key=lambda place: place.depth)


def _is_prose(fact: str) -> bool:
    return fact.startswith("prose.") or fact.endswith(".description")


def _steps(slug: str, fact: str) -> Iterator[tuple[Step, ...]]:
    """Yield the paths at which a spec may state a fact. The deepest that exists is the place."""
    operation: tuple[Step, ...] = ("paths", f"/v1/{slug}", 0)
    schema = (*operation, *JSON_BODY)
    kind, _, rest = fact.partition(".")
    name, _, member = rest.rpartition(".")
    match kind:
        case "attributes" if member == "required":
            yield (*schema, "required")
        case "attributes" if name:
            yield (*schema, "properties", name)
            yield from ((*schema, "properties", name, keyword) for keyword in FACT_KEYWORDS.get(member, ()))
        case "attributes":
            yield (*schema, "properties")
        case "statuses":
            yield (*operation, "responses", name, "x-documented-name")
        case "sample":
            yield (*schema, "x-documented-sample", *(() if rest == "language" else ("values",)), rest)
        case "reply" | "headers":
            yield (*operation, "responses", "200", "content" if kind == "reply" else "headers", 0)
        case _:
            yield OTHER_STEPS.get(kind, operation)


def _steps_in_facts(fact: str) -> tuple[Step, ...]:
    kind, _, rest = fact.partition(".")
    if kind == "prose":
        return (kind, rest)
    name, _, member = rest.rpartition(".")
    return (kind, ("name" if kind == "attributes" else "code", name), member)
