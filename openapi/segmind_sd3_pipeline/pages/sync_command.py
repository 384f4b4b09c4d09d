"""`segmind-sd3 docs sync`: the specs are made to say what the pages say."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.syntax import Syntax
from segmind_sd3_contract.terminal import Console, echo

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.contract import put
from segmind_sd3_pipeline.pages.reading import Refused, pages
from segmind_sd3_pipeline.pages.sentences import wanted
from segmind_sd3_pipeline.pages.syncing import CanNotSync, all_synced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts


@click.command()
@click.argument("files", metavar="PAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@in_checkout
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--next/--no-next", "tell_next", default=True, hidden=True)
def sync(files: tuple[Path, ...], root: Path, yes: bool, tell_next: bool) -> None:  # noqa: FBT001 - click's own way
    """Edit the specs so that they say what the pages say, line by line.

    Shows the changes and asks. Exit code: 0 written, or nothing to write; 1 declined; 2 a page can't be read,
    or the specs can't follow it: an overlay action was written against what has changed.
    """
    folder = root / "openapi"
    read = list(pages(files).values())
    try:
        texts = all_synced(read, folder)
    except CanNotSync as problem:
        raise Refused(f"Nothing is written. {problem}") from None
    if not texts:
        click.echo("The specs say what the pages say.")
        return
    show(texts, root)
    if not yes and not click.confirm("Write this?"):
        click.echo("Nothing is written.")
        sys.exit(1)
    before = {facts["slug"]: _kept(folder, facts["slug"]) for facts in read}
    put(texts)
    _tell_wanted(read, before, folder)
    echo(f"Written: {', '.join(named(file, root) for file in texts)}.")
    if tell_next:
        click.echo("Next: make regenerate")


def show(texts: Mapping[Path, str], root: Path) -> None:
    """Print what would change, in colours where somebody sees it."""
    is_seen = sys.stdout.isatty()
    for file, text in texts.items():
        old = file.read_text(encoding="utf-8") if file.is_file() else ""
        lines = difflib.unified_diff(
            old.splitlines(), text.splitlines(), named(file, root), named(file, root), n=2, lineterm=""
        )
        told = "\n".join(lines)
        if is_seen:
            Console().print(Syntax(told, "diff", background_color="default", word_wrap=True))
        else:
            echo(told)


def named(file: Path, root: Path) -> str:
    """Give a file's path within the checkout."""
    return file.relative_to(root).as_posix()


def _kept(folder: Path, slug: str) -> Facts | None:
    file = folder / "facts" / f"{slug}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def _tell_wanted(read: Iterable[Facts], before: Mapping[str, Facts | None], folder: Path) -> None:
    found = [
        each
        for facts in read
        for file in (folder / f"{facts['slug']}.yaml",)
        for each in wanted(before[facts["slug"]], facts, file, file.read_text(encoding="utf-8"))
    ]
    if found:
        click.echo("Your own words are wanted here:")
    for each in found:
        echo(f"  {each}")
    for facts in read:
        if before[facts["slug"]] is None:
            _tell_wanted_of_new(facts)


def _tell_wanted_of_new(facts: Facts) -> None:
    """Name the lines that no page can give."""
    click.echo("  README.md: a row of the new method in the list of methods")
    echo(f"  contract_tests/segmind_sd3_contract/prices.json: what a picture of {facts['slug']} costs")
    if any(each["name"] == "seed" for each in facts["attributes"]):
        click.echo("  openapi/sdk.overlay.yaml: an action that draws its seed anew, as for the others")
