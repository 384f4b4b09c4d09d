"""Time the compared calls in turns, so that noise affects both sides alike."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx
from segmind_sd3 import AsyncClient, Client

from proofs.bench.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence

    Call = Callable[[], bytes]
    AsyncCall = Callable[[], Awaitable[bytes]]

KEY: Final = "SG_0123456789abcdef"
PROMPT: Final = "a panda"
CONCURRENCY: Final = 64
IMPORTS_PER_ROUND: Final = 5

POOL: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100)
"""The pool of bare httpx. Its default of 20 idle connections would reopen most of 64 connections."""

HTTPX_TIMEOUT: Final = 60.0
"""The timeout of bare httpx. Its default of five seconds could end a run on a busy machine."""


class Cost(NamedTuple):
    """The seconds of one call: wall time (the median; for concurrent calls the mean) and CPU time."""

    wall: float
    cpu: float


@contextmanager
def sync_calls(url: str, picture: bytes) -> Generator[tuple[Call, Call]]:
    """Yield a call through the SDK and the same call through bare httpx. Both return the picture."""
    path, body, headers = _request(picture)
    with (
        Client(KEY, base_url=url) as client,
        httpx.Client(base_url=url, limits=POOL, timeout=HTTPX_TIMEOUT) as bare,
    ):

        def ours() -> bytes:
            return client.sd35_turbo_txt2img(prompt=PROMPT).image.data

        def theirs() -> bytes:
            return bare.post(path, json=body, headers=headers).content

        _check({"segmind_sd3": ours(), "httpx": theirs()}, picture)
        yield ours, theirs


@asynccontextmanager
async def async_calls(url: str, picture: bytes) -> AsyncGenerator[tuple[AsyncCall, AsyncCall]]:
    """Yield the same two calls with `await`."""
    path, body, headers = _request(picture)
    async with (
        AsyncClient(KEY, base_url=url) as client,
        httpx.AsyncClient(base_url=url, limits=POOL, timeout=HTTPX_TIMEOUT) as bare,
    ):

        async def ours() -> bytes:
            return (await client.sd35_turbo_txt2img(prompt=PROMPT)).image.data

        async def theirs() -> bytes:
            return (await bare.post(path, json=body, headers=headers)).content

        _check({"segmind_sd3": await ours(), "httpx": await theirs()}, picture)
        yield ours, theirs


def _request(picture: bytes) -> tuple[str, object, dict[str, str]]:
    """Return path, JSON and headers of the SDK's own request, so that bare httpx sends the same."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, headers={"content-type": "image/jpeg"}, content=picture)

    with Client(KEY, transport=httpx.MockTransport(answer)) as client:
        client.sd35_turbo_txt2img(prompt=PROMPT)
    return sent[0].url.path, json.loads(sent[0].content), {"x-api-key": KEY}


def _check(received: dict[str, bytes], picture: bytes) -> None:
    for name, data in received.items():
        if data != picture:
            raise SystemExit(
                f"{name} returned {len(data)} bytes that are not the {len(picture)} of the picture"
            )


def compare_sync(url: str, picture: bytes, rounds: int, calls: int) -> list[Comparison]:
    """Compare single calls, made in turns."""
    with sync_calls(url, picture) as both:
        _sync_round(both, calls=20)
        costs = [_sync_round(both, calls) for _ in range(rounds)]
    name = f"sync, {len(picture) // 1000} KB"
    return [
        Comparison(f"{name}: p50", "µs", [(ours.wall * 1e6, theirs.wall * 1e6) for ours, theirs in costs]),
        _cpu(name, costs),
    ]


def _sync_round(both: Sequence[Call], calls: int) -> list[Cost]:
    gc.collect()
    wall: tuple[list[float], ...] = ([], [])
    cpu = [0.0, 0.0]
    for number in range(calls):
        # The sides take turns at going first.
        for side in (0, 1) if number % 2 else (1, 0):
            call, cpu_before, before = both[side], time.process_time(), time.perf_counter()
            call()
            wall[side].append(time.perf_counter() - before)
            cpu[side] += time.process_time() - cpu_before
    return [Cost(median(wall[side]), cpu[side] / calls) for side in (0, 1)]


async def compare_async(url: str, picture: bytes, rounds: int, calls: int) -> list[Comparison]:
    """Compare concurrent calls, in turns of `calls` for each side."""
    async with async_calls(url, picture) as both:
        await _async_round(both, CONCURRENCY, first=0)
        costs = [await _async_round(both, calls, first=number % 2) for number in range(rounds)]
    name = f"async, {len(picture) // 1000} KB"
    return [
        Comparison(
            f"{name}: calls a second", "1/s", [(1 / ours.wall, 1 / theirs.wall) for ours, theirs in costs]
        ),
        _cpu(name, costs),
    ]


async def _async_round(both: Sequence[AsyncCall], calls: int, first: int) -> list[Cost]:
    costs = {side: await call_concurrently(both[side], calls) for side in (first, 1 - first)}
    return [costs[0], costs[1]]


async def call_concurrently(call: AsyncCall, calls: int) -> Cost:
    """Make `calls` calls, `CONCURRENCY` at a time."""

    async def worker() -> None:
        for _ in numbers:
            await call()

    gc.collect()
    numbers = iter(range(calls))
    cpu_before, before = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENCY):
            workers.create_task(worker())
    return Cost((time.perf_counter() - before) / calls, (time.process_time() - cpu_before) / calls)


def _cpu(name: str, costs: list[list[Cost]]) -> Comparison:
    return Comparison(f"{name}: CPU", "µs", [(ours.cpu * 1e6, theirs.cpu * 1e6) for ours, theirs in costs])


def compare_imports(rounds: int) -> Comparison:
    """Compare `import segmind_sd3` with `import httpx`, each above a bare interpreter, in fresh processes."""
    programs = ("pass", "import segmind_sd3", "import httpx")
    for program in programs:
        _run(program)  # writes compiled files, and fills the disk cache
    differences: list[tuple[float, float]] = []
    for _ in range(rounds):
        turns = [[_run(program) for program in programs] for _ in range(IMPORTS_PER_ROUND)]
        bare, ours, theirs = (median(taken) * 1e3 for taken in zip(*turns, strict=True))
        differences.append((ours - bare, theirs - bare))
    return Comparison("import", "ms", differences)


def _run(program: str) -> float:
    # Without compiled files, each process would compile the SDK again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)  # noqa: S603 - see above
    return time.perf_counter() - before
