"""Compare two JSON Schemas keyword by keyword: does the later one allow more, less, or something else?

Keywords of a schema hold together. So a schema allows more if each changed keyword does. The exceptions are
keywords that change what others mean, such as `additionalProperties`: they are compared with more caution. A
keyword without a rule is unknown.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_pipeline.changes.effects import (
    ADDS,
    DIFFERS,
    NARROWS,
    NONE,
    UNKNOWN,
    WIDENS,
    Effect,
    effect_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Schema = dict[str, Any]

CLAUSE_NAMES: Final = {
    "multipleOf": "multiple of",
    "enum": "allowed values",
    "x-documented-default": "default",
    "x-documented-name": "name",
    "x-documented-type": "the page's type",
    "x-affects-pricing": "affects the price",
    "x-bounds-from": "the bounds' source",
}
"""Clause names that differ from the document's. Both spellings of a default are one clause."""

ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "summary", "$comment", "example", "examples", "externalDocs", "deprecated"),
        *("name", "the page's type", "affects the price", "the bounds' source"),
    }
)
"""Clauses that change nothing on the wire."""

TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})

WORDS_OF_TYPE: Final = {
    "string": ("minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType", "contentSchema"),
    "array": (
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("contains", "minContains", "maxContains"),
    ),
    "object": (
        *("properties", "patternProperties", "additionalProperties", "propertyNames"),
        *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas"),
    ),
    "number": ("minimum", "maximum", "multiple of"),
}
TYPE_OF_WORD: Final = {word: kind for kind, words in WORDS_OF_TYPE.items() for word in words}
"""The one type that a keyword constrains. Values of other types satisfy it."""

NO_CONSTRAINT: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("minLength", "minItems", "minProperties"), (0,)),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames"), (True, {})),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), (False,)),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "dependentRequired"), ({},)),
    **dict.fromkeys(("required", "prefixItems", "allOf"), ([],)),
}
"""Values of keywords that mean the same as their absence."""

WIDER_FORMATS: Final = {("int64", "int32"), ("double", "float"), ("double", "int32"), ("iri", "uri")}


def as_json(value: Any) -> str:
    """Return a value as JSON, in which true is not 1, and the order of keys has no meaning."""
    return json.dumps(value, sort_keys=True)


# -- One spelling -----------------------------------------------------------------------------------------


def normalize(schema: Any) -> Schema:
    """Return the clauses of a schema, with one spelling for what has several in JSON Schema.

    A default of null is written as an object, because None is no value.
    """
    if not isinstance(schema, dict):
        return {"not": {}} if schema is False else {}
    words = {
        CLAUSE_NAMES.get(word, word): {"value": None} if value is None else value
        for word, value in cast("Schema", schema).items()
        if (value is not None or word in ("const", "default"))
        and not any(_equal(value, each) for each in NO_CONSTRAINT.get(word, ()))
    }
    if "type" in words:
        kinds = {words["type"]} if isinstance(words["type"], str) else set(cast("list[str]", words["type"]))
        kinds -= {"integer"} if "number" in kinds else set()
        words["type"] = min(kinds) if len(kinds) == 1 else sorted(kinds)
    if "const" in words:
        words.pop("const")
        constant = cast("Schema", schema)["const"]
        listed = words.get("allowed values", [constant])
        words["allowed values"] = [each for each in listed if _equal(each, constant)]
    if "allowed values" in words:
        words["allowed values"] = sorted(words["allowed values"], key=as_json)
    if "contains" in words:
        words.setdefault("minContains", 1)
    if "contains" not in words or (words["minContains"] == 0 and "maxContains" not in words):
        for word in ("contains", "minContains", "maxContains"):
            words.pop(word, None)
    is_integer = "number" not in types_of(words)
    for name, exclusive, step in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        bound = _strictest(words.pop(name, None), words.pop(exclusive, None), step, is_integer=is_integer)
        words |= {} if bound is None else {name: bound}
    if is_integer and "multiple of" in words and 1 % _exact(words["multiple of"]) == 0:
        del words["multiple of"]
    return words


def _equal(one: Any, other: Any) -> bool:
    return as_json(one) == as_json(other)


def _exact(number: Any) -> Fraction:
    """Return a number as it is written: 0.3 is three tenths."""
    return Fraction(str(number))


def _strictest(inclusive: Any, exclusive: Any, step: int, *, is_integer: bool) -> Any:
    """Return the bound that counts: a number, or `{"exclusive": number}`."""
    bounds = [
        *([] if inclusive is None else [(step * _exact(inclusive), False, inclusive)]),
        *([] if exclusive is None else [(step * _exact(exclusive), True, exclusive)]),
    ]
    if not bounds:
        return None
    exact, is_exclusive, number = max(bounds)
    if is_integer:
        return step * (math.floor(exact) + 1 if is_exclusive else math.ceil(exact))
    return {"exclusive": number} if is_exclusive else number


