"""`make regenerate`: from a changed page, or a spec edited by hand, to a client that was made anew and tried.

Law: each step is a command that one could give by hand, in a process of its own, and the first that fails
ends it. Nothing of the generated client is imported before it is made, so what is reported is the new one.
The report compares with what was last committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from segmind_sd3_contract.terminal import echo

from segmind_sd3_pipeline.changes.states import PACKAGES, NoState, state
from segmind_sd3_pipeline.checkout import require_checkout

if TYPE_CHECKING:
    from segmind_sd3_pipeline.changes.rating import Change

OPENAPI: Final = Path("openapi")

TESTS: Final = ("test_signatures", "test_bounds", "test_boundaries")
"""Where each parameter is tried, whatever its name. They need none of pytest's plugins, which load slowly."""


@click.command()
@click.argument("pages", metavar="[PAGE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Edit the specs without asking.")
@click.option("--write", is_flag=True, help="Enter the draft into CHANGELOG.md.")
@click.option("--since", default="HEAD", show_default=True, metavar="REV", help="What to compare with.")
def regenerate(pages: tuple[Path, ...], yes: bool, write: bool, since: str) -> None:  # noqa: FBT001 - click's own way
    """Bring changed docs pages through to a tested client, in the checkout that this is called in.

    Without a page: go on from the specs as they are. Exit code: 0 it is through, 1 something fails, 2 it
    could not be done.
    """
    require_checkout(Path())
    sdk, files = ("-m", "segmind_sd3", "docs"), [str(page) for page in pages]
    if pages and (status := _python(*sdk, "sync", "--no-next", *files, *(["--yes"] if yes else [])).wait()):
        sys.exit(status)
    # What is checked are pages and specs, which are there: the client is made meanwhile.
    checks = [_python(*sdk, "check", *files, later=True)] if pages else []
    if _python("-m", "segmind_sd3_pipeline.generate").wait():
        _tell_broken()
        for each in checks:
            _told(each)
        sys.exit(1)
    sys.exit(_reported(since, checks, write=write))


def _python(*arguments: str, later: bool = False, **environment: str) -> subprocess.Popen[str]:
    """Start a command on this checkout's own code. What it says `later` is told by `_told`."""
    path = os.pathsep.join(str(Path(name).resolve()) for name in PACKAGES)
    return subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, *arguments],
        stdout=subprocess.PIPE if later else None,
        stderr=subprocess.STDOUT if later else None,
        env={**os.environ, "PYTHONPATH": path, **environment},
        text=True,
    )


def _told(started: subprocess.Popen[str]) -> int:
    """Wait for a command that was started for later, print what it said, and give its status."""
    said, _ = started.communicate()
    click.echo(f"\n{said}", nl=False)
    return started.returncode


def _tell_broken() -> None:
    """Name every overlay action that no longer holds: the build stops at the first."""
    from segmind_sd3_pipeline.changes.outdated import broken_actions, bundled  # noqa: PLC0415 - not before

    try:
        broken = broken_actions(bundled(OPENAPI), OPENAPI)
    except NoState:
        return  # what is wrong with the specs was told already
    if broken:
        click.echo("\nThe overlay actions that no longer hold, with the quirk rows they are for:", err=True)
    for each in broken:
        echo(f"- {each.action} ({', '.join(each.rows) or 'no row'})", err=True)


def _reported(since: str, checks: list[subprocess.Popen[str]], *, write: bool) -> int:
    """Report what changed, while the checks run and the tests of what changed; give the exit code."""
    from segmind_sd3_pipeline.changes.command import Refused, console, enter  # noqa: PLC0415 - the new client
    from segmind_sd3_pipeline.changes.report import compared, report, tell  # noqa: PLC0415 - as above

    try:
        with ExitStack() as stack:
            before, after = (stack.enter_context(state(each, Path())) for each in (since, None))
            changes = compared(before, after)
            if changes:
                checks.append(_tests(changes))
            found = report(before, after, changes)
            if write:
                enter(found, after)
    except NoState as missing:
        raise Refused(f"The client was made anew; there is nothing to compare it with. {missing}") from None
    tell(found, console())
    statuses = [_told(each) for each in checks]
    if not any(statuses):
        first = ["make record"] if found.cassettes.stale or found.cassettes.new else []
        echo(f"\nNext: {', '.join([*first, 'make check', 'make test'])}, and commit.")
    return 1 if any(statuses) else 0


def _tests(changes: list[Change]) -> subprocess.Popen[str]:
    """Start the tests of all signatures, and of the parameters and endpoints that changed."""
    places = {
        f"({each.endpoint} and {each.about})" if each.about.isidentifier() else each.endpoint
        for each in changes
        if each.endpoint and (each.about.isidentifier() or each.worst != "harmless")
    }
    chosen = " or ".join([TESTS[0], *sorted(places)])
    files = [f"contract_tests/sdk/{name}.py" for name in TESTS]
    asked = ["-q", "--no-header", "-k", chosen, *files]
    return _python("-m", "pytest", *asked, later=True, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


if __name__ == "__main__":
    regenerate()
