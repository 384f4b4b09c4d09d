"""What notebooks, `help` and `inspect` see of the endpoints: the same on both clients, and all of it."""

import inspect
import pydoc
import re
from collections.abc import Callable
from typing import Any, Required, get_args, get_origin

import pytest
import segmind_sd3_api.parameters as generated
from segmind_sd3 import AsyncClient, Client, Generation
from segmind_sd3._endpoints import Endpoints
from segmind_sd3_api.parameters import OPERATIONS, Operation, Parameter

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
each_client = pytest.mark.parametrize("kind", [Client, AsyncClient])

TYPED_DICTS: dict[str, Any] = {
    name.removesuffix("Params").lower(): value
    for name, value in vars(generated).items()
    if name.endswith("Params")
}


def public(operation: Operation) -> list[Parameter]:
    return [known for known in operation.parameters.values() if not known.hidden]


def typed_dict(operation: Operation) -> Any:
    return TYPED_DICTS[operation.operation_id.replace("_", "")]


def endpoints(kind: type) -> set[str]:
    return {name for name in dir(kind) if name in dir(Endpoints) and not name.startswith("_")}


def method(kind: type, operation: Operation) -> Callable[..., Any]:
    return getattr(kind, operation.operation_id)


@each_client
def test_a_client_has_one_method_for_each_endpoint(kind: type):
    assert endpoints(kind) == set(OPERATIONS)


@each_operation
def test_sync_and_async_signatures_are_equal(operation: Operation):
    assert inspect.signature(method(Client, operation)) == inspect.signature(method(AsyncClient, operation))


@each_operation
def test_sync_and_async_documentation_is_equal(operation: Operation):
    assert method(Client, operation).__doc__ == method(AsyncClient, operation).__doc__


@each_operation
def test_only_the_async_method_is_awaited(operation: Operation):
    assert inspect.iscoroutinefunction(method(AsyncClient, operation))
    assert not inspect.iscoroutinefunction(method(Client, operation))


@each_operation
def test_a_signature_shows_every_public_parameter_in_the_pages_order(operation: Operation):
    shown = list(inspect.signature(method(Client, operation)).parameters)

    assert shown == ["self", *(known.name for known in public(operation)), "extra"]


@each_operation
def test_everything_but_self_is_given_by_keyword(operation: Operation):
    _, *shown = inspect.signature(method(Client, operation)).parameters.values()

    assert {each.kind for each in shown} == {inspect.Parameter.KEYWORD_ONLY}


@each_operation
def test_what_must_be_given_has_no_default_and_all_else_is_none(operation: Operation):
    _, *shown = inspect.signature(method(Client, operation)).parameters.values()
    required = {known.name for known in public(operation) if known.required}

    assert {each.name: each.default for each in shown} == {
        each.name: inspect.Parameter.empty if each.name in required else None for each in shown
    }


@each_operation
def test_a_signature_has_the_types_of_the_typed_dict(operation: Operation):
    _, *shown = inspect.signature(method(Client, operation)).parameters.values()
    hints = typed_dict(operation).__annotations__

    assert {each.name: each.annotation for each in shown} == {
        name: get_args(hint)[0] if get_origin(hint) is Required else hint for name, hint in hints.items()
    }


@each_operation
def test_a_signature_gives_back_a_generation(operation: Operation):
    assert inspect.signature(method(Client, operation)).return_annotation is Generation


@each_operation
def test_the_typed_dict_has_the_tables_public_parameters_and_extra(operation: Operation):
    keys = {known.name for known in public(operation)}
    required = {known.name for known in public(operation) if known.required}

    assert typed_dict(operation).__required_keys__ == required
    assert typed_dict(operation).__optional_keys__ == keys - required | {"extra"}


@each_operation
def test_what_the_sdk_sets_is_hidden(operation: Operation):
    hidden = {name for name, known in operation.parameters.items() if known.hidden}

    assert "base64" in hidden or "base64" not in operation.parameters
    assert hidden.isdisjoint(inspect.signature(method(Client, operation)).parameters)
    assert hidden.isdisjoint(typed_dict(operation).__annotations__)
    assert not any(f"    {name}: " in str(method(Client, operation).__doc__) for name in hidden)


@each_operation
@each_client
def test_the_documentation_tells_everything_of_every_public_parameter(kind: type, operation: Operation):
    documentation = " ".join((inspect.getdoc(method(kind, operation)) or "").split())

    for told in (operation.summary, operation.doc, operation.page):
        assert told in documentation
    for known in public(operation):
        assert f"{known.name}: {known.doc}" in documentation
    assert "extra: " in documentation


@each_operation
@each_client
def test_help_shows_the_signature(kind: type, operation: Operation):
    text = pydoc.plain(pydoc.render_doc(method(kind, operation)))

    # From Python 3.13 on, a long signature has a line for each parameter.
    assert re.search(rf"{operation.operation_id}\(\s*self,\s*\*,\s", text)
    assert all(f"{known.name}: " in text for known in public(operation))


def test_both_clients_are_made_of_the_same_options():
    sync, asynchronous = (dict(inspect.signature(kind).parameters) for kind in (Client, AsyncClient))
    # Each sends by a transport of its own kind.
    del sync["transport"], asynchronous["transport"]

    assert sync == asynchronous


def test_both_clients_do_the_same_but_for_how_they_are_closed():
    sync, asynchronous = (
        {name for name in dir(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)
    )

    assert sync ^ asynchronous == {"close", "aclose"}


@each_client
def test_every_method_of_a_client_is_documented(kind: type):
    assert [
        name for name in dir(kind) if not name.startswith("_") and not inspect.getdoc(getattr(kind, name))
    ] == []
