"""Ask whether a parameter does anything: calls that differ in it alone draw different pictures.

A number is tried at its ends, its middle and beside it: one that is capped, pinned or rounded draws the same
picture for two of them. Where a target draws another picture for an equal call, nothing shows an effect, and
the case is open. So it is for an endpoint without a seed, and where no page says what a parameter does there.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.conformance.bodies import default_of, is_picture, known_values, sides
from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    as_the_schema_says,
    difference,
    drawn,
    drawn_or_refused,
    pictures_of,
    refusals,
)
from segmind_sd3_contract.conformance.relations import QUALITIES, compressed_at
from segmind_sd3_contract.oracle import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.conformance.reply import Reply

NEGATIVE_PROMPTS: Final = ("fog, rain", "people, boats")

WITHOUT_A_PROMISE: Final = frozenset({("sd3_medium_txt2img", "denoise")})
"""Its page says that it is about a picture to start from, which the endpoint does not take."""

NO_EFFECT: Final = frozenset({"prompt", "seed", "base64", "aspect_ratio", "mode", *FORMATS, *QUALITIES})
"""The parameters that have cases of their own, or that choose among files and shapes."""

ODD_QUALITY: Final = 75

SMALLEST, LARGEST = 64, 2048
"""Pixels of a side that no page bounds."""


def effects(endpoint: Endpoint, siblings: Sequence[Endpoint]) -> Iterator[Case]:
    """Yield the cases of an endpoint. Of its siblings it takes values for a list of which one is known."""
    for name, schema in endpoint.properties.items():
        if name in NO_EFFECT or name == endpoint.count or is_picture(schema):
            continue
        if name in sides(endpoint.properties):
            yield from sizes_inside(endpoint, name)
        elif schema.get("type") in ("integer", "number"):
            yield from of_a_number(endpoint, name)
        elif name == "negative_prompt":
            yield of_a_negative_prompt(endpoint, name)
        elif schema.get("type") == "string":
            known = (value for each in siblings for value in known_values(each.properties.get(name, {})))
            if len(values := list(dict.fromkeys([*known_values(schema), *known]))) > 1:
                yield of_a_value(endpoint, name, values)
    yield from both_sides_inside(endpoint)
    for name in QUALITIES:
        if name in endpoint.properties:
            yield Case(
                endpoint.operation,
                name,
                f"is:{ODD_QUALITY}",
                f"A JPEG asked for at quality {ODD_QUALITY} is compressed at that.",
                (endpoint.call(**{name: ODD_QUALITY}),),
                compressed_at(ODD_QUALITY),
                "assumed",
                "thorough",
            )


def effect(
    endpoint: Endpoint,
    group: str,
    place: str,
    claim: str,
    compared: tuple[Call, ...],
    *,
    promised: bool = True,
    may_refuse: bool = False,
) -> Case:
    """Return the case that calls draw pictures that all differ; two equal calls come first."""
    is_open = not (promised and endpoint.has_seed)
    base = endpoint.call()
    check = _drawn_or_others_refused if may_refuse else all_drawn
    return Case(
        endpoint.operation,
        group,
        place,
        claim,
        (base, base.again(), *compared),
        check if is_open else _no_two_alike(check),
        "assumed" if is_open else "documented",
        "thorough",
        is_open=is_open,
        describe=_described(what_they_do if is_open else what_they_leave_open),
    )


# -- Parameters -------------------------------------------------------------------------------------------


def of_a_number(endpoint: Endpoint, name: str) -> Iterator[Case]:
    schema = endpoint.properties[name]
    low, middle, high = points(schema)
    promised = (endpoint.operation, name) not in WITHOUT_A_PROMISE
    # A share of the steps may well be rounded to a step.
    is_share, step = high <= 1, 1 if schema.get("type") == "integer" else 0.03
    # A value that is capped, or raised, draws what the one beside the end draws.
    beside = () if is_share else (round(low + step, 2), round(high - step, 2))
    values = sorted({low, middle, high, *beside})
    omitted = () if {*default_of(schema)} & {*values} else (endpoint.call(),)
    yield effect(
        endpoint,
        name,
        "effect",
        f"`{name}` has an effect: {', '.join(f'{value:g}' for value in values)} draw differently.",
        (*omitted, *(endpoint.call(**{name: value}) for value in values)),
        promised=promised,
    )
    yield effect(
        endpoint,
        name,
        "fine",
        f"`{name}` is not rounded: {middle:g} and {middle + step:g} draw differently.",
        (endpoint.call(**{name: middle}), endpoint.call(**{name: round(middle + step, 2)})),
        promised=promised and not is_share,
    )


def points(schema: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the lowest value, a middle one, and the highest; a share where nothing is said."""
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    if schema.get("type") == "integer":
        return low, (low + high) // 2, high
    return low, round((low + high) / 2, 2), high


