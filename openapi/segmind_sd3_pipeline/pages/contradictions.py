"""Find where a page contradicts itself, and the row of the quirk table for each contradiction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.attributes import NUMBER, NUMBERS
from segmind_sd3_pipeline.pages.facts import JSON_WORDS, may_be_none

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from segmind_sd3_pipeline.pages.facts import Facts

ANY: Final = "*"
LARGE: Final = "stable-diffusion-3-large-img2img"
MEDIUM: Final = "stable-diffusion-3-medium-txt2img"
TURBO: Final = "stable-diffusion-3.5-turbo-txt2img"

BELOW_MINIMUM: Final = "steps-default-below-minimum"
ROWS: Final[dict[tuple[str, str, str], str]] = {
    ("default outside its bounds", TURBO, "steps"): BELOW_MINIMUM,
    ("sample outside its bounds", TURBO, "steps"): BELOW_MINIMUM,
    ("default that may be none", LARGE, "prompt"): "prompt-default-1",
    ("default that may be none", LARGE, "negative_prompt"): "prompt-default-1",
    ("default that may be none", ANY, "base64"): "base64-default-1",
    ("default of another type", MEDIUM, "negative_prompt"): "negative-prompt-none",
    ("enum without values", LARGE, "mode"): "mode-without-values",
    ("enum without values", TURBO, "sampler"): "sampler-required-no-values",
    ("enum without values", TURBO, "scheduler"): "sampler-required-no-values",
    ("enum without values", ANY, ANY): "enum-without-values",
    ("required, and nothing to choose from", LARGE, "mode"): "mode-without-values",
    ("required, and nothing to choose from", TURBO, "sampler"): "sampler-required-no-values",
    ("required, and nothing to choose from", TURBO, "scheduler"): "sampler-required-no-values",
    ("code inside quotes", ANY, "image"): "tob64-inside-quotes",
    ("address opened as a file", ANY, "image"): "tob64-url-as-file",
}
"""The quirk row for a contradiction, a page and a parameter. `ANY` stands for any page or parameter."""

CALL: Final = re.compile(r"\s*(?:await\s+)?([A-Za-z_$][\w.$]*)\s*\(.*\)\s*", re.DOTALL)
OPENS_A_FILE: Final = re.compile(r"\s*(?:await\s+)?(?:toB64|(?=\w*file)\w+)\s*\(\s*['\"]https?:")
BOOLEANS: Final = frozenset({"0", "1", "true", "false", "True", "False"})
NO_TEXT: Final = frozenset({"None", "null", "undefined", "true", "false", "True", "False"})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One contradiction in a parameter, details in the page's own words, and its quirk row, if any."""

    attribute: str
    what: str
    details: str
    row: str | None


def contradictions(facts: Facts, rows: Collection[str]) -> list[Contradiction]:
    """List where a page contradicts itself. `rows` are the names of all quirks."""
    values = facts["sample"]["values"]
    found = [
        (each["name"], what, details)
        for each in facts.get("attributes", ())
        for what, details in _attribute_contradictions(each, values.get(each["name"]), facts.get("reply", ""))
    ]
    if "attributes" in facts:
        known = {each["name"] for each in facts["attributes"]}
        found += [
            (name, "sent, and no parameter", "in the sample alone") for name in values if name not in known
        ]
    return [
        Contradiction(name, what, details, _row(what, facts["slug"], name, rows))
        for name, what, details in found
    ]


def unused_rows(pages: Iterable[Facts]) -> set[str]:
    """Return the quirk rows that no contradiction of a page needs."""
    needed = {each.row for facts in pages for each in contradictions(facts, ROWS.values())}
    return {row for row in ROWS.values() if row not in needed}


def _row(what: str, slug: str, attribute: str, rows: Collection[str]) -> str | None:
    keys = ((what, slug, attribute), (what, ANY, attribute), (what, ANY, ANY))
    return next((ROWS[key] for key in keys if ROWS.get(key) in rows), None)


def _attribute_contradictions(attribute: Facts, sample: Any, reply: str) -> Iterator[tuple[str, str]]:
    default = attribute.get("default")
    if default is not None:
        yield from _default_contradictions(attribute, default, sample, reply)
    if sample is not None:
        yield from _sample_contradictions(attribute, sample)
    if "values_as_printed" in attribute:
        yield "values run together", f"{attribute['values_as_printed']}, which splits in more than one way"
    if attribute.get("allowed_values") == []:
        yield "enum without values", attribute["type"]
        if attribute.get("required") and default is None:
            yield "required, and nothing to choose from", attribute["type"]


