"""What the suite finds in replies whose picture is right: each fault, by the case that names it."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from email.utils import formatdate
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from segmind_sd3_contract.conformance.inprocess import KEY, PENNILESS
from segmind_sd3_contract.conformance.leaks import Secret
from segmind_sd3_contract.conformance.prices import Prices
from segmind_sd3_contract.conformance.replies import picture_end
from segmind_sd3_contract.conformance.sending import Pace
from segmind_sd3_contract.conformance.session import Session, Settings
from segmind_sd3_contract.conformance.target import Target
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request
from segmind_sd3_contract.reference.exchange import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmind_sd3_contract.conformance.results import Outcome, Run

TURBO = "sd35_turbo_txt2img"

SOME_CASES = f"{TURBO}::[(bs]*"
"""The cases about the account, the address, the body, the pairs, the seed, the number of pictures: all kinds
of replies."""


def run_against(change: Callable[[Answer, Request], Answer], only: str = SOME_CASES) -> Run:
    """Run the suite in-process against an honest server whose answers are changed."""

    class Altered(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            return change(super().answer(request), request)

    server = Altered("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])
    target = Target("http://reference.invalid", KEY, PENNILESS)
    settings = Settings(target.url, "observed", "full", 0, strict=False, only=only, shared_account=False)
    with Session(target, settings, Prices.read(), transport=server.transport()) as session:
        return session.run(Pace(), lambda _: None)


def outcome(run: Run, case: str) -> Outcome:
    (found,) = (each for each in run.outcomes if each.id == f"{TURBO}::{case}")
    return found


def is_picture(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers.get("content-type", "").startswith("image/")


def key_in_a_header(answer: Answer, request: Request) -> Answer:
    return answer.with_headers(x_user=request.headers.get("x-api-key"))


def key_in_an_error(answer: Answer, request: Request) -> Answer:
    if answer.status != 400:
        return answer
    return answer.with_json({"error": f"refused {request.headers['x-api-key']}"})


def key_in_base64(answer: Answer, request: Request) -> Answer:
    text = b64encode(f"user:{request.headers.get('x-api-key')}".encode()).decode()
    return answer.with_headers(x_user=f"Basic {text}")


def html_behind_the_picture(answer: Answer, _: Request) -> Answer:
    return replace(answer, body=answer.body + b"<html></html>") if is_picture(answer) else answer


def ten_the_same(answer: Answer, request: Request) -> Answer:
    if answer.status != 200 or b'"batch_size": 10' not in request.body or is_picture(answer):
        return answer
    members: dict[str, Any] = json.loads(answer.body)
    return answer.with_json(
        {name: each[:1] * 10 if isinstance(each, list) else each for name, each in members.items()}
    )


def one_request_id(answer: Answer, _: Request) -> Answer:
    return answer.with_headers(x_request_id="5a0c-77")


def negative_time(answer: Answer, _: Request) -> Answer:
    return answer.with_headers(x_generation_time="-0.5") if "x-cost" in answer.headers else answer


def empty_errors(answer: Answer, _: Request) -> Answer:
    return answer.with_json({"error": ""}) if answer.status == 400 else answer


def tracebacks(answer: Answer, _: Request) -> Answer:
    text = 'Traceback (most recent call last):\n  File "/app/main.py", line 7, in draw\nKeyError: 1'
    return answer.with_json({"error": "It broke", "detail": text}) if answer.status == 400 else answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "case", "only"),
    [
        (key_in_a_header, "(reply)::key", SOME_CASES),
        (key_in_an_error, "(reply)::key", SOME_CASES),
        (key_in_base64, "(reply)::key", SOME_CASES),
        (html_behind_the_picture, "(reply)::picture-alone", SOME_CASES),
        (ten_the_same, "(reply)::pictures-differ", f"{TURBO}::batch_size::*"),
        (one_request_id, "(reply)::request-ids", SOME_CASES),
        (negative_time, "(reply)::numbers", SOME_CASES),
        (empty_errors, "(reply)::errors", SOME_CASES),
        (tracebacks, "(reply)::traceback", SOME_CASES),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_of_a_reply_is_broken_by_the_case_that_names_it(
    change: Callable[[Answer, Request], Answer], case: str, only: str
):
    run = run_against(change, only)

    assert outcome(run, case).verdict == "broken"
    assert run.exit_code == 1


def test_a_seed_that_is_cut_to_27_bits_is_broken_by_the_case_of_far_seeds():
    def cut(_: Answer, request: Request) -> Answer:
        body: dict[str, Any] = json.loads(request.body or b"{}") if request.method == "POST" else {}
        if isinstance(seed := body.get("seed"), int):
            request = replace(request, body=json.dumps({**body, "seed": seed % 2**27}).encode())
        return honest.answer(request)

    honest = ReferenceServer("observed", 10_000.0, keys=[KEY], penniless=[PENNILESS])

    assert outcome(run_against(cut, f"{TURBO}::seed::far"), "seed::far").verdict == "broken"


@pytest.mark.parametrize(
    ("headers", "case", "told"),
    [
        ({"set_cookie": "a=b"}, "(reply)::cookie", "sets a cookie"),
        ({"cache_control": "public, max-age=60"}, "(reply)::cache", "max-age=60"),
        ({"date": formatdate(0, usegmt=True)}, "(reply)::date", "1970"),
        ({"date": "yesterday"}, "(reply)::date", "yesterday"),
    ],
    ids=str,
)
def test_what_no_page_speaks_of_is_reported_and_not_broken(headers: dict[str, str], case: str, told: str):
    run = run_against(lambda answer, _: answer.with_headers(**headers), f"{TURBO}::(call)::*")

    found = outcome(run, case)
    assert (found.verdict, run.exit_code) == ("open", 0)
    assert told in found.reasons[0]


def test_an_honest_server_keeps_every_rule_about_replies():
    run = run_against(lambda answer, _: answer)

    verdicts = {each.place: each.verdict for each in run.outcomes if each.group == "(reply)"}
    assert set(verdicts.values()) == {"held", "open"}


@pytest.mark.parametrize(
    "case",
    ["(address)::method:HEAD", "(address)::method:OPTIONS", "(body)::content-type:xml"],
)
def test_an_unusual_request_is_open_whatever_answers_it_but_a_500(case: str):
    run = run_against(lambda answer, _: answer, f"{TURBO}::{case}")

    assert outcome(run, case).verdict == "open"


def test_a_target_that_hangs_up_on_a_large_request_has_answered():
    def impatient(answer: Answer, request: Request) -> Answer:
        large = len(request.body) > 100_000 or "x-filler" in request.headers
        return replace(answer, delivery=Delivery("nothing", "reset")) if large else answer

    run = run_against(impatient, "*::large*")
    found = {each.id.partition("::")[2]: each.verdict for each in run.outcomes if "::large" in each.id}

    assert found == {"(address)::large-header": "open", "(body)::large": "open"}


# -- Parts ------------------------------------------------------------------------------------------------


@given(
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
    key=st.from_regex(r"SG_[0-9a-f]{16}", fullmatch=True),
)
@example(before=b"", after=b"", key=KEY)
def test_a_key_is_found_and_redacted_in_whatever_base64_it_is_part_of(before: bytes, after: bytes, key: str):
    secret = Secret(key, "$KEY")
    text = f"x {b64encode(before + key.encode() + after).decode()} y"

    redacted = secret.redact(text)

    assert secret.forms_in(text) == ["in base64"]
    assert (secret.forms_in(redacted), "$KEY" in redacted) == ([], True)


@pytest.mark.parametrize(
    "text", ["no key", "SG_", "$SEGMIND_API_KEY", b64encode(bytes(200)).decode()], ids=repr
)
def test_a_text_without_the_key_stays_as_it_is(text: str):
    secret = Secret(KEY, "$KEY")

    assert (secret.forms_in(text), secret.redact(text)) == ([], text)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0\xff\xd9"}], ids=str)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@given(more=st.binary(max_size=20))
def test_a_picture_ends_where_its_own_format_says(kind: str, options: dict[str, Any], more: bytes):
    file = BytesIO()
    Image.effect_noise((33, 21), 90).convert("RGB").save(file, kind, **options)
    picture = file.getvalue()

    assert picture_end(picture + more) == len(picture)
