"""Prove that the tests notice faults in the SDK: `python -m proofs.planted`.

Each fault switches off one row of the quirk table, or moves one bound of `parameters.py` by one step. At
least one test must fail under each fault. Survivors are printed, and the exit code is 1.

The SDK has no hook for this. The proof preloads third-party packages, forks a process for each fault, patches
the two tables there before the SDK reads them, and runs pytest: first the tests that are most likely to fail,
then all that use the SDK. A switched-off row keeps a function that does nothing, so no test fails because of
the table's form. Finally, every test that failed must pass without a fault.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, is_typeddict

import pytest
from segmind_sd3_contract.quirks import quirks

from proofs.coverage_report import uses_the_sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
TESTS: Final = ROOT / "contract_tests"

PLUGINS: Final = ("anyio.pytest_plugin", "_hypothesis_pytestplugin")
"""The pytest plugins that the SDK's tests need. Loading the others would take most of the time."""

PRELOADED: Final = (
    *PLUGINS,
    *("hypothesis", "httpx", "jsonschema", "PIL.Image", "PIL.ImageFont", "click", "rich.console", "trio"),
    *("starlette.applications", "uvicorn", "ruamel.yaml", "trustme", "segmind_sd3_contract.reference"),
)
"""The packages that every pytest run imports, imported once. The SDK is not among them."""

OPTIONS: Final = (
    *("-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "--hypothesis-profile=planted"),
    *(option for plugin in PLUGINS for option in ("-p", plugin)),
)

FOLDERS: Final = ("cassettes", "conformance", "house", "sdk")
"""The folders of tests that use the SDK. The pipeline's tests work on copies of the repository."""

EXCLUDED: Final = ("house/test_readme.py", "sdk/test_typing.py")
"""Test files that start processes, in which no fault is planted."""

NO_OPS: Final[Mapping[str, Callable[[Any, Any], Any] | Callable[[Any], Any]]] = {
    "default": lambda _operation, body: body,
    "refusal": lambda _operation, _given: iter(()),
    "repair": lambda reply: reply,
    "diagnosis": lambda _reply, fault: fault,
}
"""The function that does nothing, by the kind of a row."""


@dataclass(frozen=True)
class Fault:
    """One fault. `changes` are fields of parameters by operation and name; `row` is switched off."""

    name: str
    likely: Iterable[tuple[str, ...]]
    """The pytest arguments of the runs that are most likely to fail, in order."""
    changes: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict[Any, Any])
    row: tuple[str, str] | None = None
    """Name and kind."""


@dataclass(frozen=True)
class Outcome:
    """The result for one fault. `noticed` is the first test that failed."""

    fault: str
    noticed: str | None
    seconds: float


# -- The faults --------------------------------------------------------------------------------------------


def faults(with_function: Collection[str]) -> Iterator[Fault]:
    """Yield every fault: first the rows, then the bounds.

    `with_function` are the names of the rows for which the SDK has a function.
    """
    originals = fields_without_actions()
    for row in quirks().values():
        if row.kind in ("repair", "diagnosis"):
            likely = (("sdk/test_quirk_replies.py", "-k", row.name), ("sdk/test_quirk_replies.py",))
        else:
            signatures = ("sdk/test_signatures.py", "-k", "hidden")
            likely = (
                ("sdk/test_quirks.py", "-k", row.name),
                signatures,
                ("sdk/test_calls.py", "sdk/test_boundaries.py"),
            )
        if row.name in with_function:
            yield Fault(f"row:{row.name}", likely, row=(row.name, row.kind))
        for action in row.actions:
            if action.id in originals:
                yield Fault(f"row:{row.name}:{action.id}", likely, originals[action.id])
    yield from moved_bounds()


def moved_bounds() -> Iterator[Fault]:
    for operation, known in _parameters():
        step = known.multiple_of or (1 if known.kind == "integer" else 0.01)
        for bound in ("minimum", "maximum", "multiple_of"):
            value = getattr(known, bound)
            if value is None:
                continue
            by = 1 if bound == "multiple_of" else step
            for direction, moved in (("down", value - by), ("up", value + by)):
                yield Fault(
                    f"bound:{operation}:{known.name}:{bound}:{direction}",
                    (("sdk/test_boundaries.py", "-k", f"sdk_lets_through and {operation}::{known.name}::"),),
                    {(operation, known.name): {bound: round(moved, 2)}},
                )


