"""Contains all the data models used in inputs/outputs"""

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
