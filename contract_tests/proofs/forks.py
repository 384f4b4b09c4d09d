"""Prove that a used client works in forked workers: each gets its own pictures, and the parent's calls go on.

The server process answers each call with a picture that contains the call's seed, and records the call's
connection. In each round, three workers are forked, all at once or staggered, and each makes a few calls.
Then the parent makes a call on its old connection. Scenarios beside the rounds try a call in progress during
a fork, a worker that closes its client, and a parent that closes its client while a worker lives.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import anyio
import anyio.from_thread
from rich.console import Console
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Client

from proofs.fixtures.drivers import DRIVERS, Driver
from proofs.fixtures.forking import PATIENCE, Child, Died, run_in_thread
from proofs.fixtures.seeds import key_for, picture, seed_of
from proofs.fixtures.server_process import ServerProcess, server_process
from proofs.fixtures.sockets import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from proofs.fixtures.sockets import Connection

WORKERS: Final = 3
"""The workers of a round."""

CALLS: Final = 4
"""The calls of a worker."""

STAGGER: Final = 0.004
"""Seconds between staggered workers, so that the first is working when the next is forked."""

HELD_FROM: Final = 1 << 40
"""The first seed of calls that the server answers only after `release`."""

How = Literal["os.fork", "multiprocessing"]
Start = Literal["at once", "staggered"]


class SeedServer:
    """A server whose pictures contain the seed of the call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._connections: dict[int, int] = {}
        self._held = threading.Event()
        self._release = threading.Event()
        self._hung_up: set[int] = set()
        self._change = threading.Condition(self._lock)

    def script(self, connection: Connection) -> None:
        number = next(self._numbers)
        try:
            while request := connection.request():
                connection.peer.requests.clear()
                seed = json.loads(request.body)["seed"]
                with self._lock:
                    self._connections[seed] = number
                if seed >= HELD_FROM:
                    self._held.set()
                    self._release.wait(PATIENCE)
                    self._release.clear()
                connection.send(reply(200, picture(seed), content_type="image/png", x_cost="0.0035"))
        finally:
            with self._change:
                self._hung_up.add(number)
                self._change.notify_all()

    def connection_of(self, seed: int) -> int | None:
        """Return the number of a call's connection."""
        with self._lock:
            return self._connections.get(seed)

    def wait_until_held(self) -> bool:
        """Wait until a call is held back."""
        held = self._held.wait(PATIENCE)
        self._held.clear()
        return held

    def release(self) -> None:
        """Answer the call that is held back."""
        self._release.set()

    def wait_until_closed(self, number: int) -> bool:
        """Wait until a connection is closed. Return False if it stays open."""
        with self._change:
            return self._change.wait_for(lambda: number in self._hung_up, 3.0)


class Caller(Protocol):
    """A sync or async client, called without `await`."""

    def __call__(self, seed: int) -> str | None:
        """Make a call. Return what is wrong with its result, or None."""
        ...

    def close(self) -> None:
        """Close the client."""
        ...

    def inherited(self) -> Caller:
        """Return the caller for a forked child."""
        ...


def _mismatch(seed: int, drawn: Any) -> str | None:
    return None if (named := seed_of(drawn)) == seed else f"swapped: called with {seed}, got {named}"


class SyncCaller:
    """A sync client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.close = client.close

    def __call__(self, seed: int) -> str | None:
        try:
            return _mismatch(seed, self._client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed))
        except Exception as error:  # noqa: BLE001 - any exception is a result
            return f"error: {type(error).__name__}: {error}"

    def inherited(self) -> Caller:
        return self


class LoopCaller:
    """An async client in a thread's event loop, which runs on while this process forks."""

    def __init__(self, client: AsyncClient, backend: str) -> None:
        self._client = client
        self._backend = backend
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal(backend))

    def __call__(self, seed: int) -> str | None:
        return self._portal.call(_async_call, self._client, seed)

    def close(self) -> None:
        self._portal.call(self._client.aclose)

    def end(self) -> None:
        self._stack.close()

    def inherited(self) -> Caller:
        return ForkedLoopCaller(self._client, self._backend)


