"""Random sequences of faults, met by calls with random retry policies: is anything paid for twice?

A sequence is a server with faults in a row, a client with a policy, and a few calls. In-process, some
sendings are lost before they leave or on their way as well. What comes of it is judged by `ledger.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Client, Generation, Retry, SegmindError

from segmind_sd3_contract.drivers import DRIVERS
from segmind_sd3_contract.fault_rows import ONE, ROWS
from segmind_sd3_contract.ledger import Sending, sent_in_vain
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.reference.deliveries import DELIVERIES
from segmind_sd3_contract.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from segmind_sd3_contract.drivers import Driver
    from segmind_sd3_contract.fault_rows import Params

AT_ONCE: Final = 16
"""Sequences that run at once: most of their time they wait."""

_SMALL: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
_KINDS: Final = (
    [name for name in _SMALL if ROWS[name].posts > 1],
    [name for name in _SMALL if name in DELIVERIES],
    _SMALL,
)
"""Faults that are tried again, faults of the wire, and all: drawn alike, or few calls would be repeated."""

_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOST: Final = (
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    ConnectionResetError,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One sequence. `losses` has the failure of each sending that does not arrive, by its number."""

    seeds: range
    faults: tuple[str, ...]
    losses: dict[int, type[Exception]]
    timeout: float
    retry: Retry


def planned(number: int, seed: int) -> Plan:
    """Draw the sequence of that number."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - a test, not a secret
    lossy = {n: random.choice(_NEVER_LEFT if random.random() < 0.7 else _LOST) for n in range(15)}
    return Plan(
        seeds=range(10 * number, 10 * number + random.randint(1, 3)),
        faults=tuple(random.choice(random.choice(_KINDS)) for _ in range(random.randint(1, 6))),
        losses={n: loss for n, loss in lossy.items() if random.random() < 0.15},
        timeout=random.choice((0.02, 0.05, 0.1, 0.3)),
        retry=Retry(
            attempts=random.randint(1, 5),
            backoff=random.choice((0.0, 0.001, 0.01)),
            rate_limit_max=random.choice((0.0, 60.0)),
        ),
    )


class Place:
    """A server, what its callers sent, and how their calls ended, by their seeds."""

    def __init__(self) -> None:
        self.server = ReferenceServer(credits=1000)
        self.sendings: list[Sending] = []
        self.ends: list[tuple[int, object]] = []
        self._read: set[int] = set()
        self._lock = threading.Lock()

    def prepare(self, plan: Plan) -> None:
        for fault in plan.faults:
            self.server.provoke(fault)

    def read_ledger(self) -> None:
        """Note what arrived since the ledger was read."""
        with self._lock:
            # By number, not by place: calls that came together are entered in the order in which they end.
            entries = self.server.ledger
            self.sendings.extend(Sending.of(entry) for entry in entries if entry.n not in self._read)
            self._read = {entry.n for entry in entries}

    def wrong(self) -> Iterator[str]:
        """Say what was sent in vain, and where a call says of money what the ledger does not."""
        yield from sent_in_vain(self.sendings)
        for seed, end in self.ends:
            billed = sum(sending.billed for sending in self.sendings if sending.seed == seed)
            if not isinstance(end, (Generation, SegmindError)):
                yield f"call {seed} ended outside the tree: {type(end).__name__}: {end}"
            elif (says := True if isinstance(end, Generation) else end.billed) is not None and billed != says:
                yield f"call {seed} says billed={says}, and was billed {billed} times"


class Road(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries sendings to a server in-process, and loses some."""

    def __init__(self, place: Place, losses: Mapping[int, type[Exception]]) -> None:
        self._place = place
        self._losses = losses
        self._sync = place.server.transport()
        self._async = place.server.async_transport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._lose(request.read())
        try:
            return self._sync.handle_request(request)
        finally:
            self._place.read_ledger()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._lose(await request.aread())
        try:
            return await self._async.handle_async_request(request)
        finally:
            self._place.read_ledger()

    def _lose(self, body: bytes) -> None:
        sendings = self._place.sendings
        if loss := self._losses.get(len(sendings)):
            unsent = loss in _NEVER_LEFT
            sendings.append(Sending(json.loads(body)["seed"], loss.__name__, False, unsent))  # noqa: FBT003 - not billed
            raise loss("lost")


def _params(seed: int) -> Params:
    return {**ONE, "seed": seed}


