"""One call as a plain value, with a name that is the same for the same call in any run.

Two cases that need the same call share it, so that it is paid for once. A relation that needs the same call
again sets `attempt`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Auth = Literal["key", "none", "unknown", "malformed", "bearer", "penniless"]
"""Whose key goes with a call: the run's own, or one that the case is about."""

Coding = Literal["chunked", "gzip"]
"""How a body is sent that does not go out as it is, with a content-length."""

JSON: Final = "application/json"

PIECE: Final = 1000
"""Bytes of a chunk."""


@dataclass(frozen=True)
class Call:
    """One HTTP call.

    Attributes:
        operation: the endpoint that it is about.
        path, method, auth, content_type: as they go out; a content type of None is left out.
        body: the JSON of the request; ignored where `raw` is given.
        raw: the text of the request, where it is no JSON.
        headers: others that go out, by their names in lower case.
        coding: how the body is coded on its way, if it is.
        attempt: counts the calls that say the same and are meant to be sent again.
    """

    operation: str
    path: str
    body: Any = field(default=None, repr=False)
    method: str = "POST"
    auth: Auth = "key"
    content_type: str | None = JSON
    raw: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
    coding: Coding | None = None

    @cached_property
    def name(self) -> str:
        says: list[Any] = [self.path, self.method, self.auth, self.content_type, self.raw, self.body]
        coded = [self.coding] if self.coding else []
        text = json.dumps([*says, *self.headers, *coded, self.attempt], sort_keys=True)
        return f"{self.operation}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @cached_property
    def content(self) -> bytes:
        if self.raw is not None:
            return self.raw.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()

    @property
    def coded(self) -> bytes | Iterator[bytes]:
        """The body as it goes out: pieces of it are sent in chunks."""
        if self.coding == "chunked":
            return (self.content[at : at + PIECE] for at in range(0, len(self.content), PIECE))
        return gzip.compress(self.content, mtime=0) if self.coding == "gzip" else self.content

    @property
    def may_draw(self) -> bool:
        """Whether a lax server would draw it: a well-formed POST with a key that is let in."""
        known_path = not self.path.endswith(NO_SUCH_MODEL)
        return (
            self.method == "POST"
            and self.auth in ("key", "bearer", "penniless")
            and known_path
            and self.is_json
        )

    @property
    def is_json(self) -> bool:
        return self.raw is None and isinstance(self.body, dict)

    def again(self) -> Call:
        return replace(self, attempt=self.attempt + 1)


NO_SUCH_MODEL: Final = "-no-such-model"
"""What makes an endpoint's path one that nobody serves."""
