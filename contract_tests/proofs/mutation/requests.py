"""List the faults that damage a request before an otherwise correct server draws it.

A parameter is ignored, capped or rounded; a text is cut or loses characters; an unusual but valid value fails
the server; calls at the same time get each other's pictures. Every reply is a valid one, so only the relation
between two calls, or the size of a picture, shows most of them.

The list is older than the cases that find its faults, and each fault names its case;
`python -m proofs.mutation.named` runs that case alone. Beside faults that were reported, the classes come
from the categories of Web Fuzzing Commons (arXiv 2509.01612), of which a 500 for a valid request is the
first, and from what property-based testing of web APIs breaks services with (arXiv 2112.10328): texts outside
ASCII, large numbers, empty and odd values.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from struct import pack, unpack
from typing import TYPE_CHECKING, Any, Final

from proofs.mutation.servers import Behaviour, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer, Operation

    from proofs.mutation.servers import Call, FaultyServer

    Body = dict[str, Any]
    Change = Callable[[Any], Any]

WORDS: Final = "It broke"


def request_behaviours() -> Iterator[Behaviour]:
    """List the faults of numbers and names; those of texts and pictures are in `contents`."""
    yield from ignored_parameters()
    yield from damaged_numbers()
    yield from damaged_sizes()
    yield from damaged_qualities()
    yield from damaged_seeds()


# -- Making a fault of a table's row ----------------------------------------------------------------------


def _parameter(operation: Operation, names: tuple[str, ...]) -> str | None:
    """Return the first of several names that an endpoint has a parameter of."""
    return next((name for name in names if name in operation.properties), None)


def changed(
    name: str, names: tuple[str, ...], place: str, change: Change, *, left_open: bool = False
) -> Behaviour:
    """Return the fault that changes one parameter wherever it is given."""

    def body(_: FaultyServer, sent: Body) -> Body:
        return {key: change(value) if key in names else value for key, value in sent.items()}

    return Behaviour(
        name,
        names[0],
        body=body,
        named_by=place,
        left_open=left_open,
        fits=lambda operation: _parameter(operation, names) is not None,
    )


def crashing(name: str, parameter: str, place: str, applies: Callable[[Any], bool]) -> Behaviour:
    """Return the fault that answers a valid call with a 500, where a parameter's value is of some kind."""

    def reply(call: Call) -> Answer:
        failed = call.answer.status == 200 and parameter in call.body and applies(call.body[parameter])
        return refusal(call.answer, 500, WORDS) if failed else call.answer

    return Behaviour(
        name, parameter, reply, named_by=f"{parameter}::{place}", fits=partial(has_parameter, parameter)
    )


# -- Parameters that do nothing ---------------------------------------------------------------------------

REACTING: Final = (
    "negative_prompt",
    "steps",
    "num_inference_steps",
    "guidance_scale",
    "sampler",
    "scheduler",
    "strength",
    "denoise",
    "modelsamplingsd3_shift",
    "conditioningsettimesteprange_start",
    "conditioningsettimesteprange_stop",
)
"""The parameters that a model reacts to, beside the prompt, the seed, the size and the input picture."""

SHARES: Final = ("strength", "conditioningsettimesteprange_start", "conditioningsettimesteprange_stop")

NUMBERS: Final = tuple(name for name in REACTING if name not in ("negative_prompt", "sampler", "scheduler"))


def ignored_parameters() -> Iterator[Behaviour]:
    for name in REACTING:
        yield Behaviour(
            f"{name}-ignored",
            name,
            body=partial(_ignored, name),
            named_by=f"{name}::effect",
            left_open=name == "denoise",
            fits=partial(has_parameter, name),
        )


def has_parameter(name: str, operation: Operation) -> bool:
    return name in operation.properties


def _ignored(name: str, server: FaultyServer, sent: Body) -> Body:
    assert server.operation  # noqa: S101 - the balance has no body
    if name not in server.operation.required:
        return {key: value for key, value in sent.items() if key != name}
    (always, *_) = server.operation.properties[name]["examples"]
    return {**sent, name: always}


# -- Numbers ----------------------------------------------------------------------------------------------


