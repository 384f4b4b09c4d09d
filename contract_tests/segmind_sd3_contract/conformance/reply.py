"""An exchange beside one reading of the contract: what a check is asked about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_contract import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_contract.conformance.results import Exchange
    from segmind_sd3_contract.oracle import Contract


@dataclass(frozen=True, slots=True)
class Reply:
    """An exchange beside the reading that it is judged by."""

    contract: Contract
    exchange: Exchange
    operation: str
    exact: bool

    @property
    def status(self) -> int:
        return self.exchange.status or 0

    @property
    def seen(self) -> oracle.Exchange:
        """The exchange as the oracle takes it."""
        sent = self.exchange
        return oracle.Exchange(self.operation, sent.sent, self.status, sent.received, sent.body)

    @property
    def is_json(self) -> bool:
        return oracle.media_type(self.seen).endswith("json")

    def findings(self) -> Iterator[str]:
        return (str(finding) for finding in oracle.findings(self.seen, self.contract))

    def pictures(self) -> list[bytes]:
        return oracle.pictures_in(self.seen)

    def text(self) -> str:
        """Return what the reply says, in one short line."""
        if oracle.media_type(self.seen).startswith("image/"):
            return f"{len(self.exchange.body)} bytes of {oracle.media_type(self.seen)}"
        content = self.exchange.body[:2000].decode("utf-8", "replace")
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            for name in ("error_description", "error", "message", "detail"):
                if members.get(name):
                    content = str(members[name])
                    break
        return " ".join(content.split())[:160]
