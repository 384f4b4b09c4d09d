"""Turn a request's body into an order: validated by the contract, with defaults filled in and inputs decoded.

The contract alone decides whether a value is valid. What a parameter does is not in the contract: `ROLES` has
it for the names of the five pages. A parameter without a role still changes the picture.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_contract.reference.pictures import Sketch, Source, opened, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from segmind_sd3_contract.reference.contract import Operation, SchemaError

ROLES: Final[Mapping[str, str]] = {
    "prompt": "prompt",
    "steps": "steps",
    "num_inference_steps": "steps",
    "seed": "seed",
    "strength": "strength",
    "width": "width",
    "img_width": "width",
    "height": "height",
    "img_height": "height",
    "aspect_ratio": "aspect_ratio",
    "samples": "pictures",
    "batch_size": "pictures",
    "image_format": "format",
    "output_format": "format",
    "image_quality": "quality",
    "base64": "base64",
}
ABOUT_ENCODING: Final = frozenset({"pictures", "format", "quality", "base64"})
"""Roles that leave the picture itself alone."""

MORE_STRENGTH_MORE_INPUT: Final = frozenset({"sd3_medium_tile"})
"""The tile page says both; two of its sentences against one say that a higher strength keeps more."""

MOST_PICTURES: Final = 16
"""What one call draws at most, where the page sets no bound. A count below one draws one."""

MOST_RANDOM_SEED: Final = 2**32 - 1
MOST_SIDE: Final = 4096
SIDE: Final = 1024
FORMATS: Final = ("jpeg", "png", "webp")


class BadValueError(Exception):
    """The body can't be drawn; the text is the service's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a call asks for, settled: nothing about it is left to chance or to a default."""

    operation: Operation
    values: Mapping[str, Any]
    source: Source | None
    seed: int
    width: int
    height: int
    pictures: int
    steps: int
    file_format: str
    quality: int
    base64: bool

    def sketch(self, n: int) -> Sketch:
        """Return what the n-th picture, from 0, is drawn from: it has the n-th seed."""
        subject = _without(self.values, ABOUT_ENCODING)
        subject |= {"seed": self.seed + n, "operation": self.operation.operation_id}
        return Sketch(
            mood=_digest(_without(subject, {"strength"})),
            digest=_digest(subject),
            width=self.width,
            height=self.height,
            caption=_caption(str(self._role("prompt", ""))),
            source=self.source,
            kept=self._kept(),
        )

    def _kept(self) -> float:
        """Return the share of the input that stays: never none of it, and never all."""
        strength = max(0.0, min(1.0, self._role("strength", 0.5)))
        if self.operation.operation_id not in MORE_STRENGTH_MORE_INPUT:
            strength = 1.0 - strength
        return 0.1 + 0.8 * strength

    def _role(self, role: str, otherwise: Any) -> Any:
        return _in_role(self.operation, self.values, role, otherwise)


def taken(operation: Operation, body: Any, random_seed: Callable[[], int]) -> Order:
    """Judge a parsed body and settle the order. `random_seed` is asked where the seed is -1.

    Raises BadValueError, in the service's words where they are known.
    """
    if not isinstance(body, dict):
        raise BadValueError("The body must be a JSON object")
    said = cast("dict[str, Any]", body)
    _judge(operation, said)
    values = dict(operation.defaults) | {
        name: _plain(value) for name, value in said.items() if value is not None
    }
    source: Source | None = None
    for name, schema in operation.properties.items():
        if schema.get("x-documented-type") == "image" and name in values:
            found = _source(values[name])
            values[name] = found.digest
            source = source or found

    def role(name: str, otherwise: Any) -> Any:
        return _in_role(operation, values, name, otherwise)

    width, height = role("width", SIDE), role("height", SIDE)
    shape = _shape(str(role("aspect_ratio", "")))
    if source is not None:
        width, height = source.image.size
    elif shape is not None:
        width, height = shape
        values = _without(values, {"width", "height"})
    seed = role("seed", None)
    if seed is None:
        seed = int.from_bytes(_digest(_without(values, ABOUT_ENCODING | {"strength"}))[:6]) % MOST_RANDOM_SEED
    elif seed == -1:
        seed = random_seed()
    file_format = str(role("format", FORMATS[0])).lower()
    return Order(
        operation=operation,
        values=values,
        source=source,
        seed=seed,
        # The contract's bounds are narrower; these hold where a page has none.
        width=_within(1, width, MOST_SIDE),
        height=_within(1, height, MOST_SIDE),
        pictures=_within(1, role("pictures", 1), MOST_PICTURES),
        steps=_within(1, role("steps", 28), 1000),
        file_format=file_format if file_format in FORMATS else FORMATS[0],
        quality=_within(1, role("quality", 95), 100),
        base64=role("base64", otherwise=False),
    )


def _without(values: Mapping[str, Any], roles: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if ROLES.get(name) not in roles}


def _judge(operation: Operation, body: Mapping[str, Any]) -> None:
    for name in operation.required:
        if name not in body:
            raise BadValueError(_WHEN_ABSENT.get(name, f"{name} is required"))
    for error in operation.errors(body):
        name = str(next(iter(error.absolute_path), "body"))
        raise BadValueError(_complaint(name, operation.properties.get(name, {}), error))


_WHEN_ABSENT: Final = {"prompt": "Prompt is Mandatory and must be string", "image": "Input image not found"}


def _complaint(name: str, schema: Mapping[str, Any], error: SchemaError) -> str:
    if error.validator == "type":
        if name in _WHEN_ABSENT:
            return _WHEN_ABSENT[name]
        if schema.get("type") in ("integer", "number"):
            return "Inputs which are supposed to be numbers are in alphabet"
    words = {"minimum": "at least", "maximum": "at most", "multipleOf": "a multiple of", "type": "of type"}
    return f"{name} must be {words.get(error.validator, error.validator)} {error.validator_value}"


def _in_role(operation: Operation, values: Mapping[str, Any], role: str, otherwise: Any) -> Any:
    """Return the value that plays a role. A name outside the operation's contract plays none."""
    for name in operation.properties:
        if ROLES.get(name) == role and name in values:
            return values[name]
    return otherwise


def _within(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _plain(value: Any) -> Any:
    """Write 10.0 as 10: JSON knows one number where Python knows two."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _source(text: str) -> Source:
    """Open an input. A URL is not fetched: its own text is drawn in place of what it leads to."""
    if text.startswith("https://"):
        digest = hashlib.sha256(text.encode("utf-8", "replace"))
        return Source(scene(digest.digest(), SIDE, SIDE), digest.hexdigest())
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode(encoded)
        return Source(opened(data), hashlib.sha256(data).hexdigest())
    except ValueError as error:
        raise BadValueError("Invalid Image") from error


def _shape(aspect_ratio: str) -> tuple[int, int] | None:
    """Return width x height of about a megapixel for "3:2" and its like, multiples of 64; else None."""
    match = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", aspect_ratio)
    if match is None:
        return None
    ratio = int(match[1]) / int(match[2])
    width, height = SIDE * math.sqrt(ratio), SIDE / math.sqrt(ratio)
    return _side(width), _side(height)


def _side(length: float) -> int:
    return max(1, min(32, round(length / 64))) * 64


def _digest(values: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()


def _caption(prompt: str) -> str:
    """Return the prompt's beginning, of what a font can show."""
    return "".join(each if each.isprintable() else " " for each in prompt[:80]).strip()
