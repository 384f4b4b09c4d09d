"""`record` and `list`: recording cassettes anew, and saying what is there."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table
from segmind_sd3 import InvalidRequest
from segmind_sd3.settings import BASE_URL, key_of, origin_of
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes import live, recording
from segmind_sd3_contract.cassettes.cases import Case, body_of, cases, least, live_cases
from segmind_sd3_contract.cassettes.library import FOLDER, LIVE, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@click.group()
def cassettes() -> None:
    """Recorded exchanges, in the folder `cassettes` of the repository that this is called in."""


@cassettes.command()
@click.option("--only", default="*", metavar="GLOB", help="Only cases with such an id: '*::steps::*'.")
@click.option("--live", "is_live", is_flag=True, help="From the live API, or SEGMIND_BASE_URL. Costs money.")
@click.option("--yes", is_flag=True, help="With --live: send without asking.")
@click.option("--overwrite", is_flag=True, help="With --live: make calls again whose cassette is there.")
@click.option(
    "--pause", type=click.FloatRange(min=0), default=0.0, help="With --live: seconds between calls."
)
def record(only: str, is_live: bool, yes: bool, overwrite: bool, pause: float) -> None:  # noqa: FBT001 - click's own way
    """Record anew, from the reference server unless told: no key, no network, nothing to pay."""
    if is_live:
        _record_live(only, yes=yes, overwrite=overwrite, pause=pause)
    elif yes or overwrite or pause:
        raise click.UsageError("--yes, --overwrite and --pause go with --live alone.")
    else:
        _record_reference(only)


def _chosen(known: Mapping[str, Case], only: str) -> list[Case]:
    found = [case for name, case in known.items() if fnmatchcase(name, only)]
    if not found:
        raise click.UsageError(f"No case is called {only!r}; there are such as {', '.join(list(known)[:3])}.")
    return found


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _shown(wanted: list[Case], task: str) -> Iterable[Case]:
    return track(wanted, description=task, console=Console(stderr=True), transient=True)


def _record_reference(only: str) -> None:
    total: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    try:
        for case in _shown(_chosen(cases(), only), "Recording"):
            total[case.operation] += 1
            changed[case.operation] += recording.record(case, FOLDER).changed
    except recording.AnotherAnswer as odd:
        raise click.ClickException(str(odd)) from None
    gone = recording.leftovers(FOLDER)
    for file in gone:
        file.unlink()
    table = _table("endpoint", "recorded", "changed")
    for operation, count in total.items():
        table.add_row(operation, str(count), str(changed[operation]))
    console = Console()
    console.print("From the REFERENCE server, not live.")
    console.print(table)
    size = sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file())
    console.print(f"{total.total()} cassettes, {len(gone)} files removed; {FOLDER} holds {size:,} bytes.")


def _record_live(only: str, *, yes: bool, overwrite: bool, pause: float) -> None:
    key = key_of(None)
    if key is None:
        raise click.ClickException("--live needs a key: set SEGMIND_API_KEY.")
    try:
        target = live.Target(origin_of(os.environ.get("SEGMIND_BASE_URL") or BASE_URL), key.reveal())
    except InvalidRequest as wrong:
        raise click.ClickException(str(wrong)) from None
    folder = target.folder(FOLDER)
    chosen = _chosen(live_cases(), only)
    wanted = [case for case in chosen if overwrite or not (folder / case.file).exists()]
    console = Console(soft_wrap=True)
    if there := len(chosen) - len(wanted):
        console.print(f"{there} are there already, and stay; --overwrite makes them again.")
    if not wanted:
        return
    _tell_plan(wanted, target, console)
    if not yes:
        click.confirm(f"Send these {len(wanted)} calls to {target.origin}?", abort=True)
    table = _table("case", "status", "expected")
    stopped = None
    try:
        for case in _shown(wanted, f"Recording from {target.origin}"):
            status = live.record(case, target, folder)
            table.add_row(case.id, str(status), str(case.expects))
            time.sleep(pause if case is not wanted[-1] else 0)
    except live.Stopped as reason:
        stopped = reason
    if table.row_count:
        console.print(f"Recorded from {target.name}, into {folder}:")
        console.print(table)
    if stopped:
        left = len(wanted) - table.row_count
        raise click.ClickException(f"{stopped}\n{left} of {len(wanted)} are still to be recorded.")


def _tell_plan(wanted: list[Case], target: live.Target, console: Console) -> None:
    table = _table("case", "sends", "pictures", "USD")
    for case in wanted:
        table.add_row(case.id, _sends(case), str(case.pictures), str(live.price(case)))
    total, pictures = sum(map(live.price, wanted)), sum(case.pictures for case in wanted)
    console.print(table)
    console.print(
        f"Calls to {target.origin}: {len(wanted)}; pictures: {pictures}; price: ${total}, an ESTIMATE by "
        "listed averages. Large pictures and many steps may cost a multiple."
    )


def _sends(case: Case) -> str:
    """Say what a call sends: a plain one in full, any other by how it differs from it."""
    match case.by:
        case "get":
            return "GET, and no body"
        case "other-key":
            return "the same with a key that nobody has"
        case "other-path":
            return "the same to a path that does not exist"
        case _:
            body = {n: "…" if n == "image" else value for n, value in body_of(case).items()}
            usual = least(OPERATIONS[case.operation])
            changed = {name: value for name, value in case.params.items() if usual.get(name) != value}
            return (
                f"the same with {json.dumps(changed)}"
                if changed
                else f"POST {json.dumps(body, ensure_ascii=False)}"
            )


@cassettes.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def listed(as_json: bool) -> None:  # noqa: FBT001 - click's own way
    """List what is recorded: from where, when, and whether the spec still says the same."""
    folders = [FOLDER, *sorted(each for each in FOLDER.glob("*") if each.is_dir())]
    found = [each for folder in folders for each in recorded(folder).values()]
    if not found:
        raise click.ClickException(f"There is no cassette in {FOLDER.absolute()}: make record.")
    rows = [
        {
            "case": each.case,
            "target": each.target,
            "status": each.status,
            "date": each.date,
            "spec": "fresh" if each.fresh else "stale",
            "file": str(each.file),
        }
        for each in found
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    shown = ("case", "target", "status", "date", "spec")
    table = _table(*shown)
    for row in rows:
        table.add_row(*(str(row[name]) for name in shown))
    console = Console(soft_wrap=True)
    console.print(table)
    stale = sum(row["spec"] == "stale" for row in rows)
    live_count = sum(row["target"] == LIVE for row in rows)
    console.print(f"{len(rows)} cassettes, {stale} stale, {live_count} live.")
