"""A page's parameter as the keywords of a property: what `segmind_sd3_pipeline.pages.facts` reads back.

A default that the property itself would refuse is kept as `x-documented-default`, which stands beside the
rules of OpenAPI. An open enum has its known values among its `examples`: the default and the sample's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.facts import KEYWORDS, OTHER_TYPES, USUAL_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

ORDER: Final = (
    *("type", "default", "minimum", "maximum", "multipleOf", "x-bounds-from", "x-documented-default"),
    *("x-affects-pricing", "x-documented-type", "x-lists-values", "enum", "examples", "description"),
)
"""In which order the keywords of a property stand."""

OURS: Final = frozenset({"description"})
"""What no page decides."""

JSON_TYPES: Final = {word: kind for kind, word in USUAL_TYPE.items()} | OTHER_TYPES
NUMBER: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
MISSING: Final = object()


class NoSuchProperty(ValueError):
    """A parameter that no property can be made of. `str()` says why."""


def property_of(
    attribute: Facts, sampled: object, old: Mapping[str, Any], formerly_said: tuple[object, ...] = ()
) -> dict[str, Any]:
    """The keywords that a page decides, in their order.

    Args:
        attribute: what the page says of it.
        sampled: the value in the page's sample, or None.
        old: the property as it is, or nothing.
        formerly_said: what the page's default and its sample were: they leave the examples when they go.

    Raises:
        NoSuchProperty: its type is none that the contract can carry, or a bound is no number.
    """
    word = attribute["type"]
    if word not in JSON_TYPES:
        known = ", ".join(sorted(JSON_TYPES))
        raise NoSuchProperty(
            f"{attribute['name']} has the type {word}; what the contract can carry is {known}."
        )
    made: dict[str, Any] = {"type": JSON_TYPES[word]}
    if word != USUAL_TYPE[made["type"]]:
        made["x-documented-type"] = word
    made |= _bounds(attribute) | _values(attribute)
    if "affects_pricing" in attribute:
        made["x-affects-pricing"] = attribute["affects_pricing"]
    if "default" in attribute:
        keyword, default = _default(attribute["default"], made, old)
        made[keyword] = default
    if word.startswith("enum:") and (examples := _examples(made, sampled, old, formerly_said)):
        made["examples"] = examples
    return {keyword: made[keyword] for keyword in ORDER if keyword in made}


def _bounds(attribute: Facts) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for fact, keyword in KEYWORDS.items():
        if fact in attribute:
            is_text = keyword.startswith("x-")
            made[keyword] = attribute[fact] if is_text else _number(attribute[fact])
            if made[keyword] is MISSING:
                raise NoSuchProperty(
                    f"{attribute['name']} has the {fact} {attribute[fact]}, which is no number."
                )
    return made


def _values(attribute: Facts) -> dict[str, Any]:
    values = attribute.get("allowed_values")
    has_list = values is not None
    is_usual = has_list == (attribute["type"].startswith("enum:") or bool(values))
    made: dict[str, Any] = {} if is_usual else {"x-lists-values": has_list}
    return made | ({"enum": list(values)} if values else {})


def _number(text: str) -> Any:
    """The number that is printed as this text."""
    for read in (int, float):
        if NUMBER.fullmatch(text) and _reads(read, text) and str(read(text)) == text:
            return read(text)
    return MISSING


def _reads(read: type[int | float], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _default(text: str, made: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[str, object]:
    """Keyword and value of a default that a page prints as this text."""
    number = _number(text)
    match made["type"]:
        case "boolean":
            value = {"1": True, "0": False}.get(text, text)
            is_sendable = isinstance(value, bool)
        case "integer" | "number":
            value = text if number is MISSING else number
            types = (int,) if made["type"] == "integer" else (int, float)
            is_sendable = isinstance(value, types) and _is_within(value, made)
        case _:
            for keyword in ("default", "x-documented-default"):
                # Which of the two a text like "1" is, somebody decided.
                if keyword in old and _printed(old[keyword]) == text and _is_listed(text, made, keyword):
                    return keyword, old[keyword]
            # A number or None is hardly a text that anybody means.
            is_odd = not made.get("enum") and (number is not MISSING or text == "None")
            value = number if is_odd and number is not MISSING else text
            is_sendable = not is_odd and _is_listed(text, made, "default")
    return ("default" if is_sendable else "x-documented-default"), value


def _printed(value: object) -> str:
    return str(int(value) if isinstance(value, bool) else value)


def _is_listed(text: str, made: Mapping[str, Any], keyword: str) -> bool:
    return keyword != "default" or not made.get("enum") or text in made["enum"]


def _is_within(value: float, made: Mapping[str, Any]) -> bool:
    return not (
        value < made.get("minimum", value)
        or value > made.get("maximum", value)
        or ("multipleOf" in made and value % made["multipleOf"])
    )


def _examples(
    made: Mapping[str, Any], sampled: object, old: Mapping[str, Any], formerly_said: tuple[object, ...]
) -> list[Any]:
    said = [value for value in (made.get("default"), sampled) if is_told(value)]
    others = [value for value in old.get("examples", []) if value not in formerly_said]
    kept = [value for value in old.get("examples", []) if value in said or value in others]
    return list(dict.fromkeys([*kept, *said]))


def is_told(value: object) -> bool:
    """Whether a value of a sample is the text itself, not its digest or code."""
    return isinstance(value, str) and not DIGEST.fullmatch(value)


def same(one: object, other: object) -> bool:
    """Whether two values are the same as JSON, where true is not 1 and 1 not 1.0."""
    return json.dumps(one) == json.dumps(other)
