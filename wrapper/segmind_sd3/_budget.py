"""What calls cost: the worst price of a call, and a cap on what a client and its copies spend.

The worst price of a call is reserved before each sending. What the sending came to takes its place: the cost
that the reply names, else the worst price. A sending that was certainly not billed frees it. One that may
have been billed keeps it for good, and so does one that was interrupted.
"""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_api.parameters import OPERATIONS

from ._errors import BudgetExceeded, SegmindError
from ._reply import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_api.parameters import Operation

    from ._result import Credits, Generation
    from ._sent import SentRequest

_STEPS: Final = ("steps", "num_inference_steps")
_SIDES: Final = ("width", "height", "img_width", "img_height")


def worst_price(operation: Operation, values: Mapping[str, Any]) -> Decimal | None:
    """Estimate what a call costs at the worst, in USD; return None for an endpoint without a known price.

    A known price is the average of one picture at default settings. The estimate is that price for each
    picture, times the steps and the pixels above the defaults.
    """
    if operation.usd_per_picture is None:
        return None
    known = operation.parameters.values()
    counts = [_amount(values.get(each.name)) for each in known if each.counts_images]
    steps = [_ratio(operation, values, name) for name in _STEPS]
    pixels = Decimal(1)
    for name in _SIDES:
        pixels *= _ratio(operation, values, name)
    price = Decimal(str(operation.usd_per_picture))
    return price * max([Decimal(1), *counts]) * max([Decimal(1), *steps]) * max(Decimal(1), pixels)


def _ratio(operation: Operation, values: Mapping[str, Any], name: str) -> Decimal:
    """Return how many times its default a value is; 1 where either is not known."""
    parameter = operation.parameters.get(name)
    default = _amount(parameter and parameter.documented_default)
    value = _amount(values.get(name))
    return value / default if value > 0 and default > 0 else Decimal(1)


def _amount(value: object) -> Decimal:
    """Return a number as it is written; 0 for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else Decimal(0)


def named_cost(outcome: object) -> Decimal | None:
    """Return the cost that a reply names, in USD, where it names one. A picture for 0 is not believed."""
    cost = getattr(outcome, "cost", None)
    if isinstance(outcome, SegmindError):
        cost = number(getattr(outcome, "headers", {}).get("x-cost"))
    return Decimal(str(cost)) if cost is not None and cost > 0 else None


class Spending:
    """What a client and its copies spend, and their budget. Threads and tasks may share it.

    A forked process goes on with a copy of its own.
    """

    def __init__(self, budget: Decimal | None) -> None:
        self._budget = budget
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        self._lock, self._pid = threading.Lock(), os.getpid()

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self._budget is not None

    @property
    def spent(self) -> Decimal:
        """What was certainly billed, in USD."""
        return self._spent

    def meter(self, sent: SentRequest) -> Meter:
        """Return what counts one call."""
        return Meter(self, sent)

    def refusal(self, operation: Operation, price: Decimal | None) -> BudgetExceeded | None:
        """Reserve a price, or return the error of a call that the budget does not cover."""
        if self._budget is None:
            return None
        if price is None:
            return BudgetExceeded(
                f"Nothing was sent: no price of {operation.operation_id} is known, so that no budget can "
                "cover it. Use a client without a budget."
            )
        with self._own_lock():
            if self._spent + self._reserved + price <= self._budget:
                self._reserved += price
                return None
            spent, reserved = self._spent, self._reserved
        return BudgetExceeded(
            f"Nothing was sent: the budget is ${self._budget:f}, of which ${spent:f} is spent and "
            f"${reserved:f} reserved for calls under way or of unknown outcome. This call may cost "
            f"${price:f} (an estimate of the worst)."
        )

    def settle(self, price_of: Callable[[], Decimal | None], outcome: object) -> None:
        """Put what a sending cost in the place of its reservation."""
        billed = outcome.billed if isinstance(outcome, SegmindError) else True
        if billed is None:
            return
        cost = named_cost(outcome) if billed else Decimal(0)
        # Most clients have no budget, and most replies name their cost: then no price is asked for.
        price = price_of() if self._budget is not None or cost is None else None
        with self._own_lock():
            if self._budget is not None and price is not None:
                self._reserved -= price
            self._spent += (price or Decimal(0)) if cost is None else cost

    def _own_lock(self) -> threading.Lock:
        if self._pid != os.getpid():  # a thread of the parent may have held it
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock


class Meter:
    """Counts the sendings of one call."""

    def __init__(self, spending: Spending, sent: SentRequest) -> None:
        self._spending = spending
        self._sent = sent
        self._operation = OPERATIONS[sent.operation]

    def refusal(self) -> BudgetExceeded | None:
        """Reserve the price of one sending, or return the error of what the budget does not cover."""
        return self._spending.refusal(self._operation, self._price())

    def settle(self, outcome: Generation | Credits | SegmindError) -> None:
        """Count what a sending came to."""
        self._spending.settle(self._price, outcome)

    def _price(self) -> Decimal | None:
        parameters = self._sent.parameters
        return worst_price(self._operation, {**parameters, **parameters.get("extra", {})})
