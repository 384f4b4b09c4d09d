"""Hooks and checks for schemathesis, under pytest and for `schemathesis run`.

They read the document that was loaded, `documented.json` or `observed.json`, as it stands: no bound is
replaced. A hook corrects a positive case that the schema alone gets wrong, and leaves a negative case as
wrong as it is. schemathesis's own checks stay on. The checks here add what they can't know: what the oracle
says of a reply, what a picture is, what a call costs, and that a service must not refuse every call.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

import schemathesis
from PIL import Image
from schemathesis.core.failures import AcceptedNegativeData

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.credits import ROUNDING, number
from segmind_sd3_contract.conformance.replies import picture_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMATHESIS: Any = schemathesis
"""Its decorators take any function, and its types say so in part only."""

ABOUT_PICTURES: Final = ("picture", "base64")
"""How the oracle's clauses about a picture begin."""


@cache
def picture() -> str:
    """Return the base64 text of a PNG of 16 x 16 pixels."""
    file = BytesIO()
    Image.new("RGB", (16, 16), "teal").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


_READ: Final[dict[tuple[int, oracle.Profile], tuple[Any, oracle.Contract]]] = {}
"""The readings of each document that was loaded, by the document's identity: it can't be hashed."""


def _read(case: Any, profile: oracle.Profile = "reported") -> oracle.Contract:
    """Return a reading of the document that schemathesis has loaded."""
    document = case.operation.schema.raw_schema
    key = (id(document), profile)
    if key not in _READ or _READ[key][0] is not document:
        _READ[key] = document, oracle.Contract(oracle.carried("documented"), document, profile)
    return _READ[key][1]


def _name(case: Any) -> str:
    return case.operation.definition.raw["operationId"]


# -- Hooks ------------------------------------------------------------------------------------------------


@SCHEMATHESIS.hook
def before_call(_context: object, case: Any, _kwargs: object) -> None:
    """Put a picture where the schema is content with any text, and name the type of a body that is not there.

    Where the document promises nothing but the picture itself, no case asks for base64 text. A bad case keeps
    what is bad about it: an `image` that is no text stays as it is.
    """
    body, contract = case.body, _read(case)
    if isinstance(body, dict):
        body = cast("dict[str, Any]", body)
        if isinstance(body.get("image"), str) and not body["image"].startswith("https://"):
            body["image"] = picture()
        if body.get("base64") is True and "application/json" not in _drawn_content(contract, _name(case)):
            body["base64"] = False
        body |= _smallest(contract.schema(_name(case)), body)
    elif case.operation.method == "post" and not case.media_type:
        # Else the answer is a 406 about the content type, and the missing body is never judged.
        case.headers.setdefault("content-type", "application/json")


@SCHEMATHESIS.hook
def filter_failure(_context: object, failure: object, case: Any, _response: object) -> bool:
    """Drop the failure of a call that was drawn though the page refuses it, where such calls were seen drawn.

    `steps` of 1 to 9 is the known one: whether such a call is drawn or refused, the contract leaves open.
    """
    return not (isinstance(failure, AcceptedNegativeData) and _is_open(case))


def _is_open(case: Any) -> bool:
    allowed_by = [
        _read(case, profile).judge(_name(case)).is_valid(case.body)
        for profile in ("documented", "reported")
        if case.operation.method == "post"
    ]
    return allowed_by == [False, True]


def _drawn_content(contract: oracle.Contract, operation: str) -> Any:
    return contract.replies(operation)["200"].get("content", {})


