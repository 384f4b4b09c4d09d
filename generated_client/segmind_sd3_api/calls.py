"""The functions that call each endpoint.

Made by make generate out of openapi/*.yaml: edit those.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from . import models

if TYPE_CHECKING:
    from .types import File, Response


class Call:
    """How one endpoint is called: `call.sync(client=..., body=call.body({"prompt": ...}))`.

    The endpoint's module is imported when it is first used.
    """

    __slots__ = ("_model", "_module")

    def __init__(self, module: str, model: str) -> None:
        self._module = module
        self._model = model

    @property
    def sync(self) -> "Callable[..., Response[File]]":
        """Calls the endpoint and waits."""
        sync: Callable[..., Response[File]] = self._endpoint().sync_detailed
        return sync

    @property
    def asyncio(self) -> "Callable[..., Awaitable[Response[File]]]":
        """Calls the endpoint in an event loop."""
        asyncio: Callable[..., Awaitable[Response[File]]] = self._endpoint().asyncio_detailed
        return asyncio

    @property
    def body(self) -> Callable[[Mapping[str, Any]], Any]:
        """Makes the body out of values by their names on the wire; raises KeyError for one that the page requires."""
        body: Callable[[Mapping[str, Any]], Any] = getattr(models, self._model).from_dict
        return body

    @property
    def kwargs(self) -> Callable[..., dict[str, Any]]:
        """Makes what `sync` and `asyncio` give to httpx: method, url, headers and json."""
        kwargs: Callable[..., dict[str, Any]] = self._endpoint()._get_kwargs
        return kwargs

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request for a body, by the names of its values on the wire: method, url, headers and json.

        Raises:
            KeyError: the body lacks a value that the page requires.
        """
        return self.kwargs(body=self.body(body))

    def _endpoint(self) -> Any:
        return import_module(self._module, __package__)


CALLS: Final[Mapping[str, Call]] = {
    "sd3_medium_img2img": Call(".api.images.sd3_medium_img2img", "Sd3MediumImg2Img"),
    "sd3_medium_tile": Call(".api.images.sd3_medium_tile", "Sd3MediumTile"),
    "sd3_large_img2img": Call(".api.images.sd3_large_img2img", "Sd3LargeImg2Img"),
    "sd3_medium_txt2img": Call(".api.images.sd3_medium_txt2img", "Sd3MediumTxt2Img"),
    "sd35_turbo_txt2img": Call(".api.images.sd35_turbo_txt2img", "Sd35TurboTxt2Img"),
}
"""Every endpoint, by its operationId."""
