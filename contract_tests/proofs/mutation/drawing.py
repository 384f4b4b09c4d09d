"""What a server may draw that was not asked for, and how it may spoil what it sends.

Law: a picture that is wrong is a picture all the same, drawn by the reference server from another order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.reference.orders import FORMATS, ROLES, SIDE
from segmind_sd3_contract.reference.spoils import REPLY_SPOILS

from proofs.mutation.servers import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer, Operation
    from segmind_sd3_contract.reference.orders import Order

    from proofs.mutation.servers import Altered, Call, Draw, Painter

    Change = Callable[[Order], dict[str, Any]]
    Fits = Callable[[Operation], bool]

SPOILS: Final = (
    "truncated-picture",
    "garbage",
    "empty-200",
    "error-in-200",
    "json-in-200:no-image",
    "base64-default-true:json",
    "base64-default-true:picture",
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
"""What the reference server can do to each 200, where a client can see that it is wrong."""


def spoils() -> Iterator[Behaviour]:
    for name in SPOILS:
        yield Behaviour(name, "base64" if "base64" in name or "pad" in name else "(call)", spoil=name)
    yield Behaviour("several-images:string", "pictures", spoil="several-images:string", fits=has("pictures"))


def pictures() -> Iterator[Behaviour]:
    """List what a picture may have to do with what was asked for, and has not."""
    for role, rows in _WRONG_PICTURES.items():
        for name, draw in rows.items():
            yield Behaviour(name, role, draw=draw, fits=has(role))
    yield Behaviour("random-seed-fixed", "seed", draw=_random_seed_fixed, fits=_has_random_seed)
    yield Behaviour("seed-told-wrong", "seed", _told_another_seed, fits=has("seed"))
    yield Behaviour("base64-inverted", "base64", _inverted)


def has(role: str) -> Fits:
    """Tell whether an endpoint has a parameter of a role, or of that name."""
    return lambda operation: any(role in (name, ROLES.get(name)) for name in operation.properties)


def _has_random_seed(operation: Operation) -> bool:
    return operation.defaults.get("seed") == -1


# -- How to draw something else ---------------------------------------------------------------------------


def _as_if(change: Change, when: Callable[[Order], bool] = lambda _: True) -> Painter:
    """Draw as if something else had been asked for."""
    return lambda _, order, draw: draw(replace(order, **change(order)) if when(order) else order)


def _sized(change: Change, when: Callable[[Order], bool] = lambda _: True) -> Painter:
    """Draw in another size. The values differ too, since files are kept by them."""

    def resized(order: Order) -> dict[str, Any]:
        size = {"width": order.width, "height": order.height, **change(order)}
        return {**size, "values": {**order.values, "drawn": list(size.values())}}

    return _as_if(resized, when)


def _is_shaped(order: Order) -> bool:
    return ":" in str(order.values.get("aspect_ratio"))


def _is_base64(order: Order) -> bool:
    return order.base64


def _swapped(order: Order) -> dict[str, Any]:
    return {"width": order.height, "height": order.width}


def _of_the_other_format(order: Order) -> dict[str, Any]:
    return {"file_format": FORMATS[(FORMATS.index(order.file_format) + 1) % 2]}


def _of_no_prompt(order: Order) -> dict[str, Any]:
    # Without a seed of its own a picture has one made of its values.
    seed = order.seed if has("seed")(order.operation) else 0
    return {"values": {**order.values, "prompt": ""}, "seed": seed}


def _always_the_same(server: Altered, order: Order, draw: Draw) -> list[bytes]:
    """Send the first picture again and again, as far as size, format and quality allow."""
    made = draw(order)
    first = server.memory.setdefault((order.width, order.height, order.file_format, order.quality), made[0])
    return [first] * len(made)


def _of_the_first_input(server: Altered, order: Order, draw: Draw) -> list[bytes]:
    source = server.memory.setdefault("source", order.source)
    seed = order.seed if has("seed")(order.operation) else 0
    return draw(replace(order, source=source, values={**order.values, "image": ""}, seed=seed))


def _of_one_picture(_: Altered, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, pictures=1)) * order.pictures


def _of_any_seed(server: Altered, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, seed=next(server.numbers)))


def _random_seed_fixed(_: Altered, order: Order, draw: Draw) -> list[bytes]:
    return draw(replace(order, seed=0) if order.values.get("seed") == -1 else order)


_WRONG_PICTURES: Final[Mapping[str, Mapping[str, Painter]]] = {
    "prompt": {
        "always-the-same-picture": _always_the_same,
        "prompt-ignored": _as_if(_of_no_prompt),
    },
    "image": {"image-ignored": _of_the_first_input},
    "seed": {
        "seed-ignored": _as_if(lambda _: {"seed": 0}),
        "seed-halved": _as_if(lambda order: {"seed": order.seed // 2}),
        "seed-16-bits": _as_if(lambda order: {"seed": order.seed % 2**16}),
        "seed-not-kept": _of_any_seed,
        "base64-another-seed": _as_if(lambda order: {"seed": order.seed + 1}, _is_base64),
        "base64-another-quality": _as_if(lambda _: {"quality": 80}, _is_base64),
    },
    "width": {
        "width-ignored": _sized(lambda _: {"width": SIDE}),
        "height-ignored": _sized(lambda _: {"height": SIDE}),
        "sides-swapped": _sized(_swapped),
        "width+1": _sized(lambda order: {"width": order.width + 1}),
        "height+1": _sized(lambda order: {"height": order.height + 1}),
    },
    "aspect_ratio": {
        "shape-ignored": _sized(lambda _: {"width": SIDE, "height": SIDE}, _is_shaped),
        "shape-swapped": _sized(_swapped, _is_shaped),
    },
    "format": {
        "always-jpeg": _as_if(lambda _: {"file_format": "jpeg"}),
        "formats-swapped": _as_if(_of_the_other_format),
    },
    "quality": {
        "quality-ignored": _as_if(lambda _: {"quality": 95}),
        "quality-upside-down": _as_if(lambda order: {"quality": 110 - order.quality}),
        "quality-10": _as_if(lambda order: {"quality": max(1, order.quality - 10)}),
    },
    "pictures": {
        "count-ignored": _as_if(lambda _: {"pictures": 1}),
        "count+1": _as_if(lambda order: {"pictures": order.pictures + 1}),
        "count-1": _as_if(lambda order: {"pictures": max(1, order.pictures - 1)}),
        "count-doubled": _as_if(lambda order: {"pictures": 2 * order.pictures}),
        "count-of-one-picture": _of_one_picture,
    },
    "base64": {"base64-another-format": _as_if(lambda _: {"file_format": "png"}, _is_base64)},
}
"""By the role that a parameter plays, and by name, how it is drawn wrongly."""


# -- How to tell something else ---------------------------------------------------------------------------


def _told_another_seed(call: Call) -> Answer:
    told = call.answer.headers.get("x-seed-value")
    return call.answer.with_headers(x_seed_value=str(int(told) + 1)) if told else call.answer


def _inverted(call: Call) -> Answer:
    is_json = call.answer.headers.get("content-type") == "application/json"
    return REPLY_SPOILS["base64-default-true:picture" if is_json else "base64-default-true:json"](call.answer)
