"""Make every case from the contract.

No bound, default or parameter name of the contract is repeated here. A case's id names its place
(`sd35_turbo_txt2img::steps::max+1`), and stays the same as long as the parameter does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from allpairspy import AllPairs  # pyright: ignore[reportMissingTypeStubs] - it has none

from segmind_sd3_contract.conformance.account import (
    about_limits,
    about_the_account,
    about_the_balance,
    framed,
    unusual,
)
from segmind_sd3_contract.conformance.bodies import endpoints, is_picture, known_values, picture, sides
from segmind_sd3_contract.conformance.calls import Call
from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.effects import effects
from segmind_sd3_contract.conformance.input_pictures import about_input_pictures
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    all_refused,
    as_the_schema_says,
    sound,
    understood,
)
from segmind_sd3_contract.conformance.parallel import at_once
from segmind_sd3_contract.conformance.prompts import about_prompts
from segmind_sd3_contract.conformance.relations import relations
from segmind_sd3_contract.conformance.seeds import far_seeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.judging import Readings

DEVIATIONS: Final[Mapping[tuple[str, str], str]] = {
    ("sd35_turbo_txt2img", "steps"): "steps-default-below-minimum",
    ("sd35_turbo_txt2img", "sampler"): "sampler-required-no-values",
    ("sd35_turbo_txt2img", "scheduler"): "sampler-required-no-values",
}
"""By endpoint and parameter, the row of the quirk table that knows of what was observed beside it."""


@lru_cache(maxsize=2)
def cases(readings: Readings, seed: int = 0) -> tuple[Case, ...]:
    """Return the cases of all endpoints, the balance first. `seed` is the number of the run."""
    all_endpoints = endpoints(readings.pages, seed, readings.observed)
    return (
        *balance(readings),
        *(case for endpoint in all_endpoints for case in about(endpoint, readings, all_endpoints)),
        # One server stands before all endpoints: its limits are asked for once.
        *about_limits(all_endpoints[0]),
    )


def balance(readings: Readings) -> Iterator[Case]:
    for operation in readings.pages.operations:
        if readings.pages.schema(operation) is None:
            yield from about_the_balance(
                Call(operation, readings.pages.path(operation), method="GET", content_type=None)
            )


def about(endpoint: Endpoint, readings: Readings, all_endpoints: Sequence[Endpoint]) -> list[Case]:
    return [
        case
        for part in (
            good(endpoint),
            about_the_account(endpoint),
            unusual(endpoint),
            *(about_a_parameter(endpoint, name, readings) for name in endpoint.properties),
            relations(endpoint),
            pairs(endpoint),
            effects(endpoint, all_endpoints),
            far_seeds(endpoint),
            about_prompts(endpoint),
            about_input_pictures(endpoint),
            at_once(endpoint),
            framed(endpoint),
        )
        for case in part
    ]


def good(endpoint: Endpoint) -> Iterator[Case]:
    yield Case(
        endpoint.operation,
        "(call)",
        "good",
        "A good call is drawn: what is required, a seed, and the smallest picture.",
        (endpoint.call(),),
        all_drawn,
        tier="smoke",
    )
    yield Case(
        endpoint.operation,
        "(call)",
        "least",
        f"A call of {', '.join(endpoint.required)} alone is drawn: nothing else is required.",
        (endpoint.least(),),
        as_the_schema_says,
        tier="boundary",
    )


def about_a_parameter(endpoint: Endpoint, name: str, readings: Readings) -> Iterator[Case]:
    schema = endpoint.properties[name]
    yield from bounds(endpoint, name, readings)
    yield from types(endpoint, name)
    if name in endpoint.required:
        yield Case(
            endpoint.operation,
            name,
            "missing",
            f"A call without `{name}` is refused: it is required.",
            (endpoint.without(name),),
            as_the_schema_says,
            tier="boundary",
            deviation=deviation(endpoint, name),
        )
    if schema.get("type") == "string" and not is_picture(schema):
        yield from values(endpoint, name)
    yield from without_a_rule(endpoint, name)


def deviation(endpoint: Endpoint, name: str) -> str | None:
    return DEVIATIONS.get((endpoint.operation, name))


# -- Bounds -----------------------------------------------------------------------------------------------


def bounds(endpoint: Endpoint, name: str, readings: Readings) -> Iterator[Case]:
    """Yield calls at each bound and one step to either side, of the documented and the observed bound."""
    schema = endpoint.properties[name]
    observed = readings.observed.schema(endpoint.operation)["properties"].get(name, schema)
    seen: set[float] = set()
    for prefix, held in (("", schema), ("observed-", observed)):
        for place, value in beside(held):
            if value not in seen:
                yield Case(
                    endpoint.operation,
                    name,
                    prefix + place,
                    f"`{name}` is {range_of(schema)}: {value:g} is {drawn_or_refused(schema, value)}.",
                    (endpoint.call(**{name: value}, **counted(endpoint, name)),),
                    as_the_schema_says,
                    layer="observed" if prefix else "documented",
                    tier="boundary",
                    deviation=deviation(endpoint, name),
                )
            seen.add(value)


def counted(endpoint: Endpoint, name: str) -> dict[str, Any]:
    """Ask for JSON, the only reply that shows how many pictures there are."""
    return {"base64": True} if name == endpoint.count and "base64" in endpoint.properties else {}


def beside(schema: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    multiple = schema.get("multipleOf")
    step = multiple or (1 if schema.get("type") == "integer" else 0.01)
    for bound, inwards in (("min", 1), ("max", -1)):
        edge = schema.get(f"{bound}imum")
        if edge is None:
            continue
        for steps in (-1, 0, 1):
            # Rounded, since 0.1 - 0.01 is not 0.09 in binary.
            yield bound + (f"{steps:+}" if steps else ""), _plain(round(edge + steps * step, 2))
        if multiple:
            yield f"{bound}-unaligned", edge + inwards * (multiple - 1)
            yield f"{bound}-half-aligned", edge + inwards * multiple // 2


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


def range_of(schema: Mapping[str, Any]) -> str:
    low, high, multiple = (schema.get(key) for key in ("minimum", "maximum", "multipleOf"))
    text = f"from {low if low is not None else 'anything'} to {high if high is not None else 'anything'}"
    return text + (f" in multiples of {multiple}" if multiple else "")


def drawn_or_refused(schema: Mapping[str, Any], value: float) -> str:
    inside = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return (
        "drawn"
        if inside and value % schema.get("multipleOf", 1 if value == int(value) else value) == 0
        else "refused"
    )


# -- Types ------------------------------------------------------------------------------------------------

WRONG: Final[Mapping[str, Mapping[str, Any]]] = {
    "integer": {"text": "many", "true": True, "list": [1], "object": {}},
    "number": {"text": "many", "true": True, "list": [1], "object": {}},
    "string": {"number": 7, "true": True, "list": ["a"], "object": {}},
    "boolean": {"text": "yes", "list": [True], "object": {}},
}
"""Values that are none of a type, by what they are called in a case's id."""

