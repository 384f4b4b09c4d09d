"""The command behind `make regenerate`: make and test a new client from changed pages or edited specs.

Each step is a command that also works alone, in a process of its own. The first that fails ends the run. The
generated client is not imported before it is made, so the report describes the new one. The report compares
with the last commit.
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

from segmind_sd3_pipeline.changes.states import PACKAGES, StateUnavailable, open_state
from segmind_sd3_pipeline.checkout import require_checkout

if TYPE_CHECKING:
    from segmind_sd3_pipeline.changes.rating import Change

OPENAPI: Final = Path("openapi")

TESTS: Final = ("test_signatures", "test_bounds", "test_boundaries")
"""The tests of every parameter. They need none of pytest's plugins, which load slowly."""


@click.command()
@click.argument("pages", metavar="[PAGE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Edit the specs without asking.")
@click.option("--write", is_flag=True, help="Add the draft to CHANGELOG.md.")
@click.option(
    "--since", default="HEAD", show_default=True, metavar="REV", help="The revision to compare with."
)
def regenerate(pages: tuple[Path, ...], yes: bool, write: bool, since: str) -> None:  # noqa: FBT001 - click's own way
    """Make and test a new client from changed docs pages, in the current checkout.

    Without a page, start from the specs as they are. Exit code: 0 success, 1 a step fails, 2 the command
    could not run.
    """
    require_checkout(Path())
    sdk, files = ("-m", "segmind_sd3", "docs"), [str(page) for page in pages]
    if pages and (status := _start(*sdk, "sync", "--no-next", *files, *(["--yes"] if yes else [])).wait()):
        sys.exit(status)
    # The check needs only pages and specs, so it runs while the client is made.
    checks = [_start(*sdk, "check", *files, captured=True)] if pages else []
    if _start("-m", "segmind_sd3_pipeline.generate").wait():
        _print_broken_actions()
        for each in checks:
            _wait_and_print(each)
        sys.exit(1)
    sys.exit(_report(since, checks, write=write))


def _start(*arguments: str, captured: bool = False, **environment: str) -> subprocess.Popen[str]:
    """Start a command on this checkout's own code. `_wait_and_print` prints captured output."""
    path = os.pathsep.join(str(Path(name).resolve()) for name in PACKAGES)
    return subprocess.Popen(  # noqa: S603 - no shell
        [sys.executable, *arguments],
        stdout=subprocess.PIPE if captured else None,
        stderr=subprocess.STDOUT if captured else None,
        env={**os.environ, "PYTHONPATH": path, **environment},
        text=True,
    )


def _wait_and_print(started: subprocess.Popen[str]) -> int:
    """Wait for a command, print its captured output, and return its status."""
    output, _ = started.communicate()
    click.echo(f"\n{output}", nl=False)
    return started.returncode


def _print_broken_actions() -> None:
    """Print every overlay action that no longer holds. The build stops at the first."""
    from segmind_sd3_pipeline.changes.outdated import broken_actions, bundle_specs  # noqa: PLC0415 - not before

    try:
        broken = broken_actions(bundle_specs(OPENAPI), OPENAPI)
    except StateUnavailable:
        return  # the build has already printed the problem
    if broken:
        click.echo("\nThe overlay actions that no longer hold, with their quirk rows:", err=True)
    for each in broken:
        echo(f"- {each.action} ({', '.join(each.rows) or 'no row'})", err=True)


def _report(since: str, checks: list[subprocess.Popen[str]], *, write: bool) -> int:
    """Report what changed while the checks and the tests of what changed run. Return the exit code."""
    from segmind_sd3_pipeline.changes.command import Refused, make_console, write_changelog  # noqa: PLC0415 - the new client
    from segmind_sd3_pipeline.changes.report import find_changes, make_report, print_report  # noqa: PLC0415 - as above

    try:
        with ExitStack() as stack:
            before, after = (stack.enter_context(open_state(each, Path())) for each in (since, None))
            changes = find_changes(before, after)
            if changes:
                checks.append(_start_tests(changes))
            found = make_report(before, after, changes)
            if write:
                write_changelog(found, after)
    except StateUnavailable as missing:
        raise Refused(f"The new client is made, but there is nothing to compare it with. {missing}") from None
    print_report(found, make_console())
    statuses = [_wait_and_print(each) for each in checks]
    if not any(statuses):
        first = ["make record"] if found.cassettes.stale or found.cassettes.new else []
        echo(f"\nNext: {', '.join([*first, 'make check', 'make test'])}, and commit.")
    return 1 if any(statuses) else 0


def _start_tests(changes: list[Change]) -> subprocess.Popen[str]:
    """Start the tests of all signatures and of the changed parameters and endpoints."""
    places = {
        f"({each.endpoint} and {each.about})" if each.about.isidentifier() else each.endpoint
        for each in changes
        if each.endpoint and (each.about.isidentifier() or each.worst != "harmless")
    }
    chosen = " or ".join([TESTS[0], *sorted(places)])
    files = [f"contract_tests/sdk/{name}.py" for name in TESTS]
    options = ["-q", "--no-header", "-k", chosen, *files]
    return _start("-m", "pytest", *options, captured=True, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


if __name__ == "__main__":
    regenerate()
