"""The functions of the quirk table, and its rows about requests: what is sent by default or refused."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from segmind_sd3 import Client, Generation, InvalidRequest
from segmind_sd3._quirks import FUNCTIONS, Kind
from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Random
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import ReferenceServer
from segmind_sd3_pipeline.spec.documents import read

OPENAPI = Path(__file__).parents[2] / "openapi"

Draw = Callable[..., Generation]
Least = Callable[..., dict[str, Any]]


@cache
def actions(layer: str) -> dict[str, Any]:
    return {action["x-id"]: action for action in read(OPENAPI / f"{layer}.overlay.yaml")["actions"]}


def rows(kind: str) -> set[str]:
    return {name for name, quirk in quirks().items() if quirk.kind == kind}


# --- Functions and rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_each_function_has_a_row_of_its_kind(kind: Kind):
    assert FUNCTIONS[kind].keys() <= rows(kind)


@pytest.mark.parametrize("kind", ["refusal", "repair", "diagnosis"])
def test_each_row_that_needs_code_has_a_function(kind: Kind):
    assert rows(kind) <= FUNCTIONS[kind].keys()


def test_a_default_row_without_a_function_cites_an_action_that_says_what_is_sent_or_known():
    data = actions("sdk").keys() | {action for listed in LISTED.values() for *_, action in listed}

    for name in rows("default") - FUNCTIONS["default"].keys():
        assert {action.id for action in quirks()[name].actions} & data, name


OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from segmind_sd3 import Client
Client("SG_0123456789abcdef").prepare("sd35_turbo_txt2img", prompt="a lighthouse")
print([name for name in opened if name.endswith((".json", ".yaml"))])
"""