def _calls(place: Place, plan: Plan, **where: Any) -> None:
    place.prepare(plan)
    with Client(MADE_UP_KEY, timeout=plan.timeout, retry=plan.retry, **where) as client:
        for seed in plan.seeds:
            try:
                place.ends.append((seed, client.sd35_turbo_txt2img(**_params(seed))))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
                place.ends.append((seed, error))
    place.read_ledger()


async def _acalls(place: Place, plan: Plan, **where: Any) -> None:
    place.prepare(plan)
    async with AsyncClient(MADE_UP_KEY, timeout=plan.timeout, retry=plan.retry, **where) as client:
        for seed in plan.seeds:
            try:
                place.ends.append((seed, await client.sd35_turbo_txt2img(**_params(seed))))
            except Exception as error:  # noqa: BLE001 - as above
                place.ends.append((seed, error))
    place.read_ledger()


@dataclass(slots=True)
class Tally:
    """What came of the sequences so far; `wrong` is what must not be."""

    sendings: int = 0
    billed: int = 0
    repeated: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def add(self, place: Place) -> None:
        self.sendings += len(place.sendings)
        self.billed += sum(sending.billed for sending in place.sendings)
        self.repeated += len(place.sendings) - len({sending.seed for sending in place.sendings})
        ends = ("picture" if isinstance(end, Generation) else type(end).__name__ for _, end in place.ends)
        self.ended.update(ends)
        self.wrong += place.wrong()


Lent = tuple[Place, dict[str, Any]]
"""A place, and the options of a client that is to call there."""

Lend = Callable[[Plan], AbstractContextManager[Lent]]


@contextmanager
def in_process(tally: Tally) -> Generator[Lend]:
    """Lend each sequence a place of its own."""

    @contextmanager
    def lend(plan: Plan) -> Generator[Lent]:
        place = Place()
        yield place, {"transport": Road(place, plan.losses)}
        tally.add(place)

    yield lend


@contextmanager
def over_sockets(tally: Tally) -> Generator[Lend]:
    """Lend all of them one place that listens, where their faults mix."""
    place = Place()
    with place.server.listening() as url:
        yield lambda _: nullcontext((place, {"base_url": url}))
    # A call that was given up may have been drawn since; a server that has ended has answered everything.
    place.read_ledger()
    tally.add(place)


def run(plans: Iterable[Plan], driver: Driver, lend: Lend, each: Callable[[], object] = lambda: None) -> None:
    """Run sequences, a number of them at once; `each` is called after each."""

    def blocking(plan: Plan) -> None:
        with lend(plan) as (place, where):
            _calls(place, plan, **where)
        each()

    async def awaited() -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(plan: Plan) -> None:
            async with limiter:
                with lend(plan) as (place, where):
                    await _acalls(place, plan, **where)
            each()

        async with anyio.create_task_group() as tasks:
            for plan in plans:
                tasks.start_soon(one, plan)

    if driver == "sync":
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(blocking, plans))
    else:
        anyio.run(awaited, backend=driver)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000, help="in-process, a third in each way")
    parser.add_argument("--sockets", type=int, default=300, help="more of them, over sockets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    console = Console(highlight=False)
    tally, begun = Tally(), time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        for where, lending, numbers in (
            ("in-process", in_process, range(asked.sequences)),
            ("over sockets", over_sockets, range(asked.sequences, asked.sequences + asked.sockets)),
        ):
            for n, driver in enumerate(DRIVERS):
                with lending(tally) as lend:
                    plans = [planned(number, asked.seed) for number in numbers[n :: len(DRIVERS)]]
                    bar = progress.add_task(f"{driver}, {where}", total=len(plans))
                    run(plans, driver, lend, lambda bar=bar: progress.advance(bar))
    seconds = time.perf_counter() - begun
    if asked.json:
        print(json.dumps({**asdict(tally), "seconds": seconds}, indent=1))  # noqa: T201
    else:
        console.print(
            f"{asked.sequences + asked.sockets} sequences in {seconds:.0f} s: {tally.ended.total()} calls, "
            f"{tally.sendings} sendings, {tally.repeated} of them of a call that was sent before, "
            f"{tally.billed} billed"
        )
        console.print(", ".join(f"{count} {name}" for name, count in tally.ended.most_common()))
        for each in tally.wrong[:50]:
            console.print(each, style="red")
        console.print(f"{len(tally.wrong)} were sent in vain or told wrong")
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