class ForkedLoopCaller:
    """An async client in a forked child. Each call runs a new event loop in a new thread."""

    def __init__(self, client: AsyncClient, backend: str) -> None:
        self._client = client
        self._backend = backend

    def __call__(self, seed: int) -> str | None:
        return run_in_thread(lambda: anyio.run(_async_call, self._client, seed, backend=self._backend))

    def close(self) -> None:
        run_in_thread(lambda: anyio.run(self._client.aclose, backend=self._backend))

    def inherited(self) -> Caller:
        return self


async def _async_call(client: AsyncClient, seed: int) -> str | None:
    try:
        return _mismatch(seed, await client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed))
    except Exception as error:  # noqa: BLE001 - as above
        return f"error: {type(error).__name__}: {error}"


@contextmanager
def used_caller(driver: Driver, server: ServerProcess) -> Generator[Caller]:
    """Yield a caller, and close its client afterwards."""
    options: dict[str, Any] = {"base_url": server.url, "verify": server.trust, "timeout": PATIENCE / 2}
    if driver == "sync":
        with Client(key_for(0), **options) as client:
            yield SyncCaller(client)
        return
    caller = LoopCaller(AsyncClient(key_for(0), **options), driver)
    try:
        yield caller
        caller.close()
    finally:
        caller.end()


# -- Workers ----------------------------------------------------------------------------------------------


class _Process:
    """A multiprocessing worker with the interface of `Child`."""

    def __init__(self, work: Callable[[], object]) -> None:
        context = multiprocessing.get_context("fork")
        self._results, write = context.Pipe(duplex=False)
        self._process = context.Process(target=lambda: write.send(work()), daemon=True)
        self._process.start()
        write.close()

    def result(self) -> Any:
        try:
            result = self._results.recv() if self._results.poll(PATIENCE) else Died("it hung")
        except EOFError:
            result = Died("it returned nothing")
        self._results.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        return result


_FORKS: Final = {"os.fork": Child, "multiprocessing": _Process}


def _work(caller: Caller, seeds: range, *, closing: bool) -> list[str]:
    mine = caller.inherited()
    wrong = [found for seed in seeds if (found := mine(seed))]
    if closing:
        mine.close()
    return wrong


@dataclass(slots=True)
class Forks:
    """The results of the rounds. `violations` must stay empty."""

    rounds: int = 0
    calls: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def note(self, where: str, found: str | None) -> None:
        if found is not None:
            self.counts[found.partition(":")[0]] += 1
            self.violations.append(f"{where}: {found}")


def run_rounds(
    count: int,
    driver: Driver,
    how: How,
    start: Start,
    *,
    tls: bool,
    forks: Forks,
    after_each: Callable[[], object] = lambda: None,
) -> None:
    """Run rounds with one client: fork workers, let them call, and then call in the parent."""
    where = f"{driver}, {'https' if tls else 'http'}, {how}, {start}"
    seeds = itertools.count(1, CALLS)
    with server_process(SeedServer, tls=tls) as server, used_caller(driver, server) as parent:
        first = next(seeds)
        forks.note(where, parent(first))
        mine = server.call("connection_of", first)
        for number in range(count):
            children: list[Child | _Process] = []
            for _ in range(WORKERS):
                theirs = next(seeds)
                work = partial(_work, parent, range(theirs, theirs + CALLS), closing=bool(number % 2))
                children.append(_FORKS[how](work))
                if start == "staggered":
                    time.sleep(STAGGER)
            for child in children:
                result = child.result()
                found = [f"died: {result.why}"] if isinstance(result, Died) else result
                for each_found in found:
                    forks.note(f"{where}, a worker of round {number}", each_found)
            after = next(seeds)
            forks.note(f"{where}, the parent after round {number}", parent(after))
            if (used := server.call("connection_of", after)) != mine:
                forks.note(
                    f"{where}, the parent after round {number}",
                    f"parent lost its connection: it had number {mine}, then used {used}",
                )
                mine = used
            forks.rounds += 1
            forks.calls += WORKERS * CALLS + 1
            after_each()


# -- Scenarios beside the rounds -------------------------------------------------------------------------


