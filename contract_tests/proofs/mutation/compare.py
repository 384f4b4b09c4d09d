"""Run the same mutants under the suite, under schemathesis alone, and under schemathesis with our checks.

Usage: `python -m proofs.mutation.compare [GLOB…] --sample N`. For a fair comparison, schemathesis alone gets
the key, pictures for image parameters, the smallest sizes by default, and the information that a 406 may
refuse a bad value. It reads the same documents as the suite, with its own checks and its default number of
examples. With our hooks and checks it has the oracle, and not the suite's own cases. Each knows the changed
endpoint, and stops at its first failure.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import schemathesis
from rich.table import Table
from schemathesis.engine import Status, events, from_schema
from segmind_sd3_contract.conformance.bodies import SIDE, is_picture, picture, sides
from segmind_sd3_contract.conformance.inprocess import KEY
from segmind_sd3_contract.reference.asgi import application
from segmind_sd3_contract.terminal import Console

from proofs.mutation.command import chosen_mutants, make_parser, with_progress
from proofs.mutation.contracts import schema
from proofs.mutation.equivalents import read_equivalents, reason_of
from proofs.mutation.mutants import UNCHANGED
from proofs.mutation.score import (
    Result,
    UnchangedFails,
    by_name,
    outcome_of,
    sent_to,
    try_mutant,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmind_sd3_contract.reference import ReferenceServer

    from proofs.mutation.mutants import Mutant

COMPARISON_FILE: Final = Path("out/mutation-compare.json")
FORMAT: Final = "segmind-sd3 mutation comparison 2"
SEED: Final = 20261121
SEEDS: Final = range(10)
"""The seeds of the runs on the unchanged server, where each failure is a false alarm."""

SETTINGS: Final[dict[str, Any]] = {
    "max-failures": 1,
    "cache": {"enabled": False},
    "analysis": {"constants": {"enabled": False}},
    "auth": {"openapi": {"ApiKey": {"api_key": KEY}}},
    "generation": {"deterministic": True, "database": "none"},
    # No operation depends on another.
    "phases": {"stateful": {"enabled": False}},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": [200]},
        "negative_data_rejection": {"expected-statuses": [400, 401, 404, 405, 406, 422]},
    },
}

SCHEMATHESIS: Final[Any] = schemathesis
"""Its loaders are only partly typed."""


def try_with_schemathesis(name: str, seed: int = SEED) -> Result:
    """Run schemathesis on a mutant's endpoint until one of its checks fails."""
    began, server = time.monotonic(), by_name()[name].server()
    try:
        failure = first_failure(by_name()[name], server, seed)
    except Exception as error:  # noqa: BLE001 - the result reports it
        return Result(name, None, f"{type(error).__name__}: {error}", time.monotonic() - began)
    check, why = failure or (None, None)
    return Result(name, check, why, time.monotonic() - began, *sent_to(server))


def first_failure(mutant: Mutant, server: ReferenceServer, seed: int = SEED) -> tuple[str, str] | None:
    """Return the first failing check and its message, or None."""
    bundle = mutant.bundles().observed
    settings = {**SETTINGS, "seed": seed}
    loaded = SCHEMATHESIS.openapi.from_dict(bundle, config=SCHEMATHESIS.Config.from_dict(settings))
    loaded.app = application(server)
    for event in from_schema(loaded.include(operation_id=mutant.operation)).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                for check in (check for each in recorder.checks.values() for check in each):
                    if check.status == Status.FAILURE and check.failure_info:
                        return check.name, str(check.failure_info.failure.message)
            case events.EngineFinished():
                for failure in event.failures:
                    return type(failure).__name__, str(failure.message)
            case events.NonFatalError() | events.FatalError():
                raise RuntimeError(str(event))
            case _:
                pass
    return None


def before_call(_context: object, case: Any, _kwargs: object) -> None:
    """Replace texts by pictures for image parameters, and default the sizes to the smallest."""
    body = case.body
    if isinstance(body, dict):
        body = cast("dict[str, Any]", body)
        operation = case.operation.definition.raw["operationId"]
        properties = schema(case.operation.schema.raw_schema, operation)["properties"]
        for name in sides(properties):
            body.setdefault(name, properties[name].get("minimum", SIDE))
        pictures = [name for name, node in properties.items() if is_picture(node) and name in body]
        body |= {name: picture() for name in pictures if isinstance(body[name], str)}
    elif case.operation.method == "post" and not case.media_type:
        # Without a content type, a 406 would hide the answer to the missing body.
        case.headers.setdefault("content-type", "application/json")


def try_with_suite(name: str) -> Result:
    """Run the suite on a mutant. Like schemathesis it knows the changed endpoint, and no more."""
    return try_mutant(name, knows_group=False)


def false_alarms(program: str, operation: str) -> list[str]:
    """Return what a program finds on the unchanged endpoint, with each of ten seeds."""
    unchanged = replace(UNCHANGED, operation=operation)
    if program == SUITE:
        broken = outcome_of(unchanged)  # it draws nothing at random in-process
        return [broken.id] if broken else []
    failures = (first_failure(unchanged, unchanged.server(), seed) for seed in SEEDS)
    return [": ".join(each) for each in failures if each]


