"""What the reference server does wrong on request: each provocation is what its docstring claims."""

import base64
import gzip
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from segmind_sd3_contract.reference import (
    PROVOCATIONS,
    REPLY_FAULTS,
    Answer,
    Provocation,
    ReferenceServer,
    Request,
    example_request,
)
from segmind_sd3_contract.reference.billed_errors import BILLED_ERRORS, BROKEN_OFF
from segmind_sd3_contract.reference.deliveries import DELIVERIES

CONTRACT = {each.operation_id: each for each in ReferenceServer().operations.values()}
TURBO = CONTRACT["sd35_turbo_txt2img"]
ROWS_ON_THE_WIRE = [
    "base64-default-1",
    "reply-format",
    "several-images",
    "406-not-only-credits",
    "405-html",
    "gateway-html",
    "error-in-200",
    "wrong-media-type",
    "no-retry-after",
]
HONEST = {
    kind: ReferenceServer(clock=lambda: 1_795_233_000.0).answer(example_request(TURBO, **said))
    for kind, said in {
        "picture": {"base64": False},
        "png": {"base64": False, "image_format": "png"},
        "json": {"base64": True},
        "several": {"base64": True, "batch_size": 2},
    }.items()
}


def named(each: object) -> str:
    return each.name if isinstance(each, Provocation) else str(each)


def json_of(answer: Answer) -> Any:
    return json.loads(answer.body)


def label(answer: Answer) -> str | None:
    return answer.headers.get("content-type")


def kind_of(picture: bytes) -> str | None:
    return Image.open(BytesIO(picture)).format


def without_body(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "content-type"}


# --- the table


@pytest.mark.parametrize("row", ROWS_ON_THE_WIRE)
def test_every_quirk_that_shows_on_the_wire_can_be_provoked_by_its_own_name(row: str):
    assert any(name.partition(":")[0] == row for name in PROVOCATIONS)


@pytest.mark.parametrize("provocation", PROVOCATIONS.values(), ids=named)
def test_every_provocation_claims_something(provocation: Provocation):
    assert provocation.claim.endswith(".")


def test_every_provocation_is_exported_as_a_reply_fault():
    assert {name: each.change for name, each in PROVOCATIONS.items()} == REPLY_FAULTS


@pytest.mark.parametrize("honest", HONEST.values(), ids=HONEST)
@pytest.mark.parametrize("provocation", PROVOCATIONS.values(), ids=named)
@pytest.mark.slow
def test_a_reply_fault_is_pure_and_a_200_when_it_is_billed_and_no_error(
    provocation: Provocation, honest: Answer
):
    before = (honest.status, dict(honest.headers), honest.body)
    assert provocation.change(honest) == provocation.change(honest)
    assert (honest.status, dict(honest.headers), honest.body) == before
    drawn = provocation.billed and provocation.name not in BILLED_ERRORS
    assert (provocation.change(honest).status == 200) == drawn


@pytest.mark.parametrize("provocation", [each for each in PROVOCATIONS.values() if each.billed], ids=named)
def test_a_reply_fault_of_a_200_leaves_any_other_answer_as_it_is(provocation: Provocation):
    refusal = ReferenceServer().answer(example_request(TURBO, steps=0))
    assert provocation.change(refusal) == refusal


@pytest.mark.parametrize("provocation", PROVOCATIONS.values(), ids=named)
def test_a_provocation_on_the_server_is_billed_as_it_says_and_happens_once(provocation: Provocation):
    server = ReferenceServer()
    server.provoke(provocation.name)
    provoked, next_one = (server.answer(example_request(TURBO)) for _ in range(2))
    first, second = server.ledger
    assert first.provocation == provocation.name
    assert (first.status, first.cost) == (provoked.status, 0.0035 if provocation.billed else 0.0)
    assert (second.provocation, next_one.status) == (None, 200)


@pytest.mark.parametrize("provocation", PROVOCATIONS.values(), ids=named)
def test_every_reply_still_tells_the_balance_but_where_that_is_what_was_provoked(provocation: Provocation):
    server = ReferenceServer()
    server.provoke(provocation.name)
    headers = server.answer(example_request(TURBO)).headers
    if "x-remaining-credits" not in provocation.name:
        assert float(headers["x-remaining-credits"]) == server.credits
    assert headers["x-reference-server"] == "segmind-sd3"


