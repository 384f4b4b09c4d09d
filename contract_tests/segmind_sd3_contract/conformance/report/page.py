"""Write the report for people: `report.html`, one self-contained page.

The page loads nothing, and its own content security policy forbids it to. What a server sent appears as text,
or as a picture that was encoded anew, never as markup. Failures can be read without scripts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from segmind_sd3_contract.conformance.report import contents, words
from segmind_sd3_contract.conformance.report.curl import command
from segmind_sd3_contract.conformance.results import VERDICTS
from segmind_sd3_contract.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmind_sd3_contract.conformance.results import Exchange, Outcome, Run

SIDE: Final = 256
"""Pixels of the longer side of a picture on the page, at most; half as many where there are over `MANY`."""

MANY: Final = 400
"""Pictures of full size that still make a page that a browser opens at once: some 5 MB."""

LONGEST_BASE64: Final = 150
"""Bytes of a picture within a reply's JSON that the page still shows as text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter: the cases at each place that others have too, and those that it has alone."""

    group: str
    cells: tuple[tuple[Outcome, ...], ...]
    alone: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """An endpoint: its parameters by places."""

    operation: str
    places: tuple[str, ...]
    rows: tuple[Row, ...]
    counts: Counter[str]


def written(run: Run) -> bytes:
    failures = sorted(
        (outcome for outcome in run.outcomes if outcome.verdict == "broken"), key=lambda each: each.operation
    )
    numbers = {id(outcome): number for number, outcome in enumerate(run.outcomes)}
    text = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            run=run,
            failures=failures,
            grids=list(grids(run.outcomes)),
            data=_printable(_data(run)),
            style=_source("page.css"),
            script=_source("page.js"),
            signs=words.SIGNS,
            headline=words.headline(run),
            judged_as=words.judged_as(run),
            ending=words.ending(run),
            covered=words.coverage(run),
            endpoints=lambda operations: words.endpoints(operations, run),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - jinja2's caller
            untested=words.untested(run),
            changes=list(words.changes(run)),
            layers=sorted({outcome.layer for outcome in run.outcomes}),
            number=lambda outcome: numbers[id(outcome)],  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - jinja2's caller
            calls=lambda outcome: words.exchanges_of(outcome, run),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - jinja2's caller
            curl=lambda exchange: command(exchange, run.target),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - jinja2's caller
            came=words.came,
            money=words.money(run),
        )
    )
    # Half a character pair, which a reply's JSON can hold, has no bytes.
    return text.encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    loader = PackageLoader("segmind_sd3_contract.conformance", "report")
    return Environment(
        loader=loader,
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: object) -> object:
    """Show what does not print: a server may send what turns the direction of the text around it."""
    match value:
        case Markup():
            return value
        case str():
            return printable(value)
        case Mapping():
            return {name: _printable(each) for name, each in cast("Mapping[str, object]", value).items()}
        case list() | tuple():
            return [_printable(each) for each in cast("Iterable[object]", value)]
        case _:
            return value


def _source(name: str) -> str:
    return (files("segmind_sd3_contract.conformance.report") / name).read_text(encoding="utf-8")


# -- The grids --------------------------------------------------------------------------------------------


def grids(outcomes: Iterable[Outcome]) -> Iterator[Grid]:
    """Lay out each endpoint's cases. A place that only one parameter has makes no column of empty cells."""
    by_operation: defaultdict[str, defaultdict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        by_operation[outcome.operation][outcome.group].append(outcome)
    for operation, groups in sorted(by_operation.items()):
        having = Counter(place for group in groups.values() for place in {each.place for each in group})
        places = tuple(sorted((place for place, count in having.items() if count > 1), key=words.rank))
        rows = tuple(_row(group, groups[group], places) for group in sorted(groups))
        verdicts = Counter[str](each.verdict for group in groups.values() for each in group)
        yield Grid(operation, places, rows, verdicts)


def _row(group: str, outcomes: list[Outcome], places: tuple[str, ...]) -> Row:
    cells = tuple(tuple(each for each in outcomes if each.place == place) for place in places)
    alone = (each for each in outcomes if each.place not in places)
    return Row(group, cells, tuple(sorted(alone, key=lambda each: words.rank(each.place))))


# -- What a click shows -----------------------------------------------------------------------------------


def _data(run: Run) -> dict[str, Any]:
    """Return what the page's script reads: every case and exchange, and each picture once."""
    pictures: dict[str, bytes] = {}
    cases = [
        {
            "id": outcome.id,
            "operation": outcome.operation,
            "layer": outcome.layer,
            "claim": outcome.claim,
            "verdict": outcome.verdict,
            "reasons": outcome.reasons,
            "deviation": outcome.deviation,
            "calls": outcome.calls,
        }
        for outcome in run.outcomes
    ]
    exchanges = {name: _exchange(exchange, run, pictures) for name, exchange in run.exchanges.items()}
    side = SIDE if len(pictures) <= MANY else SIDE // 2
    small = {name: thumbnail(data, side) for name, data in pictures.items()}
    return {
        "cases": cases,
        "exchanges": exchanges,
        "pictures": {name: text for name, text in small.items() if text},
        "verdicts": VERDICTS,
        "signs": words.SIGNS,
    }


def _exchange(exchange: Exchange, run: Run, pictures: dict[str, bytes]) -> dict[str, Any]:
    content = contents.read(exchange.body, LONGEST_BASE64)
    return {
        "called": f"{exchange.method} {exchange.path}",
        "came": words.came(exchange),
        "curl": command(exchange, run.target),
        "sent": _kept(contents.unpacked(exchange.sent)[1], pictures),
        "headers": dict(exchange.received),
        "body": _text(exchange, content),
        "pictures": _kept(content.pictures, pictures),
    }


def _text(exchange: Exchange, content: contents.Content) -> str:
    match content.form:
        case None:
            return ""
        case "json":
            return json.dumps(content.value, indent=2, ensure_ascii=False)[: contents.LONGEST_TEXT]
        case "text":
            return content.value
        case _:
            told = contents.described(exchange.body)
            return f"{told['media_type'] or 'bytes'}, {told['bytes']:,} bytes, SHA-256 {told['sha256']}"


def _kept(shown: Iterable[bytes], pictures: dict[str, bytes]) -> list[str]:
    """Put pictures among those of the page, each once, and give their names."""
    named = {hashlib.sha256(data).hexdigest()[:16]: data for data in shown}
    pictures.update(named)
    return list(named)


def thumbnail(data: bytes, side: int = SIDE) -> str | None:
    """Draw a picture anew, small, as a `data:` URI; None for one that can't be read."""
    try:
        with warnings.catch_warnings():
            # A picture of more pixels than Pillow finds reasonable is not unpacked.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data)) as image:
                image.draft("RGB", (side, side))
                small = image.convert("RGBA" if image.has_transparency_data else "RGB")
            small.thumbnail((side, side))
            file = BytesIO()
            small.save(file, "WEBP", quality=50, method=1)
    except Exception:  # noqa: BLE001 - a picture that a server damaged may raise anything
        return None
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
