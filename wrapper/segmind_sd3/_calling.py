"""What makes a declared endpoint a method that draws."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._result import Generation

M = TypeVar("M", bound="Callable[..., Any]")


def endpoint(method: M) -> M:
    """Make a method draw by the endpoint of its name.

    Its declaration is what editors, type checkers and `help` see. A call takes any name, so that one
    `InvalidRequest` lists everything that is wrong with it, misspelt and missing parameters included.
    """
    name = method.__name__
    if iscoroutinefunction(method):

        @wraps(method)
        async def call_async(self: Any, /, **parameters: Any) -> Generation:
            return await self._draw(name, parameters)

        return cast("M", call_async)

    @wraps(method)
    def call(self: Any, /, **parameters: Any) -> Generation:
        return self._draw(name, parameters)

    return cast("M", call)
