"""Every fault of `fault_rows.py`, met by a call: does it end as it must, in time, and without a trace?

A call goes over a real socket to the reference server, which meets it with the fault each time. Beside the
row's own columns it is judged by the server's ledger, by what came and must be kept, by sockets, tasks and
warnings that are left behind, by where its key can be read, and by the next call on the same connections.
"""

from __future__ import annotations

import argparse
import base64
import json
import ssl
import sys
import time
import tracemalloc
import zlib
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import anyio
from rich.console import Console
from rich.progress import track
from rich.table import Table
from segmind_sd3 import AsyncClient, Client, Generation, Retry, SegmindError
from segmind_sd3._limits import MAX_REPLY_BYTES

from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.fault_rows import ONE, ROWS
from segmind_sd3_contract.reference import SPOILS, Answer, ReferenceServer, example_request
from segmind_sd3_contract.traces import places_of, watching

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from segmind_sd3_contract.fault_rows import Row
    from segmind_sd3_contract.traces import Watch

GRACE: Final = 0.25
"""Seconds after its deadline by which a call must have ended."""

PATIENCE: Final = 5.0
"""Seconds that the honest call has."""

KEY: Final = "SG_badc0ffee0ddf00d"
"""A key that can be told from everything else."""

TRIES: Final = Retry(attempts=3, backoff=0.01)

