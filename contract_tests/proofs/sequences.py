"""Prove with random sequences of faults and policies that nothing is paid twice, lost or misreported.

A sequence is a client's policy and a few calls. Most sequences call the server of `fault_server.py`, over
http and https. It answers early, with any status, with costs and pictures in errors, and resets at every
point. Some of these calls are cancelled, and some are made by a forked child that may be killed. The other
sequences call the reference server with provocations, over a socket or in-process. In-process, a foreign
transport loses some calls before or after they are drawn. `ledger.py` checks the results against the servers'
ledgers.
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
from proofs.fixtures.drivers import DRIVERS
from proofs.fixtures.fault_server import FaultServer, moves_for, sending_from
from proofs.fixtures.forking import Child, Died, run_in_thread
from proofs.fixtures.ledger import End, Sending, repeat_violations, report_violations
from proofs.fixtures.seeds import key_for
from proofs.fixtures.server_process import server_process

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from proofs.fixtures.drivers import Driver

CONCURRENCY: Final = 16
"""The number of concurrent sequences, which mostly wait."""

LONG_DEADLINE: Final = 10.0
"""The deadline, in seconds, of a call that nothing stalls, long enough for a busy machine."""

_SMALL: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
_FAULT_GROUPS: Final = (
    [name for name in _SMALL if ROWS[name].posts > 1],
    [name for name in _SMALL if name in DELIVERIES],
    _SMALL,
)
"""Faults after which calls are repeated, faults on the wire, and all. Each group is equally likely."""

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
"""The exceptions of a foreign transport. Their type does not show what was sent."""

_SIZES: Final = (0, 0, 0, 0, 0, 0, 0, 200_000, 200_000, 5_000_000)
"""Extra characters of a prompt. A large body takes a while to send."""

_LEDGER: Final = "ledger"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a sequence.

    Attributes:
        seed: The seed that identifies it.
        size: The extra characters of its prompt.
        timeout: Its deadline, in seconds.
        made: Whether this process or a forked child makes it, and whether the child is killed.
        turns: The turns of the event loop before it is cancelled, or None.
        seconds: The seconds before it is cancelled or its child is killed, or None.
        native: Whether `asyncio.Task.cancel` cancels it, on asyncio.
    """

    seed: int
    size: int = 0
    timeout: float = LONG_DEADLINE
    made: Literal["here", "by a child", "by a killed child"] = "here"
    turns: int | None = None
    seconds: float | None = None
    native: bool = False

    @property
    def params(self) -> dict[str, Any]:
        return {**ONE, "seed": self.seed, "prompt": "a lighthouse" + "." * self.size}


@dataclass(frozen=True, slots=True)
class Plan:
    """One sequence. `losses` has a sending's exception by its number, and whether it was drawn first."""

    calls: tuple[Call, ...]
    faults: tuple[str, ...]
    losses: dict[int, tuple[type[Exception], bool]]
    timeout: float
    retry: Retry


def make_plan(number: int, run: int) -> Plan:
    """Return the random sequence of a number."""
    random = Random(f"{run}:{number}")  # noqa: S311 - a test, not a secret
    losses: dict[int, tuple[type[Exception], bool]] = {
        n: (random.choice(_LOSSES), random.random() < 0.5) for n in range(15) if random.random() < 0.15
    }
    return Plan(
        calls=tuple(_random_call(random, 10 * number + n, run) for n in range(random.randint(1, 3))),
        faults=tuple(random.choice(random.choice(_FAULT_GROUPS)) for _ in range(random.randint(1, 6))),
        losses=losses,
        timeout=random.choice((0.02, 0.05, 0.1, 0.3)),
        retry=Retry(
            attempts=random.randint(1, 5),
            backoff=random.choice((0.0, 0.001, 0.01)),
            rate_limit_max=random.choice((0.0, 60.0)),
        ),
    )


def _random_call(random: Random, seed: int, run: int) -> Call:
    stalls = any(move.then == "stall" for move in moves_for(seed, run))
    call = partial(Call, seed, random.choice(_SIZES), random.choice((0.2, 0.6)) if stalls else LONG_DEADLINE)
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


