"""What a call returns: pictures, and what the reply said about them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast

from ._metadata import NoMetadata, embed
from ._public import public
from ._stored import StoredPicture

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    import PIL.Image

    from ._saving import Saved
    from ._sent import SentRequest


_SHOWN_SIZE: Final = "max-width:min(100%,512px);max-height:640px;width:auto;height:auto"


@public
@dataclass(frozen=True, slots=True)
class Image:
    """One picture, byte for byte as it came.

    Attributes:
        data: the bytes of its file. Media type and size are read from them. Those of a picture that went
            straight to a file (`spool=`) are read from it each time: a `ValueError` says that it is gone or
            was changed.
        media_type: such as `image/jpeg`.
        width: in pixels.
        height: in pixels.
        request: what was sent for it; None where a picture was not drawn by a call.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    request: SentRequest | None = field(default=None, repr=False, compare=False)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        exclusive: bool = False,
        metadata: bool = False,
    ) -> Path:
        """Write the picture to a file, completely or not at all, and return the path.

        The suffix is that of the picture's format: it is added, or replaces another format's. Where the name
        is taken, the picture is saved beside that file, as `panda (1).jpg`, with a warning. The file of a
        picture that went straight to one is moved.

        Args:
            path: the file's name.
            overwrite: replace a file of that very name, at once.
            exclusive: raise an error where the name is taken.
            metadata: write what was sent into the file, for `parameters_of`: the prompt and all else. Where
                the file can't hold it, the picture is saved without it, with a warning.

        Raises:
            FileExistsError: the name is taken, and `exclusive` is true. Nothing was written.
            OSError: the file can't be written. The picture is in another one, `filename2` of the error.
        """
        saved = save_images([self], path, overwrite=overwrite, exclusive=exclusive, metadata=metadata)
        return saved.result()[0]

    def to_pil(self) -> PIL.Image.Image:
        """Open the picture with Pillow (`pip install 'segmind-sd3[pil]'`)."""
        try:
            import PIL.Image  # noqa: PLC0415 - Pillow is an extra
        except ImportError as missing:
            raise ImportError("to_pil() needs Pillow: pip install 'segmind-sd3[pil]'") from missing
        return PIL.Image.open(BytesIO(self.data))

    def as_html(self) -> str:
        """Return an `<img>` tag that contains the whole picture."""
        from html import escape  # noqa: PLC0415 - takes a while to load, and not every program shows a picture

        text = base64.b64encode(self.data).decode()
        prompt = self.request.parameters.get("prompt", "") if self.request else ""
        return (
            f'<img width="{self.width}" height="{self.height}" style="{_SHOWN_SIZE}" '
            f'alt="{escape(str(prompt)[:500])}" src="data:{escape(self.media_type)};base64,{text}">'
        )

    def to_dict(self) -> dict[str, Any]:
        """Describe the picture as JSON can say it: not its bytes, but their digest."""
        data = self.data
        size = {"width": self.width, "height": self.height, "bytes": len(data)}
        return {"media_type": self.media_type, **size, "sha256": hashlib.sha256(data).hexdigest()}

    # Notebooks call these to show a value.

    def _repr_html_(self) -> str:
        return _as_html([self], [])

    def _repr_png_(self) -> bytes | None:
        return _only([self], "image/png")

    def _repr_jpeg_(self) -> bytes | None:
        return _only([self], "image/jpeg")


class _Data:
    """The attribute `data` of an image, whose slot holds the bytes or the file that they are in."""

    def __init__(self, slot: Any) -> None:
        self.slot = slot

    def __get__(self, image: Image | None, _owner: type) -> Any:
        if image is None:
            return self
        source = self.slot.__get__(image)
        return source.read() if isinstance(source, StoredPicture) else source

    def __set__(self, image: Image, source: object) -> None:
        self.slot.__set__(image, source)


# The fields, and so equality, pickles and copies, are those of bytes.
_data: Final = _Data(Image.data)
Image.data = cast("Any", _data)


