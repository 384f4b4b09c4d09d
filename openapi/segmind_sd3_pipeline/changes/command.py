"""The command `segmind-sd3 diff`: report what changed between two revisions."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
from segmind_sd3_contract.terminal import Console, Failed

from segmind_sd3_pipeline.changes.report import (
    Report,
    find_changes,
    format_markdown,
    make_report,
    print_report,
)
from segmind_sd3_pipeline.changes.states import CHANGELOG, StateUnavailable, open_state
from segmind_sd3_pipeline.changes.versions import add_to_changelog
from segmind_sd3_pipeline.checkout import in_checkout

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_pipeline.changes.states import State


class Refused(Failed):
    """The command stops before it compares anything."""

    exit_code = 2


@click.command()
@click.argument("before", metavar="REV1")
@click.argument("after", metavar="[REV2]", required=False)
@in_checkout
@click.option("--write", is_flag=True, help="Add the draft to CHANGELOG.md. Not with REV2.")
@click.option(
    "--fail-on", type=click.Choice(["breaking"]), help="Exit with 1 if a change is breaking or unknown."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request. Not with --json.")
def diff(  # noqa: PLR0917 - one for each option
    before: str,
    after: str | None,
    root: Path,
    write: bool,  # noqa: FBT001 - click's own way
    fail_on: str | None,
    as_json: bool,  # noqa: FBT001 - as above
    markdown: bool,  # noqa: FBT001 - as above
) -> None:
    """Rate what changed between two git revisions, for the wire contract and for the Python API.

    REV2 is by default the working tree as last generated: run make generate first. The report includes a
    version, a draft for the changelog, and what became stale. A change that no rule knows is rated unknown:
    look at it. Exit code: 0 compared, 1 a change fails by --fail-on, 2 a revision can't be read.
    """
    if write and after:
        raise click.UsageError("--write edits the working tree. Leave out REV2 or --write.")
    if as_json and markdown:
        raise click.UsageError("--json and --markdown are two formats. Leave out one of them.")
    try:
        with ExitStack() as stack:
            old, new = (stack.enter_context(open_state(each, root)) for each in (before, after))
            found = make_report(old, new, find_changes(old, new))
            if write:
                write_changelog(found, new)
    except StateUnavailable as missing:
        raise Refused(str(missing)) from None
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    elif markdown:
        click.echo(format_markdown(found), nl=False)
    else:
        print_report(found, make_console())
    sys.exit(1 if fail_on and found.may_break else 0)


def write_changelog(found: Report, project: State) -> None:
    """Add the draft to the changelog of a state."""
    file = project.folder / CHANGELOG
    file.write_text(add_to_changelog(project.changelog, found.version[0], found.entry), encoding="utf-8")


def make_console() -> Console:
    """Return a console that breaks no line when the output is not a terminal."""
    width = None if sys.stdout.isatty() else 200
    return Console(soft_wrap=True, width=width, highlight=False)
