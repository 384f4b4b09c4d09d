"""The benchmark: its server follows HTTP, both sides get the same reply, and ratios have limits."""

import asyncio
import json
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from proofs.bench.comparison import LIMITS, Comparison
from proofs.bench.measuring import async_calls, sync_calls
from proofs.bench.server import PYTHON_SERVER, jpeg, server_command, serving

pytestmark = pytest.mark.slow

PICTURE = jpeg(300_000)
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module", params=["C", "Python"])
def command(request: pytest.FixtureRequest):
    if request.param == "Python":
        yield PYTHON_SERVER
        return
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    with server_command() as compiled:
        assert compiled != PYTHON_SERVER
        yield compiled


@pytest.fixture
def connection(command: Sequence[str]):
    with serving(command, PICTURE) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=10) as connection:
            yield connection


def received(connection: socket.socket, replies: int = 1) -> list[bytes]:
    """Read some replies, and return their bodies."""
    bodies: list[bytes] = []
    with connection.makefile("rb") as stream:
        for _ in range(replies):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.rstrip().split(b": ") for line in iter(stream.readline, b"\r\n"))
            assert headers[b"content-type"] == b"image/jpeg"
            bodies.append(stream.read(int(headers[b"content-length"])))
    return bodies


def test_each_request_on_a_kept_alive_connection_gets_the_picture(connection: socket.socket):
    for body in (b"", b"{}", b"x" * 1_000_000):
        connection.sendall(HEAD % len(body) + body)
        assert received(connection) == [PICTURE]


def test_a_request_is_answered_after_its_last_byte(connection: socket.socket):
    body = b"\r\n\r\ncontent-length: 0\r\n\r\n" * 100
    connection.sendall(HEAD % len(body))
    connection.sendall(body[:-1])
    # The server takes up what comes in the order in which it comes: after this reply it has seen the above.
    with socket.create_connection(connection.getpeername(), timeout=10) as later:
        later.sendall(HEAD % 0)
        assert received(later) == [PICTURE]
    assert select.select([connection], [], [], 0)[0] == []
    connection.sendall(body[-1:])
    assert received(connection) == [PICTURE]


def test_pipelined_requests_are_answered_in_order(connection: socket.socket):
    connection.sendall((HEAD % 2 + b"{}") * 5)
    assert received(connection, 5) == [PICTURE] * 5


def test_a_request_without_a_length_ends_the_connection(connection: socket.socket):
    connection.sendall(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert connection.recv(1) == b""


def test_the_server_dies_with_its_parent(command: Sequence[str]):
    parent = """
import sys
from proofs.bench.server import serving
context = serving(sys.argv[1:], b"picture")
print(context.__enter__(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            process.kill()
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""


@pytest.mark.parametrize("size", [1_000, 1_003, 30_000, 300_000, 1_000_000])
def test_a_picture_is_a_whole_jpeg_of_the_requested_size(size: int):
    data = jpeg(size)
    assert len(data) == size
    with Image.open(BytesIO(data)) as image:
        image.load()


def test_a_call_that_returns_another_picture_is_not_measured(command: Sequence[str]):
    with serving(command, jpeg(2_000)) as url:
        with pytest.raises(SystemExit, match="returned 2000 bytes"), sync_calls(url, PICTURE):
            pass

        async def compared() -> None:
            async with async_calls(url, PICTURE):
                pass

        with pytest.raises(SystemExit, match="returned 2000 bytes"):
            asyncio.run(compared())


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0.01, 10)), min_size=1), st.floats(0.1, 10))
def test_a_machine_that_gets_slower_between_rounds_changes_no_ratio(
    rounds: list[tuple[float, float]], ratio: float
):
    done = Comparison("import", "ms", [(ratio * figure * noise, figure * noise) for figure, noise in rounds])
    assert done.ratio == pytest.approx(ratio)


def test_one_slow_round_does_not_change_the_ratio_much():
    assert Comparison("import", "ms", [(1, 10), (99, 10), (2, 10)]).ratio == 0.2


@pytest.mark.parametrize(
    ("name", "ratio", "fails"),
    [
        ("sync, 300 KB: p50", 1.05, False),
        ("sync, 300 KB: p50", 1.06, True),
        ("sync, 30 KB: p50", 0.75, False),
        ("sync, 30 KB: p50", 0.76, True),
        ("async, 300 KB: calls a second", 2.2, False),
        ("async, 300 KB: calls a second", 2.19, True),
        ("async, 30 KB: calls a second", 3.5, False),
        ("async, 30 KB: calls a second", 3.49, True),
        ("import", 0.3, False),
        ("import", 0.31, True),
        ("sync, 300 KB: CPU", 99.0, False),
    ],
)
def test_a_ratio_beyond_its_limit_fails(name: str, ratio: float, *, fails: bool):
    assert Comparison(name, "", [(ratio, 1.0)]).fails is fails


def test_the_command_checks_every_limit_and_exits_with_1_if_one_fails():
    ended = subprocess.run(
        [sys.executable, "-m", "proofs.bench", "--quick", "--rounds=1", "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    done = json.loads(ended.stdout)["comparisons"]
    assert {each["name"] for each in done if each["limit"]} == set(LIMITS)
    assert ended.returncode == any(each["fails"] for each in done)
