"""Requests that are good by the contract alone: for a first try, and for tests."""

from __future__ import annotations

import base64
import json
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from segmind_sd3_contract.reference.exchange import Request
from segmind_sd3_contract.reference.orders import ROLES

if TYPE_CHECKING:
    from segmind_sd3_contract.reference.contract import Operation

MADE_UP_KEY: Final = "SG_0123456789abcdef"
"""A well-formed key that belongs to nobody."""


def example_body(operation: Operation) -> dict[str, Any]:
    """Return a body of what the page requires alone, with values that the contract itself names."""
    body: dict[str, Any] = {}
    for name in operation.required_by_page:
        schema = operation.properties[name]
        if schema.get("x-documented-type") == "image":
            body[name] = _input()
        elif schema.get("type") == "string":
            body[name] = next(iter(schema.get("examples", ())), "a lighthouse at dawn")
        else:
            body[name] = operation.defaults.get(name, schema.get("minimum", 1))
    return body


def example_request(operation: Operation, **values: Any) -> Request:
    """Return a request that is quick to answer: the example body, the smallest size, and values over both."""
    smallest = {
        name: schema["minimum"]
        for name, schema in operation.properties.items()
        if ROLES.get(name) in ("width", "height") and "minimum" in schema
    }
    body = json.dumps(example_body(operation) | smallest | values)
    headers = {"x-api-key": MADE_UP_KEY, "content-type": "application/json"}
    return Request("POST", operation.path, headers, body.encode())


@cache
def _input() -> str:
    """Return a small PNG as base64, 48 x 32 pixels."""
    file = BytesIO()
    Image.linear_gradient("L").resize((48, 32)).save(file, "PNG")  # pyright: ignore[reportUnknownMemberType]  # numpy
    return base64.b64encode(file.getvalue()).decode()
