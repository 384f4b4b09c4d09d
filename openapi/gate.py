"""What the generator lost, and did not say.

Nothing is believed that can be tried: the generated package is imported, each operation is called through it
over a transport that records, and what would have gone out is compared with the contract. The facts that the
generator drops knowingly are looked up in `parameters.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from bundle import operations, request_schema
from documents import ContractError, Document
from parameters import documented_default, known_values

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path
    from types import ModuleType

    from bundle import Operation

ALIAS = "_package_in_the_gate"
PICTURE = b"the bytes of a picture"

CARRIED_BY_THE_SCHEMA = {"type", "description", "required", "properties"}
CARRIED_BY_A_PROPERTY = {
    *("type", "description", "default", "examples", "enum"),
    *("minimum", "maximum", "multipleOf"),
}
EXAMPLES: dict[str, tuple[object, ...]] = {
    "string": ("text", ""),
    "integer": (1, 0, -1),
    "number": (0.5, 0, 1),
    "boolean": (True, False),
}


def losses(documented: Document, package: Path) -> list[str]:
    """A sentence for each thing that the document says and the generated package doesn't do; none is well."""
    try:
        known = list(operations(documented))
        expected = [(operation, request_schema(documented, operation)[1]) for operation in known]
        lost = [*_misplaced(known, package), *_uncarried(expected)]
        if not lost:
            with _imported(package) as modules:
                for operation, schema in expected:
                    lost += _lost_calling(operation, schema, modules["calls"].CALLS, modules["client"])
                    lost += _lost_facts(operation, schema, modules["parameters"].OPERATIONS)
    except ContractError as problem:
        lost = [str(problem)]
    return lost


def _misplaced(expected: list[Operation], package: Path) -> Iterator[str]:
    for operation_id, times in Counter(operation.id for operation in expected).items():
        if times > 1:
            yield f"{times} operations have the operationId {operation_id}; the generator keeps one."
    made = Counter(path.stem for path in package.glob("api/*/*.py") if path.stem != "__init__")
    for operation in expected:
        if made[operation.id] != 1:
            yield (
                f"The generator made {made[operation.id]} modules named {operation.id} "
                f"for {operation.method.upper()} {operation.path}, not one."
            )
    for unknown in made.keys() - {operation.id for operation in expected}:
        yield f"The generator made a module named {unknown}, which is no operationId."


def _uncarried(expected: Iterable[tuple[Operation, Document]]) -> Iterator[str]:
    """Words of the contract that would reach neither the model nor `parameters.py`."""
    for operation, schema in expected:
        if "parameters" in operation.spec:
            yield f"{operation.id} has parameters outside of its body, which nothing here sends."
        for word in _words(schema) - CARRIED_BY_THE_SCHEMA:
            yield f"{operation.id}: its schema says {word}, which nothing here carries."
        for name, spec in schema.get("properties", {}).items():
            for word in _words(spec) - CARRIED_BY_A_PROPERTY:
                yield f"{operation.id}: {name} says {word}, which nothing here carries."
            if spec.get("type") not in EXAMPLES:
                yield f"{operation.id}: {name} has the type {spec.get('type')}, which nothing here carries."


def _words(spec: Document) -> set[str]:
    return {word for word in spec if not word.startswith("x-")}


@contextmanager
def _imported(package: Path) -> Generator[dict[str, ModuleType]]:
    """The modules of the package that are looked at, under a name that no installed package has."""
    spec = importlib.util.spec_from_file_location(
        ALIAS, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None:
        raise ContractError(f"{package} is no package.")
    importlib.invalidate_caches()
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules[ALIAS] = importlib.util.module_from_spec(spec)
        yield {name: importlib.import_module(f"{ALIAS}.{name}") for name in ("calls", "client", "parameters")}
    except (ImportError, AttributeError, SyntaxError, NameError) as problem:
        raise ContractError(f"The generated package can't be imported: {problem}.") from problem
    finally:
        sys.dont_write_bytecode = writes_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] == ALIAS]:
            del sys.modules[name]


