"""Good bodies: the smallest and cheapest that an endpoint draws, made from its schema alone.

Prompts come from a fixed, harmless list; the input picture is made here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from segmind_sd3_contract.conformance.calls import Call
from segmind_sd3_contract.oracle import COUNTS, SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segmind_sd3_contract.oracle import Contract

PROMPTS: Final = ("a lighthouse at dawn", "a bowl of oranges on a table")

SIDE: Final = 512
"""Pixels of a side that no page bounds."""

FIRST_SEED: Final = 20261
"""The seed of the calls of run 0; run n has the n-th after it."""


@cache
def picture(tone: str = "teal") -> str:
    """Return the base64 text of a PNG of 64 x 64 pixels: one half in a tone, the other grey."""
    image = Image.linear_gradient("L").resize((64, 64)).convert("RGB")  # pyright: ignore[reportUnknownMemberType] - its types name numpy
    image.paste(tone, (0, 0, 32, 64))
    file = BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def is_picture(schema: Mapping[str, Any]) -> bool:
    return schema.get("x-documented-type") == "image"


def known_values(schema: Mapping[str, Any]) -> list[str]:
    """List the values that a page, or an observation, names for an open list of values."""
    named = [*schema.get("examples", ()), *schema.get("enum", ())]
    for each in schema.get("anyOf", ()):
        named += each.get("enum", ())
    return list(dict.fromkeys(named))


def sides(properties: Mapping[str, Any]) -> Iterator[str]:
    return (name for names in SIZES for name in names if name in properties)


def default_of(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the default, in a tuple; an empty one where there is none.

    A page that prints `None` for a text means that text. A 1 that is no `default` may stand for none.
    """
    if "default" in schema:
        return (schema["default"],)
    value = schema.get("x-documented-default", 1)
    if value == 1:
        return ()
    return (str(value),) if schema.get("type") == "string" else (value,)


ANYTHING: Final[Mapping[str, Any]] = {"string": PROMPTS[0], "boolean": True, "integer": 1, "number": 1}
"""What a required parameter is given of which the page says no more than its type."""


def anything(schema: Mapping[str, Any]) -> Any:
    """Return a good value: a known one, else the smallest, else one of the type."""
    usual = ANYTHING[schema.get("type", "string")]
    return next(iter(known_values(schema)), schema.get("minimum", usual))


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as the suite calls it."""

    operation: str
    path: str
    schema: Any
    seed: int = FIRST_SEED
    observed: Any = None
    """The schema as it was observed. A good body keeps both."""

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.schema["properties"]

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.schema.get("required", ()))

    @property
    def has_seed(self) -> bool:
        return "seed" in self.properties

    @property
    def count(self) -> str | None:
        """The name of the parameter that counts pictures."""
        return next((name for name in COUNTS if name in self.properties), None)

    def base(self) -> dict[str, Any]:
        """Return the smallest good body, with a fixed seed; every case changes it in one place."""
        body: dict[str, Any] = {}
        for name, schema in self.properties.items():
            if is_picture(schema):
                body[name] = picture()
            elif name == "prompt":
                body[name] = PROMPTS[0]
            elif name == "seed":
                body[name] = self.seed
            elif name == "base64":
                body[name] = False
            elif name == self.count and any(default != 1 for default in default_of(schema)):
                body[name] = schema.get("minimum", 1)
            elif name in self.required and name not in sides(self.properties):
                body[name] = anything(schema)
        seen: Mapping[str, Any] = (self.observed or self.schema)["properties"]
        smallest = {
            name: max(known.get("minimum", SIDE) for known in (self.properties[name], seen[name]))
            for name in sides(self.properties)
        }
        return body | smallest

    def least(self) -> Call:
        """Return the call of nothing but what is required."""
        base = self.base()
        return Call(
            self.operation, self.path, {name: base[name] for name in self.properties if name in self.required}
        )

    def call(self, **changes: Any) -> Call:
        return Call(self.operation, self.path, {**self.base(), **changes})

    def without(self, name: str, **changes: Any) -> Call:
        body = {key: value for key, value in self.base().items() if key != name}
        return Call(self.operation, self.path, {**body, **changes})


def endpoints(contract: Contract, seed: int = 0, observed: Contract | None = None) -> list[Endpoint]:
    """List the endpoints that take a body; `seed` is the number of the run."""
    return [
        Endpoint(
            operation,
            contract.path(operation),
            contract.schema(operation),
            FIRST_SEED + seed,
            (observed or contract).schema(operation),
        )
        for operation in contract.operations
        if contract.schema(operation)
    ]