def types_of(words: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema allows."""
    given = words.get("type", TYPES)
    kinds = {given} if isinstance(given, str) else set(given)
    return kinds | ({"integer"} if "number" in kinds else set())


# -- One keyword ------------------------------------------------------------------------------------------


def _bound(value: Any) -> tuple[Fraction, bool]:
    match value:
        case {"exclusive": number}:
            return _exact(number), True
        case _:
            return _exact(value), False


def _includes_maximum(wide: Any, narrow: Any) -> bool:
    (high, is_exclusive), (low, other) = _bound(wide), _bound(narrow)
    return (high, not is_exclusive) >= (low, not other)


def _never(_wide: Any, _narrow: Any) -> bool:
    """Which of two different values allows more is not decided."""
    return False


INCLUDES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minimum": lambda wide, narrow: _bound(wide) <= _bound(narrow),
    "maximum": _includes_maximum,
    "multiple of": lambda wide, narrow: _exact(narrow) % _exact(wide) == 0,
    "allowed values": lambda wide, narrow: set(map(as_json, narrow)) <= set(map(as_json, wide)),
    "type": lambda wide, narrow: types_of({"type": narrow}) <= types_of({"type": wide}),
    "format": lambda wide, narrow: (wide, narrow) in WIDER_FORMATS,
    **dict.fromkeys(
        ("minLength", "minItems", "minProperties", "minContains"), lambda wide, narrow: wide <= narrow
    ),
    **dict.fromkeys(
        ("maxLength", "maxItems", "maxProperties", "maxContains"), lambda wide, narrow: wide >= narrow
    ),
    **dict.fromkeys(("pattern", "contentEncoding", "contentMediaType"), _never),
    **dict.fromkeys(("uniqueItems", "dependentRequired"), _never),
}
"""For each keyword, whether one value allows everything that another allows."""

MARKS: Final[Mapping[str, tuple[Effect, Effect]]] = {
    "readOnly": (Effect("breaking", "harmless"), Effect("additive", "harmless")),
    "writeOnly": (Effect("harmless", "breaking"), Effect("harmless", "additive")),
}
"""The effects of a mark that is set and of one that is removed."""


def keyword_effect(word: str, before: Any, after: Any, *, is_required: bool = False) -> Effect:
    """Return the effect of a changed keyword whose value is no schema. None is its absence."""
    if word in ANNOTATIONS or word.startswith("x-page "):
        return NONE
    if word == "default":
        # A call without the parameter means something else if the default changes or disappears.
        request = "harmless" if is_required else "additive" if before is None else "breaking"
        return Effect(request, "harmless")
    if word in MARKS:
        return MARKS[word][after is None]
    if rule := INCLUDES.get(word):
        return effect_of(before, after, rule)
    return UNKNOWN


# -- Schemas in schemas -----------------------------------------------------------------------------------

SUBSCHEMAS: Final = frozenset(
    {
        *("items", "additionalProperties", "propertyNames", "contains", "contentSchema"),
        *("not", "if", "then", "else"),
    }
)
MAPS: Final = frozenset({"patternProperties", "dependentSchemas"})
LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A keyword in which two schemas differ. `place` leads to it from the schema that was compared."""

    place: tuple[str, ...]
    before: Any
    after: Any
    effect: Effect


def compare_schemas(before: Any, after: Any, *, is_required: bool = False) -> Iterator[Difference]:
    """Yield each difference of two schemas. `is_required` means that a value is always given."""
    texts = as_json(before), as_json(after)
    if texts[0] != texts[1] and any('"unevaluated' in text for text in texts):
        # Such a keyword depends on all others, which are therefore not compared one by one.
        yield Difference(("unevaluated properties or items",), before, after, UNKNOWN)
        return
    old, new = normalize(before), normalize(after)
    for each in _differences(old, new, is_required=is_required):
        kind = TYPE_OF_WORD.get(each.place[0])
        applies = kind is None or kind in types_of(old) | types_of(new)
        applies = applies or (kind == "number" and "integer" in types_of(old) | types_of(new))
        yield each if applies or each.effect is UNKNOWN else replace(each, effect=NONE)


def _differences(old: Schema, new: Schema, *, is_required: bool) -> Iterator[Difference]:
    yield from _compare_properties(old, new)
    for word in {**old, **new}:
        before, after = old.get(word), new.get(word)
        if word in ("properties", "required") or _equal(before, after):
            continue
        if word in SUBSCHEMAS:
            yield from _compare_subschemas(word, before, after, is_capped="maxContains" in {**old, **new})
        elif word in MAPS:
            found = _compare_maps(word, before or {}, after or {})
            yield from _cautiously(found) if _is_closed(old) or _is_closed(new) else found
        elif word in LISTS:
            yield from _compare_lists(word, before, after)
        else:
            effect = keyword_effect(word, before, after, is_required=is_required)
            yield Difference((word,), before, after, effect)


def _is_closed(words: Schema) -> bool:
    return "additionalProperties" in words


def _inside(found: Iterable[Difference], *place: str) -> Iterator[Difference]:
    for each in found:
        yield replace(each, place=(*place, *each.place))


def _cautiously(found: Iterable[Difference]) -> Iterator[Difference]:
    """Take each difference that is not harmless for one in both directions."""
    for each in found:
        yield each if each.effect in (NONE, UNKNOWN) else replace(each, effect=DIFFERS)


def _compare_properties(old: Schema, new: Schema) -> Iterator[Difference]:
    before, after = old.get("properties", {}), new.get("properties", {})
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    for name in {**before, **after, **dict.fromkeys([*old.get("required", ()), *new.get("required", ())])}:
        place = ("properties", name)
        if name in before and name in after:
            found = compare_schemas(before[name], after[name], is_required=name in was & now)
            yield from _inside(found, *place)
        elif name in after:
            yield Difference(place, None, after[name], _effect_of_added(old, new))
        elif name in before:
            yield Difference(place, before[name], None, DIFFERS)
        if (name in was) != (name in now):
            effect = NARROWS if name in now else WIDENS
            yield Difference((*place, "required"), name in was, name in now, effect)


def _effect_of_added(old: Schema, new: Schema) -> Effect:
    """Return the effect of an added property, which depends on what other properties may be."""
    if "patternProperties" in {**old, **new}:
        return DIFFERS
    if not (_is_closed(old) or _is_closed(new)):
        return ADDS
    return WIDENS if old.get("additionalProperties") is False else DIFFERS


def _compare_subschemas(word: str, before: Any, after: Any, *, is_capped: bool) -> Iterator[Difference]:
    if word == "if" and not (before is None or after is None):
        effect = DIFFERS if any(each.effect != NONE for each in compare_schemas(before, after)) else NONE
        yield Difference((word,), before, after, effect)
        return
    if before is None or after is None or before is False or after is False:
        effect = NARROWS if before is None or after is False else WIDENS
        is_turned = word == "not" and before is not None and after is not None
        yield Difference((word,), before, after, Effect(*reversed(effect)) if is_turned else effect)
        return
    found = _inside(compare_schemas(before, after), word)
    if word == "not":
        found = (replace(each, effect=_turned(each.effect)) for each in found)
    elif word == "contains" and is_capped:
        found = _cautiously(found)
    yield from found


def _turned(effect: Effect) -> Effect:
    """Return the effect on what is allowed of an effect on what is excluded."""
    # Of an object with an added property, fewer values are excluded.
    return WIDENS if effect == ADDS else Effect(*reversed(effect))


def _compare_maps(word: str, before: Schema, after: Schema) -> Iterator[Difference]:
    for name in {**before, **after}:
        if name in before and name in after:
            yield from _inside(compare_schemas(before[name], after[name]), word, name)
        else:
            effect = NARROWS if name in after else WIDENS
            yield Difference((word, name), before.get(name), after.get(name), effect)


def _compare_lists(word: str, before: list[Any] | None, after: list[Any] | None) -> Iterator[Difference]:
    if word == "prefixItems" and (before is None or after is None or len(before) != len(after)):
        yield Difference((word,), before, after, DIFFERS)  # `items` no longer applies to the same items
        return
    if before is None or after is None:
        yield Difference((word,), before, after, NARROWS if before is None else WIDENS)
        return
    was, now = (before, after) if word == "prefixItems" else _unmatched(before, after)
    if len(was) == len(now):
        pairs = zip(was, now, strict=True)
        found = (each for old, new in pairs for each in _inside(compare_schemas(old, new), word))
    else:
        allows_more = bool(now) != (word == "allOf")
        effect = DIFFERS if was and now else WIDENS if allows_more else NARROWS
        found = [Difference((word,), before, after, effect)]
    is_overlapping = word == "oneOf" and not (_are_disjoint(before) and _are_disjoint(after))
    if is_overlapping and len(before) != len(after):
        yield Difference((word,), before, after, DIFFERS)  # a value that satisfies two of them is not allowed
    else:
        yield from _cautiously(found) if is_overlapping else found


def _unmatched(before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the schemas of either list that the other lacks, those of a type at the same position."""
    old, new = ({as_json(normalize(each)): each for each in schemas} for schemas in (before, after))
    return (
        sorted((old[key] for key in old.keys() - new.keys()), key=_sort_key),
        sorted((new[key] for key in new.keys() - old.keys()), key=_sort_key),
    )


def _sort_key(schema: Any) -> tuple[str, str]:
    return as_json(sorted(types_of(normalize(schema)))), as_json(schema)


def _are_disjoint(schemas: list[Any]) -> bool:
    """Return whether no value can satisfy two of the schemas, judged by their types."""
    kinds = [types_of(normalize(each)) for each in schemas]
    return sum(map(len, kinds)) == len(set[str]().union(*kinds))
