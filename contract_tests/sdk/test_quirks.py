"""The functions of the quirk table, and its rows about requests: what is sent by default or refused."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3 import Client, Generation, InvalidRequest
from segmind_sd3._quirks import FUNCTIONS, Kind
from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Parameter, Random
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
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

NOT_SENT: list[tuple[str, str, str, str]] = [
    ("negative-prompt-none", "sd3_medium_txt2img", "negative_prompt", "sdk-medium-negative-prompt"),
    ("strength-both-ways", "sd3_medium_tile", "strength", "sdk-medium-image-strength"),
    ("strength-both-ways", "sd3_medium_img2img", "strength", "sdk-medium-image-strength"),
]
"""What is not sent unless it is given, by row, and the action whose note is in its documentation."""

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

    not_sent = {row for row, *_ in NOT_SENT}
    assert {*SENT, *not_sent, "enum-without-values", "base64-default-1"} == rows("default")
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


@pytest.mark.parametrize(
    ("operation", "name", "action"),
    [pytest.param(*place, id=f"{row}::{place[0]}") for row, *place in NOT_SENT],
)
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
    "count-without-bounds": (
        "sd3_medium_img2img",
        {"samples": 1000},
        "samples: got 1000, which costs about $7.58 (an estimate)",
        'allowed is a whole number from 1 to 10 (to send it all the same: extra={"samples": 1000})',
    ),
    "blank-prompt": (
        "sd3_large_img2img",
        {"prompt": ""},
        "prompt: an empty text",
        'it would be paid for as any other: say what to draw (to send it all the same: extra={"prompt": ""})',
    ),
    "reversed-timestep-range": (
        "sd3_medium_txt2img",
        {"conditioningsettimesteprange_start": 0.9, "conditioningsettimesteprange_stop": 0.2},
        "conditioningsettimesteprange_start: 0.9 is above the conditioningsettimesteprange_stop 0.2",
        'allowed is at most 0.2 (to send it all the same: extra={"conditioningsettimesteprange_start": 0.9})',
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


@pytest.mark.parametrize("start", ["0.9", None, [0.9], 9, -1])
def test_a_start_that_is_no_number_within_its_bounds_is_not_compared_with_the_stop(start: Any):
    values = {"conditioningsettimesteprange_start": start, "conditioningsettimesteprange_stop": 0.2}
    row = FUNCTIONS["refusal"]["reversed-timestep-range"]
    assert list(row(OPERATIONS["sd3_medium_txt2img"], values)) == []


def test_a_count_of_a_model_without_a_price_is_refused_all_the_same():
    unpriced = replace(OPERATIONS["sd3_medium_img2img"], usd_per_picture=None)
    (problem,) = FUNCTIONS["refusal"]["count-without-bounds"](unpriced, {"samples": 1000})
    assert problem.given == "got 1000, whose price is not known"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("row", sorted(rows("refusal")))
def test_a_refusal_row_has_nothing_against_any_other_call(row: str, operation: Any, least: Least):
    assert list(FUNCTIONS["refusal"][row](operation, least(operation.operation_id))) == []


@pytest.mark.parametrize("params", [{"aspect_ratio": "2:3"}, {"aspect_ratio": "custom", "width": 64}])
def test_a_ratio_or_a_size_alone_is_taken(params: dict[str, Any], client: Client):
    prepared = client.prepare("sd35_turbo_txt2img", prompt="a lighthouse", **params)

    assert prepared.body.items() >= params.items()


@pytest.mark.parametrize(
    ("operation", "name", "action"),
    [
        *(pytest.param(each, "prompt", "sdk-prompt", id=f"blank-prompt::{each}") for each in OPERATIONS),
        pytest.param(
            "sd3_medium_txt2img",
            "conditioningsettimesteprange_start",
            "sdk-timestep-range",
            id="reversed-timestep-range",
        ),
    ],
)
def test_what_is_refused_beside_the_page_is_documented(operation: str, name: str, action: str):
    assert actions("sdk")[action]["update"]["x-sdk-note"] in OPERATIONS[operation].parameters[name].doc


@pytest.mark.parametrize("operation", ["sd3_medium_img2img", "sd3_medium_tile"])
def test_how_many_pictures_are_sent_without_extra_is_documented(operation: str):
    assert "1 to 10 here; `extra` sends more." in OPERATIONS[operation].parameters["samples"].doc


OFFLINE = Client(MADE_UP_KEY)


def problems(operation: str, **params: Any) -> dict[str, str]:
    """Return what is wrong with a call, by parameter; nothing where it can be sent."""
    try:
        OFFLINE.prepare(operation, **params)
    except InvalidRequest as error:
        return {problem.parameter: str(problem) for problem in error.problems}
    return {}


COUNTS = [
    pytest.param(operation, known, id=f"{operation}::{known.name}")
    for operation, each in OPERATIONS.items()
    for known in each.parameters.values()
    if known.counts_images
]
each_count = pytest.mark.parametrize(("operation", "known"), COUNTS)


@each_count
def test_every_endpoint_with_a_count_of_pictures_has_an_end_of_it_and_a_price(
    operation: str, known: Parameter
):
    assert known.sdk_maximum == 10
    assert OPERATIONS[operation].usd_per_picture


@each_count
@given(data=st.data())
def test_a_count_of_pictures_below_one_is_refused(
    operation: str, known: Parameter, data: st.DataObject, least: Least
):
    count = data.draw(st.integers(max_value=0))

    assert problems(operation, **least(operation, **{known.name: count})).keys() == {known.name}


@each_count
@given(data=st.data())
def test_a_count_of_pictures_is_sent_up_to_the_page_s_maximum_or_ours(
    operation: str, known: Parameter, data: st.DataObject, least: Least
):
    count = data.draw(st.integers(1, 20))
    most = known.maximum if known.maximum is not None else known.sdk_maximum

    refused = problems(operation, **least(operation, **{known.name: count}))

    assert (known.name in refused) == (count > (most or 0))


@each_count
@given(data=st.data())
def test_extra_sends_any_count_of_pictures(
    operation: str, known: Parameter, data: st.DataObject, least: Least
):
    count = data.draw(st.integers())
    params = least(operation, extra={known.name: count})

    assert OFFLINE.prepare(operation, **params).body[known.name] == count


@pytest.mark.parametrize(
    ("operation", "count", "cost"),
    [
        ("sd3_medium_img2img", 11, "about $0.08 (an estimate)"),
        ("sd3_medium_img2img", 1000, "about $7.58 (an estimate)"),
        ("sd3_medium_tile", 1000, "about $7.69 (an estimate)"),
        ("sd3_medium_tile", 10**6, "about $7,690.00 (an estimate)"),
        ("sd3_medium_tile", 10**400, "more than $7,690.00 (an estimate)"),
    ],
)
def test_a_count_of_pictures_above_ten_is_refused_with_its_price(
    operation: str, count: int, cost: str, least: Least
):
    refused = problems(operation, **least(operation, samples=count))

    assert f"which costs {cost}; allowed is a whole number from 1 to 10" in refused["samples"]


blanks = st.text(st.characters(categories=["Zs", "Zl", "Zp"]) | st.sampled_from("\t\n\r\x0b\x0c"))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(prompt=blanks)
def test_a_blank_prompt_is_refused(operation: str, prompt: str, least: Least):
    told = problems(operation, **least(operation, prompt=prompt))

    assert told.keys() == {"prompt"}
    assert f"a{' blank' if prompt else 'n empty'} text" in told["prompt"]


@pytest.mark.parametrize("operation", OPERATIONS)
@given(prompt=blanks)
def test_extra_sends_a_blank_prompt(operation: str, prompt: str, least: Least):
    params = {name: value for name, value in least(operation).items() if name != "prompt"}

    assert OFFLINE.prepare(operation, **params, extra={"prompt": prompt}).body["prompt"] == prompt


@pytest.mark.parametrize("operation", OPERATIONS)
@given(letter=st.text(min_size=1).filter(str.strip), before=blanks, after=blanks)
def test_a_prompt_with_anything_in_it_is_sent_as_it_is(
    operation: str, letter: str, before: str, after: str, least: Least
):
    prompt = before + letter + after

    assert OFFLINE.prepare(operation, **least(operation, prompt=prompt)).body["prompt"] == prompt


START, STOP = "conditioningsettimesteprange_start", "conditioningsettimesteprange_stop"
shares = st.floats(0.1, 1)


@given(start=shares | st.none(), stop=shares | st.none())
def test_a_timestep_range_is_refused_only_where_it_starts_above_its_stop(
    start: float | None, stop: float | None
):
    known = OPERATIONS["sd3_medium_txt2img"].parameters
    given_ = {START: start, STOP: stop}
    meant: list[Any] = [
        known[name].documented_default if value is None else value for name, value in given_.items()
    ]

    refused = problems("sd3_medium_txt2img", prompt="a lighthouse", **given_)

    assert refused.keys() == ({START} if meant[0] > meant[1] else set())


@given(start=shares, stop=shares)
def test_extra_sends_any_timestep_range(start: float, stop: float):
    extra = {START: start, STOP: stop}

    assert (
        OFFLINE.prepare("sd3_medium_txt2img", prompt="a lighthouse", extra=extra).body.items()
        >= extra.items()
    )


# --- No invented values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_p_sampler_is_no_known_value(operation: str):
    assert all("p_sampler" not in known.known_values for known in OPERATIONS[operation].parameters.values())


def test_ten_samplers_are_known_from_the_vendor_and_the_rest_of_the_list_is_inferred():
    vendor, inferred = (
        actions("observed")[name]["update"]
        for name in ("medium-sampler-values", "medium-sampler-likely-values")
    )

    assert len(vendor["anyOf"][0]["enum"]) == 10
    assert len({*vendor["anyOf"][0]["enum"], *inferred["enum"]}) == 27


def test_webp_is_known_of_turbo_alone():
    known = {
        operation: parameter.known_values
        for operation, each in OPERATIONS.items()
        for name, parameter in each.parameters.items()
        if name in ("image_format", "output_format")
    }

    assert known == {"sd35_turbo_txt2img": ("jpeg", "png", "webp"), "sd3_large_img2img": ("jpeg", "png")}