class Record:
    """The sendings at a server, and the ends of the calls by seed."""

    def __init__(self) -> None:
        self.sendings: list[Sending] = []
        self.ends: list[tuple[int, End]] = []


class ReferenceRecord(Record):
    """The record of a reference server, whose ledger is read as it grows."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ReferenceServer(credits=1000)
        self._read: set[int] = set()
        self._lock = threading.Lock()

    def prepare(self, plan: Plan) -> None:
        for fault in plan.faults:
            self.server.provoke(fault)

    def read_ledger(self) -> None:
        """Record what arrived since the last read."""
        with self._lock:
            # By number, not position: the ledger has concurrent calls in the order of their ends.
            entries = self.server.ledger
            self.sendings.extend(Sending.of(entry) for entry in entries if entry.n not in self._read)
            self._read = {entry.n for entry in entries}


class LossyTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Send to a reference server in-process, and lose some requests or answers."""

    def __init__(self, place: ReferenceRecord, losses: Mapping[int, tuple[type[Exception], bool]]) -> None:
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
        """Return the exception to raise instead of the answer. Raise it at once if nothing is to be drawn."""
        n, self._sent = self._sent, self._sent + 1
        if n not in self._losses:
            return None
        error, drawn = self._losses[n]
        loss = error("lost")
        if not drawn:
            seed = json.loads(body)["seed"]
            lost = Sending(seed, error.__name__, billed=False, repeatable=False)
            self._place.sendings.append(lost)
            raise loss
        return loss


@dataclass(slots=True)
class Tally:
    """The results of the sequences so far. `violations` must stay empty."""

    sendings: int = 0
    billed: int = 0
    repeated: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def add(self, place: Record) -> None:
        self.sendings += len(place.sendings)
        self.billed += sum(sending.billed for sending in place.sendings)
        self.repeated += len(place.sendings) - len({sending.seed for sending in place.sendings})
        self.ended.update(end.kind for _, end in place.ends)
        self.violations += repeat_violations(place.sendings)
        self.violations += report_violations(place.sendings, place.ends)


# -- Settings in which sequences run ----------------------------------------------------------------------

Run = Callable[[Plan], Any]
"""Runs one sequence: a function for sync, a coroutine function for async."""

Setting = Callable[["Tally", "Driver", int], AbstractContextManager[Run]]
"""Opens the means to run sequences in one setting. The number is the run's seed."""


@contextmanager
def in_process(tally: Tally, driver: Driver, _: int) -> Generator[Run]:
    """Run each sequence with a new reference server, behind a foreign transport."""

    def options(place: ReferenceRecord, plan: Plan) -> dict[str, Any]:
        place.prepare(plan)
        return {"transport": LossyTransport(place, plan.losses), "timeout": plan.timeout, "retry": plan.retry}

    def blocking(plan: Plan) -> None:
        place = ReferenceRecord()
        with Client(MADE_UP_KEY, **options(place, plan)) as client:
            place.ends += [(call.seed, _end(client, _params(call), plan.timeout)) for call in plan.calls]
        tally.add(place)

    async def awaited(plan: Plan) -> None:
        place = ReferenceRecord()
        async with AsyncClient(MADE_UP_KEY, **options(place, plan)) as client:
            place.ends += [
                (call.seed, await _async_end(client, _params(call), plan.timeout)) for call in plan.calls
            ]
        tally.add(place)

    yield blocking if driver == "sync" else awaited


