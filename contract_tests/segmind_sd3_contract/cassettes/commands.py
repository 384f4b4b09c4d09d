"""`record` and `list`: recording cassettes anew, and saying what is there and what it is worth."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track
from rich.table import Table
from segmind_sd3 import InvalidRequest
from segmind_sd3._options import BASE_URL, check_base_url, read_key
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes import live, recording
from segmind_sd3_contract.cassettes.cases import Case, body_of, cases, least, live_cases
from segmind_sd3_contract.cassettes.judging import MAX_AGE_DAYS, VERDICTS, Judged, judged_in
from segmind_sd3_contract.cassettes.library import FOLDER, LIVE
from segmind_sd3_contract.terminal import Console, Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ListedUnlessTold(click.Group):
    """Goes on with `list` where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_for_help = args[:1] and args[0] in ctx.help_option_names
        if not asks_for_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListedUnlessTold)
def cassettes() -> None:
    """Record, list and judge exchanges, in the folder `cassettes` of the current repository.

    Without a command: list.
    """


@cassettes.command()
@click.option("--only", default="*", metavar="GLOB", help="Only cases with such an id: '*::steps::*'.")
@click.option("--live", "is_live", is_flag=True, help="From the live API, or SEGMIND_BASE_URL. Costs money.")
@click.option("--yes", is_flag=True, help="With --live: send without asking.")
@click.option("--overwrite", is_flag=True, help="With --live: make calls again whose cassette is there.")
@click.option(
    "--pause", type=click.FloatRange(min=0), default=0.0, help="With --live: seconds between calls."
)
def record(only: str, is_live: bool, yes: bool, overwrite: bool, pause: float) -> None:  # noqa: FBT001 - click's own way
    """Record anew, from the reference server unless --live is given: no key, no network, nothing to pay."""
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
        raise Failed(str(odd)) from None
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
    key = read_key(None)
    if isinstance(key, InvalidRequest):
        raise Failed(f"--live: {str(key).removesuffix(', or pass api_key=')}.")
    try:
        target = live.Target(check_base_url(os.environ.get("SEGMIND_BASE_URL") or BASE_URL), key.reveal())
    except InvalidRequest as wrong:
        raise Failed(str(wrong)) from None
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
        raise Failed(f"{stopped}\n{left} of {len(wanted)} are still to be recorded.")


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
        case "raw":
            return f"the same without {case.without}"
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
@click.option("--strict", is_flag=True, help="Fail for a stale one too.")
@click.option(
    "--max-age",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help=f"Any older one is stale. Unless given: {MAX_AGE_DAYS}, and never for the reference server's.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Where they are.",
)
@click.pass_context
def listed(context: click.Context, folder: Path, max_age: int | None, *, as_json: bool, strict: bool) -> None:
    """List what is recorded, each judged by today's contract: where and when it came, and what it is worth.

    Exit code 1 where one is broken.
    """
    found = list(judged_in(folder, max_age=max_age))
    if not found:
        raise Failed(f"There is no cassette in {folder.absolute()}: segmind-sd3 cassettes record makes some.")
    if as_json:
        click.echo(json.dumps([_row(each) for each in found], indent=2))
    else:
        _tell(found)
    if any(each.verdict == "broken" or (strict and each.stale) for each in found):
        context.exit(1)


def _row(each: Judged) -> dict[str, Any]:
    row = {"case" if name == "name" else name: value for name, value in asdict(each).items()}
    return {**row, "file": str(each.file)}


def _tell(found: list[Judged]) -> None:
    table = _table("case", "source", "date", "status", "verdict")
    for each in found:
        row = (each.name, each.target or "?", each.date or "?", str(each.status or "?"), each.told)
        table.add_row(*row)
    # A pipe has no width: what is searched there stands in one line each.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for each in found:
        if each.verdict == "broken":
            console.print(f"{each.name} is broken:", *each.reasons, sep="\n  ")
    stale = sum(each.stale is not None for each in found)
    from_live = sum(each.target == LIVE for each in found)
    sound, known, broken = (sum(each.verdict == verdict for each in found) for verdict in VERDICTS)
    console.print(f"{len(found)} cassettes, {stale} stale, {from_live} live.")
    console.print(f"{sound} sound, {known} known deviations, {broken} broken.")
