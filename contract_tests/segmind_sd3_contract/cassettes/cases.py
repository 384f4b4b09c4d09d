"""The cases that are recorded, made from the contract: a new parameter or provocation adds its own.

No bound, status or quirk is repeated here. Every call names a seed where its endpoint has one, and asks for
the smallest picture at the lowest quality that the contract allows.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

from segmind_sd3 import Client
from segmind_sd3_api.parameters import OPERATIONS, Operation, Parameter

from segmind_sd3_contract import oracle
from segmind_sd3_contract.needed import needed
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import MADE_UP_KEY, PROFILES, PROVOCATIONS, Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segmind_sd3_contract.reference import Profile

PROMPT: Final = "a lighthouse at dawn"
SEED: Final = 7

REFERENCE_URL: Final = "https://reference.invalid"
"""The address under which the reference server is recorded: one that can't exist."""

INPUT: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAABlBMVEUoeIzw5rRRWcw2AAAAFklEQVR42mP8"
    "zwABTAyjDCyMUYAfAACp/wE/ErL4KwAAAABJRU5ErkJggg=="
)
"""A PNG of 64 x 64 pixels. Its bytes stand here because requests are matched by them; an encoder changes."""

REFUSED: Final = 406
"""The status of a value out of bounds in the profile "documented", by which nearly everything is recorded."""

MOST_LIVE_PICTURES: Final = 2
"""How many pictures one call to the live service may draw: each is paid for."""

Way = Literal["sdk", "generated", "raw", "other-key", "other-path", "get"]


@dataclass(frozen=True, slots=True)
class Case:
    """One exchange to be recorded.

    Attributes:
        id: `sd35_turbo_txt2img::steps::max`: the endpoint, and what of it is shown.
        operation: the endpoint's name.
        expects: the status that the case is about.
        params: what the SDK is asked for.
        beyond: what is laid over the finished body, past the SDK's own checks.
        without: the parameter that is taken out of the finished body.
        by: who sends it: the SDK; the generated client; bare httpx; the SDK with a key that nobody has; bare
            httpx, to a path that does not exist; bare httpx, with GET.
        provocation: what the reference server is made to do wrong.
        profile: whose rules the reference server obeys.
    """

    id: str
    operation: str
    expects: int
    params: Mapping[str, Any] = field(repr=False)
    beyond: Mapping[str, Any] = field(default_factory=dict[str, Any])
    without: str | None = None
    by: Way = "sdk"
    provocation: str | None = None
    profile: Profile = "documented"

    @property
    def file(self) -> str:
        """The cassette's path below its folder: a folder for each slug."""
        return f"{OPERATIONS[self.operation].slug}/{'.'.join(self.id.split('::')[1:])}.yaml"

    @property
    def pictures(self) -> int:
        """How many pictures are drawn, and paid for."""
        if self.expects != 200:
            return 0
        known = OPERATIONS[self.operation].parameters.values()
        return next((self.params.get(each.name, 1) for each in known if each.counts_images), 1)


@cache
def cases() -> Mapping[str, Case]:
    """Return every case that is recorded from the reference server, by its id."""
    found = [
        case
        for operation in OPERATIONS.values()
        for kind in (plain, inside, outside, statuses, provocations, contradictions)
        for case in kind(operation)
    ]
    return {case.id: case for case in found}


@cache
def live_cases() -> Mapping[str, Case]:
    """What is recorded from the live service: what it should draw, few pictures a call, and what is free.

    A bound at which the plain call stands already is not paid for again.
    """
    found = [
        case
        for operation in OPERATIONS.values()
        for usual in plain(operation)
        for case in (
            usual,
            *(bound for bound in inside(operation) if body_of(bound) != body_of(usual)),
            *(case for case in contradictions(operation) if case.profile == "observed"),
            *free(operation),
        )
        if case.pictures <= MOST_LIVE_PICTURES
    ]
    return {case.id: case for case in found}


def body_of(case: Case) -> Mapping[str, Any]:
    """Return the body of a call as the SDK completes it, with what the SDK would refuse, or always sends."""
    with Client(MADE_UP_KEY, base_url=REFERENCE_URL) as client:
        body = {**client.prepare(case.operation, **case.params).body, **case.beyond}
    return {name: value for name, value in body.items() if name != case.without}


def least(operation: Operation) -> dict[str, Any]:
    """Return the parameters of the plain call."""
    return {
        name: value for name, known in operation.parameters.items() if (value := _least(known)) is not None
    }


def _least(known: Parameter) -> object:
    if known.name == "seed":
        return SEED
    if known.name.endswith(("width", "height", "quality")):
        return known.minimum
    if not known.required:
        return None
    return needed(known, text=PROMPT, picture=INPUT)


def plain(operation: Operation) -> Iterator[Case]:
    yield Case(f"{operation.operation_id}::plain", operation.operation_id, 200, least(operation))


def inside(operation: Operation) -> Iterator[Case]:
    """Yield a call at each bound, through the SDK."""
    for known in operation.parameters.values():
        for place, bound in (("min", known.minimum), ("max", known.maximum)):
            if bound is not None:
                yield Case(
                    f"{operation.operation_id}::{known.name}::{place}",
                    operation.operation_id,
                    200,
                    least(operation) | {known.name: bound},
                )


