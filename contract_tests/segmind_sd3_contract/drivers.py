"""A call, made in each way that there is: without `await`, on asyncio and on trio."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from segmind_sd3 import AsyncClient, Client, Generation, SegmindError

from segmind_sd3_contract.reference import MADE_UP_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Driver = Literal["sync", "asyncio", "trio"]

DRIVERS: Final[tuple[Driver, ...]] = ("sync", "asyncio", "trio")

AUTHORITIES: Final = ssl.create_default_context()
"""Those that the system trusts. Made once: reading them takes longer than a call on loopback."""


def outcomes(
    driver: Driver,
    base_url: str,
    params: Mapping[str, Any] | None = None,
    *,
    times: int,
    operation: str = "sd35_turbo_txt2img",
    between: Callable[[], object] = lambda: None,
    **options: Any,
) -> list[Generation | SegmindError]:
    """Make a call several times, one after the other, with one client; `options` are the client's.

    `between` is called before every call but the first.
    """
    given: Mapping[str, Any] = {"prompt": "a lighthouse"} if params is None else params
    options = {"api_key": MADE_UP_KEY, "base_url": base_url, "verify": AUTHORITIES, **options}
    ended: list[Generation | SegmindError] = []

    def blocking() -> None:
        with Client(**options) as client:
            for n in range(times):
                if n:
                    between()
                try:
                    ended.append(getattr(client, operation)(**given))
                except SegmindError as error:
                    ended.append(error)

    async def awaited() -> None:
        async with AsyncClient(**options) as client:
            for n in range(times):
                if n:
                    between()
                try:
                    ended.append(await getattr(client, operation)(**given))
                except SegmindError as error:
                    ended.append(error)

    if driver == "sync":
        blocking()
    else:
        anyio.run(awaited, backend=driver)
    return ended


def draw(driver: Driver, base_url: str, params: Mapping[str, Any] | None = None, **more: Any) -> Generation:
    """Make one call with a client of its own, and give the pictures or raise its error."""
    (outcome,) = outcomes(driver, base_url, params, times=1, **more)
    if isinstance(outcome, SegmindError):
        raise outcome
    return outcome
