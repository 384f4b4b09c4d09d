"""Check the parameters of a call against the contract, before anything is sent or paid.

Every bound comes from the generated table `OPERATIONS`; this file contains none. Whatever objects are passed,
the result is a body that JSON can represent, or one `InvalidRequest` that names every wrong parameter.
"""

from __future__ import annotations

import json
import math
import operator
import random
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Random

from . import _quirks as quirks
from ._errors import InvalidRequest, Problem
from ._image_input import AsyncFile, encode_image
from ._image_text import ALLOWED
from ._imagefile import EncodedImage, NotAnImage
from ._sent import holds_digest
from ._text import describe_error, short_repr, type_name
from ._url import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_api.parameters import Operation, Parameter

Body = dict[str, Any]
T = TypeVar("T", EncodedImage, AsyncFile, URL)

_SYSTEM_RANDOM: Final = random.SystemRandom()

_MAX_EXTRA_DEPTH: Final = 64
"""How many levels `extra` may nest, so that no later step meets Python's recursion limit."""


_DIGEST: Final = "the digest of a picture, as a sent request has it"
_ANEW: Final = "give the picture itself anew"


def find_operation(operation_id: str) -> Operation:
    """Return the operation of that name.

    Raises:
        InvalidRequest: there is none.
    """
    try:
        return OPERATIONS[operation_id]
    except Exception:  # noqa: BLE001 - a hash may raise anything
        names = ", ".join(OPERATIONS)
        raise InvalidRequest(f"there is no endpoint {short_repr(operation_id)}; there are {names}") from None


