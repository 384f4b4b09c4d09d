"""Clients come and go: event loops, threads, copies, cancellations. Nothing is left behind."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from proofs.fixtures.sockets import (
    Connection,
    Peer,
    Script,
    answering,
    deaf,
    reply,
    serving,
    stalling,
)
from segmind_sd3 import AsyncClient, Client, Generation, InvalidRequest, Retry
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

LOOPS = ("asyncio", "trio")


@pytest.fixture
def drawn(picture: bytes) -> bytes:
    return reply(200, picture, content_type="image/png")


@pytest.fixture
def peer(drawn: bytes) -> Generator[Peer]:
    with serving(answering(drawn)) as peer:
        yield peer


def naming_the_seed(picture: bytes, at_once: int = 1) -> Script:
    """Answer with a request id that is the seed that was asked for, once so many calls are there."""
    barrier = threading.Barrier(at_once)

    def script(connection: Connection) -> None:
        while (request := connection.request()) is not None:
            barrier.wait(10)
            seed = str(json.loads(request.body)["seed"])
            connection.send(reply(200, picture, content_type="image/png", x_request_id=seed))

    return script


async def a_call(client: AsyncClient, **params: Any) -> Generation:
    return await client.sd35_turbo_txt2img(prompt="a lighthouse", **params)


# -- Event loops ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", LOOPS)
@pytest.mark.parametrize("first", LOOPS)
def test_one_client_serves_one_event_loop_after_another(first: str, second: str, peer: Peer):
    client = AsyncClient(MADE_UP_KEY, base_url=peer.url)
    for loop in (first, second, first):
        assert anyio.run(a_call, client, backend=loop).images
        assert peer.wait_until_hung_up()
    assert peer.connections == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_that_ends_closes_every_connection_of_its_own(loop: str, picture: bytes):
    async def calls() -> None:
        async with anyio.create_task_group() as tasks:
            for seed in range(5):
                tasks.start_soon(lambda seed=seed: a_call(client, seed=seed))

    with serving(naming_the_seed(picture, at_once=5)) as peer:
        client = AsyncClient(MADE_UP_KEY, base_url=peer.url)
        anyio.run(calls, backend=loop)
        assert peer.connections == 5
        assert peer.wait_until_hung_up()


@pytest.mark.parametrize("loops", [("asyncio", "asyncio"), ("asyncio", "trio")], ids="-".join)
def test_one_client_serves_two_loops_in_two_threads_at_once(loops: tuple[str, str], picture: bytes):
    with serving(naming_the_seed(picture, at_once=2)) as peer, ThreadPoolExecutor() as threads:
        client = AsyncClient(MADE_UP_KEY, base_url=peer.url)
        calls = [threads.submit(anyio.run, a_call, client, backend=loop) for loop in loops]
        assert all(call.result().images for call in calls)
        assert peer.wait_until_hung_up()


def test_a_client_in_one_loop_outlives_the_end_of_another(peer: Peer):
    client = AsyncClient(MADE_UP_KEY, base_url=peer.url)

    async def calls_around_another_loop() -> None:
        await a_call(client)
        await anyio.to_thread.run_sync(lambda: asyncio.run(a_call(client)))
        await a_call(client)

    asyncio.run(calls_around_another_loop())
    assert peer.connections == 2


RUNS = """
import asyncio, gc, logging, sys, threading, trio
from segmind_sd3 import AsyncClient, Client

logging.getLogger("asyncio").setLevel("ERROR")  # below, it tells of a slow machine alone

client = AsyncClient("SG_0123456789abcdef", base_url=sys.argv[1])

async def call():
    assert (await client.sd35_turbo_txt2img(prompt="a lighthouse")).images

async def closed():
    async with AsyncClient("SG_0123456789abcdef", base_url=sys.argv[1]) as other:
        assert (await other.sd35_turbo_txt2img(prompt="a lighthouse")).images