# --- damaged 200s


def texts(answer: Answer) -> Any:
    return json_of(answer)["image"]


def drawn_in(answer: Answer) -> bytes:
    """Give the one picture of an honest answer."""
    return base64.b64decode(texts(answer)) if label(answer) == "application/json" else answer.body


DAMAGED: list[tuple[str, str, Callable[[Answer, Answer], object]]] = [
    ("base64-default-1:json", "picture", lambda had, got: base64.b64decode(texts(got)) == had.body),
    ("base64-default-1:json", "json", lambda had, got: got == had),
    ("base64-default-1:picture", "json", lambda had, got: got.body == base64.b64decode(texts(had))),
    ("base64-default-1:picture", "several", lambda _, got: kind_of(got.body) == "JPEG"),
    ("base64-default-1:picture", "png", lambda had, got: got == had),
    ("several-images:list", "json", lambda had, got: texts(got) == [texts(had)]),
    ("several-images:list", "several", lambda had, got: got == had),
    ("several-images:list", "picture", lambda had, got: got == had),
    ("several-images:images", "several", lambda had, got: json_of(got) == {"images": texts(had)}),
    ("several-images:images", "json", lambda had, got: json_of(got) == {"images": [texts(had)]}),
    ("several-images:string", "several", lambda had, got: json_of(got) == {"image": texts(had)[0]}),
    ("several-images:string", "json", lambda had, got: got == had),
    ("reply-format:png", "picture", lambda _, got: (kind_of(got.body), label(got)) == ("PNG", "image/png")),
    (
        "reply-format:webp",
        "picture",
        lambda _, got: (kind_of(got.body), label(got)) == ("WEBP", "image/webp"),
    ),
    ("reply-format:jpeg", "png", lambda _, got: (kind_of(got.body), label(got)) == ("JPEG", "image/jpeg")),
    ("reply-format:png", "json", lambda _, got: kind_of(base64.b64decode(texts(got))) == "PNG"),
    (
        "wrong-media-type",
        "picture",
        lambda had, got: (label(got), got.body) == ("application/json", had.body),
    ),
    ("wrong-media-type", "json", lambda had, got: (label(got), got.body) == ("image/jpeg", had.body)),
    ("wrong-media-type:other-picture", "picture", lambda _, got: label(got) == "image/png"),
    ("wrong-media-type:other-picture", "png", lambda _, got: label(got) == "image/jpeg"),
    (
        "wrong-media-type:missing",
        "picture",
        lambda had, got: "content-type" not in got.headers and got.body == had.body,
    ),
    ("wrong-media-type:octet-stream", "picture", lambda _, got: label(got) == "application/octet-stream"),
    ("wrong-media-type:text", "json", lambda _, got: label(got) == "text/plain; charset=utf-8"),
    ("wrong-media-type:html", "picture", lambda _, got: label(got) == "text/html; charset=utf-8"),
    ("more-members", "json", lambda had, got: json_of(got).items() > json_of(had).items()),
    ("data-prefix", "json", lambda had, got: texts(got) == "data:image/jpeg;base64," + texts(had)),
    (
        "bad-padding",
        "several",
        lambda had, got: (
            texts(got) == [each.rstrip("=") if each.endswith("=") else f"{each}=" for each in texts(had)]
        ),
    ),
    (
        "broken-base64",
        "json",
        lambda had, got: len(texts(got)) % 4 == 1 and texts(had).startswith(texts(got)),
    ),
    (
        "url-safe-base64",
        "json",
        lambda had, got: (
            not set(texts(got)) & set("+/") and base64.urlsafe_b64decode(texts(got)) == drawn_in(had)
        ),
    ),
    ("truncated-picture", "picture", lambda had, got: got.body == had.body[: len(had.body) // 2]),
    ("truncated-picture", "json", lambda had, got: texts(had).startswith(texts(got)[:-4])),
    (
        "bytes-after-picture",
        "picture",
        lambda had, got: got.body.startswith(had.body) and got.body != had.body,
    ),
    (
        "error-in-200",
        "picture",
        lambda _, got: (list(json_of(got)), label(got)) == (["error"], "application/json"),
    ),
    (
        "error-in-200:as-picture",
        "json",
        lambda _, got: (list(json_of(got)), label(got)) == (["error"], "image/jpeg"),
    ),
    ("error-in-200:detail", "json", lambda _, got: isinstance(json_of(got)["detail"], list)),
    ("error-in-200:html-message", "json", lambda _, got: json_of(got)["html-message"].startswith("<p>")),
    ("error-in-200:html", "json", lambda _, got: b"<title>" in got.body and label(got) == "text/html"),
    ("json-in-200:string", "json", lambda _, got: json_of(got) == "done"),
    ("json-in-200:list", "json", lambda _, got: json_of(got) == ["done"]),
    ("json-in-200:null", "json", lambda _, got: json_of(got) is None),
    ("json-in-200:number", "json", lambda _, got: json_of(got) == 1),
    ("json-in-200:no-image", "json", lambda _, got: json_of(got) == {"image": None}),
    ("json-in-200:empty-list", "json", lambda _, got: json_of(got) == {"image": []}),
    ("empty-200", "picture", lambda _, got: (got.body, label(got)) == (b"", "image/jpeg")),
    ("garbage", "picture", lambda _, got: got.body.startswith(b"\0\1\2") and label(got) == "image/jpeg"),
]


@pytest.mark.parametrize(("name", "kind", "claim"), DAMAGED)
def test_a_damaged_reply_is_what_it_claims(name: str, kind: str, claim: Callable[[Answer, Answer], object]):
    damaged = REPLY_FAULTS[name](HONEST[kind])
    assert claim(HONEST[kind], damaged)
    assert without_body(damaged) == without_body(HONEST[kind])


HEADER_FAULTS = [name for name in REPLY_FAULTS if name.startswith(("no-header:", "odd-header:"))]


@pytest.mark.parametrize("name", HEADER_FAULTS)
def test_a_damaged_header_is_gone_or_no_number_and_nothing_else_is_touched(name: str):
    _, header, *value = name.split(":")
    honest = HONEST["picture"]
    expected = dict(honest.headers)
    del expected[header]
    if value:
        expected[header] = value[0].replace("empty", "")
    assert REPLY_FAULTS[name](honest) == Answer(200, expected, honest.body)


def test_every_reply_fault_of_a_200_has_its_claim_tried():
    tried = {name for name, _, _ in DAMAGED} | set(HEADER_FAULTS)
    billed = {name for name, each in PROVOCATIONS.items() if each.billed}
    # Deliveries have test_deliveries.py.
    assert tried == billed - DELIVERIES.keys() - BILLED_ERRORS.keys()


# --- errors that were billed


@pytest.mark.parametrize("name", BILLED_ERRORS)
@pytest.mark.parametrize("kind", ["png", "json"])
def test_an_error_that_was_billed_is_what_its_name_says(name: str, kind: str):
    _, status, form = name.split(":")
    honest = HONEST[kind]
    error = REPLY_FAULTS[name](honest)

    assert error.status == int(status)
    cost = {"cost": "0.0035", "picture-and-cost": "0.0035", "json-and-cost": "0.0035", "picture-cost-0": "0"}
    assert error.headers.get("x-cost") == cost.get(form)
    assert (error.delivery is not None) == (name in BROKEN_OFF)
    body = gzip.decompress(error.body) if form == "picture-in-gzip" else error.body
    if form == "cost":
        assert list(json.loads(body)) == ["error"]
    elif form.startswith("json"):
        assert base64.b64decode(texts(error)) == drawn_in(honest)
        assert label(error) == "application/json"
    else:
        assert body == drawn_in(honest)


# --- faults

FAULTS: dict[str, tuple[int, str | None, str]] = {
    "406-not-only-credits:credits": (406, "application/json", '{"error": "Not enough credits"}'),
    "406-not-only-credits:content-type": (406, "application/json", '{"error": "Invalid content type"}'),
    "406-not-only-credits:spend-limit": (406, "application/json", "spend limit"),
    "406-not-only-credits:parameter": (406, "application/json", "sampler"),
    "405-html": (405, "text/html", "<title>405 Method Not Allowed</title>"),
    "gateway-html:502": (502, "text/html", "<title>502 Bad Gateway</title>"),
    "gateway-html:503": (503, "text/html", "<title>503 Service Unavailable</title>"),
    "gateway-html:504": (504, "text/html", "<title>504 Gateway Time-out</title>"),
    "server-error:plain": (500, "text/plain", "Internal Server Error!"),
    "server-error:json": (500, "application/json", '{"error"'),
    "server-error:traceback": (500, "text/plain", "Traceback (most recent call last)"),
    **{f"status:{each}": (each, "application/json", '{"error"') for each in
       (400, 401, 402, 403, 404, 408, 410, 422, 499, 503, 520)},
    **{f"redirect:{each}": (each, None, "") for each in (301, 302, 303, 307, 308)},
    "error-body:string": (400, "application/json", '"The model'),
    "error-body:list": (400, "application/json", '["The model'),
    "error-body:null": (400, "application/json", "null"),
    "error-body:number": (400, "application/json", "7"),
    "error-body:error": (400, "application/json", '{"error": "The model'),
    "error-body:nested-error": (400, "application/json", '{"error": {"message": "The model'),
    "error-body:message": (400, "application/json", '{"message": "The model'),
    "error-body:detail": (400, "application/json", '{"detail": [{'),
    "error-body:detail-text": (400, "application/json", '{"detail": "The model'),
    "error-body:html-message": (400, "application/json", '{"html-message": "<p>The model'),
    "error-body:auth": (400, "application/json", '"error_description": "The model'),
    "error-body:plain": (400, "text/plain", "The model"),
    "error-body:empty": (400, None, ""),
    "error-body:garbage": (400, "application/octet-stream", "\0\1\2"),
}  # fmt: skip

RESETS = {
    "iso": "2026-11-21T03:50:02Z",
    "naive-iso": "2026-11-21T03:50:02",
    "spaced-iso": "2026-11-21 03:50:02",
    "http-date": "Sat, 21 Nov 2026 03:50:02 GMT",
    "epoch": "1795233002",
    "epoch-ms": "1795233002000",
    "far": "2026-11-22T03:50:02Z",
    "past": "2026-11-21T02:50:02Z",
    "garbage": "soon",
    "absent": None,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_what_it_claims(name: str):
    fault = REPLY_FAULTS[name](HONEST["picture"])
    status, media_type, words = FAULTS[name]
    assert (fault.status, label(fault)) == (status, media_type)
    assert words in fault.body.decode("latin-1")


@pytest.mark.parametrize("variant", RESETS)
def test_a_provoked_429_has_no_retry_after_and_tells_its_end_two_seconds_on(variant: str):
    fault = REPLY_FAULTS[f"no-retry-after:{variant}"](HONEST["picture"])
    assert (fault.status, "retry-after" in fault.headers) == (429, False)
    assert fault.headers.get("x-rate-limit-reset-at-utc") == RESETS[variant]


WAITS: dict[str, tuple[str, str | None]] = {
    "seconds": ("1", None),
    "zero": ("0", None),
    "more-seconds": ("4", None),
    "far": ("86400", None),
    "huge": ("9" * 400, None),
    "date": ("Sat, 21 Nov 2026 03:51:00 GMT", None),
    "far-date": ("Sun, 22 Nov 2026 03:50:00 GMT", None),
    "past-date": ("Fri, 20 Nov 2026 03:50:00 GMT", None),
    "negative": ("-5", None),
    "garbage": ("soon", None),
    "empty": ("", None),
    "zero-before-reset": ("0", "2026-11-22T03:50:00Z"),
    "far-after-reset": ("86400", "2026-11-20T03:50:00Z"),
    "garbage-beside-reset": ("soon", "2026-11-22T03:50:00Z"),
}


@pytest.mark.parametrize("variant", WAITS)
def test_a_provoked_429_with_a_retry_after_says_what_its_name_says(variant: str):
    fault = REPLY_FAULTS[f"retry-after:{variant}"](HONEST["picture"])
    said = (fault.headers["retry-after"], fault.headers.get("x-rate-limit-reset-at-utc"))
    assert (fault.status, said) == (429, WAITS[variant])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_another_host(status: int):
    fault = REPLY_FAULTS[f"redirect:{status}"](HONEST["picture"])
    assert fault.headers["location"].startswith("https://elsewhere.invalid/")


@pytest.mark.parametrize("name", [name for name, each in PROVOCATIONS.items() if not each.billed])
def test_a_fault_says_nothing_that_only_a_picture_could(name: str):
    fault = REPLY_FAULTS[name](HONEST["picture"])
    assert not fault.headers.keys() & {"x-cost", "x-seed-value", "x-generation-time"}


def test_every_fault_has_its_claim_tried():
    tried = (
        set(FAULTS)
        | {f"no-retry-after:{each}" for each in RESETS}
        | {f"retry-after:{each}" for each in WAITS}
    )
    assert tried == {name for name, each in PROVOCATIONS.items() if not each.billed}


# --- arming


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer()


def statuses(server: ReferenceServer, count: int) -> list[int]:
    return [server.answer(example_request(TURBO)).status for _ in range(count)]


def test_provocations_happen_in_the_order_they_were_asked_for(server: ReferenceServer):
    server.provoke("status:503", times=2)
    server.provoke("no-retry-after:iso")
    assert statuses(server, 4) == [503, 503, 429, 200]


def test_provocations_for_ever_take_turns(server: ReferenceServer):
    server.provoke("status:503", times=None)
    server.provoke("status:400", times=None)
    server.provoke("status:410")
    assert statuses(server, 7) == [503, 400, 410, 503, 400, 503, 400]


def test_calm_forgets_what_was_asked_for(server: ReferenceServer):
    server.provoke("status:503", times=None)
    server.calm()
    assert statuses(server, 1) == [200]


def test_a_provocation_of_one_operation_waits_for_it(server: ReferenceServer):
    server.provoke("status:503", operation="sd3_large_img2img")
    assert statuses(server, 1) == [200]
    assert server.answer(example_request(CONTRACT["sd3_large_img2img"])).status == 503


def test_a_provocation_waits_for_a_call_that_would_have_been_drawn(server: ReferenceServer):
    server.provoke("status:503")
    refused = [example_request(TURBO, steps=0), Request("GET", TURBO.path), Request("POST", "/v1/nowhere")]
    assert [server.answer(each).status for each in refused] == [400, 405, 404]
    assert statuses(server, 2) == [503, 200]


def test_an_account_with_too_few_credits_keeps_its_provocation():
    server = ReferenceServer(credits=0.001)
    server.provoke("error-in-200")
    assert statuses(server, 1) == [406]
    assert server.ledger[-1].provocation is None


def test_fail_next_answers_with_any_failure(server: ReferenceServer):
    server.fail_next(418, "I am a teapot", headers={"Retry-After": "7"}, times=2)
    answers = [server.answer(example_request(TURBO)) for _ in range(3)]
    assert [each.status for each in answers] == [418, 418, 200]
    assert (json_of(answers[0]), answers[0].headers["retry-after"]) == ({"error": "I am a teapot"}, "7")


def test_fail_next_takes_a_body_as_it_is(server: ReferenceServer):
    server.fail_next(500, body=b"\xff")
    assert server.answer(example_request(TURBO)).body == b"\xff"


@pytest.mark.parametrize("status", [100, 200, 299, 600])
def test_fail_next_refuses_what_is_no_failure(server: ReferenceServer, status: int):
    with pytest.raises(ValueError, match="300 to 599"):
        server.fail_next(status)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("several-images", "several-images:list"), ("error-in-20", "error-in-200"), ("gateway", "gateway-html")],
)
def test_an_unknown_provocation_is_refused_with_the_nearest(server: ReferenceServer, name: str, hint: str):
    with pytest.raises(ValueError, match=hint):
        server.provoke(name)


def test_an_unknown_operation_is_refused_with_those_that_exist(server: ReferenceServer):
    with pytest.raises(ValueError, match="sd35_turbo_txt2img"):
        server.provoke("empty-200", operation="sd4")


@pytest.mark.parametrize("times", [0, -1])
def test_a_provocation_happens_at_least_once(server: ReferenceServer, times: int):
    with pytest.raises(ValueError, match="at least once"):
        server.provoke("empty-200", times=times)
