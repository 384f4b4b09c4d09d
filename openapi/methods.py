"""The methods of both clients: one for each endpoint, told apart by nothing but name and parameters.

Law: what has the decorator `@endpoint` is made here; the rest of the module stays as it is, byte for byte.
"""

from __future__ import annotations

import ast
import re
from textwrap import dedent
from typing import TYPE_CHECKING

from documents import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from parameters import Endpoint

CLIENTS = {"Client": ("", ""), "AsyncClient": ("async ", "await ")}
METHOD = """\
    @endpoint
    {is_async}def {name}(self, **params: Unpack[{model}Params]) -> Generation:
        return {waits}self._draw("{name}", params)

"""
PARAMETERS = "segmind_sd3_api.parameters"


def with_methods(source: str, endpoints: Iterable[Endpoint]) -> str:
    """The module of the clients, with a method for each endpoint and none for any other.

    Raises:
        ContractError: A client is not in it, or has no endpoint's method to put another beside.
    """
    models = {endpoint.operation.id: endpoint.model for endpoint in endpoints}
    tree = ast.parse(source)
    edits = [_imports(tree, models)]
    for name, (is_async, waits) in CLIENTS.items():
        wanted = {
            operation: METHOD.format(is_async=is_async, name=operation, model=model, waits=waits)
            for operation, model in models.items()
        }
        edits += _methods(_client(tree, name), wanted)
    lines = source.splitlines(keepends=True)
    for start, end, text in sorted(edits, reverse=True):
        lines[start:end] = [text]
    return "".join(lines)


def _client(tree: ast.Module, name: str) -> ast.ClassDef:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise ContractError(f"The SDK has no class {name}, which is to have a method for each endpoint.")


def _methods(client: ast.ClassDef, wanted: dict[str, str]) -> list[tuple[int, int, str]]:
    """Spans of lines, counted from 0, and what is to stand there."""
    present = [
        node
        for node in client.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(each, ast.Name) and each.id == "endpoint" for each in node.decorator_list)
    ]
    if not present:
        raise ContractError(f"{client.name} has no method with @endpoint: write the first, others follow.")
    edits: list[tuple[int, int, str]] = []
    for node in present:
        start, end = node.decorator_list[0].lineno - 1, (node.end_lineno or node.lineno) + 1
        if node.name not in wanted:
            edits.append((start, end, ""))
        elif ast.unparse(node) != ast.unparse(ast.parse(dedent(wanted[node.name])).body[0]):
            edits.append((start, end, wanted[node.name]))
    new = [text for name, text in wanted.items() if name not in {node.name for node in present}]
    last = (present[-1].end_lineno or 0) + 1
    return [*edits, (last, last, "".join(new))] if new else edits


def _imports(tree: ast.Module, models: dict[str, str]) -> tuple[int, int, str]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == PARAMETERS:
            break
    else:
        raise ContractError(f"The SDK's clients import nothing from {PARAMETERS}.")
    others = {each.name for each in node.names if not each.name.endswith("Params")}
    names = sorted(others | {f"{model}Params" for model in models.values()}, key=_in_ruffs_order)
    listed = "".join(f"    {name},\n" for name in names)
    return node.lineno - 1, node.end_lineno or node.lineno, f"from {PARAMETERS} import (\n{listed})\n"


def _in_ruffs_order(name: str) -> tuple[object, ...]:
    """Constants before classes; a number within a name counts as a number."""
    parts = [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]
    return not name.isupper(), parts
