"""The sample of a page, in JavaScript, Python or curl: where it sends what, and what is code.

A page's sample is one line: its line numbers, then its code with the line ends gone. So a comment has no end
but the next key. A value that is no literal is kept as the code that it is.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.problem import PageError

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.problem import Line

MARKS: Final = {
    "curl": r"\bcurl\s+-|\bcurl\s+['\"]?https?:",
    "python": r"\bimport requests\b|\brequests\.\w+\(|\bimport httpx\b",
    "javascript": r"\brequire\(|\bconst\s|\baxios\b|\bfetch\(",
}
BODY: Final = re.compile(
    r"\b(?:data|payload|body|json)\s*[=:]\s*(?:JSON\.stringify\(\s*|json\.dumps\(\s*)?(?=\{)"
    r"|(?:--data(?:-raw|-binary)?|-d|--json)[\s=]+\$?['\"]?\s*(?=\{)"
)
HEADERS: Final = re.compile(r"\bheaders\s*[=:]\s*(?=\{)")
HEADER_OPTION: Final = re.compile(r"(?:-H|--header)[\s=]+(['\"])([\w-]+)\s*:")
URL: Final = re.compile(r"https://[\w.-]+(?::\d+)?/v\d+/([\w.-]+)")
NO_KEY: Final = frozenset({"content-type", "accept", "user-agent"})
CONSTANTS: Final = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,4})?")
KEY: Final = re.compile(r"""(?:(["'])(?P<quoted>[\w-]+)\1|(?P<bare>[A-Za-z_$][\w$]*))\s*:""")
QUOTED_KEY: Final = re.compile(r"""(["'])[\w-]+\1\s*:""")


@dataclass(frozen=True)
class Sample:
    """What a sample says. `code` is all of it but the values."""

    language: str
    slug: str
    url: str
    auth_header: str
    values: Facts
    code: str


def read_sample(lines: list[Line], method: Line) -> Sample:
    """The sample below a page's method.

    Raises:
        PageError: There is none, or it isn't understood.
    """
    said = [line for line in lines if line.text]
    named = said.pop(0).text.lower() if said and re.fullmatch(r"[A-Za-z.+#]{1,20}", said[0].text) else None
    number = said[0].number if said else method.number
    code = _without_numbers("\n".join(line.text for line in said))
    found = next((name for name, mark in MARKS.items() if re.search(mark, code)), None)
    if not found:
        raise PageError("sample", number, "a call in JavaScript, Python or curl", code[:80])
    body = BODY.search(code)
    if not body:
        raise PageError("sample", number, "the body as an object, as data = {…}", code[-80:])
    reader = _Reader(code, number)
    values, end = reader.object(body.end())
    around = f"{code[: body.end()]}{{}}{code[end:]}"
    url = URL.search(around)
    if not url:
        raise PageError("sample", number, "the endpoint's address, https://…/v1/…", around[:80])
    return Sample(
        named or found, url[1], url[0], _auth_header(around, number), values, " ".join(around.split())
    )


def _without_numbers(code: str) -> str:
    words = re.compile(r"\s*(\d+)(?=\s|$)")
    at, expected = 0, 1
    while (found := words.match(code, at)) and found[1] == str(expected):
        at, expected = found.end(), expected + 1
    return code[at:].strip()


def _auth_header(code: str, number: int) -> str:
    named = [found[2] for found in HEADER_OPTION.finditer(code)]
    for found in HEADERS.finditer(code):
        named += _Reader(code, number).object(found.end())[0]
    keys = sorted({name for name in named if name.lower() not in NO_KEY})
    if len(keys) != 1:
        raise PageError("sample", number, "one header that carries the key", ", ".join(keys))
    return keys[0]


class _Reader:
    """Reads literals out of code. Positions are into the code."""

    def __init__(self, code: str, number: int) -> None:
        self.code, self.number = code, number

    def object(self, at: int) -> tuple[dict[str, Any], int]:
        """The object that begins at a brace, and where it ends."""
        members: dict[str, Any] = {}
        at = self._past_blanks(at + 1)
        while not self.code.startswith("}", at):
            key = KEY.match(self.code, at)
            if not key:
                raise self._problem("a key of the sample's body", at)
            name = key["quoted"] or key["bare"]
            if name in members:
                raise self._problem("each key of the sample's body once", at)
            members[name], at = self._value(self._past_blanks(key.end()))
            at = self._past_blanks(at)
            if self.code.startswith(",", at):
                at = self._past_blanks(at + 1)
            elif not self.code.startswith("}", at):
                raise self._problem(f"a comma or the body's end after {name}", at)
        return members, at + 1

    def _value(self, at: int) -> tuple[Any, int]:
        end = self._end_of_value(at)
        code = self.code[at:end].strip()
        if not code:
            raise self._problem("a value in the sample's body", at)
        return _literal(code), end

    def _end_of_value(self, at: int) -> int:
        """Where the comma or brace stands that ends a value, or the comment behind its last literal."""
        depth = 0
        while at < len(self.code):
            character = self.code[at]
            if character in "\"'`":
                at = self._end_of_text(at)
                continue
            if depth == 0 and (character in ",}" or self._comment(at)):
                return at
            depth += (character in "([{") - (character in ")]}")
            at += 1
        raise self._problem("the end of the sample's body", len(self.code))

    def _end_of_text(self, at: int) -> int:
        found = re.compile(rf"{self.code[at]}(?:[^\\{self.code[at]}]|\\.)*+{self.code[at]}", re.DOTALL).match(
            self.code, at
        )
        if not found:
            raise self._problem("the end of a quoted text", at)
        return found.end()

    def _past_blanks(self, at: int) -> int:
        """Past blanks and comments. A comment ends with its line, or before a key or the body's end."""
        while at < len(self.code):
            if self.code[at].isspace():
                at += 1
            elif self._comment(at):
                line_end = self.code.find("\n", at)
                last = len(self.code) if line_end < 0 else line_end
                key = QUOTED_KEY.search(self.code, at, last)
                brace = self.code.find("}", at, last)
                at = min(each for each in (last, key.start() if key else last, brace) if each >= 0)
            else:
                break
        return at

    def _comment(self, at: int) -> bool:
        return self.code.startswith("//", at) or (self.code[at] == "#" and self.code[at - 1].isspace())

    def _problem(self, expected: str, at: int) -> PageError:
        return PageError("sample", self.number, expected, self.code[at : at + 80] or "the sample's end")


def _literal(code: str) -> Any:
    """A value that Python and JSON know; else the code itself."""
    if code in CONSTANTS:
        return CONSTANTS[code]
    if NUMBER.fullmatch(code):
        value = float(code) if re.search(r"[.eE]", code) else int(code)
        return value if math.isfinite(value) else {"code": code}
    if text := re.fullmatch(r"(['\"`])((?:[^\\'\"`]|\\.|(?!\1)['\"`])*+)\1", code, re.DOTALL):
        if text[1] == "`" and "${" in code:
            return {"code": code}
        try:
            return json.loads(_as_json(text[2]))
        except ValueError:
            return {"code": code}
    if code[0] in "[{":
        try:
            return json.loads(code, parse_constant=_refused)
        except (ValueError, RecursionError):
            return {"code": code}
    return {"code": code}


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _as_json(inside: str) -> str:
    """The inside of a text in any quotes, as JSON text."""
    escaped = re.sub(r"\\(.)|([\"\n\t])", lambda each: _escape(each[1], each[2]), inside, flags=re.DOTALL)
    return f'"{escaped}"'


def _escape(escaped: str | None, bare: str | None) -> str:
    if bare:
        return json.dumps(bare)[1:-1]
    return f"\\{escaped}" if escaped in tuple('"\\/bfnrtu') else str(escaped)
