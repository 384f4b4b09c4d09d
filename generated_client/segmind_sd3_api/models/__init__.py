"""The bodies of the requests, each loaded when it is first used: a call needs but one of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sd_3_large_img_2_img import Sd3LargeImg2Img
    from .sd_3_medium_img_2_img import Sd3MediumImg2Img
    from .sd_3_medium_tile import Sd3MediumTile
    from .sd_3_medium_txt_2_img import Sd3MediumTxt2Img
    from .sd_35_turbo_txt_2_img import Sd35TurboTxt2Img

__all__ = (
    "Sd35TurboTxt2Img",
    "Sd3LargeImg2Img",
    "Sd3MediumImg2Img",
    "Sd3MediumTile",
    "Sd3MediumTxt2Img",
)

_MODULES = {
    "Sd35TurboTxt2Img": ".sd_35_turbo_txt_2_img",
    "Sd3LargeImg2Img": ".sd_3_large_img_2_img",
    "Sd3MediumImg2Img": ".sd_3_medium_img_2_img",
    "Sd3MediumTile": ".sd_3_medium_tile",
    "Sd3MediumTxt2Img": ".sd_3_medium_txt_2_img",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name], __name__), name)
    return value
