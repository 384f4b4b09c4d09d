"""What is asked for, checked against the contract before anything is sent or paid.

Every bound here comes from the generated table `OPERATIONS`; none is written down in this file. Whatever
object is passed, the answer is a body that JSON can say, or one `InvalidRequest` that names every parameter
that is wrong at once.
"""

from __future__ import annotations

import json
import math
import operator
import random
import sys
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Random

from . import _image_input as images
from . import _quirks as quirks
from ._errors import InvalidRequest, Problem
from ._text import shown
from ._url import URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segmind_sd3_api.parameters import Operation, Parameter

Body = dict[str, Any]

_SYSTEM_RANDOM: Final = random.SystemRandom()

_DEEPEST: Final = 64
"""How many levels `extra` may nest: what is encoded here must not meet the stack's limit further down."""


def operation_of(operation_id: str) -> Operation:
    try:
        return OPERATIONS[operation_id]
    except Exception:  # noqa: BLE001 - a hash may raise anything
        known = ", ".join(OPERATIONS)
        raise InvalidRequest(f"there is no endpoint {shown(operation_id)}; there are {known}") from None


def checked(operation: Operation, params: Mapping[str, Any]) -> Body:
    """Give the body that the parameters ask for, in the page's order, `extra` last and unchecked.

    An image that is a URL stands in it as an `URL`, still to be fetched.

    Raises:
        InvalidRequest: naming every parameter that is wrong, what was given and what is allowed.
    """
    given = {name: value for name, value in params.items() if value is not None}
    problems: dict[str, Problem] = {}
    body: Body = {}
    extra: Body = {}
    try:
        if "extra" in given:
            extra = _extra(given.pop("extra"))
    except Wrong as wrong:
        problems["extra"] = Problem("extra", wrong.given, wrong.advice)

    for name, known in operation.parameters.items():
        try:
            if name in given:
                body[name] = _value(known, given[name])
            elif name not in extra:
                body |= _unsaid(known)
        except Wrong as wrong:
            problems[name] = Problem(name, wrong.given, wrong.advice)
        except Exception as error:  # noqa: BLE001 - any code may hide behind an object's methods
            hidden = f"got {shown(given.pop(name))}, whose own code raised {_name_of(error)}"
            problems[name] = Problem(name, hidden, _allowed(known))

    # What was taken stands here as it will be sent; what was not may raise, and has its problem already.
    asked = {name: body.get(name, value) for name, value in given.items()}
    with suppress(Exception):
        problems.update((problem.parameter, problem) for problem in quirks.refusals(operation, asked))
    problems |= {name: _unknown(name, operation) for name in given if name not in operation.parameters}
    if problems:
        raise refusal(operation, problems.values())
    return quirks.completed(operation, {**body, **extra})


def refusal(operation: Operation, problems: Iterable[Problem]) -> InvalidRequest:
    found = tuple(problems)
    # A path or a name may hold what no terminal can print.
    lines = "\n".join(f"  {problem}" for problem in found).encode("utf-8", "backslashreplace").decode()
    return InvalidRequest(f"{operation.operation_id} was not sent:\n{lines}", found)


class Wrong(Exception):
    """A value that is not allowed: what was given, and what to give instead."""

    def __init__(self, given: str, advice: str) -> None:
        super().__init__(given)
        self.given = given
        self.advice = advice


def _unsaid(known: Parameter) -> Body:
    """Give what is sent for a parameter that was not given."""
    match known.sdk_default:
        case Random(low=low, high=high):
            # From the system, so that a program that seeds `random` does not draw one picture for ever.
            return {known.name: _SYSTEM_RANDOM.randint(low, high)}
        case _ if known.sdk_default is not NO_DEFAULT:
            return {known.name: known.sdk_default}
        case _ if known.required:
            raise Wrong("missing", _allowed(known))
        case _:
            return {}


def _value(known: Parameter, value: Any) -> object:
    match known.kind:
        case "integer":
            return _bounded(known, _integer(known, value), value)
        case "number":
            return _bounded(known, _number(known, value), value)
        case "boolean":
            if value is True or value is False:
                return value
            raise Wrong(f"got {shown(value)}", _allowed(known))
        case "string":
            return _string(known, value)
        case "image":
            try:
                return images.encoded(value)
            except images.NotAnImage as wrong:
                raise Wrong(str(wrong), wrong.advice) from None


