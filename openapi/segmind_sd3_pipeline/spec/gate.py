"""Find what the generator lost without a warning.

The generated package is imported and each operation is called over a transport that records. The recorded
request is compared with the contract. Facts that the generator drops on purpose are looked up in
`parameters.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import itertools
import json
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from segmind_sd3_pipeline.spec.bundle import METHODS, operations, request_schema
from segmind_sd3_pipeline.spec.documents import ContractError, Document

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path
    from types import ModuleType

    from segmind_sd3_pipeline.spec.bundle import Operation

PICTURE = b"the bytes of a picture"
_NUMBERS = itertools.count()

# What reaches the generated code, parameters.py or, being an extension, the two documents in the package.
CARRIED_BY_AN_OPERATION = {
    *("operationId", "tags", "summary", "description", "deprecated"),
    *("requestBody", "responses", "security"),
}
CARRIED_BY_A_SCHEMA = {"type", "description", "required", "properties"}
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
    """Return a sentence for each thing in the document that the generated package lacks."""
    try:
        known = list(operations(documented))
        expected = [(operation, request_schema(documented, operation)[1]) for operation in known]
        lost = [*_misplaced(known, package), *_uncarried(documented, expected)]
        if not lost:
            with imported(package) as modules:
                for operation, schema in expected:
                    lost += _lost_calling(operation, schema, modules["calls"].CALLS, modules["client"])
                    lost += _lost_facts(operation, schema, modules["parameters"])
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
    for unknown in sorted(made.keys() - {operation.id for operation in expected}):
        yield f"The generator made a module named {unknown}, which is no operationId."


def _uncarried(documented: Document, expected: Iterable[tuple[Operation, Document]]) -> Iterator[str]:
    """Yield a sentence for each keyword that the generated code would not carry."""
    objects = [(path, item, set(METHODS)) for path, item in documented["paths"].items()]
    for operation, schema in expected:
        objects += [(operation.id, operation.spec, CARRIED_BY_AN_OPERATION)]
        objects += [(operation.id, operation.spec["requestBody"]["content"], {"application/json"})]
        objects += [(f"{operation.id}: its schema", schema, CARRIED_BY_A_SCHEMA)]
        for name, spec in schema.get("properties", {}).items():
            objects += [(f"{operation.id}: {name}", spec, CARRIED_BY_A_PROPERTY)]
            if spec.get("type") not in EXAMPLES:
                kind = spec.get("type")
                yield f"{operation.id}: {name} has the type {kind}, which no generated code carries."
    for where, spec, carried in objects:
        for word in spec:
            if word not in carried and not word.startswith("x-"):
                yield f"{where} has {word}, which no generated code carries."


@contextmanager
def imported(package: Path) -> Generator[dict[str, ModuleType]]:
    """Import the modules of a package for one block, under a name that no installed package has."""
    alias = f"_package_in_the_gate_{next(_NUMBERS)}"
    spec = importlib.util.spec_from_file_location(
        alias, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None:
        raise ContractError(f"{package} is no package.")
    importlib.invalidate_caches()
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules[alias] = importlib.util.module_from_spec(spec)
        try:
            # A call imports the module of its endpoint by itself: here all are, so that a broken one shows.
            endpoints = [f"api.{path.parent.name}.{path.stem}" for path in package.glob("api/*/*.py")]
            modules = {
                name: importlib.import_module(f"{alias}.{name}")
                for name in ("calls", "client", "parameters", *sorted(endpoints))
            }
        except Exception as problem:
            raise ContractError(f"The generated package can't be imported: {problem}.") from problem
        yield modules
    finally:
        sys.dont_write_bytecode = writes_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] == alias]:
            del sys.modules[name]


def _lost_calling(operation: Operation, schema: Document, calls: Any, client: Any) -> list[str]:
    if operation.id not in calls:
        return [f"{operation.id} is not in CALLS."]
    call = calls[operation.id]
    usual = {name: _values(spec)[0] for name, spec in schema.get("properties", {}).items()}
    lost = list(_lost_in_the_model(operation, schema, call, usual))
    try:
        # A model that fails would fail here too.
        return lost or [
            *_sent_unasked(operation, schema, call.body(usual)),
            *_lost_on_the_wire(operation, call, client, usual),
        ]
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


def _sent_unasked(operation: Operation, schema: Document, usual: Any) -> Iterator[str]:
    for name in usual.additional_properties:
        yield f"{operation.id}: the model has no {name}."
    least = {name: value for name, value in usual.to_dict().items() if name in schema.get("required", [])}
    if not usual.additional_properties and (sent := _shown(type(usual)(*least.values()).to_dict())) != _shown(
        least
    ):
        yield f"{operation.id}: a model of {_shown(least)} is sent as {sent}."


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
    """Return what the model sends for the values, or the error that it raises."""
    try:
        return _shown(call.body(values).to_dict())
    except Exception as problem:  # noqa: BLE001 - whatever the generated code raises is what is reported
        return repr(problem)


def _shown(values: Document) -> str:
    """Return values as a text in which 1 differs from True."""
    return repr(dict(sorted(values.items())))


def _exchanges(call: Any, client: Any, values: Document) -> Iterator[tuple[httpx.Request, Any]]:
    """Yield the request and the parsed reply: of the sync function, then of the async one."""
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


def _lost_facts(operation: Operation, schema: Document, parameters: Any) -> Iterator[str]:
    properties: dict[str, Document] = schema.get("properties", {})
    known = parameters.OPERATIONS
    if operation.id not in known or list(known[operation.id].parameters) != list(properties):
        yield f"{operation.id}: OPERATIONS does not have its parameters, in their order."
        return
    for name, spec in properties.items():
        parameter = known[operation.id].parameters[name]
        default = spec.get("x-documented-default", spec.get("default", parameters.NO_DEFAULT))
        expected = {
            "minimum": spec.get("minimum"),
            "maximum": spec.get("maximum"),
            "multiple_of": spec.get("multipleOf"),
            "documented_default": default,
            "closed": "enum" in spec,
            "affects_pricing": spec.get("x-affects-pricing", False),
        }
        generated = {fact: getattr(parameter, fact) for fact in expected}
        if _shown(generated) != _shown(expected):
            yield f"{operation.id}: {name} is {_shown(expected)}, in OPERATIONS {_shown(generated)}."
        for value in spec.get("enum", spec.get("examples", [])):
            if value not in parameter.known_values:
                yield f"{operation.id}: {name} may be {value}, but not in OPERATIONS."
