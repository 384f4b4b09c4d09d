"""The benchmark: its server follows HTTP, all clients get the same reply, and ratios have limits."""

import json
import math
import re
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from proofs.bench import __main__ as bench
from proofs.bench import figures
from proofs.bench.batches import batches
from proofs.bench.figures import Figure, Limit
from proofs.bench.network import workers
from proofs.bench.options import Options
from proofs.bench.peers import HTTPX, OURS, PEERS, SEGMIND, set_up
from proofs.bench.report import chart
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


def test_a_request_without_a_body_gets_the_picture(connection: socket.socket):
    connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert received(connection) == [PICTURE]


def test_a_chunked_request_ends_the_connection(connection: socket.socket):
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


# -- The clients ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environments():
    if missing := set_up([OURS, HTTPX]):
        pytest.skip("; ".join(missing.values()))


@pytest.mark.usefixtures("environments")
def test_a_call_that_returns_another_picture_is_not_measured(command: Sequence[str]):
    with (
        serving(command, jpeg(2_000)) as url,
        pytest.raises(SystemExit, match="returned something else"),
        workers([OURS], url, "picture", PICTURE),
    ):
        pass


@pytest.mark.usefixtures("environments")
def test_each_client_has_no_more_than_a_bare_install():
    tried = "import importlib.util as found; print(found.find_spec('rich'))"
    for name in (OURS, HTTPX):
        assert subprocess.check_output([PEERS[name].python, "-c", tried], text=True) == "None\n"


def test_a_client_that_cannot_be_installed_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PEERS, "none", replace(PEERS[HTTPX], name="none", requirements=("httpx==0.0.0.1",)))
    assert set_up(["none"])["none"].startswith("httpx==0.0.0.1 can't be installed: ")


@pytest.mark.usefixtures("environments")
@pytest.mark.parametrize(("limit", "status"), [(Limit(0.0), 1), (Limit(math.inf), 0)])
def test_the_command_fails_if_a_ratio_is_over_its_limit(
    limit: Limit,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(bench, "OUT", tmp_path)
    monkeypatch.setattr(figures, "LIMITS", {("sync, 30 KB: p50", HTTPX): limit})
    arguments = ["--quick", "--rounds", "1", "--only", "sync", "--clients", HTTPX, "--json"]
    assert bench.main(arguments) == status
    failures = [line for each in json.loads(capsys.readouterr().out)["figures"] for line in each["failures"]]
    assert [re.sub(r": [0-9.]+ times .*", "", line) for line in failures] == ["sync, 30 KB: p50"] * status


def test_a_batch_is_measured_beside_bare_calls():
    options = Options((), rounds=1, seconds=0, starts=0, short=True, chosen=(OURS,), missing={})
    measured = {figure.name.rpartition(": ")[2]: figure for figure in batches(options)}
    assert {name: set(figure.rounds) for name, figure in measured.items()} == {
        "time": {OURS, figures.BARE_CALLS},
        "CPU of a job": {OURS, figures.BARE_CALLS},
        "memory at the end": {OURS, figures.FIRST_QUARTER},
        "claim and finish among 2,000 jobs": {OURS, figures.AMONG_FEW},
    }
    # Eight turns of a tenth of a second.
    assert all(value > 0.7 for value in measured["time"].rounds[OURS])


# -- The figures ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0.01, 10)), min_size=1), st.floats(0.1, 10))
def test_a_machine_that_gets_slower_between_rounds_changes_no_ratio(
    rounds: list[tuple[float, float]], ratio: float
):
    others = [value * noise for value, noise in rounds]
    figure = Figure("import", "ms", {OURS: [ratio * value for value in others], HTTPX: others})
    assert figure.ratio(HTTPX) == pytest.approx(ratio)


def test_one_slow_round_does_not_change_the_ratio_much():
    assert Figure("import", "ms", {OURS: [1, 99, 2], HTTPX: [10, 10, 10]}).ratio(HTTPX) == 0.2


@pytest.mark.parametrize(
    ("limit", "ratio", "fails"),
    [
        (Limit(1.05), 1.05, False),
        (Limit(1.05), 1.06, True),
        (Limit(4, at_least=True), 4.0, False),
        (Limit(4, at_least=True), 3.99, True),
    ],
)
def test_a_ratio_beyond_its_limit_fails(limit: Limit, ratio: float, *, fails: bool):
    figure = Figure("made up", "", {OURS: [ratio], HTTPX: [1.0]}, limits={("made up", HTTPX): limit})
    assert bool([*figure.failures()]) is fails


@pytest.mark.parametrize(("name", "more_is_better"), [("sync: p50", False), ("sync: rate", True)])
def test_the_sdk_must_be_ahead_of_the_official_package(name: str, *, more_is_better: bool):
    for ours, segmind in ((1.0, 2.0), (2.0, 1.0)):
        figure = Figure(name, "", {OURS: [ours], SEGMIND: [segmind]}, more_is_better)
        assert bool([*figure.failures()]) is ((ours < segmind) is more_is_better)


def test_the_chart_shows_the_best_first():
    figure = Figure("sync, 30 KB: p50", "µs", {OURS: [2.0], HTTPX: [3.0], "pyreqwest": [1.0]})
    drawn = chart([figure])
    assert sorted((drawn.index(f">{name}<"), name) for name in (OURS, HTTPX, "pyreqwest")) == [
        (drawn.index(f">{name}<"), name) for name in ("pyreqwest", OURS, HTTPX)
    ]
