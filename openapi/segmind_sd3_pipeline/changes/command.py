"""`segmind-sd3 diff`: what changed between two revisions, and what it means for users."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
from segmind_sd3_contract.terminal import Console, Failed

from segmind_sd3_pipeline.changes.report import Report, compared, report, tell
from segmind_sd3_pipeline.changes.states import CHANGELOG, NoState, state
from segmind_sd3_pipeline.changes.versions import entered
from segmind_sd3_pipeline.checkout import in_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_pipeline.changes.states import State


class Refused(Failed):
    """Nothing was compared."""

    exit_code = 2


@click.command()
@click.argument("before", metavar="REV1")
@click.argument("after", metavar="[REV2]", required=False)
@in_checkout
@click.option("--write", is_flag=True, help="Enter the draft into CHANGELOG.md; without REV2 only.")
@click.option("--fail-on", type=click.Choice(["breaking"]), help="Exit with 1 on such a change.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def diff(  # noqa: PLR0917 - one for each option
    before: str,
    after: str | None,
    root: Path,
    write: bool,  # noqa: FBT001 - click's own way
    fail_on: str | None,
    as_json: bool,  # noqa: FBT001 - as above
) -> None:
    """Rate what changed between two git revisions, for the wire contract and for the Python API.

    Without REV2 it is the working tree, as it was last generated: make generate first. Also told: the version
    that follows, a draft for the changelog, and what became stale. Exit code: 0 it was compared, 1 with
    --fail-on, 2 a revision can't be read.
    """
    if write and after:
        raise click.UsageError("--write enters the draft into the working tree: leave REV2 out.")
    try:
        with ExitStack() as stack:
            old, new = (stack.enter_context(state(each, root)) for each in (before, after))
            found = report(old, new, compared(old, new))
            if write:
                enter(found, new)
    except NoState as missing:
        raise Refused(str(missing)) from None
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        tell(found, console())
    sys.exit(1 if fail_on and found.is_breaking else 0)


def enter(found: Report, project: State) -> None:
    """Write the draft into the changelog of a state."""
    file = project.folder / CHANGELOG
    file.write_text(entered(project.changelog, found.version[0], found.entry), encoding="utf-8")


def console() -> Console:
    """Give a console that breaks no line where nobody sees it."""
    width = None if sys.stdout.isatty() else 200
    return Console(soft_wrap=True, width=width, highlight=False)