def _default_contradictions(
    attribute: Facts, default: str, sample: object, reply: str
) -> Iterator[tuple[str, str]]:
    kind, values = attribute["type"], attribute.get("allowed_values")
    if kind in JSON_WORDS or "default_type" in attribute:
        yield from _json_default_contradictions(attribute, default)
    elif may_be_none(default, sample):
        yield "default that may be none", f"{kind} with the default {default}"
    elif not _is_of_type(default, kind):
        yield "default of another type", f"{kind} with the default {default}"
    elif not _is_within(default, attribute):
        yield "default outside its bounds", f"{default}, and {_bounds(attribute)}"
    elif values and default not in values:
        yield "default outside its values", f"{default}, and {_listed(values)}"
    if attribute["name"] == "base64" and default in {"true", "True"} and "json" not in reply:
        yield "text by default, picture as the reply", f"{default}, and {reply}"


def _json_default_contradictions(attribute: Facts, default: str) -> Iterator[tuple[str, str]]:
    """Yield the contradictions of a default that the page prints as JSON, and which therefore has a type."""
    values = attribute.get("allowed_values", [])
    if kind := attribute.get("default_type"):
        yield "default of another type", f"{attribute['type']} with a {kind} as the default: {default}"
    elif attribute["type"] == "integer" and not _is_of_type(default, "integer"):
        yield "default of another type", f"integer with the default {default}"
    elif attribute["type"] in NUMBERS and not _is_within(default, attribute):
        yield "default outside its bounds", f"{default}, and {_bounds(attribute)}"
    elif values and default not in map(str, values) and not _is_cut(attribute):
        yield "default outside its values", f"{default}, and {_listed(values)}"


def _is_cut(attribute: Facts) -> bool:
    """Return whether the page shows only some of the values."""
    return "values_more" in attribute or "values_total" in attribute


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _sample_contradictions(attribute: Facts, sample: Any) -> Iterator[tuple[str, str]]:
    values = attribute.get("allowed_values")
    is_number = isinstance(sample, (int, float)) and not isinstance(sample, bool)
    if is_number and not _is_within(str(sample), attribute):
        yield "sample outside its bounds", f"{sample}, and {_bounds(attribute)}"
    if isinstance(sample, str) and CALL.fullmatch(sample):
        yield "code inside quotes", sample
    elif attribute["type"] in JSON_WORDS and not _is_of_json_type(sample, attribute["type"]):
        yield "sample of another type", f"{json.dumps(sample)} for {attribute['type']}"
    elif (
        isinstance(sample, (str, int))
        and values
        and not _is_cut(attribute)
        and str(sample) not in map(str, values)
    ):
        yield "sample outside its values", f"{sample}, and {_listed(values)}"
    match sample:
        case str(code) | {"code": str(code)} if OPENS_A_FILE.match(code):
            yield "address opened as a file", code
        case _:
            pass


def _bounds(attribute: Facts) -> str:
    step = f" by {attribute['multiple_of']}" if "multiple_of" in attribute else ""
    return " to ".join(attribute.get(bound, "any") for bound in ("min", "max")) + step


def _is_of_type(text: str, kind: str) -> bool:
    """Return whether a default has its type. A text that reads as another type's value does not."""
    if kind in ("int", "integer"):
        return re.fullmatch(NUMBER, text) is not None and Fraction(text).denominator == 1
    if kind in NUMBERS:
        return re.fullmatch(NUMBER, text) is not None
    if kind in ("bool", "boolean"):
        return text in BOOLEANS
    if kind in ("str", "string"):
        return text not in NO_TEXT and not re.fullmatch(NUMBER, text)
    return True


def _is_of_json_type(sample: object, kind: str) -> bool:
    if isinstance(sample, dict):
        return True  # code, whose value is unknown
    is_number = isinstance(sample, (int, float)) and not isinstance(sample, bool)
    match kind:
        case "integer":
            return isinstance(sample, int) and is_number
        case "number":
            return is_number
        case _:
            return isinstance(sample, str)


def _is_within(text: str, attribute: Facts) -> bool:
    if not re.fullmatch(NUMBER, text):
        return True
    number = Fraction(text)
    low, high, step = (Fraction(attribute.get(name, 0)) for name in ("min", "max", "multiple_of"))
    if ("min" in attribute and number < low) or ("max" in attribute and number > high):
        return False
    return step == 0 or number % step == 0
