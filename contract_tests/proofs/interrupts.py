"""Prove that an interrupt at any moment of a call is raised soon, and loses no slot or socket.

A signal handler raises KeyboardInterrupt, as for Ctrl-C. The signal comes 0 to 400 µs after a call began
(from a timer), after its request arrived, or after half of its reply was sent (from the server process). The
server never finishes the reply, so only the interrupt can end the call before its deadline. The client has
few connections, so a lost slot would block the normal calls between the interrupts.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.console import Console
from rich.progress import Progress
from segmind_sd3 import Client, Retry, SegmindError

from proofs.fixtures.seeds import key_for, picture
from proofs.fixtures.server_process import server_process
from proofs.fixtures.sockets import reply
from proofs.fixtures.traces import files_over, open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from proofs.fixtures.server_process import ServerProcess
    from proofs.fixtures.sockets import Connection

After = Literal["the call began", "the request arrived", "half of the reply was sent"]
MOMENTS: Final[tuple[After, ...]] = ("the call began", "the request arrived", "half of the reply was sent")

MAX_DELAY: Final = 400
"""The maximum delay of the signal after that moment, in microseconds."""

MAX_LATENCY: Final = 0.6
"""The time, in seconds, within which the interrupt must be raised."""

DEADLINE: Final = 3.0
"""The deadline of a call, in seconds. A call whose interrupt is lost ends then."""

NORMAL_CALL_EVERY: Final = 4
"""The number of interrupts between two normal calls."""

ANSWERED_FROM: Final = 1 << 40
"""The first seed of answered calls. A smaller seed is 1000 times the moment's index plus microseconds."""

_SIGNAL_TIMEOUT: Final = 5.0


class InterruptingServer:
    """A server that signals its caller's process instead of finishing an answer."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._client = os.getppid()
        self._at: list[float] = []
        self._signalled = threading.Semaphore(0)

    def script(self, connection: Connection) -> None:
        while request := connection.request():
            connection.peer.requests.clear()
            seed = json.loads(request.body)["seed"]
            answer = reply(200, picture(seed), content_type="image/png", x_cost="0.0035")
            if seed >= ANSWERED_FROM:
                connection.send(answer)
                continue
            moment, microseconds = divmod(seed, 1000)
            if moment == MOMENTS.index("half of the reply was sent"):
                connection.send(answer[:-40])
            if moment != MOMENTS.index("the call began"):
                self._interrupt(microseconds)
            connection.wait_for_hangup()
            return

    def _interrupt(self, microseconds: int) -> None:
        ends = time.perf_counter() + microseconds / 1e6
        while time.perf_counter() < ends:
            pass
        self._at.append(time.monotonic())
        os.kill(self._client, self._number)
        self._signalled.release()

    def sent_at(self) -> float | None:
        """Return the monotonic time of the last signal, or None if none was sent."""
        return self._at.pop() if self._signalled.acquire(timeout=_SIGNAL_TIMEOUT) else None


@dataclass(slots=True)
class Interrupts:
    """The results of the interrupts. `violations` must stay empty. Times are seconds since the signal."""

    sent: int = 0
    raised: int = 0
    slowest: float = 0.0
    normal_calls: int = 0
    seconds: float = 0.0
    late: int = 0
    warned: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def note(self, took: float, where: str) -> None:
        self.raised += 1
        self.slowest = max(self.slowest, took)
        if took > MAX_LATENCY:
            self.late += 1
            self.violations.append(f"{where}: raised {took:.2f} s after the signal")


@contextmanager
def _interruptible() -> Generator[signal.Signals]:
    """Make a signal raise KeyboardInterrupt, other than Ctrl-C's own."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    # The timer's signal, so that timer and server share a handler.
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield signal.SIGALRM
    finally:
        signal.signal(signal.SIGALRM, before)