def damaged_numbers() -> Iterator[Behaviour]:
    for name in NUMBERS:
        for fault, (place, change) in _NUMBERS.items():
            yield Behaviour(
                f"{name}-{fault}",
                name,
                body=partial(_of_range, name, change),
                named_by=f"{name}::{place}",
                # The page leaves open what `denoise` does, and whether a share is rounded to a step.
                left_open=name == "denoise" or (place == "fine" and name in SHARES),
                # Nine steps in ten parts are the steps.
                fits=partial(
                    has_parameter, name if (name, place) != ("modelsamplingsd3_shift", "fine") else ""
                ),
            )
    for name in ("steps", "num_inference_steps"):
        for most in (20, 50):
            yield changed(f"{name}-at-most-{most}", (name,), f"{name}::effect", partial(min, most))
        yield changed(f"{name}-rounded-to-5", (name,), f"{name}::fine", _in_fives)
    yield Behaviour(
        "strength-0-is-unset",
        "strength",
        body=lambda _, sent: {key: value for key, value in sent.items() if (key, value) != ("strength", 0)},
        named_by="strength::effect",
        fits=partial(has_parameter, "strength"),
    )


def _in_fives(value: int) -> int:
    return max(10, value // 5 * 5)


def _of_range(
    name: str, change: Callable[[float, float, float], float], server: FaultyServer, sent: Body
) -> Body:
    """Change a number within its bounds; without bounds, within those of a share."""
    assert server.operation  # noqa: S101 - the balance has no body
    if name not in sent:
        return sent
    schema = server.operation.properties[name]
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    value = max(low, min(change(sent[name], low, high), high))
    return {**sent, name: round(value) if schema["type"] == "integer" else value}


_NUMBERS: Final[Mapping[str, tuple[str, Callable[[float, float, float], float]]]] = {
    "pinned-to-minimum": ("effect", lambda _, low, __: low),
    "pinned-to-maximum": ("effect", lambda _, __, high: high),
    "capped-at-its-middle": ("effect", lambda value, low, high: min(value, (low + high) / 2)),
    "raised-to-its-middle": ("effect", lambda value, low, high: max(value, (low + high) / 2)),
    "low-or-high": ("effect", lambda value, low, high: low if value < (low + high) / 2 else high),
    "in-tenths-of-its-range": (
        "fine",
        lambda value, low, high: low + round((value - low) / (high - low) * 10) * (high - low) / 10,
    ),
}
"""By name, the case that must find it, and the change of value, minimum and maximum."""


# -- Sizes and qualities ----------------------------------------------------------------------------------

WIDTHS: Final = ("width", "img_width")
HEIGHTS: Final = ("height", "img_height")


def damaged_sizes() -> Iterator[Behaviour]:
    for called, names in (("width", WIDTHS), ("height", HEIGHTS)):
        for fault, change in _SIDES.items():
            yield Behaviour(
                f"{called}-{fault}",
                names[0],
                body=partial(_side_changed, names, change),
                named_by=f"*{called}::inside:*",
                fits=lambda operation, names=names: _parameter(operation, names) is not None,
            )
    for fault, change in _BOTH_SIDES.items():
        yield Behaviour(
            f"sides-{fault}",
            WIDTHS[0],
            body=partial(_sides_changed, change),
            named_by="*width::inside:both",
            fits=lambda operation: _parameter(operation, WIDTHS) is not None,
        )


def _bounded(operation: Operation, name: str, value: float) -> int:
    schema = operation.properties[name]
    multiple = schema.get("multipleOf", 1)
    return round(max(schema["minimum"], min(value, schema["maximum"])) / multiple) * multiple


def _side_changed(names: tuple[str, ...], change: Change, server: FaultyServer, sent: Body) -> Body:
    """Change a side between its bounds: at the bounds themselves the fault does not show."""
    assert server.operation  # noqa: S101 - the balance has no body
    name = _parameter(server.operation, names)
    if name is None or name not in sent:
        return sent
    schema = server.operation.properties[name]
    if not schema["minimum"] < sent[name] < schema["maximum"]:
        return sent
    return {**sent, name: _bounded(server.operation, name, change(sent[name]))}


def _sides_changed(
    change: Callable[[int, int], tuple[float, float]], server: FaultyServer, sent: Body
) -> Body:
    assert server.operation  # noqa: S101 - the balance has no body
    width, height = _parameter(server.operation, WIDTHS), _parameter(server.operation, HEIGHTS)
    if width not in sent or height not in sent or not width or not height:
        return sent
    if sent[width] == server.operation.properties[width]["minimum"] or sent[height] == sent[width]:
        return sent
    wide, high = change(sent[width], sent[height])
    new = {width: _bounded(server.operation, width, wide), height: _bounded(server.operation, height, high)}
    return {**sent, **new}


_SIDES: Final[Mapping[str, Change]] = {
    "rounded-to-64": lambda side: round(side / 64) * 64,
    "rounded-down-to-64": lambda side: side // 64 * 64,
    "rounded-up-to-64": lambda side: -(-side // 64) * 64,
    "rounded-to-16": lambda side: round(side / 16) * 16,
    "rounded-to-32": lambda side: round(side / 32) * 32,
    "at-most-1024-inside": lambda side: min(side, 1024),
    "at-most-1536-inside": lambda side: min(side, 1536),
    "1024-inside": lambda _: 1024,
}
_BOTH_SIDES: Final[Mapping[str, Callable[[int, int], tuple[float, float]]]] = {
    "swapped-inside": lambda width, height: (height, width),
    "square-inside": lambda width, _: (width, width),
    "of-the-larger": lambda width, height: (max(width, height), max(width, height)),
    "halved-inside": lambda width, height: (width / 2, height / 2),
}


def damaged_qualities() -> Iterator[Behaviour]:
    for fault, change in _QUALITIES.items():
        yield changed(f"quality-{fault}", ("image_quality",), "image_quality::is:*", change)


_QUALITIES: Final[Mapping[str, Change]] = {
    "rounded-to-10": lambda value: max(10, round(value / 10) * 10),
    "at-least-50": partial(max, 50),
    "at-most-90": partial(min, 90),
    "low-middle-high": lambda value: 10 if value < 40 else 60 if value < 90 else 100,
}


# -- Seeds ------------------------------------------------------------------------------------------------


def damaged_seeds() -> Iterator[Behaviour]:
    for fault, (place, change) in _SEEDS.items():
        yield changed(f"seed-{fault}", ("seed",), f"seed::{place}", change)
    as_float = changed("seed-as-float64", ("seed",), "seed::bits:53", _as_float, left_open=True)
    yield replace(as_float, fits=partial(_allows, 1 << 53))
    yield Behaviour(
        "seed-0-is-unset",
        "seed",
        body=lambda server, sent: {**sent, "seed": next(server.numbers)} if sent.get("seed") == 0 else sent,
        named_by="seed::zero",
        fits=partial(has_parameter, "seed"),
    )
    for bits in (31, 32, 53):
        at_bit = crashing(
            f"seed-of-{bits + 1}-bits-500", "seed", f"bits:{bits}", partial(int.__le__, 1 << bits)
        )
        # A page that sets a maximum below it has no such seed.
        yield replace(at_bit, fits=partial(_allows, 1 << bits))
    yield replace(
        crashing("seed-maximum-500", "seed", "maximum", partial(int.__le__, 999_999_999_999_998)),
        fits=_bounds_seeds,
    )


def _bounds_seeds(operation: Operation) -> bool:
    return "maximum" in operation.properties.get("seed", {})


def _as_float(seed: int) -> int:
    return int(unpack("d", pack("d", seed))[0])


def _allows(seed: int, operation: Operation) -> bool:
    return "seed" in operation.properties and operation.properties["seed"].get("maximum", seed) >= seed


_SEEDS: Final[Mapping[str, tuple[str, Change]]] = {
    "31-bits": ("bits:31", lambda seed: seed % 2**31),
    "32-bits": ("bits:32", lambda seed: seed % 2**32),
    "at-most-2^31-1": ("bits:31", partial(min, 2**31 - 1)),
    "at-most-2^32-1": ("bits:32", partial(min, 2**32 - 1)),
    "even": ("another", lambda seed: seed // 2 * 2),
}
