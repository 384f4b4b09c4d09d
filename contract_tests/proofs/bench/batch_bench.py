"""Time a batch beside the same calls without one, against a server that takes a second for each.

`python -m proofs.bench.batch_bench` prints wall time, CPU time and memory of both, and how long it takes to
claim a job of an empty and of a large journal. The exit code is 1 if the batch takes more than 5 % longer, if
its memory grows, or if a claim takes twice as long among many jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from segmind_sd3 import AsyncClient
from segmind_sd3._batch.journal import BILLION, Claim, Finish, Journal, NewJob

from proofs.bench.server import jpeg
from proofs.fixtures.traces import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

KEY: Final = "SG_0123456789abcdef"
PICTURE_BYTES: Final = 50_000
MOST_OVERHEAD: Final = 1.05
MOST_GROWTH: Final = 1.25
MOST_SLOWER: Final = 2.0


class Cost(NamedTuple):
    """What the calls took: seconds, CPU seconds, and the memory after a quarter of them and at the end."""

    wall: float
    cpu: float
    early: int
    late: int


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
    words = [sys.executable, "-m", "proofs.bench.batch_bench", "--serve", str(seconds)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdout is not None  # noqa: S101 - tells pyright what PIPE means
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate()


# -- What is compared -------------------------------------------------------------------------------------


def parameters(count: int) -> Iterator[dict[str, Any]]:
    return ({"prompt": f"a lighthouse {n}", "seed": n} for n in range(count))


class _Memory:
    """Notes the memory after a quarter of the calls."""

    def __init__(self, count: int) -> None:
        self._left, self.early = count // 4, 0

    def one(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.early = resident_bytes()


async def bare(client: AsyncClient, count: int, at_once: int, memory: _Memory) -> None:
    """Make the calls, so many at once, and keep nothing."""
    left = parameters(count)

    async def work() -> None:
        for each in left:
            await client.sd35_turbo_txt2img(**each)
            memory.one()

    await asyncio.gather(*(work() for _ in range(at_once)))


async def batched(client: AsyncClient, count: int, at_once: int, memory: _Memory) -> None:
    """Send the calls as jobs of a batch, whose pictures are stored."""
    with TemporaryDirectory(dir=Path.cwd()) as folder:
        async with client.batch(
            parameters(count), out=folder, endpoint="sd35_turbo_txt2img", at_once=at_once
        ) as batch:
            async for _ in batch:
                memory.one()
        if batch.summary.counts != {"done": count}:
            raise AssertionError(batch.summary)


Way = Callable[[AsyncClient, int, int, _Memory], Awaitable[None]]


def measure(way: Way, url: str, count: int, at_once: int) -> Cost:
    async def run() -> Cost:
        memory = _Memory(count)
        async with AsyncClient(KEY, base_url=url, max_connections=at_once) as client:
            wall, cpu = time.perf_counter(), time.process_time()
            await way(client, count, at_once, memory)
            return Cost(time.perf_counter() - wall, time.process_time() - cpu, memory.early, resident_bytes())

    return asyncio.run(run())


def claim_seconds(jobs: int) -> float:
    """Return the median time to claim and finish one job of a journal, after half of its jobs are done."""
    with TemporaryDirectory(dir=Path.cwd()) as folder, closing(Journal(Path(folder))) as journal:
        for start in range(0, jobs, 500):
            journal.add(
                [NewJob(f"{n}", f"{n}", "", "{}", BILLION, "") for n in range(start, min(start + 500, jobs))]
            )
        for _ in range(jobs // 2 // 500):
            _work(journal, 500)
        times: list[float] = []
        for _ in range(50):
            begun = time.perf_counter()
            _work(journal, 1)
            times.append(time.perf_counter() - begun)
        return median(times)


def _work(journal: Journal, count: int) -> None:
    claims = [Claim() for _ in range(count)]
    journal.apply(claims)
    journal.apply([Finish(claim.job, "done", billed=True) for claim in claims if claim.job])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=1.0, help="what the server takes for each call")
    parser.add_argument("--many", type=int, default=100_000, help="jobs of the large journal")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(_serve(options.serve))
        return 0
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    costs: dict[str, Cost] = {}
    for name, way in (("bare", bare), ("batch", batched)):
        with stub(options.seconds) as url:
            costs[name] = cost = measure(way, url, options.jobs, options.at_once)
        print(
            f"{name:<6} {options.jobs} jobs, {options.at_once} at once: {cost.wall:.2f} s, "
            f"CPU {1e6 * cost.cpu / options.jobs:.0f} us a job, "
            f"memory {cost.early / 1e6:.0f} MB, at the end {cost.late / 1e6:.0f} MB"
        )
    few, many = claim_seconds(1_000), claim_seconds(options.many)
    print(f"claim and finish: {1e3 * few:.2f} ms of 1000 jobs, {1e3 * many:.2f} ms of {options.many}")
    ratio = costs["batch"].wall / costs["bare"].wall
    print(f"the batch takes {ratio:.3f} of the time, at most {MOST_OVERHEAD}")
    grown = costs["batch"].late > MOST_GROWTH * costs["batch"].early
    return int(ratio > MOST_OVERHEAD or grown or many > MOST_SLOWER * few)


if __name__ == "__main__":
    sys.exit(main())