LOOSE: Final[Mapping[str, Mapping[str, Any]]] = {
    "integer": {"digits": "20"},
    "number": {"digits": "2"},
    "string": {},
    "boolean": {"one": 1},
}
"""Values that a lenient service may take: no page says whether it does."""


def types(endpoint: Endpoint, name: str) -> Iterator[Case]:
    schema = endpoint.properties[name]
    kind = schema.get("type", "string")

    def case(place: str, claim: str, value: Any, check: Any = as_the_schema_says, **more: Any) -> Case:
        call = endpoint.call(**{name: value})
        return Case(
            endpoint.operation,
            name,
            place,
            claim,
            (call,),
            check,
            tier="boundary",
            deviation=deviation(endpoint, name),
            **more,
        )

    for called, value in WRONG.get(kind, {}).items():
        yield case(f"type:{called}", f"`{name}` is of type {kind}: {value!r} is refused.", value)
    for called, value in {**LOOSE.get(kind, {}), "null": None}.items():
        yield case(
            f"type:{called}",
            f"No page says what {value!r} for `{name}` means.",
            value,
            understood,
            layer="assumed",
            is_open=True,
        )
    if kind == "integer":
        inside = within(schema)
        yield case("type:fraction", f"`{name}` is whole: {inside + 0.5} is refused.", inside + 0.5)
        yield case("type:integral", f"`{name}` is whole, and {float(inside)} is.", float(inside))
    if kind == "number":
        low = schema.get("minimum", 0)
        yield case("type:fraction", f"`{name}` may have decimals: {low + 0.25} is drawn.", low + 0.25)
    if is_picture(schema):
        for called, text in (
            ("words", "no picture"),
            ("code", "toB64('https://example.com/a.png')"),
            ("cut", half_a_picture()),
        ):
            yield case(
                f"content:{called}", "What is no picture is refused.", text, all_refused, layer="observed"
            )