def fork_during_a_call(driver: Driver, how: How, *, tls: bool) -> Iterator[str]:
    """Fork during a call in another thread. Yield what is wrong with that call or the child's calls."""
    with server_process(SeedServer, tls=tls) as server, used_caller(driver, server) as parent:
        if found := parent(1):
            yield f"first call: {found}"
        results: list[str | None] = []
        thread = threading.Thread(target=lambda: results.append(parent(HELD_FROM)))
        thread.start()
        if not server.call("wait_until_held"):
            yield "the call in progress never arrived"
        child = _FORKS[how](partial(_work, parent, range(2, 4), closing=True))
        result = child.result()
        if isinstance(result, Died):
            yield f"the child died: {result.why}"
        else:
            yield from (f"the child: {found}" for found in result)
        server.call("release")
        thread.join(PATIENCE)
        if thread.is_alive():
            yield "the call in progress hangs"
        yield from (f"the call in progress: {found}" for found in results if found)
        if found := parent(4):
            yield f"the next call: {found}"
        if server.call("connection_of", 4) != server.call("connection_of", HELD_FROM):
            yield "the connection of the call in progress is not reused"


def close_parent_while_child_lives(driver: Driver, how: How, *, tls: bool, used: bool) -> Iterator[str]:
    """Close the parent's client while a child lives. Yield what is wrong, such as an open connection."""
    begun, end = multiprocessing.get_context("fork").Event(), multiprocessing.get_context("fork").Event()

    def work(caller: Caller) -> list[str]:
        wrong = _work(caller, range(2, 3) if used else range(0), closing=False)
        begun.set()
        end.wait(PATIENCE)
        return wrong

    with server_process(SeedServer, tls=tls) as server:
        with used_caller(driver, server) as parent:
            if found := parent(1):
                yield f"first call: {found}"
            mine = server.call("connection_of", 1)
            child = _FORKS[how](partial(work, parent))
            begun.wait(PATIENCE)
        if not server.call("wait_until_closed", mine):
            yield "the parent's connection stays open"
        end.set()
        result = child.result()
        if isinstance(result, Died):
            yield f"the child died: {result.why}"
        else:
            yield from (f"the child: {found}" for found in result)


_SCENARIOS: Final[dict[str, Callable[..., Iterator[str]]]] = {
    "fork during a call": fork_during_a_call,
    "the parent closes while a child that used the client lives": partial(
        close_parent_while_child_lives, used=True
    ),
    "the parent closes while a child that did not use the client lives": partial(
        close_parent_while_child_lives, used=False
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="for each of the 24 combinations")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="try only this driver")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(highlight=False)
    drivers: list[Driver] = options.driver or list(DRIVERS)
    forks, begun = Forks(), time.perf_counter()
    hows: tuple[How, ...] = ("os.fork", "multiprocessing")
    starts: tuple[Start, ...] = ("at once", "staggered")
    with Progress(console=Console(stderr=True)) as progress:
        for driver, tls in itertools.product(drivers, (False, True)):
            scheme = "https" if tls else "http"
            for how, start in itertools.product(hows, starts):
                bar = progress.add_task(f"{driver}, {scheme}, {how}, {start}", total=options.rounds)
                run_rounds(
                    *(options.rounds, driver, how, start),
                    tls=tls,
                    forks=forks,
                    after_each=lambda bar=bar: progress.advance(bar),
                )
            for (name, scene), how in itertools.product(_SCENARIOS.items(), hows):
                for found in scene(driver, how, tls=tls):
                    forks.note(f"{name}, {driver}, {scheme}, {how}", found)
    forks.seconds = time.perf_counter() - begun
    if options.json:
        print(json.dumps(asdict(forks), indent=1))
    else:
        for each in forks.violations[:50]:
            console.print(each, style="red", markup=False)
        console.print(
            f"{forks.rounds} rounds of {WORKERS} workers in {forks.seconds:.0f} s: {forks.calls} calls, "
            f"{forks.counts['swapped']} swapped, {forks.counts['error']} errors; "
            f"{len(forks.violations)} violations"
        )
    sys.exit(bool(forks.violations))


if __name__ == "__main__":
    main()
