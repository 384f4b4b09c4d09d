"""One exchange, driven by a list of what came: no socket and no clock, so every sequence can be tried."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import PIL.Image
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from segmind_sd3 import (
    ConnectionFailed,
    Generation,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    Retry,
    SegmindError,
    SentRequest,
    UnusableReply,
)
from segmind_sd3._exchange import SEND, exchange
from segmind_sd3._reply import interpret
from segmind_sd3._wire import Failure, Key, Reply

KEY = Key("SG_0123456789abcdef")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def picture(file_format: str = "PNG") -> bytes:
    file = BytesIO()
    PIL.Image.new("RGB", (4, 3)).save(file, file_format)
    return file.getvalue()


DRAWN = Reply(200, {"content-type": "image/png"}, picture())
NO_CONNECTION = Failure("nothing", "refused")
NO_TRUST = Failure("nothing", "certificate", retryable=False)
RESET = Failure("request", "reset")
LATE = Failure("request", "late", timed_out=True)
CUT = Failure("reply", "reset", partial=Reply(200, {}, picture()[:20]))
LIMITED = Reply(429, {}, b"")
BUSY = Reply(503, {}, b"")
UNFINISHED = Failure("part", "reset")


@dataclass
class Course:
    """How an exchange went: what it was event, each wait with the time that was left, and its end."""

    events: list[Reply | Failure] = field(default_factory=list[Reply | Failure])
    waits: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    end: Generation | SegmindError | None = None


def course(
    came: Sequence[Reply | Failure],
    retry: Retry | None = None,
    *,
    deadline: float = 180.0,
    takes: float = 0.0,
    jitter: float = 0.5,
) -> Course:
    """Drive an exchange: the n-th sending meets the n-th of `came`, and each takes so many seconds."""
    gone = 0.0
    went = Course()
    steps = exchange(
        retry or Retry(),
        lambda event: interpret(event, KEY, SentRequest("sd35_turbo_txt2img", {"seed": 7})),
        left=lambda: max(0.0, deadline - gone),
        uniform=lambda low, high: low + jitter * (high - low),
    )
    coming = iter(came)
    event: Reply | Failure | None = None
    try:
        while True:
            step = steps.send(event)
            if step == SEND:
                event = next(coming)
                went.events.append(event)
                gone += takes
            else:
                went.waits.append((step, max(0.0, deadline - gone)))
                gone += step
                event = None
    except StopIteration as done:
        went.end = done.value
    except SegmindError as error:
        went.end = error
    return went


# -- Whatever comes ---------------------------------------------------------------------------------------

STAMPS = st.sampled_from(
    ["", "soon", "2026-11-21T12:00:02Z", "1e999", "99999999999999999", "-1", "1795262402", "\x00", "٣"]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            ["image/jpeg", "image/png", "application/json", "text/html", "IMAGE/x; y=z", "", "/", "\xff"]
        ),
        "x-cost": st.sampled_from(["0.0035", "0", "nan", "inf", "-1", "free", "", "1e400"]),
        "x-seed-value": st.sampled_from(["7", "-1", "1.5", "nan", "", "9" * 400]),
        "x-remaining-credits": st.sampled_from(["9.99", "nan", "plenty"]),
        "x-request-id": st.text(max_size=20),
        "x-rate-limit-reset-at-utc": STAMPS,
        "date": STAMPS | st.just("Sat, 21 Nov 2026 12:00:00 GMT"),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "images", "error", "message", "detail", "html-message", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
PICTURE_TEXT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BODIES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([b"", picture(), picture("JPEG"), picture("GIF"), picture("WEBP"), picture()[:-1]]),
    JSON.map(lambda content: json.dumps(content).encode()),
    st.sampled_from(
        [PICTURE_TEXT, [PICTURE_TEXT] * 2, [PICTURE_TEXT[:40]], f"data:image/png;base64,{PICTURE_TEXT}"]
    ).map(lambda image: json.dumps({"image": image}).encode()),
    st.sampled_from(
        [b"<html><title>&#0;", b"<!doctype html>" + b"<h1>" * 99, b"[" * 20_000, b'{"a":' * 9_999]
    ),
)
REPLIES = st.builds(Reply, st.integers(200, 599) | st.sampled_from([0, 101, 600, 999]), HEADERS, BODIES)
FAILURES = st.one_of(
    st.builds(
        Failure, st.sampled_from(["nothing", "part"]), st.text(max_size=9), st.booleans(), st.booleans()
    ),
    st.builds(Failure, st.just("request"), st.text(max_size=9), st.booleans()),
    st.builds(
        Failure,
        st.just("reply"),
        st.text(max_size=9),
        st.booleans(),
        partial=st.builds(Reply, st.integers(200, 299), HEADERS, BODIES),
    ),
)
SECONDS = st.floats(0, 300)
RETRIES = st.builds(
    Retry,
    attempts=st.integers(1, 12),
    backoff=SECONDS,
    backoff_max=SECONDS,
    rate_limit_max=SECONDS | st.just(float("inf")),
    unknown=st.booleans(),
)
# Most of them may pass, so that most exchanges are long.
PASSING = st.just(NO_CONNECTION) | st.builds(Reply, st.just(429), HEADERS, BODIES)
COMING = st.lists(st.one_of(PASSING, PASSING, FAILURES, REPLIES), min_size=12, max_size=12)


def certainly_not_billed(event: Reply | Failure) -> bool:
    if isinstance(event, Failure):
        return event.reached in ("nothing", "part")
    cost = event.headers.get("x-cost", "")
    return event.status == 429 and cost != "0.0035" and not event.body.startswith(picture())


@given(COMING, RETRIES, SECONDS, st.floats(0, 60), st.floats(0, 1))
def test_whatever_comes_an_exchange_ends_in_a_generation_or_an_error_of_the_tree(
    came: list[Reply | Failure], retry: Retry, deadline: float, takes: float, jitter: float
):
    went = course(came, retry, deadline=deadline, takes=takes, jitter=jitter)
    assert isinstance(went.end, (Generation, SegmindError))
    assert str(went.end)


@given(COMING, RETRIES)
def test_what_may_have_been_billed_is_never_sent_again(came: list[Reply | Failure], retry: Retry):
    assume(not retry.unknown)
    *sent_again_after, _ = course(came, retry).events
    assert all(certainly_not_billed(event) for event in sent_again_after)


ANSWERED = {*range(200, 501)} - {408, 429, 499}


@given(COMING, RETRIES)
def test_even_with_the_opt_in_what_was_answered_is_never_sent_again(
    came: list[Reply | Failure], retry: Retry
):
    *sent_again_after, _ = course(came, retry).events
    assert not ANSWERED & {event.status for event in sent_again_after if isinstance(event, Reply)}


@given(COMING, RETRIES)
def test_a_call_is_never_sent_more_often_than_its_policy_allows(came: list[Reply | Failure], retry: Retry):
    assert len(course(came, retry).events) <= retry.attempts


@given(COMING, RETRIES, SECONDS, st.floats(0, 60), st.floats(0, 1))
def test_no_wait_outlasts_the_deadline(
    came: list[Reply | Failure], retry: Retry, deadline: float, takes: float, jitter: float
):
    for wait, left in course(came, retry, deadline=deadline, takes=takes, jitter=jitter).waits:
        assert 0 <= wait < left


@given(COMING, RETRIES)
def test_the_error_is_that_of_the_last_thing_that_came(came: list[Reply | Failure], retry: Retry):
    went = course(came, retry)
    alone = str(course(went.events[-1:], Retry(attempts=1)).end)
    tries = (
        f" ({len(went.events)} tries in " if isinstance(went.end, SegmindError) and went.events[1:] else ""
    )
    assert str(went.end).partition(" tries in ")[0] == (alone + tries).partition(" tries in ")[0]


# -- What is tried again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "passing", [NO_CONNECTION, UNFINISHED, LIMITED], ids=["no-connection", "unfinished", "429"]
)
def test_what_was_not_billed_and_may_pass_is_tried_again(passing: Reply | Failure):
    went = course([passing, passing, DRAWN])
    assert isinstance(went.end, Generation)
    assert len(went.events) == 3


FINAL: dict[str, Reply | Failure] = {
    "no-trust": NO_TRUST,
    "reset": RESET,
    "late": LATE,
    "cut": CUT,
    "empty-200": Reply(200, {}, b""),
    **{
        str(status): Reply(status, {}, b"")
        for status in (301, 400, 401, 402, 404, 406, 408, 422, 499, 500, 502, 503, 504, 520)
    },
}


@pytest.mark.parametrize("final", FINAL.values(), ids=FINAL)
def test_all_else_is_final(final: Reply | Failure):
    went = course([final, DRAWN])
    assert isinstance(went.end, SegmindError)
    assert len(went.events) == 1


@pytest.mark.parametrize("lost", [RESET, LATE, CUT, BUSY, Reply(504, {}, b""), Reply(408, {}, b"")])
def test_the_opt_in_tries_an_unknown_outcome_again(lost: Reply | Failure):
    went = course([lost, DRAWN], Retry(unknown=True))
    assert isinstance(went.end, Generation)
    assert len(went.events) == 2


def test_the_first_try_is_all_there_is_where_one_attempt_is_allowed():
    went = course([LIMITED, DRAWN], Retry(attempts=1))
    assert isinstance(went.end, RateLimited)


def test_the_waits_double_up_to_their_ceiling():
    went = course([NO_CONNECTION] * 8, Retry(attempts=8, backoff=1, backoff_max=10), jitter=1)
    assert [wait for wait, _ in went.waits] == [1, 2, 4, 8, 10, 10, 10]


def test_the_jitter_is_full():
    waits = [
        course([LIMITED] * 2, Retry(attempts=2, backoff=3), jitter=jitter).waits[0][0]
        for jitter in (0, 0.25, 1)
    ]
    assert waits == [0, 0.75, 3]


def test_a_thousand_tries_overflow_nothing():
    went = course([LIMITED] * 3000, Retry(attempts=3000, backoff=1e-9, backoff_max=1e-9))
    assert len(went.events) == 3000


BAD_POLICIES: list[dict[str, Any]] = [
    {"attempts": 0},
    {"backoff": -1},
    {"backoff_max": float("nan")},
    {"rate_limit_max": -0.1},
]


@pytest.mark.parametrize("policy", BAD_POLICIES, ids=str)
def test_a_policy_that_makes_no_sense_is_refused_by_name(policy: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(policy))):
        Retry(**policy)


# -- The deadline -----------------------------------------------------------------------------------------

WAITED_ON: list[tuple[Reply | Failure, type[SegmindError]]] = [
    (NO_CONNECTION, ConnectionFailed),
    (LIMITED, RateLimited),
]


@pytest.mark.parametrize(("came", "error"), WAITED_ON)
def test_a_deadline_that_ends_a_wait_raises_the_error_that_was_waited_on(
    came: Reply | Failure, error: type[SegmindError]
):
    went = course([came] * 9, Retry(attempts=9, backoff=4), deadline=5, takes=1, jitter=1)
    assert type(went.end) is error
    assert len(went.events) < 9


def test_no_wait_is_begun_that_the_deadline_would_end():
    went = course([LIMITED] * 2, Retry(backoff=5), deadline=5, jitter=1)
    assert went.waits == []


# -- Rate limits ------------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso-offset": lambda at: at.astimezone(tz=None).isoformat(),
    "naive-iso": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S"),
    "spaced-iso": lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
    "http-date": lambda at: format_datetime(at, usegmt=True),
    "epoch-seconds": lambda at: str(int(at.timestamp())),
    "epoch-milliseconds": lambda at: str(int(at.timestamp() * 1000)),
}


def limited(reset: str | None, date: datetime | None = NOON) -> Reply:
    headers = {} if reset is None else {"x-rate-limit-reset-at-utc": reset}
    return Reply(429, headers | ({"date": format_datetime(date, usegmt=True)} if date else {}), b"")


@pytest.mark.parametrize("form", FORMS)
def test_a_rate_limit_is_waited_for_until_its_window_ends_by_the_reply_s_own_clock(form: str):
    went = course([limited(FORMS[form](NOON + timedelta(seconds=20))), DRAWN], jitter=0)
    assert [wait for wait, _ in went.waits] == [20]


@given(
    st.integers(0, 59),
    st.sampled_from(sorted(FORMS)),
    st.integers(1_000_000_000, 4_000_000_000),
)
def test_the_wait_is_the_difference_whatever_the_clock_says(seconds: int, form: str, clock: int):
    date = datetime.fromtimestamp(clock, UTC)
    went = course([limited(FORMS[form](date + timedelta(seconds=seconds)), date), DRAWN], jitter=0)
    assert [wait for wait, _ in went.waits] == [seconds]


def test_the_jitter_comes_on_top_so_that_not_everybody_comes_back_at_once():
    went = course([limited(FORMS["iso"](NOON + timedelta(seconds=20))), DRAWN], Retry(backoff=2), jitter=1)
    assert [wait for wait, _ in went.waits] == [22]


def test_a_window_that_has_ended_already_costs_the_backoff_alone():
    went = course([limited(FORMS["iso"](NOON - timedelta(hours=1))), DRAWN], Retry(backoff=2), jitter=1)
    assert [wait for wait, _ in went.waits] == [2]


@pytest.mark.parametrize("said", [None, "", "soon"])
def test_a_rate_limit_that_does_not_say_until_when_costs_the_backoff_alone(said: str | None):
    went = course([limited(said), DRAWN], Retry(backoff=2), jitter=1)
    assert [wait for wait, _ in went.waits] == [2]


def test_without_a_date_the_local_clock_counts():
    in_twenty_seconds = datetime.now(UTC) + timedelta(seconds=20)
    ((wait, _),) = course([limited(in_twenty_seconds.isoformat(), date=None), DRAWN], jitter=0).waits
    assert 15 < wait <= 20


def test_a_wait_longer_than_allowed_is_not_begun_and_the_error_says_until_when():
    went = course([limited(FORMS["iso"](NOON + timedelta(seconds=61))), DRAWN])
    assert isinstance(went.end, RateLimited)
    assert went.end.reset_at == NOON + timedelta(seconds=61)
    assert went.waits == []


# -- What was paid for ------------------------------------------------------------------------------------


def base64_reply(*pictures: bytes, **headers: str) -> Reply:
    texts = [base64.b64encode(each).decode() for each in pictures]
    return Reply(200, {"content-type": "application/json", **headers}, json.dumps({"image": texts}).encode())


HALF = picture("JPEG")[:200]
PAID: dict[str, tuple[Reply | Failure, type[SegmindError], bool | None]] = {
    "a picture cut short": (Reply(200, {"content-type": "image/jpeg"}, HALF), UnusableReply, True),
    "a picture cut short, in base64": (base64_reply(HALF), UnusableReply, True),
    "a whole picture and one cut short": (base64_reply(picture(), HALF), UnusableReply, True),
    "a whole picture and one that is none": (base64_reply(picture(), b"none"), UnusableReply, True),
    "an error that has a cost": (Reply(200, {"x-cost": "0.0035"}, b'{"error": "no"}'), UnusableReply, True),
    "an error that costs nothing": (Reply(200, {"x-cost": "0"}, b'{"error": "no"}'), UnusableReply, None),
    "an error without a cost": (Reply(200, {}, b'{"error": "no"}'), UnusableReply, None),
    "nothing": (Reply(200, {}, b""), UnusableReply, None),
    "bytes that are no picture": (Reply(200, {"content-type": "image/png"}, b"none"), UnusableReply, None),
    "an empty 204": (Reply(204, {}, b""), UnusableReply, None),
    "a 200 that broke off": (CUT, OutcomeUnknown, True),
    "a 202 that broke off": (Failure("reply", "reset", partial=Reply(202, {}, b"")), OutcomeUnknown, None),
    "a reset": (RESET, OutcomeUnknown, None),
    "no connection": (NO_CONNECTION, ConnectionFailed, False),
    "a redirect": (Reply(302, {"location": "https://elsewhere.invalid"}, b""), RequestRefused, False),
}


@pytest.mark.parametrize("came", PAID)
def test_an_error_says_whether_it_was_paid_for(came: str):
    event, error, billed = PAID[came]
    end = course([event], Retry(attempts=1)).end
    assert (type(end), end.billed if isinstance(end, SegmindError) else "drawn") == (error, billed)


@given(BODIES, HEADERS)
def test_every_byte_of_a_success_is_in_the_pictures_or_in_the_error(body: bytes, headers: dict[str, str]):
    end = course([Reply(200, headers, body)]).end
    match end:
        case Generation():
            assert end.images
        case UnusableReply():
            assert end.body == body
        case _:
            pytest.fail(f"a 200 became {end!r}")


@given(BODIES, HEADERS)
def test_every_byte_that_came_before_a_break_is_in_the_error(body: bytes, headers: dict[str, str]):
    end = course([Failure("reply", "reset", partial=Reply(200, headers, body))]).end
    assert isinstance(end, OutcomeUnknown)
    assert (end.status, end.headers, end.body) == (200, headers, body)


# -- The seed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was_sent", "named", "seed"),
    [
        (7, None, 7),
        (7, "9", 7),
        (0, "9", 0),
        (-1, "9", 9),
        (-1, None, None),
        (-1, "-1", None),
        (None, "9", 9),
        (None, "9.0", 9),
        (None, "nan", None),
        (None, "none", None),
        (None, None, None),
    ],
)
def test_the_seed_is_what_was_sent_or_what_the_reply_names_and_never_minus_one(
    was_sent: int | None, named: str | None, seed: int | None
):
    headers = {} if named is None else {"x-seed-value": named}
    sent = SentRequest("sd35_turbo_txt2img", {} if was_sent is None else {"seed": was_sent})
    drawn = interpret(Reply(200, {"content-type": "image/png", **headers}, picture()), KEY, sent)
    assert isinstance(drawn, Generation)
    assert drawn.seed == seed


# -- The key ----------------------------------------------------------------------------------------------

ECHO = KEY.reveal()


ECHOES: dict[str, Reply | Failure] = {
    # Around 80 and 500 characters a text is cut for its message: half a key is a key too.
    **{f"text-{at}": Reply(400, {}, b"x" * at + ECHO.encode()) for at in range(480, 502)},
    **{
        f"json-{at}": Reply(400, {}, json.dumps({"error": "x" * at + ECHO}).encode())
        for at in range(480, 502)
    },
    **{f"success-{at}": Reply(200, {}, b"x" * at + ECHO.encode()) for at in range(60, 82)},
    "every-header": Reply(200, {"x-request-id": ECHO, "content-type": "image/png", "x-y": ECHO}, picture()),
    "error-in-success": Reply(200, {}, json.dumps({"error": ECHO}).encode()),
    "escaped-json": Reply(400, {}, b'{"error": "SG\\u005f' + ECHO[3:].encode() + b'"}'),
    "page": Reply(502, {}, f"<html><title>{ECHO}</title>".encode()),
    "reason": Failure("request", f"illegal header line {ECHO!r}"),
    "cut-reply": Failure("reply", "reset", partial=Reply(200, {"x": ECHO}, ECHO.encode())),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_no_part_of_an_echoed_key_is_shown(echo: Reply | Failure):
    end = course([echo], Retry(attempts=1)).end
    assert ECHO[:6] not in f"{end!r} {end}"
    assert ECHO not in f"{vars(end) if isinstance(end, SegmindError) else end}"