@contextmanager
def over_sockets(tally: Tally, driver: Driver, _: int) -> Generator[Run]:
    """Run all sequences against one reference server on a socket, so that their faults mix."""
    place = ReferenceRecord()
    with place.server.listening() as url:

        def options(plan: Plan) -> dict[str, Any]:
            place.prepare(plan)
            return {"base_url": url, "timeout": plan.timeout, "retry": plan.retry}

        def blocking(plan: Plan) -> None:
            with Client(MADE_UP_KEY, **options(plan)) as client:
                place.ends.extend(
                    (call.seed, _end(client, _params(call), plan.timeout)) for call in plan.calls
                )
            place.read_ledger()

        async def awaited(plan: Plan) -> None:
            async with AsyncClient(MADE_UP_KEY, **options(plan)) as client:
                for call in plan.calls:
                    place.ends.append((call.seed, await _async_end(client, _params(call), plan.timeout)))
            place.read_ledger()

        yield blocking if driver == "sync" else awaited
    # An abandoned call may be drawn later. After the server has ended, the ledger is complete.
    place.read_ledger()
    tally.add(place)


@contextmanager
def _fault_server(tally: Tally, driver: Driver, number: int, *, tls: bool) -> Generator[Run]:
    """Run all sequences with one client, so that they share its connections."""
    place = Record()
    with server_process(FaultServer, number, tls=tls) as server:
        where: dict[str, Any] = {"base_url": server.url, "verify": server.trust}
        client, aclient = Client(MADE_UP_KEY, **where), AsyncClient(MADE_UP_KEY, **where)

        def blocking(plan: Plan) -> None:
            for call in plan.calls:
                mine = client.with_options(api_key=key_for(call.seed), timeout=call.timeout, retry=plan.retry)
                # OpenSSL's locks do not survive a fork while another thread is in a handshake.
                if call.made == "here" or tls:
                    place.ends.append((call.seed, _end(mine, call.params, call.timeout)))
                    continue
                child = Child(lambda mine=mine, call=call: _end(mine, call.params, call.timeout))
                if call.made == "by a killed child":
                    time.sleep(call.seconds or 0.0)
                    child.kill()
                place.ends.append((call.seed, _child_end(call, child.result())))

        async def awaited(plan: Plan) -> None:
            for call in plan.calls:
                mine = aclient.with_options(
                    api_key=key_for(call.seed), timeout=call.timeout, retry=plan.retry
                )
                make = partial(_async_end, mine, call.params, call.timeout)
                if call.made == "here":
                    place.ends.append((call.seed, await _cancellable_end(call, make, driver)))
                    continue
                child = Child(lambda make=make: run_in_thread(lambda: anyio.run(make, backend=driver)))
                if call.made == "by a killed child":
                    await anyio.sleep(call.seconds or 0.0)
                    child.kill()
                result = await anyio.to_thread.run_sync(child.result)
                place.ends.append((call.seed, _child_end(call, result)))

        yield blocking if driver == "sync" else awaited
        client.close()
        if not server.wait_until_hung_up():
            tally.violations.append(f"{driver}: a connection stays open")
        place.sendings = [sending_from(entry, number) for entry in server.call(_LEDGER)]
    tally.add(place)


fault_server: Final[Setting] = partial(_fault_server, tls=False)
fault_server_over_tls: Final[Setting] = partial(_fault_server, tls=True)

SETTINGS: Final[Mapping[str, tuple[Setting, float]]] = {
    "in-process": (in_process, 0.1),
    "reference server": (over_sockets, 0.2),
    "http": (fault_server, 0.45),
    "https": (fault_server_over_tls, 0.25),
}
"""The settings, and the share of sequences that each runs."""


# -- One call ---------------------------------------------------------------------------------------------


def _params(call: Call) -> dict[str, Any]:
    return {**ONE, "seed": call.seed}


@dataclass(slots=True)
class _Outcome:
    """Holds a call's outcome. An error after the deadline counts as timed out, whatever its class."""

    timeout: float
    outcome: object = None
    begun: float = field(default_factory=time.monotonic)

    def end(self) -> End:
        end = End.of(self.outcome)
        return replace(end, timed_out=end.timed_out or time.monotonic() - self.begun >= self.timeout)


def _end(client: Client, params: Mapping[str, Any], timeout: float) -> End:
    ending = _Outcome(timeout)
    try:
        ending.outcome = client.sd35_turbo_txt2img(**params)
    except Exception as error:  # noqa: BLE001 - any exception is a result
        ending.outcome = error
    return ending.end()


