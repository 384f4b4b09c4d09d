"""`segmind-sd3 docs check`: what the pages say beside what the specs say."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from segmind_sd3_contract.terminal import Console

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.checking import Row, checked
from segmind_sd3_pipeline.pages.contradictions import contradictions
from segmind_sd3_pipeline.pages.reading import Refused, pages
from segmind_sd3_pipeline.spec.documents import ContractError
from segmind_sd3_pipeline.spec.quirks import read_rows

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts


@click.command()
@click.argument("files", metavar="PAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@in_checkout
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def check(files: tuple[Path, ...], root: Path, as_json: bool) -> None:  # noqa: FBT001 - click's own way
    """Compare docs pages with the specs, fact by fact.

    Also tells where a page contradicts itself. Exit code: 0 the specs say what the pages say, 1 they differ,
    2 a page or a spec can't be read.
    """
    found: list[tuple[Path, Facts, list[Row]]] = []
    quirks = quirk_names(root / "openapi")
    for file, facts in pages(files).items():
        found.append((file, facts, rows_of(facts, root / "openapi")))
    if as_json:
        click.echo(json.dumps([_as_json(*each, quirks) for each in found], indent=2))
    else:
        _tell(found, quirks)
    sys.exit(1 if any(rows for _, _, rows in found) else 0)


def rows_of(facts: Facts, folder: Path) -> list[Row]:
    """Give what `checked` does.

    Raises:
        Refused: The spec can't be used.
    """
    try:
        return checked(facts, folder)
    except ContractError as problem:
        raise Refused(str(problem)) from None


def quirk_names(folder: Path) -> set[str]:
    """Return the names of the rows of quirks.yaml.

    Raises:
        Refused: The file can't be used.
    """
    try:
        return {row["name"] for row in read_rows(folder)}
    except ContractError as problem:
        raise Refused(str(problem)) from None


def _as_json(file: Path, facts: Facts, rows: list[Row], quirks: set[str]) -> dict[str, Any]:
    return {
        "file": str(file),
        "slug": facts["slug"],
        "differences": [
            {
                "fact": row.fact,
                "page": json.loads(row.page) if row.page else None,
                "spec": json.loads(row.spec) if row.spec else None,
                "file": str(row.place.file),
                "line": row.place.line,
            }
            for row in rows
        ],
        "contradictions": [asdict(each) for each in contradictions(facts, quirks)],
    }


def _tell(found: list[tuple[Path, Facts, list[Row]]], quirks: set[str]) -> None:
    # A pipe has no width: what is searched there stands in one line each.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 240, highlight=False)
    differences = Table("page", "fact", "the page says", "the spec says", "where")
    for _, facts, rows in found:
        for row in rows:
            said = (facts["slug"], row.fact, *_said(row), str(row.place))
            differences.add_row(*said)
    own = [(facts["slug"], each) for _, facts, _ in found for each in contradictions(facts, quirks)]
    contradicting = Table("page", "parameter", "contradiction", "the page says", "answered by")
    for slug, each in own:
        said = (slug, each.attribute, each.what, each.said, each.row or "nothing")
        contradicting.add_row(*said)
    if own:
        console.print("Where the pages contradict themselves:")
        console.print(contradicting)
    if differences.row_count:
        console.print("Where pages and specs differ:")
        console.print(differences)
    attributes, statuses = (
        sum(len(facts[kind]) for _, facts, _ in found) for kind in ("attributes", "statuses")
    )
    console.print(
        f"{_counted(len(found), 'page')}, {_counted(attributes, 'attribute')}, "
        f"{_counted(statuses, 'status line')}: {_counted(differences.row_count, 'difference')}."
    )
    if without := sum(each.row is None for _, each in own):
        console.print(f"{_counted(without, 'contradiction')} without a row in quirks.yaml.")
    if differences.row_count:
        files = shlex.join(str(file) for file, _, rows in found if rows)
        console.print(f"To follow: segmind-sd3 docs sync {files}")


def _said(row: Row) -> tuple[str, str]:
    """What page and spec say. Of prose only a digest is known, which tells that it is another one."""
    if not row.is_prose:
        return row.page or "nothing", row.spec or "nothing"
    if row.page is None:
        return "nothing", "words that were there"
    if row.spec is None:
        return "words that nobody has read yet", "nothing"
    return "other words", "words as last read"


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
