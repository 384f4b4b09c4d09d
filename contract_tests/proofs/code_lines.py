"""Count the handwritten code lines of the SDK, and print them beside the goal.

`make check` runs `python -m proofs.code_lines`. Every module of `wrapper/segmind_sd3` counts, except the
command line and the generated endpoints. `--each` prints the figure of each module.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(__file__).parents[2] / "wrapper" / "segmind_sd3"
GOAL: Final = 2_000

NOT_COUNTED: Final = ("_cli.py", "_cli_*.py", "__main__.py", "_endpoints.py")
"""The command line, and the one generated file."""

_NO_CODE: Final = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


def code_lines(source: str) -> int:
    """Return how many lines of a Python source are code: no blank line, no comment, no docstring.

    A string that is a statement is a docstring, in any position.
    """
    documentation = set(_docstring_lines(source))
    text = io.StringIO(source).readlines()
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        spanned = set(range(token.start[0], token.end[0] + 1))
        is_docstring = token.type == tokenize.STRING and spanned <= documentation
        if token.type not in _NO_CODE and not is_docstring:
            lines |= spanned
    return sum(1 for line in lines if text[line - 1].strip())


def _docstring_lines(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def count(package: Path = PACKAGE) -> dict[str, int]:
    """Return the number of code lines of each counted module, by its name."""
    modules = (module for module in sorted(package.rglob("*.py")) if not any(map(module.match, NOT_COUNTED)))
    return {
        module.relative_to(package).as_posix(): code_lines(module.read_text(encoding="utf-8"))
        for module in modules
    }


def main(package: Path = PACKAGE, *, each: bool = False) -> None:
    """Print the figure, and with `each` that of each module. No figure fails the check."""
    counts = count(package)
    for name, lines in sorted(counts.items(), key=lambda pair: -pair[1]) if each else ():
        print(f"{lines:6,}  {name}")
    total = sum(counts.values())
    what = "handwritten code lines of wrapper/, without the command line"
    print(f"{what}: {total:,} (goal: below {GOAL:,})")


if __name__ == "__main__":
    main(each="--each" in sys.argv)
