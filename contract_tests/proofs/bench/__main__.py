"""Compare the SDK with other clients: the same calls to the same bare server on loopback, in turns.

Only ratios have limits, since times depend on the machine. The exit code is 1 if a ratio misses its limit.
The figures are written to out/bench as JSON, and some of them as a chart.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import platform
import pstats
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import segmind_sd3
from rich.console import Console

from proofs.bench import batches, network, programs
from proofs.bench.options import Options
from proofs.bench.peers import OURS, PEERS, ROOT, set_up
from proofs.bench.report import as_json, chart, tables
from proofs.bench.server import PYTHON_SERVER, jpeg, server_command, serving
from proofs.bench.worker import Task, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from proofs.bench.figures import Figure

PARTS: Final[dict[str, Callable[[Options], Iterator[Figure]]]] = {
    "import": network.starts,
    "sync": network.single_calls,
    "async": network.calls_at_once,
    "pictures": network.pictures_in,
    "files": network.pictures_to_files,
    "many": network.many_calls,
    "generation": programs.generation,
    "suite": programs.suite,
    "reference": network.reference_calls,
    "batch": batches.batches,
}

OUT: Final = ROOT / "out/bench"
PROFILE_SIZE: Final = 30_000
PROFILE_SECONDS: Final = 1.0
PROFILE_LINES: Final = 40


def profile(command: Sequence[str]) -> None:
    """Print the time of the SDK's calls by function."""
    picture = jpeg(PROFILE_SIZE)
    with serving(command, picture) as url, asyncio.Runner() as runner:

        def run(awaitable: Awaitable[Any]) -> Any:
            async def awaited() -> Any:
                return await awaitable

            return runner.run(awaited())

        client = Worker(OURS, Task(network.task_of("picture", url)), run)
        client.first()
        for name, measure in (
            ("one by one", partial(client.one_by_one, PROFILE_SECONDS)),
            ("async, 64 at once", partial(client.at_once, 64, PROFILE_SECONDS)),
        ):
            with cProfile.Profile() as recorder:
                measure()
            print(f"{name}: {PROFILE_SECONDS} s, replies of {len(picture):,} bytes")
            stats = pstats.Stats(recorder)
            stats.sort_stats("tottime").print_stats(PROFILE_LINES)
            stats.sort_stats("cumtime").print_stats(r"segmind_sd3(_api)?/")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m proofs.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts, clients = ", ".join(PARTS), ", ".join(PEERS)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"measure these of: {parts}")
    parser.add_argument(
        "--clients", nargs="+", choices=PEERS, metavar="CLIENT", help=f"beside the SDK, these of: {clients}"
    )
    parser.add_argument("--rounds", type=int, help="by default 7, with --quick 3")
    parser.add_argument("--quick", action="store_true", help="less of everything: more noise")
    parser.add_argument("--profile", action="store_true", help="profile the SDK's calls instead")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    rounds = (3 if options.quick else 7) if options.rounds is None else options.rounds
    if rounds < 1:
        parser.error(f"--rounds {rounds}: give 1 or more")
    # The profiled calls must go through no proxy of the environment, nor must the other processes.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    with server_command() as command:
        if options.profile:
            profile(command)
            return 0
        with Console(stderr=True).status("installing the clients") as status:
            chosen = [OURS, *options.clients] if options.clients else list(PEERS)
            missing = set_up(chosen)
            if OURS in missing:
                raise SystemExit(missing[OURS])
            chosen = [name for name in chosen if name not in missing]
            turn = (0.05, 1) if options.quick else (0.2, 3)
            run = Options(command, rounds, *turn, short=options.quick, chosen=chosen, missing=missing)
            figures: list[Figure] = []
            for part in options.only or PARTS:
                status.update(f"measuring {part}")
                for each in PARTS[part](run):
                    figures.append(each)
                    status.update(f"measuring {part}: {each.name} is done")
    return show(figures, run, as_text=options.json)


def show(figures: Sequence[Figure], run: Options, *, as_text: bool) -> int:
    """Write the report and the chart, print the tables or JSON, and return the exit code."""
    server = "Python" if run.server == PYTHON_SERVER else "C"
    about = {
        "segmind_sd3": segmind_sd3.__version__,
        "python": platform.python_version(),
        "server": server,
        "rounds": run.rounds,
        "clients": {name: " ".join(PEERS[name].requirements) for name in run.chosen},
        "missing": run.missing,
    }
    report = json.dumps(as_json(figures, about), indent=1)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "bench.json").write_text(report + "\n", "utf-8")
    (OUT / "bench.svg").write_text(chart(figures), "utf-8")
    failures = [line for figure in figures for line in figure.failures()]
    if as_text:
        print(report)
        return bool(failures)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    for table in tables(figures, f"{run.rounds} rounds, server in {server}"):
        console.print(table)
    for name, reason in run.missing.items():
        console.print(f"{name} is left out: {reason}.")
    if server == "Python":
        console.print(
            "A server in Python slows the faster client down. Install a C compiler for true ratios."
        )
    for line in failures:
        console.print(f"Over its limit: {line}.", style="red")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