asyncio.run(call())
asyncio.run(call())
trio.run(call)
asyncio.run(closed())
trio.run(closed)
thread = threading.Thread(target=asyncio.run, args=(call(),))
thread.start()
thread.join()
with Client("SG_0123456789abcdef", base_url=sys.argv[1]) as blocking:
    assert blocking.sd35_turbo_txt2img(prompt="a lighthouse").images
gc.collect()
"""


def test_all_of_this_leaves_no_warning_of_any_kind(peer: Peer):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", RUNS, peer.url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")
    assert len(peer.requests) == 7


# -- Many at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_64_calls_at_once_get_each_its_own_answer(loop: str, picture: bytes):
    ended: dict[int, str | None] = {}

    async def call(client: AsyncClient, seed: int) -> None:
        drawn = await a_call(client, seed=seed)
        ended[seed] = drawn.request_id

    async def calls(url: str) -> None:
        async with AsyncClient(MADE_UP_KEY, base_url=url) as client, anyio.create_task_group() as tasks:
            for seed in range(64):
                tasks.start_soon(call, client, seed)

    with serving(naming_the_seed(picture, at_once=64)) as peer:
        anyio.run(calls, peer.url, backend=loop)
    assert ended == {seed: str(seed) for seed in range(64)}


def test_threads_share_a_client_and_get_each_its_own_answer(picture: bytes):
    with (
        serving(naming_the_seed(picture, at_once=16)) as peer,
        Client(MADE_UP_KEY, base_url=peer.url) as client,
        ThreadPoolExecutor(16) as threads,
    ):

        def call(seed: int) -> str | None:
            return client.sd35_turbo_txt2img(prompt="a lighthouse", seed=seed).request_id

        assert list(threads.map(call, range(64))) == [str(seed) for seed in range(64)]
        assert peer.connections <= 16


# -- Copies, and who closes -------------------------------------------------------------------------------


def test_a_copy_shares_the_connections_and_does_not_close_them(peer: Peer):
    with Client(MADE_UP_KEY, base_url=peer.url) as client:
        with client.with_options(timeout=10) as copy:
            copy.sd35_turbo_txt2img(prompt="a lighthouse")
        copy.sd35_turbo_txt2img(prompt="a lighthouse")
        client.sd35_turbo_txt2img(prompt="a lighthouse")
        assert peer.connections == 1
    assert peer.wait_until_hung_up()


@pytest.mark.parametrize("loop", LOOPS)
def test_an_async_copy_shares_the_connections_and_does_not_close_them(loop: str, peer: Peer):
    async def calls() -> None:
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url) as client:
            async with client.with_options(timeout=10) as copy:
                await a_call(copy)
            await a_call(copy)
            await a_call(client)
        assert await anyio.to_thread.run_sync(peer.wait_until_hung_up)
        assert peer.connections == 1

    anyio.run(calls, backend=loop)


def test_a_copy_of_a_copy_keeps_its_options_and_its_parent_its_own():
    with serving(stalling()) as peer, Client(MADE_UP_KEY, base_url=peer.url, timeout=0.2) as client:
        copy = client.with_options(timeout=0.1).with_options(retry=Retry(attempts=1))
        for each, seconds in ((copy, "0.1"), (client, "0.2")):
            with pytest.raises(TimeoutError, match=f"deadline of {seconds} s"):
                each.sd35_turbo_txt2img(prompt="a lighthouse")


def test_a_closed_client_says_so_and_so_do_its_copies(peer: Peer):
    client = Client(MADE_UP_KEY, base_url=peer.url)
    copy, prepared = client.with_options(), client.prepare("sd35_turbo_txt2img", prompt="a lighthouse")
    client.close()
    client.close()
    for each in (client, copy):
        with pytest.raises(InvalidRequest, match="closed"):
            each.sd35_turbo_txt2img(prompt="a lighthouse")
        with pytest.raises(InvalidRequest, match="closed"):
            each.send(prepared)
    assert peer.connections == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_a_closed_async_client_says_so_and_so_do_its_copies(loop: str, peer: Peer):
    async def calls() -> None:
        client = AsyncClient(MADE_UP_KEY, base_url=peer.url)
        copy = client.with_options()
        await client.aclose()
        await client.aclose()
        for each in (client, copy):
            with pytest.raises(InvalidRequest, match="closed"):
                await a_call(each)

    anyio.run(calls, backend=loop)
    assert peer.connections == 0


class Watched(httpx.BaseTransport):
    """Answers by the reference server, and counts how often it is closed."""

    def __init__(self) -> None:
        self.inner = ReferenceServer().transport()
        self.closings = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.closings += 1


def test_a_transport_of_the_user_s_own_is_closed_with_the_client_and_not_with_a_copy():
    transport = Watched()
    with Client(MADE_UP_KEY, transport=transport) as client:
        client.with_options().close()
        assert transport.closings == 0
        client.sd35_turbo_txt2img(prompt="a lighthouse", width=64, height=64)
    assert transport.closings == 1


# -- Calls that are given up ------------------------------------------------------------------------------

WHERE: dict[str, tuple[Script, str]] = {
    "in the handshake": (deaf, "https"),
    "before the headers": (stalling(), "http"),
    "in the body": (stalling(reply(200, b"\xff\xd8\xff", content_length="99")), "http"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("script", "scheme"), WHERE.values(), ids=WHERE)
def test_a_cancelled_call_leaves_no_task_and_no_connection(script: Script, scheme: str, loop: str):
    async def cancelled(url: str) -> None:
        async with AsyncClient(MADE_UP_KEY, base_url=url) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(a_call, client)
                await anyio.to_thread.run_sync(peer.wait_for_connections, 1)
                if scheme == "http":
                    await anyio.to_thread.run_sync(peer.arrived.wait, 10)
                tasks.cancel_scope.cancel()
            if loop == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}
            if script is not deaf:
                assert await anyio.to_thread.run_sync(peer.wait_until_hung_up)

    with serving(script) as peer:
        anyio.run(cancelled, peer.url.replace("http", scheme), backend=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_after_a_cancelled_call_the_client_goes_on(loop: str, drawn: bytes):
    async def calls(peer: Peer) -> None:
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(a_call, client)
                await anyio.to_thread.run_sync(peer.arrived.wait)
                group.cancel_scope.cancel()
            assert (await a_call(client)).images

    with serving(stalling(), answering(drawn)) as peer:
        anyio.run(calls, peer, backend=loop)
        assert len(peer.requests) == 2


@contextmanager
def interruption() -> Generator[signal.Signals]:
    """Have a signal raise a KeyboardInterrupt, as Ctrl-C does; a test runner keeps that one to itself."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        yield signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


# Not in the handshake: there Python's own ssl module leaves the socket to the collector.
@pytest.mark.parametrize(
    "answer", [b"", reply(200, b"\xff\xd8\xff", content_length="99")], ids=["headers", "body"]
)
def test_an_interrupted_call_leaves_no_connection_and_the_client_goes_on(answer: bytes, drawn: bytes):
    main = threading.get_ident()

    def interrupting(connection: Connection) -> None:
        connection.request()
        connection.send(answer)
        connection.pause(0.05)  # until the client waits for more: nothing tells when it does
        signal.pthread_kill(main, number)
        connection.wait_for_hangup()

    with (
        interruption() as number,
        serving(interrupting, answering(drawn)) as peer,
        Client(MADE_UP_KEY, base_url=peer.url) as client,
    ):
        with pytest.raises(KeyboardInterrupt):
            client.sd35_turbo_txt2img(prompt="a lighthouse")
        assert peer.wait_until_hung_up()
        assert client.sd35_turbo_txt2img(prompt="a lighthouse").images
