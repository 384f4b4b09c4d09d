"""Print what a second page of a model says more than the first, or otherwise, side by side."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from rich.table import Table
from segmind_sd3_contract.terminal import Console

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.second_page import Comparison

LONGEST: Final = 60
"""The characters of a value that are shown."""

OUTCOMES: Final = {
    "added": "observed.overlay.yaml adds it",
    "put beside": "observed.overlay.yaml puts it beside the first page's",
    "by hand": "left to you",
}


def print_comparison(facts: Facts, first: Facts | None, comparison: Comparison) -> None:
    """Print the rows of a comparison as a table."""
    # Into a pipe, each row is one line, so that it can be searched.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 240, highlight=False)
    layouts = [(each or {}).get("layout", "A") for each in (first, facts)]
    if not comparison.rows:
        console.print(f"{facts['slug']}: the page in the layout {layouts[1]} says nothing new or otherwise.")
        return
    table = Table("fact", *(f"the page in the layout {each} says" for each in layouts), "what becomes of it")
    for row in comparison.rows:
        outcome = OUTCOMES[row.outcome] + (f": {row.reason}" if row.reason else "")
        table.add_row(row.fact, _clipped(row.first), _clipped(row.second), outcome)
    console.print(f"Two pages of {facts['slug']}, in different layouts:")
    console.print(table)


def _clipped(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
