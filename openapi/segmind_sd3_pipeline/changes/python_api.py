"""Rate each change between two states of the Python API for callers of the SDK.

Griffe compares the signatures, with typed dicts expanded. The two parameter tables show what griffe can't
see: a parameter that became required, a type, a bound that the SDK checks, a default that it sends. A value
that only the SDK sets is no parameter for callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import griffe

from segmind_sd3_pipeline.changes.rating import REQUIRED, Change, rate_parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segmind_sd3_pipeline.changes.effects import Rating
    from segmind_sd3_pipeline.changes.states import Api
    from segmind_sd3_pipeline.changes.table import Row, Table

CLIENTS: Final = ("Client", "AsyncClient")

FIELDS: Final[Mapping[str, tuple[str, Any]]] = {
    "kind": ("type", None),
    "required": ("required", False),
    "minimum": ("minimum", None),
    "maximum": ("maximum", None),
    "multiple_of": ("multiple of", None),
    "known_values": ("allowed values", ()),
    "affects_pricing": ("affects the price", False),
    "counts_images": ("counts pictures", False),
}
"""The name of a parameter's field in a change, and its value if absent."""


def _rate_field(field: str, old: Row, new: Row) -> Rating:
    what, meant = FIELDS[field]
    before, after = old.get(field, meant), new.get(field, meant)
    if field == "known_values" and not new.get("closed"):
        # The SDK sends any other text too, so a removed value affects only completion.
        return "additive" if old.get("closed") or set(after) > set(before) else "harmless"
    if field == "known_values" and not old.get("closed"):
        return "breaking"
    if field == "counts_images":
        return "breaking"
    # A tuple of no values is no list.
    return rate_parameter(what, *(None if value == () else value for value in (before, after)))


_ADDED: Final[tuple[str, Rating]] = ("added", "additive")
_REMOVED: Final[tuple[str, Rating]] = ("removed", "breaking")


def table_changes(before: Table, after: Table) -> Iterator[Change]:
    """Yield every change from one parameter table to another, without a wire rating."""
    for operation in {**before, **after}:
        old, new = before.get(operation), after.get(operation)
        if old and new:
            was, now = bool(old.get("deprecated")), bool(new.get("deprecated"))
            if was != now:
                yield Change(operation, "", "deprecated", was, now, None, "additive" if now else "harmless")
            yield from _parameters_changes(operation, visible_parameters(old), visible_parameters(new))
        else:
            what, rating = _ADDED if new else _REMOVED
            yield Change(operation, "", what, None, None, None, rating)


def visible_parameters(operation: Row) -> Mapping[str, Row]:
    """Return the parameters that a caller can name."""
    return {name: row for name, row in operation.get("parameters", {}).items() if not row.get("hidden")}


def _parameters_changes(
    operation: str, before: Mapping[str, Row], after: Mapping[str, Row]
) -> Iterator[Change]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old and new:
            yield from _parameter_changes(operation, name, old, new)
        elif new:
            if new.get("required"):
                yield Change(operation, name, "added", None, REQUIRED, None, "breaking")
            else:
                yield Change(operation, name, "added", None, None, None, "additive")
        else:
            yield Change(operation, name, "removed", None, None, None, "breaking")


def _parameter_changes(operation: str, name: str, old: Row, new: Row) -> Iterator[Change]:
    found: list[Change] = []
    for field, (what, meant) in FIELDS.items():
        values = old.get(field, meant), new.get(field, meant)
        is_closed_or_opened = field == "known_values" and old.get("closed") != new.get("closed")
        if values[0] != values[1] or is_closed_or_opened:
            found.append(Change(operation, name, what, *values, None, _rate_field(field, old, new)))
    if any(old.get(field) != new.get(field) for field in ("sdk_default", "documented_default")):
        was, now = _default_in_use(old), _default_in_use(new)
        found.append(Change(operation, name, "default", was, now, None, _rate_default(new, was, now)))
    if not found and old.get("doc") != new.get("doc"):
        found.append(Change(operation, name, "description", old.get("doc"), new.get("doc"), None, "harmless"))
    yield from found


def _default_in_use(parameter: Row) -> Any:
    sent = parameter.get("sdk_default")
    return parameter.get("documented_default") if sent is None else sent


def _rate_default(parameter: Row, before: Any, after: Any) -> Rating:
    """Rate the default that applies, whether the SDK sends it or the service uses it."""
    if parameter.get("required") or before == after:
        return "harmless"
    return "additive" if before is None else "breaking"


# -- Signatures -------------------------------------------------------------------------------------------


CHANGE_WORDS: Final[Mapping[griffe.BreakageKind, tuple[str, Any, Any]]] = {
    griffe.BreakageKind.OBJECT_REMOVED: ("removed", None, None),
    griffe.BreakageKind.PARAMETER_REMOVED: ("removed", None, None),
    griffe.BreakageKind.PARAMETER_ADDED_REQUIRED: ("added", None, REQUIRED),
    griffe.BreakageKind.PARAMETER_CHANGED_REQUIRED: ("required", False, True),
}
"""The clause and the values before and after, in the words of a `Change`."""


def signature_changes(before: Api, after: Api) -> Iterator[Change]:
    """Yield the breaking changes that griffe finds in the package's public objects, except the version."""
    public = _public_names(before)
    for found in griffe.find_breaking_changes(before, after):
        breakage = found.as_dict()
        path = _public_path(breakage["object_path"], public)
        if path is None or found.obj.name == "__version__":
            continue
        values = (breakage["old_value"], breakage["new_value"])
        parameter = next((value.name for value in values if isinstance(value, griffe.Parameter)), "")
        usual = (found.kind.value.lower(), *(None if value is None else str(value) for value in values))
        what, was, now = CHANGE_WORDS.get(found.kind, usual)
        yield Change("", path + (f"({parameter})" if parameter else ""), what, was, now, None, "breaking")


def _public_names(api: Api) -> Mapping[str, str]:
    """Return the public name of each exported object, and of the private classes that it inherits from."""
    names = [str(name) for name in api.exports or ()]
    found = {api[name].canonical_path: f"segmind_sd3.{name}" for name in names}
    for name in names:
        exported: Api = api[name]
        target = exported.final_target if isinstance(exported, griffe.Alias) else exported
        for base in target.mro() if isinstance(target, griffe.Class) else []:
            found.setdefault(base.canonical_path, f"segmind_sd3.{name}")
    return found


def _public_path(path: str, public: Mapping[str, str]) -> str | None:
    """Return the public path of an object in a module of the package, or None if it is private."""
    if path in public.values():
        return path
    for place, name in public.items():
        if path == place or path.startswith(f"{place}."):
            return name + path.removeprefix(place)
    return None


def unexplained_changes(signatures: Iterable[Change], tables: list[Change]) -> Iterator[Change]:
    """Yield the signature changes that no table change explains."""
    explained = {
        f"{client}.{each.endpoint}({each.about})" if each.about else f"{client}.{each.endpoint}"
        for each in tables
        for client in CLIENTS
    }
    for each in signatures:
        if not any(each.about.endswith(f".{place}") for place in explained):
            yield each


def missing_methods(api: Api, table: Table) -> Iterator[str]:
    """Yield a message for each endpoint that a client has no method for."""
    for name in CLIENTS:
        for operation in table.keys() - api[name].all_members.keys():
            yield f"{name} has no method {operation}: run make generate."
