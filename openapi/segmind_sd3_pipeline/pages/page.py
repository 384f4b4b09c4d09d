"""Read the text of a docs page into facts (see `segmind_sd3_pipeline.pages.facts`).

The layout is recognised first, and its reader reads the lines. No line is dropped. In a known section,
every line is understood, or a `PageError` names it. An unknown section is recorded as prose under its own
heading, so that it is reported and a change in it is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.digests import digest
from segmind_sd3_pipeline.pages.layouts.attribute_pages import read_attribute_page
from segmind_sd3_pipeline.pages.layouts.parameter_pages import read_parameter_page
from segmind_sd3_pipeline.pages.layouts.recognise import recognise
from segmind_sd3_pipeline.pages.page_error import Line, PageError

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts

__all__ = ["PageError", "read_page"]

MAX_PAGE_CHARS: Final = 200_000
"""The five pages have about 5,000 characters each."""


def read_page(text: str) -> Facts:
    """Return the facts of a page.

    Raises:
        PageError: It is no docs page, its layout is not read, it is incomplete, or a line is not understood.
    """
    lines = _lines(text)
    layout = recognise(lines)
    read = read_parameter_page if layout in {"N", "N2"} else read_attribute_page
    facts = read(lines, layout)
    return {
        "slug": facts["slug"],
        "page": f"https://www.segmind.com/models/{facts['slug']}/api",
        "digest": digest(text),
        **facts,
    }


def _lines(text: str) -> list[Line]:
    if len(text) > MAX_PAGE_CHARS:
        raise PageError(
            "page", 1, f"a docs page of at most {MAX_PAGE_CHARS:,} characters", f"{len(text):,} of them"
        )
    if "\0" in text:
        raise PageError("page", 1, "text as a browser copies it", "a binary file")
    if not text.strip():
        raise PageError("page", 1, "text as a browser copies it", "")
    if text.lstrip("\ufeff \t\r\n").startswith(("<", "{", "%PDF")):
        raise PageError(
            "page", 1, "the page's text as a browser copies it, not its source or a PDF", text.lstrip()
        )
    lines = (
        text.removeprefix("\ufeff")
        .replace("\u200b", "")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .split("\n")
    )
    return [Line(number, line.strip()) for number, line in enumerate(lines, 1)]
