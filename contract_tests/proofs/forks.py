"""A client used once, and then by forked workers: does each get its own pictures, and does the parent go on?

The server, in a process of its own, answers each call with a picture that names the seed it was asked for,
and notes the connection that it came by. In each round three workers are forked, at once or one after the
other while the others work, and each makes a few calls; then the parent makes one, on the connection that it
had before. Beside the rounds it is tried what becomes of a call under way during a fork, of a worker that
closes its client, and of a parent that hangs up while a worker lives.
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

from proofs.fixtures.apart import Apart, apart
from proofs.fixtures.drivers import DRIVERS, Driver
from proofs.fixtures.forking import PATIENCE, Child, Died, in_a_thread
from proofs.fixtures.seeds import key_for, picture, seed_of
from proofs.fixtures.sockets import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from proofs.fixtures.sockets import Connection

WORKERS: Final = 3
"""Children of a round."""

CALLS: Final = 4
"""Calls of a worker."""

BETWEEN: Final = 0.004
"""Seconds between two workers of a round that are staggered: the first is at work when the next is forked."""

HELD: Final = 1 << 40
"""From this seed on a call is answered once the test releases it."""

How = Literal["os.fork", "multiprocessing"]
Start = Literal["at once", "staggered"]


class Naming:
    """A server whose pictures name the seed that they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._came_by: dict[int, int] = {}
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
                    self._came_by[seed] = number
                if seed >= HELD:
                    self._held.set()
                    self._release.wait(PATIENCE)
                    self._release.clear()
                connection.send(reply(200, picture(seed), content_type="image/png", x_cost="0.0035"))
        finally:
            with self._change:
                self._hung_up.add(number)
                self._change.notify_all()

    def came_by(self, seed: int) -> int | None:
        """Give the number of the connection that a call came by."""
        with self._lock:
            return self._came_by.get(seed)

    def wait_until_held(self) -> bool:
        """Wait until a call is held."""
        held = self._held.wait(PATIENCE)
        self._held.clear()
        return held

    def release(self) -> None:
        """Answer the call that is held."""
        self._release.set()

    def hung_up(self, number: int) -> bool:
        """Wait until a connection is closed; False where it stays open."""
        with self._change:
            return self._change.wait_for(lambda: number in self._hung_up, 3.0)


class Caller(Protocol):
    """A client, called without `await`, whichever it is."""

    def __call__(self, seed: int) -> str | None:
        """Make a call, and give what is wrong with what came of it."""
        ...

    def close(self) -> None:
        """Close the client."""
        ...

    def inherited(self) -> Caller:
        """Give the caller that a forked child has."""
        ...


def _wrong(seed: int, drawn: Any) -> str | None:
    return None if (named := seed_of(drawn)) == seed else f"swapped: asked for {seed}, and got {named}"


