"""The key is told to nobody: whatever happens, everything that can be read afterwards is searched for it.

What is searched: the error and all errors under it, with the locals of every frame, by Python's own means
and by rich's; what it holds and what it is pickled to; every log record at every level; every warning; both
output streams; the client itself. A part of the key counts as the key.
"""

import asyncio
import copy
import gc
import json
import logging
import pickle
import pprint
import signal
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import anyio
import anyio.to_thread
import h11
import pytest
from proofs.fixtures.drivers import AUTHORITIES, DRIVERS, Driver, draw
from proofs.fixtures.sockets import (
    Connection,
    Peer,
    Script,
    answering,
    certified,
    deaf,
    dripping,
    greeting,
    hanging_up,
    refusing,
    reply,
    resetting,
    serving,
    stalling,
)
from rich.pretty import pretty_repr
from rich.traceback import Traceback
from segmind_sd3 import AsyncClient, Client, Generation, InvalidRequest, Retry, SegmindError

KEY = "SG_c0ffee11decade42"
PARTS = [KEY[at : at + 8] for at in range(3, len(KEY) - 7)]
QUICK = Retry(attempts=2, backoff=0)


def found_in(text: str) -> list[str]:
    """Give the lines in which a part of the key stands."""
    return [line for line in text.splitlines() if any(part in line.lower() for part in PARTS)]


# -- Everything that can be read --------------------------------------------------------------------------


class Ear(logging.Handler):
    """Hears every record, as text and in all its parts."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{self.format(record)}\n{vars(record)!r}")


@contextmanager
def listening() -> Generator[list[str]]:
    """Hear all that is logged, at every level, and all warnings."""
    ear = Ear()
    root = logging.getLogger()
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, root.manager.loggerDict))}
    for logger in levels:
        logger.setLevel(1)
    root.addHandler(ear)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield ear.heard
            ear.heard += [str(vars(warning)) for warning in warned]
    finally:
        root.removeHandler(ear)
        for logger, level in levels.items():
            logger.setLevel(level)


def under(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all errors under it, those that `from None` hides included."""
    if error is not None:
        yield error
        yield from under(error.__cause__)
        yield from under(error.__context__)
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                yield from under(each)  # pyright: ignore[reportUnknownArgumentType]


def traced(error: BaseException) -> Iterator[str]:
    """Show an error as tracebacks do that print locals, and as a debugger would look at it."""
    yield "".join(traceback.format_exception(error))
    for each in under(error):
        yield f"{each!r} {each} {vars(each)!r} {each.args!r} {getattr(each, '__notes__', '')}"
        for frame, _ in traceback.walk_tb(each.__traceback__):
            for name, value in frame.f_locals.items():
                with suppress(AttributeError):  # of what is half made
                    yield f"{name} = {value!r}"
        extracted = Traceback.extract(
            type(each),
            each,
            each.__traceback__,
            show_locals=True,
            locals_max_length=None,  # pyright: ignore[reportArgumentType]  # None means no limit
            locals_max_string=None,  # pyright: ignore[reportArgumentType]  # as above
            locals_hide_dunder=False,
        )
        for stack in extracted.stacks:
            for frame in stack.frames:
                yield "\n".join(f"{name} = {node}" for name, node in (frame.locals or {}).items())


def held(root: object) -> Iterator[str]:
    """Give every text and all bytes that can be reached from a value, but through code."""
    code = (type, types.ModuleType, types.FunctionType, types.FrameType, types.TracebackType, types.CodeType)
    seen: set[int] = set()
    left = [root]
    while left:
        value = left.pop()
        if id(value) in seen or isinstance(value, code):
            continue
        seen.add(id(value))
        if isinstance(value, (str, bytes, bytearray)):
            yield str(value)
        left += gc.get_referents(value)


def copies(value: object) -> Iterator[str]:
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        try:
            yield repr(duplicate(value))
        except (TypeError, AttributeError, pickle.PicklingError) as refusal:
            yield "".join(traced(refusal))


def shown(value: object) -> Iterator[str]:
    yield f"{value} {value!r} {pprint.pformat(value)} {pretty_repr(value)}"
    if hasattr(value, "__dict__"):
        yield f"{pprint.pformat(vars(value))} {pretty_repr(vars(value))}"
    yield from copies(value)


def all_of(outcome: object) -> str:
    texts = list(shown(outcome))
    if isinstance(outcome, BaseException):
        texts += traced(outcome)
    if not isinstance(outcome, BaseException) or not isinstance(
        outcome, asyncio.CancelledError | KeyboardInterrupt
    ):
        texts += held(outcome)
    return "\n".join(texts)


# -- That the search finds --------------------------------------------------------------------------------


def leaking() -> None:
    header = {"x-api-key": KEY}
    raise ValueError(f"no {len(header)}")


