"""What the reference server lets through: what the documents say, in both profiles, over raw JSON."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from segmind_sd3_contract.reference import (
    PROFILES,
    Answer,
    Operation,
    Profile,
    ReferenceServer,
    Request,
    example_body,
    example_request,
)

DOCUMENTS = {
    profile: json.loads(files("segmind_sd3_api").joinpath(f"{profile}.json").read_text())
    for profile in PROFILES
}
SERVERS = {profile: ReferenceServer(profile, credits=10_000.0) for profile in PROFILES}
REFUSED = {"documented": 406, "observed": 400}


def operation_of(server: ReferenceServer, operation_id: str) -> Operation:
    return next(each for each in server.operations.values() if each.operation_id == operation_id)


def answer(profile: Profile, operation_id: str, **values: Any) -> Answer:
    server = SERVERS[profile]
    return server.answer(example_request(operation_of(server, operation_id), **values))


def answer_raw(profile: Profile, operation_id: str, body: bytes, **headers: str) -> Answer:
    server = SERVERS[profile]
    request = example_request(operation_of(server, operation_id))
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return server.answer(Request("POST", request.path, dict(request.headers) | named, body))


def schemas(profile: Profile) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each request schema by operationId, read a second way: from the document itself."""
    document = DOCUMENTS[profile]
    for item in document["paths"].values():
        if "post" in item:
            reference = item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            yield item["post"]["operationId"], document["components"]["schemas"][reference.rpartition("/")[2]]


def required(profile: Profile, schema: dict[str, Any]) -> list[str]:
    """Give what a profile requires: what was seen of that counts at any grade."""
    seen = schema.get("x-observed", {}) if profile == "observed" else {}
    return seen.get("required", schema["required"])


def bound_cases() -> Iterator[tuple[Profile, str, str, float, float]]:
    for profile in PROFILES:
        for operation_id, schema in schemas(profile):
            for name, each in schema["properties"].items():
                held = dict(each)
                seen = each.get("x-observed", {})
                if profile == "observed" and seen.get("x-grade") in ("vendor", "client"):
                    held |= seen
                step = held.get("multipleOf", 1 if held.get("type") == "integer" else 0.01)
                for bound, sign in (("minimum", -1), ("maximum", 1)):
                    if bound in held:
                        outside = round(held[bound] + sign * step, 2)
                        yield profile, operation_id, name, held[bound], outside


CASES = list(bound_cases())


def test_the_bounds_of_both_profiles_are_all_tried():
    assert len(CASES) == 2 * sum(
        ("minimum" in each) + ("maximum" in each)
        for _, schema in schemas("documented")
        for each in schema["properties"].values()
    )


@pytest.mark.parametrize(("profile", "operation_id", "name", "edge", "_outside"), CASES)
def test_a_value_on_its_bound_is_drawn(
    profile: Profile, operation_id: str, name: str, edge: float, _outside: float
):
    assert answer(profile, operation_id, **{name: edge}).status == 200


@pytest.mark.parametrize(("profile", "operation_id", "name", "_edge", "outside"), CASES)
def test_a_value_one_step_outside_its_bound_is_refused(
    profile: Profile, operation_id: str, name: str, _edge: float, outside: float
):
    refusal = answer(profile, operation_id, **{name: outside})
    assert refusal.status == REFUSED[profile]
    assert name in json.loads(refusal.body)["error"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["img_width", "img_height"])
def test_a_size_between_two_multiples_is_refused(profile: Profile, name: str):
    assert answer(profile, "sd3_medium_txt2img", **{name: 516}).status == REFUSED[profile]


@pytest.mark.parametrize(
    ("profile", "operation_id", "name"),
    [
        (profile, operation_id, name)
        for profile in PROFILES
        for operation_id, schema in schemas(profile)
        for name in required(profile, schema)
    ],
)
def test_a_required_field_must_be_there(profile: Profile, operation_id: str, name: str):
    body = example_body(operation_of(SERVERS[profile], operation_id))
    del body[name]
    assert answer_raw(profile, operation_id, json.dumps(body).encode()).status == REFUSED[profile]


