"""Many async calls at once, under faults and cancelled at random: nothing left open, and memory stays flat.

Over real sockets, to a reference server in a thread of this process. Every other call arms a random fault, of
HTTP or of the wire; which call meets it is left to chance. A call is known by its seed; seeds come round, so
that the server's store of pictures is full early on and what grows afterwards is a leak. In the end as many
honest calls as went at once must all be answered, on the same client.
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
from proofs.fixtures.ledger import Sending, sent_in_vain
from proofs.fixtures.traces import resident_bytes, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from proofs.faults.rows import Params

DEADLINE: Final = 1.0
"""Seconds that a call has: an honest one has to wait for its turn among all the others."""

SEEDS: Final = 1000
"""Seeds that come round; far more than calls are under way."""

WARM_UP: Final = 5000
"""Calls after which memory must be flat."""

GROWTH: Final = 1.1
"""How much it may grow all the same."""

CANCELLED_WITHIN: Final = (0.0, 0.002, 0.01, 0.2)
"""Seconds within which a call is cancelled: before it has a connection, and at every moment after."""

LATER: Final = 64
"""Honest calls after all others, all at once."""

PATIENCE: Final = 20.0
"""Seconds that an honest call has: a busy machine must not make a fault of it."""

FAULTS: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
"""All but those that fill the memory up to a limit: they would hide a leak."""


@dataclass(slots=True)
class Soak:
    """What came of a soak; `wrong` is what must not be. Memory is that of the process, in bytes."""

    calls: int
    at_once: int
    to_cancel: int = 0
    seconds: float = 0.0
    memory_after_warm_up: int = 0
    memory_at_the_end: int = 0
    sendings: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])


CANCELLED: Final = "cancelled"
"""The end of a call that was cancelled before it had another."""


class _Books:
    """What was sent for each seed since it was last used, read from the ledger, which forgets the oldest."""

    def __init__(self, server: ReferenceServer, soak: Soak) -> None:
        self._server = server
        self._soak = soak
        self._read: set[int] = set()
        self._sendings: dict[int, list[Sending]] = {}
        self._says: dict[int, bool | None] = {}

    def open(self, seed: int) -> None:
        """Begin a call, and judge the last one that had its seed."""
        self.read()
        sendings = self._sendings.pop(seed, [])
        says, billed = self._says.pop(seed, None), any(sending.billed for sending in sendings)
        self._soak.wrong += sent_in_vain(sendings)
        if says is not None and says != billed:
            self._soak.wrong.append(f"call {seed} says billed={says}, and the ledger {billed}")

    def close(self, seed: int, end: object) -> None:
        if end is CANCELLED:
            return
        if isinstance(end, (Generation, SegmindError)):
            self._says[seed] = True if isinstance(end, Generation) else end.billed
        else:
            self._soak.wrong.append(f"call {seed} ended outside the tree: {type(end).__name__}: {end}")

    def read(self) -> None:
        entries = self._server.ledger
        for entry in entries:
            if entry.n not in self._read:
                self._sendings.setdefault(entry.body["seed"], []).append(Sending.of(entry))
                self._soak.sendings += 1
        self._read = {entry.n for entry in entries}


async def _ended(client: AsyncClient, params: Params, seconds: float | None = None) -> object:
    """Make a call, cancelled after so many seconds, and give what came of it."""
    with anyio.move_on_after(seconds):
        try:
            return await client.sd35_turbo_txt2img(**params)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
            return error
    return CANCELLED


async def _call_later(client: AsyncClient, soak: Soak) -> None:
    """Make honest calls after all others, all at once: each must be answered."""

    async def call(seed: int) -> None:
        end = await _ended(client, {**ONE, "seed": seed})
        if not isinstance(end, Generation):
            soak.wrong.append(f"a later call ended as {_name(end)}: {end}")

    async with anyio.create_task_group() as calls:
        for n in range(LATER):
            calls.start_soon(call, SEEDS + n)


def _name(end: object) -> str:
    if end is CANCELLED:
        return CANCELLED
    return "picture" if isinstance(end, Generation) else type(end).__name__


async def _soaked(soak: Soak, server: ReferenceServer, url: str, each: Callable[[], object]) -> None:
    books, random = _Books(server, soak), Random(soak.calls)  # noqa: S311 - a test, not a secret
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
            # About every other call ends before it is cancelled.
            missing = soak.to_cancel - soak.ended[CANCELLED]
            if random.random() < 2 * missing / (soak.calls - number):
                seconds = random.random() * random.choice(CANCELLED_WITHIN)
            end = await _ended(client, params, seconds)
            books.close(params["seed"], end)
            soak.ended[_name(end)] += 1
            each()

    # Each call ends by its deadline; so does the whole.
    with anyio.fail_after(60 + soak.calls * DEADLINE / soak.at_once):
        async with AsyncClient(
            MADE_UP_KEY, base_url=url, timeout=DEADLINE, retry=Retry(attempts=3, backoff=0.01)
        ) as client:
            async with anyio.create_task_group() as workers:
                for _ in range(soak.at_once):
                    workers.start_soon(worker, client)
            soak.memory_at_the_end = resident_bytes()
            server.calm()
            await _call_later(client.with_options(timeout=PATIENCE), soak)
    for seed in range(SEEDS):
        books.open(seed)
    left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
    soak.wrong += [f"task left behind: {name}" for name in left]


def soaked(
    calls: int,
    at_once: int,
    *,
    cancelled: int = 0,
    backend: str = "asyncio",
    each: Callable[[], object] = lambda: None,
) -> Soak:
    """Make so many calls, so many at once, and cancel some; `each` is called after each."""
    soak = Soak(calls, at_once, cancelled)
    server = ReferenceServer(credits=1e6)
    with watching(logs=False) as watch, server.listening() as url:
        begun = time.perf_counter()
        anyio.run(_soaked, soak, server, url, each, backend=backend)
        soak.seconds = time.perf_counter() - begun
    soak.wrong += watch.warnings
    if watch.files > 0:
        soak.wrong.append(f"{watch.files} sockets are open")
    if soak.memory_after_warm_up and soak.memory_at_the_end > GROWTH * soak.memory_after_warm_up:
        soak.wrong.append(f"memory grew from {_megabytes(soak.memory_after_warm_up)}")
    if soak.ended.total() != calls:
        soak.wrong.append(f"{soak.ended.total()} calls ended")
    return soak


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else "not measured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--cancelled", type=int, default=5_000, help="how many of them are cancelled")
    parser.add_argument("--trio", action="store_true", help="on trio in place of asyncio")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    console = Console(highlight=False)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"{asked.at_once} at once", total=asked.calls)
        backend = "trio" if asked.trio else "asyncio"
        soak = soaked(
            asked.calls,
            asked.at_once,
            cancelled=min(asked.cancelled, asked.calls),
            backend=backend,
            each=lambda: progress.advance(bar),
        )
    if asked.json:
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
        for each in islice(soak.wrong, 50):
            console.print(each, style="red")
        console.print(f"{len(soak.wrong)} things that must not be")
    sys.exit(bool(soak.wrong))


if __name__ == "__main__":
    main()