def _smallest(schema: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest size where the default one would be drawn: a megapixel each time is slow."""
    known = schema["properties"]
    sides = [name for names in oracle.SIZES for name in names if name in known]
    defaults = {name: known[name]["default"] for name in sides}
    return {
        name: known[name]["minimum"] for name in sides if body.get(name, defaults[name]) == defaults[name]
    }


# -- Checks -----------------------------------------------------------------------------------------------


@SCHEMATHESIS.check
def kept_contract(_context: object, response: schemathesis.Response, case: Any) -> None:
    """Judge the reply by the oracle: status, headers, media type, JSON, and that a bad call is refused."""
    _fail(str(each) for each in _findings(response, case) if not each.clause.startswith(ABOUT_PICTURES))


@SCHEMATHESIS.check
def promised_picture(_context: object, response: schemathesis.Response, case: Any) -> None:
    """Judge what was drawn: whole pictures of the count, format and size asked for, nothing behind them."""
    found = [str(each) for each in _findings(response, case) if each.clause.startswith(ABOUT_PICTURES)]
    if not found and response.status_code == 200 and case.operation.method == "post":
        for data in oracle.pictures_in(_exchange(response, case)):
            end = picture_end(data)
            if end is not None and end < len(data):
                found.append(f"{len(data) - end} bytes follow the picture: {data[end : end + 40]!r}")
    _fail(found)


def _findings(response: schemathesis.Response, case: Any) -> list[oracle.Finding]:
    """Return what the oracle finds; a reply to another method than the operation's is none of it."""
    if response.request.method != case.operation.method.upper():
        return []
    return oracle.findings(_exchange(response, case), _read(case))


def _exchange(response: schemathesis.Response, case: Any) -> oracle.Exchange:
    return oracle.Exchange(
        operation=_name(case),
        sent=_json(response.request.body),
        status=response.status_code,
        headers=_headers(response),
        body=response.content,
    )


@SCHEMATHESIS.check
class MoneyAddsUp:
    """A drawn call costs what its reply says, no other costs anything, and the balance falls by just that.

    The calls may have been made at the same time: the balances are put in order, and each must lie below the
    one before by what its call cost. Nobody else may use the account meanwhile.
    """

    def __init__(self) -> None:
        self.paid: list[tuple[float, float | None]] = []
        """The balance after each drawn call, and what its reply says that it cost."""
        self.unpaid: set[float] = set()

    def after_response(self, _context: object, response: schemathesis.Response, case: Any) -> None:
        headers, status = _headers(response), response.status_code
        balance, cost = number(headers.get("x-remaining-credits")), number(headers.get("x-cost"))
        is_drawn = status == 200 and case.operation.method == "post"
        if balance is not None and is_drawn:
            self.paid.append((balance, cost))
        elif balance is not None and status not in (401, 403):
            self.unpaid.add(balance)
        if cost is not None and (cost < 0 or (cost and not is_drawn)):
            _fail([f"a {status} costs {cost:g}"])

    def after_run(self, _context: object) -> None:
        _fail(self._differences())

    def _differences(self) -> Iterator[str]:
        # Of calls that leave the same balance, all but the first must have cost nothing.
        calls = sorted(self.paid, key=lambda call: (-call[0], -(call[1] or 0)))
        for (before, _), (after, cost) in pairwise(calls):
            if cost is not None and abs(before - after - cost) > ROUNDING:
                yield f"the balance fell from {before:.6f} to {after:.6f} by a call that costs {cost:g}"
        if calls and calls[0][1] is None:
            return  # nobody knows what was there before the first
        first = sum(filter(None, calls[0])) if calls else max(self.unpaid, default=0)
        known = {round(balance, 6) for balance in (first, *(balance for balance, _ in calls))}
        for balance in sorted(self.unpaid):
            if round(balance, 6) not in known:
                yield f"the balance is {balance:.6f} after a call that drew nothing; no paid call left that"


@SCHEMATHESIS.check
class AnswersEveryOperation:
    """Each operation that was called has answered with a 200 at least once."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.answered: set[str] = set()

    def after_response(self, _context: object, response: schemathesis.Response, case: Any) -> None:
        self.called.add(case.operation.label)
        if response.status_code == 200:
            self.answered.add(case.operation.label)

    def after_run(self, _context: object) -> None:
        missing = sorted(self.called - self.answered)
        _fail([f"never a 200: {', '.join(missing)}"] if missing else [])


def _fail(found: Any) -> None:
    message = "\n".join(found)
    assert not message, message  # noqa: S101 - how a check of schemathesis fails


def _json(body: Any) -> Any:
    try:
        return json.loads(body or b"")
    except (ValueError, RecursionError):
        return None


def _headers(response: schemathesis.Response) -> dict[str, str]:
    return {name.lower(): ", ".join(values) for name, values in response.headers.items()}
