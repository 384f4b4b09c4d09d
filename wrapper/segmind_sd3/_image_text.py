"""An image given as text: a `data:` URI, an http(s) URL, base64, or a path, as the first of these that fits.

The path is last, since the base64 text of a JPEG begins with `/9j/`. A `file:` URL is refused: a program that
takes URLs from others expects them to lead to hosts, and on some systems such a URL leads to a host all the
same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from ._imagefile import EncodedImage, NotAnImage, read_picture, sniff
from ._reply import decode_base64
from ._url import URL, InvalidURL

ALLOWED: Final = (
    "a path, bytes, an open binary file, a PIL image, an array of uint8, a picture that was drawn, "
    "a data: URI, an http(s) URL, or base64 text of a PNG, JPEG, GIF or WebP"
)

START: Final = 96
"""How many bytes tell a picture, or the text of one, from all else."""

BLANKS: Final = "\ufeff \t\r\n\f\v"
_LONGEST_PATH: Final = 32_767
_LONGEST_HEADER: Final = 4096
"""Characters of the part of a `data:` URI before its comma."""


def parse_text(text: str) -> EncodedImage | Path | URL:
    """Return the image that a text holds, or the path or the URL that it is.

    Raises:
        NotAnImage: it is none of these, or it holds no whole picture.
    """
    stripped = text.strip(BLANKS)
    if stripped[:8].lower().startswith(("http://", "https://")):
        try:
            return URL(stripped)
        except InvalidURL as wrong:
            raise NotAnImage(f"{quoted(text)} is no URL: {wrong}", "pass one that is, or a picture") from None
    try:
        if image := decode_text(stripped):
            return image
    except NotAnImage:
        # A path may begin as base64 does.
        if _is_data_uri(stripped) or (path := _find_file(text, stripped)) is None:
            raise
        return path
    if path := _find_file(text, stripped):
        return path
    raise _refuse_text(text, stripped)


def decode_text(text: str) -> EncodedImage | None:
    """Decode a `data:` URI, or base64 text; return None where the text begins as neither."""
    if _is_data_uri(text):
        return EncodedImage.of(_decode_data_uri(unquote(text) if text[4] == "%" else text), "the data: URI")
    if _begins_as_base64(text):
        return EncodedImage.of(_decode(text, "the base64 text"), "the base64 text")
    return None


def _is_data_uri(text: str) -> bool:
    # The whole of it may be percent-encoded.
    return text[:7].lower().startswith(("data:", "data%3a"))


def _decode_data_uri(text: str) -> bytes:
    # A comma may stand in quotes, as in `name="a,b.png"`.
    header = re.match(r'[^,"]*+(?:"[^"]*+"[^,"]*+)*+,', text[:_LONGEST_HEADER])
    if header is None:
        raise NotAnImage("a data: URI without a comma before its content", "pass the whole URI")
    body = text[header.end() :]
    if "base64" in (word.strip().lower() for word in header[0][:-1].split(";")[1:]):
        return _decode(body, "the data: URI")
    data = unquote_to_bytes(body)
    return data if sniff(data) else decode_base64(unquote(body)) or data


def _begins_as_base64(text: str) -> bool:
    start = re.match(r"[\w+/-]{0,16}", "".join(unquote(text[:START]).split()), re.ASCII)
    return start is not None and sniff(decode_base64(start[0]) or b"") is not None


def _decode(text: str, subject: str) -> bytes:
    """Decode base64 text, which a URL or a form may have changed."""
    text = unquote(text).strip()
    data = decode_base64(text)
    if " " in text and (data is None or read_picture(data) is None):
        # A form's decoder makes a blank of each plus sign.
        data = decode_base64(text.replace(" ", "+")) or data
    if data is None:
        foreign = re.search(r"[^\w+/=\s-]|=(?=[^=\s])", text, re.ASCII)
        where = f"it has {foreign[0]!r} at {foreign.start()}" if foreign else "its length is none of base64"
        raise NotAnImage(f"{subject} can't be decoded: {where}", "pass the base64 text as it was made")
    return data


def _find_file(*texts: str) -> Path | None:
    """Return the first of the texts that names what is on the disk, `~` included."""
    for text in texts:
        try:
            # "" would be the current folder.
            if text and len(text) <= _LONGEST_PATH and (path := expand(Path(text))).exists():
                return path
        except (OSError, ValueError):
            continue
    return None


def expand(path: Path) -> Path:
    """Return a path with its `~` read as the home folder, unless there is a file of that very name."""
    if not str(path).startswith("~") or path.exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # nobody's home
        return path


_SCHEMES: Final = {
    "file": "a file: URL is not followed, since URLs may come from others: pass its path as a path",
    "blob": "only the browser that made it can read it: pass the picture itself",
}


def _refuse_text(text: str, stripped: str) -> NotAnImage:
    shown = quoted(text)
    if not stripped:
        return NotAnImage("an empty text", f"pass {ALLOWED}")
    if re.match(r"b(['\"]).*\1$", stripped, re.DOTALL):
        given = f"the text of a bytes object, {shown}"
        return NotAnImage(given, "pass the bytes, or make text of them by .decode()")
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", stripped[:40]):
        others = "only http, https and data: are known: pass the picture itself"
        advice = _SCHEMES.get(scheme[1].lower(), others)
        return NotAnImage(f"{shown}, a URL of the scheme {scheme[1]!r}", advice)
    given = f"{shown} is neither the base64 of a picture nor a file that exists"
    if re.match(r"[A-Za-z]:.*[\a\b\t\n\v\f\r]", stripped):
        return NotAnImage(given, r"a \ in it became a control character: write the path as r'…', or with /")
    return NotAnImage(given, f"pass {ALLOWED}")


def quoted(value: object) -> str:
    """Return a text for an error message, in part where it is long."""
    text = str(value)
    return repr(text if len(text) <= 60 else text[:60] + "…")


def check_url(url: URL) -> URL:
    """Return a URL that leads to a host.

    Raises:
        NotAnImage: it does not.
    """
    if url.scheme not in ("http", "https") or not url.host:
        wrong = "names no host" if url.scheme in ("http", "https") else "is no http(s) URL"
        raise NotAnImage(f"{quoted(url)} {wrong}", f"pass {ALLOWED}")
    return url


def begins_as_text(data: bytes) -> bool:
    """Return whether bytes may be the text of a picture, and no picture themselves."""
    start = data[:START].decode("latin-1").lstrip()
    return sniff(data) is None and (_is_data_uri(start) or _begins_as_base64(start))
