"""Random sequences of faults, met with random policies: is anything paid twice, lost or misreported?

A sequence is a client's policy and a few calls. Most are met by the server of `booking.py`, over http and
https: it answers early, with any status, with costs and pictures beside errors, and resets at every point.
Some of these calls are cancelled, and some are made by a forked child that may be killed. The others meet the
provocations of the reference server, over a socket or in-process; in-process, a transport that is none of the
SDK's loses some of them before or after they are drawn. What comes of it is judged by the servers' ledgers:
see `ledger.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Client, Retry
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.reference.deliveries import DELIVERIES
from segmind_sd3_contract.terminal import Console

from proofs.faults.rows import ONE, ROWS
from proofs.fixtures.apart import apart
from proofs.fixtures.booking import Booking, moves_for, sending_of
from proofs.fixtures.drivers import DRIVERS
from proofs.fixtures.forking import Child, Died, in_a_thread
from proofs.fixtures.ledger import End, Sending, misreported, sent_in_vain
from proofs.fixtures.seeds import key_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from proofs.fixtures.drivers import Driver

AT_ONCE: Final = 16
"""Sequences that run at once: most of their time they wait."""

TIME_ENOUGH: Final = 10.0
"""Seconds of a call that meets nothing that stalls: a busy machine must not make another fault of it."""

_SMALL: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
_KINDS: Final = (
    [name for name in _SMALL if ROWS[name].posts > 1],
    [name for name in _SMALL if name in DELIVERIES],
    _SMALL,
)
"""Faults that are tried again, faults of the wire, and all: drawn alike, or few calls would be repeated."""

_LOSSES: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.LocalProtocolError,
    ConnectionResetError,
)
"""What a transport that is none of the SDK's may raise; its type says nothing of what was sent."""

_SIZES: Final = (0, 0, 0, 0, 0, 0, 0, 200_000, 200_000, 5_000_000)
"""Characters that a prompt has beside its words: a large body is under way for a while."""

_ASK_FOR_THE_LEDGER: Final = "ledger"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a sequence.

    Attributes:
        seed: its name.
        size: characters that its prompt has beside its words.
        timeout: its deadline, in seconds.
        made: whether this process makes it, or a forked child, which may be killed.
        turns: after how many turns of the event loop it is cancelled; None where it is not.
        seconds: after how many seconds it is cancelled, or its child is killed.
        native: whether asyncio's own `Task.cancel` cancels it, where there is such a thing.
    """

    seed: int
    size: int = 0
    timeout: float = TIME_ENOUGH
    made: Literal["here", "by a child", "by a killed child"] = "here"
    turns: int | None = None
    seconds: float | None = None
    native: bool = False

    @property
    def params(self) -> dict[str, Any]:
        return {**ONE, "seed": self.seed, "prompt": "a lighthouse" + "." * self.size}


@dataclass(frozen=True, slots=True)
class Plan:
    """One sequence. `losses` has the failure of a sending by its number, and whether it was drawn before."""

    calls: tuple[Call, ...]
    faults: tuple[str, ...]
    losses: dict[int, tuple[type[Exception], bool]]
    timeout: float
    retry: Retry


def planned(number: int, run: int) -> Plan:
    """Draw the sequence of that number."""
    random = Random(f"{run}:{number}")  # noqa: S311 - a test, not a secret
    losses: dict[int, tuple[type[Exception], bool]] = {
        n: (random.choice(_LOSSES), random.random() < 0.5) for n in range(15) if random.random() < 0.15
    }
    return Plan(
        calls=tuple(_call(random, 10 * number + n, run) for n in range(random.randint(1, 3))),
        faults=tuple(random.choice(random.choice(_KINDS)) for _ in range(random.randint(1, 6))),
        losses=losses,
        timeout=random.choice((0.02, 0.05, 0.1, 0.3)),
        retry=Retry(
            attempts=random.randint(1, 5),
            backoff=random.choice((0.0, 0.001, 0.01)),
            rate_limit_max=random.choice((0.0, 60.0)),
        ),
    )


def _call(random: Random, seed: int, run: int) -> Call:
    stalls = any(move.then == "stall" for move in moves_for(seed, run))
    call = partial(Call, seed, random.choice(_SIZES), random.choice((0.2, 0.6)) if stalls else TIME_ENOUGH)
    end, later = random.random(), random.random() * random.choice((0.002, 0.01, 0.03))
    if end < 0.1:
        return call(turns=random.randint(0, 40), native=random.random() < 0.5)
    if end < 0.25:
        return call(seconds=later, native=random.random() < 0.5)
    if end < 0.33:
        return call(made="by a child")
    if end < 0.36:
        return call(made="by a killed child", seconds=later)
    return call()


class Place:
    """What was sent somewhere, and how the calls ended, by their seeds."""

    def __init__(self) -> None:
        self.sendings: list[Sending] = []
        self.ends: list[tuple[int, End]] = []


class Reference(Place):
    """A reference server, whose ledger is read as it grows."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ReferenceServer(credits=1000)
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


