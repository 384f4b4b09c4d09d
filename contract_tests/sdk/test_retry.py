"""A retry never pays twice: what may have been billed reaches the server once, as the server counts it."""

import time

import pytest
from proofs.fixtures.drivers import DRIVERS, Driver, draw, outcomes
from proofs.fixtures.sockets import (
    Peer,
    Script,
    answering,
    certified,
    closing_at_the_second,
    hanging_up,
    refusing,
    reply,
    resetting,
    serving,
)
from segmind_sd3 import (
    APIError,
    ConnectionFailed,
    Generation,
    OutcomeUnknown,
    RateLimited,
    Retry,
    SegmindError,
    ServerError,
    UnusableReply,
)

AT_ONCE = Retry(backoff=0.01)


@pytest.fixture
def drawn(picture: bytes) -> bytes:
    return reply(200, picture, content_type="image/png")


def posts(peer: Peer) -> int:
    return len([request for request in peer.requests if request.method == "POST"])


# -- Tried again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_that_is_refused_at_first_is_tried_again(driver: Driver, drawn: bytes):
    with serving(answering(drawn), refusing_for=0.05) as peer:
        assert draw(driver, peer.url, retry=Retry(attempts=1000, backoff=0.01, backoff_max=0.01)).images
        assert posts(peer) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_429_is_tried_again(driver: Driver, drawn: bytes):
    with serving(answering(reply(429), reply(429), drawn)) as peer:
        assert draw(driver, peer.url, retry=AT_ONCE).images
        assert posts(peer) == 3


def test_every_try_sends_the_same():
    with serving(answering(reply(429))) as peer:
        with pytest.raises(RateLimited):
            draw("sync", peer.url, retry=AT_ONCE)
        assert len({request.body for request in peer.requests}) == 1
        assert posts(peer) == AT_ONCE.attempts


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_503_may_have_been_billed_and_is_not_tried_again(driver: Driver, drawn: bytes):
    with serving(answering(reply(503), drawn)) as peer:
        with pytest.raises(ServerError) as raised:
            draw(driver, peer.url, retry=AT_ONCE)
        assert (raised.value.billed, posts(peer)) == (None, 1)


def test_a_503_is_tried_again_where_the_caller_would_rather_pay_twice(drawn: bytes):
    with serving(answering(reply(503), drawn)) as peer:
        assert draw("sync", peer.url, retry=Retry(backoff=0.01, unknown=True)).images
        assert posts(peer) == 2


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("sign", [{"x_cost": "0.0035"}, {}], ids=["names its cost", "holds a whole picture"])
def test_what_shows_that_it_was_billed_is_kept_and_never_sent_again(
    sign: dict[str, str], status: int, driver: Driver, picture: bytes
):
    body = b'{"error": "spent"}' if sign else picture
    with serving(answering(reply(status, body, **sign))) as peer:
        with pytest.raises(APIError) as raised:
            draw(driver, peer.url, retry=Retry(backoff=0.01, unknown=True))
        assert (raised.value.billed, raised.value.status, raised.value.body) == (True, status, body)
        assert posts(peer) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_retry_after_is_obeyed(driver: Driver, drawn: bytes):
    with serving(answering(reply(429, retry_after="1"), drawn)) as peer:
        begun = time.monotonic()
        assert draw(driver, peer.url, retry=AT_ONCE).images
        assert time.monotonic() - begun >= 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_rate_limit_is_waited_for(driver: Driver, drawn: bytes):
    limit = reply(
        429,
        Date="Sat, 21 Nov 2026 12:00:00 GMT",
        X_Rate_Limit_Reset_At_Utc="2026-11-21T12:00:00.2",
    )
    with serving(answering(limit, drawn)) as peer:
        assert draw(driver, peer.url, retry=Retry(backoff=0)).images
        assert posts(peer) == 2


# -- Never tried again ------------------------------------------------------------------------------------

