"""Two schemas compared: what JSON Schema itself says of values is never contradicted by the rating."""

from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from segmind_sd3_pipeline.changes.effects import worst_of
from segmind_sd3_pipeline.changes.schemas import compare_schemas

Schema = dict[str, Any]

NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 0.5, 1.5])
SIZES = st.integers(0, 3)
NAMES = st.sampled_from(["a", "b", "ab"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])

PLAIN = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "exclusiveMinimum": NUMBERS,
    "exclusiveMaximum": NUMBERS,
    "multipleOf": st.sampled_from([0.5, 1, 2, 3]),
    "minLength": SIZES,
    "maxLength": SIZES,
    "pattern": st.sampled_from(["^a", "b$"]),
    "minItems": SIZES,
    "maxItems": SIZES,
    "uniqueItems": st.booleans(),
    "minProperties": SIZES,
    "maxProperties": SIZES,
    "enum": st.lists(NUMBERS | st.text("ab", max_size=2) | st.none(), min_size=1, max_size=3),
    "const": NUMBERS | st.text("ab", max_size=2) | st.none(),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
    "minContains": st.integers(0, 2),
    "maxContains": st.integers(0, 2),
    "title": st.just("A title"),
}


def schemas_around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    nested = {
        "items": inner,
        "contains": inner,
        "additionalProperties": inner,
        "propertyNames": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
        "properties": st.dictionaries(NAMES, inner, max_size=2),
        "prefixItems": several,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        **dict.fromkeys(("not", "if", "then", "else"), inner),
    }
    return st.booleans() | few_of(PLAIN | nested)


def few_of(words: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Schema]:
    chosen = st.lists(st.sampled_from(sorted(words)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: words[name] for name in names}))


SCHEMAS = st.recursive(few_of(PLAIN), schemas_around, max_leaves=4)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a schema, and another one or an edit of the first."""
    before: Any = draw(SCHEMAS)
    after: Any = draw(SCHEMAS)
    if isinstance(before, dict) and isinstance(after, dict) and draw(st.booleans()):
        first, second = cast("Schema", before), cast("Schema", after)
        return first, {word: first[word] for word in first if draw(st.integers(0, 3))} | second
    return cast("tuple[Any, Any]", (before, after))


def is_valid(schema: Any, value: Any) -> bool:
    return not list(Draft202012Validator(schema).iter_errors(value))  # pyright: ignore[reportUnknownMemberType]


def adds_properties(before: Any, after: Any) -> bool:
    """Return whether a property was added to an open object: that is additive by convention."""
    return any(
        each.effect.request == each.effect.reply == "additive" for each in compare_schemas(before, after)
    )


@settings(max_examples=200)
@pytest.mark.slow
@given(pairs(), VALUES)
def test_no_value_that_was_allowed_is_refused_after_a_change_that_is_not_breaking(
    pair: tuple[Any, Any], value: Any
):
    before, after = pair
    found = list(compare_schemas(before, after))
    assume(worst_of(each.effect.request for each in found) in ("harmless", "additive"))
    assume(not adds_properties(before, after))

    assert is_valid(after, value) or not is_valid(before, value)


@settings(max_examples=200)
@pytest.mark.slow
@given(pairs(), VALUES)
def test_no_value_that_could_not_be_replied_can_be_after_a_change_that_is_not_breaking(
    pair: tuple[Any, Any], value: Any
):
    before, after = pair
    found = list(compare_schemas(before, after))
    assume(worst_of(each.effect.reply for each in found) in ("harmless", "additive"))

    assert is_valid(before, value) or not is_valid(after, value)


@given(SCHEMAS)
def test_a_schema_does_not_differ_from_itself(schema: Any):
    assert list(compare_schemas(schema, schema)) == []


@given(st.decimals("0.001", "9", places=3), st.integers(1, 50))
@example(0.1, 3)
def test_a_multiple_of_a_multiple_is_found_in_decimal_arithmetic(step: Any, times: int):
    wide, narrow = float(step), float(Fraction(str(step)) * times)

    found = [each.effect.request for each in compare_schemas({"multipleOf": narrow}, {"multipleOf": wide})]

    assert found == ([] if times == 1 else ["additive"])