class Blocking:
    """A sync client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.close = client.close

    def __call__(self, seed: int) -> str | None:
        try:
            return _wrong(seed, self._client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
            return f"error: {type(error).__name__}: {error}"

    def inherited(self) -> Caller:
        return self


class Awaited:
    """An async client in the event loop of a thread, which goes on while this process forks."""

    def __init__(self, client: AsyncClient, backend: str) -> None:
        self._client = client
        self._backend = backend
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal(backend))

    def __call__(self, seed: int) -> str | None:
        return self._portal.call(_acall, self._client, seed)

    def close(self) -> None:
        self._portal.call(self._client.aclose)

    def end(self) -> None:
        self._stack.close()

    def inherited(self) -> Caller:
        return Inherited(self._client, self._backend)


class Inherited:
    """An async client in a forked child: each call runs an event loop of its own, in a new thread."""

    def __init__(self, client: AsyncClient, backend: str) -> None:
        self._client = client
        self._backend = backend

    def __call__(self, seed: int) -> str | None:
        return in_a_thread(lambda: anyio.run(_acall, self._client, seed, backend=self._backend))

    def close(self) -> None:
        in_a_thread(lambda: anyio.run(self._client.aclose, backend=self._backend))

    def inherited(self) -> Caller:
        return self


async def _acall(client: AsyncClient, seed: int) -> str | None:
    try:
        return _wrong(seed, await client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed))
    except Exception as error:  # noqa: BLE001 - as above
        return f"error: {type(error).__name__}: {error}"


@contextmanager
def calling(driver: Driver, server: Apart) -> Generator[Caller]:
    """Give a caller whose client was used once, and close it."""
    options: dict[str, Any] = {"base_url": server.url, "verify": server.trust, "timeout": PATIENCE / 2}
    if driver == "sync":
        with Client(key_for(0), **options) as client:
            yield Blocking(client)
        return
    caller = Awaited(AsyncClient(key_for(0), **options), driver)
    try:
        yield caller
        caller.close()
    finally:
        caller.end()


# -- Workers ----------------------------------------------------------------------------------------------


class _Process:
    """A worker of multiprocessing, with the interface of `Child`."""

    def __init__(self, work: Callable[[], object]) -> None:
        context = multiprocessing.get_context("fork")
        self._results, write = context.Pipe(duplex=False)
        self._process = context.Process(target=lambda: write.send(work()), daemon=True)
        self._process.start()
        write.close()

    def result(self) -> Any:
        try:
            came = self._results.recv() if self._results.poll(PATIENCE) else Died("it hung")
        except EOFError:
            came = Died("it gave nothing")
        self._results.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        return came


_FORKS: Final = {"os.fork": Child, "multiprocessing": _Process}


def _worked(caller: Caller, seeds: range, *, closing: bool) -> list[str]:
    mine = caller.inherited()
    wrong = [found for seed in seeds if (found := mine(seed))]
    if closing:
        mine.close()
    return wrong


@dataclass(slots=True)
class Forks:
    """What came of the rounds; `wrong` is what must not be."""

    rounds: int = 0
    calls: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def note(self, where: str, found: str | None) -> None:
        if found is not None:
            self.counts[found.partition(":")[0]] += 1
            self.wrong.append(f"{where}: {found}")


def rounds(
    count: int,
    driver: Driver,
    how: How,
    start: Start,
    *,
    tls: bool,
    forks: Forks,
    each: Callable[[], object] = lambda: None,
) -> None:
    """Run rounds with one client: workers are forked and work, and then the parent makes a call."""
    where = f"{driver}, {'https' if tls else 'http'}, {how}, {start}"
    seeds = itertools.count(1, CALLS)
    with apart(Naming, tls=tls) as server, calling(driver, server) as parent:
        first = next(seeds)
        forks.note(where, parent(first))
        mine = server.ask("came_by", first)
        for number in range(count):
            children: list[Child | _Process] = []
            for _ in range(WORKERS):
                theirs = next(seeds)
                work = partial(_worked, parent, range(theirs, theirs + CALLS), closing=bool(number % 2))
                children.append(_FORKS[how](work))
                if start == "staggered":
                    time.sleep(BETWEEN)
            for child in children:
                result = child.result()
                found = [f"died: {result.why}"] if isinstance(result, Died) else result
                for each_found in found:
                    forks.note(f"{where}, a worker of round {number}", each_found)
            after = next(seeds)
            forks.note(f"{where}, the parent after round {number}", parent(after))
            if (used := server.ask("came_by", after)) != mine:
                forks.note(
                    f"{where}, the parent after round {number}",
                    f"parent lost its connection: it had number {mine}, and used {used}",
                )
                mine = used
            forks.rounds += 1
            forks.calls += WORKERS * CALLS + 1
            each()


# -- What happens beside the rounds -----------------------------------------------------------------------


def fork_during_a_call(driver: Driver, how: How, *, tls: bool) -> Iterator[str]:
    """Fork while a call is under way in another thread: that call ends well, and so do the child's."""
    with apart(Naming, tls=tls) as server, calling(driver, server) as parent:
        if found := parent(1):
            yield f"first call: {found}"
        results: list[str | None] = []
        thread = threading.Thread(target=lambda: results.append(parent(HELD)))
        thread.start()
        if not server.ask("wait_until_held"):
            yield "the call under way never arrived"
        child = _FORKS[how](partial(_worked, parent, range(2, 4), closing=True))
        result = child.result()
        if isinstance(result, Died):
            yield f"the child died: {result.why}"
        else:
            yield from (f"the child: {found}" for found in result)
        server.ask("release")
        thread.join(PATIENCE)
        if thread.is_alive():
            yield "the call under way hangs"
        yield from (f"the call under way: {found}" for found in results if found)
        if found := parent(4):
            yield f"the next call: {found}"
        if server.ask("came_by", 4) != server.ask("came_by", HELD):
            yield "the connection of the call under way is used no more"


