"""What a journal says afterwards: a file of its jobs, a contact sheet, and a page to look through."""

from __future__ import annotations

import json
import os
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from segmind_sd3._errors import InvalidRequest

from .values import usd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .journal import Journal

THUMB: Final = 192
COLUMNS: Final = 8
ON_A_SHEET: Final = 400
"""How many pictures one contact sheet holds."""

TEXTS: Final = ("id", "endpoint", "state", "request_id", "error", "message", "kept", "parameters")
NUMBERS: Final = {"seed": "int64", "cost": "float64", "uncertain": "float64", "attempts": "int64"}
"""The columns of a Parquet file, beside `files`."""

ROWS_TOGETHER: Final = 10_000
"""How many jobs are in memory while a Parquet file is written."""

_STYLE: Final = (
    "body{font:14px system-ui;margin:2em}main{display:grid;gap:1em;"
    "grid-template-columns:repeat(auto-fill,minmax(220px,1fr))}figure{margin:0}img{width:100%;height:auto}"
    "figcaption{overflow-wrap:anywhere;opacity:.8}"
)


def records(journal: Journal) -> Iterator[dict[str, Any]]:
    """Yield each job, as JSON can say it."""
    for row in journal.rows():
        parameters = json.loads(row.parameters)
        yield {
            "id": row.id,
            "endpoint": row.operation,
            "state": row.state,
            "files": json.loads(row.files),
            "seed": parameters.get("seed"),
            "cost": float(usd(row.cost)),
            "uncertain": float(usd(row.uncertain)),
            "attempts": row.attempt,
            "request_id": row.request_id,
            "error": row.error,
            "message": row.message,
            "kept": row.kept,
            "parameters": parameters,
        }


def export_jsonl(journal: Journal, out: Path) -> int:
    """Write each job as one line of JSON; return how many."""
    count = 0
    with out.open("w", encoding="utf-8") as file:
        for record in records(journal):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def export_parquet(journal: Journal, out: Path) -> int:
    """Write each job as a row of a Parquet file, its parameters as JSON; return how many.

    Raises:
        InvalidRequest: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - pyarrow is an extra  # pyright: ignore[reportMissingTypeStubs]
        from pyarrow import parquet  # noqa: PLC0415 - as above  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as missing:
        raise InvalidRequest("Parquet needs pyarrow: pip install 'segmind-sd3[parquet]'") from missing
    arrow, writer = cast("Any", pa), cast("Any", parquet)  # they have no types
    files = arrow.field("files", arrow.list_(arrow.string()))
    schema = arrow.schema([*dict.fromkeys(TEXTS, "string").items(), files, *NUMBERS.items()])
    count, jobs = 0, records(journal)
    with writer.ParquetWriter(out, schema) as file:
        while rows := list(islice(jobs, ROWS_TOGETHER)):
            for row in rows:
                row["parameters"] = json.dumps(row["parameters"], ensure_ascii=False)
            file.write_batch(arrow.RecordBatch.from_pylist(rows, schema))
            count += len(rows)
    return count


def write_page(journal: Journal, out: Path) -> int:
    """Write an HTML page with every picture; return how many."""
    count = 0
    with out.open("w", encoding="utf-8") as page:
        page.write(
            f'<!doctype html><meta charset="utf-8"><title>Pictures</title><style>{_STYLE}</style><main>'
        )
        for record, file in _pictures(journal):
            address = escape(quote(os.path.relpath(journal.locate(file), out.parent)))
            prompt = escape(str(record["parameters"].get("prompt", ""))[:300])
            caption = f"{escape(record['id'])} · seed {record['seed']} · ${record['cost']:g}<br>{prompt}"
            page.write(
                f'<figure><a href="{address}"><img loading="lazy" alt="{prompt}" src="{address}"></a>'
                f"<figcaption>{caption}</figcaption></figure>\n"
            )
            count += 1
        page.write("</main>\n")
    return count


def write_sheets(journal: Journal, out: Path) -> list[Path]:
    """Write contact sheets of all pictures, as JPEG; return their files.

    Raises:
        InvalidRequest: Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: PLC0415 - Pillow is an extra
    except ImportError as missing:
        raise InvalidRequest("a contact sheet needs Pillow: pip install 'segmind-sd3[pil]'") from missing
    sheets: list[Path] = []
    sheet, place = PIL.Image.new("RGB", (1, 1)), 0

    def save() -> None:
        rows = -(-place // COLUMNS)
        name = out if not sheets else out.with_stem(f"{out.stem}-{len(sheets) + 1}")
        sheet.crop((0, 0, THUMB * min(place, COLUMNS), THUMB * rows)).save(name, "JPEG", quality=85)
        sheets.append(name)

    for _, file in _pictures(journal):
        if place == ON_A_SHEET:
            save()
            place = 0
        if place == 0:
            sheet = PIL.Image.new("RGB", (THUMB * COLUMNS, THUMB * (ON_A_SHEET // COLUMNS)), "white")
        try:
            with PIL.Image.open(journal.locate(file)) as picture:
                picture.draft("RGB", (THUMB, THUMB))
                picture.thumbnail((THUMB - 4, THUMB - 4))
                small = picture.convert("RGB")
        except OSError:
            small = PIL.Image.new("RGB", (THUMB - 4, THUMB - 4), "lightgray")
        column, row = place % COLUMNS, place // COLUMNS
        sheet.paste(small, (column * THUMB + 2, row * THUMB + 2))
        place += 1
    if place:
        save()
    return sheets


def _pictures(journal: Journal) -> Iterator[tuple[dict[str, Any], str]]:
    for record in records(journal):
        for file in record["files"]:
            yield record, file
