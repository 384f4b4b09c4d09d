"""The cassettes that are there, each with where it came from, and which rows of the quirk table they show."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from segmind_sd3._wire import json_of
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes.cases import quirk_of
from segmind_sd3_contract.cassettes.storage import read
from segmind_sd3_contract.oracle import Exchange, carried, packaged
from segmind_sd3_contract.quirks import quirks, shows

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path("cassettes")
"""Where the cassettes are, seen from the repository's root."""

LIVE: Final = "live"
"""The target that only the vendor's own host has, and the folder below `FOLDER` of what came from it."""

DISTRIBUTIONS: Final = ("segmind-sd3", "vcrpy", "pillow")
"""What decides the bytes of a cassette."""

Source = Literal["reference", "live"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded exchange, and where it came from.

    Attributes:
        case: the id of its case: `sd35_turbo_txt2img::steps::max`.
        file: the cassette.
        target: `reference`, `live`, or the URL of another server.
        date: the day of the recording, in UTC.
        spec: the digest of what the spec then said of the endpoint.
        versions: of what decides the bytes, by distribution.
        profile: the reference server's; None elsewhere.
        provocation: what the reference server was made to do wrong.
        method, url: of the request; `sent` is its JSON body, None where that is no JSON.
        status, headers, body: of the reply; header names are in lower case.
        call: its name within the conformance run that kept it, where a case may have several calls.
    """

    case: str
    file: Path
    target: str
    date: str
    spec: str
    versions: Mapping[str, str]
    profile: str | None
    provocation: str | None
    method: str
    url: str
    sent: Any = field(repr=False)
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    call: str | None = None

    @property
    def name(self) -> str:
        """What no other cassette of its folder is called."""
        return self.case if self.call in (None, self.case) else f"{self.case} {self.call}"

    @property
    def operation(self) -> str:
        """The endpoint's name."""
        return operation_of(self.case)

    @property
    def fresh(self) -> bool:
        """Whether the spec still says of the endpoint what it said when this was recorded."""
        return self.spec == spec_digest(self.operation)

    @property
    def seen(self) -> Exchange:
        """The exchange as the oracle takes it."""
        return Exchange(self.operation, self.sent, self.status, self.headers, self.body)


def provenance(case: str, *, target: str, profile: str | None, provocation: str | None) -> dict[str, Any]:
    """Return what a cassette says of itself. It is stored beside the exchange, in the same file."""
    return {
        "case": case,
        "target": target,
        "date": today().isoformat(),
        "spec": spec_digest(operation_of(case)),
        "versions": {name: version(name) for name in DISTRIBUTIONS},
        "profile": profile,
        "provocation": provocation,
    }


def today() -> date:
    """Return the day in UTC, by which cassettes are dated."""
    return datetime.now(UTC).date()


def operation_of(case: str) -> str:
    """Return the endpoint's name, with which the id of every case begins, and the name of every call."""
    return case.partition(":")[0]


@cache
def spec_digest(operation_id: str) -> str | None:
    """Digest what the pages say of one endpoint, so that an edit to another leaves its cassettes fresh.

    None where there is no such endpoint any more. The balance is on no page: of it, the overlay counts.
    """
    if operation_id in OPERATIONS:
        return digest_of(carried("documented"), OPERATIONS[operation_id].path)
    if operation_id in (known := packaged("observed")).operations:
        return digest_of(carried("observed"), known.path(operation_id))
    return None


def digest_of(bundle: Any, path: str) -> str:
    """Digest one path of an OpenAPI document, with all that it refers to."""
    item = bundle["paths"][path]
    text = json.dumps([item, _referred(bundle, item, {})], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _referred(bundle: Any, node: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Collect every part of the bundle that a node refers to, through any number of steps."""
    if isinstance(node, list):
        for each in cast("list[Any]", node):
            _referred(bundle, each, found)
    elif isinstance(node, dict):
        for name, value in cast("dict[str, Any]", node).items():
            if name != "$ref":
                _referred(bundle, value, found)
            elif value not in found:
                part = bundle
                for step in value.removeprefix("#/").split("/"):
                    part = part[step]
                found[value] = part
                _referred(bundle, part, found)
    return found


def load(file: Path) -> Recorded:
    """Read one cassette.

    Raises:
        ValueError: it is no cassette of ours, or a blob of it was changed.
        OSError: it is not there, or a blob of it is not.
    """
    request, response, known = read(file)
    try:
        return Recorded(
            **known,
            file=file,
            method=request.method,
            url=request.uri,
            sent=json_of(request.body or b""),
            status=response["status"]["code"],
            headers={name.lower(): ", ".join(values) for name, values in response["headers"].items()},
            body=response["body"]["string"],
        )
    except TypeError as odd:
        raise ValueError(f"{file} does not say where it came from: {odd}") from odd


def recorded(folder: Path = FOLDER) -> Mapping[str, Recorded]:
    """Read the cassettes of a folder, by the ids of their cases, and of their calls where a conformance run
    kept them; none of those in `folder / LIVE`.
    """
    found = (load(file) for file in sorted(folder.glob("*/*.yaml")))
    return {each.name: each for each in found}


def sources(folder: Path = FOLDER) -> Mapping[str, set[Source]]:
    """Say for each row of the quirk table where exchanges that show it were recorded, if anywhere.

    The reference server shows what it was made to. A live reply shows the rows that are found in it.
    """
    found: dict[str, set[Source]] = {name: set() for name in quirks()}
    for each in recorded(folder).values():
        if each.target == "reference" and (name := quirk_of(each.provocation)):
            found[name].add("reference")
    for each in recorded(folder / LIVE).values():
        if each.target == LIVE:
            for row, where in found.items():
                if shows(row, each.seen):
                    where.add("live")
    return found
