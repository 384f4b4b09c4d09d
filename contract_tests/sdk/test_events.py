"""What a call reports while it is under way, to the log and to a listener; and the balance."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gzip
import inspect
import logging
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from proofs.fixtures.drivers import DRIVERS, Driver, outcomes
from proofs.fixtures.sockets import answering, hanging_up, refusing, reply, serving
from segmind_sd3 import (
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConnectionFailed,
    Credits,
    Finished,
    Generation,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    Retry,
    SegmindError,
    Sending,
    ServerError,
    UnusableReply,
    Waiting,
)
from segmind_sd3_contract.reference import CREDITS_PATH, MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Event = Sending | Waiting | Finished

OPERATION = "sd35_turbo_txt2img"
QUICK = Retry(attempts=3, backoff=0)
BUSY = reply(429, b'{"error": "too many"}', retry_after="0")

each_driver = pytest.mark.parametrize("driver", DRIVERS)


def call(driver: Driver, url: str, **options: Any) -> Generation | SegmindError:
    """Draw once, and return what came of it."""
    (outcome,) = outcomes(driver, url, times=1, retry=QUICK, **options)
    return outcome


def balance(driver: Driver, url: str, **options: Any) -> Credits | SegmindError:
    """Ask for the balance, and return what came of it."""
    given: dict[str, Any] = {"api_key": MADE_UP_KEY, "base_url": url, "retry": QUICK, **options}

    async def awaited() -> Credits:
        async with AsyncClient(**given) as client:
            return await client.credits()

    try:
        if driver == "sync":
            with Client(**given) as client:
                return client.credits()
        return anyio.run(awaited, backend=driver)
    except SegmindError as error:
        return error


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer()


@pytest.fixture
def url(server: ReferenceServer) -> Iterator[str]:
    with server.listening() as url:
        yield url


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Record every logger at every level."""
    caplog.set_level(logging.DEBUG)
    return caplog


def lines(log: pytest.LogCaptureFixture, level: int) -> list[str]:
    found = [record for record in log.records if record.name == "segmind_sd3"]
    return [record.getMessage() for record in found if record.levelno == level]


# -- The log ----------------------------------------------------------------------------------------------


@each_driver
def test_a_picture_is_one_line_at_info(
    driver: Driver, url: str, server: ReferenceServer, log: pytest.LogCaptureFixture
):
    call(driver, url)

    (line,) = lines(log, logging.INFO)
    entry = server.ledger[0]
    assert re.fullmatch(
        rf"{OPERATION}: ok, status 200, \d+\.\d\d s, 1 try, cost {entry.cost}, request {entry.request_id}",
        line,
    )


@each_driver
def test_an_error_is_one_line_at_info(
    driver: Driver, url: str, server: ReferenceServer, log: pytest.LogCaptureFixture
):
    server.fail_next(402)

    call(driver, url)

    (line,) = lines(log, logging.INFO)
    ended = rf"InsufficientCredits, status 402, \d+\.\d\d s, 1 try, request {server.ledger[0].request_id}"
    assert re.fullmatch(rf"{OPERATION}: {ended}", line)


@each_driver
def test_several_tries_are_one_line_at_info(driver: Driver, log: pytest.LogCaptureFixture):
    with refusing() as url:
        call(driver, url)

    (line,) = lines(log, logging.INFO)
    assert re.fullmatch(rf"{OPERATION}: ConnectionFailed, status -, \d+\.\d\d s, 3 tries", line)


@each_driver
def test_the_balance_is_one_line_at_info(driver: Driver, url: str, log: pytest.LogCaptureFixture):
    balance(driver, url)

    (line,) = lines(log, logging.INFO)
    assert line.startswith("credits: ok, status 200, ")