class Road(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries sendings to a reference server in-process, and loses some, or their answers."""

    def __init__(self, place: Reference, losses: Mapping[int, tuple[type[Exception], bool]]) -> None:
        self._place = place
        self._losses = losses
        self._sent = 0
        self._sync = place.server.transport()
        self._async = place.server.async_transport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        loss = self._loss(request.read())
        try:
            response = self._sync.handle_request(request)
        finally:
            self._place.read_ledger()
        if loss is not None:
            raise loss
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loss = self._loss(await request.aread())
        try:
            response = await self._async.handle_async_request(request)
        finally:
            self._place.read_ledger()
        if loss is not None:
            raise loss
        return response

    def _loss(self, body: bytes) -> Exception | None:
        """Give the failure to raise in place of the answer, or raise it where nothing is to be drawn."""
        n, self._sent = self._sent, self._sent + 1
        if n not in self._losses:
            return None
        error, drawn = self._losses[n]
        loss = error("lost")
        if not drawn:
            seed = json.loads(body)["seed"]
            lost = Sending(seed, error.__name__, billed=False, may_be_repeated=False)
            self._place.sendings.append(lost)
            raise loss
        return loss


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
        self.ended.update(end.kind for _, end in place.ends)
        self.wrong += sent_in_vain(place.sendings)
        self.wrong += misreported(place.sendings, place.ends)


# -- Where sequences run ----------------------------------------------------------------------------------

Run = Callable[[Plan], Any]
"""Run one sequence: a function for sync, a coroutine function for the event loops."""

Ground = Callable[["Tally", "Driver", int], AbstractContextManager[Run]]
"""Lends the means to run sequences in one way; the number is that of the run."""


@contextmanager
def in_process(tally: Tally, driver: Driver, _: int) -> Generator[Run]:
    """Run each sequence with a reference server of its own, behind a transport that is not the SDK's."""

    def options(place: Reference, plan: Plan) -> dict[str, Any]:
        place.prepare(plan)
        return {"transport": Road(place, plan.losses), "timeout": plan.timeout, "retry": plan.retry}

    def blocking(plan: Plan) -> None:
        place = Reference()
        with Client(MADE_UP_KEY, **options(place, plan)) as client:
            place.ends += [(call.seed, _end_of(client, _small(call), plan.timeout)) for call in plan.calls]
        tally.add(place)

    async def awaited(plan: Plan) -> None:
        place = Reference()
        async with AsyncClient(MADE_UP_KEY, **options(place, plan)) as client:
            place.ends += [
                (call.seed, await _aend_of(client, _small(call), plan.timeout)) for call in plan.calls
            ]
        tally.add(place)

    yield blocking if driver == "sync" else awaited


@contextmanager
def over_sockets(tally: Tally, driver: Driver, _: int) -> Generator[Run]:
    """Run all sequences against one reference server on a socket, where their faults mix."""
    place = Reference()
    with place.server.listening() as url:

        def options(plan: Plan) -> dict[str, Any]:
            place.prepare(plan)
            return {"base_url": url, "timeout": plan.timeout, "retry": plan.retry}

        def blocking(plan: Plan) -> None:
            with Client(MADE_UP_KEY, **options(plan)) as client:
                place.ends.extend(
                    (call.seed, _end_of(client, _small(call), plan.timeout)) for call in plan.calls
                )
            place.read_ledger()

        async def awaited(plan: Plan) -> None:
            async with AsyncClient(MADE_UP_KEY, **options(plan)) as client:
                for call in plan.calls:
                    place.ends.append((call.seed, await _aend_of(client, _small(call), plan.timeout)))
            place.read_ledger()

        yield blocking if driver == "sync" else awaited
    # A call that was given up may have been drawn since; a server that has ended has answered everything.
    place.read_ledger()
    tally.add(place)


@contextmanager
def _at_the_wire(tally: Tally, driver: Driver, number: int, *, tls: bool) -> Generator[Run]:
    """Run all sequences with one client, so that they share its connections."""
    place = Place()
    with apart(Booking, number, tls=tls) as server:
        where: dict[str, Any] = {"base_url": server.url, "verify": server.trust}
        client, aclient = Client(MADE_UP_KEY, **where), AsyncClient(MADE_UP_KEY, **where)

        def blocking(plan: Plan) -> None:
            for call in plan.calls:
                mine = client.with_options(api_key=key_for(call.seed), timeout=call.timeout, retry=plan.retry)
                # OpenSSL's locks do not survive a fork while another thread is in a handshake.
                if call.made == "here" or tls:
                    place.ends.append((call.seed, _end_of(mine, call.params, call.timeout)))
                    continue
                child = Child(lambda mine=mine, call=call: _end_of(mine, call.params, call.timeout))
                if call.made == "by a killed child":
                    time.sleep(call.seconds or 0.0)
                    child.kill()
                place.ends.append((call.seed, _end_of_child(call, child.result())))

        async def awaited(plan: Plan) -> None:
            for call in plan.calls:
                mine = aclient.with_options(
                    api_key=key_for(call.seed), timeout=call.timeout, retry=plan.retry
                )
                make = partial(_aend_of, mine, call.params, call.timeout)
                if call.made == "here":
                    place.ends.append((call.seed, await _given_up(call, make, driver)))
                    continue
                child = Child(lambda make=make: in_a_thread(lambda: anyio.run(make, backend=driver)))
                if call.made == "by a killed child":
                    await anyio.sleep(call.seconds or 0.0)
                    child.kill()
                result = await anyio.to_thread.run_sync(child.result)
                place.ends.append((call.seed, _end_of_child(call, result)))

        yield blocking if driver == "sync" else awaited
        client.close()
        if not server.wait_until_hung_up():
            tally.wrong.append(f"{driver}: a connection stays open")
        place.sendings = [sending_of(entry, number) for entry in server.ask(_ASK_FOR_THE_LEDGER)]
    tally.add(place)


at_the_wire: Final[Ground] = partial(_at_the_wire, tls=False)
at_the_wire_over_tls: Final[Ground] = partial(_at_the_wire, tls=True)

GROUNDS: Final[Mapping[str, tuple[Ground, float]]] = {
    "in-process": (in_process, 0.1),
    "reference server": (over_sockets, 0.2),
    "http": (at_the_wire, 0.45),
    "https": (at_the_wire_over_tls, 0.25),
}
"""Where sequences run, and which share of them."""


# -- One call ---------------------------------------------------------------------------------------------


def _small(call: Call) -> dict[str, Any]:
    return {**ONE, "seed": call.seed}


@dataclass(slots=True)
class _Ending:
    """Takes what comes of a call; a reply that its deadline cut may be an error that does not say so."""

    timeout: float
    outcome: object = None
    begun: float = field(default_factory=time.monotonic)

    def end(self) -> End:
        end = End.of(self.outcome)
        return replace(end, timed_out=end.timed_out or time.monotonic() - self.begun >= self.timeout)


def _end_of(client: Client, params: Mapping[str, Any], timeout: float) -> End:
    ending = _Ending(timeout)
    try:
        ending.outcome = client.sd35_turbo_txt2img(**params)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
        ending.outcome = error
    return ending.end()


async def _aend_of(client: AsyncClient, params: Mapping[str, Any], timeout: float) -> End:  # noqa: ASYNC109 - the client keeps it
    ending = _Ending(timeout)
    try:
        ending.outcome = await client.sd35_turbo_txt2img(**params)
    except Exception as error:  # noqa: BLE001 - as above
        ending.outcome = error
    return ending.end()


def _end_of_child(call: Call, result: object) -> End:
    if isinstance(result, End):
        return result
    if call.made == "by a killed child":
        return End.given_up("killed")
    return End("died", strange=result.why if isinstance(result, Died) else repr(result))


async def _given_up(call: Call, make: Callable[[], Any], driver: Driver) -> End:
    """Make a call, and cancel it where that is planned and it is not over by then."""
    if call.turns is None and call.seconds is None:
        return await make()

    ended = End.given_up("cancelled")

    async def made() -> None:
        nonlocal ended
        ended = await make()

    async def wait() -> None:
        await anyio.sleep(call.seconds or 0.0)
        for _ in range(call.turns or 0):
            await anyio.lowlevel.checkpoint()

    if call.native and driver == "asyncio":
        await _cancelled_natively(made, wait)
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made)
            await wait()
            tasks.cancel_scope.cancel()
    return ended


