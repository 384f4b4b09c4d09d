"""Make the digests that stand for prose in facts."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmind_sd3_pipeline.pages.page_error import Line


def digest(text: str) -> str:
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def digest_lines(lines: Iterable[Line]) -> str:
    """Return the digest of the lines without the empty ones."""
    return digest("\n".join(line.text for line in lines if line.text))
