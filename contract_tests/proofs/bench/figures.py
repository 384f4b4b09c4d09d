"""Compare one figure of several clients, round by round, and check the ratios against their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from proofs.bench.peers import HTTPX, OURS, SAMPLE, SEGMIND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FIRST_TENTH: Final = "first tenth"
AT_64: Final = "64 at once"
IN_MEMORY: Final = "held in memory"
ALL_PICTURES: Final = "all pictures"
BARE_GENERATOR: Final = "bare generator"
SCHEMATHESIS: Final = "schemathesis"
BARE_CALLS: Final = "bare calls"
FIRST_QUARTER: Final = "first quarter"
AMONG_FEW: Final = "among 1,000"


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
    ("sync, 300 KB: p50", HTTPX): Limit(1.0),
    ("sync, 300 KB: CPU", HTTPX): Limit(0.9),
    ("sync, 30 KB: p50", HTTPX): Limit(0.6),
    ("async, 300 KB, 64 at once: rate", HTTPX): Limit(2.5, at_least=True),
    ("async, 30 KB, 64 at once: rate", HTTPX): Limit(4, at_least=True),
    # Two equal rates differ by a few percent.
    ("async, 300 KB, 256 at once: rate", AT_64): Limit(0.97, at_least=True),
    ("async, 30 KB, 256 at once: rate", AT_64): Limit(0.97, at_least=True),
    ("import", HTTPX): Limit(0.25),
    ("import, client made", HTTPX): Limit(1.15),
    ("import, first call made", HTTPX): Limit(1.15),
    ("16 MB picture in: p50", SAMPLE): Limit(0.35),
    ("16 MB picture in: memory", SAMPLE): Limit(0.1),
    ("64 replies of 4 MB at once, straight to files: memory", IN_MEMORY): Limit(1 / 8),
    # 64 MB.
    ("64 pictures of 16 MB in at once: memory", ALL_PICTURES): Limit(1 / 16),
    ("100,000 calls: p50 of the last tenth", FIRST_TENTH): Limit(1.1),
    ("100,000 calls: memory after the last tenth", FIRST_TENTH): Limit(1.02),
    ("generation", BARE_GENERATOR): Limit(2),
    ("suite: rate", SCHEMATHESIS): Limit(3, at_least=True),
    ("batch, 10,000 jobs of 1 s, 512 at once: time", BARE_CALLS): Limit(1.05),
    ("batch, 10,000 jobs of 1 s, 512 at once: memory at the end", FIRST_QUARTER): Limit(1.1),
    # Its writes to the disk differ more than its queries.
    ("claim and finish among 100,000 jobs", AMONG_FEW): Limit(1.5),
}
"""The limits by figure and the name of what it is compared with."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the SDK and of others.

    Attributes:
        rounds: by name, the value in each round. A name without values was not measured.
        more_is_better: whether a higher value is better.
        limits: the limits by figure and by what it is compared with.
    """

    name: str
    unit: str
    rounds: Mapping[str, Sequence[float]]
    more_is_better: bool = False
    limits: Mapping[tuple[str, str], Limit] = field(default_factory=lambda: LIMITS, repr=False)

    def value(self, name: str) -> float:
        return median(self.rounds[name])

    def ratios(self, name: str) -> list[float]:
        """Return the SDK's value as a multiple of another's, round by round."""
        return [ours / other for ours, other in zip(self.rounds[OURS], self.rounds[name], strict=True)]

    def ratio(self, name: str) -> float:
        """Return the median of the rounds' ratios. Noise longer than a round affects both sides alike."""
        return median(self.ratios(name))

    def limit(self, name: str) -> Limit | None:
        if name == SEGMIND and self.name.endswith((": p50", ": rate")):  # ahead of it in each
            return Limit(1, at_least=self.more_is_better)
        return self.limits.get((self.name, name))

    def others(self) -> list[str]:
        return [name for name, values in self.rounds.items() if name != OURS and values]

    def failures(self) -> Iterator[str]:
        """Yield a sentence for each ratio beyond its limit."""
        for name in self.others():
            limit = self.limit(name)
            if limit is not None and not limit.allows(self.ratio(name)):
                yield f"{self.name}: {self.ratio(name):.3f} times {name}; allowed is {limit}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "more is better": self.more_is_better,
            "medians": {name: median(values) for name, values in self.rounds.items() if values},
            "rounds": {name: list(values) for name, values in self.rounds.items()},
            "ratios": {
                name: {
                    "median": self.ratio(name),
                    "lowest": min(self.ratios(name)),
                    "highest": max(self.ratios(name)),
                    "limit": str(limit) if (limit := self.limit(name)) else None,
                }
                for name in self.others()
            },
            "failures": list(self.failures()),
        }
