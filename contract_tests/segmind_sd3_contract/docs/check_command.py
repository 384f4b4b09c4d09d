"""`segmind-sd3 docs check`: what the pages say beside what the specs say."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from segmind_sd3_contract.docs.checking import Row, checked
from segmind_sd3_contract.docs.contradictions import Contradiction, contradictions
from segmind_sd3_contract.docs.reading import Refused, pages

if TYPE_CHECKING:
    from segmind_sd3_contract.facts import Facts


@click.command()
@click.argument("files", metavar="PAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--root",
    default=".",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="The checkout: the current folder unless told.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def check(files: tuple[Path, ...], root: Path, as_json: bool) -> None:  # noqa: FBT001 - click's own way
    """Compare docs pages with the specs, fact by fact.

    Also tells where a page contradicts itself. Exit code: 0 the specs say what the pages say, 1 they differ,
    2 a page or a spec can't be read.
    """
    found: list[tuple[Path, Facts, list[Row]]] = []
    for file, facts in pages(files).items():
        found.append((file, facts, rows_of(facts, root / "openapi")))
    if as_json:
        click.echo(json.dumps([_as_json(*each) for each in found], indent=2, ensure_ascii=False))
    else:
        _tell(found)
    sys.exit(1 if any(rows for _, _, rows in found) else 0)


def rows_of(facts: Facts, folder: Path) -> list[Row]:
    """Give what `checked` does.

    Raises:
        Refused: The spec can't be used.
    """
    if not (folder / "bundle.py").is_file():
        raise Refused(f"{folder} holds no specs: say --root, the folder of a checkout.")
    try:
        return checked(facts, folder)
    except Exception as problem:
        # The class is that of the checkout's own script, which is imported once its folder is known.
        if type(problem).__name__ == "ContractError":
            raise Refused(str(problem)) from None
        raise


def _as_json(file: Path, facts: Facts, rows: list[Row]) -> dict[str, Any]:
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
        "contradictions": [asdict(each) for each in contradictions(facts)],
    }


def _tell(found: list[tuple[Path, Facts, list[Row]]]) -> None:
    # A pipe has no width: what is searched there stands in one line each.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200, highlight=False)
    differences = Table("page", "fact", "the page says", "the spec says", "where")
    own = Table("page", "parameter", "contradiction", "the page says", "quirk row")
    for _, facts, rows in found:
        for row in rows:
            shown = (facts["slug"], row.fact, _short(row.page), _short(row.spec), str(row.place))
            differences.add_row(*map(escape, shown))
        for each in contradictions(facts):
            own.add_row(
                *map(escape, (facts["slug"], each.attribute, each.what, each.said, each.row or "none"))
            )
    if differences.row_count:
        console.print(differences)
    if own.row_count:
        console.print("Where the pages contradict themselves:")
        console.print(own)
    without: list[Contradiction] = [
        each for _, facts, _ in found for each in contradictions(facts) if not each.row
    ]
    attributes, statuses = (
        sum(len(facts[kind]) for _, facts, _ in found) for kind in ("attributes", "statuses")
    )
    console.print(
        f"{len(found)} pages, {attributes} attributes, {statuses} statuses: "
        f"{differences.row_count} differences."
    )
    if without:
        console.print(f"{len(without)} contradictions without a row: enter one in quirks.py.")
    if differences.row_count:
        files = " ".join(str(file) for file, _, rows in found if rows)
        console.print(f"To follow the pages: segmind-sd3 docs sync {files}", markup=False)


def _short(text: str | None) -> str:
    """A digest tells nothing but that it is another one."""
    if text is None:
        return "nothing"
    return f"{text[:20]}…" if text.startswith('"sha256:') else text
