"""The command `segmind-sd3 docs retire`: remove an endpoint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from segmind_sd3_contract.terminal import echo

from segmind_sd3_pipeline.checkout import in_checkout
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.page_files import Refused
from segmind_sd3_pipeline.pages.retirement import CanNotRetire, plan_retirement
from segmind_sd3_pipeline.pages.sync_command import print_diff, relative_path

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_pipeline.pages.retirement import Retirement


@click.command()
@click.argument("slug")
@in_checkout
@click.option("--yes", is_flag=True, help="Write and remove without asking.")
def retire(slug: str, root: Path, yes: bool) -> None:  # noqa: FBT001 - click's own way
    """Remove an endpoint: spec, facts, overlay actions, methods, cassettes. Adds a line to the changelog.

    SLUG is the last part of its address. To announce the removal first, add `deprecated: true` beside its
    operationId. Exit code: 0 it is removed, 1 declined, 2 there is no such endpoint.
    """
    try:
        change = plan_retirement(slug, root)
    except CanNotRetire as problem:
        raise Refused(f"Nothing is written. {problem}") from None
    print_diff(change.texts, root)
    _print_removed(change, root)
    if not yes and not click.confirm("Write and remove this?"):
        click.echo("Nothing is written.")
        sys.exit(1)
    write_files(change.texts)
    for file in change.removed:
        file.unlink()
    for folder in {file.parent for file in change.removed}:
        if folder.name == slug and not any(folder.iterdir()):
            folder.rmdir()
    if change.mentions:
        click.echo("These lines still name it:")
    for line in change.mentions:
        echo(f"  {line}")
    click.echo("Next: make regenerate")


def _print_removed(change: Retirement, root: Path) -> None:
    recordings = [file for file in change.removed if "cassettes" in file.relative_to(root).parts]
    for file in change.removed:
        if file not in recordings:
            echo(f"removed: {relative_path(file, root)}")
    if recordings:
        echo(f"removed: {len(recordings)} files of cassettes")
    for action in change.actions:
        echo(f"The overlay action {action} speaks of this endpoint alone, and goes.")
    for row in change.rows:
        echo(f"The quirk {row} cites no other action, and goes; its function and its probe stay.")
