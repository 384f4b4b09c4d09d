"""Say how much of the contract a run has exercised: each clause that it states, and each side of it.

The two bundles are the list of what is stated, and the exchanges are what was exercised. A keyword of a
parameter counts only where the answer can be put down to it alone: inside, a body that the contract allows
and that has the bound itself; outside, a body in which this keyword is the only one that is broken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.bodies import default_of, known_values
from segmind_sd3_contract.conformance.calls import JSON
from segmind_sd3_contract.conformance.judging import PASSING
from segmind_sd3_contract.conformance.results import KEY_SHOWN_AS, Clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segmind_sd3_contract.conformance.judging import Readings
    from segmind_sd3_contract.conformance.results import Exchange
    from segmind_sd3_contract.oracle import Contract

CALL: Final = "(call)"
"""The place of what concerns no single parameter."""

INSIDE, OUTSIDE = "inside", "outside"
BOUNDS: Final = ("minimum", "maximum")

Stated = tuple[str, str, str, str]
"""A clause: operation, place, keyword, and the value in words."""

Sides = dict[str, int]


def covered(exchanges: Iterable[Exchange], readings: Readings) -> tuple[Clause, ...]:
    """Return every clause of the contract, with how often each of its sides was exercised.

    Clauses of the pages come first; then those that the observations add.
    """
    by_operation: defaultdict[str, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        if each.status is not None:
            by_operation[each.call.partition(":")[0]].append(each)
    documented = readings.pages.documented
    pages = oracle.Contract(documented, documented, "documented")
    found = _clauses(pages, by_operation)
    more = {
        stated: {side: calls for side, calls in sides.items() if side not in found.get(stated, {})}
        for stated, sides in _clauses(readings.observed, by_operation).items()
    }
    return (
        *(Clause(*stated, "documented", sides) for stated, sides in found.items()),
        *(Clause(*stated, "observed", sides) for stated, sides in more.items() if sides),
    )


def _clauses(contract: Contract, by_operation: Mapping[str, list[Exchange]]) -> dict[Stated, Sides]:
    found: dict[Stated, Sides] = {}
    for operation in contract.operations:
        exchanges = by_operation[operation]
        clauses = [*_request(contract, operation, exchanges), *_replies(contract, operation, exchanges)]
        found |= {(operation, *words): sides for words, sides in clauses}
    return found


# -- Requests ---------------------------------------------------------------------------------------------

Words = tuple[str, str, str]


def _request(
    contract: Contract, operation: str, exchanges: Iterable[Exchange]
) -> Iterator[tuple[Words, Sides]]:
    path = contract.path(operation)
    address = {(method.upper(), path) for method in contract.bundle["paths"][path]}
    good = [each for each in exchanges if (each.method, each.path) in address]
    if contract.bundle.get("security"):
        keys = Counter(INSIDE if _has_our_key(each) else OUTSIDE for each in good)
        yield (CALL, "key", "x-api-key"), {side: keys[side] for side in (INSIDE, OUTSIDE)}
    schema = contract.schema(operation)
    if not schema:
        return
    ours = [each for each in good if _has_our_key(each) and each.status not in (401, *PASSING)]
    named = Counter(INSIDE if _is_json(each) else OUTSIDE for each in ours)
    yield (CALL, "media type", JSON), {side: named[side] for side in (INSIDE, OUTSIDE)}
    read = [each for each in ours if _is_json(each)]
    bodies = Counter(INSIDE if each.sent else OUTSIDE for each in read)
    yield (CALL, "required", "a body"), {side: bodies[side] for side in (INSIDE, OUTSIDE)}
    yield from _parameters(contract, operation, [each.sent for each in read if _is_object(each.sent)])


def _has_our_key(exchange: Exchange) -> bool:
    return exchange.headers.get("x-api-key") == KEY_SHOWN_AS


def _is_json(exchange: Exchange) -> bool:
    return exchange.headers.get("content-type", "").partition(";")[0].strip() == JSON


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _parameters(
    contract: Contract, operation: str, bodies: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Words, Sides]]:
    schema = contract.schema(operation)
    clauses = {
        (name, keyword): (value, dict.fromkeys(sides, 0)) for name, keyword, value, sides in _stated(schema)
    }
    for body in bodies:
        wrong = [
            (_parameter(error), error.validator)
            for error in contract.judge(operation).iter_errors(body)
            if error.validator != "anyOf"  # it repeats what another keyword says
        ]
        for (name, keyword), (_, sides) in clauses.items():
            if side := _side(name, keyword, schema, body, wrong):
                sides[side] = sides.get(side, 0) + (side in sides)
    for (name, keyword), (value, sides) in clauses.items():
        yield (name, keyword, value), sides


def _stated(schema: Any) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield each keyword of each parameter: name, keyword, the value in words, and its sides."""
    both = (INSIDE, OUTSIDE)
    for name, each in schema["properties"].items():
        if name in schema.get("required", ()):
            yield name, "required", "", both
        if "type" in each:
            yield name, "type", each["type"], both
        for keyword in (*BOUNDS, "multipleOf"):
            if keyword in each:
                yield name, keyword, str(each[keyword]), both
        if "enum" in each or each.get("x-documented-type") == "enum:str":
            yield name, "enum", "", (*map(repr, known_values(each)), OUTSIDE)
        for value in default_of(each):
            yield name, "default", repr(value), ("sent", "omitted")


def _parameter(error: Any) -> str:
    """Name the parameter that an error of a body is about."""
    if error.validator == "required":
        return next(name for name in error.validator_value if name not in error.instance)
    return str(next(iter(error.absolute_path), CALL))


def _side(
    name: str, keyword: str, schema: Any, body: Mapping[str, Any], wrong: list[tuple[str, str]]
) -> str | None:
    """Say which side of a parameter's keyword a body exercises; None for neither."""
    stated = schema["properties"][name]
    if keyword == "default":
        if name not in body:
            return None if wrong else "omitted"
        # A page may state a default that its own bounds forbid.
        alone = all(about == name for about, _ in wrong)
        return "sent" if alone and _same(body[name], default_of(stated)[0]) else None
    if keyword == "enum" and "enum" not in stated:
        if wrong or name not in body:
            return None
        return repr(body[name]) if body[name] in known_values(stated) else OUTSIDE
    if wrong:
        return OUTSIDE if wrong == [(name, keyword)] else None
    if name not in body:
        return None
    if keyword == "enum":
        return repr(body[name])
    return None if keyword in BOUNDS and not _same(body[name], stated[keyword]) else INSIDE


def _same(value: Any, other: Any) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


# -- Replies ----------------------------------------------------------------------------------------------


def _replies(contract: Contract, operation: str, exchanges: list[Exchange]) -> Iterator[tuple[Words, Sides]]:
    for status, promised in contract.replies(operation).items():
        replies = [each.received for each in exchanges if str(each.status) == status]
        named = Counter(each.get("content-type", "").partition(";")[0].strip().lower() for each in replies)
        yield (status, "status", status), {"came": len(replies)}
        for header in promised.get("headers", {}):
            yield (status, "header", header), {"came": sum(header in each for each in replies)}
        for media_type in promised.get("content", {}):
            yield (status, "media type", media_type), {"came": named[media_type]}
