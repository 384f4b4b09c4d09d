"""Proof that `docs check` sees every fact: `python -m proofs.pages.mutation`.

Each fact of each page is changed, one at a time, and facts of each spec. The check must name that very fact
each time; a mutant that it doesn't see, or sees as another fact, is named here, and the exit code is 1.

The pages are those that were saved beside the checkout (`../shared/docs`) or, without them, pages written
from the facts that are kept.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.checking import differing
from segmind_sd3_pipeline.pages.page import PageError, read_page
from segmind_sd3_pipeline.pages.writing import written

from proofs.pages.page_mutants import page_mutants
from proofs.pages.spec_mutants import shared_mutants, spec_mutants

if TYPE_CHECKING:
    from collections.abc import Generator

    from segmind_sd3_pipeline.pages.facts import Facts

ROOT: Final = Path(__file__).parents[3]
SAVED: Final = ROOT.parent / "shared" / "docs"
OPENAPI: Final = ROOT / "openapi"

ROUND: Final = 5
SHARE: Final = 2
"""To read a spec takes long. Of five changes to one, two are tried, and of the next spec the next two."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the mutants of a page or a spec."""

    of: str
    tried: int
    survivors: tuple[str, ...]
    seconds: float


def kept_facts() -> list[Facts]:
    """The facts that the repository keeps of each page."""
    return [
        json.loads(file.read_text(encoding="utf-8")) for file in sorted((OPENAPI / "facts").glob("*.json"))
    ]


def page_text(facts: Facts) -> str:
    """The saved page of a slug, or one that is written from its facts."""
    saved = SAVED / f"{facts['slug']}.txt"
    return saved.read_bytes().decode() if saved.is_file() else written(facts)


@contextmanager
def scratch(facts: Facts) -> Generator[Path]:
    """A copy of the specs, beside which the page is kept as these facts have it."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, "openapi")
        copy.mkdir()
        for file in OPENAPI.glob("*.yaml"):
            shutil.copy(file, copy)
        (copy / "facts").mkdir()
        (copy / "facts" / f"{facts['slug']}.json").write_text(json.dumps(facts), encoding="utf-8")
        yield copy


def of_page(facts: Facts) -> Tally:
    """Try every change to one page."""
    began = time.monotonic()
    text = page_text(facts)
    facts = read_page(text)
    survivors: list[str] = []
    with scratch(facts) as folder:
        known = said(facts, folder)
        mutants = list(page_mutants(text, facts))
        for each in mutants:
            try:
                if not sees(each.fact, said(read_page(each.text), folder) - known):
                    survivors.append(each.name)
            except PageError as refused:
                survivors.append(f"{each.name} ({refused})")
    return Tally(f"page {facts['slug']}", len(mutants), tuple(survivors), time.monotonic() - began)


def of_spec(facts: Facts, *, among: range, round_of: int = ROUND) -> Tally:
    """Try changes to one spec: of all of them, in turn, those whose places in a round are given."""
    began = time.monotonic()
    survivors: list[str] = []
    every = [*spec_mutants(OPENAPI, facts["slug"]), *shared_mutants(OPENAPI, facts["slug"])]
    mutants = [
        each for number, each in enumerate(every) if number % round_of in {n % round_of for n in among}
    ]
    with scratch(facts) as folder:
        for each in mutants:
            file = folder / each.file
            as_it_is = file.read_text(encoding="utf-8")
            file.write_text(each.text, encoding="utf-8")
            if not sees(each.fact, said(facts, folder)):
                survivors.append(each.name)
            file.write_text(as_it_is, encoding="utf-8")
    return Tally(f"spec {facts['slug']}", len(mutants), tuple(survivors), time.monotonic() - began)


def said(facts: Facts, folder: Path) -> set[tuple[str, str | None, str | None]]:
    """What `docs check` says, without the lines."""
    return {(row.fact, row.page, row.spec) for row in differing(facts, folder)}


def sees(fact: str, rows: set[tuple[str, str | None, str | None]]) -> bool:
    return any(row[0] == fact for row in rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Change each fact of each page and spec; each must be seen.")
    parser.add_argument("only", nargs="?", choices=("page", "spec"), help="else both")
    parser.add_argument("--every", action="store_true", help="every change to a spec, which takes a minute")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    kept = kept_facts()
    differing(kept[0], OPENAPI)  # what is imported and read here is not in each process
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        waiting = [pool.apply_async(of_page, (facts,)) for facts in kept if options.only != "spec"]
        if options.only != "page":
            share = ROUND if options.every else SHARE
            waiting += [
                pool.apply_async(of_spec, (facts,), {"among": range(number, number + share)})
                for number, facts in enumerate(sorted(kept, key=_attributes, reverse=True))
            ]
        tallies = [told(each.get()) for each in waiting]
    for kind in ("page", "spec"):
        tried = sum(each.tried for each in tallies if each.of.startswith(kind))
        missed = sum(len(each.survivors) for each in tallies if each.of.startswith(kind))
        if tried:
            say(f"{kind}: {tried - missed} of {tried} mutants are seen for what they are.")
    say(f"{time.monotonic() - began:.1f} s")
    return 1 if any(each.survivors or not each.tried for each in tallies) else 0


def _attributes(facts: Facts) -> int:
    return len(facts["attributes"])


def told(tally: Tally) -> Tally:
    say(f"{tally.of:<44} {tally.tried:4} mutants {len(tally.survivors):3} survive {tally.seconds:5.1f} s")
    for survivor in tally.survivors:
        say(f"  SURVIVED {survivor}")
    return tally


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
