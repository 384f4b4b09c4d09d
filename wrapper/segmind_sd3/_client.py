"""The two clients: what a user calls. One method for each endpoint, the same on both, but for `await`."""

import os
import ssl
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import httpx
from segmind_sd3_api.parameters import Operation

from ._connections import Deadline
from ._endpoints import AsyncEndpoints, Endpoints
from ._errors import InvalidRequest, mark_unsent
from ._events import Event, log
from ._exchange import Arrival, Step, exchange
from ._image_input import AsyncFile
from ._imagefile import EncodedImage
from ._limits import LONGEST_SIDE
from ._options import check_budget, read_key, read_secrets
from ._prepared import Prepared, values_in
from ._public import public
from ._reply import interpret, interpret_credits
from ._request import credits_request, prepare, request_of, sent_request
from ._result import Credits, Generation
from ._retry import Retry
from ._sent import SentRequest
from ._settings import MAX_CONNECTIONS, TIMEOUT, Settings, changed, settings
from ._transport import AsyncNetwork, Network, drive, drive_async
from ._url import URL
from ._validation import build_body, find_operation, images_of
from ._wire import Request

if TYPE_CHECKING:
    from types import ModuleType

    from ._batch.batch import AsyncBatch, Batch

Jobs = str | os.PathLike[str] | Iterable[Mapping[str, Any]]
N = TypeVar("N", Network, AsyncNetwork)
R = TypeVar("R")


ONCE: Final = Retry(attempts=1)
"""How a batch calls: what may be sent again waits in its journal until then."""


def _import_batch() -> "ModuleType":
    """Import what a batch needs, when one is made: it takes long, and is an extra."""
    try:
        return import_module("segmind_sd3._batch.batch")
    except ModuleNotFoundError as missing:
        raise ImportError(f"batch() needs {missing.name}: pip install 'segmind-sd3[batch]'") from missing


def warn_if_deprecated(operation: Operation, *, frames: int) -> None:
    """Warn that the vendor retires an endpoint, at the caller's own line: so many frames above this one."""
    if operation.deprecated:
        warnings.warn(
            f"{operation.operation_id} is deprecated: the vendor retires its endpoint. See {operation.page}",
            DeprecationWarning,
            stacklevel=frames + 2,
        )


async def _in_thread(operation: str, function: Callable[..., R], *arguments: Any) -> R:
    """Call a function, in a thread where the endpoint takes a picture: it would hold up every other task."""
    if any(parameter.kind == "image" for parameter in find_operation(operation).parameters.values()):
        import anyio.to_thread  # noqa: PLC0415 - rare, and takes a while to load

        return await anyio.to_thread.run_sync(function, *arguments)
    return function(*arguments)


def with_pictures(operation: str, body: dict[str, Any], *, frames: int) -> dict[str, Any]:
    """Return a body as it is sent. Warn of a picture of many pixels, at the caller's own line, as above."""
    images = images_of(body, EncodedImage)
    for name, image in images.items():
        width, height = image.picture.width, image.picture.height
        if max(width, height) > LONGEST_SIDE:
            fact = f"is larger than {LONGEST_SIDE} x {LONGEST_SIDE} pixels: it is sent as it is"
            log.info("%s: %s %s (%d x %d)", operation, name, fact, width, height)
            # The same text for every picture: Python shows it once for each line that calls.
            warnings.warn(f"{name} {fact}, and the service is known to scale it down", stacklevel=frames + 2)
    return body | {name: image.source for name, image in images.items()}


