"""Find a key in what a server sent, and redact it: as it is, in base64, url-escaped or in hex."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST: Final = 12
"""Characters of an encoded key that are no coincidence in a picture's base64 text."""


@dataclass(frozen=True)
class Secret:
    """A key, and the variable that is shown in its place."""

    key: str = field(repr=False)
    shown_as: str

    @cached_property
    def _forms(self) -> Mapping[str, tuple[str, ...]]:
        data = self.key.encode()
        escaped = "".join(f"%{byte:02x}" for byte in data)
        forms = {
            "as it is": (self.key,),
            "in base64": tuple(dict.fromkeys(_in_base64(data))),
            "url-escaped": (escaped, quote(self.key, safe="")),
            "in hex": (data.hex(),),
        }
        return {
            name: tuple(text.lower() for text in texts if text == self.key or len(text) >= SHORTEST)
            for name, texts in forms.items()
        }

    def forms_in(self, text: str) -> list[str]:
        """Return the forms in which a text holds the key; letters of another case are the same."""
        lower = text.lower()
        return [name for name, texts in self._forms.items() if any(each in lower for each in texts)]

    def redact(self, text: str) -> str:
        """Return a text with the variable in place of the key, in any of its forms."""
        for name in self.forms_in(text):
            for each in self._forms[name]:
                text = re.sub(re.escape(each), lambda _: self.shown_as, text, flags=re.IGNORECASE)
        return text


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the characters that the key alone decides, wherever it stands in what was encoded."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode()
        sure = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield sure
        yield sure.translate(str.maketrans("+/", "-_"))
