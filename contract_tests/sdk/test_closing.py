"""`close` while calls are under way: each of them ends soon, and says what is known of its bill."""

import itertools
import socket
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any

import anyio
import anyio.to_thread
import pytest
from proofs.fixtures.sockets import Connection, Peer, answering, certified, reply, serving, trusting
from segmind_sd3 import AsyncClient, Client, SegmindError
from segmind_sd3 import Waiting as WaitingEvent
from segmind_sd3._connections import Deadline, new_connection
from segmind_sd3._http import READ, Steps
from segmind_sd3._http import Connection as OurConnection
from segmind_sd3._routing import ClientClosed, Route
from segmind_sd3._transport import _run  # pyright: ignore[reportPrivateUsage] - its order of checks is the claim
from segmind_sd3._wire import Incoming
from segmind_sd3_contract.reference import MADE_UP_KEY

LOOPS = ("asyncio", "trio")
CALLS = 4
PATIENCE = 10.0
DEADLINE = 20.0


class Waiting:
    """Reads requests, answers so much, and waits; says when so many calls have come so far."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._all_there = threading.Barrier(CALLS, self._come)
        self.all_came = threading.Event()

    def _come(self) -> None:
        self.all_came.set()

    def script(self, connection: Connection) -> None:
        connection.request()
        connection.send(self._answer)
        self._all_there.wait(PATIENCE)
        connection.wait_for_hangup()


WHERE = {
    "before the reply": (b"", None),
    "in the body of a picture": (reply(200, b"\x89PNG", content_type="image/png", content_length="99"), True),
}


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest) -> bool:
    return request.param == "https"


@pytest.fixture(params=WHERE.values(), ids=list(WHERE))
def place(request: pytest.FixtureRequest, tls: bool) -> Generator[tuple[Waiting, Peer, bool | None]]:  # noqa: FBT001 - a fixture
    answer, billed = request.param
    waiting = Waiting(answer)
    with serving(waiting.script, tls=certified("127.0.0.1") if tls else None) as peer:
        yield waiting, peer, billed


@pytest.fixture
def all_begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Say when the replies of all calls have begun to be read: a socket may hold them unread for a while."""
    begun, count, begin = threading.Event(), itertools.count(1), Incoming.begin

    def counted(incoming: Incoming, *arguments: Any) -> None:
        begin(incoming, *arguments)
        if next(count) == CALLS:
            begun.set()

    monkeypatch.setattr(Incoming, "begin", counted)
    return begun


