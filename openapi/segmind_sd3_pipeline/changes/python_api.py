"""Each change between two states of the Python API, rated for whoever calls the SDK.

Law: the signatures are griffe's to compare, with the typed dicts written out. What it can't see (a parameter
that became required or has another type, a bound that the SDK checks, a default that it sends) is read from
the two parameter tables. What the SDK sets by itself is none of the caller's business: no parameter at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import griffe

from segmind_sd3_pipeline.changes.rating import REQUIRED, Change, rating_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segmind_sd3_pipeline.changes.rating import Rating
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
"""What a field of a parameter is called, and what is meant where it is left out."""


def _rating(field: str, old: Row, new: Row) -> Rating:
    what, meant = FIELDS[field]
    before, after = old.get(field, meant), new.get(field, meant)
    if field == "known_values" and not new.get("closed"):
        # Any other text is sent as it is, so a value that goes is lost to completion alone.
        return "additive" if old.get("closed") or set(after) > set(before) else "harmless"
    if field == "known_values" and not old.get("closed"):
        return "breaking"
    # What the SDK checks, it checks as the page says it.
    return rating_of("parameter", what, before, after)


_COMES: Final[tuple[str, Rating]] = ("added", "additive")
_GOES: Final[tuple[str, Rating]] = ("removed", "breaking")


def compared(before: Table, after: Table) -> Iterator[Change]:
    """Yield every change from one parameter table to another. The rating for the wire is left to others."""
    for operation in {**before, **after}:
        old, new = before.get(operation), after.get(operation)
        if old and new:
            was, now = bool(old.get("deprecated")), bool(new.get("deprecated"))
            if was != now:
                yield Change(operation, "", "deprecated", was, now, None, "additive" if now else "harmless")
            yield from _parameters(operation, public(old), public(new))
        else:
            what, rating = _COMES if new else _GOES
            yield Change(operation, "", what, None, None, None, rating)


def public(operation: Row) -> Mapping[str, Row]:
    """Give the parameters that a caller can name, each row by its name."""
    return {name: row for name, row in operation.get("parameters", {}).items() if not row.get("hidden")}


def _parameters(operation: str, before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[Change]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old and new:
            yield from _parameter(operation, name, old, new)
        elif new:
            if new.get("required"):
                yield Change(operation, name, "added", None, REQUIRED, None, "breaking")
            else:
                yield Change(operation, name, "added", None, None, None, "additive")
        else:
            yield Change(operation, name, "removed", None, None, None, "breaking")


def _parameter(operation: str, name: str, old: Row, new: Row) -> Iterator[Change]:
    found: list[Change] = []
    for field, (what, meant) in FIELDS.items():
        values = old.get(field, meant), new.get(field, meant)
        is_closed_or_opened = field == "known_values" and old.get("closed") != new.get("closed")
        if values[0] != values[1] or is_closed_or_opened:
            found.append(Change(operation, name, what, *values, None, _rating(field, old, new)))
    if any(old.get(field) != new.get(field) for field in ("sdk_default", "documented_default")):
        was, now = _used(old), _used(new)
        found.append(Change(operation, name, "default", was, now, None, _default(new, was, now)))
    if not found and old.get("doc") != new.get("doc"):
        found.append(Change(operation, name, "description", old.get("doc"), new.get("doc"), None, "harmless"))
    yield from found


def _used(parameter: Row) -> Any:
    sent = parameter.get("sdk_default")
    return parameter.get("documented_default") if sent is None else sent


def _default(parameter: Row, before: Any, after: Any) -> Rating:
    """Rate what is used when the caller says nothing, be it sent by the SDK or left to the service."""
    if parameter.get("required") or before == after:
        return "harmless"
    return "additive" if before is None else "breaking"


# -- Signatures -------------------------------------------------------------------------------------------


TOLD_AS: Final[Mapping[griffe.BreakageKind, tuple[str, Any, Any]]] = {
    griffe.BreakageKind.OBJECT_REMOVED: ("removed", None, None),
    griffe.BreakageKind.PARAMETER_REMOVED: ("removed", None, None),
    griffe.BreakageKind.PARAMETER_ADDED_REQUIRED: ("added", None, REQUIRED),
    griffe.BreakageKind.PARAMETER_CHANGED_REQUIRED: ("required", False, True),
}
"""What happened, and the values before and after, in the words that a change of the contract has."""


def breakages(before: Api, after: Api) -> Iterator[Change]:
    """Yield what griffe finds broken of what the package exports, by its path, the version left out."""
    public = _public(before)
    for found in griffe.find_breaking_changes(before, after):
        told = found.as_dict()
        path = _exported(told["object_path"], public)
        if path is None or found.obj.name == "__version__":
            continue
        values = (told["old_value"], told["new_value"])
        parameter = next((value.name for value in values if isinstance(value, griffe.Parameter)), "")
        usual = (found.kind.value.lower(), *(None if value is None else str(value) for value in values))
        what, was, now = TOLD_AS.get(found.kind, usual)
        yield Change("", path + (f"({parameter})" if parameter else ""), what, was, now, None, "breaking")


def _public(api: Api) -> Mapping[str, str]:
    """Give the name that users have for each exported object, and for what it inherits from unexported."""
    names = [str(name) for name in api.exports or ()]
    found = {api[name].canonical_path: f"segmind_sd3.{name}" for name in names}
    for name in names:
        exported: Api = api[name]
        target = exported.final_target if isinstance(exported, griffe.Alias) else exported
        for base in target.mro() if isinstance(target, griffe.Class) else []:
            found.setdefault(base.canonical_path, f"segmind_sd3.{name}")
    return found


def _exported(path: str, public: Mapping[str, str]) -> str | None:
    """Give the path by which users know what stands in a module of the package; None if they don't."""
    if path in public.values():
        return path
    for place, name in public.items():
        if path == place or path.startswith(f"{place}."):
            return name + path.removeprefix(place)
    return None


def unexplained(signatures: Iterable[Change], tables: list[Change]) -> Iterator[Change]:
    """Yield the changes of signatures that no change of the tables explains."""
    explained = {
        f"{client}.{each.endpoint}({each.about})" if each.about else f"{client}.{each.endpoint}"
        for each in tables
        for client in CLIENTS
    }
    for each in signatures:
        if not any(each.about.endswith(f".{place}") for place in explained):
            yield each


def missing_methods(api: Api, table: Table) -> Iterator[str]:
    """Yield, for each endpoint that a client has no method for, the lines that have to be written."""
    for name in CLIENTS:
        for operation in table.keys() - api[name].all_members.keys():
            yield f"{name} has no method {operation}: run make generate."
