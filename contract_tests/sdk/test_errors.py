"""From a fault to an error, and whether it was paid for: stated here a second time, and met over a socket."""

import copy
import json
import pickle
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from proofs.fixtures.drivers import DRIVERS, Driver, draw, outcomes
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3 import (
    APIError,
    AuthenticationError,
    BudgetExceeded,
    ConnectionFailed,
    InsufficientCredits,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Problem,
    RateLimited,
    RequestRefused,
    Retry,
    SegmindError,
    ServerError,
    UnusableReply,
)
from segmind_sd3._errors import RULES, ConnectionTimedOut, OutcomeTimedOut, rule_for
from segmind_sd3._reply import interpret
from segmind_sd3._wire import Failure, Key, Reply

ONCE = Retry(attempts=1)
STATUSES = range(300, 600)


def stated(status: int) -> tuple[type[SegmindError], bool | None]:
    """Say it as the tree of errors does, and not as the code under test does."""
    match status:
        case 401 | 403:
            return AuthenticationError, False
        case 402:
            return InsufficientCredits, False
        case 404 | 410:
            return NotFound, False
        case 429:
            return RateLimited, False
        case 500:
            return ServerError, False
        case 503:
            return ServerError, None
        case 408 | 499:
            return OutcomeUnknown, None
        case _ if status < 500:
            return RequestRefused, False
        case _:
            return OutcomeUnknown, None


# -- Statuses ---------------------------------------------------------------------------------------------


def test_the_table_says_what_the_tree_says():
    assert {status: (rule_for(status).error, rule_for(status).billed) for status in STATUSES} == {
        status: stated(status) for status in STATUSES
    }


