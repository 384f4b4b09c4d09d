"""Try one call under one fault: it must end as its row states, in time, and leave nothing behind.

A trial checks the row's columns, the server's ledger, whether all received bytes are kept, leftover sockets,
tasks and warnings, where the key can be read, and the client's next call.
"""

from __future__ import annotations

import base64
import itertools
import json
import time
import tracemalloc
import zlib
from asyncio import CancelledError
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import anyio
from segmind_sd3 import AsyncClient, Client, Generation, Retry, SegmindError
from segmind_sd3_contract.reference import REPLY_FAULTS, Answer, ReferenceServer, example_request

from proofs.faults.rows import ATTEMPTS, ONE, ROWS, allowed_ends
from proofs.fixtures.traces import places_of, watching
from proofs.fixtures.ways import ServerRoutes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from proofs.faults.rows import Row
    from proofs.fixtures.traces import Watch
    from proofs.fixtures.ways import Way

GRACE: Final = 0.25
"""The time, in seconds, that a call may take beyond its deadline."""

PATIENCE: Final = 5.0
"""The deadline of a normal call, in seconds."""

KEY: Final = "SG_badc0ffee0ddf00d"
"""A key that occurs nowhere else."""

TRIES: Final = Retry(attempts=ATTEMPTS, backoff=0.01, rate_limit_max=3.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one call under a fault.

    Attributes:
        ended: The class of the error, or `picture`.
        billed: The `billed` of the error; True for a picture.
        posts: The number of POSTs that arrived; for a faulty proxy, of requests.
        payments: The number of POSTs that the ledger billed.
        foreign: Whether the exception is not the SDK's.
        peak: The peak of allocated memory, in bytes; None if it was not measured.
        deviations: What violates the row or the general rules.
    """

    fault: str
    way: str
    ended: str
    billed: bool | None
    posts: int
    payments: int
    foreign: bool
    seconds: float
    peak: int | None
    deviations: tuple[str, ...]

    @property
    def wrongly_unbilled(self) -> bool:
        return self.billed is False and self.payments > 0


class _Observation:
    """Observes a call under a fault, and a normal call after it."""

    def __init__(self, row: Row, way: Way, server: ReferenceServer, heads: Sequence[object] | None) -> None:
        self.row = row
        self.way = way
        self.ended: object = None
        self.after: object = None
        self.seconds = 0.0
        self.posts = 0
        self.payments = 0
        self.peak: int | None = None
        self.tasks: list[str] = []
        self._server = server
        self._heads = heads

    @contextmanager
    def observe(self) -> Generator[None]:
        before = self._server.ledger[-1].n if self._server.ledger else 0
        heads_before = len(self._heads or ())
        if self.row.provoked:
            self._server.provoke(self.row.fault, times=None)
        # Python may crash if it traces memory that another library's threads release.
        traced = self.row.large and self.way.own
        if traced:
            tracemalloc.start()
        begun = time.perf_counter()
        with self.catch("ended"):
            yield
        self.seconds = time.perf_counter() - begun
        if traced:
            self.peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        entries = [each for each in self._server.ledger if each.n > before]
        self.posts = len(entries) if self._heads is None else len(self._heads) - heads_before
        self.payments = sum(entry.cost > 0 for entry in entries)
        self._server.calm()

    @contextmanager
    def catch(self, name: str) -> Generator[None]:
        try:
            yield
        except (Exception, CancelledError) as error:  # noqa: BLE001 - any exception is a result
            setattr(self, name, error)

    def call(self, options: Mapping[str, Any]) -> None:
        with Client(KEY, **options) as client:
            patient = client.with_options(timeout=PATIENCE)
            if self.row.reused:
                patient.sd35_turbo_txt2img(**ONE)
            with self.observe():
                self.ended = client.sd35_turbo_txt2img(**self.row.params)
            if self.row.provoked:
                with self.catch("after"):
                    self.after = patient.sd35_turbo_txt2img(**ONE)

    async def acall(self, options: Mapping[str, Any]) -> None:
        before = {task.id for task in anyio.get_running_tasks()}
        async with AsyncClient(KEY, **options) as client:
            patient = client.with_options(timeout=PATIENCE)
            if self.row.reused:
                await patient.sd35_turbo_txt2img(**ONE)
            with self.observe():
                self.ended = await client.sd35_turbo_txt2img(**self.row.params)
            if self.row.provoked:
                with self.catch("after"):
                    self.after = await patient.sd35_turbo_txt2img(**ONE)
        self.tasks = [str(task.name) for task in anyio.get_running_tasks() if task.id not in before]


def run_trial(row: Row, way: Way, place: ServerRoutes) -> Trial:
    """Make one call under one fault. No other call may use the routes."""
    server = place.server
    server.calm()
    base_url = place.base_url(way)
    with (
        watching(files=way.own) as watch,
        row.target("https" if way.tls else "http") if row.target else nullcontext((base_url, None)) as (
            url,
            heads,
        ),
        row.proxy() if row.proxy else nullcontext((None, heads)) as (proxy, counted),
        way.client_options(place, proxy) as given,
    ):
        meeting = _Observation(row, way, server, counted)
        options = {"base_url": url, "timeout": row.deadline, "retry": TRIES, **given}
        if way.driver == "sync":
            meeting.call(options)
        else:
            anyio.run(meeting.acall, options, backend=way.driver)
    ended = meeting.ended
    return Trial(
        fault=row.fault,
        way=way.name,
        ended="picture" if isinstance(ended, Generation) else type(ended).__name__,
        billed=True if isinstance(ended, Generation) else getattr(ended, "billed", None),
        posts=meeting.posts,
        payments=meeting.payments,
        foreign=not isinstance(ended, (Generation, SegmindError)),
        seconds=meeting.seconds,
        peak=meeting.peak,
        deviations=(*_deviations(meeting), *_leftovers(meeting, watch)),
    )


def _deviations(met: _Observation) -> Iterator[str]:
    """Yield what violates the row or the rules for every call."""
    row, ended = met.row, met.ended
    if not isinstance(ended, (Generation, SegmindError)):
        yield f"ended outside the tree of errors: {type(ended).__name__}: {_text(ended)}"
        return
    billed = True if isinstance(ended, Generation) else ended.billed
    right = allowed_ends(row, met.way)
    if not any(
        type(ended) in end.outcomes and billed in end.billed and met.posts in end.posts for end in right
    ):
        name, expected = type(ended).__name__, "; or ".join(str(end) for end in right)
        yield f"ended as {name}, billed={billed}, POSTs {met.posts}; not as {expected}: {_text(ended)}"
    if met.payments > 1:
        yield f"was paid {met.payments} times"
    if row.provoked and billed is not None and billed != (met.payments > 0):
        yield f"reports billed={billed}, but the ledger billed it {met.payments} times"
    if met.way.keeps_deadlines and met.seconds > row.deadline + GRACE:
        yield f"ended {met.seconds - row.deadline:.2f} s after its deadline"
    if met.seconds < (row.deadline if isinstance(ended, TimeoutError) else row.lasts):
        yield f"ended after {met.seconds:.2f} s, too early"
    # Another library may reuse a damaged connection.
    after = (Generation,) if met.way.own else (Generation, SegmindError)
    if row.provoked and not isinstance(met.after, after):
        yield f"the next call ended as {type(met.after).__name__}: {_text(met.after)}"
    if not _keeps_all_bytes(row, met.way, ended):
        yield "received bytes are lost"


def _text(end: object) -> str:
    """Return the beginning of an error's text, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in str(end)[:200])


def _leftovers(met: _Observation, watch: Watch) -> Iterator[str]:
    if met.way.own:  # other libraries' leftovers are theirs
        if watch.files > 0:  # negative if an earlier one was closed meanwhile
            yield f"{watch.files} sockets are open"
        yield from (f"left behind: {each}" for each in (*watch.warnings, *met.tasks))
    if any(KEY in line for line in watch.log):
        yield "the key is in the log"
    # The frames of a large reply hold hundreds of megabytes, and nothing new.
    if isinstance(met.ended, SegmindError) and not met.row.large:
        yield from (f"the key is in its {place}" for place in places_of(KEY, met.ended))


def _keeps_all_bytes(row: Row, way: Way, ended: Generation | SegmindError) -> bool:
    """Return whether every received byte is in the pictures or in the error."""
    if not row.provoked:
        return True
    body: bytes = getattr(ended, "body", b"")
    if row.large:  # zeros, or the gzip that holds them
        return len(body) > 0 and (body == bytes(len(body)) or body.startswith(b"\x1f\x8b"))
    answer = REPLY_FAULTS[row.fault](_expected_answer(json.dumps(row.params)))
    arriving = answer.body if answer.delivery is None else answer.delivery.arriving(answer.body)
    readings = [arriving, *_decoded(arriving)]
    if isinstance(ended, Generation):
        return all(any(_contains(reading, image.data) for reading in readings) for image in ended.images)
    if row.affects_wire and not way.own:  # the other library may decode, or stop early
        return any(reading.startswith(body) for reading in (answer.body, *_decoded(answer.body)))
    if answer.delivery is not None and answer.delivery.then == "drip":
        return answer.body.startswith(body)
    return body in readings


def _decoded(arriving: bytes) -> Iterator[bytes]:
    """Yield the decodings of bytes, partial ones included, by each decoder."""
    for wbits in (31, 15, -15):
        with suppress(zlib.error):
            inner = zlib.decompressobj(wbits).decompress(arriving)
            yield inner
            if inner:
                yield from _decoded(inner)


def _contains(reading: bytes, picture: bytes) -> bool:
    texts = (base64.b64encode(picture), base64.urlsafe_b64encode(picture))
    return picture in reading or any(text.rstrip(b"=") in reading for text in texts)


@cache
def _expected_answer(params: str) -> Answer:
    """Return the answer to a call without a fault. The same request always draws the same picture."""
    with Client(KEY) as client:
        prepared = client.prepare("sd35_turbo_txt2img", **json.loads(params))
    server = ReferenceServer()
    (turbo,) = (each for each in server.operations.values() if each.operation_id == prepared.operation)
    return server.answer(example_request(turbo, **prepared.body))


@contextmanager
def warmed_up_routes(ways: Iterable[Way]) -> Generator[ServerRoutes]:
    """Yield routes for trials, after a first call in each way has done what is slow only once."""
    with ServerRoutes() as place:
        for way in ways:
            place.open(way)
            run_trial(ROWS["several-images:list"], way, place)
        yield place


def run_trials(rows: Iterable[Row], ways: Sequence[Way]) -> Iterator[Trial]:
    """Try rows in ways, one after the other, except faults that can't occur in a way."""
    with warmed_up_routes(ways) as place:
        for row, way in itertools.product(rows, ways):
            if row.applies_to(way):
                yield run_trial(row, way, place)