def image_of(
    source: bytes | StoredPicture, media_type: str, width: int, height: int, sent: SentRequest | None
) -> Image:
    """Return the image of a picture in memory or in a file."""
    return Image(cast("bytes", source), media_type, width, height, sent)


def source_of(image: Image) -> bytes | StoredPicture:
    """Return the bytes of an image, or the file that they are in."""
    return _data.slot.__get__(image)


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

    @property
    def request(self) -> SentRequest | None:
        """What was sent: the arguments of the call, with the seed that was drawn, and a picture's digest."""
        return self.images[0].request if self.images else None

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        exclusive: bool = False,
        metadata: bool = False,
    ) -> list[Path]:
        """Write every picture as `Image.save` does, and return the paths.

        Several pictures are numbered: `panda-1.jpg`, `panda-2.jpg`; beside such files, `panda-1 (1).jpg`, ….

        Raises:
            FileExistsError: a name is taken, and `exclusive` is true. Nothing was written.
            OSError: a file can't be written. Its picture is in another one, in `filename2` of the error.
        """
        saved = save_images(self.images, path, overwrite=overwrite, exclusive=exclusive, metadata=metadata)
        return saved.result()

    def to_dict(self) -> dict[str, Any]:
        """Describe the outcome as JSON can say it: of pictures not the bytes, but their digest."""
        return {
            "images": [image.to_dict() for image in self.images],
            "seed": self.seed,
            "cost": self.cost,
            "credits_remaining": self.credits_remaining,
            "generation_time": self.generation_time,
            "request_id": self.request_id,
            "request": self.request and self.request.to_dict(),
        }

    def _repr_html_(self) -> str:
        facts = (("seed {}", self.seed), ("cost ${}", self.cost))
        return _as_html(self.images, [form.format(fact) for form, fact in facts if fact is not None])

    def _repr_png_(self) -> bytes | None:
        return _only(self.images, "image/png")

    def _repr_jpeg_(self) -> bytes | None:
        return _only(self.images, "image/jpeg")


def _only(images: Sequence[Image], media_type: str) -> bytes | None:
    """Return the only picture, where it is of this format: a notebook shows one picture, or else HTML."""
    return images[0].data if [image.media_type for image in images] == [media_type] else None


def _as_html(images: Sequence[Image], facts: Sequence[str]) -> str:
    """Return pictures beside each other, with a line of facts below."""
    from html import escape  # noqa: PLC0415 - takes a while to load, and not every program shows a picture

    sizes = dict.fromkeys(f"{image.width}x{image.height}" for image in images)
    many = [f"{len(images)} pictures"] if len(images) > 1 else []
    columns = "repeat(auto-fit,minmax(min(256px,100%),1fr))"
    return (
        '<figure style="margin:0;max-width:1056px">'
        f'<div style="display:grid;grid-template-columns:{columns};gap:8px">'
        f"{''.join(image.as_html() for image in images)}</div>"
        f'<figcaption style="opacity:.7">{escape(" · ".join([*many, *sizes, *facts]))}</figcaption></figure>'
    )


def save_images(
    images: Sequence[Image],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    exclusive: bool = False,
    metadata: bool = False,
) -> Saved:
    """Save pictures, and return what there is to tell.

    Raises:
        FileExistsError: a name is taken, and `exclusive` is true.
    """
    from ._saving import save_all, target_path  # noqa: PLC0415 - takes a while to load, and not every program saves

    notes: list[str] = []

    def content(image: Image) -> bytes | StoredPicture:
        if not metadata:
            return source_of(image)
        try:
            if image.request is None:
                raise NoMetadata("it was not drawn by a call")
            return embed(image.data, image.request.to_dict())
        except NoMetadata as reason:
            notes.append(f"the picture is saved without metadata: {reason}")
            return source_of(image)

    def names(asked: Path) -> list[Path]:
        numbers = range(1, len(images) + 1) if len(images) > 1 else [None]
        return [
            target_path(asked, image.media_type, number)
            for image, number in zip(images, numbers, strict=True)
        ]

    saved = save_all([*map(content, images)], path, names, overwrite=overwrite, exclusive=exclusive)
    saved.notes.extend(dict.fromkeys(notes))
    return saved