def outside(operation: Operation) -> Iterator[Case]:
    """Yield a call one step past each bound and between two multiples, which the SDK would refuse."""
    for known in operation.parameters.values():
        for place, value in beside(known):
            yield Case(
                f"{operation.operation_id}::{known.name}::{place}",
                operation.operation_id,
                REFUSED,
                least(operation),
                beyond={known.name: value},
                by="generated",
            )


def beside(known: Parameter) -> Iterator[tuple[str, float]]:
    """Return the values just outside of what is allowed. A step is 1, a multiple, or 0.01 of a number."""
    step = known.multiple_of or (1 if known.kind == "integer" else 0.01)
    if known.minimum is not None:
        yield "below-min", round(known.minimum - step, 2)
    if known.maximum is not None:
        yield "above-max", round(known.maximum + step, 2)
    if known.multiple_of:
        yield "no-multiple", (known.minimum or 0) + known.multiple_of - 1


def statuses(operation: Operation) -> Iterator[Case]:
    """Yield a call for every other status of the pages or overlay that the server can be made to answer."""
    for status in _named_statuses(operation):
        if name := _provocation_of(status):
            yield Case(
                f"{operation.operation_id}::status::{status}",
                operation.operation_id,
                status,
                least(operation),
                provocation=name,
            )


@cache
def _observed() -> Any:
    return json.loads(files("segmind_sd3_api").joinpath("observed.json").read_text(encoding="utf-8"))


def _named_statuses(operation: Operation) -> list[int]:
    responses = _observed()["paths"][operation.path]["post"]["responses"]
    return sorted(int(status) for status in responses if status.isdigit() and status != "200")


def status_of(provocation: str) -> int:
    """Return the status that a provocation is seen as."""
    known = PROVOCATIONS[provocation]
    return 200 if known.billed else known.change(Answer(200, {}, b"")).status


def _provocation_of(status: int) -> str | None:
    """Return the plainest provocation of a status: the one that is named for it, else the first."""
    usual = f"status:{status}"
    return usual if usual in PROVOCATIONS else next((n for n in PROVOCATIONS if status_of(n) == status), None)


def provocations(operation: Operation) -> Iterator[Case]:
    """Yield a call for every provocation of a row of the quirk table."""
    for name in PROVOCATIONS:
        more = _asking_for(name, operation)
        if quirk_of(name) is not None and more is not None:
            yield Case(
                f"{operation.operation_id}::{name.replace(':', '::')}",
                operation.operation_id,
                status_of(name),
                least(operation) | more,
                provocation=name,
            )


def quirk_of(provocation: str | None) -> str | None:
    """Return the row of the quirk table that a provocation is named for."""
    name = (provocation or "").partition(":")[0]
    return name if name in quirks() else None


def _asking_for(provocation: str, operation: Operation) -> dict[str, Any] | None:
    """Return what a call must ask for so that a provocation shows; None where this endpoint can't show it."""
    parameters = operation.parameters.values()
    counts = {known.name: 2 for known in parameters if known.counts_images}
    formats = {known.name: "png" for known in parameters if known.name.endswith("format")}
    in_json = {"extra": {"base64": True}}
    match provocation:
        case "reply-format:jpeg":  # where a JPEG is all that can be asked for, it is no other format
            return formats or None
        case "several-images:string":  # one picture is a text as it is
            return in_json | counts if counts else None
        case "several-images:list" | "base64-default-1:picture":  # several pictures are a list as it is
            return in_json
        case "several-images:images":
            return in_json | counts
        case _:
            return {}


def contradictions(operation: Operation) -> Iterator[Case]:
    """Yield calls where a page contradicts itself or what was seen, by the rules of each profile.

    They leave out a parameter whose default the page contradicts, or which was reported to be optional; and
    they send a default that the page's own bounds refuse.
    """
    name, usual = operation.operation_id, least(operation)
    page, reported = (oracle.request_schema(profile, name) for profile in ("documented", "reported"))
    optional = {*page["required"]} - {*reported["required"]}
    always_sent = body_of(Case(name, name, 200, usual))
    for parameter, schema in page["properties"].items():
        default = schema.get("x-documented-default")
        for profile in PROFILES:
            suffix, refused = ("", REFUSED) if profile == "documented" else (f"::{profile}", 200)
            if parameter in always_sent and (default is not None or parameter in optional):
                yield Case(
                    f"{name}::{parameter}::omitted{suffix}",
                    name,
                    refused if parameter in optional else 200,
                    usual,
                    without=parameter,
                    by="raw",
                    profile=profile,
                )
            if default is not None and schema["type"] in ("integer", "number"):
                asked = usual | {"extra": {parameter: default}}
                place = f"{name}::{parameter}::{default}{suffix}"
                yield Case(place, name, refused, asked, profile=profile)


def free(operation: Operation) -> Iterator[Case]:
    """Yield the calls that cost nothing: a wrong key, a wrong path, a wrong method."""
    ways: tuple[tuple[int, Way], ...] = ((401, "other-key"), (404, "other-path"), (405, "get"))
    for status, by in ways:
        name = f"{operation.operation_id}::status::{status}"
        yield Case(name, operation.operation_id, status, least(operation), by=by)
