"""Run the same mutants under the suite and under schemathesis alone, in one run.

Usage: `python -m proofs.mutation.compare [GLOB…] --sample N`. For a fair comparison, schemathesis gets the
key, pictures for image parameters, the smallest sizes by default, and the information that a 406 may refuse a
bad value. It reads the same documents as the suite, with its own checks and its default number of examples,
and stops at the first failure.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, replace
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
from proofs.mutation.mutants import UNCHANGED
from proofs.mutation.score import Result, UnchangedFails, by_name, try_mutant, workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proofs.mutation.mutants import Mutant

COMPARISON_FILE: Final = Path("out/mutation-compare.json")
FORMAT: Final = "segmind-sd3 mutation comparison 1"
SETTINGS: Final[dict[str, Any]] = {
    "seed": 20261121,
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


def try_with_schemathesis(name: str) -> Result:
    """Run schemathesis on a mutant's endpoint until one of its checks fails."""
    began = time.monotonic()
    mutant = by_name()[name]
    try:
        failure = first_failure(mutant)
    except Exception as error:  # noqa: BLE001 - the result reports it
        return Result(name, None, f"{type(error).__name__}: {error}", time.monotonic() - began)
    check, why = failure or (None, None)
    return Result(name, check, why, time.monotonic() - began)


def first_failure(mutant: Mutant) -> tuple[str, str] | None:
    """Return the first failing check and its message, or None."""
    bundle = mutant.bundles().observed
    loaded = SCHEMATHESIS.openapi.from_dict(bundle, config=SCHEMATHESIS.Config.from_dict(SETTINGS))
    loaded.app = application(mutant.server())
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


def try_with_both(name: str) -> tuple[Result, Result]:
    """Return the suite's and schemathesis's result for a mutant."""
    return try_mutant(name), try_with_schemathesis(name)


def unchanged_failure(operation: str) -> str | None:
    """Return schemathesis's failure on the unchanged endpoint, which would invalidate its kills."""
    failure = first_failure(replace(UNCHANGED, operation=operation))
    return failure and f"schemathesis fails on the unchanged {operation}: {': '.join(failure)}"


# -- The command ------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    options = make_parser(
        "mutation.compare",
        "Run the same mutants under the suite and under schemathesis alone.",
        COMPARISON_FILE,
    ).parse_args(arguments)
    chosen = chosen_mutants(options)
    if not chosen:
        print("No mutant has such a name.", flush=True)
        return 2
    SCHEMATHESIS.hook(before_call)
    try:
        with workers(options.workers) as run:
            if failures := list(
                filter(None, run(unchanged_failure, sorted({each.operation for each in chosen})))
            ):
                raise UnchangedFails("; ".join(failures))
            found: dict[str, tuple[Result, Result]] = {}
            pairs = run(try_with_both, [mutant.name for mutant in chosen])
            for pair in with_progress(pairs, len(chosen), lambda pair: pair[0].killed_by):
                found[pair[0].mutant] = pair
    except UnchangedFails as broken:
        print(str(broken), flush=True)
        return 2
    pairs = [found[mutant.name] for mutant in chosen]
    write(options.out, pairs)
    Console().print(table(pairs))
    for line in differences(pairs):
        print(line, flush=True)
    return 0


def write(file: Path, pairs: Sequence[tuple[Result, Result]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    value = {
        "format": FORMAT,
        "schemathesis": version("schemathesis"),
        "results": [{"suite": asdict(ours), "schemathesis": asdict(its)} for ours, its in pairs],
    }
    file.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def table(pairs: Sequence[tuple[Result, Result]]) -> Table:
    """Return a table of both results, by the kind of the mutants."""
    made = Table("changed", "mutants", "suite", "schemathesis", "suite, s", "schemathesis, s")
    kinds = dict.fromkeys(ours.mutant.partition(":")[0] for ours, _ in pairs)
    for kind in (*kinds, "all"):
        rows = [pair for pair in pairs if kind in ("all", pair[0].mutant.partition(":")[0])]
        columns = [[pair[side] for pair in rows] for side in (0, 1)]
        killed = [sum(1 for each in column if each.killed_by) for column in columns]
        made.add_row(
            kind,
            str(len(rows)),
            *(f"{each} ({100 * each / len(rows):.1f} %)" for each in killed),
            *(f"{sum(each.seconds for each in column):.0f}" for column in columns),
            end_section=kind == list(kinds)[-1],
        )
    return made


def differences(pairs: Sequence[tuple[Result, Result]]) -> Iterator[str]:
    """Yield the mutants that the suite misses, and count those that schemathesis misses."""
    for ours, its in pairs:
        if its.killed_by and not ours.killed_by:
            yield f"schemathesis alone: {ours.mutant}  by {its.killed_by}: {its.why}"
        elif not ours.killed_by:
            yield f"neither:            {ours.mutant}"
    alone = sum(1 for ours, its in pairs if ours.killed_by and not its.killed_by)
    failed = [its for _, its in pairs if not its.killed_by and its.why]
    yield f"{alone} are killed by the suite alone. schemathesis itself failed on {len(failed)}."
    yield from (f"schemathesis failed: {its.mutant}: {its.why}" for its in failed)


if __name__ == "__main__":
    sys.exit(main())
