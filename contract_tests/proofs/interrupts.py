"""Interrupts at the worst moments: is each raised soon, and is no slot or socket lost?

A signal whose handler raises KeyboardInterrupt, as that of Ctrl-C does, comes 0 to 400 µs after a call began
(by a timer), after its request had arrived, or after half of its reply was sent (by the server, a process of
its own). It meets a call that the server never answers to its end, so that nothing but the interrupt can end
it before its deadline. The client has one connection at most, so that a slot that is lost is missed by the
honest calls between.
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

from proofs.fixtures.apart import apart
from proofs.fixtures.seeds import key_for, picture
from proofs.fixtures.sockets import reply
from proofs.fixtures.traces import files_over, open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from proofs.fixtures.apart import Apart
    from proofs.fixtures.sockets import Connection

After = Literal["the call began", "the request arrived", "half of the reply was sent"]
MOMENTS: Final[tuple[After, ...]] = ("the call began", "the request arrived", "half of the reply was sent")

LATEST: Final = 400
"""Microseconds after that moment by which the signal is sent."""

SOON: Final = 0.6
"""Seconds after the signal by which the interrupt must be raised."""

DEADLINE: Final = 3.0
"""Seconds that a call has: one whose interrupt does not come ends then."""

HONEST_EVERY: Final = 4
"""How many interrupts there are between two honest calls."""

HONEST: Final = 1 << 40
"""From this seed on a call is answered. Below, it is a moment's number and the microseconds."""

_UNTIL_KILLED: Final = 5.0


class Interrupting:
    """A server that signals its caller's process, in place of an answer or of its second half."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._client = os.getppid()
        self._at: list[float] = []
        self._killed = threading.Semaphore(0)

    def script(self, connection: Connection) -> None:
        while request := connection.request():
            connection.peer.requests.clear()
            seed = json.loads(request.body)["seed"]
            answer = reply(200, picture(seed), content_type="image/png", x_cost="0.0035")
            if seed >= HONEST:
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
        self._killed.release()

    def sent_at(self) -> float | None:
        """Give when the last signal was sent, by the clock that all processes share; None where none was."""
        return self._at.pop() if self._killed.acquire(timeout=_UNTIL_KILLED) else None


@dataclass(slots=True)
class Interrupts:
    """What came of the interrupts; `wrong` is what must not be. Times run from the signal, in seconds."""

    sent: int = 0
    raised: int = 0
    slowest: float = 0.0
    honest: int = 0
    seconds: float = 0.0
    late: int = 0
    warned: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def note(self, took: float, where: str) -> None:
        self.raised += 1
        self.slowest = max(self.slowest, took)
        if took > SOON:
            self.late += 1
            self.wrong.append(f"{where}: raised {took:.2f} s after the signal")


@contextmanager
def _interruptible() -> Generator[signal.Signals]:
    """Have a signal raise KeyboardInterrupt, and leave Ctrl-C to whoever runs this."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    # A timer's own signal, so that both ways to send one have the same handler.
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield signal.SIGALRM
    finally:
        signal.signal(signal.SIGALRM, before)


class _Trial:
    """One client, interrupted again and again."""

    def __init__(self, server: Apart, done: Interrupts, connections: int) -> None:
        self._server = server
        self._done = done
        self._honest = itertools.count(HONEST)
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
            # A signal that comes only now has met nothing; it must not meet what follows.
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            caught = time.monotonic()
        sent_at = begun + microseconds / 1e6 if by_timer else self._server.ask("sent_at")
        if caught is None:
            done.wrong.append(f"{where}: the call ended {ended}, and no interrupt was raised")
        elif sent_at is None:
            done.wrong.append(f"{where}: an interrupt was raised before its signal was sent")
        else:
            done.note(caught - sent_at, where)

    def honest(self) -> None:
        """Make a call that is answered: it needs a slot."""
        self._done.honest += 1
        try:
            self._client.sd35_turbo_txt2img(prompt="a lighthouse", seed=next(self._honest))
        except SegmindError as error:
            self._done.wrong.append(f"an honest call ended as {type(error).__name__}: {error}")

    def close(self) -> None:
        self._client.close()


def interrupted(
    count: int,
    after: After,
    *,
    tls: bool = False,
    connections: int = 1,
    seed: int = 0,
    done: Interrupts,
    each: Callable[[], object] = lambda: None,
) -> None:
    """Interrupt so many calls of one client; `each` is called after each."""
    random = Random(f"{seed} {after} {tls}")  # noqa: S311 - a test, not a secret
    with _interruptible() as number, apart(Interrupting, int(number), tls=tls) as server:
        before = open_files()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", ResourceWarning)
            trial = _Trial(server, done, connections)
            for n in range(count):
                trial.interrupt(after, random.randint(0, LATEST))
                if n % HONEST_EVERY == 0:
                    trial.honest()
                each()
            trial.honest()
            trial.close()
            gc.collect()
        done.warned.update(f"{each.category.__name__}: {type(each.message).__name__}" for each in warned)
        if over := files_over(before):
            done.wrong.append(f"{over} sockets are open after {count} interrupts after {after}")
        if not server.wait_until_hung_up():
            done.wrong.append(f"the server has an open connection after interrupts after {after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interrupts", type=int, default=12_000, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="draw others")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    console = Console(highlight=False)
    done, begun = Interrupts(), time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        for after in MOMENTS:
            # Over TLS each call begins with a handshake, since an interrupted connection is not used again.
            for tls, connections, share in ((False, 1, 0.6), (False, 2, 0.2), (True, 1, 0.2)):
                count = math.ceil(asked.interrupts * share / len(MOMENTS))
                name = f"after {after}, {'https' if tls else 'http'}, {connections} at most"
                bar = progress.add_task(name, total=count)
                interrupted(
                    count,
                    after,
                    tls=tls,
                    connections=connections,
                    seed=asked.seed,
                    done=done,
                    each=lambda bar=bar: progress.advance(bar),
                )
    done.seconds = time.perf_counter() - begun
    if asked.json:
        print(json.dumps(asdict(done), indent=1))
    else:
        for each in done.wrong[:50]:
            console.print(each, style="red", markup=False)
        console.print(
            f"{done.sent} interrupts in {done.seconds:.0f} s: {done.raised} were raised, "
            f"{done.late} of them late, the slowest {done.slowest * 1000:.0f} ms after its signal; "
            f"{done.honest} honest calls between; "
            f"{len(done.wrong)} things that must not be"
        )
    sys.exit(bool(done.wrong))


if __name__ == "__main__":
    main()