def test_the_sdk_reads_no_words_of_a_row():
    done = subprocess.run([sys.executable, "-c", OPENED], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# --- Defaults ---------------------------------------------------------------------------------------------

SENT: dict[str, list[tuple[str, str]]] = {
    "steps-default-below-minimum": [("sd35_turbo_txt2img", "steps")],
    "fixed-seed-default": [
        (name, "seed") for name, known in OPERATIONS.items() if "seed" in known.parameters
    ],
    "prompt-default-1": [("sd3_large_img2img", "negative_prompt")],
    "mode-without-values": [("sd3_large_img2img", "mode")],
    "sampler-required-no-values": [("sd35_turbo_txt2img", "sampler"), ("sd35_turbo_txt2img", "scheduler")],
}
"""What is sent when the caller gives nothing, by the row that it is for."""

NOT_SENT: dict[str, tuple[str, str, str]] = {
    "negative-prompt-none": ("sd3_medium_txt2img", "negative_prompt", "sdk-medium-negative-prompt"),
    "strength-both-ways": ("sd3_medium_tile", "strength", "sdk-tile-strength"),
}
"""What is not sent unless it is given, and the action whose note is in its documentation."""

LISTED: dict[str, list[tuple[str, str, str]]] = {
    "mode-without-values": [("sd3_large_img2img", "mode", "large-mode-values")],
    "enum-without-values": [
        ("sd3_medium_tile", "sampler", "medium-sampler-values"),
        ("sd3_medium_img2img", "sampler", "medium-sampler-values"),
        ("sd3_medium_tile", "scheduler", "scheduler-values"),
        ("sd3_medium_img2img", "scheduler", "scheduler-values"),
        ("sd35_turbo_txt2img", "scheduler", "scheduler-values"),
        ("sd3_medium_txt2img", "scheduler", "medium-txt2img-scheduler-values"),
        ("sd35_turbo_txt2img", "aspect_ratio", "turbo-aspect-ratio-values"),
        ("sd35_turbo_txt2img", "image_format", "turbo-image-format-values"),
        ("sd3_large_img2img", "output_format", "large-output-format-values"),
    ],
}
"""Enums of which no page lists a value, and the action that knows some, by row."""


def test_every_row_of_a_default_and_every_default_is_tried_here():
    tried = [pair for pairs in SENT.values() for pair in pairs]
    policy = [
        (operation, name)
        for operation, each in OPERATIONS.items()
        for name, known in each.parameters.items()
        if known.sdk_default is not NO_DEFAULT
    ]

    assert {*SENT, *NOT_SENT, "enum-without-values", "base64-default-true"} == rows("default")
    assert sorted(tried) == sorted(policy)


@pytest.mark.parametrize(
    ("operation", "name"),
    [pytest.param(*pair, id=f"{row}::{pair[0]}::{pair[1]}") for row, pairs in SENT.items() for pair in pairs],
)
def test_the_value_of_a_default_row_is_sent(
    operation: str, name: str, client: Client, least: Least, server: ReferenceServer
):
    getattr(client, operation)(**least(operation))

    value = server.ledger[-1].body[name]
    match OPERATIONS[operation].parameters[name].sdk_default:
        case Random(low=low, high=high):
            assert low <= value <= high
        case default:
            assert value == default


@pytest.mark.parametrize(("operation", "name", "action"), NOT_SENT.values(), ids=NOT_SENT)
def test_what_has_no_good_default_is_sent_only_when_given_and_says_so(
    operation: str, name: str, action: str, client: Client, least: Least
):
    known = OPERATIONS[operation].parameters[name]
    given = "fog" if known.kind == "string" else known.minimum

    assert name not in client.prepare(operation, **least(operation)).body
    assert client.prepare(operation, **least(operation, **{name: given})).body[name] == given
    assert actions("sdk")[action]["update"]["x-sdk-note"] in known.doc


def test_every_list_of_the_row_of_enums_is_tried_here():
    listed = {action for *_, action in LISTED["enum-without-values"]}

    assert listed == {each.id for each in quirks()["enum-without-values"].actions}


@pytest.mark.parametrize(
    ("operation", "name", "action"),
    [
        pytest.param(*each, id=f"{row}::{each[0]}::{each[1]}")
        for row, listed in LISTED.items()
        for each in listed
    ],
)
def test_an_enum_without_values_offers_those_that_are_known(operation: str, name: str, action: str):
    listed, _ = actions("observed")[action]["update"]["anyOf"]

    assert set(listed["enum"]) <= set(OPERATIONS[operation].parameters[name].known_values)


@pytest.mark.parametrize(("operation", "name"), [place for listed in LISTED.values() for *place, _ in listed])
def test_an_enum_without_values_takes_any_text(operation: str, name: str, client: Client, least: Least):
    size: dict[str, None] = {"width": None, "height": None} if name == "aspect_ratio" else {}
    params = least(operation, **{name: "of-tomorrow"}, **size)

    assert client.prepare(operation, **params).body[name] == "of-tomorrow"


def test_large_wants_a_prompt(client: Client, picture: bytes):
    with pytest.raises(InvalidRequest, match="prompt: missing"):
        client.prepare("sd3_large_img2img", image=picture)


# --- Refusals ---------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "tob64-inside-quotes": (
        "sd3_medium_tile",
        {"image": "toB64('https://example.com/tile.jpg')"},
        "image: the text of a call, toB64(…)",
        "pass a path, bytes, an open file, a PIL image, base64 text, or the URL itself",
    ),
    "tob64-promise": (
        "sd3_medium_img2img",
        {"image": {}},
        "image: an object, as an un-awaited toB64(…) leaves it",
        "pass a path, bytes, an open file, a PIL image, base64 text, or the URL itself",
    ),
    "tob64-url-as-file": (
        "sd3_large_img2img",
        {"image": Path("https://example.com/tile.jpg")},
        "image: a URL made into a path",
        "pass the URL as a str, as it is",
    ),
    "size-ignored-unless-custom": (
        "sd35_turbo_txt2img",
        {"aspect_ratio": "2:3", "width": 64, "height": None},
        "width: given beside aspect_ratio '2:3'",
        'it counts only with aspect_ratio="custom": leave one of the two out',
    ),
}


def test_every_row_of_a_refusal_is_tried_here():
    assert REFUSED.keys() == rows("refusal")


@pytest.mark.parametrize(("operation", "params", "given_", "advice"), REFUSED.values(), ids=REFUSED)
def test_what_a_refusal_row_names_is_not_sent_and_the_error_says_what_to_do(  # noqa: PLR0917 - the columns
    operation: str, params: Any, given_: str, advice: str, draw: Draw, least: Least, server: ReferenceServer
):
    with pytest.raises(InvalidRequest) as caught:
        draw(operation, **least(operation, **params))

    assert [str(problem) for problem in caught.value.problems] == [f"{given_}; {advice}"]
    assert server.ledger == ()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("row", sorted(rows("refusal")))
def test_a_refusal_row_has_nothing_against_any_other_call(row: str, operation: Any, least: Least):
    assert list(FUNCTIONS["refusal"][row](operation, least(operation.operation_id))) == []


@pytest.mark.parametrize("params", [{"aspect_ratio": "2:3"}, {"aspect_ratio": "custom", "width": 64}])
def test_a_ratio_or_a_size_alone_is_taken(params: dict[str, Any], client: Client):
    prepared = client.prepare("sd35_turbo_txt2img", prompt="a lighthouse", **params)

    assert prepared.body.items() >= params.items()
