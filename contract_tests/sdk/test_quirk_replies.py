"""The quirk table's rows about replies: what is repaired, and which errors are distinguished."""

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from segmind_sd3 import (
    Client,
    InsufficientCredits,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    Retry,
    SegmindError,
    ServerError,
    UnusableReply,
)
from segmind_sd3._errors import Fault, rule_for
from segmind_sd3._quirks import FUNCTIONS, Kind, repair_reply
from segmind_sd3._wire import Reply
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import (
    MADE_UP_KEY,
    PROVOCATIONS,
    REPLY_FAULTS,
    Answer,
    ReferenceServer,
    example_request,
)

Least = Callable[..., dict[str, Any]]


def rows(kind: Kind) -> set[str]:
    return {*FUNCTIONS[kind]}


def function_of(row: str) -> Callable[..., Any]:
    (function,) = (functions[row] for functions in FUNCTIONS.values() if row in functions)
    return function


# --- Repairs ----------------------------------------------------------------------------------------------

drawing_server = cache(partial(ReferenceServer, credits=1e6))


def answered(file_format: str, seed: int, count: int, *, base64: bool) -> Answer:
    operation = drawing_server().operations[OPERATIONS["sd35_turbo_txt2img"].path]
    asked = {"image_format": file_format, "seed": seed, "batch_size": count, "base64": base64}
    return drawing_server().answer(example_request(operation, **asked))


def reply_of(answer: Answer) -> Reply:
    return Reply(answer.status, answer.headers, answer.body)


def meaning(reply: Reply) -> tuple[int, dict[str, str], Any]:
    """Give a reply as it compares: JSON by what it says, since nothing fixes how it is written."""
    body = json.loads(reply.body) if reply.body.startswith(b"{") else reply.body
    return reply.status, dict(reply.headers), body


formats = st.sampled_from(["jpeg", "png", "webp"])
seeds = st.integers(0, 3)
pictures = st.builds(answered, formats, seeds, st.just(1), base64=st.just(value=False))
one_as_json = st.builds(answered, formats, seeds, st.just(1), base64=st.just(value=True))
several_as_json = st.builds(answered, formats, seeds, st.integers(2, 3), base64=st.just(value=True))
honest = pictures | one_as_json | several_as_json

DAMAGED: list[tuple[str, str, st.SearchStrategy[Answer]]] = [
    ("wrong-media-type", "wrong-media-type", honest),
    ("wrong-media-type", "wrong-media-type:missing", honest),
    ("wrong-media-type", "wrong-media-type:octet-stream", honest),
    ("wrong-media-type", "wrong-media-type:text", honest),
    ("wrong-media-type", "wrong-media-type:html", honest),
    ("reply-format", "wrong-media-type:other-picture", pictures),
    ("several-images", "several-images:images", several_as_json),
]
"""Each row of a repair, what it mends, and the replies that can be damaged in that way."""

damaged = pytest.mark.parametrize(
    ("row", "damage", "replies"), [pytest.param(*each, id=f"{each[0]} mends {each[1]}") for each in DAMAGED]
)
each_repair = pytest.mark.parametrize("row", sorted(rows("repair")))


def test_every_row_of_a_repair_is_tried_here():
    assert {row for row, *_ in DAMAGED} == rows("repair")


@damaged
@given(data=st.data())
def test_a_repair_gives_back_the_honest_reply(
    row: str, damage: str, replies: st.SearchStrategy[Answer], data: st.DataObject
):
    answer = data.draw(replies)
    broken = reply_of(REPLY_FAULTS[damage](answer))

    assert meaning(function_of(row)(broken)) == meaning(reply_of(answer)) != meaning(broken)


@each_repair
@given(answer=honest)
def test_a_repair_gives_an_honest_reply_back_as_it_found_it(row: str, answer: Answer):
    reply = reply_of(answer)

    assert function_of(row)(reply) is reply


media_types = st.sampled_from(
    ["image/jpeg", "Image/JPEG; q=1", "image/tiff", "application/json", "text/html", "", "/"]
)
headers = st.just(dict[str, str]()) | st.fixed_dictionaries({"content-type": media_types})
bodies = (
    st.binary()
    | st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF....WEBP", b"<html>", b'"images"']
    )
    | st.recursive(
        st.none() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["image", "images", "error"]) | st.text(), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
