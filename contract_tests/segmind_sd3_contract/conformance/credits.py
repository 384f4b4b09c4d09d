"""What a reply says of money, and how sums are written."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from segmind_sd3_contract.conformance.results import Exchange

ROUNDING: Final = 1e-6
"""What two sums in USD may differ by and still be the same."""


def number(text: str | None) -> float | None:
    """Read a header as a finite number; None where it is missing or none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def usd(amount: float) -> str:
    """Write a sum with four decimals, or up to six where it has them."""
    return re.sub(r"0{1,2}$", "", f"{amount:.6f}")


def balance_of(exchange: Exchange) -> float | None:
    """Read the balance that a reply tells: as the answer to the question for it, or in its header."""
    told = balance_in(exchange)
    return number(exchange.received.get("x-remaining-credits")) if told is None else told


def balance_in(exchange: Exchange) -> float | None:
    """Read the balance from the answer to the question for it: what was paid for, and what was given."""
    if exchange.method != "GET" or exchange.status != 200:
        return None
    try:
        told: Any = json.loads(exchange.body)
        parts = cast("dict[str, Any]", told if isinstance(told, dict) else {})
        return float(parts["credits"]) + float(parts.get("free-credits", 0))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
