"""What is checked before a call is sent: whatever is given is drawn, or refused with what is allowed."""

import base64
import enum
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3 import Client, InvalidRequest
from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Operation, Parameter, Random
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

Least = Callable[..., dict[str, Any]]

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def public(operation: Operation) -> list[str]:
    return [name for name, known in operation.parameters.items() if not known.hidden]


def problem(client: Client, operation: str, **params: Any) -> str:
    """Give the only thing that is wrong with a call, as the error says it."""
    with pytest.raises(InvalidRequest) as caught:
        client.prepare(operation, **params)
    (only,) = caught.value.problems
    return str(only)


# --- What is taken ----------------------------------------------------------------------------------------


class Whole:
    """An integer as numpy's are: no int, and its own index."""

    def __index__(self) -> int:
        return 12


class Colour(enum.StrEnum):
    TEAL = "a teal lighthouse"


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("steps", Whole(), 12),
        ("steps", 12.0, 12),
        ("steps", Decimal("12.0"), 12),
        ("steps", Fraction(24, 2), 12),
        ("steps", enum.IntEnum("Steps", {"TWELVE": 12}).TWELVE, 12),
        ("guidance_scale", 3, 3),
        ("guidance_scale", 2.5, 2.5),
        ("guidance_scale", Whole(), 12),
        ("guidance_scale", Decimal("2.5"), 2.5),
        ("guidance_scale", Fraction(5, 2), 2.5),
        ("seed", 10**30, 10**30),
        ("prompt", "a\0b\n'\"\\ 日本 🐼", "a\0b\n'\"\\ 日本 🐼"),
        ("prompt", Colour.TEAL, "a teal lighthouse"),
        ("prompt", Loud("quiet"), "quiet"),
        ("sampler", "one of tomorrow", "one of tomorrow"),
        ("base64", False, False),
    ],
)
def test_a_value_arrives_as_what_it_stands_for(name: str, value: Any, sent: Any, least: Least):
    server = ReferenceServer("documented")

    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        client.sd35_turbo_txt2img(**least("sd35_turbo_txt2img", **{name: value}))

    assert server.ledger[-1].body[name] == sent


@st.composite
def valid_calls(draw: st.DrawFn, operation: Operation) -> dict[str, Any]:
    """Whatever an endpoint may be asked for by its page, any of the optional parameters left out."""
    needed: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, known in operation.parameters.items():
        # A size is always given: without one, each picture has a million pixels.
        (needed if known.required or is_side(known) else optional)[name] = values_of(known)
    params: dict[str, Any] = draw(st.fixed_dictionaries(needed, optional=optional))
    if params.get("aspect_ratio", "custom") != "custom":
        del params["width"], params["height"]
    start, stop = (f"conditioningsettimesteprange_{end}" for end in ("start", "stop"))
    if start in params and stop in params:
        params[start], params[stop] = sorted((params[start], params[stop]))
    return params


def is_side(known: Parameter) -> bool:
    return known.name.endswith(("width", "height"))


def values_of(known: Parameter) -> st.SearchStrategy[Any]:
    low: Any = known.minimum
    high: Any = known.maximum
    match known.kind:
        case "integer" if known.counts_images:
            return st.integers(1, 3)
        case "integer" if is_side(known):
            return st.integers(0, 8).map(lambda steps: low + steps * (known.multiple_of or 1))
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "string" if known.name == "prompt":
            return st.text().filter(str.strip)
        case "string":
            listed = st.sampled_from(known.known_values or ["?"])
            return listed if known.closed else listed | st.text()
        case "boolean":
            return st.booleans()
        case "image":
            return st.sampled_from([PICTURE, bytearray(PICTURE), base64.b64encode(PICTURE).decode()])


# The smallest picture that there is, a GIF of one pixel.
PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@each_operation
@given(data=st.data())
def test_any_valid_call_is_drawn_and_sends_what_was_asked_for_and_the_policy(
    operation: Operation, data: st.DataObject
):
    params = data.draw(valid_calls(operation))
    server = ReferenceServer("documented")

    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        drawn = getattr(client, operation.operation_id)(**params)

    (call,) = server.ledger
    policy = {
        known.name: call.body[known.name] if isinstance(known.sdk_default, Random) else known.sdk_default
        for known in operation.parameters.values()
        if known.sdk_default is not NO_DEFAULT
    }
    count = next((params[name] for name in ("samples", "batch_size") if name in params), 1)
    if "image" in params:
        params["image"] = base64.b64encode(PICTURE).decode()
    assert call.body == {**policy, "base64": count > 1, **params}
    assert len(drawn.images) == (count if call.body["base64"] else 1)


