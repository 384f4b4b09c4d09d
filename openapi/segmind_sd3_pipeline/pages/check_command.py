"""The command `segmind-sd3 docs check`: compare pages with specs."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from segmind_sd3_contract.terminal import Console, echo

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.comparison import LocatedDifference, located_differences
from segmind_sd3_pipeline.pages.contradictions import contradictions
from segmind_sd3_pipeline.pages.facts import recorded_facts
from segmind_sd3_pipeline.pages.page_files import Refused, read_pages
from segmind_sd3_pipeline.pages.second_page import is_second, second_differences, uncovered
from segmind_sd3_pipeline.pages.second_page_table import print_comparison
from segmind_sd3_pipeline.pages.spec_editor import CanNotSync
from segmind_sd3_pipeline.spec.documents import ContractError
from segmind_sd3_pipeline.spec.quirks import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.second_page import Comparison


@click.command()
@click.argument("files", metavar="PAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@in_checkout
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option(
    "--prose", "with_prose", is_flag=True, help="List changes of other text, too. They are no drift."
)
def check(
    files: tuple[Path, ...],
    root: Path,
    as_json: bool,  # noqa: FBT001 - click's own way
    with_prose: bool,  # noqa: FBT001
) -> None:
    """Compare docs pages with the specs, fact by fact.

    A second page of a model, in another layout, is compared with the spec and the observed overlay, and its
    facts are listed beside those of the first. Also reports where a page contradicts itself. Text that states
    no fact (marketing, navigation, banners) is no drift.

    Exit code: 0 pages and specs agree, 1 they differ, 2 a page or a spec can't be read.
    """
    found: list[tuple[Path, Facts, list[LocatedDifference]]] = []
    quirks = quirk_names(root / "openapi")
    compared: dict[Path, Comparison] = {}
    for file, facts in read_pages(files).items():
        rows = _compare(facts, root / "openapi", file, compared)
        found.append((file, facts, rows))
    other_text = {file: [row for row in rows if row.is_left_open] for file, _, rows in found}
    found = [(file, facts, [row for row in rows if not row.is_left_open]) for file, facts, rows in found]
    if as_json:
        results = [_as_json(*each, quirks) for each in found]
        for result in results:
            if comparison := compared.get(Path(result["file"])):
                result["second_page"] = [asdict(row) for row in comparison.rows]
        for result in results if with_prose else ():
            result["prose"] = [row.fact for row in other_text[Path(result["file"])]]
        click.echo(json.dumps(results, indent=2))
    else:
        for file, facts, _ in found:
            if file in compared:
                print_comparison(facts, recorded_facts(root / "openapi", facts["slug"]), compared[file])
        _print_report(found, quirks, compared)
        if with_prose:
            _print_other_text(other_text)
    sys.exit(1 if any(rows for _, _, rows in found) else 0)


def _print_other_text(found: Mapping[Path, list[LocatedDifference]]) -> None:
    """Print which pages have other text than when they were last read."""
    for file, rows in found.items():
        if any(row.fact != "digest" for row in rows):
            echo(f"{file}: its text around the facts has changed since it was last read. That is no drift.")
        elif rows:
            echo(f"{file}: its bytes have changed (blanks, line ends or code), and no text around the facts.")


def _compare(
    facts: Facts, folder: Path, file: Path, compared: dict[Path, Comparison]
) -> list[LocatedDifference]:
    """Return the differences between a page and the contract. Note the comparison of a second page.

    Raises:
        Refused: The spec can't be used.
    """
    try:
        if not is_second(facts, recorded_facts(folder, facts["slug"])):
            return located_differences(facts, folder)
        compared[file] = uncovered(facts, folder)
        return second_differences(facts, folder, compared[file])
    except (ContractError, CanNotSync) as problem:
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


def _as_json(file: Path, facts: Facts, rows: list[LocatedDifference], quirks: set[str]) -> dict[str, Any]:
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


def _print_report(
    found: list[tuple[Path, Facts, list[LocatedDifference]]],
    quirks: set[str],
    compared: Mapping[Path, Comparison],
) -> None:
    # Into a pipe, each row is one line, so that it can be searched.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 240, highlight=False)
    differences = Table("page", "fact", "the page says", "the spec says", "where")
    for file, facts, rows in found:
        listed = {row.fact for row in compared[file].rows} if file in compared else frozenset[str]()
        for row in (row for row in rows if row.fact not in listed):
            differences.add_row(facts["slug"], row.fact, *_describe(row), str(row.place))
    contradicted = [(facts["slug"], each) for _, facts, _ in found for each in contradictions(facts, quirks)]
    contradicting = Table("page", "parameter", "contradiction", "the page says", "quirk")
    for slug, each in contradicted:
        contradicting.add_row(slug, each.attribute, each.what, each.details, each.row or "nothing")
    if contradicted:
        console.print("Where the pages contradict themselves:")
        console.print(contradicting)
    if differences.row_count:
        console.print("Where pages and specs differ:")
        console.print(differences)
    number = sum(len(rows) for _, _, rows in found)
    attributes, statuses = (
        sum(len(facts.get(kind, ())) for _, facts, _ in found) for kind in ("attributes", "statuses")
    )
    console.print(
        f"{_count(len(found), 'page')}, {_count(attributes, 'attribute')}, "
        f"{_count(statuses, 'status line')}: {_count(number, 'difference')}."
    )
    if without := sum(each.row is None for _, each in contradicted):
        console.print(f"{_count(without, 'contradiction')} without a row in quirks.yaml.")
    if number:
        files = shlex.join(str(file) for file, _, rows in found if rows)
        console.print(f"To update the specs: segmind-sd3 docs sync {files}")


def _describe(row: LocatedDifference) -> tuple[str, str]:
    """Describe the values of page and spec. Only digests of prose are known: new, changed or removed."""
    if not row.is_prose:
        return row.page or "nothing", row.spec or "nothing"
    if row.page is None:
        return "nothing", "removed text"
    if row.spec is None:
        return "new text", "nothing"
    return "changed text", "text as last read"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
