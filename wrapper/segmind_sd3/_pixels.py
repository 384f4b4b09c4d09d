"""Pictures that are no files yet become PNG: images of Pillow, and arrays of pixels.

A PNG of 8 bits per channel is made, without metadata: a Pillow image may hold where a photo was taken. Pillow
makes it of its own images. Of an array it is made here, since neither numpy nor Pillow may be installed.
"""

from __future__ import annotations

import struct
import sys
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from ._imagefile import PNG_SIGNATURE, NotAnImage, sniff
from ._text import describe_error, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# -- Images of Pillow -------------------------------------------------------------------------------------

_KEPT: Final = ("1", "L", "LA", "P", "RGB", "RGBA")
"""The modes that PNG holds as they are, transparency and colour profile included."""

_CONVERTED: Final[Mapping[str, str]] = {
    "La": "LA",
    "RGBa": "RGBA",
    "PA": "RGBA",
    **dict.fromkeys(("RGBX", "CMYK", "YCbCr", "HSV", "LAB"), "RGB"),
}

_UPPER_BYTE: Final[Mapping[str, int]] = {
    "I;16": 1,
    "I;16L": 1,
    "I;16B": 0,
    "I;16N": 1 if sys.byteorder == "little" else 0,
}
"""Where the upper 8 of the 16 bits of a pixel are. Pillow's own conversion makes all above 255 white."""

_ORIENTATION: Final = 0x0112
"""The EXIF tag that says how a picture is to be turned."""

_SCALES: Final[Mapping[str, tuple[str, str]]] = {
    "I": ("v / 256", "0 to 65535"),
    "F": ("v * 255", "0 to 1"),
}


def is_pil_image(value: object) -> bool:
    # Whoever has a PIL image has imported Pillow. The SDK does not import it for this check.
    pil: Any = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def encode_pil_image(image: Any) -> bytes:
    """Return an image of Pillow as PNG, turned as its EXIF data says.

    Raises:
        NotAnImage: it can't be read, or its mode does not say what is white.
    """
    try:
        image.load()
        if image.mode in _SCALES:
            scale, values = _SCALES[image.mode]
            given = f"a PIL image of mode {image.mode}, which does not say what is black and what is white"
            advice = f'image.point(lambda v: {scale}).convert("L") for values of {values}'
            raise NotAnImage(given, f"scale it to 8 bits first: {advice}")
        if 0 in image.size:
            raise NotAnImage("a PIL image without pixels", "pass one with at least one pixel")
        file = BytesIO()
        _turn(_to_8_bits(image), _orientation_of(image)).save(file, "PNG")
    except NotAnImage:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise whatever a file leads them to
        given = f"a PIL image that can't be read ({describe_error(error)})"
        raise NotAnImage(given, "open the whole file anew, and pass the image before it is closed") from None
    return file.getvalue()


def _orientation_of(image: Any) -> object:
    """Return how EXIF or XMP data says that an image is to be turned."""
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - as above; viewers do without data that can't be read, too
        return None


def _turn(image: Any, orientation: object) -> Any:
    from PIL import ImageOps  # noqa: PLC0415 - Pillow is an extra

    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _to_8_bits(image: Any) -> Any:
    """Return a copy of an image in a mode that PNG holds, without metadata."""
    from PIL import Image  # noqa: PLC0415 - as above

    if (upper := _UPPER_BYTE.get(image.mode)) is not None:
        return Image.frombytes("L", image.size, image.tobytes()[upper::2])
    kept = image.mode in _KEPT
    flat: Any = image.copy() if kept else image.convert(_CONVERTED.get(image.mode, "RGB"))
    info: Mapping[str, Any] = dict(flat.info)
    flat.info = {"transparency": info["transparency"]} if kept and "transparency" in info else {}
    # After a conversion the colour profile may be of another colour space, such as CMYK.
    if info.get("icc_profile", b"")[16:20] == (b"GRAY" if flat.mode in ("1", "L", "LA") else b"RGB "):
        flat.info["icc_profile"] = info["icc_profile"]
    return flat


# -- Arrays of pixels -------------------------------------------------------------------------------------

_TO_BYTES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "|u1": lambda data: data,
    "<u2": lambda data: data[1::2],
    ">u2": lambda data: data[0::2],
    "|b1": lambda data: data.translate(b"\0" + b"\xff" * 255),
}
"""How the elements of an array become bytes, by the type as numpy's array interface writes it."""

_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}
"""The colour type of a PNG by the number of its channels: grey, grey and alpha, RGB, RGBA."""

_SCALE_TO_UINT8: Final = {
    "f": '(array * 255).round().astype("uint8") for values of 0 to 1',
    "i": 'array.astype("uint8") for values of 0 to 255',
    "u": 'array.astype("uint8") for values of 0 to 255',
}


def encode_array(array: Any) -> bytes:
    """Return an array of pixels as PNG, or the bytes of a file that an array holds.

    Raises:
        NotAnImage: its type or its shape is none of pixels.
    """
    interface: Any = array.__array_interface__
    shape, kind = tuple(map(int, interface["shape"])), str(interface["typestr"])
    given = f"an array of shape {shape} and type {printable(kind, 20)}"
    if kind not in _TO_BYTES:
        scaled = _SCALE_TO_UINT8.get(kind[1:2], "an array of uint8")
        raise NotAnImage(given, f"pass {scaled}")
    data = _TO_BYTES[kind](memoryview(array).tobytes())
    # OpenCV writes a file into an array of n, in older versions of n x 1.
    if sniff(data) and len(shape) - shape[1:].count(1) == 1:
        return data
    match shape:
        case (height, width) if data:
            return _encode_png(data, width, height, 1)
        case (height, width, channels) if data and channels in _COLOUR_TYPES:
            return _encode_png(data, width, height, channels)
        case (1, _, _, _):
            advice = "array[0]"
        case (1 | 3 | 4, _, _):
            advice = "array.transpose(1, 2, 0)"
        case _:
            advice = "such an array"
    raise NotAnImage(given, f"pixels are height x width, or height x width x 3 (RGB) or 4: pass {advice}")


def _encode_png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    row = width * channels
    # Each row begins with the number of its filter, 0 for none.
    rows = b"".join(b"\0" + pixels[at : at + row] for at in range(0, row * height, row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
