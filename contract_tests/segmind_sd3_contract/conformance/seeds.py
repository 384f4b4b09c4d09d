"""Send the seeds that a shorter number would not hold, the largest one, and 0, which may pass for none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.effects import effect
from segmind_sd3_contract.conformance.judging import same_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_contract.conformance.bodies import Endpoint

BITS: Final = (31, 32, 53)
BEYOND_JSON: Final = 53
"""Whole numbers of more bits are not the same in all programs that read JSON."""


def far_seeds(endpoint: Endpoint) -> Iterator[Case]:
    if not endpoint.has_seed:
        return
    most = endpoint.properties["seed"].get("maximum")
    for bits in BITS:
        far = (1 << bits) + endpoint.seed
        if bits == BEYOND_JSON:
            far = far // 4 * 4  # the next one would be rounded to it
        if most is None or far < most:
            seeds = (endpoint.seed, far, far + 1)
            yield effect(
                endpoint,
                "seed",
                f"bits:{bits}",
                f"A seed of over {bits} bits is not cut: {', '.join(map(str, seeds))} draw differently.",
                tuple(endpoint.call(seed=seed) for seed in seeds),
                promised=bits < BEYOND_JSON,
                may_refuse=most is None,
            )
    if most is not None:
        yield effect(
            endpoint,
            "seed",
            "maximum",
            f"The largest seeds count: {most} and {most - 1} draw differently.",
            (endpoint.call(seed=most), endpoint.call(seed=most - 1)),
        )
    zero = endpoint.call(seed=0)
    yield Case(
        endpoint.operation,
        "seed",
        "zero",
        "Seed 0 is a seed: it draws the same picture again.",
        (zero, zero.again()),
        same_picture,
        tier="thorough",
    )