any_reply = st.builds(Reply, st.sampled_from([200, 201, 299]), headers, bodies)


@each_repair
@given(reply=any_reply)
def test_a_repair_has_nothing_left_to_mend_in_what_it_gave_back(row: str, reply: Reply):
    repaired = function_of(row)(reply)

    assert function_of(row)(repaired) is repaired


@each_repair
@given(reply=any_reply)
def test_a_repair_leaves_a_reply_alone_that_begins_as_neither_picture_nor_object(row: str, reply: Reply):
    assume(not reply.body.lstrip().startswith((b"{", b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")))

    assert function_of(row)(reply) is reply


@given(reply=any_reply)
def test_no_repair_changes_more_than_the_name_of_the_body_or_of_its_pictures(reply: Reply):
    repaired = repair_reply(reply)

    assert repaired.status == reply.status
    assert repaired.headers.keys() - {"content-type"} == reply.headers.keys() - {"content-type"}
    assert repaired.body == reply.body or b'"images"' in reply.body


# --- Diagnoses --------------------------------------------------------------------------------------------

OWN_BUSINESS: dict[str, Callable[[Reply, Fault], bool]] = {
    "406-not-only-credits": lambda reply, _: reply.status == 406,
    "405-html": lambda reply, _: reply.status == 405 and b"<" in reply.body,
    "gateway-html": lambda reply, _: reply.status != 405 and b"<" in reply.body,
    "error-in-200": lambda reply, fault: fault.error is UnusableReply and b"{" in reply.body,
    "no-retry-after": lambda _, fault: fault.error is RateLimited,
}


def test_every_diagnosis_is_tried_here():
    assert OWN_BUSINESS.keys() == rows("diagnosis")


@pytest.mark.parametrize("row", OWN_BUSINESS)
@given(reply=any_reply, status=st.sampled_from([200, 400, 401, 405, 406, 429, 500, 502, 504]))
def test_a_diagnosis_returns_any_other_fault_unchanged(row: str, reply: Reply, status: int):
    reply = replace(reply, status=status)
    fault = Fault(rule_for(status).error, "a text", billed=None)
    assume(not OWN_BUSINESS[row](reply, fault))

    assert function_of(row)(reply, fault) is fault


def fault_406(text: str) -> Fault:
    reply = Reply(406, {"content-type": "application/json"}, b"")
    return function_of("406-not-only-credits")(reply, Fault(rule_for(406).error, text, billed=False))


@pytest.mark.parametrize(
    ("text", "error", "advice"),
    [
        ("Not enough credits", InsufficientCredits, ""),
        ("insufficient CREDIT", InsufficientCredits, ""),
        ("Your balance is too low", InsufficientCredits, ""),
        ("Team spend limit reached", InsufficientCredits, "raise it"),
        ("You have met the limit of spending: 5 credits", InsufficientCredits, "raise it"),
        ("Invalid content type", RequestRefused, "look for a proxy"),
        ("Unsupported Content-Type", RequestRefused, "look for a proxy"),
        ("sampler is not one that this model knows", RequestRefused, "a parameter's value"),
        ("", RequestRefused, "a parameter's value"),
    ],
)
def test_the_text_of_a_406_says_what_it_means(text: str, error: type[SegmindError], advice: str):
    fault = fault_406(text)

    assert fault.error is error
    assert advice in fault.advice
    assert fault.text == text


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<html><head><title>504 Gateway Time-out</title></head></html>", "504 Gateway Time-out"),
        ("\n <!DOCTYPE html>\n<TITLE lang='en'>\n Bad &amp; gone\n</TITLE >", "Bad & gone"),
        ("<html><body><h1>Not Allowed</h1></body></html>", "Not Allowed"),
        ("<?xml version='1.0'?><html><title>Late</title></html>", "Late"),
        ("<html></html>", "an HTML page without a title"),
    ],
)
@pytest.mark.parametrize(("row", "status"), [("405-html", 405), ("gateway-html", 504)])
def test_an_html_page_is_read_as_its_title(row: str, status: int, page: str, title: str):
    fault = Fault(rule_for(status).error, page, billed=None)

    assert function_of(row)(Reply(status, {}, page.encode()), fault) == fault._replace(text=title)


# --- As the reference server provokes them ----------------------------------------------------------------

DRAWN = ("base64-default-1", "several-images", "reply-format", "wrong-media-type")
NOT_DRAWN: dict[str, tuple[type[SegmindError], str]] = {
    "406-not-only-credits:credits": (InsufficientCredits, "Not enough credits"),
    "406-not-only-credits:spend-limit": (InsufficientCredits, "The team's spend limit is met: raise it."),
    "406-not-only-credits:content-type": (RequestRefused, "look for a proxy that changes headers"),
    "406-not-only-credits:parameter": (RequestRefused, "a parameter's value was most likely refused"),
    "405-html": (RequestRefused, "HTTP 405: 405 Method Not Allowed"),
    "gateway-html:502": (OutcomeUnknown, "HTTP 502: 502 Bad Gateway"),
    "gateway-html:503": (ServerError, "HTTP 503: 503 Service Unavailable"),
    "gateway-html:504": (OutcomeUnknown, "HTTP 504: 504 Gateway Time-out. The call may have been billed"),
    "error-in-200": (UnusableReply, "HTTP 200: The model could not draw this"),
    "error-in-200:as-picture": (UnusableReply, "HTTP 200: The model could not draw this"),
    "error-in-200:detail": (UnusableReply, "HTTP 200: too small"),
    "error-in-200:html-message": (UnusableReply, "The model could not draw this"),
    "error-in-200:html": (UnusableReply, "HTTP 200: Something went wrong"),
}
RESETS: dict[str, float | None] = {
    **dict.fromkeys(["iso", "naive-iso", "spaced-iso", "http-date", "epoch", "epoch-ms"], 2.0),
    "far": 86402.0,
    "past": -3598.0,
    "garbage": None,
    "absent": None,
}
"""Seconds from a provoked 429 to the end of its window, by how the reply tells them."""


def of_rows(*names: str) -> list[str]:
    return [name for name in PROVOCATIONS if name.partition(":")[0] in names]


def once(server: ReferenceServer) -> Client:
    return Client(MADE_UP_KEY, transport=server.transport(), retry=Retry(attempts=1))


def test_the_server_can_provoke_every_row_that_shows_on_the_wire():
    shown = {*DRAWN, *rows("repair"), *rows("diagnosis")}

    assert {name.partition(":")[0] for name in of_rows(*quirks())} == shown
    assert {*of_rows(*DRAWN), *NOT_DRAWN, *(f"no-retry-after:{each}" for each in RESETS)} == {
        *of_rows(*quirks())
    }


@pytest.mark.parametrize("file_format", ["jpeg", "png"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("provocation", of_rows(*DRAWN))
def test_a_reply_with_a_quirk_is_drawn(
    provocation: str, count: int, file_format: str, least: Least, server: ReferenceServer
):
    params = least("sd35_turbo_txt2img", seed=1, batch_size=count, image_format=file_format)
    with once(server) as client:
        plain = client.sd35_turbo_txt2img(**params)
        server.provoke(provocation)

        drawn = client.sd35_turbo_txt2img(**params)

    # These lose pictures or draw others; all else gives back just what was drawn without it.
    if provocation in ("base64-default-1:picture", "several-images:string"):
        assert drawn.images == plain.images[:1]
    elif provocation.startswith("reply-format"):
        assert {image.media_type for image in drawn.images} == {f"image/{provocation.partition(':')[2]}"}
    else:
        assert drawn.images == plain.images


@pytest.mark.parametrize("provocation", NOT_DRAWN)
def test_an_error_with_a_quirk_is_distinguished(provocation: str, least: Least, server: ReferenceServer):
    error, text = NOT_DRAWN[provocation]
    server.provoke(provocation)

    with once(server) as client, pytest.raises(error) as caught:
        client.sd35_turbo_txt2img(**least("sd35_turbo_txt2img"))

    assert type(caught.value) is error
    assert text in str(caught.value)


@pytest.mark.parametrize("telling", RESETS)
def test_a_rate_limit_says_when_it_ends_however_the_reply_tells_it(
    telling: str, least: Least, server: ReferenceServer
):
    server.provoke(f"no-retry-after:{telling}")

    with once(server) as client, pytest.raises(RateLimited) as caught:
        client.sd35_turbo_txt2img(**least("sd35_turbo_txt2img"))

    sent_at = parsedate_to_datetime(caught.value.headers["date"])
    reset_at = caught.value.reset_at
    assert (reset_at and (reset_at - sent_at).total_seconds()) == RESETS[telling]