def test_close_wakes_the_calls_of_other_threads(
    place: tuple[Waiting, Peer, bool | None],
    all_begun: threading.Event,
    tls: bool,  # noqa: FBT001 - a fixture
):
    waiting, peer, billed = place
    client = Client(MADE_UP_KEY, base_url=peer.url, verify=trusting() if tls else True, timeout=DEADLINE)
    with ThreadPoolExecutor(CALLS) as threads:
        calls = [threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse") for _ in range(CALLS)]
        assert waiting.all_came.wait(PATIENCE)
        assert billed is None or all_begun.wait(PATIENCE)
        client.close()
        ended, hanging = wait_for(calls, PATIENCE)
        assert not hanging
    errors = [call.exception() for call in ended]
    assert [error.billed for error in errors if isinstance(error, SegmindError)] == [billed] * CALLS
    assert peer.wait_until_hung_up()
    assert len(peer.requests) == CALLS


@pytest.mark.parametrize("loop", LOOPS)
def test_aclose_wakes_the_calls_of_other_tasks(
    loop: str,
    place: tuple[Waiting, Peer, bool | None],
    all_begun: threading.Event,
    tls: bool,  # noqa: FBT001 - a fixture
):
    waiting, peer, billed = place
    bills: list[bool | None] = []

    async def call(client: AsyncClient) -> None:
        try:
            await client.sd35_turbo_txt2img(prompt="a lighthouse")
        except SegmindError as error:
            bills.append(error.billed)

    async def calls() -> None:
        client = AsyncClient(
            MADE_UP_KEY, base_url=peer.url, verify=trusting() if tls else True, timeout=DEADLINE
        )
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(call, client)
            assert await anyio.to_thread.run_sync(waiting.all_came.wait, PATIENCE)
            assert billed is None or await anyio.to_thread.run_sync(all_begun.wait, PATIENCE)
            await client.aclose()
            with anyio.fail_after(PATIENCE):
                assert await anyio.to_thread.run_sync(peer.wait_until_hung_up)

    anyio.run(calls, backend=loop)
    assert bills == [billed] * CALLS
    assert len(peer.requests) == CALLS


def test_close_wakes_the_calls_that_wait_for_a_connection():
    with serving(lambda connection: connection.wait_for_hangup()) as peer:
        client = Client(MADE_UP_KEY, base_url=peer.url, max_connections=1, timeout=DEADLINE)
        with ThreadPoolExecutor(CALLS) as threads:
            calls = [threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse") for _ in range(CALLS)]
            assert peer.wait_for_connections(1)
            client.close()
            ended, hanging = wait_for(calls, PATIENCE)
            assert not hanging
        bills = [error.billed for call in ended if isinstance(error := call.exception(), SegmindError)]
        # The one that had the connection may have been sent; the others certainly were not.
        assert len(bills) == CALLS
        assert bills.count(False) >= CALLS - 1
        assert peer.connections == 1


WAITED_FOR = reply(429, retry_after="50")


def test_close_wakes_a_call_that_waits_to_be_tried_again_and_nothing_more_is_sent():
    with serving(answering(WAITED_FOR)) as peer, ThreadPoolExecutor() as threads:
        client = Client(MADE_UP_KEY, base_url=peer.url)
        call = threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse")
        assert peer.arrived.wait(10)
        client.close()
        assert isinstance(call.exception(20), SegmindError)
        assert len(peer.requests) == 1


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_aclose_wakes_a_call_that_waits_to_be_tried_again_and_nothing_more_is_sent(loop: str):
    ended: list[Exception] = []

    async def call(client: AsyncClient) -> None:
        try:
            await client.sd35_turbo_txt2img(prompt="a lighthouse")
        except SegmindError as error:
            ended.append(error)

    async def close_while_it_waits(waits: anyio.Event, client: AsyncClient) -> None:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, client)
                await waits.wait()
                await client.aclose()

    async def run(peer: Peer) -> None:
        waits = anyio.Event()

        def listen(event: object) -> None:
            if isinstance(event, WaitingEvent):
                waits.set()

        await close_while_it_waits(waits, AsyncClient(MADE_UP_KEY, base_url=peer.url, on_event=listen))

    with serving(answering(WAITED_FOR)) as peer:
        anyio.run(run, peer, backend=loop)
        assert (len(ended), len(peer.requests)) == (1, 1)


# -- What has come already --------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Generator[tuple[OurConnection, socket.socket]]:
    """A connection, and the other end of its socket."""
    ours, theirs = socket.socketpair()
    connection = new_connection(Route("127.0.0.1", 80, None))
    connection.socket = ours
    with ours, theirs:
        yield connection, theirs


def test_what_has_come_is_read_though_the_client_is_closed(pair: tuple[OurConnection, socket.socket]):
    connection, theirs = pair
    closed = threading.Event()
    read: list[bytes] = []

    def steps() -> Steps[None]:
        theirs.send(b"the end")
        closed.set()
        assert (yield READ)
        assert connection.socket
        read.append(connection.socket.recv(10))
        yield READ

    with pytest.raises(ClientClosed):
        _run(connection, steps(), Deadline(DEADLINE, closed))
    assert read == [b"the end"]


def test_nothing_more_is_begun_once_the_client_is_closed(pair: tuple[OurConnection, socket.socket]):
    connection, theirs = pair
    closed = threading.Event()
    closed.set()

    def steps() -> Steps[None]:
        assert connection.socket
        connection.socket.send(b"a request")
        yield READ

    with pytest.raises(ClientClosed):
        _run(connection, steps(), Deadline(DEADLINE, closed))
    theirs.setblocking(False)  # noqa: FBT003 - socket's own signature
    with pytest.raises(BlockingIOError):
        theirs.recv(10)
