"""Send the pictures that people send: each format and mode, 1 x 1 and large ones, turned, moving, CMYK.

The formats that a page or the vendor names must be drawn. Of any other picture a refusal is open, and a 500
is not.
"""

from __future__ import annotations

import base64
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from segmind_sd3_contract.conformance.bodies import is_picture, picture
from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.effects import effect
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    drawn,
    drawn_or_refused,
    pictures_of,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.reply import Reply

ORIENTATION: Final = 0x0112
QUARTER_TURN: Final = 6
WIDE: Final = (96, 64)


def about_input_pictures(endpoint: Endpoint) -> Iterator[Case]:
    for name, schema in endpoint.properties.items():
        if is_picture(schema):
            formats = schema.get("x-input-pictures", {}).get("formats", ("png", "jpeg"))
            yield from files(endpoint, name, formats)
            yield from parts(endpoint, name)


def files(endpoint: Endpoint, name: str, promised: Sequence[str]) -> Iterator[Case]:
    for place, text in pictures().items():
        kind = place.removeprefix("file:")
        is_promised = kind in promised or place == f"size:{LARGEST}x{LARGEST}"
        yield Case(
            endpoint.operation,
            name,
            place,
            f"A picture of the {place.replace(':', ' ')} {'is drawn' if is_promised else 'fails no server'}.",
            (endpoint.call(**{name: text}),),
            all_drawn if is_promised else drawn_or_refused,
            "observed" if is_promised else "assumed",
            "thorough",
            describe=None if is_promised else which_way_up if kind == "jpeg-turned" else refusals,
        )


def parts(endpoint: Endpoint, name: str) -> Iterator[Case]:
    for place, claim in (
        ("corner", "A picture is read whole: another corner of it draws another picture."),
        ("colour", "A picture is read in colour: the same one in grey draws another picture."),
    ):
        base, changed = endpoint.call(), endpoint.call(**{name: CHANGED[place]()})
        yield effect(endpoint, name, place, claim, (base, changed))


def which_way_up(replies: Sequence[Reply]) -> Iterator[str]:
    """Tell whether a picture that its EXIF data turns is drawn upright."""
    yield from refusals(replies)
    if drawn(replies):
        for data in pictures_of(replies[0])[:1]:
            with Image.open(BytesIO(data)) as image:
                way = "upright" if image.height > image.width else "as it lies"
                yield f"no page says whether it is turned; it is drawn {way}, {image.width} x {image.height}"


# -- The pictures -----------------------------------------------------------------------------------------

LARGEST: Final = 2048
SIZES: Final = ((1, 1), (65, 33), (LARGEST, LARGEST))
MODES: Final = ("RGBA", "L", "LA", "P", "1", "I;16")


@cache
def pictures() -> Mapping[str, str]:
    """Return each picture as base64 text, by the place of its case."""
    image = gradient(WIDE)
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_TURN
    moving = {"save_all": True, "append_images": [image.rotate(180)]}
    made = {
        "file:jpeg": encoded(image, "JPEG"),
        "file:jpeg-progressive": encoded(image, "JPEG", progressive=True),
        "file:jpeg-CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "file:jpeg-turned": encoded(image, "JPEG", exif=exif),
        "file:gif": encoded(image, "GIF"),
        "file:gif-animated": encoded(image, "GIF", **moving),
        "file:webp": encoded(image, "WEBP"),
        "file:webp-animated": encoded(image, "WEBP", **moving),
    }
    made |= {f"file:png-{mode}": encoded(in_mode(image, mode), "PNG") for mode in MODES}
    return made | {f"size:{w}x{h}": encoded(gradient((w, h)), "PNG") for w, h in SIZES}


def gradient(size: tuple[int, int]) -> Image.Image:
    """Return a picture that is red to the left and blue below."""
    across = Image.linear_gradient("L").rotate(90)
    bands = (across, Image.new("L", across.size, 90), Image.linear_gradient("L"))
    return Image.merge("RGB", bands).resize(size)  # pyright: ignore[reportUnknownMemberType] - its types name numpy


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> str:
    file = BytesIO()
    image.save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


@cache
def with_another_corner() -> str:
    image = usual()
    left, below = image.width - 2, image.height - 2
    image.paste("white", (left, below, image.width, image.height))
    return encoded(image, "PNG")


@cache
def in_grey() -> str:
    return encoded(usual().convert("L").convert("RGB"), "PNG")


def usual() -> Image.Image:
    """Return the picture that all other calls send."""
    with Image.open(BytesIO(base64.b64decode(picture()))) as image:
        return image.convert("RGB")


CHANGED: Final[Mapping[str, Callable[[], str]]] = {"corner": with_another_corner, "colour": in_grey}