@each_driver
def test_each_try_and_each_wait_with_its_reason_is_a_line_at_debug(
    driver: Driver, picture: bytes, log: pytest.LogCaptureFixture
):
    with serving(answering(BUSY, BUSY, reply(200, picture, content_type="image/png"))) as peer:
        call(driver, peer.url)

    assert lines(log, logging.DEBUG) == [
        f"{OPERATION}: try 1",
        f"{OPERATION}: try 1 failed, waits 0.00 s: HTTP 429: too many",
        f"{OPERATION}: try 2",
        f"{OPERATION}: try 2 failed, waits 0.00 s: HTTP 429: too many",
        f"{OPERATION}: try 3",
    ]


@each_driver
def test_no_other_logger_has_a_record_of_a_call(
    driver: Driver, url: str, server: ReferenceServer, log: pytest.LogCaptureFixture
):
    server.fail_next(429, headers={"retry-after": "0"})

    call(driver, url)
    balance(driver, url)

    # asyncio names its selector by itself, and the server is uvicorn's.
    theirs = ("asyncio", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    assert {record.name for record in log.records} - set(theirs) == {"segmind_sd3"}


def test_importing_and_calling_change_no_logger_filter_or_handler(url: str):
    code = f"""
import logging

def state():
    loggers = [logging.root, *(each for each in logging.root.manager.loggerDict.values()
                               if isinstance(each, logging.Logger))]
    of_each = {{each.name: (each.level, [*each.handlers], [*each.filters], each.propagate, each.disabled)
               for each in loggers}}
    of_all = logging.lastResort, logging.getLoggerClass(), logging.getLogRecordFactory()
    return of_each, of_all

import anyio, httpx, httpcore, h11, asyncio, ssl
from httpcore._async import http11
logging.getLogger("segmind_sd3")
before = state()
import segmind_sd3
with segmind_sd3.Client({MADE_UP_KEY!r}, base_url={url!r}) as client:
    client.sd35_turbo_txt2img(prompt="a lighthouse")
    client.credits()
async def main():
    async with segmind_sd3.AsyncClient({MADE_UP_KEY!r}, base_url={url!r}) as client:
        await client.sd35_turbo_txt2img(prompt="a lighthouse")
anyio.run(main)
after = state()
assert after == before, (before, after)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ECHOES = {
    "x_request_id": MADE_UP_KEY,
    "x_cost": MADE_UP_KEY,
    "x_seed_value": MADE_UP_KEY,
    "server": MADE_UP_KEY,
}


@each_driver
def test_a_service_that_echoes_the_key_gets_it_into_no_record_and_no_event(
    driver: Driver, picture: bytes, log: pytest.LogCaptureFixture
):
    events: list[Event] = []
    busy = reply(429, f'{{"error": "{MADE_UP_KEY} is busy"}}'.encode(), retry_after="0", **ECHOES)
    refused = reply(400, MADE_UP_KEY.encode(), **ECHOES)
    drawn = reply(200, picture, content_type="image/png", **ECHOES)

    with serving(answering(busy, drawn, busy, refused)) as peer:
        outcomes(driver, peer.url, times=2, retry=QUICK, on_event=events.append)

    assert len(events) == 8
    assert MADE_UP_KEY not in repr(events)
    assert "[API key]" in repr(events)
    assert [record for record in log.records if MADE_UP_KEY in f"{record.getMessage()} {vars(record)}"] == []


@each_driver
def test_a_line_stays_one_short_line_whatever_a_service_sends(
    driver: Driver, picture: bytes, log: pytest.LogCaptureFixture
):
    steering = "\x1b[2J\x9b31m" + "x" * 5000
    headers = {"content_type": "image/png", "x_request_id": steering, "x_cost": steering}
    with serving(answering(reply(429, steering.encode(), **headers), reply(200, picture, **headers))) as peer:
        call(driver, peer.url)

    messages = [*lines(log, logging.INFO), *lines(log, logging.DEBUG)]
    assert messages
    assert [text for text in messages if not text.isprintable() or len(text) > 1000] == []


# -- Events -----------------------------------------------------------------------------------------------


@each_driver
def test_a_call_is_a_sending_and_an_end(driver: Driver, url: str):
    events: list[Event] = []

    drawn = call(driver, url, on_event=events.append)

    sending, finished = events
    assert sending == Sending(OPERATION, 1)
    assert isinstance(finished, Finished)
    assert finished == Finished(OPERATION, 1, finished.seconds, drawn)  # pyright: ignore[reportArgumentType]
    assert finished.seconds > 0


@each_driver
def test_a_wait_comes_between_two_sendings(driver: Driver, picture: bytes):
    events: list[Event] = []

    with serving(answering(BUSY, reply(200, picture, content_type="image/png"))) as peer:
        call(driver, peer.url, on_event=events.append)

    first, waiting, second, finished = events
    assert (first, second) == (Sending(OPERATION, 1), Sending(OPERATION, 2))
    assert isinstance(waiting, Waiting)
    assert (waiting.endpoint, waiting.attempt, waiting.seconds) == (OPERATION, 1, 0)
    assert isinstance(waiting.error, RateLimited)
    assert isinstance(finished, Finished)
    assert (finished.attempts, type(finished.outcome)) == (2, Generation)


@each_driver
def test_the_end_of_a_call_that_fails_holds_the_error_that_is_raised(driver: Driver):
    events: list[Event] = []

    with refusing() as url:
        error = call(driver, url, on_event=events.append)

    assert [type(event) for event in events] == [Sending, Waiting, Sending, Waiting, Sending, Finished]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.outcome is error
    assert isinstance(error, ConnectionFailed)


@each_driver
def test_the_balance_has_events_too(driver: Driver, url: str):
    events: list[Event] = []

    asked = balance(driver, url, on_event=events.append)

    sending, finished = events
    assert sending == Sending("credits", 1)
    assert isinstance(finished, Finished)
    assert finished.outcome == asked


@each_driver
def test_a_call_that_is_refused_here_has_no_event_and_no_line(driver: Driver, log: pytest.LogCaptureFixture):
    events: list[Event] = []

    with refusing() as url:
        (outcome,) = outcomes(driver, url, {"prompt": 7}, times=1, on_event=events.append)

    assert isinstance(outcome, InvalidRequest)
    assert events == []
    assert [*lines(log, logging.INFO), *lines(log, logging.DEBUG)] == []


def test_a_listener_is_called_in_the_thread_that_makes_the_call(url: str):
    threads: list[int] = []

    def listener(_event: Event) -> None:
        threads.append(threading.get_ident())

    call("sync", url, on_event=listener)

    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_listener_is_called_in_the_task_that_makes_the_call(driver: Driver, url: str):
    current = {"asyncio": asyncio.current_task, "trio": trio.lowlevel.current_task}[driver]
    tasks: list[object] = []

    async def main() -> object:
        async with AsyncClient(
            MADE_UP_KEY, base_url=url, on_event=lambda _: tasks.append(current())
        ) as client:
            await client.sd35_turbo_txt2img(prompt="a lighthouse")
        return current()

    assert {anyio.run(main, backend=driver)} == set(tasks)


def test_a_copy_of_a_client_has_its_listener(url: str):
    events: list[Event] = []

    with Client(MADE_UP_KEY, base_url=url, on_event=events.append) as client:
        client.with_options(timeout=60).credits()

    assert [type(event) for event in events] == [Sending, Finished]


@each_driver
def test_a_listener_that_fails_changes_nothing_and_is_named_in_the_log(
    driver: Driver, url: str, server: ReferenceServer, log: pytest.LogCaptureFixture
):
    def failing(_event: Event) -> None:
        raise ZeroDivisionError(MADE_UP_KEY)

    server.fail_next(429, headers={"retry-after": "0"})

    assert isinstance(call(driver, url, on_event=failing), Generation)

    assert [entry.status for entry in server.ledger] == [429, 200]
    assert lines(log, logging.WARNING) == [
        f"on_event raised ZeroDivisionError at {name}"
        for name in ("Sending", "Waiting", "Sending", "Finished")
    ]


async def coroutine_function(_event: Event) -> None:
    pass


class AsyncListener:
    async def __call__(self, _event: Event) -> None:
        pass

    async def method(self, _event: Event) -> None:
        pass


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    "listener",
    [
        pytest.param(coroutine_function, id="a coroutine function"),
        pytest.param(functools.partial(coroutine_function), id="a partial of one"),
        pytest.param(AsyncListener().method, id="a method that is one"),
        pytest.param(AsyncListener(), id="an object that is called with await"),
        pytest.param("print", id="a text"),
        pytest.param([print], id="a list"),
    ],
)
def test_what_is_no_listener_is_refused(kind: Callable[..., Any], listener: Any):
    with pytest.raises(InvalidRequest, match=r"on_event was .* a function that is called with each event"):
        kind(MADE_UP_KEY, on_event=listener)


EVENTS: list[type[Event]] = [Sending, Waiting, Finished]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_can_t_be_changed(event: type[Event]):
    names = [field.name for field in dataclasses.fields(event)]
    made = event(*names)  # pyright: ignore[reportArgumentType, reportCallIssue] - only held

    for name in names:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, 1)


@pytest.mark.parametrize("event", EVENTS)
def test_every_attribute_of_an_event_is_documented(event: type[Event]):
    documented = re.findall(r"^    (\w+): ", inspect.getdoc(event) or "", re.MULTILINE)

    assert documented == [field.name for field in dataclasses.fields(event)]


def test_the_clients_documentation_names_every_event():
    text = inspect.getdoc(Client) or ""

    assert all(f"`{event.__name__}`" in text for event in EVENTS)


# -- The balance ------------------------------------------------------------------------------------------


@each_driver
def test_the_balance_is_what_the_account_has(driver: Driver, url: str, server: ReferenceServer):
    call(driver, url)

    assert balance(driver, url) == Credits(server.credits, 0.0)


@each_driver
def test_asking_for_the_balance_costs_nothing(driver: Driver, url: str, server: ReferenceServer):
    balance(driver, url)

    (entry,) = server.ledger
    assert (entry.method, entry.path, entry.status, entry.cost) == ("GET", CREDITS_PATH, 200, 0)
    assert entry.key
    assert server.credits == 10


def test_the_request_for_the_balance_has_no_body_and_the_key():
    with serving(answering(reply(200, b'{"credits": 1.5, "free-credits": 0.25}'))) as peer:
        asked = balance("sync", peer.url)

    (request,) = peer.requests
    assert (request.method, request.path, request.body) == ("GET", CREDITS_PATH, b"")
    assert request.headers["x-api-key"] == MADE_UP_KEY
    assert "content-type" not in request.headers
    assert isinstance(asked, Credits)
    assert (asked.credits, asked.free_credits, asked.total) == (1.5, 0.25, 1.75)


READABLE = {
    b'{"credits": 5}': Credits(5.0),
    b'{"credits": "5.5"}': Credits(5.5),
    b'{"credits": 0, "free-credits": 2}': Credits(0.0, 2.0),
    b'{"credits": -0.5, "more": [1]}': Credits(-0.5),
}


@pytest.mark.parametrize(("body", "expected"), READABLE.items(), ids=str)
def test_a_balance_is_read_as_a_number_or_as_its_text(body: bytes, expected: Credits):
    with serving(answering(reply(200, body))) as peer:
        assert balance("sync", peer.url) == expected


def test_a_balance_that_came_compressed_is_read():
    body = gzip.compress(b'{"credits": 5}')
    with serving(answering(reply(200, body, content_encoding="gzip"))) as peer:
        assert balance("sync", peer.url) == Credits(5.0)


@each_driver
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"5"',
        b"5",
        b'{"free-credits": 5}',
        b'{"credits": null}',
        b'{"credits": true}',
        b'{"credits": NaN}',
        b'{"credits": 1e999}',
        b'{"credits": [5]}',
        b'{"credits": {"credits": 5}}',
        b'{"credits": "a lot"}',
        b'{"credits": 5, "free-credits": "a lot"}',
        b'{"credits": 5',
        b'{"error": "no balance"}',
        b"<html>5</html>",
        b"\xff\xfe\x00",
        b"\xff\xd8\xff\xe0 a picture",
        b"[" * 100_000,
        b'{"credits": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_reply_that_is_no_balance_is_kept_and_was_free(body: bytes, driver: Driver):
    with serving(answering(reply(200, body, x_request_id="r-1"))) as peer:
        error = balance(driver, peer.url)
        asked = len(peer.requests)

    assert isinstance(error, UnusableReply)
    assert (error.billed, error.body, error.status, error.request_id) == (False, body, 200, "r-1")
    assert asked == 1


REFUSALS: list[tuple[int, type[APIError | OutcomeUnknown], int]] = [
    (302, RequestRefused, 1),
    (400, RequestRefused, 1),
    (401, AuthenticationError, 1),
    (404, NotFound, 1),
    (405, RequestRefused, 1),
    (429, RateLimited, 3),
    (500, ServerError, 1),
    (502, OutcomeUnknown, 3),
    (503, ServerError, 3),
    (504, OutcomeUnknown, 3),
    (520, OutcomeUnknown, 3),
]


@each_driver
@pytest.mark.parametrize(("status", "kind", "tries"), REFUSALS)
def test_a_refusal_is_the_error_of_its_status_and_was_free(
    status: int, kind: type[APIError | OutcomeUnknown], tries: int, driver: Driver
):
    with serving(answering(reply(status, b'{"error": "no"}', location="/"))) as peer:
        error = balance(driver, peer.url)

    assert isinstance(error, kind)
    assert (error.status, error.billed, len(peer.requests)) == (status, False, tries)
    assert "billed" not in str(error)


@each_driver
def test_a_key_that_the_server_does_not_know_is_refused(driver: Driver):
    with ReferenceServer(keys=["SG_fedcba9876543210"]).listening() as url:
        assert isinstance(balance(driver, url), AuthenticationError)


@each_driver
def test_a_redirect_is_not_followed_and_the_key_stays(driver: Driver):
    with serving(answering(reply(200, b'{"credits": 5}'))) as other:
        with serving(answering(reply(307, location=other.url))) as peer:
            error = balance(driver, peer.url)
        assert other.requests == []

    assert isinstance(error, RequestRefused)
    assert "A redirect is never followed" in str(error)


LOST = {
    "a 429": BUSY,
    "a 502": reply(502),
    "a 503": reply(503),
    "no reply": b"",
    "half a reply": reply(200, b'{"credits": 5}')[:-3],
}


@each_driver
@pytest.mark.parametrize("first", LOST.values(), ids=LOST)
def test_the_balance_is_asked_for_again_where_that_may_help(first: bytes, driver: Driver):
    with serving(hanging_up(first), answering(reply(200, b'{"credits": 5}'))) as peer:
        asked = balance(driver, peer.url)

    assert asked == Credits(5.0)
    assert len(peer.requests) == 2


@each_driver
def test_a_reply_that_is_lost_each_time_was_free_all_the_same(driver: Driver):
    with serving(hanging_up()) as peer:
        error = balance(driver, peer.url)

    assert isinstance(error, OutcomeUnknown)
    assert (error.billed, len(peer.requests)) == (False, 3)
    assert "billed" not in str(error)


def test_one_try_is_one_try():
    with serving(answering(BUSY)) as peer:
        balance("sync", peer.url, retry=Retry(attempts=1))

    assert len(peer.requests) == 1