async def _async_end(client: AsyncClient, params: Mapping[str, Any], timeout: float) -> End:  # noqa: ASYNC109 - the client keeps it
    ending = _Outcome(timeout)
    try:
        ending.outcome = await client.sd35_turbo_txt2img(**params)
    except Exception as error:  # noqa: BLE001 - as above
        ending.outcome = error
    return ending.end()


def _child_end(call: Call, result: object) -> End:
    if isinstance(result, End):
        return result
    if call.made == "by a killed child":
        return End.abandoned_by("killed")
    return End("died", unexpected=result.why if isinstance(result, Died) else repr(result))


async def _cancellable_end(call: Call, make: Callable[[], Any], driver: Driver) -> End:
    """Make a call, and cancel it as planned if it has not ended before."""
    if call.turns is None and call.seconds is None:
        return await make()

    ended = End.abandoned_by("cancelled")

    async def made() -> None:
        nonlocal ended
        ended = await make()

    async def wait() -> None:
        await anyio.sleep(call.seconds or 0.0)
        for _ in range(call.turns or 0):
            await anyio.lowlevel.checkpoint()

    if call.native and driver == "asyncio":
        await _cancel_natively(made, wait)
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made)
            await wait()
            tasks.cancel_scope.cancel()
    return ended


async def _cancel_natively(made: Callable[[], Any], wait: Callable[[], Any]) -> None:
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
    setting: Setting,
    tally: Tally,
    *,
    seed: int = 0,
    change: Callable[[Plan], Plan] = lambda plan: plan,
    after_each: Callable[[], object] = lambda: None,
) -> None:
    """Run the sequences of these numbers concurrently. `after_each` is called after each."""
    plans = [change(make_plan(number, seed)) for number in numbers]

    async def awaited(one: Run) -> None:
        limiter = anyio.CapacityLimiter(CONCURRENCY)

        async def limited(plan: Plan) -> None:
            async with limiter:
                await one(plan)
            after_each()

        async with anyio.create_task_group() as tasks:
            for plan in plans:
                tasks.start_soon(limited, plan)

    with setting(tally, driver, seed) as one:
        if driver == "sync":

            def blocking(plan: Plan) -> None:
                one(plan)
                after_each()

            with ThreadPoolExecutor(CONCURRENCY) as threads:
                list(threads.map(blocking, plans))
        else:
            anyio.run(awaited, one, backend=driver)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000, help="in total, a third for each driver")
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="use only this setting")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="use only this driver")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random sequences")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(highlight=False)
    tally, begun, number = Tally(), time.perf_counter(), 0
    settings: list[str] = options.setting or list(SETTINGS)
    drivers: list[Driver] = options.driver or list(DRIVERS)
    shares = sum(SETTINGS[name][1] for name in settings)
    with Progress(console=Console(stderr=True)) as progress:
        for name in settings:
            setting, share = SETTINGS[name]
            for driver in drivers:
                count = math.ceil(options.sequences * share / shares / len(drivers))
                bar = progress.add_task(f"{driver}, {name}", total=count)
                numbers = range(number, number + count)
                run(
                    numbers,
                    driver,
                    setting,
                    tally,
                    seed=options.seed,
                    after_each=lambda bar=bar: progress.advance(bar),
                )
                number += count
    seconds = time.perf_counter() - begun
    if options.json:
        print(json.dumps({**asdict(tally), "sequences": number, "seconds": seconds}, indent=1))
    else:
        console.print(
            f"{number} sequences in {seconds:.0f} s: {tally.ended.total()} calls, "
            f"{tally.sendings} sendings, {tally.repeated} of them repeated, "
            f"{tally.billed} billed"
        )
        console.print(", ".join(f"{count} {name}" for name, count in tally.ended.most_common()))
        for each in tally.violations[:50]:
            console.print(each, style="red")
        console.print(f"{len(tally.violations)} violations")
    sys.exit(bool(tally.violations))


if __name__ == "__main__":
    main()
