"""Prove that `docs check` reports every fact that differs: `python -m proofs.pages.check`.

Each mutant changes one fact of a page or of a spec, and `docs check` must report that very fact. Survivors,
mutants that are not reported or reported as another fact, are printed, and the exit code is 1.

The pages are those saved beside the checkout (`../shared/docs`). Without them, pages are written from the
recorded facts.
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

from segmind_sd3_pipeline.pages.comparison import page_differences
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.page import PageError, read_page
from segmind_sd3_pipeline.pages.page_writer import page_text

from proofs.pages.page_mutants import page_mutants
from proofs.pages.spec_mutants import shared_mutants, spec_mutants

if TYPE_CHECKING:
    from collections.abc import Generator

    from segmind_sd3_pipeline.pages.facts import Facts

ROOT: Final = Path(__file__).parents[3]
SAVED_PAGES: Final = ROOT.parent / "shared" / "docs"
OPENAPI: Final = ROOT / "openapi"

ROUND: Final = 5
SHARE: Final = 2
"""Reading a spec is slow. Of five mutants of a spec, two are tried, and of the next spec the next two."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The result for the mutants of a page or a spec."""

    name: str
    tried: int
    survivors: tuple[str, ...]
    seconds: float


def saved_page(facts: Facts) -> str:
    """Return the saved page, or a page written from its facts."""
    saved = SAVED_PAGES / f"{facts['slug']}.txt"
    return saved.read_bytes().decode() if saved.is_file() else page_text(facts)


@contextmanager
def specs_with_facts(facts: Facts) -> Generator[Path]:
    """Yield a copy of the specs with these facts as the recorded ones."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, "openapi")
        copy.mkdir()
        for file in OPENAPI.glob("*.yaml"):
            shutil.copy(file, copy)
        (copy / "facts").mkdir()
        (copy / "facts" / f"{facts['slug']}.json").write_text(json.dumps(facts), encoding="utf-8")
        yield copy


def try_page_mutants(facts: Facts) -> Tally:
    """Try every mutant of one page."""
    began = time.monotonic()
    text = saved_page(facts)
    facts = read_page(text)
    survivors: list[str] = []
    with specs_with_facts(facts) as folder:
        known = reported_differences(facts, folder)
        mutants = list(page_mutants(text, facts))
        for each in mutants:
            try:
                if not reports(each.fact, reported_differences(read_page(each.text), folder) - known):
                    survivors.append(each.name)
            except PageError as refused:
                survivors.append(f"{each.name} ({refused})")
    return Tally(f"page {facts['slug']}", len(mutants), tuple(survivors), time.monotonic() - began)


def try_spec_mutants(facts: Facts, *, among: range, round_of: int = ROUND) -> Tally:
    """Try the mutants of one spec whose positions, modulo `round_of`, are in `among`."""
    began = time.monotonic()
    survivors: list[str] = []
    every = [*spec_mutants(OPENAPI, facts["slug"]), *shared_mutants(OPENAPI, facts["slug"])]
    mutants = [
        each for number, each in enumerate(every) if number % round_of in {n % round_of for n in among}
    ]
    with specs_with_facts(facts) as folder:
        for each in mutants:
            file = folder / each.file
            original = file.read_text(encoding="utf-8")
            file.write_text(each.text, encoding="utf-8")
            if not reports(each.fact, reported_differences(facts, folder)):
                survivors.append(each.name)
            file.write_text(original, encoding="utf-8")
    return Tally(f"spec {facts['slug']}", len(mutants), tuple(survivors), time.monotonic() - began)


def reported_differences(facts: Facts, folder: Path) -> set[tuple[str, str | None, str | None]]:
    """Return what `docs check` reports, without the places."""
    return {(row.fact, row.page, row.spec) for row in page_differences(facts, folder)}


def reports(fact: str, rows: set[tuple[str, str | None, str | None]]) -> bool:
    return any(row[0] == fact for row in rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Change each fact of each page and spec, and run docs check."
    )
    parser.add_argument("only", nargs="?", choices=("page", "spec"), help="by default both")
    parser.add_argument(
        "--every", action="store_true", help="try every mutant of a spec, which takes a minute"
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    recorded = all_recorded_facts(OPENAPI)
    page_differences(recorded[0], OPENAPI)  # fills the caches before the fork, once for all processes
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        waiting = [
            pool.apply_async(try_page_mutants, (facts,)) for facts in recorded if options.only != "spec"
        ]
        if options.only != "page":
            share = ROUND if options.every else SHARE
            waiting += [
                pool.apply_async(try_spec_mutants, (facts,), {"among": range(number, number + share)})
                for number, facts in enumerate(sorted(recorded, key=_attributes, reverse=True))
            ]
        tallies = [print_tally(each.get()) for each in waiting]
    for kind in ("page", "spec"):
        tried = sum(each.tried for each in tallies if each.name.startswith(kind))
        missed = sum(len(each.survivors) for each in tallies if each.name.startswith(kind))
        if tried:
            print(
                f"{kind}: {tried - missed} of {tried} mutants are reported as the changed fact.", flush=True
            )
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    return 1 if any(each.survivors or not each.tried for each in tallies) else 0


def _attributes(facts: Facts) -> int:
    return len(facts["attributes"])


def print_tally(tally: Tally) -> Tally:
    print(
        f"{tally.name:<44} {tally.tried:4} mutants {len(tally.survivors):3} survive {tally.seconds:5.1f} s",
        flush=True,
    )
    for survivor in tally.survivors:
        print(f"  SURVIVED {survivor}", flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
