"""The rows of the quirk table, as the package carries them, and whether an exchange shows one of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from segmind_sd3_contract.oracle import media_type, picture_members, speaks_of_credits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_contract.oracle import Exchange

ERROR_MEMBERS: Final = ("error", "message", "detail", "html-message")
"""The members of an error's JSON that may hold its text."""

Kind = Literal["default", "refusal", "repair", "diagnosis"]

GRADES: Final = ("vendor", "client", "reported", "inferred")
"""How surely something was seen, the surest first; `policy`, the grade of what the SDK does, is none."""


@dataclass(frozen=True, slots=True)
class Action:
    """An overlay action that a row cites: how surely something is known, and from where."""

    id: str
    grade: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Quirk:
    """A row. `openapi/quirks.yaml` says what each field holds; what a row leaves out is empty."""

    name: str
    kind: Kind
    documented: str
    observed: str
    sdk: str
    probe: str
    actions: tuple[Action, ...]

    @property
    def grade(self) -> str:
        """The grades of the observations that the row cites, the surest first; empty without any."""
        return ", ".join(grade for grade in GRADES if any(each.grade == grade for each in self.actions))


@cache
def quirks() -> Mapping[str, Quirk]:
    """Return every row by its name."""
    rows: list[dict[str, Any]] = json.loads(
        files("segmind_sd3_api").joinpath("quirks.json").read_text("utf-8")
    )
    for row in rows:
        row["actions"] = tuple(Action(**each) for each in row["actions"])
    return {row["name"]: Quirk(**row) for row in rows}


def shows(row: str, seen: Exchange) -> bool:
    """Return whether an exchange shows a row, of those that one exchange alone can show."""
    named, picture = media_type(seen), picture_type(seen.body)
    match row, seen.status:
        case "wrong-media-type", 200 if picture:
            return not named.startswith("image/")
        case "wrong-media-type", 200:
            return seen.body[:64].lstrip().startswith(b"{") and not named.endswith("json")
        case "reply-format", 200:
            return picture is not None and named.startswith("image/") and named != picture
        case "several-images", 200:
            members = _members(seen)
            return not members.get("image") and any(members.get(name) for name in picture_members())
        case "error-in-200", 200:
            members = _members(seen)
            return "image" not in members and any(members.get(name) for name in ERROR_MEMBERS)
        case "406-not-only-credits", 406:
            return not speaks_of_credits(seen.body.decode("utf-8", "replace"))
        case "405-html", 405:
            return _is_html(seen)
        case "gateway-html", status if status > 500:
            return _is_html(seen)
        case "no-retry-after", 429:
            reset = seen.headers.get("x-rate-limit-reset-at-utc", "")
            return re.search(r"\d", reset) is not None and "retry-after" not in seen.headers
        case _:
            return False


def picture_type(body: bytes) -> str | None:
    """Return the media type that the first bytes of a picture show; None for all else."""
    for start, name in ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"RIFF", "image/webp")):
        if body.startswith(start):
            return name
    return None


def _is_html(seen: Exchange) -> bool:
    return re.match(rb"\s*<(!doctype|html|head|\?xml)", seen.body, re.IGNORECASE) is not None


def _members(seen: Exchange) -> dict[str, Any]:
    """Return the members of a reply's JSON object, whatever its content type; none where it holds no such."""
    try:
        content: object = json.loads(seen.body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}