def within(schema: Mapping[str, Any]) -> int:
    """Return a whole number that has another one above it, within bounds, and is aligned."""
    low = schema.get("minimum", 1)
    return int(low) if low >= 0 else 1


def half_a_picture() -> str:
    return picture()[: len(picture()) // 8 * 4]


# -- Values of open lists ---------------------------------------------------------------------------------


def values(endpoint: Endpoint, name: str) -> Iterator[Case]:
    """Yield the known values of a list, and one that is on none. An open list promises nothing."""
    schema = endpoint.properties[name]
    closed = "enum" in schema
    if closed or schema.get("x-documented-type") == "enum:str":
        yield Case(
            endpoint.operation,
            name,
            "unlisted",
            f"`{name}` takes what is listed alone." if closed else f"No page lists what `{name}` takes.",
            (endpoint.call(**{name: "no-such-value"}),),
            as_the_schema_says if closed else sound,
            layer="documented" if closed else "assumed",
            is_open=not closed,
        )
    for value in known_values(endpoint.properties[name]):
        yield Case(
            endpoint.operation,
            name,
            f"value:{value}",
            f"`{name}` is known to take {value!r}, and no page lists what it takes.",
            (endpoint.call(**{name: value}),),
            sound,
            layer="observed",
            is_open=True,
        )


# -- What no page rules out, and the SDK refuses ------------------------------------------------------------


def without_a_rule(endpoint: Endpoint, name: str) -> Iterator[Case]:
    """Yield calls that no page refuses and nobody means. Each may be drawn or refused."""

    def case(place: str, claim: str, **changes: Any) -> Case:
        call = endpoint.call(**changes, **counted(endpoint, name))
        return Case(endpoint.operation, name, place, claim, (call,), understood, "assumed", is_open=True)

    if name == "prompt":
        yield case("blank", "No page says what an empty prompt draws.", prompt="")
    if name == endpoint.count and "minimum" not in endpoint.properties[name]:
        yield case("none", f"No page says what a `{name}` of 0 draws.", **{name: 0})
    if stop := stop_of(endpoint, name):
        reversed_range = {
            name: endpoint.properties[name]["maximum"],
            stop: endpoint.properties[stop]["minimum"],
        }
        yield case("reversed", f"No page says what a `{name}` above `{stop}` draws.", **reversed_range)


def stop_of(endpoint: Endpoint, name: str) -> str | None:
    """Return the parameter that ends a range which this one starts; None where it starts none."""
    stop = name.removesuffix("_start") + "_stop"
    return stop if name.endswith("_start") and stop in endpoint.properties else None


# -- Pairs of options -------------------------------------------------------------------------------------


def pairs(endpoint: Endpoint) -> Iterator[Case]:
    """Yield calls that together have every pair of values of every two options."""
    options = {name: choices(endpoint, name) for name in endpoint.properties}
    options = {name: values for name, values in options.items() if len(values) > 1}
    for number, chosen in enumerate(combined(list(options.values())), 1):
        call = endpoint.call(**dict(zip(options, chosen, strict=True)))
        yield Case(
            endpoint.operation,
            "(pairs)",
            f"pair-{number:02}",
            "Good values of all parameters are drawn in any combination.",
            (call,),
            as_the_schema_says,
        )


def combined(options: list[list[Any]]) -> list[list[Any]]:
    if len(options) < 2:
        return [[value] for values in options for value in values]
    return [list(chosen) for chosen in AllPairs(options)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - it has no types


def choices(endpoint: Endpoint, name: str) -> list[Any]:
    schema = endpoint.properties[name]
    low, high = schema.get("minimum"), schema.get("maximum")
    if name == endpoint.count:
        return [1, 2]
    if name in sides(endpoint.properties):
        step = schema.get("multipleOf", 8)
        return [low, low + step] if low is not None else []
    if schema.get("type") == "boolean":
        return [False, True]
    if name in {stop_of(endpoint, start) for start in endpoint.properties}:
        return []  # beside a start at its maximum, a lower stop would reverse the range
    if low is not None and high is not None and name != "seed":
        return [low, high]
    if schema.get("type") == "string" and not is_picture(schema):
        return known_values(schema)[:3]
    return []
