"""What a call returns: pictures, and what the reply said about them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ._imagefile import SUFFIXES
from ._public import public

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import PIL.Image


@public
@dataclass(frozen=True, slots=True)
class Image:
    """One picture, byte for byte as it came. Media type and size in pixels are read from the bytes."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the picture to a file, completely or not at all, and return the path.

        The suffix of the picture's format is added where the name has no such suffix.

        Raises:
            FileExistsError: the file exists already and `overwrite` is false.
        """
        return save_all([self], path, overwrite=overwrite)[0]

    def to_pil(self) -> PIL.Image.Image:
        """Open the picture with Pillow (`pip install 'segmind-sd3[pil]'`)."""
        try:
            import PIL.Image  # noqa: PLC0415 - Pillow is an extra
        except ImportError as missing:
            raise ImportError("to_pil() needs Pillow: pip install 'segmind-sd3[pil]'") from missing
        return PIL.Image.open(BytesIO(self.data))

    def as_html(self) -> str:
        """Return an `<img>` tag that contains the whole picture."""
        text = base64.b64encode(self.data).decode()
        return f'<img width="{self.width}" height="{self.height}" src="data:{self.media_type};base64,{text}">'

    # Notebooks call this to show a value.
    _repr_html_ = as_html


@public
@dataclass(frozen=True, slots=True)
class Credits:
    """What an account has left, in USD credits.

    Attributes:
        credits: the balance that was paid for (evidence: vendor).
        free_credits: the balance that was given (evidence: vendor).
    """

    credits: float
    free_credits: float = 0.0

    @property
    def total(self) -> float:
        """Both balances together."""
        return self.credits + self.free_credits


@public
@dataclass(frozen=True, slots=True)
class Generation:
    """The outcome of one call.

    Attributes:
        images: one or more pictures.
        seed: the seed of the first picture: the one that was sent, else the one in the reply; None where
            there is neither (never -1).
        cost: what the call cost, in USD credits, where the reply says so (header `x-cost`; grade client).
        credits_remaining: what the account has left, in USD credits (header `x-remaining-credits`; page).
        generation_time: how long the service drew, in seconds (header `x-generation-time`; grade client).
        request_id: the service's id of this call, for its support (header `x-request-id`).
    """

    images: tuple[Image, ...]
    seed: int | None = None
    cost: float | None = None
    credits_remaining: float | None = None
    generation_time: float | None = None
    request_id: str | None = None

    @property
    def image(self) -> Image:
        """The only picture.

        Raises:
            ValueError: there are several; they are in `images`.
        """
        if len(self.images) != 1:
            raise ValueError(f"this call drew {len(self.images)} pictures: take them from .images")
        return self.images[0]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
        """Write every picture and return the paths; several are numbered (`panda-1.jpg`, `panda-2.jpg`).

        Nothing is written unless every name is free or `overwrite` is true.

        Raises:
            FileExistsError: a file exists already and `overwrite` is false.
        """
        return save_all(self.images, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return "".join(image.as_html() for image in self.images)


def save_all(images: Sequence[Image], path: str | os.PathLike[str], *, overwrite: bool) -> list[Path]:
    targets = [
        target_path(Path(path), image.media_type, number if len(images) > 1 else None)
        for number, image in enumerate(images, start=1)
    ]
    taken = [target for target in targets if target.exists()]
    if taken and not overwrite:
        raise FileExistsError(f"{taken[0]} exists already: choose another name, or pass overwrite=True")
    for image, target in zip(images, targets, strict=True):
        write_whole(image.data, target, overwrite=overwrite)
    return targets


def target_path(path: Path, media_type: str, number: int | None) -> Path:
    """Return the path with the number, if any, and a suffix of the format."""
    suffixes = SUFFIXES[media_type]
    suffix = path.suffix if path.suffix.lower() in suffixes else ""
    stem = path.name.removesuffix(suffix) if suffix else path.name
    numbered = stem if number is None else f"{stem}-{number}"
    return path.with_name(numbered + (suffix or suffixes[0]))


def write_whole(data: bytes, target: Path, *, overwrite: bool) -> None:
    """Write a file completely or not at all: first under another name beside it, then renamed."""
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
        if overwrite:
            beside.replace(target)
        else:
            _rename_if_free(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _rename_if_free(beside: Path, target: Path) -> None:
    """Rename, and fail where the name is taken: a link does, while a rename would replace the file."""
    try:
        target.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with target.open("xb"):
            pass
        beside.replace(target)
