"""The functions that call each endpoint.

Made by openapi/generate.py out of openapi/*.yaml: edit those.
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


CALLS: Final[Mapping[str, Call]] = {
    "sd3_medium_img2img": Call(
        sync=sd3_medium_img2img.sync_detailed,
        asyncio=sd3_medium_img2img.asyncio_detailed,
        body=models.Sd3MediumImg2Img.from_dict,
    ),
    "sd3_medium_tile": Call(
        sync=sd3_medium_tile.sync_detailed,
        asyncio=sd3_medium_tile.asyncio_detailed,
        body=models.Sd3MediumTile.from_dict,
    ),
    "sd3_large_img2img": Call(
        sync=sd3_large_img2img.sync_detailed,
        asyncio=sd3_large_img2img.asyncio_detailed,
        body=models.Sd3LargeImg2Img.from_dict,
    ),
    "sd3_medium_txt2img": Call(
        sync=sd3_medium_txt2img.sync_detailed,
        asyncio=sd3_medium_txt2img.asyncio_detailed,
        body=models.Sd3MediumTxt2Img.from_dict,
    ),
    "sd35_turbo_txt2img": Call(
        sync=sd35_turbo_txt2img.sync_detailed,
        asyncio=sd35_turbo_txt2img.asyncio_detailed,
        body=models.Sd35TurboTxt2Img.from_dict,
    ),
}
"""Every endpoint, by its operationId."""
