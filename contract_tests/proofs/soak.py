"""Prove that many concurrent async calls, with faults and random cancellation, leak nothing.

The calls use real sockets and a reference server in a thread. Every other call provokes a random fault, which
any of the concurrent calls may get. Seeds identify calls and repeat, so the server's store of pictures fills
early, and later growth of memory is a leak. At the end, concurrent normal calls on the same client must all
be answered.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Final

import anyio
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Generation, Retry, SegmindError
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.terminal import Console

from proofs.faults.rows import ONE, ROWS
from proofs.fixtures.ledger import Sending, repeat_violations
from proofs.fixtures.traces import resident_bytes, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from proofs.faults.rows import Params

DEADLINE: Final = 1.0
"""The deadline of a call, in seconds, long enough to wait for a connection."""

SEEDS: Final = 1000
"""The number of seeds, far more than concurrent calls."""

WARM_UP: Final = 5000
"""The number of calls after which memory must stay flat."""

MAX_GROWTH: Final = 1.1
"""The permitted growth of memory, as a factor."""

CANCELLED_WITHIN: Final = (0.0, 0.002, 0.01, 0.2)
"""Upper bounds, in seconds, for the random time of a cancellation."""

FINAL_CALLS: Final = 64
"""The number of concurrent normal calls after all others."""

PATIENCE: Final = 20.0
"""The deadline of a final call, in seconds, long enough for a busy machine."""

FAULTS: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
"""All faults but those with large replies, which would hide a leak."""


@dataclass(slots=True)
class Soak:
    """The results of a soak. `violations` must stay empty. Memory is that of the process, in bytes."""

    calls: int
    at_once: int
    to_cancel: int = 0
    seconds: float = 0.0
    memory_after_warm_up: int = 0
    memory_at_the_end: int = 0
    sendings: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])


CANCELLED: Final = "cancelled"
"""The outcome of a call that was cancelled."""


class _LedgerReader:
    """Collects the sendings of each seed since its last use. The ledger itself drops old entries."""

    def __init__(self, server: ReferenceServer, soak: Soak) -> None:
        self._server = server
        self._soak = soak
        self._read: set[int] = set()
        self._sendings: dict[int, list[Sending]] = {}
        self._reported: dict[int, bool | None] = {}

    def open(self, seed: int) -> None:
        """Begin a call, and check the previous call with its seed."""
        self.read()
        sendings = self._sendings.pop(seed, [])
        reported, billed = self._reported.pop(seed, None), any(sending.billed for sending in sendings)
        self._soak.violations += repeat_violations(sendings)
        if reported is not None and reported != billed:
            self._soak.violations.append(
                f"call {seed} reports billed={reported}, but the ledger has {billed}"
            )

    def close(self, seed: int, end: object) -> None:
        if end is CANCELLED:
            return
        if isinstance(end, (Generation, SegmindError)):
            self._reported[seed] = True if isinstance(end, Generation) else end.billed
        else:
            self._soak.violations.append(
                f"call {seed} ended with another exception: {type(end).__name__}: {end}"
            )

    def read(self) -> None:
        entries = self._server.ledger
        for entry in entries:
            if entry.n not in self._read:
                self._sendings.setdefault(entry.body["seed"], []).append(Sending.of(entry))
                self._soak.sendings += 1
        self._read = {entry.n for entry in entries}


async def _outcome(client: AsyncClient, params: Params, seconds: float | None = None) -> object:
    """Make a call, cancel it after some seconds, and return its outcome."""
    with anyio.move_on_after(seconds):
        try:
            return await client.sd35_turbo_txt2img(**params)
        except Exception as error:  # noqa: BLE001 - any exception is a result
            return error
    return CANCELLED


async def _final_calls(client: AsyncClient, soak: Soak) -> None:
    """Make concurrent normal calls after all others. Each must be answered."""

    async def call(seed: int) -> None:
        end = await _outcome(client, {**ONE, "seed": seed})
        if not isinstance(end, Generation):
            soak.violations.append(f"a final call ended as {_kind(end)}: {end}")

    async with anyio.create_task_group() as calls:
        for n in range(FINAL_CALLS):
            calls.start_soon(call, SEEDS + n)


def _kind(end: object) -> str:
    if end is CANCELLED:
        return CANCELLED
    return "picture" if isinstance(end, Generation) else type(end).__name__


async def _run(soak: Soak, server: ReferenceServer, url: str, after_each: Callable[[], object]) -> None:
    books, random = _LedgerReader(server, soak), Random(soak.calls)  # noqa: S311 - a test, not a secret
    numbers = iter(range(soak.calls))
    before = {task.id for task in anyio.get_running_tasks()}

    async def worker(client: AsyncClient) -> None:
        for number in numbers:
            if number == WARM_UP:
                soak.memory_after_warm_up = resident_bytes()
            params: Params = {**ONE, "seed": number % SEEDS}
            books.open(params["seed"])
            if number % 2:
                server.provoke(random.choice(FAULTS))
            seconds = None
            # About half of the calls end before they are cancelled.
            remaining = soak.to_cancel - soak.ended[CANCELLED]
            if random.random() < 2 * remaining / (soak.calls - number):
                seconds = random.random() * random.choice(CANCELLED_WITHIN)
            end = await _outcome(client, params, seconds)
            books.close(params["seed"], end)
            soak.ended[_kind(end)] += 1
            after_each()

    # Each call ends by its deadline, so the whole run does too.
    with anyio.fail_after(60 + soak.calls * DEADLINE / soak.at_once):
        async with AsyncClient(
            MADE_UP_KEY, base_url=url, timeout=DEADLINE, retry=Retry(attempts=3, backoff=0.01)
        ) as client:
            async with anyio.create_task_group() as workers:
                for _ in range(soak.at_once):
                    workers.start_soon(worker, client)
            soak.memory_at_the_end = resident_bytes()
            server.calm()
            await _final_calls(client.with_options(timeout=PATIENCE), soak)
    for seed in range(SEEDS):
        books.open(seed)
    left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
    soak.violations += [f"task left behind: {name}" for name in left]


def run_soak(
    calls: int,
    at_once: int,
    *,
    cancelled: int = 0,
    backend: str = "asyncio",
    after_each: Callable[[], object] = lambda: None,
) -> Soak:
    """Make `calls` calls, `at_once` at a time, and cancel some. `after_each` is called after each."""
    soak = Soak(calls, at_once, cancelled)
    server = ReferenceServer(credits=1e6)
    with watching(logs=False) as watch, server.listening() as url:
        begun = time.perf_counter()
        anyio.run(_run, soak, server, url, after_each, backend=backend)
        soak.seconds = time.perf_counter() - begun
    soak.violations += watch.warnings
    if watch.files > 0:
        soak.violations.append(f"{watch.files} sockets are open")
    if soak.memory_after_warm_up and soak.memory_at_the_end > MAX_GROWTH * soak.memory_after_warm_up:
        soak.violations.append(f"memory grew from {_megabytes(soak.memory_after_warm_up)}")
    if soak.ended.total() != calls:
        soak.violations.append(f"only {soak.ended.total()} calls ended")
    return soak


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else "not measured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--cancelled", type=int, default=5_000, help="the number of calls to cancel")
    parser.add_argument("--trio", action="store_true", help="use trio instead of asyncio")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(highlight=False)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"{options.at_once} at once", total=options.calls)
        backend = "trio" if options.trio else "asyncio"
        soak = run_soak(
            options.calls,
            options.at_once,
            cancelled=min(options.cancelled, options.calls),
            backend=backend,
            after_each=lambda: progress.advance(bar),
        )
    if options.json:
        print(json.dumps(asdict(soak), indent=1))
    else:
        console.print(
            f"{soak.calls} calls, {soak.at_once} at once, in {soak.seconds:.0f} s: "
            f"{soak.calls / soak.seconds:.0f} calls a second, {soak.sendings} sendings"
        )
        console.print(", ".join(f"{count} {name}" for name, count in soak.ended.most_common()))
        console.print(
            f"memory: {_megabytes(soak.memory_after_warm_up)} after {WARM_UP} calls, "
            f"{_megabytes(soak.memory_at_the_end)} at the end"
        )
        for each in islice(soak.violations, 50):
            console.print(each, style="red")
        console.print(f"{len(soak.violations)} violations")
    sys.exit(bool(soak.violations))


if __name__ == "__main__":
    main()