def of_a_negative_prompt(endpoint: Endpoint, name: str) -> Case:
    # Without guidance a model has no use for it: some endpoints have none by default.
    guidance = {
        each: points(schema)[1] for each, schema in endpoint.properties.items() if each == "guidance_scale"
    }
    return effect(
        endpoint,
        name,
        "effect",
        f"`{name}` has an effect: {' and '.join(map(repr, NEGATIVE_PROMPTS))} draw differently.",
        tuple(endpoint.call(**guidance, **{name: text}) for text in NEGATIVE_PROMPTS),
    )


def of_a_value(endpoint: Endpoint, name: str, values: Sequence[str]) -> Case:
    """Compare the value that the page names with a known one, which may be refused."""
    first, second = values[:2]
    return effect(
        endpoint,
        name,
        "effect",
        f"`{name}` has an effect: {first!r} and {second!r} draw differently.",
        tuple(endpoint.call(**{name: value}) for value in (first, second)),
        may_refuse=True,
    )


# -- Sizes ------------------------------------------------------------------------------------------------


def sizes_inside(endpoint: Endpoint, name: str) -> Iterator[Case]:
    for place, share in (("odd-low", 0.36), ("middle", 0.5), ("odd-high", 0.95)):
        yield _sized(endpoint, name, place, {name: inside(endpoint.properties[name], share)})


def both_sides_inside(endpoint: Endpoint) -> Iterator[Case]:
    names = list(sides(endpoint.properties))
    if len(names) == 2:
        size = {
            name: inside(endpoint.properties[name], share)
            for name, share in zip(names, (0.36, 0.6), strict=True)
        }
        yield _sized(endpoint, names[0], "both", size)


def inside(schema: Mapping[str, Any], share: float) -> int:
    """Return the odd multiple near a share of the way from the smallest side to the largest."""
    step = schema.get("multipleOf", 1)
    low, high = schema.get("minimum", SMALLEST), schema.get("maximum", LARGEST)
    steps = int((low + share * (high - low)) / step)
    return (steps - (steps % 2 == 0)) * step


def _sized(endpoint: Endpoint, name: str, place: str, size: Mapping[str, int]) -> Case:
    said = " and ".join(f"`{side}` {pixels}" for side, pixels in size.items())
    return Case(
        endpoint.operation,
        name,
        f"inside:{place}",
        f"{said} draws a picture of that size.",
        (endpoint.call(**size),),
        as_the_schema_says,
        tier="thorough",
    )


# -- Checks -----------------------------------------------------------------------------------------------


def _drawn_or_others_refused(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies[:2])
    yield from drawn_or_refused(replies[2:])


def _no_two_alike(check: Callable[[Sequence[Reply]], Iterator[str]]) -> Any:
    """Check that, where equal calls draw equal pictures, no two others do."""

    def wrong(replies: Sequence[Reply]) -> Iterator[str]:
        yield from check(replies)
        if repeats_itself(replies):
            yield from alike(replies)

    return wrong


def _described(describe: Callable[[Sequence[Reply]], Iterator[str]]) -> Any:
    def described(replies: Sequence[Reply]) -> Iterator[str]:
        yield from refusals(replies)
        if drawn(replies):
            yield from describe(replies)

    return described


def what_they_leave_open(replies: Sequence[Reply]) -> Iterator[str]:
    if not repeats_itself(replies):
        yield "two equal calls draw different pictures, so that nothing shows an effect"


def what_they_do(replies: Sequence[Reply]) -> Iterator[str]:
    if not repeats_itself(replies):
        yield from what_they_leave_open(replies)
        return
    found = list(alike(replies))
    yield from found or ["the contract leaves this open; the pictures differ"]


def repeats_itself(replies: Sequence[Reply]) -> bool:
    """Return whether the first two, of equal calls, drew the same picture."""
    first, second = replies[:2]
    if not drawn((first, second)):
        return False
    return difference(first, second) <= (0.0 if first.exact else ALIKE_FOR_EQUAL_CALLS)


ALIKE_FOR_EQUAL_CALLS: Final = 1.0
"""How far the pictures of equal calls may lie apart, in steps of 255, where no bytes need be equal."""


def alike(replies: Sequence[Reply]) -> Iterator[str]:
    """Yield the pairs whose pictures differ no more than those of two equal calls, which come first."""
    noise = difference(*replies[:2])
    compared = [reply for reply in replies[2:] if reply.status == 200 and pictures_of(reply)]
    for one, other in combinations(compared, 2):
        if difference(one, other) <= noise:
            yield f"{' and '.join(differing(one, other))} draw the same picture"


def differing(one: Reply, other: Reply) -> tuple[str, str]:
    """Name what differs in two calls."""
    first, second = one.exchange.sent, other.exchange.sent
    names = [name for name in first | second if first.get(name) != second.get(name)]
    said = (
        ", ".join(f"{name} {str(sent.get(name, 'omitted'))[:40]!r}" for name in names)
        for sent in (first, second)
    )
    return next(said), next(said)
