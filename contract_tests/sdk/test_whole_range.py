"""Every parameter over its whole range: it is sent if and only if the page allows it, and drawn likewise.

The oracle is the documents, read by the JSON schema validator, not the table that the SDK checks by. The
account is empty, so that nothing is drawn: a server that takes a value asks for the money first.
"""

import base64
import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from segmind_sd3 import Client, InsufficientCredits, InvalidRequest
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract import oracle
from segmind_sd3_contract.reference import MADE_UP_KEY, PROFILES, Profile, ReferenceServer, Request
from segmind_sd3_contract.reference.examples import example_body

Least = Callable[..., dict[str, Any]]
Record = Callable[[str, object], None]

PICTURE = base64.b64encode(
    base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
).decode()
"""The smallest picture that there is, a GIF of one pixel."""

COUNT = {"minimum": 1, "maximum": 10}
"""What the SDK allows of a number of pictures that the page does not bound: `count-without-bounds`."""

WITHOUT_SLOW = {
    ("sd35_turbo_txt2img", "steps"),
    ("sd3_medium_txt2img", "img_width"),
    ("sd3_medium_img2img", "num_inference_steps"),
    ("sd3_medium_tile", "strength"),
    ("sd3_large_img2img", "strength"),
}
"""One parameter of each endpoint; all others are tried by the slow tests."""

PARAMETERS = [
    pytest.param(
        operation,
        name,
        marks=() if (operation, name) in WITHOUT_SLOW else pytest.mark.slow,
        id=f"{operation}::{name}",
    )
    for operation in OPERATIONS
    for name in oracle.request_schema("documented", operation)["properties"]
]
each_parameter = pytest.mark.parametrize(("operation", "name"), PARAMETERS)


# -- The values, and what the document says of them -------------------------------------------------------


def step_of(held: dict[str, Any]) -> float:
    return held.get("multipleOf", 1 if held["type"] == "integer" else 0.01)


def edges(held: dict[str, Any]) -> list[float]:
    """List both ends of a range, and the values a step inside and a step outside of each."""
    ends = [held[end] for end in ("minimum", "maximum") if end in held]
    # Rounded, since 0.1 - 0.01 is not 0.09 in binary.
    return [round(end + steps * step_of(held), 2) for end in ends for steps in (-1, 0, 1)]


