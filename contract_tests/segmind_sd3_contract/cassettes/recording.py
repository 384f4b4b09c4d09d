"""Make the one call of a case, and record the exchange as a cassette."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx
from segmind_sd3 import Client, Retry, SegmindError
from segmind_sd3_api.calls import CALLS
from segmind_sd3_api.client import AuthenticatedClient
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes.cases import REFERENCE_URL, body_of, cases
from segmind_sd3_contract.cassettes.library import provenance
from segmind_sd3_contract.cassettes.storage import recording
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_contract.cassettes.cases import Case
    from segmind_sd3_contract.cassettes.storage import Recorder

MOMENT: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""The reference server's clock stands still, so that recording twice gives the same bytes."""

ONCE: Final = Retry(attempts=1)


def leftovers(folder: Path) -> list[Path]:
    """List the cassettes that no case makes any more, and the blobs that no cassette of a case refers to."""
    made = {folder / case.file for case in cases().values()}
    texts = (file.read_text(encoding="utf-8") for file in made if file.is_file())
    referred = {digest for text in texts for digest in re.findall(r"^ +blob: (\w+)$", text, re.MULTILINE)}
    cassettes = [file for file in folder.glob("*/*.yaml") if file not in made]
    return cassettes + [blob for blob in folder.glob("blobs/*") if blob.name not in referred]


class AnotherAnswer(Exception):
    """The reference server answers as no case expects: the contract and the server are at odds."""


def record(case: Case, folder: Path) -> Recorder:
    """Record a case from the reference server. Each gets a server of its own, so no case depends on another.

    Raises:
        AnotherAnswer: the server does not answer as the case expects.
    """
    server = ReferenceServer(case.profile, clock=MOMENT.timestamp)
    if case.provocation:
        server.provoke(case.provocation)
    # httpx's own transport of this name is one that vcrpy watches; what it leads to is the server itself.
    transport = httpx.MockTransport(server.transport().handle_request)
    known = provenance(case.id, target="reference", profile=case.profile, provocation=case.provocation)
    with recording(folder / case.file, known, MADE_UP_KEY) as recorder, suppress(SegmindError):
        send(case, REFERENCE_URL, MADE_UP_KEY, transport)
    if recorder.status != case.expects:
        raise AnotherAnswer(f"{case.id} was answered with {recorder.status}; it is about {case.expects}.")
    return recorder


def send(case: Case, base_url: str, key: str, transport: httpx.BaseTransport | None = None) -> None:
    """Make the one call of a case, once: nothing is tried again.

    Raises:
        SegmindError, httpx.HTTPError: as its client does.
    """
    match case.by:
        case "sdk" | "other-key":
            shown = MADE_UP_KEY if case.by == "other-key" else key
            with Client(shown, base_url=base_url, transport=transport, retry=ONCE) as client:
                getattr(client, case.operation)(**case.params)
        case "generated":
            call = CALLS[case.operation]
            with generated_client(base_url, key, httpx_args={"transport": transport}) as client:
                call.sync(client=client, body=call.body(body_of(case)))
        case "raw" | "other-path" | "get":
            path = OPERATIONS[case.operation].path
            path += "-no-such-model" if case.by == "other-path" else ""
            with httpx.Client(base_url=base_url, headers={"x-api-key": key}, transport=transport) as bare:
                if case.by == "get":
                    bare.get(path)
                else:
                    bare.post(path, json=body_of(case))


def generated_client(base_url: str, key: str, **options: Any) -> AuthenticatedClient:
    """Return the generated client alone, with nothing of the SDK's between it and the wire."""
    return AuthenticatedClient(
        base_url=base_url, token=key, prefix="", auth_header_name="x-api-key", **options
    )
