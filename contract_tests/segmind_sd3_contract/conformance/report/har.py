"""Write the exchanges for tools that read HTTP Archives: `report.har`, HAR 1.2.

A body is whole: text as it is, anything else in base64. Its compression on the wire is not known, and sizes
that are not known are -1, as HAR has it. Beside the format's own members stand two, whose names begin with an
underscore as it wants: `_conformance` says what the run was and which cases are broken, for `--replay`, and
`_cases` of an entry names the cases that were judged by it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import defaultdict
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from segmind_sd3_contract.cassettes.cases import REFERENCE_URL
from segmind_sd3_contract.conformance.results import FORMAT, IN_THIS_PROCESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_contract.conformance.results import Exchange, Run

HTTP: Final = "HTTP/1.1"


def written(run: Run) -> bytes:
    cases: defaultdict[str, list[str]] = defaultdict(list)
    for outcome in run.outcomes:
        for call in outcome.calls:
            cases[call].append(f"{outcome.verdict}: {outcome.id}")
    log = {
        "version": "1.2",
        "creator": {"name": "segmind-sd3 conformance", "version": version("segmind-sd3")},
        "_conformance": {
            "format": FORMAT,
            "target": run.target,
            "profile": run.profile,
            "tier": run.tier,
            "seed": run.seed,
            "strict": run.strict,
            "outcomes": [
                {"id": outcome.id, "verdict": outcome.verdict, "calls": outcome.calls}
                for outcome in run.outcomes
            ],
        },
        "entries": [
            {**_entry(exchange, run), "_cases": cases[name]} for name, exchange in run.exchanges.items()
        ],
    }
    return json.dumps({"log": log}, indent=1).encode()


def _entry(exchange: Exchange, run: Run) -> dict[str, Any]:
    milliseconds = round(exchange.seconds * 1000, 1)
    return {
        "startedDateTime": exchange.started or run.started,
        "time": milliseconds,
        "request": _request(exchange, run.target),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def _request(exchange: Exchange, target: str) -> dict[str, Any]:
    url = (REFERENCE_URL if target == IN_THIS_PROCESS else target).rstrip("/") + exchange.path
    request: dict[str, Any] = {
        "method": exchange.method,
        "url": url,
        "httpVersion": HTTP,
        "cookies": [],
        "headers": _pairs(exchange.headers),
        "queryString": _pairs(dict(parse_qsl(urlsplit(url).query))),
        "headersSize": -1,
        "bodySize": 0,
    }
    if exchange.sent is not None:
        text = exchange.sent if isinstance(exchange.sent, str) else json.dumps(exchange.sent)
        request["postData"] = {"mimeType": exchange.headers.get("content-type", ""), "text": text}
        request["bodySize"] = len(text.encode())
    return request


def _response(exchange: Exchange) -> dict[str, Any]:
    status = exchange.status or 0
    response = {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in set(HTTPStatus) else "",
        "httpVersion": HTTP if status else "",
        "cookies": [],
        "headers": _pairs(exchange.received),
        "content": _content(exchange),
        "redirectURL": exchange.received.get("location", ""),
        "headersSize": -1,
        "bodySize": -1,
    }
    # The name that browsers give to the reason why no reply came.
    return response | ({"_error": exchange.failure} if exchange.failure else {})


def _content(exchange: Exchange) -> dict[str, Any]:
    content = {"size": len(exchange.body), "mimeType": exchange.received.get("content-type", "")}
    try:
        return {**content, "text": exchange.body.decode()}
    except UnicodeDecodeError:
        return {**content, "text": b64encode(exchange.body).decode(), "encoding": "base64"}


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
