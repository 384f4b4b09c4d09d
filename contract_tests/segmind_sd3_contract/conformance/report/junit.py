"""Write the report for CI: `junit.xml`, a test case for each case, a test suite for each endpoint.

Broken is a failure. Open, inconclusive and not run are skipped, with the reason. Kept and known deviations
pass.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from segmind_sd3_contract.conformance.report.words import came, coverage, exchanges_of, money, source
from segmind_sd3_contract.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from segmind_sd3_contract.conformance.results import Outcome, Run, Verdict

SKIPPED: Final[AbstractSet[Verdict]] = {"open", "inconclusive", "not run"}


def written(run: Run) -> bytes:
    root = Element("testsuites", {"name": "segmind-sd3 conformance", **_counted(run.outcomes, run)})
    outcomes = sorted(run.outcomes, key=lambda each: each.operation)
    for operation, group in groupby(outcomes, key=lambda each: each.operation):
        _suite(root, operation, list(group), run)
    indent(root)
    return tostring(root, "utf-8", xml_declaration=True)


def _suite(root: Element, operation: str, outcomes: list[Outcome], run: Run) -> None:
    suite = SubElement(
        root, "testsuite", {"name": printable(operation), "timestamp": run.started, **_counted(outcomes, run)}
    )
    properties = SubElement(suite, "properties")
    told = {
        "source": source(run),
        "target": run.target,
        "profile": run.profile,
        "tier": run.tier,
        "seed": str(run.seed),
        "spec": run.spec,
        "money": money(run),
        "stopped": run.stopped or "",
        **{f"coverage, {each.layer}": str(each) for each in coverage(run)},
    }
    for name, value in told.items():
        SubElement(properties, "property", {"name": name, "value": printable(value)})
    for outcome in outcomes:
        _case(suite, outcome, run)


def _case(suite: Element, outcome: Outcome, run: Run) -> None:
    named = {
        "classname": printable(outcome.operation),
        "name": printable(outcome.id),
        "time": _seconds([outcome], run),
    }
    case = SubElement(suite, "testcase", named)
    why = printable("; ".join(outcome.reasons) or outcome.claim)
    if outcome.verdict == "broken":
        SubElement(case, "failure", {"type": "broken", "message": why}).text = printable(_told(outcome, run))
    elif outcome.verdict in SKIPPED:
        SubElement(case, "skipped", {"type": outcome.verdict, "message": f"{outcome.verdict}: {why}"})
    elif outcome.verdict == "known deviation":
        SubElement(case, "system-out").text = printable(_told(outcome, run))


def _told(outcome: Outcome, run: Run) -> str:
    known = [f"known as {outcome.deviation}"] if outcome.deviation else []
    calls = [
        f"{each.method} {each.path}: {came(each)}, x-request-id {each.request_id}"
        for each in exchanges_of(outcome, run)
    ]
    return "\n".join([f"{outcome.claim} ({outcome.layer})", *outcome.reasons, *known, *calls])


def _counted(outcomes: Iterable[Outcome], run: Run) -> dict[str, str]:
    outcomes = list(outcomes)
    return {
        "tests": str(len(outcomes)),
        "failures": str(sum(each.verdict == "broken" for each in outcomes)),
        "errors": "0",
        "skipped": str(sum(each.verdict in SKIPPED for each in outcomes)),
        "time": _seconds(outcomes, run),
    }


def _seconds(outcomes: Iterable[Outcome], run: Run) -> str:
    """Say how long the calls took, each counted once."""
    calls = {each.call: each.seconds for outcome in outcomes for each in exchanges_of(outcome, run)}
    return f"{sum(calls.values()):.3f}"
