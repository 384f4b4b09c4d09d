"""vcrpy, respx and pytest-httpx on the clients as they are made by default: what is mocked reaches nobody.

The SDK is imported by the tests, not by this module: one of them does so in a process of its own, in which
the tool is there first.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import httpx
import PIL.Image
import pytest
import respx
import vcr  # pyright: ignore[reportMissingTypeStubs] - it has none
from proofs.fixtures.sockets import Peer, answering, reply, serving

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

Tool = Callable[[], AbstractContextManager[object]]
Order = Literal["tool first", "client first", "client used first"]

KEY = "SG_0123456789abcdef"
PARAMS: dict[str, Any] = {"prompt": "a lighthouse", "seed": 7}
PATH = "/v1/stable-diffusion-3.5-turbo-txt2img"
DRIVERS = ["sync", "asyncio", "trio"]
ORDERS: list[Order] = ["tool first", "client first", "client used first"]
ALONE = "SEGMIND_SD3_TEST_ALONE"
"""Set where a test runs in a process of its own."""


def picture(colour: str) -> bytes:
    file = BytesIO()
    PIL.Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


MOCKED, SERVED = picture("red"), picture("blue")


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Serve one picture to whoever comes first, and another to all others."""

    def of(data: bytes) -> bytes:
        return reply(200, data, content_type="image/png", x_cost="0.0035")

    with serving(answering(of(MOCKED)), answering(of(SERVED))) as peer:
        httpx.post(peer.url)
        assert peer.wait_for_connections(1)
        yield peer


# -- The tools: each answers a call to the peer with `MOCKED` while its context lasts ----------------------


@pytest.fixture(params=["vcrpy", "respx", "pytest-httpx"])
def tool(request: pytest.FixtureRequest, tmp_path: Path, peer: Peer) -> Tool:
    url = peer.url + PATH

    @contextmanager
    def by_vcrpy() -> Generator[None]:
        with cast("Any", vcr).use_cassette(cassette_of(tmp_path, url), record_mode="none"):
            yield

    @contextmanager
    def by_respx() -> Generator[None]:
        with respx.mock as router:
            router.post(url).respond(200, content=MOCKED, headers={"content-type": "image/png"})
            yield

    @contextmanager
    def by_pytest_httpx() -> Generator[None]:
        request.getfixturevalue("httpx_mock").add_response(url=url, method="POST", content=MOCKED)
        yield
        # The fixture has patched httpx by this one, and would keep it so until the test is over.
        request.getfixturevalue("monkeypatch").undo()

    return {"vcrpy": by_vcrpy, "respx": by_respx, "pytest-httpx": by_pytest_httpx}[request.param]


def cassette_of(folder: Path, url: str) -> str:
    """Record a bare call to a server of its own, and give the file, with another URL in it."""
    file = folder / "cassette.yaml"
    with (
        serving(answering(reply(200, MOCKED, content_type="image/png"))) as served,
        cast("Any", vcr).use_cassette(str(file)),
    ):
        httpx.post(served.url + PATH)
    file.write_text(file.read_text().replace(served.url + PATH, url))
    return str(file)


# -- The calls -------------------------------------------------------------------------------------------


def steps(order: Order) -> list[str]:
    """Give what is done, one after the other; the client is made by the first step that needs it."""
    first = {"tool first": [], "client first": ["make"], "client used first": ["call"]}
    return [*first[order], "begin", "call", "end", "call"]


def made(name: str, peer: Peer) -> Any:
    if ALONE in os.environ:
        assert "segmind_sd3" not in sys.modules
    return getattr(importlib.import_module("segmind_sd3"), name)(KEY, base_url=peer.url, timeout=10.0)


Seen = list[tuple[bytes, int]]
"""The picture of each call, with the connections that were made by then."""


def blocking(peer: Peer, active: AbstractContextManager[object], order: Order, seen: Seen) -> None:
    client = None
    for step in steps(order):
        if step == "begin":
            active.__enter__()
        elif step == "end":
            active.__exit__(None, None, None)
        else:
            client = client or made("Client", peer)
        if step == "call" and client:
            seen.append((client.sd35_turbo_txt2img(**PARAMS).images[0].data, peer.connections))
    if client:
        client.close()


async def awaited(peer: Peer, active: AbstractContextManager[object], order: Order, seen: Seen) -> None:
    client = None
    for step in steps(order):
        if step == "begin":
            active.__enter__()
        elif step == "end":
            active.__exit__(None, None, None)
        else:
            client = client or made("AsyncClient", peer)
        if step == "call" and client:
            generation = await client.sd35_turbo_txt2img(**PARAMS)
            seen.append((generation.images[0].data, peer.connections))
    if client:
        await client.aclose()


def drawn(driver: str, peer: Peer, tool: Tool, order: Order) -> Seen:
    """Call before, under and after a tool."""
    seen: Seen = []
    if driver == "sync":
        blocking(peer, tool(), order, seen)
    else:
        anyio.run(awaited, peer, tool(), order, seen, backend=driver)
    return seen


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_mocked_call_reaches_nobody_and_the_next_one_after_it_the_server(
    driver: str, order: Order, tool: Tool, peer: Peer
):
    before, requests = peer.connections, len(peer.requests)

    *earlier, mocked, after = drawn(driver, peer, tool, order)

    assert [data for data, _ in earlier] == [SERVED] * (order == "client used first")
    assert mocked == (MOCKED, before + len(earlier))
    assert after[0] == SERVED
    assert len(peer.requests) == requests + len(earlier) + 1


@pytest.mark.parametrize("driver", ["sync", "asyncio"])
@pytest.mark.parametrize("name", ["vcrpy", "respx", "pytest-httpx"])
def test_a_tool_that_was_there_before_the_sdk_was_imported_mocks_it_all_the_same(name: str, driver: str):
    test = test_a_mocked_call_reaches_nobody_and_the_next_one_after_it_the_server.__name__
    # Without the suite's own conftest, which imports the SDK.
    options = ["--noconftest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:cov"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"{__file__}::{test}[{name}-tool first-{driver}]"],
        env={**os.environ, ALONE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_that_vcrpy_has_recorded_is_replayed_without_the_network(
    driver: str, tmp_path: Path, peer: Peer
):
    def recording() -> AbstractContextManager[object]:
        return cast("Any", vcr).use_cassette(str(tmp_path / "cassette.yaml"))

    before = peer.connections
    recorded, _ = drawn(driver, peer, recording, "client first")
    connections = peer.connections
    replayed, _ = drawn(driver, peer, recording, "client first")

    assert recorded == (SERVED, before + 1)
    assert replayed == (SERVED, connections)
