"""Write the exchanges of a run as cassettes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3._settings import BASE_URL
from segmind_sd3._wire import Reply
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes.cases import REFERENCE_URL
from segmind_sd3_contract.cassettes.library import LIVE, operation_of, provenance
from segmind_sd3_contract.cassettes.storage import KEY_SHOWN_AS, Sent, write

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_contract.conformance.results import Exchange

KEY: Final = re.compile(rb"\bSG_[0-9a-fA-F]{16}\b")
"""What the vendor's keys look like."""

AS_IT_TRAVELLED: Final = ("content-encoding", "transfer-encoding", "content-length")
"""Headers that say how a body travelled: a recorded one is whole and decoded."""


def keep(
    exchange: Exchange,
    *,
    case: str,
    target: str,
    folder: Path,
    profile: str | None,
    content: bytes | None = None,
) -> Path | None:
    """Write an exchange as a cassette. Return the file, or None where no whole reply came.

    Whatever looks like a key is redacted, and no cookie is written. `content` is the request's body as it was
    sent. Without it, a body that is text is written as the text itself, not as its JSON.
    """
    if exchange.status is None or exchange.failure is not None:
        return None
    operation = operation_of(case)
    slug = OPERATIONS[operation].slug if operation in OPERATIONS else operation
    name = re.sub(r"[^\w.-]+", "-", exchange.call.rpartition(":")[2])
    file = folder / slug / f"{name}.yaml"
    origin = {"reference": REFERENCE_URL, LIVE: BASE_URL}.get(target, target).rstrip("/")
    body = _content(exchange.sent) if content is None else content
    received = {
        name: _redacted(value.encode()).decode()
        for name, value in exchange.received.items()
        if name not in AS_IT_TRAVELLED
    }
    known = provenance(case, target=target, profile=profile, provocation=None)
    write(
        file,
        Sent(exchange.method, origin + exchange.path, exchange.headers, _redacted(body)),
        Reply(exchange.status, received, _redacted(exchange.body)),
        {**known, "call": exchange.call},
    )
    return file


def _content(sent: Any) -> bytes:
    match sent:
        case None:
            return b""
        case str():
            return sent.encode()
        case _:
            return json.dumps(sent).encode()


def _redacted(text: bytes) -> bytes:
    return KEY.sub(KEY_SHOWN_AS.encode(), text)