# Made once: reading the certificates of all authorities takes longer than a call on loopback.
_TRUST: Final = ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one call that met a fault.

    Attributes:
        ended: the class of the error, or `picture`.
        billed: what it says of money.
        posts: how many POSTs arrived.
        peak: the most memory that was allocated at once, in bytes, where the row is about that.
        deviations: what is not as it must be.
    """

    fault: str
    driver: Driver
    ended: str
    billed: bool | None
    posts: int
    seconds: float
    peak: int | None
    deviations: tuple[str, ...]


class _Meeting:
    """What is seen of a call that meets a fault, and of an honest one after it."""

    def __init__(self, row: Row, server: ReferenceServer, sent: Sequence[object] | None) -> None:
        self.row = row
        self.ended: object = None
        self.after: object = None
        self.seconds = 0.0
        self.posts = 0
        self.paid = 0.0
        self.peak: int | None = None
        self.tasks: list[str] = []
        self._server = server
        self._sent = sent

    @contextmanager
    def fault(self) -> Generator[None]:
        before = self._server.ledger[-1].n if self._server.ledger else 0
        if self.row.large:
            tracemalloc.start()
        begun = time.perf_counter()
        with self.caught("ended"):
            yield
        self.seconds = time.perf_counter() - begun
        if self.row.large:
            self.peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        entries = [each for each in self._server.ledger if each.n > before]
        self.posts = len(entries) if self._sent is None else len(self._sent)
        self.paid = sum(entry.cost for entry in entries)
        self._server.calm()

    @contextmanager
    def caught(self, name: str) -> Generator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
            setattr(self, name, error)

    def call(self, **options: Any) -> None:
        with Client(KEY, **options) as client:
            with self.fault():
                self.ended = client.sd35_turbo_txt2img(**self.row.params)
            with self.caught("after"):
                patient = client.with_options(timeout=PATIENCE)
                self.after = self.row.address or patient.sd35_turbo_txt2img(**ONE)

    async def acall(self, options: Mapping[str, Any]) -> None:
        before = {task.id for task in anyio.get_running_tasks()}
        async with AsyncClient(KEY, **options) as client:
            with self.fault():
                self.ended = await client.sd35_turbo_txt2img(**self.row.params)
            with self.caught("after"):
                patient = client.with_options(timeout=PATIENCE)
                self.after = self.row.address or await patient.sd35_turbo_txt2img(**ONE)
        self.tasks = [str(task.name) for task in anyio.get_running_tasks() if task.id not in before]


def tried(row: Row, driver: Driver, server: ReferenceServer, url: str) -> Trial:
    """Meet one fault with one call. The server is listening at the URL, and has no other caller."""
    server.calm()
    if row.address is None:
        server.provoke(row.fault, times=None)
    with watching() as watch, row.address() if row.address else nullcontext((url, None)) as (address, sent):
        meeting = _Meeting(row, server, sent)
        options = {"base_url": address, "timeout": row.deadline, "retry": TRIES, "verify": _TRUST}
        if driver == "sync":
            meeting.call(**options)
        else:
            anyio.run(meeting.acall, options, backend=driver)
    ended = meeting.ended
    return Trial(
        fault=row.fault,
        driver=driver,
        ended="picture" if isinstance(ended, Generation) else type(ended).__name__,
        billed=ended.billed if isinstance(ended, SegmindError) else True,
        posts=meeting.posts,
        seconds=meeting.seconds,
        peak=meeting.peak,
        deviations=(*_deviations(meeting), *_left_behind(meeting, watch)),
    )


def _deviations(met: _Meeting) -> Iterator[str]:
    """Say what is not as the row has it, or as every call must end."""
    row, ended = met.row, met.ended
    expected = row.error or Generation
    if type(ended) is not expected:
        yield f"ended as {type(ended).__name__}, not {expected.__name__}: {ended}"
    if not isinstance(ended, (Generation, SegmindError)):
        yield "ended outside the tree of errors"
        return
    billed = True if isinstance(ended, Generation) else ended.billed
    if billed != row.billed:
        yield f"says billed={billed}, not {row.billed}"
    if billed is not None and billed != (met.paid > 0):
        yield f"says billed={billed}, and the ledger has {met.paid:g} for it"
    if met.posts != row.posts:
        yield f"{met.posts} POSTs arrived, not {row.posts}"
    if met.seconds > row.deadline + GRACE:
        yield f"ended {met.seconds - row.deadline:.2f} s after its deadline"
    if isinstance(ended, TimeoutError) and met.seconds < row.deadline:
        yield f"gave up {row.deadline - met.seconds:.2f} s before its deadline"
    if row.address is None and not isinstance(met.after, Generation):
        yield f"the next call ended as {type(met.after).__name__}: {met.after}"
    if not _kept(row, ended):
        yield "what came is not what is kept"


def _left_behind(met: _Meeting, watch: Watch) -> Iterator[str]:
    if watch.files:
        yield f"{watch.files} sockets are open"
    yield from (f"left behind: {each}" for each in (*watch.warnings, *met.tasks))
    if any(KEY in line for line in watch.log):
        yield "the key is in the log"
    # The frames of a large one hold hundreds of megabytes, and nothing that others don't.
    if isinstance(met.ended, BaseException) and not met.row.large:
        yield from (f"the key is in its {place}" for place in places_of(KEY, met.ended))


def _kept(row: Row, ended: Generation | SegmindError) -> bool:
    """Say whether every byte that came is in the pictures or in the error."""
    if row.address is not None:
        return True
    body: bytes = getattr(ended, "body", b"")
    if row.large:
        return len(body) > 0 and body == bytes(len(body))
    answer = SPOILS[row.fault](_honest(json.dumps(row.params)))
    came = _decoded(answer)
    if isinstance(ended, Generation):
        return all(
            image.data in came or base64.b64encode(image.data).rstrip(b"=") in came for image in ended.images
        )
    if answer.delivery is not None and answer.delivery.then == "drip":
        return answer.body.startswith(body)
    return body == came


def _decoded(answer: Answer) -> bytes:
    delivery = answer.delivery
    arriving = answer.body if delivery is None else delivery.arriving(answer.body) * delivery.begins
    if answer.headers.get("content-encoding") == "gzip":
        with suppress(zlib.error):
            return zlib.decompressobj(31).decompress(arriving)
    return arriving


@cache
def _honest(params: str) -> Answer:
    """Give the answer that a call would have had: the same request is always drawn alike."""
    with Client(KEY) as client:
        prepared = client.prepare("sd35_turbo_txt2img", **json.loads(params))
    server = ReferenceServer()
    (turbo,) = (each for each in server.operations.values() if each.operation_id == prepared.operation)
    return server.answer(example_request(turbo, **prepared.body))


@contextmanager
def listening() -> Generator[tuple[ReferenceServer, str]]:
    """Give a server to try faults on, and its URL; what only the first calls have to wait for is done."""
    server = ReferenceServer(credits=1000)
    with server.listening() as url:
        for driver in DRIVERS:
            tried(ROWS["several-images:list"], driver, server, url)
        yield server, url


def trials(rows: Iterable[Row], drivers: Iterable[Driver]) -> Iterator[Trial]:
    """Try rows in each way, one after the other."""
    with listening() as (server, url):
        for row in rows:
            for driver in drivers:
                yield tried(row, driver, server, url)


def _printed(done: Sequence[Trial], drivers: Sequence[Driver]) -> Table:
    table = Table("fault", "ends as", "billed", "POSTs", *(f"s, {driver}" for driver in drivers))
    for fault in dict.fromkeys(trial.fault for trial in done):
        ways = [trial for trial in done if trial.fault == fault]
        told = [
            " / ".join(dict.fromkeys(str(value) for value in values))
            for values in zip(*((each.ended, each.billed, each.posts) for each in ways), strict=True)
        ]
        wrong = any(trial.deviations for trial in ways)
        seconds = [f"{trial.seconds:.3f}" for trial in ways]
        table.add_row(fault, *told, *seconds, style="red" if wrong else None)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="those to try; all unless named")
    parser.add_argument("--trio", action="store_true", help="on trio too")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if unknown := [fault for fault in asked.faults if fault not in ROWS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(ROWS)}")
    drivers: list[Driver] = [driver for driver in DRIVERS if asked.trio or driver != "trio"]
    rows = [ROWS[fault] for fault in asked.faults] or list(ROWS.values())
    # A name that is cut short is none; where there is no terminal, rich takes it to be a narrow one.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    begun = time.perf_counter()
    done = list(
        track(trials(rows, drivers), "faults", len(rows) * len(drivers), console=Console(stderr=True))
    )
    wrong = [trial for trial in done if trial.deviations]
    if asked.json:
        print(json.dumps([asdict(trial) for trial in done], indent=1))  # noqa: T201
    else:
        console.print(_printed(done, drivers))
        for trial in done:
            if trial.peak is not None:
                console.print(
                    f"{trial.fault}, {trial.driver}: {trial.peak / 1024**2:.0f} MiB at once, "
                    f"of a reply that may have {MAX_REPLY_BYTES / 1024**2:.0f}"
                )
        for trial in wrong:
            told = f"{trial.fault}, {trial.driver}: {'; '.join(trial.deviations)}"
            console.print(told, style="red", markup=False)
        console.print(
            f"{len(done)} trials of {len(rows)} faults in {time.perf_counter() - begun:.0f} s, "
            f"{len(wrong)} deviate"
        )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
