"""`max_connections`: never more connections than that, and no slot is lost, however calls end."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from proofs.fixtures.sockets import Connection, Peer, reply, serving
from segmind_sd3 import AsyncClient, Client, Generation, OutcomeUnknown
from segmind_sd3._errors import ConnectionTimedOut
from segmind_sd3_contract.reference import MADE_UP_KEY

LOOPS = ("asyncio", "trio")
CALLS = 64
LIMIT = 4
PATIENCE = 20.0


class Crowd:
    """Answers from when as many calls are there as are let in; counts the connections open at once."""

    def __init__(self, picture: bytes) -> None:
        self.most = 0
        self.answering = threading.Event()
        self._answer = reply(200, picture, content_type="image/png")
        self._all_there = threading.Event()
        self._lock = threading.Lock()
        self._open = 0

    def script(self, connection: Connection) -> None:
        with self._lock:
            self._open += 1
            self.most = max(self.most, self._open)
            if self._open == LIMIT:
                self._all_there.set()
        try:
            while connection.request() is not None:
                if not self.answering.is_set():
                    connection.wait_for_hangup()
                    return
                self._all_there.wait(PATIENCE)
                connection.send(self._answer)
        finally:
            with self._lock:
                self._open -= 1


@contextmanager
def crowd(picture: bytes, *, answering: bool) -> Generator[tuple[Crowd, Peer]]:
    crowd = Crowd(picture)
    if answering:
        crowd.answering.set()
    with serving(crowd.script) as peer:
        yield crowd, peer


async def all_at_once(client: AsyncClient) -> list[Generation]:
    drawn: list[Generation] = []

    async def call() -> None:
        drawn.append(await client.sd35_turbo_txt2img(prompt="a lighthouse"))

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(call)
    return drawn


async def until(event: Callable[[], bool]) -> None:
    assert await anyio.to_thread.run_sync(event)


@pytest.mark.parametrize("loop", LOOPS)
def test_more_tasks_than_connections_are_all_answered(loop: str, picture: bytes):
    async def calls(url: str) -> int:
        async with AsyncClient(MADE_UP_KEY, base_url=url, max_connections=LIMIT) as client:
            return len(await all_at_once(client))

    with crowd(picture, answering=True) as (seen, peer):
        assert anyio.run(calls, peer.url, backend=loop) == CALLS
    assert (seen.most, peer.connections) == (LIMIT, LIMIT)


def test_more_threads_than_connections_are_all_answered(picture: bytes):
    with (
        crowd(picture, answering=True) as (seen, peer),
        Client(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT) as client,
        ThreadPoolExecutor(CALLS) as threads,
    ):
        calls = [threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse") for _ in range(CALLS)]
        assert all(call.result().images for call in calls)
    assert (seen.most, peer.connections) == (LIMIT, LIMIT)


@pytest.mark.parametrize("loop", LOOPS)
def test_cancelled_tasks_give_their_connections_back(loop: str, picture: bytes):
    async def calls(seen: Crowd, peer: Peer) -> int:
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT) as client:
            for n in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(all_at_once, client)
                    await until(lambda n=n: peer.wait_for_connections(LIMIT * (n + 1)))
                    tasks.cancel_scope.cancel()
                await until(peer.wait_until_hung_up)
            seen.answering.set()
            return len(await all_at_once(client))

    with crowd(picture, answering=False) as (seen, peer):
        assert anyio.run(calls, seen, peer, backend=loop) == CALLS
    assert (seen.most, peer.connections) == (LIMIT, LIMIT * 4)


@pytest.mark.slow
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 10, 20])
@pytest.mark.parametrize("loop", LOOPS)
def test_tasks_that_are_cancelled_after_few_turns_of_the_loop_cost_no_slot(
    turns: int, loop: str, picture: bytes
):
    async def calls(seen: Crowd, peer: Peer) -> int:
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT) as client:
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(all_at_once, client)
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
            await until(peer.wait_until_hung_up)
            seen.answering.set()
            return len(await all_at_once(client))

    with crowd(picture, answering=False) as (seen, peer):
        assert anyio.run(calls, seen, peer, backend=loop) == CALLS


def test_calls_that_run_out_of_time_give_their_connections_back(picture: bytes):
    with (
        crowd(picture, answering=False) as (seen, peer),
        Client(MADE_UP_KEY, base_url=peer.url, max_connections=LIMIT) as client,
        ThreadPoolExecutor(CALLS) as threads,
    ):
        hasty = client.with_options(timeout=0.2)
        late = [threads.submit(hasty.sd35_turbo_txt2img, prompt="a lighthouse") for _ in range(CALLS)]
        assert all(isinstance(call.exception(), TimeoutError) for call in late)
        assert peer.wait_until_hung_up()
        seen.answering.set()
        calls = [threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse") for _ in range(CALLS)]
        assert all(call.result().images for call in calls)


def test_a_call_that_never_had_a_connection_says_that_it_was_not_billed(picture: bytes):
    with (
        crowd(picture, answering=False) as (_, peer),
        Client(MADE_UP_KEY, base_url=peer.url, max_connections=1) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(client.sd35_turbo_txt2img, prompt="a lighthouse")
        assert peer.arrived.wait(PATIENCE)
        with pytest.raises(ConnectionTimedOut) as caught:
            client.with_options(timeout=0.1).sd35_turbo_txt2img(prompt="a lighthouse")
        assert caught.value.billed is False
        client.close()
        with pytest.raises(OutcomeUnknown):
            first.result(PATIENCE)
    assert len(peer.requests) == 1