WRONG: dict[str, list[Any]] = {
    "string": [1, 1.5, True, [], {}, None],
    "integer": [1.5, "12", True, [], {}, None],
    "number": ["1", True, [], {}, None],
    "boolean": [1, 0, "true", [], {}, None],
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("operation_id", "name", "kind"),
    [
        (each, name, held["type"])
        for each, schema in schemas("observed")
        for name, held in schema["properties"].items()
    ],
)
def test_a_value_of_another_type_is_refused(profile: Profile, operation_id: str, name: str, kind: str):
    statuses = [answer(profile, operation_id, **{name: value}).status for value in WRONG[kind]]
    assert statuses == [REFUSED[profile]] * len(statuses)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("operation_id", "name"),
    [
        (each, name)
        for each, schema in schemas("documented")
        for name, held in schema["properties"].items()
        if held["type"] == "integer" and held.get("maximum", 0) <= 2048
    ],
)
def test_a_whole_number_with_a_point_is_an_integer(profile: Profile, operation_id: str, name: str):
    value = float(operation_of(SERVERS[profile], operation_id).properties[name].get("minimum", 1))
    assert answer(profile, operation_id, **{name: value}).status == 200


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b'{"prompt": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(profile: Profile, body: bytes):
    assert answer_raw(profile, "sd35_turbo_txt2img", body).status == REFUSED[profile]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "image",
    [
        "",
        "no picture",
        "aGVsbG8=",
        "iVBORw0KGgo=",
        "data:image/png;base64,",
        "http://example.invalid/a.png",
        "toB64('https://example.invalid/a.png')",
        "é",
        "a",
    ],
)
def test_an_input_that_is_no_picture_is_refused(profile: Profile, image: str):
    refusal = answer(profile, "sd3_medium_img2img", image=image)
    assert (refusal.status, json.loads(refusal.body)) == (REFUSED[profile], {"error": "Invalid Image"})


def test_an_input_that_is_cut_short_is_refused():
    operation = operation_of(SERVERS["observed"], "sd3_medium_img2img")
    whole = example_body(operation)["image"]
    assert answer("observed", "sd3_medium_img2img", image=whole[: len(whole) // 8 * 4]).status == 400


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"prompt": 7}, "Prompt is Mandatory and must be string"),
        ({"image": 7}, "Input image not found"),
        ({"num_inference_steps": "many"}, "Inputs which are supposed to be numbers are in alphabet"),
        ({"num_inference_steps": 101}, "num_inference_steps must be at most 100"),
        ({"strength": -0.01}, "strength must be at least 0"),
    ],
)
def test_a_refusal_has_the_words_of_the_service_or_names_the_bound(values: dict[str, Any], text: str):
    refusal = answer("observed", "sd3_medium_img2img", **values)
    assert json.loads(refusal.body) == {"error": text}


@pytest.mark.parametrize(
    ("missing", "text"),
    [("prompt", "Prompt is Mandatory and must be string"), ("image", "Input image not found")],
)
def test_a_missing_field_has_the_words_of_the_service(missing: str, text: str):
    body = example_body(operation_of(SERVERS["observed"], "sd3_medium_img2img"))
    del body[missing]
    refusal = answer_raw("observed", "sd3_medium_img2img", json.dumps(body).encode())
    assert json.loads(refusal.body) == {"error": text}


def test_a_bad_value_is_refused_without_a_word_of_credits_as_documented():
    refusal = answer("documented", "sd35_turbo_txt2img", steps=4)
    assert (refusal.status, "credit" in refusal.body.decode().lower()) == (406, False)


OPEN_LISTS = [
    (operation, name)
    for operation, schema in schemas("documented")
    for name, each in schema["properties"].items()
    if each.get("x-documented-type") == "enum:str" and "enum" not in each
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("operation", "name"), OPEN_LISTS)
def test_an_open_list_of_values_takes_any_text(profile: Profile, operation: str, name: str):
    assert answer(profile, operation, **{name: "never heard of"}).status == 200


# --- the two profiles


def test_turbo_draws_with_4_steps_as_observed_and_refuses_them_as_documented():
    assert [answer(profile, "sd35_turbo_txt2img", steps=4).status for profile in PROFILES] == [406, 200]


@pytest.mark.parametrize("operation_id", [each for each, _ in schemas("documented")])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_call_that_does_not_say_base64_is_answered_with_the_picture_itself(
    profile: Profile, operation_id: str
):
    assert answer(profile, operation_id).headers["content-type"] == "image/jpeg"


