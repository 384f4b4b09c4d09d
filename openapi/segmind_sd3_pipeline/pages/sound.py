"""Refuse a page that is not its own model's, and hold its sample as facts do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.digests import digest
from segmind_sd3_pipeline.pages.page_error import BrokenPage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

PLACEHOLDER_VALUES: Final = frozenset(
    {
        "sample text",
        "sample string",
        "sample value",
        "sample",
        "string",
        "<string>",
        "text here",
        "your text here",
    }
    | {"placeholder", "lorem ipsum", "example text", "value", "your value", "your_value"}
)
PLACEHOLDER_NAME: Final = re.compile(
    r"(?:param|parameter|field|arg|argument|key|property)_?\d{1,3}|param|parameter|placeholder\w*"
    r"|(?:your|example|sample)_(?:param|parameter|field|key|value)\w*|foo|bar"
)
PICTURE_SIZE: Final = frozenset({"width", "height"})


def require_own_page(
    slug: str, attributes: list[Facts], values: Mapping[str, Any], line: int, *, lists_every_key: bool
) -> None:
    """Raise `BrokenPage` for a page with placeholders, or with a sample that is not of its parameters.

    With `lists_every_key`, each key of the sample must be a parameter, and each required parameter a key of
    the sample. Otherwise most keys must be parameters; what differs is a contradiction of the page.
    """
    names = [each["name"] for each in attributes]
    for name in dict.fromkeys([*names, *values]):
        if PLACEHOLDER_NAME.fullmatch(name):
            raise BrokenPage(line, f"its parameter {name} is a placeholder")
        value = values.get(name)
        if isinstance(value, str) and value.strip().lower() in PLACEHOLDER_VALUES:
            raise BrokenPage(line, f"its sample sends the placeholder {value!r} as {name}")
    if "embed" in slug.lower() and PICTURE_SIZE.issubset(names):
        raise BrokenPage(line, f"it lists width and height for {slug}, which embeds and draws nothing")
    foreign = [name for name in values if name not in names]
    if foreign and (lists_every_key or (len(foreign) > 1 and 2 * len(foreign) > len(values))):
        raise BrokenPage(line, f"its sample sends {_listed(foreign)}, which it does not list as a parameter")
    unsent = [each["name"] for each in attributes if each.get("required") and each["name"] not in values]
    if unsent and lists_every_key:
        raise BrokenPage(line, f"it requires {_listed(unsent)}, which its sample does not send")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name[:60] for name in names)


def sample_values(values: Mapping[str, Any], attributes: Iterable[Facts]) -> Facts:
    """Return a sample's values as facts hold them: a text of several words that is no default is a digest."""
    defaults = {each["name"]: each.get("default") for each in attributes}
    return {name: _sample_value(value, defaults.get(name)) for name, value in values.items()}


def _sample_value(value: Any, default: str | None) -> Any:
    has_spaces = isinstance(value, str) and bool(re.search(r"\s", value))
    return digest(value) if has_spaces and value != default else value
