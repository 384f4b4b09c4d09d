"""A call that is checked and complete, and not sent yet."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from ._content import StreamedContent, values_of
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
        content: the JSON text of the body, byte for byte as it is sent. With a large picture it is a
            `StreamedContent`, which makes the text when it is read; `bytes(content)` is the text of both.
    """

    operation: str
    url: str
    content: bytes | StreamedContent = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body, read from `content`."""
        content = self.content
        return json.loads(bytes(content) if isinstance(content, StreamedContent) else content)

    def as_curl(self) -> str:
        """Return the call as a shell command that takes the key from `$SEGMIND_API_KEY`.

        What does not print is escaped in its JSON, so that the command can be shown.
        """
        text = bytes(self.content).decode()
        if not text.isprintable():
            text = "".join(each if each.isprintable() else escaped(each) for each in text)
        words = ["curl", "--fail-with-body", "--output", "reply", self.url]
        command = shlex.join(words) + ' -H "x-api-key: $SEGMIND_API_KEY" -H "content-type: application/json"'
        if len(text.encode()) <= _LONGEST_ARGUMENT:
            return f"{command} --data-raw {shlex.quote(text)}"
        # JSON text holds no line break, so no line of it can end the here-document.
        return f"{command} --data-binary @- <<'END_OF_BODY'\n{text}\nEND_OF_BODY"


def values_in(prepared: Prepared) -> dict[str, Any]:
    """Return the JSON body, with each large picture as it is kept, not as text."""
    content = prepared.content
    return values_of(content) if isinstance(content, StreamedContent) else prepared.body


def escaped(character: str) -> str:
    """Write a character as JSON escapes, two of them above U+FFFF."""
    code = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))
