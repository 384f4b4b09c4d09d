"""Estimate the worst price of a call before it is sent.

A listed price is the average of one picture at default settings. A call is estimated at that price for each
picture, scaled up by steps and pixels above the defaults. A call that should be refused has a price too,
since a lax server would draw it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_contract.conformance.bodies import default_of
from segmind_sd3_contract.oracle import COUNTS, SIZES
from segmind_sd3_contract.pricing import UNLISTED, usd_per_picture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.oracle import Contract

STEPS: Final = ("steps", "num_inference_steps")


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a picture, by slug; `unlisted` for any other."""

    per_picture: Mapping[str, float]
    unlisted: float

    @classmethod
    def read(cls, file: Path | None = None) -> Prices:
        """Read a price list; without a file, return the prices that the contract states.

        Raises ValueError where it is none, OSError where it can't be read.
        """
        if file is None:
            return cls(usd_per_picture(), UNLISTED)
        try:
            listed = cast("dict[str, Any]", json.loads(file.read_text("utf-8")))
            prices = {str(slug): float(price) for slug, price in listed["per_picture"].items()}
            unlisted = float(listed["unlisted"])
        except (ValueError, TypeError, KeyError, AttributeError) as odd:
            shape = '{"per_picture": {"<slug>": USD, …}, "unlisted": USD}'
            raise ValueError(f"{file} is no price list: it has the shape {shape}.") from odd
        if not all(0 <= price < math.inf for price in (*prices.values(), unlisted)):
            raise ValueError(f"{file} is no price list: a price is negative or no number.")
        return cls(prices, unlisted)

    def worst(self, call: Call, contract: Contract) -> float:
        """Return what a call costs at the worst, in USD; 0 where nobody would draw it."""
        if not call.may_draw:
            return 0.0
        properties = contract.schema(call.operation)["properties"]
        slug = call.path.rpartition("/")[2]
        size = math.prod(_times(call, properties, side) for names in SIZES for side in names)
        times = pictures(call, properties) * _most(call, properties, STEPS) * max(1.0, size)
        return self.per_picture.get(slug, self.unlisted) * times


def pictures(call: Call, properties: Mapping[str, Any]) -> float:
    """Say how many pictures a call asks for, as far as that is a number; an omitted count is its default."""
    defaults = [each for name in COUNTS for each in default_of(properties.get(name, {}))]
    asked = [call.body[name] for name in COUNTS if name in call.body] if call.is_json else []
    return max([1.0, *(float(each) for each in asked or defaults if _is_number(each))])


def _most(call: Call, properties: Mapping[str, Any], names: tuple[str, ...]) -> float:
    return max([1.0, *(_times(call, properties, name) for name in names)])


def _times(call: Call, properties: Mapping[str, Any], name: str) -> float:
    """Say how many times its default a value is."""
    asked = call.body.get(name)
    default = next(iter(default_of(properties.get(name, {}))), None)
    return asked / default if _is_number(asked) and _is_number(default) and default else 1.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
