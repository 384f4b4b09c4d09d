"""Measure a batch beside the same calls without one, against a server that takes a second for each."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3 import AsyncClient
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.tables import BILLION
from segmind_sd3._batch.values import Claim, Finish, NewJob

from proofs.bench.figures import AMONG_FEW, BARE_CALLS, FIRST_QUARTER, Figure
from proofs.bench.network import KEY, MB, turns
from proofs.bench.peers import OURS, ROOT
from proofs.bench.server import jpeg
from proofs.fixtures.traces import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from proofs.bench.options import Options

PICTURE_BYTES: Final = 50_000
JOBS, AT_ONCE, SECONDS = 10_000, 512, 1.0
JOBS_SHORT, AT_ONCE_SHORT, SECONDS_SHORT = 500, 64, 0.1
MOST_ROUNDS: Final = 3
"""A round takes most of a minute."""

FEW, MANY, MANY_SHORT = 1_000, 100_000, 2_000
CLAIMS: Final = 20
"""How many jobs are claimed in a turn."""


def batches(options: Options) -> Iterator[Figure]:
    """Measure time, CPU and memory of a batch, and how long a claim takes among few and many jobs."""
    jobs, at_once, seconds = (
        (JOBS_SHORT, AT_ONCE_SHORT, SECONDS_SHORT) if options.short else (JOBS, AT_ONCE, SECONDS)
    )
    costs: dict[str, list[dict[str, float]]] = {OURS: [], BARE_CALLS: []}
    for turn in turns(list(costs), min(options.rounds, MOST_ROUNDS)):
        for name in turn:
            # A new process has the memory of no other calls.
            command = [
                sys.executable,
                "-m",
                "proofs.bench.batches",
                name,
                f"{jobs}",
                f"{at_once}",
                f"{seconds}",
            ]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this file
            costs[name].append(json.loads(done.stdout))
    name = f"batch, {jobs:,} jobs of {seconds:g} s, {at_once} at once"
    yield Figure(f"{name}: time", "s", {each: [cost["wall"] for cost in costs[each]] for each in costs})
    cpu = {each: [1e6 * cost["cpu"] / jobs for cost in costs[each]] for each in costs}
    yield Figure(f"{name}: CPU of a job", "µs", cpu)
    memory = {
        side: [cost[key] / MB for cost in costs[OURS]]
        for side, key in ((OURS, "late"), (FIRST_QUARTER, "early"))
    }
    yield Figure(f"{name}: memory at the end", "MB", memory)
    yield claims(options)


# -- A batch, and the same calls without one --------------------------------------------------------------


class _Memory:
    """Notes the memory after a quarter of the calls."""

    def __init__(self, count: int) -> None:
        self._left, self.early = count // 4, 0

    def one(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.early = resident_bytes()


def parameters(count: int) -> Iterator[dict[str, Any]]:
    return ({"prompt": f"a lighthouse {n}", "seed": n} for n in range(count))


async def bare(client: AsyncClient, count: int, at_once: int, memory: _Memory, _folder: str) -> None:
    """Make the calls, so many at once, and keep nothing."""
    left = parameters(count)

    async def work() -> None:
        for each in left:
            await client.sd35_turbo_txt2img(**each)
            memory.one()

    await asyncio.gather(*(work() for _ in range(at_once)))


async def batched(client: AsyncClient, count: int, at_once: int, memory: _Memory, folder: str) -> None:
    """Send the calls as jobs of a batch, whose pictures are stored."""
    endpoint = "sd35_turbo_txt2img"
    async with client.batch(parameters(count), out=folder, endpoint=endpoint, at_once=at_once) as batch:
        async for _ in batch:
            memory.one()
    if batch.summary.counts != {"done": count}:
        raise SystemExit(f"the batch did not finish: {batch.summary}")


Way = Callable[[AsyncClient, int, int, _Memory, str], Awaitable[None]]
WAYS: Final[dict[str, Way]] = {OURS: batched, BARE_CALLS: bare}


def measure(way: Way, count: int, at_once: int, seconds: float) -> dict[str, float]:
    """Return the seconds and CPU seconds that the calls took, and the memory in between and at the end."""

    async def run(url: str, folder: str) -> dict[str, float]:
        memory = _Memory(count)
        async with AsyncClient(KEY, base_url=url, max_connections=at_once) as client:
            wall, cpu = time.perf_counter(), time.process_time()
            await way(client, count, at_once, memory, folder)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall, "cpu": cpu, "early": memory.early, "late": resident_bytes()}

    # The removal of the folder is not measured.
    with _folder() as folder, stub(seconds) as url:
        return asyncio.run(run(url, folder))


def _folder() -> TemporaryDirectory[str]:
    """Return a folder on the checkout's disk: the system's own may be in memory, where fsync is free."""
    (ROOT / "out").mkdir(exist_ok=True)
    return TemporaryDirectory(dir=ROOT / "out")


# -- The server: another process --------------------------------------------------------------------------


class _Stub(asyncio.Protocol):
    """Answers each request after some seconds."""

    def __init__(self, reply: bytes, seconds: float) -> None:
        self._reply, self._seconds, self._read = reply, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            size = end + 4 + int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._read) < size:
                return
            self._read = self._read[size:]
            asyncio.get_running_loop().call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._reply)


async def _serve(seconds: float) -> None:
    picture = jpeg(PICTURE_BYTES)
    head = "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\nx-cost: 0.0035\r\n"
    reply = f"{head}content-length: {len(picture)}\r\n\r\n".encode() + picture
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stub(reply, seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the bench ends


@contextmanager
def stub(seconds: float) -> Generator[str]:
    """Run the server, and yield its URL."""
    words = [sys.executable, "-m", "proofs.bench.batches", "serve", f"{seconds}"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdout is not None  # noqa: S101 - tells pyright what PIPE means
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate()


def _allow_files() -> None:
    """Allow as many open files as the system does: each connection is one."""
    if os.name == "posix":
        import resource  # noqa: PLC0415 - Windows has no such module

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# -- The journal ------------------------------------------------------------------------------------------


def claims(options: Options) -> Figure:
    """Measure the time to claim and finish a job among few and among many, of which half are done."""
    many = MANY_SHORT if options.short else MANY
    times: dict[str, list[float]] = {OURS: [], AMONG_FEW: []}
    with (
        _folder() as large,
        _folder() as small,
        closing(_half_done(large, many)) as ours,
        closing(_half_done(small, FEW)) as few,
    ):
        journals = {OURS: ours, AMONG_FEW: few}
        for turn in turns(list(journals), options.rounds):
            for name in turn:
                times[name].append(1e3 * median(_work(journals[name], 1) for _ in range(CLAIMS)))
    return Figure(f"claim and finish among {many:,} jobs", "ms", times)


def _half_done(folder: str, jobs: int) -> Journal:
    journal = Journal(Path(folder))
    for start in range(0, jobs, 500):
        journal.add([NewJob(f"{n}", f"{n}", "", "{}", BILLION, "") for n in range(start, start + 500)])
    for _ in range(jobs // 2 // 500):
        _work(journal, 500)
    return journal


def _work(journal: Journal, count: int) -> float:
    """Claim and finish so many jobs, and return the seconds that it took."""
    begun = time.perf_counter()
    claimed = [Claim() for _ in range(count)]
    journal.apply(claimed)
    journal.apply([Finish(claim.job, "done", billed=True) for claim in claimed if claim.job])
    return time.perf_counter() - begun


if __name__ == "__main__":
    _allow_files()
    if sys.argv[1] == "serve":
        asyncio.run(_serve(float(sys.argv[2])))
    else:
        print(json.dumps(measure(WAYS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