def _parameters() -> Iterator[tuple[str, Any]]:
    from segmind_sd3_api.parameters import OPERATIONS  # noqa: PLC0415 - only where no fault is planted yet

    for operation in OPERATIONS.values():
        for known in operation.parameters.values():
            yield operation.operation_id, known


def fields_without_actions() -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    """Return, for each overlay action, the fields of the parameters as they would be without it.

    For a policy these are all fields that it sets, and for an observation the values that it lists.
    """
    from segmind_sd3_pipeline.spec.bundle import operations, request_schema  # noqa: PLC0415 - not before what is preloaded
    from segmind_sd3_pipeline.spec.layers import read_layers  # noqa: PLC0415 - as above
    from segmind_sd3_pipeline.spec.overlay import apply, read_overlays  # noqa: PLC0415 - as above

    layers = read_layers(ROOT / "openapi")
    observations, policies = read_overlays(
        ROOT / "openapi" / "observed.overlay.yaml", ROOT / "openapi" / "sdk.overlay.yaml"
    )
    known = {(operation, each.name): each for operation, each in _parameters()}

    def of_parameters(document: Any) -> Iterator[tuple[tuple[str, str], Any]]:
        for each in operations(document):
            if "requestBody" in each.spec:
                _, schema = request_schema(document, each)
                yield from (((each.id, name), schema) for name in schema["properties"])

    originals: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for action in policies:
        originals[action.spec["x-id"]] = {
            place: fields_without_policy(schema, place[1], known[place])
            for place, schema in of_parameters(apply(layers.observed, [action]))
            if any(word.startswith("x-sdk-") for word in schema["properties"][place[1]])
        }
    for action in observations:
        options = action.spec.get("update", {}).get("anyOf", ())
        if listed := {value for option in options for value in option.get("enum", ())}:
            originals[action.spec["x-id"]] = {
                place: {
                    "known_values": tuple(each for each in known[place].known_values if each not in listed)
                }
                for place, schema in of_parameters(apply(layers.documented, [action]))
                if "anyOf" in schema["properties"][place[1]]
            }
    return originals


def fields_without_policy(schema: Any, name: str, known: Any) -> dict[str, Any]:
    """Return the fields of a parameter as they would be without the SDK policy in its schema."""
    from segmind_sd3_api.parameters import NO_DEFAULT  # noqa: PLC0415 - as above

    spec = schema["properties"][name]
    required = name in schema.get("required", ())
    fields: dict[str, dict[str, Any]] = {
        "x-sdk-default": {"sdk_default": NO_DEFAULT, "required": required},
        "x-sdk-required": {"required": required},
        "x-sdk-hidden": {"hidden": False},
        "x-sdk-counts-images": {"counts_images": False},
        "x-sdk-maximum": {"sdk_maximum": None},
        "x-sdk-note": {"doc": known.doc.replace(f" {spec.get('x-sdk-note')}", "")},
    }
    return {key: value for word in spec if word in fields for key, value in fields[word].items()}


# -- One fault, in its own process ------------------------------------------------------------------------


class _FirstFailure:
    """A pytest plugin that records the first failure."""

    def __init__(self) -> None:
        self.node: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.node = self.node or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.node = self.node or report.nodeid


def try_fault(fault: Fault, *, likely_only: bool) -> Outcome:
    """Plant a fault in this process, and run the tests until one fails."""
    began = time.monotonic()
    _silence()
    plant(fault)
    runs = [*fault.likely, *([] if likely_only else [sdk_tests()])]
    noticed = next((node for run in runs if (node := first_failure(run))), None)
    return Outcome(fault.name, noticed, time.monotonic() - began)


