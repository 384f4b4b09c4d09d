"""The oracle: honest replies break no clause, and each damaged one breaks the clause that it should."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from segmind_sd3_contract import oracle
from segmind_sd3_contract.oracle import Exchange, Finding, findings
from segmind_sd3_contract.reference import ReferenceServer, example_request

TURBO = "sd35_turbo_txt2img"
MEDIUM = "sd3_medium_txt2img"
AS_JSON: Mapping[str, Any] = {"base64": True}
TWO: Mapping[str, Any] = {"base64": True, "batch_size": 2}
OPERATIONS = {each.operation_id: each for each in ReferenceServer().operations.values()}


def exchange(operation: str, provocation: str | None = None, **values: Any) -> Exchange:
    server = ReferenceServer("observed")
    if provocation:
        server.provoke(provocation)
    request = example_request(OPERATIONS[operation], **values)
    answer = server.answer(request)
    return Exchange(operation, json.loads(request.body), answer.status, answer.headers, answer.body)


@pytest.mark.parametrize("asked", [{}, AS_JSON, {"samples": 3, "base64": True}], ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_honest_reply_breaks_no_clause(operation: str, asked: dict[str, Any]):
    assert findings(exchange(operation, **asked)) == []


@pytest.mark.parametrize(
    "asked",
    [TWO, *({"image_format": kind} for kind in ("jpeg", "png", "webp", "other")), {"width": 80.0}]
    + [{"aspect_ratio": ratio} for ratio in ("custom", "16:9", "2:3", "wide")]
    + [{"steps": 9}, {"steps": 0}, {"prompt": 7}],
    ids=str,
)
def test_whatever_is_asked_for_an_honest_reply_breaks_no_clause(asked: dict[str, Any]):
    assert findings(exchange(TURBO, **asked)) == []


@pytest.mark.parametrize(
    ("provocation", "asked", "clause", "layer"),
    [
        ("status:520", {}, "status", "observed"),
        ("redirect:302", {}, "status", "observed"),
        ("no-header:x-remaining-credits", {}, "header:x-remaining-credits", "documented"),
        ("odd-header:x-remaining-credits:plenty", {}, "header:x-remaining-credits", "documented"),
        ("odd-header:x-remaining-credits:nan", {}, "header:x-remaining-credits", "documented"),
        ("odd-header:x-cost:inf", {}, "header:x-cost", "observed"),
        ("odd-header:x-seed-value:empty", {}, "header:x-seed-value", "observed"),
        ("wrong-media-type:missing", {}, "media-type", "documented"),
        ("error-in-200:html", {}, "media-type", "documented"),
        ("error-body:plain", {}, "media-type", "observed"),
        ("wrong-media-type", {}, "json", "observed"),
        ("json-in-200:list", AS_JSON, "json", "observed"),
        ("json-in-200:no-image", AS_JSON, "json", "observed"),
        ("error-body:nested-error", {}, "json", "observed"),
        ("base64-default-1:json", {}, "base64", "observed"),
        ("base64-default-1:picture", AS_JSON, "base64", "observed"),
        ("data-prefix", AS_JSON, "base64", "observed"),
        ("broken-base64", AS_JSON, "base64", "observed"),
        ("garbage", {}, "picture", "documented"),
        ("empty-200", {}, "picture", "documented"),
        ("truncated-picture", {}, "picture", "documented"),
        ("truncated-picture", AS_JSON, "picture", "documented"),
        ("error-in-200:as-picture", {}, "picture", "documented"),
        ("error-in-200", AS_JSON, "picture", "documented"),
        ("several-images:string", TWO, "picture-count", "documented"),
        ("wrong-media-type:other-picture", {}, "picture-media-type", "documented"),
        ("reply-format:webp", {}, "picture-format", "documented"),
        ("reply-format:jpeg", {"image_format": "png"}, "picture-format", "observed"),
    ],
)
def test_a_damaged_reply_breaks_its_clause(provocation: str, asked: dict[str, Any], clause: str, layer: str):
    (found,) = findings(exchange(TURBO, provocation, **asked))

    assert (found.clause, found.layer) == (clause, layer)


@pytest.mark.parametrize(
    ("operation", "said", "clause"),
    [
        (TURBO, {"steps": 0}, "refusal"),
        (TURBO, {"width": 64.5}, "refusal"),
        (TURBO, [], "refusal"),
        (MEDIUM, {"img_width": 516}, "refusal"),
        (TURBO, {"width": 72}, "picture-size"),
        (MEDIUM, {"img_height": 520}, "picture-size"),
        (TURBO, {"aspect_ratio": "16:9"}, "picture-shape"),
    ],
)
def test_a_picture_that_was_not_asked_for_breaks_a_clause(operation: str, said: Any, clause: str):
    drawn = exchange(operation)
    other = {**drawn.sent, **said} if said else said

    assert [found.clause for found in findings(replace(drawn, sent=other))] == [clause]


def test_a_status_that_only_the_observations_know_breaks_no_clause():
    refused = exchange(TURBO, steps=0)

    assert refused.status == 400
    assert "400" not in oracle.document("documented")["paths"][OPERATIONS[TURBO].path]["post"]["responses"]
    assert findings(refused) == []


def test_a_finding_says_what_was_expected_and_what_came():
    found = Finding("status", "observed", "one of 200, 400", "520")

    assert str(found) == "status (observed): expected one of 200, 400; came 520"


def test_the_repr_of_an_exchange_shows_neither_body():
    shown = repr(exchange(TURBO, prompt="a lighthouse nobody may see"))

    assert len(shown) < 1000
    assert "nobody may see" not in shown


@pytest.mark.parametrize("written", ["QUJD=", "QUJ", "QUJEQQ=", "QUJE\nRQ==", "QUJEQR=="])
def test_base64_that_is_not_written_as_the_standard_says_holds_no_picture(written: str):
    whole = exchange("sd3_large_img2img", **AS_JSON)
    damaged = replace(whole, body=json.dumps({"image": written}).encode())
    with pytest.raises(ValueError):
        oracle.pictures_in(damaged)