def test_no_rule_of_a_status_repeats_that_of_its_class():
    own = [(rule, status) for rule in RULES for status in rule.statuses if status >= 10]
    assert [
        status
        for rule, status in own
        if (rule.error, rule.billed, rule.retryable)
        == ((of_class := rule_for(status // 100)).error, of_class.billed, of_class.retryable)
    ] == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_status_from_300_to_599_becomes_its_error(driver: Driver):
    with serving(answering(*(reply(status) for status in STATUSES))) as peer:
        ended = outcomes(driver, peer.url, times=len(STATUSES), retry=ONCE)
    errors = [error for error in ended if isinstance(error, (APIError, OutcomeUnknown))]
    assert [error.status for error in errors] == [*STATUSES]
    assert [(type(error), error.billed) for error in errors] == [stated(status) for status in STATUSES]


@pytest.mark.parametrize("status", [600, 777, 999])
def test_a_status_of_no_known_class_leaves_the_outcome_unknown(status: int):
    with serving(answering(reply(status))) as peer, pytest.raises(OutcomeUnknown) as raised:
        draw("sync", peer.url, retry=ONCE)
    assert raised.value.billed is None


def test_a_status_line_that_is_none_leaves_the_outcome_unknown():
    with serving(answering(b"HTTP/1.1 OK 200\r\n\r\n")) as peer, pytest.raises(OutcomeUnknown) as raised:
        draw("sync", peer.url)
    assert raised.value.billed is None


# -- Messages ---------------------------------------------------------------------------------------------

WORD = "The model could not draw this"
MESSAGES: dict[str, tuple[bytes, str]] = {
    "error": (json.dumps({"error": WORD}).encode(), WORD),
    "message": (json.dumps({"message": WORD}).encode(), WORD),
    "detail": (json.dumps({"detail": WORD}).encode(), WORD),
    "detail of a validation": (json.dumps({"detail": [{"loc": ["body"], "msg": WORD}]}).encode(), WORD),
    "html-message": (json.dumps({"html-message": WORD}).encode(), WORD),
    "code and description": (
        json.dumps({"error": "bad_request", "error_description": WORD, "status_code": 400}).encode(),
        WORD,
    ),
    "nested": (json.dumps({"error": {"message": WORD, "code": 7}}).encode(), WORD),
    "two": (json.dumps([{"message": "one"}, {"error": "two"}]).encode(), "one; two"),
    "a JSON text": (json.dumps(WORD).encode(), WORD),
    "plain text": (WORD.encode(), WORD),
    "text of several lines": (b"The model\r\n  could not\tdraw this\n", WORD),
    "a page": (f"<html><head><title>{WORD}</title></head><body>x</body></html>".encode(), WORD),
    "a page with a heading": (f"<!DOCTYPE html><h1>{WORD} &amp; more</h1>".encode(), f"{WORD} & more"),
    "a page without either": (b"<html><p>x</p></html>", "an HTML page without a title"),
    "bytes of no text": (b"\xff\xfe\x00", "\ufffd\ufffd"),
    "nothing": (b"", "no text"),
    "null": (b"null", "null"),
    "a long text": (b"x" * 10_000, "x" * 499 + "…"),
    "a long text in JSON": (json.dumps({"error": "x" * 10_000}).encode(), "x" * 499 + "…"),
    "a long title": (b"<html><title>" + b"x" * 10_000 + b"</title>", "x" * 499 + "…"),
}


@pytest.mark.parametrize(("body", "message"), MESSAGES.values(), ids=MESSAGES)
def test_the_message_is_what_the_service_said(body: bytes, message: str):
    with serving(answering(reply(400, body))) as peer, pytest.raises(RequestRefused) as raised:
        draw("sync", peer.url)
    assert raised.value.message == message
    assert message in str(raised.value)


def test_an_error_of_the_service_holds_its_reply():
    answer = reply(400, b'{"error": "no"}', X_Request_Id="r-7", X_Remaining_Credits="9.5")
    with serving(answering(answer)) as peer, pytest.raises(RequestRefused) as raised:
        draw("sync", peer.url)
    error = raised.value
    assert (error.status, error.request_id, error.body) == (400, "r-7", b'{"error": "no"}')
    assert error.headers["x-remaining-credits"] == "9.5"
    assert str(error) == "HTTP 400: no (request r-7)"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Not enough credits", InsufficientCredits),
        ("Your balance is too low", InsufficientCredits),
        ("Team spend limit reached", InsufficientCredits),
        ("Invalid content type", RequestRefused),
        ("sampler is not one that this model knows", RequestRefused),
        ("", RequestRefused),
    ],
)
def test_the_text_of_a_406_tells_credits_from_all_else(text: str, error: type[APIError]):
    body = json.dumps({"error": text}).encode()
    with serving(answering(reply(406, body))) as peer, pytest.raises(APIError) as raised:
        draw("sync", peer.url)
    assert (type(raised.value), raised.value.billed) == (error, False)


# -- The tree ---------------------------------------------------------------------------------------------


def classes(root: type[SegmindError] = SegmindError) -> Iterator[type[SegmindError]]:
    yield root
    for each in root.__subclasses__():
        yield from classes(each)


BODY = b'{"error": "no"}'
HEADERS = {"x-request-id": "r-7", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}


def example(told: Reply | Failure) -> SegmindError:
    error = interpret(told, Key("SG_0123456789abcdef"), None)
    assert isinstance(error, SegmindError)
    return error


EXAMPLES: dict[type[SegmindError], SegmindError] = {
    SegmindError: SegmindError("something"),
    APIError: APIError("something"),
    BudgetExceeded: BudgetExceeded("0.10 USD would go over the cap"),
    InvalidRequest: InvalidRequest("no", (Problem("steps", "got 4", "allowed is 10 to 70"),)),
    ConnectionFailed: example(Failure("nothing", "no trust", retryable=False)),
    ConnectionTimedOut: example(Failure("nothing", "late", timed_out=True)),
    OutcomeTimedOut: example(
        Failure("reply", "late", timed_out=True, partial=Reply(200, HEADERS, b"\xff\xd8"))
    ),
    **{stated(status)[0]: example(Reply(status, HEADERS, BODY)) for status in (400, 401, 402, 404, 500, 504)},
    RateLimited: example(Reply(429, HEADERS | {"x-rate-limit-reset-at-utc": "2026-11-21T12:00:09Z"}, BODY)),
    UnusableReply: example(Reply(200, HEADERS | {"x-cost": "0.0035"}, BODY)),
}


def test_there_is_an_example_of_every_class():
    assert set(classes()) == set(EXAMPLES)


def pickled(error: SegmindError) -> SegmindError:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


DUPLICATES: list[Callable[[SegmindError], SegmindError]] = [pickled, copy.copy, copy.deepcopy]


@pytest.mark.parametrize("error", EXAMPLES.values(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_an_error_survives_pickling_and_copying_with_all_it_holds(
    error: SegmindError, duplicate: Callable[[SegmindError], SegmindError]
):
    again = duplicate(error)
    assert type(again) is type(error)
    assert (str(again), again.args, again.billed) == (str(error), error.args, error.billed)
    assert vars(again) == vars(error)
    assert again is not error


def test_the_examples_hold_what_their_classes_promise():
    limited, late, invalid, unusable, closed = (
        EXAMPLES[each]
        for each in (RateLimited, OutcomeTimedOut, InvalidRequest, UnusableReply, ConnectionFailed)
    )
    assert isinstance(limited, RateLimited)
    assert limited.reset_at == datetime(2026, 11, 21, 12, 0, 9, tzinfo=UTC)
    assert isinstance(late, OutcomeUnknown)
    assert (late.status, late.body, late.billed) == (200, b"\xff\xd8", True)
    assert isinstance(invalid, InvalidRequest)
    assert invalid.problems[0].parameter == "steps"
    assert isinstance(unusable, UnusableReply)
    assert (unusable.status, unusable.message, unusable.billed) == (200, "no", True)
    assert isinstance(closed, ConnectionFailed)
    assert closed.retryable is False


@pytest.mark.parametrize("error", [ConnectionTimedOut, OutcomeTimedOut])
def test_a_deadline_is_a_timeout_error_too(error: type[SegmindError]):
    assert issubclass(error, TimeoutError)


def test_nothing_but_a_deadline_is_a_timeout_error():
    assert {each for each in classes() if issubclass(each, TimeoutError)} == {
        ConnectionTimedOut,
        OutcomeTimedOut,
    }


def test_a_wrong_call_is_a_value_error_too():
    assert issubclass(InvalidRequest, ValueError)


@pytest.mark.parametrize("error", list(classes()), ids=lambda error: error.__name__)
def test_every_class_says_who_must_act(error: type[SegmindError]):
    assert error.__doc__


# -- What is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [UnusableReply, OutcomeTimedOut])
def test_what_was_paid_for_and_can_t_be_used_is_saved_byte_for_byte(kind: type[SegmindError], tmp_path: Path):
    error = EXAMPLES[kind]
    assert isinstance(error, (UnusableReply, OutcomeUnknown))
    written = error.save(tmp_path / "kept.bin")
    assert written == tmp_path / "kept.bin"
    assert written.read_bytes() == error.body != b""


@pytest.mark.parametrize("kind", [UnusableReply, OutcomeTimedOut])
def test_saving_replaces_no_file(kind: type[SegmindError], tmp_path: Path):
    error = EXAMPLES[kind]
    assert isinstance(error, (UnusableReply, OutcomeUnknown))
    taken = tmp_path / "kept.bin"
    taken.write_bytes(b"mine")
    with pytest.warns(UserWarning, match=r"kept\.bin exists already and is kept"):
        written = error.save(taken)
    assert written == tmp_path / "kept (1).bin"
    assert (taken.read_bytes(), written.read_bytes()) == (b"mine", error.body)


@pytest.mark.parametrize("kind", [UnusableReply, OutcomeTimedOut])
def test_what_can_not_be_saved_where_it_should_be_is_saved_elsewhere_and_the_error_names_the_file(
    kind: type[SegmindError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    error = EXAMPLES[kind]
    assert isinstance(error, (UnusableReply, OutcomeUnknown))
    with pytest.raises(FileNotFoundError, match=r"saved elsewhere.* -> '.*kept\.bin'") as caught:
        error.save("no/such/kept.bin")
    assert Path(caught.value.filename2).read_bytes() == error.body


@pytest.mark.parametrize(
    ("status", "advice"),
    [(301, "base URL"), (401, "SEGMIND_API_KEY"), (404, "base URL"), (410, r"retired.*segmind\.com/models")],
)
def test_an_error_says_what_to_do(status: int, advice: str):
    with serving(answering(reply(status))) as peer, pytest.raises(SegmindError, match=advice):
        draw("sync", peer.url, retry=ONCE)
