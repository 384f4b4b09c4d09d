"""Plan the removal of an endpoint from spec, facts, overlays, methods and cassettes.

Its conformance cases and parameter tests are derived from the contract, so they disappear with it. Lines that
people wrote about the endpoint stay, and are listed. This module writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.changes.rating import Change
from segmind_sd3_pipeline.changes.versions import HEADING, add_to_changelog, changelog_lines
from segmind_sd3_pipeline.pages.contract import (
    actions_without_target,
    render_methods,
    temporary_copy,
    write_files,
)
from segmind_sd3_pipeline.pages.overlays import remove_actions, remove_citations
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.quirks import FILE as QUIRKS
from segmind_sd3_pipeline.spec.quirks import read_quirks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

METHODS: Final = "wrapper/segmind_sd3/_endpoints.py"
BLOB: Final = re.compile(r"^\s+blob: ([0-9a-f]{64})$", re.MULTILINE)
HAND_WRITTEN: Final = (
    "*.md",
    "openapi/*.yaml",
    "openapi/**/*.py",
    "wrapper/**/*.py",
    "contract_tests/**/*.py",
)
"""The files that are searched for mentions of the endpoint."""


class CanNotRetire(Exception):
    """The endpoint can't be removed. `str()` names the reason."""


@dataclass(frozen=True)
class Retirement:
    """The changes that remove an endpoint.

    Attributes:
        texts: The new texts of files.
        removed: The files to remove.
        actions: The names of the overlay actions for this endpoint alone.
        rows: The rows of quirks.yaml that cite no other action.
        mentions: The lines that still name the endpoint, for people to review.
    """

    texts: Mapping[Path, str]
    removed: tuple[Path, ...]
    actions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    mentions: tuple[str, ...] = field(default=(), repr=False)


def plan_retirement(slug: str, root: Path) -> Retirement:
    """Return the changes that remove an endpoint from a checkout.

    Raises:
        CanNotRetire: There is no spec of that slug, it is the only one, or the rest is no valid contract.
    """
    folder = root / "openapi"
    spec = folder / f"{slug}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml") if "paths" in read(file))
    if slug not in known:
        raise CanNotRetire(f"There is no endpoint {slug}; there are {', '.join(known)}.")
    if len(known) == 1:
        raise CanNotRetire(f"{slug} is the only endpoint.")
    operation, model = _names(read(spec))
    with temporary_copy(folder) as copy:
        (copy / spec.name).unlink()
        for facts in (copy / "facts", copy / "facts" / "second"):
            (facts / f"{slug}.json").unlink(missing_ok=True)
        try:
            actions = actions_without_target(copy)
            overlays = {
                file: remove_actions(file.read_text(encoding="utf-8"), actions, (model, f"/v1/{slug}"))
                for file in sorted(folder.glob("*.overlay.yaml"))
            }
            quirks, rows = remove_citations((folder / QUIRKS).read_text(encoding="utf-8"), actions)
            overlays[folder / QUIRKS] = quirks
            write_files({copy / file.name: text for file, text in overlays.items()})
            read_quirks(copy)
            methods = render_methods(copy)
        except ContractError as problem:
            raise CanNotRetire(str(problem)) from problem
    texts = overlays | {root / METHODS: methods} | _edit_shared_files(root, operation)
    texts = {file: text for file, text in texts.items() if file.read_text(encoding="utf-8") != text}
    facts = [folder / "facts" / f"{slug}.json", folder / "facts" / "second" / f"{slug}.json"]
    removed = tuple(file for file in (spec, *facts, *_cassettes(root, slug)) if file.is_file())
    words = (slug, operation, model, *actions, *rows)
    mentions = tuple(_remaining_mentions(root, words, texts, removed))
    return Retirement(texts, removed, tuple(actions), tuple(rows), mentions)


def _names(document: dict[str, Any]) -> tuple[str, str]:
    """Return the operationId and the name of the request's schema."""
    ((_, item),) = document["paths"].items()
    ((_, operation),) = item.items()
    (model,) = document["components"]["schemas"]
    return operation["operationId"], model


def _edit_shared_files(root: Path, operation: str) -> dict[Path, str]:
    """Return the README without the endpoint's row, and the changelog with a new line."""
    texts: dict[Path, str] = {}
    readme, changelog = root / "README.md", root / "CHANGELOG.md"
    if readme.is_file():
        row = re.compile(rf"^\| `{operation}` \|.*\n", re.MULTILINE)
        texts[readme] = row.sub("", readme.read_text(encoding="utf-8"))
    if changelog.is_file():
        text = changelog.read_text(encoding="utf-8")
        top = HEADING.search(text)
        version = ".".join(top.groups()[:3]) if top else "0.1.0"
        if top and "unreleased" not in top[4]:
            major, minor = int(top[1]), int(top[2])
            version = f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
        change = Change(operation, "", "removed", None, None, "breaking", "breaking")
        texts[changelog] = add_to_changelog(text, version, changelog_lines([change]))
    return texts


def _cassettes(root: Path, slug: str) -> Iterator[Path]:
    """Yield the cassettes of the endpoint, and the bodies that no other cassette uses."""
    for folder in (root / "cassettes", root / "cassettes" / "live"):
        own = sorted((folder / slug).glob("*.yaml"))
        others = (file for file in folder.glob("*/*.yaml") if file.parent.name != slug)
        shared = {digest for file in others for digest in _blobs(file)}
        yield from own
        for digest in sorted({digest for file in own for digest in _blobs(file)} - shared):
            yield folder / "blobs" / digest


def _blobs(file: Path) -> list[str]:
    return BLOB.findall(file.read_text(encoding="utf-8"))


def _remaining_mentions(
    root: Path, words: tuple[str, ...], texts: Mapping[Path, str], removed: tuple[Path, ...]
) -> Iterator[str]:
    mention = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in words))
    for pattern in HAND_WRITTEN:
        for file in sorted(root.glob(pattern)):
            if file in removed or file.name == "CHANGELOG.md":
                continue
            text = texts.get(file) or file.read_text(encoding="utf-8")
            for number, line in enumerate(text.splitlines(), 1):
                if mention.search(line):
                    yield f"{file.relative_to(root).as_posix()}:{number}: {line.strip()}"
