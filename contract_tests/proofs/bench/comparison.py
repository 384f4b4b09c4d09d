"""Compare one figure of both clients, round by round, and check the ratio against its limit."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Limit:
    """The worst permitted ratio: the highest, or with `at_least` the lowest."""

    ratio: float
    at_least: bool = False

    def allows(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.ratio:g}"


LIMITS: Final = {
    "sync, 300 KB: p50": Limit(1.05),
    "sync, 30 KB: p50": Limit(0.75),
    "async, 300 KB: calls a second": Limit(2.2, at_least=True),
    "async, 30 KB: calls a second": Limit(3.5, at_least=True),
    "import": Limit(0.3),
}
"""The limits by the name of the comparison. Other ratios are only printed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both clients. `rounds` has the SDK's and httpx's value for each round."""

    name: str
    unit: str
    rounds: Sequence[tuple[float, float]]

    @property
    def ours(self) -> float:
        return median(ours for ours, _ in self.rounds)

    @property
    def httpx(self) -> float:
        return median(httpx for _, httpx in self.rounds)

    @property
    def ratios(self) -> list[float]:
        return [ours / httpx for ours, httpx in self.rounds]

    @property
    def ratio(self) -> float:
        """Return the median of the rounds' ratios. Noise longer than a round affects both sides alike."""
        return median(self.ratios)

    @property
    def limit(self) -> Limit | None:
        return LIMITS.get(self.name)

    @property
    def fails(self) -> bool:
        return self.limit is not None and not self.limit.allows(self.ratio)

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "httpx": self.httpx,
            "ratio": self.ratio,
            "lowest": min(self.ratios),
            "highest": max(self.ratios),
            "limit": str(self.limit) if self.limit else None,
            "fails": self.fails,
        }
