"""Draw pictures from a digest, blend an input into them, and encode them.

The same sketch gives the same bytes on one Pillow version, and another digest another picture. A picture
shows hills under a sun. Its corner says that no model drew it.
"""

from __future__ import annotations

import colorsys
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_PIXELS_A_SIDE: Final = 2048
"""What a larger input is scaled down to, its shape kept."""

MOST_PIXELS_OPENED: Final = 64_000_000
INPUT_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")
CANVAS: Final = 512
"""The longer side of the canvas that shapes are drawn on; it is then stretched, which softens their edges."""

MOST_BLURRED: Final = 6
"""The widest edge of a disc, in pixels, that is blurred before the disc is stretched."""

SIGN: Final = "reference server"
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An input picture, upright, RGB and no larger than the limit, with a digest of its content."""

    image: Image.Image
    digest: str


@dataclass(frozen=True, slots=True)
class Sketch:
    """What to draw: `width` x `height` in pixels.

    `mood` decides the scene; `digest`, which also covers how much of a source is kept, the row of
    swatches in the corner. `kept` is the share of the source that stays, 0 to 1.
    """

    mood: bytes
    digest: bytes
    width: int
    height: int
    caption: str
    source: Source | None = None
    kept: float = 0.0


def opened(data: bytes) -> Image.Image:
    """Open an input as the service does: EXIF rotation applied, RGB, scaled to fit the limit.

    Raises ValueError for what is no whole PNG, JPEG, GIF or WebP, or is far too large.
    """
    try:
        with Image.open(BytesIO(data), formats=INPUT_FORMATS) as image:
            too_large = math.prod(image.size) > MOST_PIXELS_OPENED
            upright = None if too_large else ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise ValueError("This is no whole picture.") from error
    if upright is None:
        raise ValueError(f"The picture has more than {MOST_PIXELS_OPENED} pixels.")
    upright.thumbnail((MOST_PIXELS_A_SIDE, MOST_PIXELS_A_SIDE))
    return upright


def drawn(sketch: Sketch) -> Image.Image:
    """Draw a sketch."""
    image = scene(sketch.mood, sketch.width, sketch.height)
    if sketch.source is not None:
        image = Image.blend(image, sketch.source.image, sketch.kept)
    _sign(image, sketch.caption, sketch.digest)
    return image


def encoded(image: Image.Image, file_format: str, quality: int) -> bytes:
    """Encode as "jpeg", "png" or "webp"; quality, 1 to 100, counts for the first and the last."""
    file = BytesIO()
    if file_format == "png":
        image.save(file, "PNG", compress_level=1)
    elif file_format == "webp":
        image.save(file, "WEBP", quality=quality, method=0)
    else:
        image.save(file, "JPEG", quality=quality)
    return file.getvalue()


class Gallery:
    """Keeps what was encoded lately, up to a number of bytes. Safe to use from several threads."""

    def __init__(self, most_bytes: int = 64_000_000) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._files: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0

    def file(self, name: object, make: Callable[[], bytes]) -> bytes:
        """Return the file of that name, made now if it is not here."""
        with self._lock:
            if name in self._files:
                self._files.move_to_end(name)
                return self._files[name]
        made = make()
        with self._lock:
            if name not in self._files:
                self._files[name] = made
                self._bytes += len(made)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._files.popitem(last=False)[1])
        return made


def scene(mood: bytes, width: int, height: int) -> Image.Image:
    """Draw hills under a sun, width x height, in colours that go together."""
    rng = Random(mood)  # noqa: S311  a picture, not a secret
    hue = rng.random()
    scale = min(1.0, CANVAS / max(width, height))
    canvas = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = _sky(rng, hue, canvas)
    _suns(rng, hue, image)
    _hills(rng, hue, image)
    return _stretched(image, (width, height))


def _stretched(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType]  # its types name numpy


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(rng: Random, hue: float, size: tuple[int, int]) -> Image.Image:
    """Stretch a few coloured pixels over the canvas: pale near the horizon, deeper above."""
    columns, rows = 3, 4
    mesh = Image.new("RGB", (columns, rows))
    for row in range(rows):
        depth = 1 - row / (rows - 1)
        for column in range(columns):
            tint = _colour(
                hue + 0.16 * (rng.random() - 0.5) - 0.1 * depth, 0.16 + 0.4 * depth, 0.98 - 0.2 * depth
            )
            mesh.putpixel((column, row), tint)
    return _stretched(mesh, size)


def _suns(rng: Random, hue: float, image: Image.Image) -> None:
    """Set one glowing sun into the sky, and some faint discs around it."""
    width, height = image.size
    unit = min(width, height)
    for n in range(1 + int(rng.random() * 5)):
        is_sun = n == 0
        radius = unit * ((0.07 + 0.09 * rng.random()) if is_sun else (0.02 + 0.07 * rng.random()))
        centre = (width * (0.12 + 0.76 * rng.random()), height * (0.12 + 0.36 * rng.random()))
        tint = _colour(hue + 0.42 + 0.16 * rng.random(), 0.22 if is_sun else 0.12, 1.0)
        if is_sun:
            _paste(image, tint, centre, _disc(radius * 2.2, radius * 0.8, 110))
        _paste(image, tint, centre, _disc(radius, max(0.6, radius * 0.04), 245 if is_sun else 90))


def _disc(radius: float, blur: float, opacity: int) -> Image.Image:
    """Return a disc with a soft edge. It is drawn no larger than its edge needs, and then stretched."""
    reach = math.ceil(radius + 2 * blur) + 1
    scale = min(1.0, MOST_BLURRED / blur)
    centre, small = math.ceil(reach * scale), radius * scale
    mask = Image.new("L", (2 * centre, 2 * centre))
    ImageDraw.Draw(mask).ellipse(
        (centre - small, centre - small, centre + small, centre + small), fill=opacity
    )
    return _stretched(mask.filter(ImageFilter.BoxBlur(blur * scale)), (2 * reach, 2 * reach))


def _paste(image: Image.Image, tint: Colour, centre: tuple[float, float], mask: Image.Image) -> None:
    reach = mask.width // 2
    image.paste(tint, (round(centre[0]) - reach, round(centre[1]) - reach), mask)


def _hills(rng: Random, hue: float, image: Image.Image) -> None:
    """Lay ranges of hills one before the other, the nearest darkest."""
    width, height = image.size
    pen = ImageDraw.Draw(image)
    ranges = 3 + int(rng.random() * 4)
    horizon = 0.5 + 0.16 * rng.random()
    drift = 0.1 * (rng.random() - 0.5)
    for n in range(ranges):
        near = (n + 1) / ranges
        top = height * (horizon + (0.96 - horizon) * n / ranges)
        waves = [
            (
                height * swell * (0.5 + rng.random()),
                math.tau * (0.4 + pace * rng.random()) / width,
                math.tau * rng.random(),
            )
            for swell, pace in ((0.05, 1.2), (0.02, 3.0), (0.006, 9.0))
        ]
        ridge = [
            (x, top + sum(swell * math.sin(pace * x + phase) for swell, pace, phase in waves))
            for x in range(0, width + 4, 4)
        ]
        tint = _colour(hue + drift * n + 0.05, 0.2 + 0.42 * near, 0.9 - 0.62 * near)
        pen.polygon([(0, height), *ridge, (width + 4, height)], fill=tint)


def _sign(image: Image.Image, caption: str, digest: bytes) -> None:
    """Write the caption and the sign into one corner, and the digest as swatches into the other."""
    width, height = image.size
    size = max(7, min(20, width // 9, height // 36))
    margin = size * 3 // 4
    lines = [(SIGN, size)]
    if width >= 16 * size and caption:
        lines.append((caption, size * 5 // 4))
    y = height - margin
    for text, points in lines:
        letters = _letters(text, points, width - 2 * margin)
        y -= points * 5 // 4
        image.paste((20, 24, 32), (margin + 1, y + 1), letters)
        image.paste((250, 250, 250), (margin, y), letters)
    pen = ImageDraw.Draw(image)
    side = max(1, min(width, height) // 96)
    for n, start in enumerate(range(0, 12, 3)):
        left = width - side * (5 - n)
        red, green, blue = digest[start : start + 3]
        pen.rectangle((left, height - 2 * side, left + side - 1, height - side - 1), fill=(red, green, blue))


@lru_cache(maxsize=256)
def _letters(text: str, points: int, room: int) -> Image.Image:
    """Return the mask of a line of text, cut to the room that it has."""
    font = ImageFont.load_default(points)
    fitted = _fitted(text, font, room)
    mask = Image.new("L", (max(1, math.ceil(font.getlength(fitted))), points * 3 // 2))
    ImageDraw.Draw(mask).text((0, 0), fitted, fill=255, font=font)
    return mask


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""