class _InterruptedClient:
    """A client whose calls are interrupted."""

    def __init__(self, server: ServerProcess, done: Interrupts, connections: int) -> None:
        self._server = server
        self._done = done
        self._normal_seeds = itertools.count(ANSWERED_FROM)
        self._client = Client(
            key_for(0),
            base_url=server.url,
            verify=server.trust,
            timeout=DEADLINE,
            retry=Retry(attempts=1),
            max_connections=connections,
        )

    def interrupt(self, after: After, microseconds: int) -> None:
        done, seed = self._done, 1000 * MOMENTS.index(after) + microseconds
        where, ended = f"{microseconds} µs after {after}", "with a picture"
        by_timer, begun = after == "the call began", time.monotonic()
        done.sent += 1
        caught: float | None = None
        try:
            try:
                if by_timer:
                    signal.setitimer(signal.ITIMER_REAL, max(microseconds, 1) / 1e6)
                    begun = time.monotonic()
                self._client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed)
            except SegmindError as error:
                ended = f"as {type(error).__name__}: {error}"
            # Cancel a timer that has not fired: it must not interrupt what follows.
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            caught = time.monotonic()
        sent_at = begun + microseconds / 1e6 if by_timer else self._server.call("sent_at")
        if caught is None:
            done.violations.append(f"{where}: the call ended {ended}, and no interrupt was raised")
        elif sent_at is None:
            done.violations.append(f"{where}: an interrupt was raised before its signal was sent")
        else:
            done.note(caught - sent_at, where)

    def call_normally(self) -> None:
        """Make a call that is answered, which needs a free slot."""
        self._done.normal_calls += 1
        try:
            self._client.sd35_turbo_txt2img(prompt="a lighthouse", seed=next(self._normal_seeds))
        except SegmindError as error:
            self._done.violations.append(f"a normal call ended as {type(error).__name__}: {error}")

    def close(self) -> None:
        self._client.close()


def interrupt_calls(
    count: int,
    after: After,
    *,
    tls: bool = False,
    connections: int = 1,
    seed: int = 0,
    done: Interrupts,
    after_each: Callable[[], object] = lambda: None,
) -> None:
    """Interrupt `count` calls of one client. `after_each` is called after each."""
    random = Random(f"{seed} {after} {tls}")  # noqa: S311 - a test, not a secret
    with _interruptible() as number, server_process(InterruptingServer, int(number), tls=tls) as server:
        before = open_files()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", ResourceWarning)
            trial = _InterruptedClient(server, done, connections)
            for n in range(count):
                trial.interrupt(after, random.randint(0, MAX_DELAY))
                if n % NORMAL_CALL_EVERY == 0:
                    trial.call_normally()
                after_each()
            trial.call_normally()
            trial.close()
            gc.collect()
        done.warned.update(f"{each.category.__name__}: {type(each.message).__name__}" for each in warned)
        if over := files_over(before):
            done.violations.append(f"{over} sockets are open after {count} interrupts after {after}")
        if not server.wait_until_hung_up():
            done.violations.append(f"a connection stays open after interrupts after {after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interrupts", type=int, default=12_000, help="in total")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random delays")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(highlight=False)
    done, begun = Interrupts(), time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        for after in MOMENTS:
            # Over TLS each call has a handshake, since an interrupted connection is not reused.
            for tls, connections, share in ((False, 1, 0.6), (False, 2, 0.2), (True, 1, 0.2)):
                count = math.ceil(options.interrupts * share / len(MOMENTS))
                name = f"after {after}, {'https' if tls else 'http'}, {connections} at most"
                bar = progress.add_task(name, total=count)
                interrupt_calls(
                    count,
                    after,
                    tls=tls,
                    connections=connections,
                    seed=options.seed,
                    done=done,
                    after_each=lambda bar=bar: progress.advance(bar),
                )
    done.seconds = time.perf_counter() - begun
    if options.json:
        print(json.dumps(asdict(done), indent=1))
    else:
        for each in done.violations[:50]:
            console.print(each, style="red", markup=False)
        console.print(
            f"{done.sent} interrupts in {done.seconds:.0f} s: {done.raised} were raised, "
            f"{done.late} of them late, the slowest {done.slowest * 1000:.0f} ms after its signal; "
            f"{done.normal_calls} normal calls between them; "
            f"{len(done.violations)} violations"
        )
    sys.exit(bool(done.violations))


if __name__ == "__main__":
    main()
