"""What a new endpoint has until a person decides: its page's price, and a seed drawn for each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.new_spec import model_of, operation_id_of
from segmind_sd3_pipeline.pages.properties import JSON_TYPES
from segmind_sd3_pipeline.pages.second_page import usd_of

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.spec.documents import Document

LARGEST_SEED: Final = 2147483647
"""The largest seed that is drawn. Every integer type holds it, and a float too."""


SEED_ROW: Final = "fixed-seed-default"
"""The row of quirks.yaml that cites the actions that draw a seed."""


def new_endpoint_actions(facts: Facts, day: str) -> tuple[list[Document], list[Document]]:
    """Return the observed actions and the SDK's for a new page."""
    operation_id = operation_id_of(facts["slug"])
    observed: list[Document] = []
    if price := usd_of(facts):
        observed.append(
            {
                "target": f"$.paths['/v1/{facts['slug']}'].post",
                "x-id": f"{operation_id}-price",
                "x-grade": "vendor",
                "x-evidence": f"The model's page, saved {day}, prints {facts['price']}.",
                "update": {"x-usd-per-picture": price},
            }
        )
    return observed, [*_drawn_seed(facts, operation_id)]


def _drawn_seed(facts: Facts, operation_id: str) -> list[Document]:
    for each in facts["attributes"]:
        if each["name"] != "seed" or JSON_TYPES.get(each["type"]) != "integer":
            continue
        low = max(0, int(float(each.get("min", 0))))
        high = min(LARGEST_SEED, int(float(each.get("max", LARGEST_SEED))))
        if low < high:
            return [
                {
                    "target": f"$.components.schemas.{model_of(operation_id)}.properties.seed",
                    "x-id": f"sdk-{operation_id}-seed",
                    "x-grade": "policy",
                    "x-evidence": "A page's one seed for everybody would draw the same picture each time.",
                    "x-expect": {"type": "integer"},
                    "update": {"x-sdk-default": {"random": [low, high]}},
                }
            ]
    return []
