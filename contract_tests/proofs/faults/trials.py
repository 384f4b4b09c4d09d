"""One fault, met by one call: does it end as it must, in time, and without a trace?

Beside the row's own columns a call is judged by the server's ledger, by what came and must be kept, by
sockets, tasks and warnings that are left behind, by where its key can be read, and by the client's next call.
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
from segmind_sd3_contract.reference import SPOILS, Answer, ReferenceServer, example_request

from proofs.faults.rows import ATTEMPTS, ONE, ROWS, ends
from proofs.fixtures.traces import places_of, watching
from proofs.fixtures.ways import Place

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from proofs.faults.rows import Row
    from proofs.fixtures.traces import Watch
    from proofs.fixtures.ways import Way

GRACE: Final = 0.25
"""Seconds after its deadline by which a call must have ended."""

PATIENCE: Final = 5.0
"""Seconds that an honest call has."""

KEY: Final = "SG_badc0ffee0ddf00d"
"""A key that nothing else looks like."""

TRIES: Final = Retry(attempts=ATTEMPTS, backoff=0.01, rate_limit_max=3.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one call that met a fault.

    Attributes:
        ended: the class of the error, or `picture`.
        billed: what it says of money.
        posts: how many POSTs arrived; of a faulty proxy, how many requests.
        payments: how many of them the ledger billed.
        foreign: whether it ended outside the tree of errors.
        peak: the most memory that was allocated at once, in bytes; None where the row is not about that, or
            the connections are not the SDK's own.
        deviations: what is not as it must be.
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


class _Meeting:
    """What is seen of a call that meets a fault, and of an honest one after it."""

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
    def fault(self) -> Generator[None]:
        before = self._server.ledger[-1].n if self._server.ledger else 0
        heads_before = len(self._heads or ())
        if self.row.provoked:
            self._server.provoke(self.row.fault, times=None)
        # Python may crash where it traces memory that another library's own threads give back.
        traced = self.row.large and self.way.own
        if traced:
            tracemalloc.start()
        begun = time.perf_counter()
        with self.caught("ended"):
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
    def caught(self, name: str) -> Generator[None]:
        try:
            yield
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever it is, it is what came of the call
            setattr(self, name, error)

    def call(self, options: Mapping[str, Any]) -> None:
        with Client(KEY, **options) as client:
            patient = client.with_options(timeout=PATIENCE)
            if self.row.reused:
                patient.sd35_turbo_txt2img(**ONE)
            with self.fault():
                self.ended = client.sd35_turbo_txt2img(**self.row.params)
            if self.row.provoked:
                with self.caught("after"):
                    self.after = patient.sd35_turbo_txt2img(**ONE)

    async def acall(self, options: Mapping[str, Any]) -> None:
        before = {task.id for task in anyio.get_running_tasks()}
        async with AsyncClient(KEY, **options) as client:
            patient = client.with_options(timeout=PATIENCE)
            if self.row.reused:
                await patient.sd35_turbo_txt2img(**ONE)
            with self.fault():
                self.ended = await client.sd35_turbo_txt2img(**self.row.params)
            if self.row.provoked:
                with self.caught("after"):
                    self.after = await patient.sd35_turbo_txt2img(**ONE)
        self.tasks = [str(task.name) for task in anyio.get_running_tasks() if task.id not in before]


def tried(row: Row, way: Way, place: Place) -> Trial:
    """Meet one fault with one call. The place has no other caller."""
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
        way.opened(place, proxy) as given,
    ):
        meeting = _Meeting(row, way, server, counted)
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
        deviations=(*_deviations(meeting), *_left_behind(meeting, watch)),
    )


def _deviations(met: _Meeting) -> Iterator[str]:
    """Say what is not as the row has it, or as every call must end."""
    row, ended = met.row, met.ended
    if not isinstance(ended, (Generation, SegmindError)):
        yield f"ended outside the tree of errors: {type(ended).__name__}: {_text(ended)}"
        return
    billed = True if isinstance(ended, Generation) else ended.billed
    right = ends(row, met.way)
    if not any(
        type(ended) in end.outcomes and billed in end.billed and met.posts in end.posts for end in right
    ):
        name, expected = type(ended).__name__, "; or ".join(str(end) for end in right)
        yield f"ended as {name}, billed={billed}, POSTs {met.posts}; not as {expected}: {_text(ended)}"
    if met.payments > 1:
        yield f"was paid {met.payments} times"
    if row.provoked and billed is not None and billed != (met.payments > 0):
        yield f"says billed={billed}, and the ledger has billed it {met.payments} times"
    if met.way.keeps_deadlines and met.seconds > row.deadline + GRACE:
        yield f"ended {met.seconds - row.deadline:.2f} s after its deadline"
    if met.seconds < (row.deadline if isinstance(ended, TimeoutError) else row.lasts):
        yield f"ended after {met.seconds:.2f} s, too early"
    # Another library may use a connection again that it had better closed.
    after = (Generation,) if met.way.own else (Generation, SegmindError)
    if row.provoked and not isinstance(met.after, after):
        yield f"the next call ended as {type(met.after).__name__}: {_text(met.after)}"
    if not _kept(row, met.way, ended):
        yield "what came is not what is kept"


def _text(end: object) -> str:
    """Give the beginning of what an end says; a server may have sent it anything."""
    return "".join(c if c.isprintable() else "?" for c in str(end)[:200])


def _left_behind(met: _Meeting, watch: Watch) -> Iterator[str]:
    if met.way.own:  # what another library leaves is its own
        if watch.files > 0:  # fewer are open where an earlier one was closed since
            yield f"{watch.files} sockets are open"
        yield from (f"left behind: {each}" for each in (*watch.warnings, *met.tasks))
    if any(KEY in line for line in watch.log):
        yield "the key is in the log"
    # The frames of a large one hold hundreds of megabytes, and nothing that others don't.
    if isinstance(met.ended, SegmindError) and not met.row.large:
        yield from (f"the key is in its {place}" for place in places_of(KEY, met.ended))


def _kept(row: Row, way: Way, ended: Generation | SegmindError) -> bool:
    """Say whether every byte that came is in the pictures or in the error."""
    if not row.provoked:
        return True
    body: bytes = getattr(ended, "body", b"")
    if row.large:  # zeros, or the gzip that holds them
        return len(body) > 0 and (body == bytes(len(body)) or body.startswith(b"\x1f\x8b"))
    answer = SPOILS[row.fault](_honest(json.dumps(row.params)))
    arriving = answer.body if answer.delivery is None else answer.delivery.arriving(answer.body)
    readings = [arriving, *_decoded(arriving)]
    if isinstance(ended, Generation):
        return all(any(_holds(reading, image.data) for reading in readings) for image in ended.images)
    if row.on_the_wire and not way.own:  # what the other library made of it, and how far it got, is not known
        return any(reading.startswith(body) for reading in (answer.body, *_decoded(answer.body)))
    if answer.delivery is not None and answer.delivery.then == "drip":
        return answer.body.startswith(body)
    return body in readings


def _decoded(arriving: bytes) -> Iterator[bytes]:
    """Give what bytes hold, under each way to undo an encoding, as far as it can be undone."""
    for wbits in (31, 15, -15):
        with suppress(zlib.error):
            inner = zlib.decompressobj(wbits).decompress(arriving)
            yield inner
            if inner:
                yield from _decoded(inner)


def _holds(reading: bytes, picture: bytes) -> bool:
    texts = (base64.b64encode(picture), base64.urlsafe_b64encode(picture))
    return picture in reading or any(text.rstrip(b"=") in reading for text in texts)


@cache
def _honest(params: str) -> Answer:
    """Give the answer that a call would have had: the same request is always drawn alike."""
    with Client(KEY) as client:
        prepared = client.prepare("sd35_turbo_txt2img", **json.loads(params))
    server = ReferenceServer()
    (turbo,) = (each for each in server.operations.values() if each.operation_id == prepared.operation)
    return server.answer(example_request(turbo, **prepared.body))


@contextmanager
def warmed_up(ways: Iterable[Way]) -> Generator[Place]:
    """Give a place to try faults at; what only the first calls in these ways have to wait for is done."""
    with Place() as place:
        for way in ways:
            place.open(way)
            tried(ROWS["several-images:list"], way, place)
        yield place


def trials(rows: Iterable[Row], ways: Sequence[Way]) -> Iterator[Trial]:
    """Try rows in ways, one after the other; a fault that can't be met in a way is left out."""
    with warmed_up(ways) as place:
        for row, way in itertools.product(rows, ways):
            if row.can_be_met(way):
                yield tried(row, way, place)