WHOLE_NUMBERS = [
    pytest.param(operation, known, id=f"{operation}::{known.name}")
    for operation, each in OPERATIONS.items()
    for known in each.parameters.values()
    if known.kind == "integer"
]


@pytest.mark.parametrize(("operation", "known"), WHOLE_NUMBERS)
@pytest.mark.parametrize("kind", [float, Decimal, Fraction])
@given(data=st.data())
@pytest.mark.slow
def test_a_whole_number_of_another_type_is_sent_as_an_int(
    operation: str, known: Parameter, kind: type, data: st.DataObject, least: Least
):
    low, high = int(known.minimum or 1), int(known.maximum or known.sdk_maximum or 2**31)
    step = known.multiple_of or 1
    number = low + step * data.draw(st.integers(0, (high - low) // step))

    with Client(MADE_UP_KEY) as client:
        sent = client.prepare(operation, **least(operation, **{known.name: kind(number)})).body[known.name]

    assert (sent, type(sent)) == (number, int)


@pytest.mark.parametrize(("operation", "known"), WHOLE_NUMBERS)
@given(value=st.floats().filter(lambda value: not value.is_integer()))
def test_a_float_that_is_no_whole_number_is_refused_for_one(
    operation: str, known: Parameter, value: float, least: Least
):
    with Client(MADE_UP_KEY) as client:
        told = problem(client, operation, **least(operation, **{known.name: value}))

    assert told.startswith(f"{known.name}: got {value}; allowed is a whole number")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(extra=st.dictionaries(st.sampled_from(["steps", "lora", "extra", ""]) | st.text(), json_values))
def test_whatever_json_can_say_may_stand_in_extra(extra: dict[str, Any]):
    with Client(MADE_UP_KEY, transport=ReferenceServer().transport()) as client:
        prepared = client.prepare("sd35_turbo_txt2img", prompt="a lighthouse", extra=extra)

    assert prepared.body.items() >= extra.items()


# --- What is refused --------------------------------------------------------------------------------------

STEPS, GUIDANCE = (OPERATIONS["sd35_turbo_txt2img"].parameters[name] for name in ("steps", "guidance_scale"))
WHOLE = f"allowed is a whole number from {STEPS.minimum} to {STEPS.maximum}"
NUMBER = f"allowed is a number from {GUIDANCE.minimum} to {GUIDANCE.maximum}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("prompt", 3, "prompt: got 3; allowed is a str"),
        ("prompt", b"bytes", "prompt: got 5 bytes; allowed is a str"),
        ("prompt", "\ud800", "prompt: got '\\ud800'; a lone surrogate can't be sent: pass whole characters"),
        ("steps", True, f"steps: got True; {WHOLE}"),
        ("steps", 12.5, f"steps: got 12.5; {WHOLE}"),
        ("steps", Decimal("12.5"), f"steps: got Decimal('12.5'); {WHOLE}"),
        ("steps", math.nan, f"steps: got nan; {WHOLE}"),
        ("steps", math.inf, f"steps: got inf; {WHOLE}"),
        ("steps", Decimal("NaN"), f"steps: got Decimal('NaN'); {WHOLE}"),
        ("steps", 2j, f"steps: got 2j; {WHOLE}"),
        ("steps", "12", f"steps: got '12'; {WHOLE}"),
        pytest.param(
            "steps",
            10**5000,
            f"steps: got a number of thousands of digits; {WHOLE}",
            id="more digits than are printed",
        ),
        ("guidance_scale", True, f"guidance_scale: got True; {NUMBER}"),
        ("guidance_scale", "2", f"guidance_scale: got '2'; {NUMBER}"),
        ("guidance_scale", 2j, f"guidance_scale: got 2j; {NUMBER}"),
        ("guidance_scale", math.nan, f"guidance_scale: got nan; {NUMBER}"),
        ("guidance_scale", -math.inf, f"guidance_scale: got -inf; {NUMBER}"),
        (
            "guidance_scale",
            10**400,
            "guidance_scale: got a number of hundreds of digits; allowed is a number",
        ),
        ("seed", 1.5, "seed: got 1.5; allowed is a whole number"),
        ("base64", 1, "base64: got 1; allowed is True or False"),
        ("extra", 3, "extra: got 3; allowed is a mapping of names to JSON values"),
        (
            "extra",
            "steps=4",
            "extra: got 'steps=4'; allowed is a mapping of names to JSON values",
        ),
        (
            "extra",
            {4: 1},
            "extra: got {4: 1}; allowed is a mapping of names to JSON values",
        ),
        (
            "extra",
            {"a": math.nan},
            "extra: got {'a': nan}; allowed is a mapping of names to JSON values",
        ),
        (
            "extra",
            {"a": {1}},
            "extra: got {'a': {1}}; allowed is a mapping of names to JSON values",
        ),
        (
            "extra",
            {"a": "\ud800"},
            "extra: got {'a': '\\ud800'}; allowed is a mapping of names to JSON values",
        ),
        (
            "extra",
            {"a": b""},
            "extra: got {'a': b''}; allowed is a mapping of names to JSON values",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_is_allowed(
    name: str, value: Any, words: str, client: Client
):
    told = problem(client, "sd35_turbo_txt2img", **{"prompt": "a lighthouse", name: value})

    assert told.startswith(words)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page lists all values that the sampler of turbo may have."""
    turbo = OPERATIONS["sd35_turbo_txt2img"]
    sampler = turbo.parameters["sampler"]._replace(known_values=("dpmpp_2m", "euler"), closed=True)
    changed = replace(turbo, parameters={**turbo.parameters, "sampler": sampler})
    monkeypatch.setitem(OPERATIONS, "sd35_turbo_txt2img", changed)  # pyright: ignore[reportArgumentType] - a dict, which the module shows as a Mapping


@pytest.mark.usefixtures("closed")
def test_a_value_that_is_not_on_a_closed_list_is_refused_with_the_list_and_the_way_around(client: Client):
    told = problem(client, "sd35_turbo_txt2img", prompt="a lighthouse", sampler="heun")

    assert told == (
        "sampler: got 'heun'; allowed is one of 'dpmpp_2m', 'euler' "
        "(to send it all the same: extra={\"sampler\": 'heun'})"
    )


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("given_", [{"sampler": "euler"}, {"extra": {"sampler": "heun"}}])
def test_a_value_on_a_closed_list_or_in_extra_is_sent(given_: dict[str, Any], client: Client):
    body = client.prepare("sd35_turbo_txt2img", prompt="a lighthouse", **given_).body

    assert body["sampler"] == given_.get("sampler", "heun")


@each_operation
def test_every_required_parameter_that_is_missing_is_named(operation: Operation, client: Client):
    with pytest.raises(InvalidRequest) as caught:
        getattr(client, operation.operation_id)()

    missing = [(each.parameter, each.given) for each in caught.value.problems]
    assert missing == [(name, "missing") for name, known in operation.parameters.items() if known.required]


@each_operation
def test_a_misspelt_name_is_refused_with_the_nearest(operation: Operation, client: Client, least: Least):
    for name in [*public(operation), "extra"]:
        misspelt = name[0] + name

        told = problem(client, operation.operation_id, **least(operation.operation_id, **{misspelt: 1}))

        assert told.startswith(f"{misspelt}: unknown; did you mean {name}?")


def test_a_name_like_no_other_is_refused_with_those_that_there_are(client: Client):
    told = problem(client, "sd35_turbo_txt2img", prompt="a lighthouse", zzz=1)

    assert f"zzz: unknown; there are {', '.join(public(OPERATIONS['sd35_turbo_txt2img']))}" in told
    assert "base64" not in told


@pytest.mark.parametrize("depth", [65, 400, *range(900, 1000, 4), 100_000])
def test_extra_that_nests_too_deep_is_refused(depth: int, client: Client):
    nested: list[Any] = []
    for _ in range(depth - 1):
        nested = [nested]

    assert problem(client, "sd35_turbo_txt2img", prompt="x", extra={"lora": nested}).startswith(
        "extra: got {"
    )


def test_extra_may_nest_deep(client: Client, least: Least, server: ReferenceServer):
    nested: list[Any] = []
    for _ in range(62):
        nested = [nested]

    client.sd35_turbo_txt2img(**least("sd35_turbo_txt2img", extra={"lora": nested}))

    assert server.ledger[-1].body["lora"] == nested


def test_an_interruption_is_no_fault_of_the_value(client: Client):
    class Interrupted:
        def __index__(self) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.prepare("sd35_turbo_txt2img", prompt="x", steps=Interrupted())
