"""Measure a batch whose journal is in PostgreSQL beside one in SQLite, and claims among few and many jobs.

It starts the machine's PostgreSQL in a temporary folder, with the settings of its package. The exit code is 1
if 10,000 jobs take over 1.3 times as long as with SQLite, against a server that answers at once or one that
takes a while, or if a claim takes twice as long among a million jobs as among a thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from segmind_sd3 import AsyncClient
from segmind_sd3._batch.databases import parse_journal
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.values import Claim, Finish

from proofs.bench.batches import parameters, stub
from proofs.bench.network import KEY
from proofs.fixtures.postgres_server import find_postgres, postgres_server

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from proofs.fixtures.postgres_server import PostgresServer

AT_ONCE: Final = 64
MOST_SLOWER: Final = 1.3
MOST_AMONG_MANY: Final = 2.0
SQLITE: Final = "sqlite"
FILL: Final = (
    """INSERT INTO jobs (n, id, digest, operation, parameters, state, attempt, tries, price, cost, uncertain,
        files, error, message) SELECT n, n, n, '', '{}', 'waiting', 0, 0, 1, 0, 0, '[]', '', ''
        FROM generate_series(1, :count) AS n""",
    # The database goes on believing that all of them wait.
    "ANALYZE jobs",
    "UPDATE jobs SET state = 'done' WHERE n <= CAST(:count AS integer) / 2",
)


def send(count: int, url: str, journal: str) -> float:
    """Send so many jobs, and return the seconds that it took."""

    async def run(folder: str) -> float:
        begun = time.perf_counter()
        async with (
            AsyncClient(KEY, base_url=url, max_connections=AT_ONCE) as client,
            client.batch(
                parameters(count),
                out=folder,
                journal=None if journal == SQLITE else journal,
                endpoint="sd35_turbo_txt2img",
                at_once=AT_ONCE,
            ) as batch,
        ):
            async for _ in batch:
                pass
        if batch.summary.counts != {"done": count}:
            raise SystemExit(f"the batch did not finish: {batch.summary}")
        return time.perf_counter() - begun

    with TemporaryDirectory() as folder:
        return asyncio.run(run(folder))


def compare(server: PostgresServer, count: int, seconds: float, rounds: int) -> float:
    """Print how long so many jobs take with each database; return the ratio of the medians."""
    times: dict[str, list[float]] = {"PostgreSQL": [], "SQLite": []}
    with stub(seconds) as url:
        for _ in range(rounds):
            for name, each in times.items():
                journal = SQLITE if name == "SQLite" else server.url(uuid.uuid4().hex)
                # A new process has the memory and the connections of no other.
                command = [sys.executable, "-m", "proofs.postgres", "--send", str(count), url, journal]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this file
                each.append(float(done.stdout))
    ratio = median(times["PostgreSQL"]) / median(times["SQLite"])
    shown = "; ".join(f"{name} {', '.join(f'{t:.2f}' for t in each)} s" for name, each in times.items())
    print(
        f"{count} jobs of {seconds:g} s, {AT_ONCE} at once: {shown}: {ratio:.2f} times, at most {MOST_SLOWER}"
    )
    return ratio


def claim_seconds(server: PostgresServer, counts: Sequence[int]) -> list[float]:
    """Return the median time to claim and finish a job among so many, of which half are done."""
    with ExitStack() as stack:
        journals = [stack.enter_context(_half_done(server, count)) for count in counts]
        times: list[list[float]] = [[] for _ in journals]
        for _ in range(200):  # in turns, since the machine may be busy for a while
            for journal, each in zip(journals, times, strict=True):
                each.append(_work(journal))
    return [median(each) for each in times]


@contextmanager
def _half_done(server: PostgresServer, count: int) -> Generator[Journal]:
    batch = uuid.uuid4().hex
    with closing(Journal(parse_journal(server.url(batch), Path("out")))) as journal, journal.running():
        for statement in FILL:
            with journal._transaction() as connection:  # noqa: SLF001 - a million jobs take minutes by `add`  # pyright: ignore[reportPrivateUsage]
                connection.execute(sa.text(f"SET LOCAL search_path TO segmind_{batch}"))
                connection.execute(sa.text(statement), {"count": count})
        for _ in range(20):
            _work(journal)
        yield journal


def _work(journal: Journal) -> float:
    begun = time.perf_counter()
    claim = Claim()
    journal.apply([claim])
    if claim.job is None:
        raise SystemExit("there is no job left")
    journal.apply([Finish(claim.job, "done", billed=True)])
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000, help="jobs of the large journal")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.0, 0.2], help="of each call")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--send", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        count, url, journal = options.send
        print(send(int(count), url, journal))
        return 0
    programs = find_postgres()
    if programs is None:
        print("There is no PostgreSQL server: install Debian's package postgresql.", file=sys.stderr)
        return 2
    with postgres_server(programs) as server:
        few, many = claim_seconds(server, [1_000, options.many])
        print(
            f"claim, finish: {1e3 * few:.2f} ms among 1000 jobs, {1e3 * many:.2f} among {options.many:,}\n"
            f"  {many / few:.2f} times, at most {MOST_AMONG_MANY}",
            flush=True,
        )
        ratios = [compare(server, options.jobs, seconds, options.rounds) for seconds in options.seconds]
    return int(many > MOST_AMONG_MANY * few or max(ratios) > MOST_SLOWER)


if __name__ == "__main__":
    sys.exit(main())