def leaking_unseen() -> None:
    try:
        leaking()
    except ValueError:
        raise RuntimeError("hidden") from None


def test_the_search_finds_a_key_among_the_locals_of_a_frame():
    with pytest.raises(ValueError, match="no") as raised:
        leaking()
    assert found_in("\n".join(traced(raised.value)))


def test_the_search_finds_a_key_under_an_error_that_hides_its_cause():
    with pytest.raises(RuntimeError) as raised:
        leaking_unseen()
    assert found_in("\n".join(traced(raised.value)))


def test_the_search_finds_a_key_in_what_an_error_holds():
    error = SegmindError("no")
    vars(error)["reply"] = [{"headers": (KEY.encode(),)}]
    assert found_in("\n".join(held(error)))
    assert found_in("\n".join(copies(error)))


def test_the_search_finds_a_key_in_a_log_and_in_a_warning():
    with listening() as heard:
        logging.getLogger("httpcore.connection").debug("headers %r", [(b"x-api-key", KEY)])
        warnings.warn(KEY, stacklevel=1)
    assert len(found_in("\n".join(heard))) >= 2


def test_the_search_finds_half_a_key():
    assert found_in(f"… {KEY[5:14]}…")


# -- Whatever happens -------------------------------------------------------------------------------------


def echoing(answer: Callable[[str], bytes]) -> Script:
    """Answer with the key that came, wherever the answer puts it."""

    def script(connection: Connection) -> None:
        while (request := connection.request()) is not None:
            connection.send(answer(request.headers["x-api-key"]))

    return script


def echo(status: int, body: Callable[[str], bytes] = str.encode, **headers: str) -> Script:
    def answer(key: str) -> bytes:
        told = {name: value.replace("KEY", key) for name, value in headers.items()}
        everywhere = {
            "x_api_key": key,
            "x_request_id": f"for {key}",
            "server": f"a{key}b",
            "location": f"/{key}",
        }
        raw = reply(status, body(key), **everywhere | told)
        return raw.replace(b" Reply\r\n", f" {key}\r\n".encode(), 1)

    return echoing(answer)


JPEG_START = b"\xff\xd8\xff\xe0\x00\x10"
LONG = 490  # a message is cut off at 500

SERVERS: dict[str, Script] = {
    **{
        f"status {status}": echo(status)
        for status in (
            302,
            400,
            401,
            402,
            403,
            404,
            405,
            406,
            408,
            410,
            422,
            429,
            499,
            500,
            502,
            503,
            504,
            520,
            999,
        )
    },
    "JSON": echo(400, lambda key: json.dumps({"error": f"no such key: {key}", "key": key}).encode()),
    "long text": echo(400, lambda key: b"x" * LONG + key.encode()),
    "long JSON": echo(400, lambda key: json.dumps({"error": "x" * LONG + key}).encode()),
    "page": echo(405, lambda key: f"<html><title>{key}</title></html>".encode()),
    "rate limit": echo(429, x_rate_limit_reset_at_utc="KEY"),
    "error in a success": echo(200, lambda key: json.dumps({"error": key}).encode()),
    "text in a success": echo(200, lambda key: b"x" * 72 + key.encode()),
    "cut picture": echo(200, lambda key: JPEG_START + key.encode(), content_type="image/jpeg"),
    "costly nothing": echo(200, lambda _: b"", x_cost="0.5KEY"),
    "compressed with nothing": echo(200, content_encoding="gzip"),
    "unknown length": echo(200, content_length="99999KEY"),
    "illegal header": echoing(lambda key: f"HTTP/1.1 200 OK\r\nx-api-key {key}\r\n\r\n".encode()),
    "illegal status line": echoing(lambda key: f"HTTP/1.1 {key}\r\n\r\n".encode()),
    "illegal chunk": echoing(
        lambda key: f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{key}\r\n".encode()
    ),
    "early hints": echoing(
        lambda key: f"HTTP/1.1 103 Early Hints\r\nlink: {key}\r\n\r\n".encode() + reply(400, key.encode())
    ),
    "hangs up": hanging_up(),
    "hangs up in the headers": hanging_up(b"HTTP/1.1 200 OK\r\nx-"),
    "hangs up in the body": hanging_up(reply(200, JPEG_START, content_length="99")),
    "resets": resetting(),
    "resets in the body": resetting(reply(200, JPEG_START, content_length="99")),
    "stalls": stalling(),
    "stalls in the body": stalling(reply(200, JPEG_START, content_length="99")),
    "drips its headers": dripping(b"HTTP/1.1 200 OK\r\nx: "),
    "is deaf": deaf,
}


