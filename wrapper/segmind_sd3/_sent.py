"""What a call sent, kept with its pictures, and read back from the file of one."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from segmind_sd3_api.parameters import OPERATIONS

from ._metadata import extract
from ._public import public
from ._text import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_api.parameters import Readable


@public
@dataclass(frozen=True, slots=True)
class SentRequest:
    """What a call sent, as arguments that send the same again.

    ```python
    sent = segmind_sd3.parameters_of("panda.png")  # or drawn.request
    again = getattr(client, sent.operation)(**sent.parameters)
    ```

    Attributes:
        operation: the endpoint's name, which is that of the client's method.
        parameters: the method's arguments, with the seed that was drawn; in `extra`, what it takes nowhere
            else. In place of each picture stands the digest of its file, `picture sha256:…`. A call refuses
            that: give the picture itself, as in `{**sent.parameters, "image": "photo.jpg"}`.
    """

    operation: str
    parameters: Mapping[str, Any] = field(hash=False)

    @property
    def seed(self) -> int | None:
        """The seed that was sent, where one was."""
        seed = {**self.parameters.get("extra", {}), **self.parameters}.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return asdict(self)


@public
def parameters_of(file: str | os.PathLike[str] | bytes | Readable) -> SentRequest:
    """Read what a picture was drawn with, from a file that `save(..., metadata=True)` has written.

    Args:
        file: its path, its bytes, or the file, open in binary mode.

    Raises:
        OSError: the file can't be read.
        ValueError: it has no such metadata, or that of an endpoint that this version does not know.
    """
    if isinstance(file, (str, os.PathLike)):
        name, data = f"{file}", Path(file).read_bytes()
    else:
        name, data = "this file", file if isinstance(file, bytes) else bytes(file.read())
    match extract(data):
        case {"operation": str(operation), "parameters": {**parameters}}:
            pass
        case _:
            raise ValueError(f"{name} holds no parameters of a call: were they saved, with metadata=True?")
    if (known := OPERATIONS.get(operation)) is None:
        shown = short_repr(operation)
        raise ValueError(f"{name} was drawn by {shown}, an endpoint that this version does not know")
    # Anybody may have written the file. A text in place of a picture could name a file of the reader's.
    pictures = [each.name for each in known.parameters.values() if each.kind == "image"]
    if any(each in parameters and not holds_digest(parameters[each]) for each in pictures):
        raise ValueError(f"{name} holds parameters that segmind-sd3 has not written: a picture is no digest")
    return SentRequest(operation, parameters)


def digest_of(sha256: str) -> str:
    """Return what stands for a picture among parameters. No API takes such a text for a value."""
    return f"picture sha256:{sha256}"


def file_digest(file: Path) -> str:
    """Return the digest of a picture's file, of which little is held at a time."""
    with file.open("rb") as opened:
        return digest_of(hashlib.file_digest(opened, "sha256").hexdigest())


def holds_digest(value: object) -> bool:
    """Return whether a value is the digest of a picture, or has one in it."""
    if isinstance(value, dict):
        value = list(cast("dict[str, object]", value).values())
    if isinstance(value, list):
        return any(map(holds_digest, cast("list[object]", value)))
    return isinstance(value, str) and re.fullmatch("picture sha256:[0-9a-f]{64}", value) is not None
