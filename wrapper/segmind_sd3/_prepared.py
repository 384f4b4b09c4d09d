"""A call that is checked and complete, and not sent yet."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from ._public import public

# Linux takes no single argument above 128 KiB, so a body with a picture in it goes through standard input.
_LONGEST_ARGUMENT: Final = 100_000


@public
@dataclass(frozen=True, slots=True)
class Prepared:
    """One call, ready to be sent. It holds no key.

    Attributes:
        operation: the endpoint's name, such as `sd35_turbo_txt2img`.
        url: where it goes.
        content: the JSON text of the body, byte for byte as it is sent.
    """

    operation: str
    url: str
    content: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body, read from `content`."""
        return json.loads(self.content)

    def as_curl(self) -> str:
        """Return the call as a shell command that takes the key from `$SEGMIND_API_KEY`.

        What does not print is escaped in its JSON, so that the command can be shown.
        """
        text = self.content.decode()
        if not text.isprintable():
            text = "".join(each if each.isprintable() else escaped(each) for each in text)
        words = ["curl", "--fail-with-body", "--output", "reply", self.url]
        command = shlex.join(words) + ' -H "x-api-key: $SEGMIND_API_KEY" -H "content-type: application/json"'
        if len(text.encode()) <= _LONGEST_ARGUMENT:
            return f"{command} --data-raw {shlex.quote(text)}"
        # JSON text holds no line break, so no line of it can end the here-document.
        return f"{command} --data-binary @- <<'END_OF_BODY'\n{text}\nEND_OF_BODY"


def escaped(character: str) -> str:
    """Write a character as JSON escapes, two of them above U+FFFF."""
    code = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))
