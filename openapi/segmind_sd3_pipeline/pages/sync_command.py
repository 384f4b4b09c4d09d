"""The command `segmind-sd3 docs sync`: edit the specs to match the pages."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.syntax import Syntax
from segmind_sd3_contract.terminal import Console, echo

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.facts import recorded_facts
from segmind_sd3_pipeline.pages.page_files import Refused, read_pages
from segmind_sd3_pipeline.pages.prose import prose_tasks
from segmind_sd3_pipeline.pages.second_page import usd_of
from segmind_sd3_pipeline.pages.second_page_table import print_comparison
from segmind_sd3_pipeline.pages.sync import CanNotSync, plan_sync, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts


@click.command()
@click.argument("files", metavar="PAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@in_checkout
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--next/--no-next", "show_next", default=True, hidden=True)
def sync(files: tuple[Path, ...], root: Path, yes: bool, show_next: bool) -> None:  # noqa: FBT001 - click's own way
    """Edit the specs line by line to match the pages.

    Shows the changes and asks before writing. Exit code: 0 written, or nothing to write; 1 declined; 2 a page
    can't be read, or the specs can't match it, for example because an overlay action expects the old value.
    """
    folder = root / "openapi"
    read = list(read_pages(files).values())
    try:
        plan = plan_sync(read, folder)
        firsts, seconds = split(read, folder)
    except CanNotSync as problem:
        raise Refused(f"Nothing is written. {problem}") from None
    texts = plan.texts
    for slug, comparison in plan.seconds.items() if texts else ():
        if slug in seconds:
            first = next((facts for facts in firsts if facts["slug"] == slug), recorded_facts(folder, slug))
            print_comparison(seconds[slug], first, comparison)
    if not texts:
        click.echo("The specs match the pages.")
        return
    print_diff(texts, root)
    if not yes and not click.confirm("Write this?"):
        click.echo("Nothing is written.")
        sys.exit(1)
    before = {facts["slug"]: recorded_facts(folder, facts["slug"]) for facts in firsts}
    write_files(texts)
    _print_prose_tasks(firsts, before, folder)
    echo(f"Written: {', '.join(relative_path(file, root) for file in texts)}.")
    if show_next:
        click.echo("Next: make regenerate")


def print_diff(texts: Mapping[Path, str], root: Path) -> None:
    """Print the changes as a diff, in colours on a terminal."""
    is_terminal = sys.stdout.isatty()
    for file, text in texts.items():
        old = file.read_text(encoding="utf-8") if file.is_file() else ""
        lines = difflib.unified_diff(
            old.splitlines(),
            text.splitlines(),
            relative_path(file, root),
            relative_path(file, root),
            n=2,
            lineterm="",
        )
        diff = "\n".join(lines)
        if is_terminal:
            Console().print(Syntax(diff, "diff", background_color="default", word_wrap=True))
        else:
            echo(diff)


def relative_path(file: Path, root: Path) -> str:
    """Return a file's path within the checkout."""
    return file.relative_to(root).as_posix()


def _print_prose_tasks(read: Iterable[Facts], before: Mapping[str, Facts | None], folder: Path) -> None:
    found = [
        each
        for facts in read
        for file in (folder / f"{facts['slug']}.yaml",)
        for each in prose_tasks(before[facts["slug"]], facts, file, file.read_text(encoding="utf-8"))
    ]
    if found:
        click.echo("Write or review these lines by hand:")
    for each in found:
        echo(f"  {each}")
    for facts in read:
        if before[facts["slug"]] is None:
            _print_new_endpoint_tasks(facts)


def _print_new_endpoint_tasks(facts: Facts) -> None:
    """Print the lines of other files that a new endpoint needs."""
    click.echo("  README.md: a row for the new method in the list of methods")
    if price := usd_of(facts):
        echo(
            f"  openapi/observed.overlay.yaml: review the price of {facts['slug']}, {price:g} USD by its page"
        )
    else:
        echo(
            f"  openapi/observed.overlay.yaml: an action with the x-usd-per-picture of {facts['slug']}; "
            "until then its price is unknown"
        )
    if any(each["name"] == "seed" for each in facts["attributes"]):
        click.echo("  openapi/sdk.overlay.yaml: review the action that draws a new seed for each call")