# -- The command ------------------------------------------------------------------------------------------


SUITE: Final = "our suite"
ALONE: Final = "schemathesis alone"
CHECKED: Final = "schemathesis with our checks"
PROGRAMS: Final = (SUITE, ALONE, CHECKED)
KINDS: Final = {
    "": "mutants",
    "server": "changed contracts of the server",
    "behaviour": "changed behaviours",
    "spec": "changed specs",
}
PAGE: Final = Path("docs/proved/mutation.md")
FIRST_MARK: Final = "<!-- comparison: printed by make prove WHAT=mutation-compare -->\n"
LAST_MARK: Final = "<!-- end of comparison -->"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser(
        "mutation.compare",
        "Run the same mutants under the suite, and under schemathesis without and with its hooks.",
        COMPARISON_FILE,
    )
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE} too")
    options = parser.parse_args(arguments)
    chosen = chosen_mutants(options)
    if not chosen:
        print("No mutant has such a name.", flush=True)
        return 2
    names = [mutant.name for mutant in chosen]
    operations = sorted({mutant.operation for mutant in chosen})
    found: dict[str, dict[str, Result]] = {}
    alarms: dict[str, list[str]] = {}
    SCHEMATHESIS.hook(before_call)
    for program, run_one in (
        (SUITE, try_with_suite),
        (ALONE, try_with_schemathesis),
        (CHECKED, try_with_schemathesis),
    ):
        if program == CHECKED:
            SCHEMATHESIS.hooks.unregister(before_call)
            importlib.import_module("segmind_sd3_contract.schemathesis_hooks")
        try:
            with workers(options.workers) as run:
                lists = run(partial(false_alarms, program), operations)
                alarms[program] = [alarm for each in lists for alarm in each]
                results = with_progress(run(run_one, names), len(names), lambda each: each.killed_by)
                found[program] = {each.mutant: each for each in results}
        except UnchangedFails as broken:
            print(str(broken), flush=True)
            return 2
    write(options.out, found, alarms)
    lines = list(rows(found, alarms))
    table = Table("", *PROGRAMS)
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    if options.docs:
        write_page(lines)
    for line in differences(found, alarms):
        print(line, flush=True)
    return 0


def write(file: Path, found: Mapping[str, Mapping[str, Result]], alarms: Mapping[str, list[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    value = {
        "format": FORMAT,
        "schemathesis": version("schemathesis"),
        "false alarms": alarms,
        "results": {
            program: [asdict(each) for each in results.values()] for program, results in found.items()
        },
    }
    file.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def rows(
    found: Mapping[str, Mapping[str, Result]], alarms: Mapping[str, list[str]]
) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table, a column for each program: what it found, and what that took."""
    columns = [list(results.values()) for results in found.values()]
    for kind in ("", *dict.fromkeys(name.partition(":")[0] for name in found[SUITE])):
        chosen = [[each for each in column if each.mutant.startswith(kind)] for column in columns]
        head = f"found, of {len(chosen[0]):,} {KINDS[kind]}"
        yield head, *(f"{sum(bool(each.killed_by) for each in column):,}" for column in chosen)
    yield "false alarms on the unchanged server", *(str(len(alarms[program])) for program in found)
    yield "requests", *(f"{sum(each.requests for each in column):,}" for column in columns)
    yield "their price, USD", *(f"{sum(each.cost for each in column):,.0f}" for column in columns)
    yield "seconds", *(f"{sum(each.seconds for each in column):,.0f}" for column in columns)


def write_page(lines: Sequence[tuple[str, ...]]) -> None:
    """Write the table between its marks in the site's page."""
    head = ("", *PROGRAMS)
    cells = [head, tuple("---" for _ in head), *lines]
    table = "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in cells)
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(FIRST_MARK)
    _, end, after = rest.partition(LAST_MARK)
    if not end:
        raise SystemExit(f"{PAGE} has no place for the table: it needs {FIRST_MARK!r} and {LAST_MARK!r}")
    PAGE.write_text(f"{before}{FIRST_MARK}{table}\n{end}{after}", "utf-8")


def differences(found: Mapping[str, Mapping[str, Result]], alarms: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the mutants that the suite misses, where schemathesis itself failed, and all false alarms."""
    equivalents = read_equivalents()
    for name, ours in found[SUITE].items():
        others = [program for program, results in found.items() if results[name].killed_by]
        if not ours.killed_by:
            why = reason_of(name, equivalents)
            yield f"{', '.join(others) or 'nobody'}: {name}{f' (equivalent: {why})' if why else ''}"
    for program in (ALONE, CHECKED):
        for each in found[program].values():
            if each.why and not each.killed_by:
                yield f"{program} failed: {each.mutant}: {each.why}"
    yield from (f"false alarm of {program}: {each}" for program, list_ in alarms.items() for each in list_)


if __name__ == "__main__":
    sys.exit(main())
