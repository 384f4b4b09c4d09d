"""List the faults that damage the prompt or the input picture of a request, or fail at a valid one."""

from __future__ import annotations

import base64
import re
import unicodedata
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from proofs.mutation.requests import changed, crashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from proofs.mutation.servers import Behaviour

    Change = Callable[[Any], Any]


def content_behaviours() -> Iterator[Behaviour]:
    """List all faults of this kind."""
    yield from damaged_prompts()
    yield from crashing_prompts()
    yield from crashing_inputs()
    yield from damaged_inputs()


# -- Prompts ----------------------------------------------------------------------------------------------


def damaged_prompts() -> Iterator[Behaviour]:
    for fault, (place, change) in _PROMPTS.items():
        yield changed(f"prompt-{fault}", ("prompt",), f"prompt::{place}", change)
    for fault, (place, change) in _PROMPTS_TOLD.items():
        yield changed(f"prompt-{fault}", ("prompt",), f"prompt::{place}", change, left_open=True)


_PROMPTS: Final[Mapping[str, tuple[str, Change]]] = {
    "cut-at-20": ("end:200", lambda text: text[:20]),
    "cut-at-60": ("end:200", lambda text: text[:60]),
    "cut-at-77": ("end:200", lambda text: text[:77]),
    "cut-at-199": ("end:200", lambda text: text[:199]),
    "cut-to-10-words": ("end:200", lambda text: " ".join(text.split()[:10])),
    "without-its-first-half-if-long": (
        "start:200",
        lambda text: text[len(text) // 2 :] if len(text) > 150 else text,
    ),
    "without-what-is-not-ascii": ("script:*", lambda text: text.encode("ascii", "ignore").decode()),
    "with-question-marks-for-what-is-not-ascii": (
        "script:*",
        lambda text: text.encode("ascii", "replace").decode(),
    ),
    "with-question-marks-for-what-is-not-latin-1": (
        "script:*",
        lambda text: text.encode("latin-1", "replace").decode("latin-1"),
    ),
    "without-emoji": ("text:emoji", lambda text: "".join(c for c in text if ord(c) < 0x10000)),
    "without-combining-marks": (
        "text:combining",
        lambda text: "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)),
    ),
    "of-its-first-line": ("text:newline", lambda text: text.split("\n")[0]),
    "cut-at-a-quote": ("text:quotes", lambda text: re.split("[\"'`]", text)[0] or "a"),
    "without-tags": ("text:html", lambda text: re.sub("<[^>]*>", "", text)),
    "cut-at-a-semicolon": ("text:sql", lambda text: text.split(";")[0]),
}
"""By name, the case that must find it, and the change."""

_PROMPTS_TOLD: Final[Mapping[str, tuple[str, Change]]] = {
    "cut-at-500": ("end:2000", lambda text: text[:500]),
    "cut-at-1500": ("end:2000", lambda text: text[:1500]),
    "cut-at-10000": ("end:20000", lambda text: text[:10_000]),
    "in-lower-case": ("text:case", lambda text: text.lower()),
    "composed": ("text:composed", lambda text: unicodedata.normalize("NFC", text)),
    "without-outer-spaces": ("text:spaces", lambda text: text.strip()),
}
"""Changes that no page rules out: the suite must report them as open."""


def crashing_prompts() -> Iterator[Behaviour]:
    for fault, (place, applies) in _CRASHING.items():
        yield crashing(f"prompt-{fault}-500", "prompt", place, applies)


def _in_block(first: int, last: int) -> Callable[[str], bool]:
    return lambda text: any(first <= ord(each) <= last for each in text)


def _longer_than(length: int) -> Callable[[str], bool]:
    return lambda text: len(text) > length


_CRASHING: Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    "not-ascii": ("script:*", lambda text: not text.isascii()),
    "han": ("script:han", _in_block(0x4E00, 0x9FFF)),
    "cyrillic": ("script:cyrillic", _in_block(0x400, 0x4FF)),
    "arabic": ("script:arabic", _in_block(0x600, 0x6FF)),
    "hebrew": ("script:hebrew", _in_block(0x590, 0x5FF)),
    "devanagari": ("script:devanagari", _in_block(0x900, 0x97F)),
    "thai": ("script:thai", _in_block(0xE00, 0xE7F)),
    "greek": ("script:greek", _in_block(0x370, 0x3FF)),
    "hangul": ("script:hangul", _in_block(0xAC00, 0xD7A3)),
    "emoji": ("text:emoji", _in_block(0x10000, 0x10FFFF)),
    "joined-emoji": ("text:emoji", lambda text: "\u200d" in text),
    "combining": ("text:combining", lambda text: any(map(unicodedata.combining, text))),
    "right-to-left": ("text:rtl", lambda text: any(unicodedata.bidirectional(c) == "R" for c in text)),
    "newline": ("text:newline", lambda text: "\n" in text),
    "quotes": ("text:quotes", lambda text: '"' in text),
    "sql": ("text:sql", lambda text: "DROP TABLE" in text),
    "html": ("text:html", lambda text: "<script" in text),
    "nul": ("text:nul", lambda text: "\0" in text),
    "template": ("text:template", lambda text: "{{" in text),
    "percent": ("text:percent", lambda text: "%s" in text),
    "digits": ("text:digits", str.isdigit),
    "one-character": ("length:1", lambda text: len(text) == 1),
    "longer-than-190": ("length:200", _longer_than(190)),
    "longer-than-200": ("length:2000", _longer_than(200)),
    "longer-than-1000": ("length:2000", _longer_than(1000)),
    "longer-than-10000": ("length:20000", _longer_than(10_000)),
}
"""By name, the case that must find it, and the prompts that fail the server."""


