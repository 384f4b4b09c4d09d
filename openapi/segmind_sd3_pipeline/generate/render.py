"""Render Python source from the templates."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segmind_sd3_pipeline.generate.paragraphs import overview, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmind_sd3_pipeline.generate.parameters import Endpoint

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
WIDTH = 100


def render(template: str, endpoints: Iterable[Endpoint], picture_members: Iterable[str] = ()) -> str:
    """Render a template with the endpoints. ruff formats the result later."""
    environment = Environment(  # noqa: S701 - it writes Python, where HTML's escapes would be wrong
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "paragraph": paragraph,
        "overview": overview,
        "literal": _literal,
        "in_docstring": _in_docstring,
    }
    environment.filters.update(filters)
    return environment.get_template(template).render(
        endpoints=list(endpoints), picture_members=tuple(picture_members)
    )


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _literal(value: object) -> str:
    """Return a Python expression of a value; a long text becomes several lines."""
    if not isinstance(value, str):
        return repr(value)
    *lines, last = _wrapped(value, WIDTH)
    if " ".join([*lines, last]) != value:  # to wrap it would change it
        return repr(value)
    return "\n".join(["(", *(repr(f"{line} ") for line in lines), repr(last), ")"]) if lines else repr(last)


def _in_docstring(text: str, indent: int) -> str:
    """Return text for a docstring: escaped, wrapped, its further lines indented."""
    escaped = text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    if escaped.endswith('"'):
        escaped = escaped[:-1] + r"\""
    return f"\n{' ' * indent}".join(_wrapped(escaped, WIDTH - indent))
