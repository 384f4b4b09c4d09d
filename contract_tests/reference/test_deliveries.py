"""Answers that go astray: what a bare socket sees of each, and what httpx raises for it in-process."""

import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterator

import anyio
import httpx
import pytest
from segmind_sd3_contract.reference import Answer, ReferenceServer, example_request
from segmind_sd3_contract.reference.deliveries import BOMB_BYTES, DELIVERIES, zeros

pytestmark = pytest.mark.slow

(TURBO,) = (
    each for each in ReferenceServer().operations.values() if each.operation_id == "sd35_turbo_txt2img"
)
GOOD = example_request(TURBO)
BODY = ReferenceServer().answer(GOOD).body
HALF = BODY[: len(BODY) // 2]
SILENCE = 0.2
"""Seconds after which an answer that has begun is taken to have stalled."""


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[ReferenceServer, str]]:
    server = ReferenceServer(credits=100)
    with server.listening() as url:
        yield server, url


def met(url: str) -> tuple[bytes, bytes, str]:
    """Send a call over a bare socket; give the head and the body that come, and how it ends."""
    address = httpx.URL(url)
    lines = [f"POST {GOOD.path} HTTP/1.1", f"content-length: {len(GOOD.body)}", "host: reference"]
    lines += [f"{name}: {value}" for name, value in GOOD.headers.items()]
    came = b""
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + GOOD.body)
        over, received = float("inf"), b""
        try:
            while time.monotonic() < over and (received := connection.recv(4096)):
                if not came:
                    connection.settimeout(SILENCE)
                    over = time.monotonic() + SILENCE
                came += received
            end = "open" if received else "closed"
        except ConnectionResetError:
            end = "reset"
        except TimeoutError:
            end = "open"
    head, _, body = came.partition(b"\r\n\r\n")
    return head, body, end


SEEN: dict[str, tuple[Callable[[bytes, bytes], object], str]] = {
    "reset": (lambda head, _: head == b"", "reset"),
    "hang-up": (lambda head, _: head == b"", "closed"),
    "stall-headers": (lambda head, body: head.startswith(b"HTTP/1.1 200 OK\r\ndate") and not body, "open"),
    "drip-headers": (lambda head, body: 0 < len(head) < 30 and not body, "open"),
    "reset-before-body": (lambda head, body: head and not body, "reset"),
    "reset-in-body": (lambda _, body: body == HALF, "reset"),
    "truncated-body": (lambda head, body: body == HALF and told(head, len(BODY)), "closed"),
    "truncated-body:chunked": (lambda _, body: body == f"{len(BODY):x}\r\n".encode() + HALF, "closed"),
    "stall-body": (lambda head, body: body == HALF and told(head, len(BODY)), "open"),
    "drip-body": (lambda _, body: 0 < len(body) < 30 and BODY.startswith(body), "open"),
    "wrong-length:too-long": (lambda head, body: body == BODY and told(head, len(BODY) + 1000), "open"),
    "wrong-length:too-long-closed": (
        lambda head, body: body == BODY and told(head, len(BODY) + 1000),
        "closed",
    ),
    "wrong-length:too-short": (lambda head, body: body == BODY and told(head, len(HALF)), "open"),
    "endless-body": (lambda head, body: b"content-encoding: gzip" in head and len(body) > 5000, "open"),
    "gzip:unasked": (lambda _, body: zlib.decompress(body, 31) == BODY, "open"),
    "gzip:garbage": (lambda head, body: b"content-encoding: gzip" in head and body == BODY, "open"),
    "gzip:truncated": (lambda _, body: BODY.startswith(zlib.decompressobj(31).decompress(body)), "open"),
    "gzip:bomb": (lambda _, body: len(body) < BOMB_BYTES / 900, "open"),
    "gzip:upper-case": (lambda head, body: b": GZIP" in head and gzip.decompress(body) == BODY, "open"),
    "gzip:twice": (lambda _, body: gzip.decompress(gzip.decompress(body)) == BODY, "open"),
    "gzip:once-of-two": (
        lambda head, body: b": gzip, gzip" in head and gzip.decompress(body) == BODY,
        "open",
    ),
    "gzip:nested-bomb": (
        lambda head, body: (
            b": gzip, gzip, gzip" in head
            and gzip.decompress(gzip.decompress(body)) == bomb()
            and len(body) < 5000
        ),
        "open",
    ),
    "deflate:zlib": (lambda head, body: b": deflate" in head and zlib.decompress(body) == BODY, "open"),
    "deflate:raw": (lambda head, body: b": deflate" in head and zlib.decompress(body, -15) == BODY, "open"),
    "encoding:identity": (lambda head, body: b": identity" in head and body == BODY, "open"),
    "encoding:unknown": (
        lambda head, body: b": x-none" in head and bytes(255 - byte for byte in body) == BODY,
        "open",
    ),
    "encoding:unknown-over-picture": (lambda head, body: b": x-none" in head and body == BODY, "open"),
}


