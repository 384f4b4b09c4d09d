"""Read the parameters of a page of the N family.

A parameter has a line `promptrequired`, below it its type, then a description, a default as JSON, a range
and allowed values, each of which may be missing. Nothing separates it from the next one. So a parameter
begins where a name with `required` or `optional` has a type below it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.attributes import add_facts_in_words, in_order, is_number_above
from segmind_sd3_pipeline.pages.layouts.recognise import PARAMETER, PARAMETER_TYPE
from segmind_sd3_pipeline.pages.nesting import Listed, nest
from segmind_sd3_pipeline.pages.page_error import Line, PageError
from segmind_sd3_pipeline.pages.value_lists import read_values
from segmind_sd3_pipeline.pages.words import NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

RANGE: Final = re.compile(rf"Range:\s?({NUMBER})\s?[-\u2013]\s?({NUMBER})")
VALUES: Final = re.compile(r"Allowed values(?:\s?\((?P<total>\d{1,9}) total\))?\s?:\s?(?P<rest>.*)")
ITEMS: Final = re.compile(r"(?:Array items|Object properties|Properties)\s?:")
JSON_KINDS: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
INTEGER: Final = re.compile(r"-?\d{1,40}")
MAX_SHOWN: Final = 80


def read_parameters(lines: list[Line], values: Mapping[str, Any]) -> list[Facts]:
    """Return the parameters in the order of the sample, then those that it lacks, with descriptions as text.

    Raises:
        PageError: A line is not understood, or the place of a nested parameter can't be settled.
    """
    filled = [line for line in lines if line.text]
    starts = [at for at in range(len(filled)) if _begins_parameter(filled, at, values)]
    if not starts or starts[0]:
        line = filled[0] if filled else None
        raise PageError(
            "parameters",
            line.number if line else 0,
            "a parameter's name with required or optional, as promptrequired, and below it the type",
            line.text if line else "nothing",
        )
    ends = [*starts[1:], len(filled)]
    listed = [_read_parameter(filled[at:end], values) for at, end in zip(starts, ends, strict=True)]
    order = {name: place for place, name in enumerate(values)}
    attributes = nest(listed, values, is_settled_by_layout=False)
    attributes.sort(key=lambda each: order.get(each["name"], len(order)))
    return [in_order(each) for each in attributes]


def _begins_parameter(filled: list[Line], at: int, values: Mapping[str, Any]) -> bool:
    found = PARAMETER.fullmatch(filled[at].text)
    if not found:
        return False
    following = filled[at + 1] if at + 1 < len(filled) else Line(filled[at].number, "nothing")
    if PARAMETER_TYPE.fullmatch(following.text):
        return True
    if found["name"] in values:
        raise PageError(
            "parameters", following.number, f"the type of {found['name']}, as string", following.text
        )
    return False


def _read_parameter(lines: list[Line], values: Mapping[str, Any]) -> Listed:
    header, kind, *body = lines
    found = PARAMETER.fullmatch(header.text)
    name = found["name"] if found else header.text
    attribute: Facts = {"name": name, "type": kind.text}
    if found and found["need"] == "required":
        attribute["required"] = True
    count = next((at for at, line in enumerate(body) if _is_rule(line.text)), len(body))
    description, rules = body[:count], body[count:]
    has_items = _read_rules(attribute, rules, values)
    if description:
        attribute["description"] = "\n".join(line.text for line in description)
        add_facts_in_words(attribute, attribute["description"])
    return Listed(attribute, header.number, has_items or kind.text in {"object", "object[]"})


def _is_rule(text: str) -> bool:
    return bool(
        text.startswith("Default:")
        or RANGE.fullmatch(text)
        or VALUES.fullmatch(text)
        or ITEMS.fullmatch(text)
    )


def _read_rules(attribute: Facts, rules: list[Line], values: Mapping[str, Any]) -> bool:
    """Add default, range and allowed values to a parameter. Return whether its items are listed below it."""
    at, has_items = 0, False
    lists: list[tuple[Line, list[str]]] = []
    while at < len(rules):
        line = rules[at]
        if line.text.startswith("Default:") and "default" not in attribute and "no_default" not in attribute:
            at = _read_default(attribute, rules, at)
        elif found := RANGE.fullmatch(line.text):
            _add_range(attribute, found, line)
            at += 1
        elif ITEMS.fullmatch(line.text) and not has_items:
            has_items = True
            at += 1
        elif (found := VALUES.fullmatch(line.text)) and not lists:
            end = next((n for n in range(at + 1, len(rules)) if _is_rule(rules[n].text)), len(rules))
            lists.append(
                (
                    line,
                    [text for text in (found["rest"], *(each.text for each in rules[at + 1 : end])) if text],
                )
            )
            if found["total"]:
                attribute["values_total"] = found["total"]
            at = end
        else:
            raise PageError(
                "parameters",
                line.number,
                f"the default, range or values of {attribute['name']}, once",
                line.text,
            )
    for line, texts in lists:
        _add_values(attribute, line, texts, values.get(attribute["name"]))
    return has_items


def _read_default(attribute: Facts, rules: list[Line], at: int) -> int:
    """Read a default, which may go on below, and a range on its last line. Return the next position."""
    line = rules[at]
    name = attribute["name"]
    text = "\n".join(each.text for each in rules[at:])[len("Default:") :].lstrip(" ")
    decoder = json.JSONDecoder(strict=False, parse_constant=_reject_constant)
    try:
        value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        raise PageError("parameters", line.number, f"the default of {name} as JSON", line.text) from None
    written = text[:end]
    rest = text[end:].split("\n", 1)[0].strip()
    if rest:
        found = RANGE.fullmatch(rest)
        if not found:
            raise PageError(
                "parameters", line.number, f"the end of the default of {name}, or its range", rest
            )
        _add_range(attribute, found, line)
    _add_default(attribute, value, written)
    return at + written.count("\n") + 1


def _add_default(attribute: Facts, value: object, written: str) -> None:
    if value is None:
        attribute["no_default"] = "null"
        return
    kind = next(name for kind, name in JSON_KINDS.items() if isinstance(value, kind))
    is_simple = isinstance(value, (str, bool, int, float))
    attribute["default"] = (
        value if isinstance(value, str) else written if is_simple else json.dumps(value, ensure_ascii=False)
    )
    declared = attribute["type"].partition(" ")[0]
    declared = "array" if declared.endswith("[]") else declared
    if (
        kind != declared
        and not (declared == "number" and kind == "integer")
        and declared not in {"any", "file"}
    ):
        attribute["default_type"] = kind


def _add_range(attribute: Facts, found: re.Match[str], line: Line) -> None:
    if "min" in attribute:
        raise PageError("parameters", line.number, f"the range of {attribute['name']} once", line.text)
    if not is_number_above(found[2], found[1]):
        raise PageError("parameters", line.number, f"the lower bound of {attribute['name']} first", line.text)
    attribute["min"], attribute["max"] = found[1], found[2]


def _add_values(attribute: Facts, line: Line, texts: list[str], sampled: object) -> None:
    numbers = [
        int(str(each))
        for each in (attribute.get("default"), sampled)
        if each is not None and not isinstance(each, bool) and INTEGER.fullmatch(str(each))
    ]
    bounds = (float(attribute.get("min", "-inf")), float(attribute.get("max", "inf")))
    found = read_values(texts, list(dict.fromkeys(numbers)), bounds)
    if not found:
        raise PageError(
            "parameters",
            line.number,
            f"the allowed values of {attribute['name']}",
            " ".join(texts)[:MAX_SHOWN],
        )
    if found.as_printed:
        attribute["values_as_printed"] = found.as_printed
        return
    if len({json.dumps(value) for value in found.values}) != len(found.values):
        raise PageError(
            "parameters", line.number, f"each value of {attribute['name']} once", " ".join(texts)[:MAX_SHOWN]
        )
    attribute["allowed_values"] = list(found.values)
    if found.more:
        attribute["values_more"] = found.more


def _reject_constant(constant: str) -> Any:
    raise ValueError(constant)
