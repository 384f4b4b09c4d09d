"""List the faults of a server's pictures: damaged replies, and pictures that do not match the request.

A wrong picture is still a valid picture. The reference server draws it from a changed order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.reference.orders import FORMATS, ROLES, SIDE
from segmind_sd3_contract.reference.reply_faults import FAULTS_OF_200

from proofs.mutation.servers import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer, Operation
    from segmind_sd3_contract.reference.orders import Order

    from proofs.mutation.servers import Call, Draw, FaultyServer, Painter

    Change = Callable[[Order], dict[str, Any]]
    Fits = Callable[[Operation], bool]

PROVOKED: Final = (
    "truncated-picture",
    "garbage",
    "empty-200",
    "error-in-200",
    "json-in-200:no-image",
    "base64-default-1:json",
    "base64-default-1:picture",
    "bad-padding",
    "broken-base64",
    "data-prefix",
    "wrong-media-type",
    "wrong-media-type:other-picture",
    "wrong-media-type:missing",
    "reply-format:png",
    "reply-format:webp",
    "no-header:x-remaining-credits",
    "no-header:x-cost",
    "odd-header:x-remaining-credits:plenty",
    "odd-header:x-cost:plenty",
    "odd-header:x-generation-time:plenty",
    "odd-header:x-seed-value:plenty",
)
"""The provocations of the reference server that make a 200 visibly wrong."""


def provoked_behaviours() -> Iterator[Behaviour]:
    for name in PROVOKED:
        yield Behaviour(name, "base64" if "base64" in name or "pad" in name else "(call)", provocation=name)
    yield Behaviour(
        "several-images:string", "pictures", provocation="several-images:string", fits=has("pictures")
    )


def wrong_pictures() -> Iterator[Behaviour]:
    """List the ways in which a picture may ignore the request."""
    for role, rows in _WRONG_PICTURES.items():
        for name, draw in rows.items():
            yield Behaviour(name, role, draw=draw, fits=has(role))
    yield Behaviour("random-seed-fixed", "seed", draw=_random_seed_fixed, fits=_has_random_seed)
    yield Behaviour("seed-header-wrong", "seed", _wrong_seed_header, fits=has("seed"))
    yield Behaviour("base64-inverted", "base64", _inverted_base64)


def has(role: str) -> Fits:
    """Return a check that an endpoint has a parameter with this role or name."""
    return lambda operation: any(role in (name, ROLES.get(name)) for name in operation.properties)


def _has_random_seed(operation: Operation) -> bool:
    return operation.defaults.get("seed") == -1


# -- Drawing something else ----------------------------------------------------------------------------


def _with_order(change: Change, when: Callable[[Order], bool] = lambda _: True) -> Painter:
    """Draw from a changed order."""
    return lambda _, order, draw: draw(replace(order, **change(order)) if when(order) else order)


def _with_size(change: Change, when: Callable[[Order], bool] = lambda _: True) -> Painter:
    """Draw in another size. The values change too, since they are the key of the cache of files."""

    def resized(order: Order) -> dict[str, Any]:
        size = {"width": order.width, "height": order.height, **change(order)}
        return {**size, "values": {**order.values, "drawn": list(size.values())}}

    return _with_order(resized, when)


def _is_shaped(order: Order) -> bool:
    return ":" in str(order.values.get("aspect_ratio"))


def _is_base64(order: Order) -> bool:
    return order.base64


def _swapped(order: Order) -> dict[str, Any]:
    return {"width": order.height, "height": order.width}


def _other_format(order: Order) -> dict[str, Any]:
    return {"file_format": FORMATS[(FORMATS.index(order.file_format) + 1) % 2]}


def _without_prompt(order: Order) -> dict[str, Any]:
    # Without a seed parameter, the seed is derived from the values.
    seed = order.seed if has("seed")(order.operation) else 0
    return {"values": {**order.values, "prompt": ""}, "seed": seed}


def _always_the_same(server: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
    """Return the first picture of each size, format and quality every time."""
    made = draw(order)
    first = server.memory.setdefault((order.width, order.height, order.file_format, order.quality), made[0])
    return [first] * len(made)


def _first_input_image(server: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
    source = server.memory.setdefault("source", order.source)
    seed = order.seed if has("seed")(order.operation) else 0
    return draw(replace(order, source=source, values={**order.values, "image": ""}, seed=seed))


def _one_picture_repeated(_: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, pictures=1)) * order.pictures


def _next_seed(server: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, seed=next(server.numbers)))


def _random_seed_fixed(_: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, seed=0) if order.values.get("seed") == -1 else order)


_WRONG_PICTURES: Final[Mapping[str, Mapping[str, Painter]]] = {
    "prompt": {
        "always-the-same-picture": _always_the_same,
        "prompt-ignored": _with_order(_without_prompt),
    },
    "image": {"image-ignored": _first_input_image},
    "seed": {
        "seed-ignored": _with_order(lambda _: {"seed": 0}),
        "seed-halved": _with_order(lambda order: {"seed": order.seed // 2}),
        "seed-16-bits": _with_order(lambda order: {"seed": order.seed % 2**16}),
        "seed-not-kept": _next_seed,
        "base64-another-seed": _with_order(lambda order: {"seed": order.seed + 1}, _is_base64),
        "base64-another-quality": _with_order(lambda _: {"quality": 80}, _is_base64),
    },
    "width": {
        "width-ignored": _with_size(lambda _: {"width": SIDE}),
        "height-ignored": _with_size(lambda _: {"height": SIDE}),
        "sides-swapped": _with_size(_swapped),
        "width+1": _with_size(lambda order: {"width": order.width + 1}),
        "height+1": _with_size(lambda order: {"height": order.height + 1}),
    },
    "aspect_ratio": {
        "shape-ignored": _with_size(lambda _: {"width": SIDE, "height": SIDE}, _is_shaped),
        "shape-swapped": _with_size(_swapped, _is_shaped),
    },
    "format": {
        "always-jpeg": _with_order(lambda _: {"file_format": "jpeg"}),
        "formats-swapped": _with_order(_other_format),
    },
    "quality": {
        "quality-ignored": _with_order(lambda _: {"quality": 95}),
        "quality-upside-down": _with_order(lambda order: {"quality": 110 - order.quality}),
        "quality-10": _with_order(lambda order: {"quality": max(1, order.quality - 10)}),
    },
    "pictures": {
        "count-ignored": _with_order(lambda _: {"pictures": 1}),
        "count+1": _with_order(lambda order: {"pictures": order.pictures + 1}),
        "count-1": _with_order(lambda order: {"pictures": max(1, order.pictures - 1)}),
        "count-doubled": _with_order(lambda order: {"pictures": 2 * order.pictures}),
        "count-of-one-picture": _one_picture_repeated,
    },
    "base64": {"base64-another-format": _with_order(lambda _: {"file_format": "png"}, _is_base64)},
}
"""The wrong drawing functions, by the role of a parameter and by name."""


# -- Reporting something else ----------------------------------------------------------------------------


def _wrong_seed_header(call: Call) -> Answer:
    seed = call.answer.headers.get("x-seed-value")
    return call.answer.with_headers(x_seed_value=str(int(seed) + 1)) if seed else call.answer


def _inverted_base64(call: Call) -> Answer:
    is_json = call.answer.headers.get("content-type") == "application/json"
    return FAULTS_OF_200["base64-default-1:picture" if is_json else "base64-default-1:json"](call.answer)