def bomb() -> bytes:
    return DELIVERIES["gzip:bomb"](Answer(200, {}, BODY)).body


def told(head: bytes, length: int) -> bool:
    return f"\r\ncontent-length: {length}".encode() in head


@pytest.mark.parametrize("name", SEEN)
def test_a_delivery_is_on_the_wire_what_it_claims(listening: tuple[ReferenceServer, str], name: str):
    server, url = listening
    server.provoke(name)
    head, body, end = met(url)
    claim, expected_end = SEEN[name]
    assert claim(head, body)
    assert end == expected_end
    assert server.ledger[-1].cost > 0


def test_every_delivery_has_its_claim_tried():
    assert SEEN.keys() == DELIVERIES.keys()


def test_an_answer_after_one_that_went_astray_is_honest(listening: tuple[ReferenceServer, str]):
    server, url = listening
    server.provoke("reset-in-body")
    met(url)
    assert met(url)[1:] == (BODY, "open")


def test_the_bomb_is_a_whole_gzip_of_zeros():
    packed = bomb()
    decoder, size = zlib.decompressobj(31), 0
    while packed:
        size += len(decoder.decompress(packed, 32 * 1024**2))
        packed = decoder.unconsumed_tail
    assert (size, decoder.eof) == (BOMB_BYTES, True)


def test_zeros_are_a_gzip_that_has_no_end():
    decoder = zlib.decompressobj(31)
    for _, piece in zip(range(5), zeros(), strict=False):
        assert decoder.decompress(piece) == bytes(1024**2)
    assert not decoder.eof


# --- in-process

RAISED: dict[str, tuple[type[httpx.TransportError] | None, bytes]] = {
    "reset": (httpx.ReadError, b""),
    "hang-up": (httpx.RemoteProtocolError, b""),
    "stall-headers": (httpx.ReadTimeout, b""),
    "drip-headers": (httpx.ReadTimeout, b""),
    "reset-before-body": (httpx.ReadError, b""),
    "reset-in-body": (httpx.ReadError, HALF),
    "truncated-body": (httpx.RemoteProtocolError, HALF),
    "truncated-body:chunked": (httpx.RemoteProtocolError, HALF),
    "stall-body": (httpx.ReadTimeout, HALF),
    "drip-body": (httpx.ReadTimeout, b""),
    "wrong-length:too-long": (httpx.ReadTimeout, BODY),
    "wrong-length:too-long-closed": (httpx.RemoteProtocolError, BODY),
    "wrong-length:too-short": (None, HALF),
}


def blocking(server: ReferenceServer, patience: float | None, came: list[bytes]) -> None:
    with (
        httpx.Client(transport=server.transport(), timeout=patience) as client,
        client.stream("POST", f"http://x{GOOD.path}", headers=GOOD.headers, content=GOOD.body) as response,
    ):
        for piece in response.iter_raw():
            came.append(piece)  # noqa: PERF402 - it fails on its way


async def awaited(server: ReferenceServer, patience: float | None, came: list[bytes]) -> None:
    async with (
        httpx.AsyncClient(transport=server.async_transport(), timeout=patience) as client,
        client.stream("POST", f"http://x{GOOD.path}", headers=GOOD.headers, content=GOOD.body) as response,
    ):
        async for piece in response.aiter_raw():
            came.append(piece)  # noqa: PERF401 - as above


def met_in_process(
    way: str, name: str, patience: float | None
) -> tuple[type[httpx.TransportError] | None, bytes]:
    server = ReferenceServer()
    server.provoke(name)
    came: list[bytes] = []
    try:
        if way == "sync":
            blocking(server, patience, came)
        else:
            anyio.run(awaited, server, patience, came, backend=way)
    except httpx.TransportError as error:
        return type(error), b"".join(came)
    return None, b"".join(came)


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("name", RAISED)
def test_in_process_what_httpx_raises_for_it_stands_for_it(name: str, way: str):
    assert met_in_process(way, name, 0.01) == RAISED[name]


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_in_process_a_stall_lasts_as_long_as_the_read_timeout(way: str):
    begun = time.monotonic()
    met_in_process(way, "stall-body", 0.1)
    assert 0.1 <= time.monotonic() - begun < 1


def test_in_process_a_stall_ends_at_once_where_there_is_no_timeout():
    assert met_in_process("sync", "stall-body", None) == (httpx.ReadTimeout, HALF)


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("name", ["gzip:garbage", "gzip:bomb"])
def test_in_process_an_encoded_body_is_the_same_as_on_a_socket(name: str, way: str):
    assert met_in_process(way, name, 1.0) == (None, DELIVERIES[name](Answer(200, {}, BODY)).body)


def test_in_process_an_endless_body_has_no_end():
    server = ReferenceServer()
    server.provoke("endless-body")
    with (
        httpx.Client(transport=server.transport()) as client,
        client.stream("POST", f"http://x{GOOD.path}", headers=GOOD.headers, content=GOOD.body) as response,
    ):
        assert all(piece for _, piece in zip(range(1000), response.iter_raw(), strict=False))
