"""Read the parameter table of a state of the project from the text of `parameters.py`, without running it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]
Table = dict[str, Row]
"""The facts of each operation. Its `parameters` are rows too, by name."""

PARAMETERS: Final = "generated_client/segmind_sd3_api/parameters.py"


def read_table(root: Path) -> Table:
    """Read the table of the project in a folder.

    Raises:
        ValueError: There is no table, or it holds more than literals and calls of a name.
        OSError: The file can't be read.
    """
    for statement in ast.parse((root / PARAMETERS).read_text(encoding="utf-8")).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id="OPERATIONS"), value=ast.expr() as table):
                return _value(table)
            case _:
                continue
    raise ValueError(f"{PARAMETERS} has no OPERATIONS.")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(), args=[], keywords=given):
            return {each.arg: _value(each.value) for each in given}
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.Name(id="NO_DEFAULT"):
            return None
        case _:
            return ast.literal_eval(node)