def _lost_calling(operation: Operation, schema: Document, calls: Any, client: Any) -> list[str]:
    if operation.id not in calls:
        return [f"{operation.id} is not in CALLS."]
    call = calls[operation.id]
    usual = {name: _values(spec)[0] for name, spec in schema.get("properties", {}).items()}
    lost = list(_lost_in_the_model(operation, schema, call, usual))
    try:
        # A model that fails would fail here too.
        return lost or list(_lost_on_the_wire(operation, call, client, usual))
    except Exception as problem:  # noqa: BLE001 - whatever the generated code raises is what is reported
        return [f"{operation.id} can't be called: {problem!r}."]


def _lost_in_the_model(operation: Operation, schema: Document, call: Any, usual: Document) -> Iterator[str]:
    for name, spec in schema.get("properties", {}).items():
        for value in _values(spec):
            given = {**usual, name: value}
            if (sent := _sent(call, given)) != _shown(given):
                yield f"{operation.id}: {name}={value!r} is sent as {sent}."
        left_out = {other: value for other, value in usual.items() if other != name}
        sent = _sent(call, left_out)
        if name in schema.get("required", []):
            if sent != repr(KeyError(name)):
                yield f"{operation.id}: {name} is required, and without it {sent} is sent."
        elif sent != _shown(left_out):
            yield f"{operation.id}: {name} may be left out, and then {sent} is sent."
        elif name in call.body(usual).additional_properties:
            yield f"{operation.id}: the model has no {name}."


def _lost_on_the_wire(operation: Operation, call: Any, client: Any, usual: Document) -> Iterator[str]:
    if inspect.signature(call.sync).parameters["client"].annotation is not client.AuthenticatedClient:
        yield f"{operation.id} can be called without a key."
    for request, reply in _exchanges(call, client, usual):
        if (request.method, request.url.path) != (operation.method.upper(), operation.path):
            yield f"{operation.id} is sent as {request.method} {request.url.path}."
        if json.loads(request.content) != usual:
            yield f"{operation.id} is sent with the body {request.content!r}."
        if reply.parsed is None or reply.parsed.payload.read() != PICTURE:
            yield f"{operation.id}: the bytes of the reply are read as {reply.parsed}."


def _values(spec: Document) -> tuple[object, ...]:
    return tuple(spec["enum"]) if "enum" in spec else EXAMPLES[spec["type"]]


def _sent(call: Any, values: Document) -> str:
    """What the model makes of the values, or the error that it raises instead."""
    try:
        return _shown(call.body(values).to_dict())
    except Exception as problem:  # noqa: BLE001 - whatever the generated code raises is what is reported
        return repr(problem)


def _shown(values: Document) -> str:
    """Values as a text, by which 1 is not True."""
    return repr(dict(sorted(values.items())))


def _exchanges(call: Any, client: Any, values: Document) -> Iterator[tuple[httpx.Request, Any]]:
    """What goes out, and what is made of a picture that comes back: of the sync function, then the other."""
    went_out: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        went_out.append(request)
        return httpx.Response(200, content=PICTURE)

    transport = httpx.MockTransport(answer)
    caller = client.AuthenticatedClient("https://gate.invalid", "key", httpx_args={"transport": transport})
    reply = call.sync(client=caller, body=call.body(values))
    yield went_out[-1], reply
    reply = asyncio.run(call.asyncio(client=caller, body=call.body(values)))
    yield went_out[-1], reply


def _lost_facts(operation: Operation, schema: Document, known: Any) -> Iterator[str]:
    properties: dict[str, Document] = schema.get("properties", {})
    if operation.id not in known or list(known[operation.id].parameters) != list(properties):
        yield f"{operation.id}: OPERATIONS does not have its parameters, in their order."
        return
    for name, spec in properties.items():
        parameter = known[operation.id].parameters[name]
        expected = {
            "minimum": spec.get("minimum"),
            "maximum": spec.get("maximum"),
            "multiple_of": spec.get("multipleOf"),
            "documented_default": documented_default(spec),
            "affects_pricing": spec.get("x-affects-pricing", False),
        }
        told = {fact: getattr(parameter, fact) for fact in expected}
        if _shown(told) != _shown(expected):
            yield f"{operation.id}: {name} is {_shown(expected)}, in OPERATIONS {_shown(told)}."
        if missing := set(known_values(spec)) - set(parameter.known_values):
            yield f"{operation.id}: {name} may be {', '.join(sorted(missing))}, but not in OPERATIONS."
