"""The report for programs, and for the next run: `report.json`.

Its shape is stable: removing a member or changing its meaning needs a new `FORMAT`, adding one does not. It
has everything that `Run` has, under the names of the attributes, and:

    format                      FORMAT
    live_exchanges, counts      as `Run` counts them
    covered.LAYER               of the sides in `coverage`: how many are stated, exercised, and within the
                                reach of a call; the names of those that were not exercised; the percentage
    exchanges.NAME.request_id   the reply's `x-request-id`, or null
    exchanges.NAME.sent         the JSON or text that was sent; in place of a base64 picture of more than 2 KB
                                stands {"sha256", "bytes", "media_type"}; a text is cut as below
    exchanges.NAME.body         {"sha256", "bytes", "media_type", "form", "value"}: digest and size of the
                                whole; the media type that a picture begins as, else null; form is json, text,
                                picture, bytes or null; value is the JSON (large pictures as in `sent`), the
                                text (its first 16,384 characters), or the base64 of at most 2 KB, else null

A number that JSON can't say is a string: "nan", "inf".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from segmind_sd3_contract.conformance.report import contents, words
from segmind_sd3_contract.conformance.results import FORMAT, TIERS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segmind_sd3_contract.conformance.results import Exchange, Run, Tier, Verdict


def written(run: Run) -> bytes:
    whole: dict[str, Any] = {
        "format": FORMAT,
        **{each.name: getattr(run, each.name) for each in fields(run)},
        "live_exchanges": run.live_exchanges,
        "counts": run.counts(),
        "coverage": [asdict(clause) for clause in run.coverage],
        "covered": {each.layer: _covered(each, run) for each in words.coverage(run)},
        "ledger": [asdict(row) for row in run.ledger],
        "outcomes": [asdict(outcome) for outcome in run.outcomes],
        "exchanges": {name: _exchange(exchange) for name, exchange in run.exchanges.items()},
    }
    return json.dumps(whole, indent=1, default=dict, allow_nan=False).encode()


def _covered(covered: words.Covered, run: Run) -> dict[str, Any]:
    clauses = [clause for clause in run.coverage if clause.layer == covered.layer]
    return {
        "stated": covered.stated,
        "exercised": covered.exercised,
        "within_reach": covered.within_reach,
        "percent": round(100 * covered.exercised / covered.stated, 2),
        "missing": [name for clause in clauses for name in clause.missing],
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    content, sent = contents.read(exchange.body), contents.unpacked(exchange.sent)[0]
    return {
        **{each.name: getattr(exchange, each.name) for each in fields(exchange)},
        "request_id": exchange.request_id,
        "sent": sent[: contents.LONGEST_TEXT] if isinstance(sent, str) else sent,
        "body": {**contents.described(exchange.body), "form": content.form, "value": content.value},
    }


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an earlier run was, and how it ended.

    Attributes:
        target, profile, tier, seed, strict: as in `Run`.
        verdicts: of each case, by its id.
        failures: the calls of each broken case, by its id.
    """

    target: str
    profile: Literal["documented", "observed"]
    tier: Tier
    seed: int
    strict: bool
    verdicts: Mapping[str, Verdict]
    failures: Mapping[str, Sequence[str]]


def read(path: Path) -> Recorded:
    """Read an earlier run, from its `report.json` or its `report.har`.

    Raises:
        ValueError: the file is neither, or one of another format.
    """
    give = "Give a report.json or a report.har."
    try:
        whole = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as why:
        raise ValueError(f"{path} is no report of a conformance run: {why}. {give}") from None
    report = _member(_member(whole, "log"), "_conformance") or whole
    name = _member(report, "format")
    if not isinstance(name, str) or name.rpartition(" ")[0] != FORMAT.rpartition(" ")[0]:
        raise ValueError(f"{path} is no report of a conformance run. {give}")
    if name != FORMAT:
        raise ValueError(f"{path} is of the format {name!r}, and only {FORMAT!r} can be read. Make it anew.")
    try:
        return _recorded(report)
    except (KeyError, TypeError, ValueError) as why:
        raise ValueError(
            f"{path} is a damaged report, whose outcomes can't be read: {why}. Make it anew."
        ) from None


def _recorded(report: Any) -> Recorded:
    verdicts: dict[str, Verdict] = {each["id"]: each["verdict"] for each in report["outcomes"]}
    if unknown := set(verdicts.values()) - set(VERDICTS):
        raise ValueError(f"nobody knows the verdict {min(unknown)!r}")
    if report["tier"] not in TIERS:
        raise ValueError(f"nobody knows the tier {report['tier']!r}")
    failures = {each["id"]: each["calls"] for each in report["outcomes"] if each["verdict"] == "broken"}
    return Recorded(
        str(report["target"]),
        "documented" if report["profile"] == "documented" else "observed",
        report["tier"],
        int(report["seed"]),
        bool(report["strict"]),
        verdicts,
        failures,
    )


def _member(value: Any, name: str) -> Any:
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
