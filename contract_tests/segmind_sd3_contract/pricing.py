"""The price of a picture, in USD, as `openapi/observed.overlay.yaml` states it for each endpoint."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLISTED: Final = 0.01
"""The price that is assumed for an endpoint without a known one."""


@cache
def usd_per_picture() -> Mapping[str, float]:
    """Return the known prices by slug: averages at default settings."""
    observed: Any = json.loads(files("segmind_sd3_api").joinpath("observed.json").read_text("utf-8"))
    return {
        path.rpartition("/")[2]: item["post"]["x-usd-per-picture"]
        for path, item in observed["paths"].items()
        if "x-usd-per-picture" in item.get("post", {})
    }