def _has(value: object, method: str) -> bool:
    # Asked of the type, as Python itself does: an instance may claim anything.
    return hasattr(type(value), method)


def _integer(known: Parameter, value: Any) -> int:
    if isinstance(value, bool) or not _has(value, "__index__"):
        raise Wrong(f"got {shown(value)}", _allowed(known))
    return _sayable(int(operator.index(value)), known)


def _number(known: Parameter, value: Any) -> float:
    if _has(value, "__index__"):
        whole = _integer(known, value)
        if abs(whole) > sys.float_info.max:
            raise Wrong("got a number of hundreds of digits", _allowed(known))
        return whole
    if not _has(value, "__float__"):
        raise Wrong(f"got {shown(value)}", _allowed(known))
    number = float(value)
    if not math.isfinite(number):
        raise Wrong(f"got {number}", _allowed(known))
    return number


def _sayable(number: int, known: Parameter) -> int:
    try:
        str(number)
    except ValueError:
        raise Wrong("got a number of thousands of digits", _allowed(known)) from None
    return number


def _string(known: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"got {shown(value)}", _allowed(known))
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Wrong(f"got {shown(text)}", "a lone surrogate can't be sent: pass whole characters") from None
    if known.closed and text not in known.known_values:
        advice = f'{_allowed(known)} (to send it all the same: extra={{"{known.name}": {shown(text)}}})'
        raise Wrong(f"got {shown(text)}", advice)
    return text


def _bounded(known: Parameter, number: float, value: object) -> float:
    below = known.minimum is not None and number < known.minimum
    above = known.maximum is not None and number > known.maximum
    odd = known.multiple_of is not None and not below and not above and number % known.multiple_of != 0
    if not (below or above or odd):
        return number
    advice = _allowed(known)
    if number == known.documented_default:
        advice += (
            f". {number} is the page's own default, outside of its own bounds: "
            f'to send it all the same, pass extra={{"{known.name}": {number}}}'
        )
    raise Wrong(f"got {shown(value)}", advice)


def _allowed(known: Parameter) -> str:
    if known.closed:
        return f"allowed is one of {', '.join(map(repr, known.known_values))}"
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a str",
        "boolean": "True or False",
        "image": images.ALLOWED,
    }
    return f"allowed is {kinds[known.kind]}{range_of(known)}"


def range_of(known: Parameter) -> str:
    low, high = known.minimum, known.maximum
    if low is not None and high is not None:
        text = f" from {low} to {high}"
    elif low is not None:
        text = f" of at least {low}"
    elif high is not None:
        text = f" of at most {high}"
    else:
        text = ""
    return text + (f" in multiples of {known.multiple_of}" if known.multiple_of else "")


def _unknown(name: str, operation: Operation) -> Problem:
    public = [name for name, known in operation.parameters.items() if not known.hidden]
    close = get_close_matches(name, [*public, "extra"], n=1)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(public)}"
    return Problem(name, "unknown", f"{advice} (to send it all the same: extra={{{name!r}: …}})")


def _extra(extra: Any) -> Body:
    try:
        return _plain(extra)
    except Exception as error:  # noqa: BLE001 - as above
        allowed = "allowed is a mapping of names to what JSON can say"
        raise Wrong(f"got {shown(extra)}", f"{allowed} ({_name_of(error)})") from None


def _plain(extra: Any) -> Body:
    """Give a copy of `extra` as JSON will say it, or raise whatever shows that it can't."""
    pairs = dict(extra)
    if not all(isinstance(name, str) for name in pairs):
        raise TypeError("a name is no str")
    text = json.dumps(pairs, allow_nan=False, ensure_ascii=False)
    text.encode()
    plain = cast("Body", json.loads(text))
    if _nests_deeper(plain, _DEEPEST):
        raise RecursionError
    return plain


def _nests_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(cast("Body", value).values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_nests_deeper(each, levels - 1) for each in cast("list[object]", value))


def pending(body: Body) -> list[tuple[str, URL]]:
    """Give the images of a body that are still to be fetched."""
    return [(name, value) for name, value in body.items() if isinstance(value, URL)]


def _name_of(error: Exception) -> str:
    # Asked of `type` itself: a metaclass may have another answer, or raise.
    return type.__dict__["__name__"].__get__(type(error))
