"""`max_connections`: never more connections than that, and no slot is lost, however calls end."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from segmind_sd3 import AsyncClient, Client, Generation, OutcomeUnknown
from segmind_sd3._errors import ConnectionTimedOut
from segmind_sd3_contract.reference import MADE_UP_KEY
from segmind_sd3_contract.sockets import Connection, Peer, reply, serving

LOOPS = ("asyncio", "trio")
CALLS = 64
LIMIT = 4
PATIENCE = 20.0
NOTHING = "nothing"


class Crowd:
    """Answers calls when as many are there as are let in, but those for nothing; counts connections."""

    def __init__(self, picture: bytes) -> None:
        self.most = 0
        self._answer = reply(200, picture, content_type="image/png")
        self._all_there = threading.Barrier(LIMIT)
        self._lock = threading.Lock()
        self._open = 0

    def script(self, connection: Connection) -> None:
        with self._lock:
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            while (request := connection.request()) is not None:
                if json.loads(request.body)["prompt"] == NOTHING:
                    connection.wait_for_hangup()
                    return
                self._all_there.wait(PATIENCE)
                connection.send(self._answer)
        finally:
            with self._lock:
                self._open -= 1


@pytest.fixture
def crowd(picture: bytes) -> Crowd:
    return Crowd(picture)


@pytest.fixture
def peer(crowd: Crowd) -> Generator[Peer]:
    with serving(crowd.script) as peer:
        yield peer


def client_of(peer: Peer) -> Client:
    return Client(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT)


def async_client_of(peer: Peer) -> AsyncClient:
    return AsyncClient(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT)


async def call_at_once(client: AsyncClient, prompt: str = "a lighthouse") -> int:
    """Make all calls at once, and count those that were answered."""
    drawn: list[Generation] = []

    async def call() -> None:
        drawn.append(await client.sd35_turbo_txt2img(prompt=prompt))

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(call)
    return len(drawn)


def call_in_threads(client: Client, prompt: str = "a lighthouse") -> Counter[str]:
    """Make all calls at once, and count how they end."""
    with ThreadPoolExecutor(CALLS) as threads:
        calls = [threads.submit(client.sd35_turbo_txt2img, prompt=prompt) for _ in range(CALLS)]
        return Counter(type(call.exception() or call.result()).__name__ for call in calls)


async def until(event: Callable[[], bool]) -> None:
    assert await anyio.to_thread.run_sync(event)


@pytest.mark.parametrize("loop", LOOPS)
def test_more_tasks_than_connections_are_all_answered(loop: str, crowd: Crowd, peer: Peer):
    async def calls() -> int:
        async with async_client_of(peer) as client:
            return await call_at_once(client)

    assert anyio.run(calls, backend=loop) == CALLS
    assert (crowd.most, peer.connections) == (LIMIT, LIMIT)


def test_more_threads_than_connections_are_all_answered(crowd: Crowd, peer: Peer):
    with client_of(peer) as client:
        assert call_in_threads(client) == {"Generation": CALLS}
    assert (crowd.most, peer.connections) == (LIMIT, LIMIT)


@pytest.mark.parametrize("loop", LOOPS)
def test_cancelled_tasks_give_their_connections_back(loop: str, crowd: Crowd, peer: Peer):
    async def calls() -> int:
        async with async_client_of(peer) as client:
            for n in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call_at_once, client, NOTHING)
                    await until(lambda n=n: peer.wait_for_connections(LIMIT * (n + 1)))
                    tasks.cancel_scope.cancel()
                await until(peer.wait_until_hung_up)
            return await call_at_once(client)

    assert anyio.run(calls, backend=loop) == CALLS
    assert (crowd.most, peer.connections) == (LIMIT, LIMIT * 4)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 10, 20])
@pytest.mark.parametrize("loop", LOOPS)
def test_tasks_that_are_cancelled_after_few_turns_of_the_loop_cost_no_slot(turns: int, loop: str, peer: Peer):
    async def calls() -> int:
        async with async_client_of(peer) as client:
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call_at_once, client, NOTHING)
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
            return await call_at_once(client)

    assert anyio.run(calls, backend=loop) == CALLS


def test_calls_that_run_out_of_time_give_their_connections_back(peer: Peer):
    with client_of(peer) as client:
        ended = call_in_threads(client.with_options(timeout=0.2), NOTHING)
        assert ended.keys() == {"OutcomeTimedOut", "ConnectionTimedOut"}
        assert call_in_threads(client) == {"Generation": CALLS}


def test_a_call_that_never_had_a_connection_says_that_it_was_not_billed(peer: Peer):
    with (
        Client(MADE_UP_KEY, base_url=peer.url, max_connections=1) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(client.sd35_turbo_txt2img, prompt=NOTHING)
        assert peer.arrived.wait(PATIENCE)
        with pytest.raises(ConnectionTimedOut) as caught:
            client.with_options(timeout=0.1).sd35_turbo_txt2img(prompt="a lighthouse")
        assert caught.value.billed is False
        client.close()
        with pytest.raises(OutcomeUnknown):
            first.result(PATIENCE)
    assert len(peer.requests) == 1
