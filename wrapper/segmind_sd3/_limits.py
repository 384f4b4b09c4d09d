"""How much is taken of what comes from outside. Every limit stands here, and nowhere else."""

from typing import Final

MIB: Final = 1024 * 1024

MAX_REPLY_BYTES: Final = 256 * MIB
"""The largest reply that is read: ten pictures of 2048 x 2048, as PNG in base64, stay below it."""

MAX_ERROR_BYTES: Final = MIB
"""How much is read of a reply that is no success, names no cost and does not begin as a picture."""

MAX_DECODED_RATIO: Final = 8
"""How many times its own size a compressed reply may decode to, above `MAX_DECODED_FLOOR`."""

MAX_DECODED_FLOOR: Final = 32 * MIB
"""What a compressed reply may decode to in any case: pictures hardly shrink, a bomb grows a thousandfold."""

MAX_ENCODINGS: Final = 3
"""How many content encodings, one around the other, are undone."""

MAX_HEAD_BYTES: Final = 100 * 1024
"""The largest status line with headers, of a reply or of a proxy."""

MAX_TEXT: Final = 2000
"""How many characters of a text are looked at, before any regular expression or other search."""

MAX_MESSAGE: Final = 500
"""How many characters of a service's text stand in an error's message."""

MAX_TEXTS: Final = 10
"""How many texts of a list in an error's JSON are read."""

MIN_SPOOLED: Final = MIB
"""The smallest picture, in bytes, that goes straight to a file where a folder for that is set."""

MAX_HELD: Final = 256 * 1024
"""The largest body with a picture, in bytes, that is made as a whole; a larger one is sent piece by piece."""

MAX_IMAGE_BYTES: Final = 64 * MIB
"""The largest image that is fetched from a URL: well above any picture of 2048 x 2048, the pages' limit."""

MAX_REDIRECTS: Final = 5
"""How many redirects are followed to an image. Those of the API are never followed."""

LONGEST_SIDE: Final = 2048
"""Pixels of the longest side of an input that the img2img page names: the service scales down."""