@pytest.fixture(autouse=True)
def _key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from outside, so that no frame of a test holds it."""
    monkeypatch.setenv("SEGMIND_API_KEY", KEY)


def outcome_of(driver: Driver, url: str, params: Any = None, **options: Any) -> object:
    given: dict[str, Any] = {"api_key": None, "timeout": 0.1, "retry": QUICK, **options}
    try:
        return draw(driver, url, params, **given)
    except SegmindError as error:
        return error


def assert_nothing_is_told(outcome: object, heard: list[str], capture: pytest.CaptureFixture[str]) -> None:
    assert found_in(all_of(outcome)) == []
    assert found_in("\n".join(heard)) == []
    assert found_in("".join(capture.readouterr())) == []


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("script", SERVERS.values(), ids=SERVERS)
def test_no_error_tells_the_key_though_the_server(
    script: Script, driver: Driver, capfd: pytest.CaptureFixture[str]
):
    with listening() as heard, serving(script) as peer:
        outcome = outcome_of(driver, peer.url)
    assert isinstance(outcome, SegmindError)
    assert_nothing_is_told(outcome, heard, capfd)


def test_the_servers_do_echo_the_key():
    with serving(echo(200)) as peer:
        outcome_of("sync", peer.url)
        assert peer.requests[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_success_tells_the_key(driver: Driver, picture: bytes, capfd: pytest.CaptureFixture[str]):
    script = echo(200, lambda _: picture, content_type="image/png; KEY", x_cost="KEY", x_seed_value="KEY")
    with listening() as heard, serving(script) as peer:
        outcome = outcome_of(driver, peer.url)
    assert isinstance(outcome, Generation)
    assert outcome.request_id is not None
    assert_nothing_is_told(outcome, heard, capfd)


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_failed_connection_tells_the_key(driver: Driver, capfd: pytest.CaptureFixture[str]):
    with (
        listening() as heard,
        refusing() as closed,
        serving(deaf) as mute,
        serving(greeting(b"no TLS\r\n\r\n")) as plain,
        serving(hanging_up(), tls=certified("127.0.0.1")) as strange,
        serving(answering(reply(407))) as proxy,
    ):
        outcomes = [
            outcome_of(driver, closed),
            outcome_of(driver, mute.url.replace("http", "https")),
            outcome_of(driver, plain.url.replace("http", "https")),
            outcome_of(driver, strange.url),
            outcome_of(driver, "https://api.segmind.invalid", proxy=proxy.url),
            outcome_of(driver, "https://api.segmind.invalid"),
            outcome_of(driver, "https://api.segmind.invalid", proxy="smoke://x"),
        ]
    for outcome in outcomes:
        assert isinstance(outcome, SegmindError)
        assert_nothing_is_told(outcome, heard, capfd)


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_wrong_call_tells_the_key(driver: Driver, capfd: pytest.CaptureFixture[str]):
    wrong: list[dict[str, Any]] = [
        {},
        {"prompt": 7},
        {"prompt": "x", "sead": 1, "steps": 4, "width": 10**400},
        {"prompt": "x", "extra": {1: 2}},
    ]
    with listening() as heard, refusing() as url:
        for params in wrong:
            outcome = outcome_of(driver, url, params)
            assert isinstance(outcome, InvalidRequest)
            assert_nothing_is_told(outcome, heard, capfd)


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_image_url_tells_the_key(driver: Driver, capfd: pytest.CaptureFixture[str]):
    with listening() as heard, serving(answering(reply(404))) as host, refusing() as url:
        for allowed in (True, False):
            params = {"prompt": "x", "image": host.url}
            outcome = outcome_of(
                driver, url, params, operation="sd3_medium_tile", allow_private_image_urls=allowed, timeout=5
            )
            assert isinstance(outcome, InvalidRequest)
            assert_nothing_is_told(outcome, heard, capfd)


# -- A client that is not made ----------------------------------------------------------------------------


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    "option", [{"base_url": "http://example.com"}, {"base_url": "https://[::1"}, {"timeout": -1}], ids=str
)
def test_no_bad_option_tells_the_key(client: Any, option: dict[str, Any], capfd: pytest.CaptureFixture[str]):
    for key in ({}, {"api_key": KEY}):
        with listening() as heard, pytest.raises(InvalidRequest) as raised:
            client(**option, **key)
        del key
        assert_nothing_is_told(raised.value, heard, capfd)


ILL_FORMED: list[Any] = [f"{KEY} {KEY}", f"{KEY}\x00", f"ключ {KEY}", KEY.encode(), [KEY]]


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("n", range(len(ILL_FORMED)))
def test_no_bad_key_is_told(client: Any, n: int, capfd: pytest.CaptureFixture[str]):
    with listening() as heard, pytest.raises(InvalidRequest) as raised:
        client(ILL_FORMED[n])
    assert_nothing_is_told(raised.value, heard, capfd)
    with listening() as heard, pytest.raises(InvalidRequest) as raised:
        client().with_options(api_key=ILL_FORMED[n])
    assert_nothing_is_told(raised.value, heard, capfd)


# -- A call that is given up ------------------------------------------------------------------------------

PLACES: dict[str, Script] = {
    "before the headers": stalling(),
    "in the body": stalling(reply(200, JPEG_START, content_length="99")),
    "while it waits": answering(reply(429)),
}
PATIENT = Retry(attempts=2, backoff=1e6, backoff_max=1e6)


@pytest.mark.parametrize("place", PLACES)
def test_no_interruption_tells_the_key(place: str, capfd: pytest.CaptureFixture[str]):
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def interrupt_soon() -> None:
        peer.arrived.wait(10)
        peer.ending.wait(0.05)  # until the client waits for the answer: nothing tells when it does
        signal.pthread_kill(main, signal.SIGUSR1)

    main = threading.get_ident()
    before = signal.signal(signal.SIGUSR1, interrupt)
    soon = threading.Thread(target=interrupt_soon)
    try:
        with (
            listening() as heard,
            serving(PLACES[place]) as peer,
            Client(base_url=peer.url, retry=PATIENT, timeout=1e6, verify=AUTHORITIES) as client,
        ):
            soon.start()
            with pytest.raises(KeyboardInterrupt) as raised:
                client.sd35_turbo_txt2img(prompt="x")
    finally:
        soon.join()
        signal.signal(signal.SIGUSR1, before)
    assert_nothing_is_told(raised.value, heard, capfd)


@pytest.mark.parametrize("driver", ["sync", "asyncio"])
def test_no_interruption_tells_the_key_while_it_is_being_written(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def interrupted(_connection: object, _event: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(h11.Connection, "send", interrupted)
    with listening() as heard, serving(stalling()) as peer, pytest.raises(KeyboardInterrupt) as raised:
        outcome_of(driver, peer.url)
    assert_nothing_is_told(raised.value, heard, capfd)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("place", PLACES)
def test_no_cancellation_tells_the_key(place: str, loop: str, capfd: pytest.CaptureFixture[str]):
    caught: list[BaseException] = []

    async def call(client: AsyncClient) -> None:
        try:
            await client.sd35_turbo_txt2img(prompt="x")
        except BaseException as cancellation:
            caught.append(cancellation)
            raise

    async def calls(peer: Peer) -> None:
        options: dict[str, Any] = {"retry": PATIENT, "timeout": 1e6, "verify": AUTHORITIES}
        async with AsyncClient(base_url=peer.url, **options) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(call, client)
            await anyio.to_thread.run_sync(peer.arrived.wait, 10)
            await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()

    with listening() as heard, serving(PLACES[place]) as peer:
        anyio.run(calls, peer, backend=loop, backend_options={"debug": True} if loop == "asyncio" else {})
    assert len(caught) == 1
    assert_nothing_is_told(caught[0], heard, capfd)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_no_deadline_of_the_user_s_own_tells_the_key(loop: str, capfd: pytest.CaptureFixture[str]):
    async def call(url: str) -> None:
        async with AsyncClient(base_url=url, verify=AUTHORITIES) as client:
            with anyio.fail_after(0.05):
                await client.sd35_turbo_txt2img(prompt="x")

    with listening() as heard, serving(stalling()) as peer, pytest.raises(TimeoutError) as raised:
        anyio.run(call, peer.url, backend=loop)
    assert_nothing_is_told(raised.value, heard, capfd)


# -- The client itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_no_client_shows_the_key(kind: type[Client | AsyncClient]):
    client = kind()
    hidden: Any = client
    inner = [
        client,
        client.with_options(timeout=9),
        hidden._settings,
        hidden._network,
        hidden._settings.key,
    ]
    assert found_in("\n".join(text for each in inner for text in shown(each))) == []


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_no_client_can_be_pickled_or_copied_with_its_key(kind: type[Client | AsyncClient]):
    for duplicate in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(kind())


def test_a_prepared_call_takes_the_key_from_a_variable():
    with Client() as client:
        prepared = client.prepare("sd35_turbo_txt2img", prompt="x")
    assert "x-api-key: $SEGMIND_API_KEY" in prepared.as_curl()
    assert found_in(f"{all_of(prepared)} {prepared.as_curl()}") == []


def test_an_uncaught_error_tells_no_key(capsys: pytest.CaptureFixture[str]):
    with serving(echo(401)) as peer:
        outcome = outcome_of("sync", peer.url)
    assert isinstance(outcome, SegmindError)
    with suppress(SystemExit):
        sys.excepthook(type(outcome), outcome, outcome.__traceback__)
    told = capsys.readouterr().err
    assert "AuthenticationError" in told
    assert found_in(told) == []


def test_a_client_that_was_not_made_can_be_shown():
    with pytest.raises(InvalidRequest) as raised:
        Client(KEY, base_url="ftp://x")
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True).format()
    assert "Client(base_url=None)" in "".join(shown)