async def _cancelled_natively(made: Callable[[], Any], wait: Callable[[], Any]) -> None:
    import asyncio  # noqa: PLC0415 - for this alone

    task = asyncio.ensure_future(made())
    await wait()
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()):
        raise error


def run(
    numbers: Iterable[int],
    driver: Driver,
    ground: Ground,
    tally: Tally,
    *,
    seed: int = 0,
    change: Callable[[Plan], Plan] = lambda plan: plan,
    each: Callable[[], object] = lambda: None,
) -> None:
    """Run the sequences of these numbers, several at once; `each` is called after each."""
    plans = [change(planned(number, seed)) for number in numbers]

    async def awaited(one: Run) -> None:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def limited(plan: Plan) -> None:
            async with limiter:
                await one(plan)
            each()

        async with anyio.create_task_group() as tasks:
            for plan in plans:
                tasks.start_soon(limited, plan)

    with ground(tally, driver, seed) as one:
        if driver == "sync":

            def blocking(plan: Plan) -> None:
                one(plan)
                each()

            with ThreadPoolExecutor(AT_ONCE) as threads:
                list(threads.map(blocking, plans))
        else:
            anyio.run(awaited, one, backend=driver)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000, help="in all; a third in each way to call")
    parser.add_argument("--ground", choices=GROUNDS, action="append", help="run all of them there")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="run all of them in this way")
    parser.add_argument("--seed", type=int, default=0, help="draw others")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    console = Console(highlight=False)
    tally, begun, number = Tally(), time.perf_counter(), 0
    grounds: list[str] = asked.ground or list(GROUNDS)
    drivers: list[Driver] = asked.driver or list(DRIVERS)
    shares = sum(GROUNDS[name][1] for name in grounds)
    with Progress(console=Console(stderr=True)) as progress:
        for name in grounds:
            ground, share = GROUNDS[name]
            for driver in drivers:
                count = math.ceil(asked.sequences * share / shares / len(drivers))
                bar = progress.add_task(f"{driver}, {name}", total=count)
                numbers = range(number, number + count)
                run(
                    numbers,
                    driver,
                    ground,
                    tally,
                    seed=asked.seed,
                    each=lambda bar=bar: progress.advance(bar),
                )
                number += count
    seconds = time.perf_counter() - begun
    if asked.json:
        print(json.dumps({**asdict(tally), "sequences": number, "seconds": seconds}, indent=1))
    else:
        console.print(
            f"{number} sequences in {seconds:.0f} s: {tally.ended.total()} calls, "
            f"{tally.sendings} sendings, {tally.repeated} of them of a call that was sent before, "
            f"{tally.billed} billed"
        )
        console.print(", ".join(f"{count} {name}" for name, count in tally.ended.most_common()))
        for each in tally.wrong[:50]:
            console.print(each, style="red")
        console.print(f"{len(tally.wrong)} were paid twice, sent in vain, lost, or misreported")
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
