"""A request and its answer as plain values, without I/O. Header names are in lower case; bodies are whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Headers = Mapping[str, str]


def _no_headers() -> Headers:
    return {}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` may carry a query, which no operation reads. The key is in no repr."""

    method: str
    path: str
    headers: Headers = field(default_factory=_no_headers, repr=False)
    body: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", {name.lower(): value for name, value in self.headers.items()})


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer is delivered.

    `sent` is what leaves at once, `then` what happens after it, `length` what the headers say of the body's.
    The rest of a dripping answer follows byte by byte; an endless one goes on with zeros for ever, gzipped.
    """

    sent: Literal["nothing", "half the head", "the head", "half the body", "the body"]
    then: Literal["stall", "drip", "reset", "hang up", "endless"]
    length: Literal["true", "too long", "too short", "chunked"] = "true"

    @property
    def begins(self) -> bool:
        """Whether a status line and all headers arrive."""
        return self.sent not in ("nothing", "half the head")

    @property
    def ends(self) -> bool:
        """Whether the client has what it takes for a whole answer."""
        return self.length == "too short"

    def arriving(self, body: bytes) -> bytes:
        """Return so much of a body as the client can have at once."""
        if self.sent == "the body":
            return body[: len(body) // 2] if self.length == "too short" else body
        return body[: len(body) // 2] if self.sent == "half the body" else b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, before any transfer coding; `content-length` is left to whoever sends it.

    `delivery` says how it goes astray on its way, where that was provoked.
    """

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    delivery: Delivery | None = None

    def with_headers(self, **changes: str | None) -> Answer:
        """Return the answer with headers set, or taken away by None; `_` in a name stands for `-`."""
        headers: dict[str, str | None] = dict(self.headers)
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        return replace(self, headers={name: value for name, value in headers.items() if value is not None})

    def with_body(self, body: bytes, media_type: str | None) -> Answer:
        """Return the answer with another body of that media type; None leaves out the content type."""
        return replace(self.with_headers(content_type=media_type), body=body)

    def with_json(self, value: Any) -> Answer:
        """Return the answer with a JSON body."""
        return self.with_body(json.dumps(value).encode(), "application/json")


Change = Callable[[Answer], Answer]
"""What a fault does to an answer."""