def build_body(operation: Operation, parameters: Mapping[str, Any], *, can_await: bool = False) -> Body:
    """Return the JSON body of a call: its parameters in the page's order, then `extra`, which is not checked.

    An image is an `EncodedImage` in it. One that was given as a URL is a `URL`, and still has to be fetched;
    one in a file that is read with `await` is an `AsyncFile`, where the caller `can_await`.

    Raises:
        InvalidRequest: it names every wrong parameter, what was given and what is allowed.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    problems: dict[str, Problem] = {}
    body: Body = {}
    extra: Body = {}
    try:
        if "extra" in given:
            extra = _check_extra(given.pop("extra"))
    except InvalidValue as invalid:
        problems["extra"] = Problem("extra", invalid.given, invalid.advice)

    for name, parameter in operation.parameters.items():
        try:
            if name in given:
                body[name] = _check_value(parameter, given[name], can_await=can_await)
            elif name not in extra:
                body |= _default(parameter)
        except InvalidValue as invalid:
            problems[name] = Problem(name, invalid.given, invalid.advice)
        except Exception as error:  # noqa: BLE001 - an object's methods may raise anything
            reason = f"got {short_repr(given.pop(name))}, whose own code raised {describe_error(error)}"
            problems[name] = Problem(name, reason, _describe_allowed(parameter))

    # A checked value is looked at as it will be sent. Any other may raise, and has its problem already.
    as_sent = {name: body.get(name, value) for name, value in given.items()}
    with suppress(Exception):
        problems.update((problem.parameter, problem) for problem in quirks.find_problems(operation, as_sent))
    problems |= {name: _unknown_name(name, operation) for name in given if name not in operation.parameters}
    if problems:
        # A path or a name may contain a lone surrogate, which no terminal can print.
        lines = "\n".join(f"  {problem}" for problem in problems.values())
        text = lines.encode("utf-8", "backslashreplace").decode()
        raise InvalidRequest(f"{operation.operation_id} was not sent:\n{text}", tuple(problems.values()))
    return quirks.complete_body(operation, {**body, **extra})


def images_of(body: Body, kind: type[T]) -> dict[str, T]:
    """Return the images of one kind in a body, by name: those that are encoded, or are still to be got."""
    return {name: value for name, value in body.items() if isinstance(value, kind)}


class InvalidValue(Exception):
    """A value is not allowed: what was given, and what to give instead."""

    def __init__(self, given: str, advice: str) -> None:
        super().__init__(given)
        self.given = given
        self.advice = advice


def _default(parameter: Parameter) -> Body:
    """Return what is sent for a parameter that was not given."""
    match parameter.sdk_default:
        case Random(low=low, high=high):
            # From the system: a program that seeds `random` must not get the same picture each time.
            return {parameter.name: _SYSTEM_RANDOM.randint(low, high)}
        case _ if parameter.sdk_default is not NO_DEFAULT:
            return {parameter.name: parameter.sdk_default}
        case _ if parameter.required:
            raise InvalidValue("missing", _describe_allowed(parameter))
        case _:
            return {}


def _check_value(parameter: Parameter, value: Any, *, can_await: bool) -> object:
    match parameter.kind:
        case "integer":
            return _check_bounds(parameter, _check_integer(parameter, value), value)
        case "number":
            return _check_bounds(parameter, _check_number(parameter, value), value)
        case "boolean":
            if value is True or value is False:
                return value
            raise _not_allowed(parameter, value)
        case "string":
            return _check_string(parameter, value)
        case "image":
            if holds_digest(value):
                raise InvalidValue(_DIGEST, _ANEW)
            try:
                return encode_image(value, can_await=can_await)
            except NotAnImage as wrong:
                raise InvalidValue(str(wrong), wrong.advice) from None


def _not_allowed(parameter: Parameter, value: object) -> InvalidValue:
    return InvalidValue(f"got {short_repr(value)}", _describe_allowed(parameter))


def _has_method(value: object, method: str) -> bool:
    # Looked up on the type, as Python itself does: an instance may claim anything.
    return hasattr(type(value), method)


def _check_integer(parameter: Parameter, value: Any) -> int:
    if isinstance(value, bool):
        raise _not_allowed(parameter, value)
    if _has_method(value, "__index__"):
        number = int(operator.index(value))
    elif (number := _whole_number(value)) is None:
        raise _not_allowed(parameter, value)
    try:
        str(number)
    except ValueError:
        raise InvalidValue("got a number of thousands of digits", _describe_allowed(parameter)) from None
    return number


def _whole_number(value: Any) -> int | None:
    """Return the whole number that a float, Decimal or Fraction stands for, such as 3 for 3.0; else None."""
    if not _has_method(value, "__float__"):
        return None
    with suppress(TypeError, ValueError, OverflowError):  # no __int__, not a number, beyond any float
        # A float first: a Decimal of a million digits would take minutes to become an int.
        if float(value).is_integer() and (number := int(value)) == value:
            return number
    return None


def _check_number(parameter: Parameter, value: Any) -> float:
    if _has_method(value, "__index__"):
        integer = _check_integer(parameter, value)
        if abs(integer) > sys.float_info.max:
            raise InvalidValue("got a number of hundreds of digits", _describe_allowed(parameter))
        return integer
    if not _has_method(value, "__float__"):
        raise _not_allowed(parameter, value)
    number = float(value)
    if not math.isfinite(number):
        raise _not_allowed(parameter, number)
    return number


def _check_string(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise _not_allowed(parameter, value)
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        advice = "a lone surrogate can't be sent: pass whole characters"
        raise InvalidValue(f"got {short_repr(text)}", advice) from None
    if parameter.closed and text not in parameter.known_values:
        invalid = _not_allowed(parameter, text)
        invalid.advice += f' (to send it all the same: extra={{"{parameter.name}": {short_repr(text)}}})'
        raise invalid
    return text


def _check_bounds(parameter: Parameter, number: float, value: object) -> float:
    below = parameter.minimum is not None and number < parameter.minimum
    above = parameter.maximum is not None and number > parameter.maximum
    if not (below or above or (parameter.multiple_of is not None and number % parameter.multiple_of != 0)):
        return number
    invalid = _not_allowed(parameter, value)
    if number == parameter.documented_default:
        invalid.advice += (
            f". {number} is the page's own default, outside of its own bounds: "
            f'to send it all the same, pass extra={{"{parameter.name}": {number}}}'
        )
    raise invalid


def _describe_allowed(parameter: Parameter) -> str:
    if parameter.closed:
        return f"allowed is one of {', '.join(map(repr, parameter.known_values))}"
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a str",
        "boolean": "True or False",
        "image": ALLOWED,
    }
    return f"allowed is {kinds[parameter.kind]}{describe_range(parameter)}"


def describe_range(parameter: Parameter) -> str:
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        text = f" from {low} to {high}"
    elif low is not None:
        text = f" of at least {low}"
    elif high is not None:
        text = f" of at most {high}"
    else:
        text = ""
    return text + (f" in multiples of {parameter.multiple_of}" if parameter.multiple_of else "")


def _unknown_name(name: str, operation: Operation) -> Problem:
    from difflib import get_close_matches  # noqa: PLC0415 - rare, and takes a while to load

    public = [name for name, parameter in operation.parameters.items() if not parameter.hidden]
    close = get_close_matches(name, [*public, "extra"], n=1)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(public)}"
    return Problem(name, "unknown", f"{advice} (to send it all the same: extra={{{name!r}: …}})")


def _check_extra(extra: Any) -> Body:
    try:
        body = _json_copy(extra)
    except Exception as error:  # noqa: BLE001 - as above
        allowed = "allowed is a mapping of names to JSON values"
        raise InvalidValue(f"got {short_repr(extra)}", f"{allowed} ({type_name(error)})") from None
    for name, value in body.items():
        if holds_digest(value):
            raise InvalidValue(f"{name!r} holds {_DIGEST}", _ANEW)
    return body


def _json_copy(extra: Any) -> Body:
    """Return a copy of `extra` as JSON represents it; raise any exception where it can't."""
    pairs = dict(extra)
    if not all(isinstance(name, str) for name in pairs):
        raise TypeError("a name is no str")
    text = json.dumps(pairs, allow_nan=False, ensure_ascii=False)
    text.encode()
    copy = cast("Body", json.loads(text))
    if _nests_deeper(copy, _MAX_EXTRA_DEPTH):
        raise RecursionError
    return copy


def _nests_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(cast("Body", value).values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_nests_deeper(each, levels - 1) for each in cast("list[object]", value))