def hang_up_beside_a_child(driver: Driver, how: How, *, tls: bool, used: bool) -> Iterator[str]:
    """Close the parent's client while a child lives: the server sees it, `used` by the child or not."""
    begun, end = multiprocessing.get_context("fork").Event(), multiprocessing.get_context("fork").Event()

    def work(caller: Caller) -> list[str]:
        wrong = _worked(caller, range(2, 3) if used else range(0), closing=False)
        begun.set()
        end.wait(PATIENCE)
        return wrong

    with apart(Naming, tls=tls) as server:
        with calling(driver, server) as parent:
            if found := parent(1):
                yield f"first call: {found}"
            mine = server.ask("came_by", 1)
            child = _FORKS[how](partial(work, parent))
            begun.wait(PATIENCE)
        if not server.ask("hung_up", mine):
            yield "the server does not see that the parent hung up"
        end.set()
        result = child.result()
        if isinstance(result, Died):
            yield f"the child died: {result.why}"
        else:
            yield from (f"the child: {found}" for found in result)


_SCENES: Final[dict[str, Callable[..., Iterator[str]]]] = {
    "fork during a call": fork_during_a_call,
    "parent hangs up beside a child that used the client": partial(hang_up_beside_a_child, used=True),
    "parent hangs up beside a child that did not use it": partial(hang_up_beside_a_child, used=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="of each of the 24 ways")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="try this one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    console = Console(highlight=False)
    drivers: list[Driver] = asked.driver or list(DRIVERS)
    forks, begun = Forks(), time.perf_counter()
    hows: tuple[How, ...] = ("os.fork", "multiprocessing")
    starts: tuple[Start, ...] = ("at once", "staggered")
    with Progress(console=Console(stderr=True)) as progress:
        for driver, tls in itertools.product(drivers, (False, True)):
            scheme = "https" if tls else "http"
            for how, start in itertools.product(hows, starts):
                bar = progress.add_task(f"{driver}, {scheme}, {how}, {start}", total=asked.rounds)
                rounds(
                    *(asked.rounds, driver, how, start),
                    tls=tls,
                    forks=forks,
                    each=lambda bar=bar: progress.advance(bar),
                )
            for (name, scene), how in itertools.product(_SCENES.items(), hows):
                for found in scene(driver, how, tls=tls):
                    forks.note(f"{name}, {driver}, {scheme}, {how}", found)
    forks.seconds = time.perf_counter() - begun
    if asked.json:
        print(json.dumps(asdict(forks), indent=1))
    else:
        for each in forks.wrong[:50]:
            console.print(each, style="red", markup=False)
        console.print(
            f"{forks.rounds} rounds of {WORKERS} workers in {forks.seconds:.0f} s: {forks.calls} calls, "
            f"{forks.counts['swapped']} swapped, {forks.counts['error']} errors; "
            f"{len(forks.wrong)} things that must not be"
        )
    sys.exit(bool(forks.wrong))


if __name__ == "__main__":
    main()
