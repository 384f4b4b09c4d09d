"""An endpoint that goes, taken out of all that is data: spec, facts, overlays, methods, cassettes, price.

Its cases, and its tests by parameter, are made of the contract and go with it. What is written by hand for
this endpoint alone is listed, and stays. Nothing is written here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.changes.rating import Change
from segmind_sd3_pipeline.changes.versions import HEADING, entered, lines
from segmind_sd3_pipeline.pages.contract import actions_without_target, copied, methods_of, put
from segmind_sd3_pipeline.pages.overlays import without, without_citations
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.quirks import FILE as QUIRKS
from segmind_sd3_pipeline.spec.quirks import read_quirks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PRICES: Final = "contract_tests/segmind_sd3_contract/prices.json"
METHODS: Final = "wrapper/segmind_sd3/_endpoints.py"
BLOB: Final = re.compile(r"^\s+blob: ([0-9a-f]{64})$", re.MULTILINE)
BY_HAND: Final = ("*.md", "openapi/*.yaml", "openapi/**/*.py", "wrapper/**/*.py", "contract_tests/**/*.py")
"""Where a mention of the endpoint is looked for."""


class CanNotRetire(Exception):
    """There is no such endpoint, or nothing would be left. `str()` says which."""


@dataclass(frozen=True)
class Retired:
    """What changes.

    Attributes:
        texts: new texts of files.
        removed: files that go.
        actions: the overlay actions that spoke of this endpoint alone, by their names.
        rows: the rows of quirks.yaml that cited no other action.
        left: lines that still name the endpoint, for people to look at.
    """

    texts: Mapping[Path, str]
    removed: tuple[Path, ...]
    actions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    left: tuple[str, ...] = field(default=(), repr=False)


def retired(slug: str, root: Path) -> Retired:
    """What changes in a checkout when an endpoint goes.

    Raises:
        CanNotRetire: There is no spec of that slug, or it is the only one; the rest would not fit together.
    """
    folder = root / "openapi"
    spec = folder / f"{slug}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml") if "paths" in read(file))
    if slug not in known:
        raise CanNotRetire(f"There is no endpoint {slug}; there are {', '.join(known)}.")
    if len(known) == 1:
        raise CanNotRetire(f"{slug} is the only endpoint that is left.")
    operation, model = _names(read(spec))
    with copied(folder) as copy:
        (copy / spec.name).unlink()
        (copy / "facts" / f"{slug}.json").unlink(missing_ok=True)
        try:
            actions = actions_without_target(copy)
            overlays = {
                file: without(file.read_text(encoding="utf-8"), actions, (model, f"/v1/{slug}"))
                for file in sorted(folder.glob("*.overlay.yaml"))
            }
            quirks, rows = without_citations((folder / QUIRKS).read_text(encoding="utf-8"), actions)
            overlays[folder / QUIRKS] = quirks
            put({copy / file.name: text for file, text in overlays.items()})
            read_quirks(copy)
            methods = methods_of(copy)
        except ContractError as problem:
            raise CanNotRetire(str(problem)) from problem
    texts = overlays | {root / METHODS: methods} | _mentions(root, slug, operation)
    texts = {file: text for file, text in texts.items() if file.read_text(encoding="utf-8") != text}
    removed = tuple(
        file for file in (spec, folder / "facts" / f"{slug}.json", *_cassettes(root, slug)) if file.is_file()
    )
    words = (slug, operation, model, *actions, *rows)
    return Retired(texts, removed, tuple(actions), tuple(rows), tuple(_left(root, words, texts, removed)))


def _names(document: dict[str, Any]) -> tuple[str, str]:
    """The operationId, and the name of the request's schema."""
    ((_, item),) = document["paths"].items()
    ((_, operation),) = item.items()
    (model,) = document["components"]["schemas"]
    return operation["operationId"], model


def _mentions(root: Path, slug: str, operation: str) -> dict[Path, str]:
    """The rows of README and price list without the endpoint, and the changelog with it."""
    texts: dict[Path, str] = {}
    readme, prices, changelog = root / "README.md", root / PRICES, root / "CHANGELOG.md"
    if readme.is_file():
        row = re.compile(rf"^\| `{operation}` \|.*\n", re.MULTILINE)
        texts[readme] = row.sub("", readme.read_text(encoding="utf-8"))
    if prices.is_file():
        row = re.compile(rf'(,?)\n +"{re.escape(slug)}": [\d.]+(,?)')
        texts[prices] = row.sub(
            lambda found: found[1] if found[2] else "", prices.read_text(encoding="utf-8")
        )
        json.loads(texts[prices])
    if changelog.is_file():
        text = changelog.read_text(encoding="utf-8")
        top = HEADING.search(text)
        version = ".".join(top.groups()[:3]) if top else "0.1.0"
        if top and "unreleased" not in top[4]:
            major, minor = int(top[1]), int(top[2])
            version = f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
        change = Change(operation, "", "removed", None, None, "breaking", "breaking")
        texts[changelog] = entered(text, version, lines([change]))
    return texts


def _cassettes(root: Path, slug: str) -> Iterator[Path]:
    """The recordings of the endpoint, and the bodies that no other recording has."""
    for shelf in (root / "cassettes", root / "cassettes" / "live"):
        mine = sorted((shelf / slug).glob("*.yaml"))
        others = (file for file in shelf.glob("*/*.yaml") if file.parent.name != slug)
        kept = {digest for file in others for digest in _blobs(file)}
        yield from mine
        for digest in sorted({digest for file in mine for digest in _blobs(file)} - kept):
            yield shelf / "blobs" / digest


def _blobs(file: Path) -> list[str]:
    return BLOB.findall(file.read_text(encoding="utf-8"))


def _left(
    root: Path, words: tuple[str, ...], texts: Mapping[Path, str], removed: tuple[Path, ...]
) -> Iterator[str]:
    named = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in words))
    for pattern in BY_HAND:
        for file in sorted(root.glob(pattern)):
            if file in removed or file.name == "CHANGELOG.md":
                continue
            text = texts.get(file) or file.read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                if named.search(line):
                    yield f"{file.relative_to(root).as_posix()}:{number}: {line.strip()}"