def values(name: str, held: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Give values in the whole range, at its ends and beside them, anywhere else, and of other types."""
    kinds: list[st.SearchStrategy[Any]] = []
    low, high = held.get("minimum"), held.get("maximum")
    if low is not None and high is not None:
        kinds.append((st.integers if held["type"] == "integer" else st.floats)(low, high))
        if multiple := held.get("multipleOf"):
            kinds.append(st.integers(low // multiple, high // multiple).map(lambda times: times * multiple))
        kinds.append(st.sampled_from(edges(held)))
    texts = st.just(PICTURE) if name == "image" else st.text()
    return st.one_of(*kinds, st.integers(), st.floats(), st.booleans(), texts, st.lists(st.integers()))


def is_allowed(held: dict[str, Any], value: Any) -> bool:
    """Say whether a document allows a value; what JSON has no word for is not allowed."""
    is_json = not isinstance(value, float) or math.isfinite(value)
    judge: Any = Draft202012Validator(held)
    return is_json and judge.is_valid(value)


def may_be_sent(name: str, held: dict[str, Any], value: Any) -> bool:
    """Say whether the SDK sends a value: what the page allows, but for two of its quirks."""
    if name in oracle.COUNTS:
        held = {**COUNT, **held}
    return is_allowed(held, value) and (name != "prompt" or bool(value.strip()))


# -- What the SDK does ------------------------------------------------------------------------------------


def is_sent(server: ReferenceServer, operation: str, params: dict[str, Any]) -> bool:
    """Make a call by the SDK; say whether the server got it. One that it got, it must have found good."""
    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        try:
            getattr(client, operation)(**params)
        except InvalidRequest:
            return False
        except InsufficientCredits:
            return True
    raise AssertionError("an empty account paid")


@each_parameter
def test_a_value_is_sent_if_and_only_if_the_page_allows_it(
    operation: str, name: str, least: Least, record_property: Record
):
    held = oracle.request_schema("documented", operation)["properties"][name]
    server = ReferenceServer("documented", credits=0)
    tried = sent = 0

    def check(value: Any) -> None:
        nonlocal tried, sent
        tried += 1
        params = least(operation, **{name: value})
        if name == "aspect_ratio":
            del params["width"], params["height"]  # a size counts with `custom` alone

        came = is_sent(server, operation, params)

        assert came == may_be_sent(name, held, value)
        assert len(server.ledger) == sent + came
        sent += came
        assert not came or name == "image" or server.ledger[-1].body[name] == value

    for value in edges(held):
        check(value)
    given(value=values(name, held))(check)()
    record_property("explored", ["Hypothesis, through the SDK", "documented", operation, tried, sent])


# -- What the reference server does -----------------------------------------------------------------------


def is_taken(server: ReferenceServer, operation: str, name: str, value: Any) -> bool:
    """Send a value as raw JSON; say whether the server finds it good, and asks for the money."""
    (endpoint,) = (each for each in server.operations.values() if each.operation_id == operation)
    headers = {"x-api-key": MADE_UP_KEY, "content-type": "application/json"}
    body = json.dumps({**example_body(endpoint), name: value}).encode()
    answer = server.answer(Request("POST", endpoint.path, headers, body))
    return (answer.status, json.loads(answer.body)) == (406, {"error": "Not enough credits"})


@pytest.mark.parametrize("profile", PROFILES)
@each_parameter
def test_the_reference_server_takes_a_value_if_and_only_if_its_contract_allows_it(
    profile: Profile, operation: str, name: str, record_property: Record
):
    held = oracle.request_schema(profile, operation)["properties"][name]
    server = ReferenceServer(profile, credits=0)
    tried = 0

    def check(value: Any) -> None:
        nonlocal tried
        tried += 1
        assert is_taken(server, operation, name, value) == is_allowed(held, value)

    for value in edges(held):
        check(value)
    given(value=values(name, held) | st.none())(check)()
    record_property("explored", ["Hypothesis, raw JSON", profile, operation, tried, tried])


# -- What it would find -----------------------------------------------------------------------------------

STEPS = oracle.request_schema("documented", "sd35_turbo_txt2img")["properties"]["steps"]


def first_wrong(is_wrong: Callable[[Any], bool]) -> Any:
    return find(values("steps", STEPS), is_wrong, settings=settings(derandomize=True, database=None))


@pytest.mark.parametrize(
    ("wrong", "shrunk"), [({"minimum": 11}, 10), ({"minimum": 9}, 9), ({"maximum": 40}, 41)]
)
def test_a_wrong_bound_of_the_server_is_found_and_shrunk_to_the_first_wrong_value(
    wrong: dict[str, int], shrunk: int
):
    document = deepcopy(oracle.carried("documented"))
    document["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["steps"] |= wrong
    server = ReferenceServer("documented", credits=0, document=document)

    def is_wrong(value: Any) -> bool:
        return is_taken(server, "sd35_turbo_txt2img", "steps", value) != is_allowed(STEPS, value)

    assert first_wrong(is_wrong) == shrunk


@pytest.mark.parametrize(
    ("wrong", "shrunk"), [({"minimum": 11}, 10), ({"minimum": 9}, 9), ({"maximum": 40}, 41)]
)
def test_a_wrong_bound_of_the_sdk_is_found_and_shrunk_to_the_first_wrong_value(
    wrong: dict[str, int], shrunk: int, client: Client, monkeypatch: pytest.MonkeyPatch
):
    turbo = OPERATIONS["sd35_turbo_txt2img"]
    changed = {**turbo.parameters, "steps": turbo.parameters["steps"]._replace(**wrong)}
    monkeypatch.setitem(OPERATIONS, turbo.operation_id, replace(turbo, parameters=changed))  # pyright: ignore[reportArgumentType] - a dict, which the module shows as a Mapping

    def is_wrong(value: Any) -> bool:
        try:
            client.prepare(turbo.operation_id, prompt="a lighthouse", steps=value)
        except InvalidRequest:
            return is_allowed(STEPS, value)
        return not is_allowed(STEPS, value)

    assert first_wrong(is_wrong) == shrunk
