"""Hooks and checks for schemathesis, under pytest and for `schemathesis run`.

A hook corrects a positive case that the schema alone gets wrong, and leaves a negative case as wrong as it
is. schemathesis's own checks stay on. The two checks here add what they can't know: what a picture is, and
that a service must not refuse every call.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import schemathesis
from PIL import Image

from segmind_sd3_contract import oracle

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD: Any = schemathesis
"""Its decorators take any function, and its types say so in part only."""


@cache
def picture() -> str:
    """Return the base64 text of a PNG of 16 x 16 pixels."""
    file = BytesIO()
    Image.new("RGB", (16, 16), "teal").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@TOLD.hook
def before_load_schema(_context: object, raw_schema: Any) -> None:
    """Let what was observed stand in place of what the pages say: what is open then makes no bad case."""
    oracle.with_observations(raw_schema, oracle.GRADES["reported"])


@TOLD.hook
def before_call(_context: object, case: Any, _kwargs: object) -> None:
    """Put a picture where the schema is content with any text, and name the type of a body that is not there.

    What a page requires and was reported to be optional is given: no case depends on who is right. A bad case
    keeps what is bad about it: an `image` that is no text stays as it is.
    """
    body = case.body
    if isinstance(body, dict):
        body = cast("dict[str, Any]", body)
        for name, value in _open_requirements(case.operation.definition.raw["operationId"]).items():
            body.setdefault(name, value)
        if isinstance(body.get("image"), str) and not body["image"].startswith("https://"):
            body["image"] = picture()
        body |= _smallest(case.operation.definition.raw["operationId"], body)
    elif case.operation.method == "post" and not case.media_type:
        # Else the answer is a 406 about the content type, and the missing body is never judged.
        case.headers.setdefault("content-type", "application/json")


@cache
def _open_requirements(operation: str) -> Mapping[str, Any]:
    """Return a value for each parameter that is required, and was reported not to be."""
    schema = oracle.request_schema("observed", operation)
    required = {*schema["required"]} - {*oracle.request_schema("reported", operation)["required"]}
    return {name: schema["properties"][name]["examples"][0] for name in sorted(required)}


def _smallest(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest size where the default one would be drawn: a megapixel each time is slow."""
    known = oracle.request_schema("observed", operation)["properties"]
    sides = [name for names in oracle.SIZES for name in names if name in known]
    defaults = {name: known[name]["default"] for name in sides}
    return {
        name: known[name]["minimum"] for name in sides if body.get(name, defaults[name]) == defaults[name]
    }


@TOLD.check
def kept_contract(_context: object, response: schemathesis.Response, case: Any) -> None:
    """Judge the reply by the oracle; one to another method than the operation's is none of it."""
    request = response.request
    if request.method != case.operation.method.upper():
        return
    found = oracle.findings(
        oracle.Exchange(
            operation=case.operation.definition.raw["operationId"],
            sent=_json(request.body),
            status=response.status_code,
            headers=_headers(response.headers),
            body=response.content,
        )
    )
    assert not found, "\n".join(map(str, found))  # noqa: S101 - how a check of schemathesis fails


@TOLD.check
class AnswersEveryOperation:
    """Each operation that was called has answered with a 200 at least once."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.answered: set[str] = set()

    def after_response(self, _context: object, response: schemathesis.Response, case: Any) -> None:
        self.called.add(case.operation.label)
        if response.status_code == 200:
            self.answered.add(case.operation.label)

    def after_run(self, _context: object) -> None:
        missing = sorted(self.called - self.answered)
        assert not missing, f"never a 200: {', '.join(missing)}"  # noqa: S101 - as above


def _json(body: Any) -> Any:
    try:
        return json.loads(body or b"")
    except (ValueError, RecursionError):
        return None


def _headers(headers: Mapping[str, list[str]]) -> dict[str, str]:
    return {name.lower(): ", ".join(values) for name, values in headers.items()}
