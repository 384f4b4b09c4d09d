"""Try every fault of `rows.py` in every way to call of `ways.py`, and print a table."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.progress import track
from rich.table import Table
from segmind_sd3._limits import MAX_REPLY_BYTES
from segmind_sd3_contract.terminal import Console

from proofs.faults.rows import ROWS
from proofs.faults.trials import run_trials
from proofs.fixtures.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from proofs.faults.rows import Row
    from proofs.faults.trials import Trial
    from proofs.fixtures.ways import Way

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "all": tuple(WAYS),
    "own": tuple(name for name, way in WAYS.items() if way.own),
    "foreign": tuple(name for name, way in WAYS.items() if not way.own),
}
"""Named groups of ways."""


def select_rows(names: Iterable[str]) -> list[Row]:
    """Return the faults with these names or with a name before the colon; all if none is named.

    Raises:
        ValueError: There is no such fault.
    """
    names = list(names)
    for name in names:
        if not any(_matches(fault, name) for fault in ROWS):
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(ROWS)}")
    return [row for fault, row in ROWS.items() if not names or any(_matches(fault, name) for name in names)]


def _matches(fault: str, name: str) -> bool:
    return fault == name or fault.startswith(f"{name}:")


def select_ways(names: Iterable[str]) -> list[Way]:
    """Return the ways with these names and in these groups; all if none is named.

    Raises:
        ValueError: There is no such way.
    """
    found = dict.fromkeys(each for name in names for each in GROUPS.get(name, (name,))) or dict(WAYS)
    for name in found:
        if name not in WAYS:
            raise ValueError(f"there is no way {name!r}; there are {', '.join((*GROUPS, *WAYS))}")
    return [WAYS[name] for name in found]


def shorten(names: Sequence[str], tried: Sequence[str]) -> str:
    """Describe some of the tried ways briefly."""
    for group, members in GROUPS.items():
        if set(names) == set(members) & set(tried):
            return group
    missing = [name for name in tried if name not in names]
    return f"all but {', '.join(missing)}" if len(missing) < len(names) else ", ".join(names)


def _table(done: Sequence[Trial]) -> Table:
    table = Table("fault", "ends as, billed, POSTs (in which ways)", "seconds", box=SIMPLE_HEAD)
    for fault in dict.fromkeys(trial.fault for trial in done):
        ways = [trial for trial in done if trial.fault == fault]
        names = [trial.way for trial in ways]
        alike: dict[str, list[str]] = {}
        for trial in ways:
            alike.setdefault(f"{trial.ended} {trial.billed} {trial.posts}", []).append(trial.way)
        ends = "; ".join(
            end if len(alike) == 1 else f"{end} ({shorten(members, names)})" for end, members in alike.items()
        )
        least, most = min(trial.seconds for trial in ways), max(trial.seconds for trial in ways)
        wrong = any(trial.deviations for trial in ways)
        table.add_row(fault, ends, f"{least:.2f}-{most:.2f}", style="red" if wrong else None)
    return table


def summary(done: Sequence[Trial]) -> dict[str, int]:
    """Count the trials and the violations."""
    return {
        "trials": len(done),
        "faults": len({trial.fault for trial in done}),
        "ways": len({trial.way for trial in done}),
        "calls paid twice": sum(trial.payments > 1 for trial in done),
        "foreign exceptions": sum(trial.foreign for trial in done),
        "billed=False for what the ledger billed": sum(trial.wrongly_unbilled for trial in done),
        "trials that deviate": sum(bool(trial.deviations) for trial in done),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "faults", nargs="*", metavar="FAULT", help="a fault, or the part of its name before the colon"
    )
    parser.add_argument(
        "--way", action="append", default=[], metavar="WAY", help="a way to call, or a group: own, foreign"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        rows, ways = select_rows(options.faults), select_ways(options.way)
    except ValueError as error:
        parser.error(str(error))
    begun = time.perf_counter()
    count = sum(row.applies_to(way) for row in rows for way in ways)
    done = list(track(run_trials(rows, ways), "faults", count, console=Console(stderr=True)))
    counts = summary(done)
    if options.json:
        print(json.dumps({"summary": counts, "trials": [asdict(trial) for trial in done]}, indent=1))
    else:
        _print(done, counts, time.perf_counter() - begun)
    sys.exit(bool(counts["trials that deviate"]))


def _print(done: Sequence[Trial], counts: Mapping[str, int], seconds: float) -> None:
    # Without a terminal, rich assumes a narrow one, and would cut names.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(_table(done))
    peaks = [trial.peak for trial in done if trial.peak is not None]
    if peaks:
        most, allowed = max(peaks) / 1024**2, MAX_REPLY_BYTES / 1024**2
        console.print(f"peak memory {most:.0f} MiB; a reply may have {allowed:.0f}")
    for trial in done:
        for deviation in trial.deviations:
            console.print(f"{trial.fault}, {trial.way}: {deviation}", style="red")
    console.print(", ".join(f"{count} {what}" for what, count in counts.items()), f"in {seconds:.0f} s")


if __name__ == "__main__":
    main()
