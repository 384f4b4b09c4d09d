"""Compare the SDK with bare httpx: the same calls to the same bare server on loopback, in turns.

Only ratios have limits, since times depend on the machine. The exit code is 1 if a ratio misses its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from proofs.bench.measuring import (
    CONCURRENCY,
    async_calls,
    call_concurrently,
    compare_async,
    compare_imports,
    compare_sync,
    sync_calls,
)
from proofs.bench.server import PYTHON_SERVER, jpeg, server_command, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proofs.bench.comparison import Comparison

SIZES: Final = (300_000, 30_000)

PROFILE_CALLS: Final = 1000
PROFILE_LINES: Final = 40


def comparisons(command: Sequence[str], *, rounds: int, quick: bool) -> Iterator[Comparison]:
    for size in SIZES:
        picture = jpeg(size)
        with serving(command, picture) as url:
            yield from compare_sync(url, picture, rounds, calls=50 if quick else 400)
            yield from asyncio.run(
                compare_async(url, picture, rounds, calls=(2 if quick else 10) * CONCURRENCY)
            )
    yield compare_imports(rounds)


def make_table(done: list[Comparison], title: str) -> Table:
    table = Table(title=title)
    for heading in ("", "ours", "httpx", "", "ratio", "lowest to highest", "limit", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for each in done:
        verdict = "" if each.limit is None else "fails" if each.fails else "ok"
        table.add_row(
            each.name,
            f"{each.ours:,.0f}",
            f"{each.httpx:,.0f}",
            each.unit,
            f"{each.ratio:.2f}",
            f"{min(each.ratios):.2f} to {max(each.ratios):.2f}",
            str(each.limit or ""),
            verdict,
            style="red" if each.fails else None,
        )
    return table


def profile(command: Sequence[str]) -> None:
    """Print the time of the SDK's calls by function."""
    picture = jpeg(SIZES[-1])

    async def at_once(url: str, recorder: cProfile.Profile) -> None:
        async with async_calls(url, picture) as (ours, _):
            await call_concurrently(ours, CONCURRENCY)
            with recorder:
                await call_concurrently(ours, PROFILE_CALLS)

    with serving(command, picture) as url:
        one_by_one, many = cProfile.Profile(), cProfile.Profile()
        with sync_calls(url, picture) as (ours, _), one_by_one:
            for _ in range(PROFILE_CALLS):
                ours()
        asyncio.run(at_once(url, many))
    for name, recorder in (("sync", one_by_one), (f"async, {CONCURRENCY} at once", many)):
        print(f"{name}: {PROFILE_CALLS} calls, {len(picture):,} bytes each")
        stats = pstats.Stats(recorder)
        stats.sort_stats("tottime").print_stats(PROFILE_LINES)
        stats.sort_stats("cumtime").print_stats(r"segmind_sd3(_api)?/")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m proofs.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, help="by default 7, with --quick 3")
    parser.add_argument(
        "--quick", action="store_true", help="fewer calls: seconds instead of minutes, more noise"
    )
    parser.add_argument("--profile", action="store_true", help="profile the SDK's calls instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = (3 if options.quick else 7) if options.rounds is None else options.rounds
    if rounds < 1:
        parser.error(f"--rounds {rounds}: give 1 or more")
    # Otherwise both clients would use a proxy of the environment for loopback.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    with ExitStack() as stack:
        command = stack.enter_context(server_command())
        if options.profile:
            profile(command)
            return
        status = stack.enter_context(Console(stderr=True).status("measuring"))
        done: list[Comparison] = []
        for each in comparisons(command, rounds=rounds, quick=options.quick):
            done.append(each)
            status.update(f"measured {each.name}")
    server = "Python" if command == PYTHON_SERVER else "C"
    if options.json:
        report = {"server": server, "rounds": rounds, "comparisons": [each.as_json() for each in done]}
        print(json.dumps(report, indent=1))
    else:
        title = f"A call through the SDK and through bare httpx; {rounds} rounds, server in {server}"
        console.print(make_table(done, title))
        if server == "Python":
            console.print(
                "A server in Python slows the faster client down. Install a C compiler for true ratios."
            )
    sys.exit(any(each.fails for each in done))


if __name__ == "__main__":
    main()
