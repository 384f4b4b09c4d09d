"""`segmind-sd3 docs retire`: an endpoint that goes is taken out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from segmind_sd3_contract.terminal import echo

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.contract import put
from segmind_sd3_pipeline.pages.reading import Refused
from segmind_sd3_pipeline.pages.retiring import CanNotRetire, retired
from segmind_sd3_pipeline.pages.sync_command import named, show

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_pipeline.pages.retiring import Retired


@click.command()
@click.argument("slug")
@in_checkout
@click.option("--yes", is_flag=True, help="Write and remove without asking.")
def retire(slug: str, root: Path, yes: bool) -> None:  # noqa: FBT001 - click's own way
    """Take an endpoint out: spec, facts, overlay actions, methods, cassettes; and a line in the changelog.

    SLUG is the end of its address. To announce it first, put `deprecated: true` beside its operationId.
    Exit code: 0 it is out, 1 declined, 2 there is no such endpoint.
    """
    try:
        change = retired(slug, root)
    except CanNotRetire as problem:
        raise Refused(f"Nothing is written. {problem}") from None
    show(change.texts, root)
    _tell_removed(change, root)
    if not yes and not click.confirm("Write and remove this?"):
        click.echo("Nothing is written.")
        sys.exit(1)
    put(change.texts)
    for file in change.removed:
        file.unlink()
    for folder in {file.parent for file in change.removed}:
        if folder.name == slug and not any(folder.iterdir()):
            folder.rmdir()
    if change.left:
        click.echo("These lines still name it:")
    for line in change.left:
        echo(f"  {line}")
    click.echo("Next: make regenerate")


def _tell_removed(change: Retired, root: Path) -> None:
    recordings = [file for file in change.removed if "cassettes" in file.relative_to(root).parts]
    for file in change.removed:
        if file not in recordings:
            echo(f"removed: {named(file, root)}")
    if recordings:
        echo(f"removed: {len(recordings)} files of cassettes")
    for action in change.actions:
        echo(f"The overlay action {action} speaks of this endpoint alone, and goes.")
    for row in change.rows:
        echo(f"The quirk {row} cites no other action, and goes; its function and its probe stay.")