LOST: dict[str, Script] = {
    "reset": resetting(),
    "hung up": hanging_up(),
    "cut in its headers": hanging_up(b"HTTP/1.1 200 OK\r\nx-"),
    "cut in its body": hanging_up(reply(200, b"\xff\xd8\xff", content_length="99")),
    "reset in its body": resetting(reply(200, b"\xff\xd8\xff", content_length="99")),
    "no HTTP": hanging_up(b"SSH-2.0-OpenSSH_9.9\r\n"),
    **{str(status): answering(reply(status)) for status in (408, 499, 502, 504, 520)},
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("script", LOST.values(), ids=LOST)
def test_an_unknown_outcome_is_sent_once(script: Script, driver: Driver):
    with serving(script) as peer:
        with pytest.raises(OutcomeUnknown):
            draw(driver, peer.url, retry=AT_ONCE)
        assert posts(peer) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(500), ServerError),
        (reply(200), UnusableReply),
        (reply(200, b'{"error": "no"}'), UnusableReply),
        (reply(400), SegmindError),
    ],
)
def test_an_answer_is_asked_for_once(answer: bytes, error: type[SegmindError]):
    with serving(answering(answer)) as peer:
        with pytest.raises(error):
            draw("sync", peer.url, retry=Retry(backoff=0.01, unknown=True))
        assert posts(peer) == 1


@pytest.mark.parametrize("answer", [reply(429), reply(503)], ids=["429", "503"])
def test_one_attempt_is_one(answer: bytes):
    with serving(answering(answer)) as peer:
        with pytest.raises(SegmindError):
            draw("sync", peer.url, retry=Retry(attempts=1))
        assert posts(peer) == 1


def test_a_certificate_that_is_not_trusted_is_no_passing_fault():
    with serving(hanging_up(), tls=certified("127.0.0.1")) as peer:
        with pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
            draw("sync", peer.url, retry=AT_ONCE)
        assert peer.connections == 1


# -- The opt-in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("lost", ["reset", "hung up", "cut in its body"])
def test_the_opt_in_sends_an_unknown_outcome_again(lost: str, driver: Driver, drawn: bytes):
    with serving(LOST[lost], answering(drawn)) as peer:
        assert draw(driver, peer.url, retry=Retry(backoff=0.01, unknown=True)).images
        assert posts(peer) == 2


# -- Connections that are used again ----------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kept_connection_serves_the_next_call(driver: Driver, drawn: bytes):
    with serving(answering(drawn)) as peer:
        outcomes(driver, peer.url, times=3)
        assert (posts(peer), peer.connections) == (3, 1)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kept_connection_that_the_server_closed_since_is_not_used(driver: Driver, drawn: bytes):
    with serving(hanging_up(drawn)) as peer:
        first, second = outcomes(driver, peer.url, times=2, between=peer.wait_until_hung_up)
        assert isinstance(first, Generation)
        assert isinstance(second, Generation)
        assert (posts(peer), peer.connections) == (2, 2)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kept_connection_that_the_server_closes_on_a_call_is_paid_for_once_at_most(
    driver: Driver, drawn: bytes
):
    with serving(closing_at_the_second(drawn)) as peer:
        first, second = outcomes(driver, peer.url, times=2, retry=AT_ONCE)
        assert isinstance(first, Generation)
        assert isinstance(second, OutcomeUnknown)
        assert second.billed is None
        assert (posts(peer), peer.connections) == (2, 1)


@pytest.mark.parametrize("driver", DRIVERS)
def test_where_nobody_listens_every_attempt_fails_and_nothing_was_billed(driver: Driver):
    with refusing() as url, pytest.raises(ConnectionFailed, match="Nothing was sent") as raised:
        draw(driver, url, retry=AT_ONCE)
    assert raised.value.billed is False


BROKEN_OFF = {
    "before its body": reply(429, b"", content_length="9"),
    "after four bytes": reply(429, b"\x89PNG", content_length="99"),
    "in JSON": reply(429, b'{"image": "iVBORw0KGgo', content_length="999", content_type="application/json"),
    "in an image": reply(429, b"x" * 99, content_length="999", content_type="image/png"),
    "in what is compressed": reply(429, b"x" * 99, content_length="999", content_encoding="gzip"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("answer", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_a_refusal_that_breaks_off_may_have_held_a_picture_and_is_not_sent_again(
    answer: bytes, driver: Driver
):
    with serving(hanging_up(answer)) as peer:
        with pytest.raises(SegmindError) as raised:
            draw(driver, peer.url, retry=AT_ONCE)
        assert raised.value.billed is not False
        assert posts(peer) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_refusal_that_breaks_off_in_plain_text_held_no_picture(driver: Driver):
    answer = reply(429, b"Too many requests: wait a minute", content_length="999")
    with serving(hanging_up(answer)) as peer:
        with pytest.raises(RateLimited) as raised:
            draw(driver, peer.url, retry=AT_ONCE)
        assert raised.value.billed is False
        assert posts(peer) == AT_ONCE.attempts