# -- Input pictures ---------------------------------------------------------------------------------------


def crashing_inputs() -> Iterator[Behaviour]:
    for fault, (place, applies) in _INPUTS.items():
        yield crashing(f"image-{fault}-500", "image", place, _of_file(applies))


def _of_file(applies: Callable[[Image.Image, bytes], bool]) -> Callable[[Any], bool]:
    def check(text: Any) -> bool:
        try:
            data = base64.b64decode(text)
            with Image.open(BytesIO(data)) as image:
                return applies(image, data)
        except (ValueError, OSError, TypeError):
            return False

    return check


ORIENTATION: Final = 0x0112
_INPUTS: Final[Mapping[str, tuple[str, Callable[[Image.Image, bytes], bool]]]] = {
    "jpeg": ("file:jpeg", lambda image, _: image.format == "JPEG"),
    "progressive-jpeg": ("file:jpeg-progressive", lambda image, _: "progressive" in image.info),
    "gif": ("file:gif", lambda image, _: image.format == "GIF"),
    "webp": ("file:webp", lambda image, _: image.format == "WEBP"),
    "alpha": ("file:png-RGBA", lambda image, _: image.mode == "RGBA"),
    "grey": ("file:png-L", lambda image, _: image.mode == "L"),
    "grey-alpha": ("file:png-LA", lambda image, _: image.mode == "LA"),
    "palette": ("file:png-P", lambda image, _: image.mode == "P" and image.format == "PNG"),
    "black-and-white": ("file:png-1", lambda image, _: image.mode == "1"),
    "16-bit": ("file:png-I;16", lambda image, _: image.mode.startswith("I")),
    "cmyk": ("file:jpeg-CMYK", lambda image, _: image.mode == "CMYK"),
    "animated-gif": ("file:gif-animated", lambda image, _: getattr(image, "n_frames", 1) > 1),
    "exif": ("file:jpeg-turned", lambda image, _: ORIENTATION in image.getexif()),
    "1x1": ("size:1x1", lambda image, _: image.size == (1, 1)),
    "odd-sides": ("size:65x33", lambda image, _: image.width % 2 == 1 and image.width > 1),
    "wide": ("size:2048x2048", lambda image, _: image.width > 2000),
    "megapixels": ("size:2048x2048", lambda image, _: image.width * image.height > 4_000_000),
}
"""By name, the case that must find it, and the input pictures that fail the server."""


def damaged_inputs() -> Iterator[Behaviour]:
    for fault, (place, change) in _DAMAGED_INPUTS.items():
        yield changed(f"image-{fault}", ("image",), f"image::{place}", _redrawn(change))
    yield changed(
        "image-exif-ignored",
        ("image",),
        "image::file:jpeg-turned",
        _redrawn(lambda image: image.convert("RGB")),
        left_open=True,
    )


def _redrawn(change: Callable[[Image.Image], Image.Image]) -> Change:
    def redraw(text: Any) -> Any:
        try:
            with Image.open(BytesIO(base64.b64decode(text))) as image:
                file = BytesIO()
                change(image).save(file, "PNG")
        except (ValueError, OSError, TypeError):
            return text
        return base64.b64encode(file.getvalue()).decode()

    return redraw


def _blank(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size)


def _left_half(image: Image.Image) -> Image.Image:
    half = image.convert("RGB").crop((0, 0, max(1, image.width // 2), image.height))
    return half.resize(image.size)  # pyright: ignore[reportUnknownMemberType] - its types name numpy


def _thumbnail(image: Image.Image) -> Image.Image:
    tiny = image.convert("RGB").resize((2, 2))  # pyright: ignore[reportUnknownMemberType] - as above
    return tiny.resize(image.size)  # pyright: ignore[reportUnknownMemberType] - as above


_DAMAGED_INPUTS: Final[Mapping[str, tuple[str, Callable[[Image.Image], Image.Image]]]] = {
    "blank": ("another", _blank),
    "left-half-alone": ("corner", _left_half),
    "grey": ("colour", lambda image: image.convert("L")),
    "two-pixels-wide": ("corner", _thumbnail),
}