def plant(fault: Fault) -> None:
    from segmind_sd3_api import parameters  # noqa: PLC0415 - the tables of this process

    operations: Any = parameters.OPERATIONS
    for (operation, name), change in fault.changes.items():
        old = operations[operation]
        changed = {**old.parameters, name: replace(old.parameters[name], **change)}
        operations[operation] = replace(old, parameters=changed)
        if change.get("hidden") is False:
            # The typed dicts must have the parameter too, before `extra`, which is last.
            for each in (kind for kind in vars(parameters).values() if is_typeddict(kind)):
                hints = each.__annotations__
                hints |= {name: bool | None, "extra": hints.pop("extra")}
    if fault.row:
        from segmind_sd3._quirks import FUNCTIONS  # noqa: PLC0415 - as above

        functions: Any = FUNCTIONS
        row, kind = fault.row
        functions[kind][row] = NO_OPS[kind]


def first_failure(run: Iterable[str]) -> str | None:
    seen = _FirstFailure()
    files = [str(TESTS / each) if "/test_" in each else each for each in run]
    pytest.main([*OPTIONS, *files], [seen])
    return seen.node


def sdk_tests() -> tuple[str, ...]:
    files = (file for folder in FOLDERS for file in sorted((TESTS / folder).glob("test_*.py")))
    names = (file.relative_to(TESTS).as_posix() for file in files if uses_the_sdk(file))
    return tuple(name for name in names if name not in EXCLUDED)


def failing_without_fault(nodes: list[str]) -> str | None:
    """Run tests without a fault, and return the first that fails."""
    _silence()
    return first_failure([node.removeprefix("contract_tests/") for node in nodes])


def rows_with_function() -> set[str]:
    from segmind_sd3._quirks import FUNCTIONS  # noqa: PLC0415 - in a process that is forked for it alone

    return {row for functions in FUNCTIONS.values() for row in functions}


def _silence() -> None:
    """Discard pytest's output, and stop Hypothesis from shrinking and storing examples."""
    from hypothesis import Phase, settings  # noqa: PLC0415 - preloaded

    settings.register_profile(
        "planted", deadline=None, max_examples=60, database=None, phases=(Phase.explicit, Phase.generate)
    )
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)


# -- The command ------------------------------------------------------------------------------------------

NOTHING: Final = Fault("nothing", (("sdk/test_boundaries.py", "-k", "sdk_lets_through and strength"),))
"""A fault that changes nothing and must survive. A test runs it by name to see a survivor reported."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Plant faults one at a time. A test must fail under each.")
    parser.add_argument(
        "patterns", nargs="*", help="names of faults, with * and ?; by default all but `nothing`"
    )
    parser.add_argument(
        "--likely-only", action="store_true", help="run only the tests that are most likely to fail"
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    for module in PRELOADED:
        importlib.import_module(module)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(1) as pool:
        every = list(faults(pool.apply(rows_with_function)))
    chosen = [
        fault
        for fault in ([NOTHING, *every] if options.patterns else every)
        if not options.patterns or any(fnmatchcase(fault.name, pattern) for pattern in options.patterns)
    ]
    with fork.Pool(options.workers, maxtasksperchild=1) as pool:
        waiting = [
            pool.apply_async(try_fault, (fault,), {"likely_only": options.likely_only}) for fault in chosen
        ]
        outcomes = [_print_outcome(each.get()) for each in waiting]
        nodes = sorted({outcome.noticed for outcome in outcomes if outcome.noticed})
        broken = pool.apply(failing_without_fault, (nodes,)) if nodes else None
    survivors = [outcome for outcome in outcomes if not outcome.noticed]
    print(
        f"{len(outcomes)} planted, {len(outcomes) - len(survivors)} noticed, {len(survivors)} survived "
        f"({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    if broken:
        print(f"But {broken} also fails without a fault.", flush=True)
    return 1 if survivors or broken or not outcomes else 0


def _print_outcome(outcome: Outcome) -> Outcome:
    word = "noticed " if outcome.noticed else "SURVIVED"
    print(f"{word} {outcome.fault:<66} {outcome.seconds:4.1f} s  {outcome.noticed or ''}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
