"""The functions that call each endpoint.

Made by make generate out of openapi/*.yaml: edit those.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import models
from .api.images import sd3_large_img2img, sd3_medium_img2img, sd3_medium_tile, sd3_medium_txt2img, sd35_turbo_txt2img
from .types import File, Response


@dataclass(frozen=True, slots=True)
class Call:
    """How one endpoint is called: `call.sync(client=..., body=call.body({"prompt": ...}))`."""

    sync: Callable[..., Response[File]]
    asyncio: Callable[..., Awaitable[Response[File]]]
    body: Callable[[Mapping[str, Any]], Any]
    """Makes the body out of values by their names on the wire; raises KeyError for one that the page requires."""
    kwargs: Callable[..., dict[str, Any]]
    """Makes what `sync` and `asyncio` give to httpx: method, url, headers and json."""

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request for a body, by the names of its values on the wire: method, url, headers and json.

        Raises:
            KeyError: the body lacks a value that the page requires.
        """
        return self.kwargs(body=self.body(body))


CALLS: Final[Mapping[str, Call]] = {
    "sd3_medium_img2img": Call(
        sync=sd3_medium_img2img.sync_detailed,
        asyncio=sd3_medium_img2img.asyncio_detailed,
        body=models.Sd3MediumImg2Img.from_dict,
        kwargs=sd3_medium_img2img._get_kwargs,
    ),
    "sd3_medium_tile": Call(
        sync=sd3_medium_tile.sync_detailed,
        asyncio=sd3_medium_tile.asyncio_detailed,
        body=models.Sd3MediumTile.from_dict,
        kwargs=sd3_medium_tile._get_kwargs,
    ),
    "sd3_large_img2img": Call(
        sync=sd3_large_img2img.sync_detailed,
        asyncio=sd3_large_img2img.asyncio_detailed,
        body=models.Sd3LargeImg2Img.from_dict,
        kwargs=sd3_large_img2img._get_kwargs,
    ),
    "sd3_medium_txt2img": Call(
        sync=sd3_medium_txt2img.sync_detailed,
        asyncio=sd3_medium_txt2img.asyncio_detailed,
        body=models.Sd3MediumTxt2Img.from_dict,
        kwargs=sd3_medium_txt2img._get_kwargs,
    ),
    "sd35_turbo_txt2img": Call(
        sync=sd35_turbo_txt2img.sync_detailed,
        asyncio=sd35_turbo_txt2img.asyncio_detailed,
        body=models.Sd35TurboTxt2Img.from_dict,
        kwargs=sd35_turbo_txt2img._get_kwargs,
    ),
}
"""Every endpoint, by its operationId."""