def test_a_printed_default_of_1_is_no_default_and_any_other_is_one():
    without = {
        (operation_id, name)
        for operation_id, schema in schemas("documented")
        for name, held in schema["properties"].items()
        if held.get("x-documented-default") == 1
    }
    defaults = {
        (each.operation_id, name): value
        for each in SERVERS["documented"].operations.values()
        for name, value in each.defaults.items()
    }

    assert without.isdisjoint(defaults)
    assert {name for _, name in without} == {"base64", "prompt", "negative_prompt"}
    assert defaults["sd35_turbo_txt2img", "steps"] == 4
    assert defaults["sd3_medium_txt2img", "negative_prompt"] == "None"


@pytest.mark.parametrize(
    ("profile", "strict_required", "status"),
    [("documented", False, 406), ("observed", False, 200), ("observed", True, 400)],
)
@pytest.mark.parametrize("left_out", [{"sampler"}, {"scheduler"}, {"sampler", "scheduler"}])
def test_turbo_draws_without_a_sampler_as_it_was_reported_unless_the_server_is_strict(
    profile: Profile, strict_required: bool, status: int, left_out: set[str]
):
    server = ReferenceServer(profile, strict_required=strict_required)
    request = example_request(operation_of(server, "sd35_turbo_txt2img"), sampler="lms", scheduler="karras")
    body = {name: value for name, value in json.loads(request.body).items() if name not in left_out}
    assert server.answer(replace(request, body=json.dumps(body).encode())).status == status


def changed(profile: Profile, change: Callable[[Any], None]) -> ReferenceServer:
    document = copy.deepcopy(DOCUMENTS[profile])
    change(document["components"]["schemas"]["Sd35TurboTxt2Img"])
    return ReferenceServer(profile, document=document)


@pytest.mark.parametrize(
    ("grade", "status"), [("vendor", 200), ("client", 200), ("reported", 400), ("inferred", 400)]
)
def test_an_observation_counts_by_its_grade(grade: str, status: int):
    def change(schema: Any) -> None:
        schema["properties"]["width"]["x-observed"] = {"minimum": 1, "x-grade": grade}

    server = changed("observed", change)
    request = example_request(operation_of(server, "sd35_turbo_txt2img"), width=32)
    assert server.answer(request).status == status


def test_an_observation_is_not_read_as_documented():
    def change(schema: Any) -> None:
        schema["properties"]["width"]["x-observed"] = {"minimum": 1, "x-grade": "vendor"}

    server = changed("documented", change)
    assert server.answer(example_request(operation_of(server, "sd35_turbo_txt2img"), width=32)).status == 406


def test_an_observation_of_null_takes_the_documented_value_away():
    def change(schema: Any) -> None:
        schema["properties"]["steps"]["x-observed"] = {"maximum": None, "x-grade": "vendor"}

    server = changed("observed", change)
    assert (
        server.answer(example_request(operation_of(server, "sd35_turbo_txt2img"), steps=10**400)).status
        == 200
    )


def add_shimmer(schema: Any) -> None:
    schema["properties"]["shimmer"] = {"type": "number", "minimum": 0, "maximum": 2, "default": 1}


@pytest.mark.parametrize(("shimmer", "status"), [(0, 200), (2, 200), (2.01, 406), ("much", 406)])
def test_a_parameter_added_to_the_contract_is_held_to_its_bounds(shimmer: object, status: int):
    server = changed("documented", add_shimmer)
    request = example_request(operation_of(server, "sd35_turbo_txt2img"), shimmer=shimmer)
    assert server.answer(request).status == status


def test_a_parameter_added_to_the_contract_shapes_the_picture_and_its_default_is_known():
    server = changed("documented", add_shimmer)
    operation = operation_of(server, "sd35_turbo_txt2img")
    omitted, default, other = (
        server.answer(example_request(operation, **each)).body
        for each in ({}, {"shimmer": 1}, {"shimmer": 2})
    )
    assert omitted == default != other


@pytest.mark.parametrize("profile", PROFILES)
def test_the_defaults_of_the_sdk_are_never_read(profile: Profile):
    def change(schema: Any) -> None:
        schema["properties"]["steps"]["x-sdk-default"] = 50
        schema["properties"]["seed"]["x-sdk-required"] = True

    server = changed(profile, change)
    honest = SERVERS[profile]
    bodies = [
        each.answer(example_request(operation_of(each, "sd35_turbo_txt2img"))).body
        for each in (server, honest)
    ]
    assert bodies[0] == bodies[1]


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="documented or observed"):
        ReferenceServer("live")  # pyright: ignore[reportArgumentType]  # the claim is about a wrong one
