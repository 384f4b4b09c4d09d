"""Prove that every fact that differs is noticed, in each layout: `python -m proofs.pages.layouts`.

The facts of the recorded pages are written as pages in each layout that is read. Each mutant changes one
fact. The reader must report that very fact, or refuse the page and name the parameter. Survivors are
printed, and the exit code is 1.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.comparison import reading_differences
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.page import PageError, read_page
from segmind_sd3_pipeline.pages.page_error import BrokenPage
from segmind_sd3_pipeline.pages.page_writer import LAYOUTS

from proofs.pages.fact_mutants import FactMutant, fact_mutants, in_layout

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts

OPENAPI: Final = Path(__file__).parents[3] / "openapi"


def survivors(facts: Facts, layout: str) -> tuple[int, list[str]]:
    """Return how many mutants of a page in a layout were tried, and those that nobody noticed."""
    stated = in_layout(facts, layout)
    before = read_page(LAYOUTS[layout](stated))
    tried, left = 0, list[str]()
    for mutant in fact_mutants(stated):
        tried += 1
        if flaw := _flaw(mutant, layout, before):
            left.append(f"{layout} {facts['slug']}: {mutant.name} ({mutant.fact}): {flaw}")
    return tried, left


def _flaw(mutant: FactMutant, layout: str, before: Facts) -> str | None:
    """Return why a mutant survives, or None if it is noticed."""
    try:
        after = read_page(LAYOUTS[layout](mutant.facts))
    except BrokenPage as refused:
        # A sample that no longer fits its parameters is refused, by the name of the parameter.
        is_about_sample = (
            mutant.fact == "attributes" or mutant.fact.startswith("sample.") or "required" in mutant.fact
        )
        return None if is_about_sample else str(refused)
    except PageError as refused:
        return str(refused)
    found = {row.fact for row in reading_differences(before, after)}
    return None if mutant.fact in found else f"reported: {', '.join(sorted(found - {'digest'})) or 'nothing'}"


def main() -> int:
    began = time.monotonic()
    tried, left = 0, list[str]()
    for layout in LAYOUTS:
        here = [survivors(facts, layout) for facts in all_recorded_facts(OPENAPI)]
        count, missed = sum(each[0] for each in here), [name for each in here for name in each[1]]
        print(f"{layout:<10} {count:5} mutants {len(missed):3} survive", flush=True)
        tried, left = tried + count, [*left, *missed]
    for name in left:
        print(f"  SURVIVED {name}", flush=True)
    print(f"{tried - len(left)} of {tried} mutants are noticed; {time.monotonic() - began:.1f} s", flush=True)
    return 1 if left or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