class _Base(Generic[N]):
    """What both clients share: their options, and whose the connections are."""

    _settings: Settings
    _network: N
    _owner: bool

    def with_options(
        self,
        *,
        api_key: str | None = None,
        timeout: float | None = None,
        retry: Retry | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Copy the client with other options. The copy shares its connections, and does not close them."""
        key = self._settings.key if api_key is None else read_key(api_key)
        del api_key  # as in __init__
        copy = object.__new__(type(self))
        copy._settings = changed(self._settings, key, timeout, retry, spool)
        copy._network = self._network
        copy._owner = False
        return copy

    def _for_batch(self, folder: Path) -> Self:
        """Copy the client, to try each call once and take pictures to a folder, where it can be written."""
        copy = self.with_options(retry=ONCE)
        with suppress(InvalidRequest):
            copy = copy.with_options(spool=folder)
        return copy

    @property
    def spent(self) -> float:
        """What the calls of this client and of its copies cost so far, in USD.

        It is what their replies say, else their worst price. What may have been billed is not in it.
        """
        return float(self._settings.spending.spent)

    def _drawing(
        self, prepared: Prepared, sent: SentRequest, deadline: Deadline
    ) -> Generator[Step, Arrival, Generation]:
        """Return the exchange of a call that draws."""
        made = self._settings
        return exchange(
            made.retry,
            lambda event: interpret(event, made.key, sent),
            left=deadline.left,
            report=made.reporter(prepared.operation),
            meter=made.spending.meter(sent),
        )

    def _asking(self, deadline: Deadline) -> Generator[Step, Arrival, Credits]:
        """Return the exchange of a call that asks for the balance."""
        made = self._settings
        return exchange(
            made.retry,
            lambda event: interpret_credits(event, made.key),
            left=deadline.left,
            report=made.reporter("credits"),
        )

    def __repr__(self) -> str:
        # Whoever prints locals asks a client that was refused its options, too.
        made: Settings | None = getattr(self, "_settings", None)
        return f"{type(self).__name__}(base_url={made.base_url if made else None!r})"


@public
class Client(Endpoints, _Base[Network]):
    """Draws pictures with Segmind's five Stable Diffusion 3 endpoints.

    Use it as a context manager, or call `close`. It may be shared by threads.

    Args:
        api_key: the key; else `SEGMIND_API_KEY`. It goes to the base URL's origin alone.
        base_url: the origin of the API, or a gateway's address with a path; else `SEGMIND_BASE_URL`, else
            the live one. `/v1` may follow.
        timeout: the deadline of a whole call in seconds, with its retries, waits and body.
        retry: when a call is sent again; by default, only where it certainly was not billed.
        transport: an httpx transport to send by, such as the reference server's. It must follow no redirect,
            since the key would follow it. It is closed with the client, and bounded by httpx's timeouts, each
            operation for itself.
        proxy: the URL of a proxy; else what the environment names (`HTTPS_PROXY`, `NO_PROXY`).
        verify: an SSL context, or False to trust any certificate; else the certificates of `SSL_CERT_FILE`
            and `SSL_CERT_DIR` count, else those of `REQUESTS_CA_BUNDLE`, else those of `CURL_CA_BUNDLE`.
        allow_private_image_urls: whether an image may be fetched from an address that is not public.
        max_connections: how many connections may be open at once.
        budget: what the client and its copies may spend, in USD. The worst price of a call is reserved before
            it is sent; a call that may exceed the budget raises `BudgetExceeded`. What may have been billed
            stays reserved. Prices are estimates: the vendor states averages.
        headers: headers that a gateway asks for, such as `Authorization`. They are kept as secret as the
            key, and never replace a header that the SDK sets.
        on_event: called with each `Sending`, `Waiting` and `Finished` of a call, in the thread or task that
            makes it. What it raises is logged, and changes nothing.
        spool: a folder on a local disk, for picture files of a megabyte and more: each goes straight into a
            file while it arrives, instead of into memory. `save` moves it. Where it is not saved, it is
            removed with its `Image`, and left there only if the process dies.

    Raises:
        InvalidRequest: an option is wrong: there is no usable key, or the base URL is none to send it to.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        transport: httpx.BaseTransport | None = None,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        allow_private_image_urls: bool = False,
        max_connections: int = MAX_CONNECTIONS,
        budget: float | Decimal | None = None,
        headers: Mapping[str, str] | None = None,
        on_event: Callable[[Event], object] | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        key = read_secrets(api_key, headers)
        # Whatever raises below may be shown with its frames' locals: no secret is in them.
        del api_key, headers
        self._settings = settings(
            key=key,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            transport=transport,
            transport_type=httpx.BaseTransport,
            proxy=proxy,
            verify=verify,
            allow_private_image_urls=allow_private_image_urls,
            max_connections=max_connections,
            budget=budget,
            on_event=on_event,
            spool=spool,
        )
        self._network = Network(transport, self._settings.route, max_connections)
        self._owner = True

    def prepare(self, operation: str, /, **params: Any) -> Prepared:
        """Check and complete a call without sending it. An image URL is fetched; nothing is paid.

        Raises:
            InvalidRequest: a parameter is wrong.
            ConnectionFailed: an image URL can't be fetched.
        """
        warn_if_deprecated(find_operation(operation), frames=1)
        body = self._body(operation, params, self._settings.deadline())
        return prepare(self._settings.base_url, operation, with_pictures(operation, body, frames=1))[0]

    def send(self, prepared: Prepared) -> Generation:
        """Send a prepared call. To send it twice draws and pays twice.

        Raises:
            InvalidRequest: the call was made by hand, and can't be sent as it stands.
        """
        request = request_of(self._settings.base_url, prepared)
        sent = sent_request(prepared.operation, values_in(prepared))
        return self._send(prepared, request, sent, self._settings.deadline())

    def _draw(self, operation: str, params: Any) -> Generation:
        deadline = self._settings.deadline()
        try:
            warn_if_deprecated(find_operation(operation), frames=2)
            body = with_pictures(operation, self._body(operation, params, deadline), frames=2)
            sent = sent_request(operation, body, checked="extra" not in params)
            prepared, request = prepare(self._settings.base_url, operation, body)
        except Exception as error:
            mark_unsent(error)
            raise
        return self._send(prepared, request, sent, deadline)

    def _body(self, operation: str, params: Any, deadline: Deadline) -> dict[str, Any]:
        body = build_body(find_operation(operation), params)
        for name, url in images_of(body, URL).items():
            from ._image_fetch import fetch  # noqa: PLC0415 - rare, and takes a while to load

            body[name] = fetch(name, url, deadline, **self._settings.fetching())
        return body

    def _send(
        self, prepared: Prepared, request: Request, sent: SentRequest, deadline: Deadline
    ) -> Generation:
        made = self._settings
        send = partial(self._network.send, prepared.url, request, made.key, deadline, made.spool)
        return drive(self._drawing(prepared, sent, deadline), send, self._settings.closed.wait)

    def credits(self) -> Credits:
        """Ask for the account's balance, which costs nothing.

        Raises:
            SegmindError: the balance can't be had.
        """
        deadline = self._settings.deadline()
        send = partial(
            self._network.send, *credits_request(self._settings.base_url), self._settings.key, deadline
        )
        return drive(self._asking(deadline), send, self._settings.closed.wait)

    def batch(
        self,
        jobs: Jobs,
        /,
        *,
        out: str | os.PathLike[str],
        journal: str | os.PathLike[str] | None = None,
        endpoint: str | None = None,
        vary: Mapping[str, Sequence[Any]] | None = None,
        at_once: int = 8,
        budget: float | Decimal | None = None,
        limit: int | None = None,
        per_minute: float | None = None,
        retry_failed: bool = False,
        retry_unknown: bool = False,
    ) -> "Batch":
        """Send many jobs, each once, and keep a journal of them beside their pictures.

        Where a journal is there already, it is continued: what is done is not sent again. The extra `batch`
        is needed.

        Args:
            jobs: a JSONL or CSV file, or mappings: the parameters of a call, perhaps with an `id` and an
                `endpoint`. A picture is a path or a URL. Jobs of the same content and seed are one job.
            out: the folder for pictures and journal.
            journal: where the journal is, if not beside the pictures: a folder, or `postgresql://…` (extra
                `postgres`). One run at a time may use a folder; many runs may share a PostgreSQL database.
                `?batch=NAME` names the batch there; else its name comes from `out`.
            endpoint: the endpoint of jobs that name none.
            vary: values for parameters: each job is made once for each combination.
            at_once: how many calls may be under way. After a 429 there are fewer for a while.
            budget: what all runs of this journal may spend, in USD. What may have been billed counts.
            limit: how many jobs this run sends at most.
            per_minute: how many calls may begin in a minute; on PostgreSQL those of all runs.
            retry_failed: send again what failed and was certainly not billed.
            retry_unknown: send again what may have been billed, once its call is over: **it may be paid
                twice**.

        Raises:
            InvalidRequest: an option is wrong.
        """
        made = _import_batch()
        plan = made.check_plan(
            *(out, at_once, check_budget(budget), limit, per_minute, journal),
            *(self._settings.timeout, self._settings.max_connections),
        )
        return made.Batch(
            self._for_batch(plan.out)._draw,  # noqa: SLF001 - our own
            plan,
            made.read(jobs, endpoint, vary, budget),
            retry={"failed": retry_failed, "unknown": retry_unknown},
        )

    def close(self) -> None:
        """Close the connections, where this client made them."""
        if self._owner:
            self._settings.closed.set()
            self._network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@public
class AsyncClient(AsyncEndpoints, _Base[AsyncNetwork]):
    """Draws pictures as `Client` does, with `await`, on asyncio and on trio.

    Use it as an async context manager, or call `aclose`. It keeps connections for each event loop, so one
    client serves several runs of `asyncio.run`, one after the other or in threads.

    The arguments are those of `Client`; `transport` is an async one.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        transport: httpx.AsyncBaseTransport | None = None,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        allow_private_image_urls: bool = False,
        max_connections: int = MAX_CONNECTIONS,
        budget: float | Decimal | None = None,
        headers: Mapping[str, str] | None = None,
        on_event: Callable[[Event], object] | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        key = read_secrets(api_key, headers)
        # Whatever raises below may be shown with its frames' locals: no secret is in them.
        del api_key, headers
        self._settings = settings(
            key=key,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            transport=transport,
            transport_type=httpx.AsyncBaseTransport,
            proxy=proxy,
            verify=verify,
            allow_private_image_urls=allow_private_image_urls,
            max_connections=max_connections,
            budget=budget,
            on_event=on_event,
            spool=spool,
        )
        self._network = AsyncNetwork(transport, self._settings.route, max_connections)
        self._owner = True

    async def prepare(self, operation: str, /, **params: Any) -> Prepared:
        """Check and complete a call without sending it. An image URL is fetched; nothing is paid.

        Raises:
            InvalidRequest: a parameter is wrong.
            ConnectionFailed: an image URL can't be fetched.
        """
        warn_if_deprecated(find_operation(operation), frames=1)
        body = await self._body(operation, params, self._settings.deadline())
        return prepare(self._settings.base_url, operation, with_pictures(operation, body, frames=1))[0]

    async def send(self, prepared: Prepared) -> Generation:
        """Send a prepared call. To send it twice draws and pays twice.

        Raises:
            InvalidRequest: the call was made by hand, and can't be sent as it stands.
        """
        request = request_of(self._settings.base_url, prepared)
        sent = await _in_thread(prepared.operation, sent_request, prepared.operation, values_in(prepared))
        return await self._send(prepared, request, sent, self._settings.deadline())

    async def _draw(self, operation: str, params: Any) -> Generation:
        deadline = self._settings.deadline()
        try:
            warn_if_deprecated(find_operation(operation), frames=2)
            body = with_pictures(operation, await self._body(operation, params, deadline), frames=2)
            describe = partial(sent_request, checked="extra" not in params)
            sent = await _in_thread(operation, describe, operation, body)
            prepared, request = prepare(self._settings.base_url, operation, body)
        except Exception as error:
            mark_unsent(error)
            raise
        return await self._send(prepared, request, sent, deadline)

    async def _body(self, operation: str, params: Any, deadline: Deadline) -> dict[str, Any]:
        build = partial(build_body, can_await=True)
        body = await _in_thread(operation, build, find_operation(operation), params)
        for name, file in images_of(body, AsyncFile).items():
            from ._image_fetch import read_async  # noqa: PLC0415 - rare, and takes a while to load

            body[name] = await read_async(name, file, deadline)
        for name, url in images_of(body, URL).items():
            from ._image_fetch import fetch_async  # noqa: PLC0415 - rare, and takes a while to load

            body[name] = await fetch_async(name, url, deadline, **self._settings.fetching())
        return body

    async def _send(
        self, prepared: Prepared, request: Request, sent: SentRequest, deadline: Deadline
    ) -> Generation:
        made = self._settings
        send = partial(self._network.send, prepared.url, request, made.key, deadline, made.spool)
        return await drive_async(self._drawing(prepared, sent, deadline), send, self._network.wait)

    async def credits(self) -> Credits:
        """Ask for the account's balance, which costs nothing.

        Raises:
            SegmindError: the balance can't be had.
        """
        deadline = self._settings.deadline()
        send = partial(
            self._network.send, *credits_request(self._settings.base_url), self._settings.key, deadline
        )
        return await drive_async(self._asking(deadline), send, self._network.wait)

    def batch(
        self,
        jobs: Jobs,
        /,
        *,
        out: str | os.PathLike[str],
        journal: str | os.PathLike[str] | None = None,
        endpoint: str | None = None,
        vary: Mapping[str, Sequence[Any]] | None = None,
        at_once: int = 8,
        budget: float | Decimal | None = None,
        limit: int | None = None,
        per_minute: float | None = None,
        retry_failed: bool = False,
        retry_unknown: bool = False,
    ) -> "AsyncBatch":
        """Send many jobs, as `Client.batch` does; used with `async with` and `async for`."""
        made = _import_batch()
        plan = made.check_plan(
            *(out, at_once, check_budget(budget), limit, per_minute, journal),
            *(self._settings.timeout, self._settings.max_connections),
        )
        return made.AsyncBatch(
            self._for_batch(plan.out)._draw,  # noqa: SLF001 - our own
            plan,
            made.read(jobs, endpoint, vary, budget),
            retry={"failed": retry_failed, "unknown": retry_unknown},
        )

    async def aclose(self) -> None:
        """Close this event loop's connections, where this client made them."""
        if self._owner:
            self._settings.closed.set()
            await self._network.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
