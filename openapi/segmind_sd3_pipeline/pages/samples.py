"""Read the sample call of a page, in JavaScript, Python or curl.

A page's sample is one line: the line numbers, then the code without line ends. So a comment ends only at the
next key. A value that is no literal is recorded as code.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.page_error import PageError

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.page_error import Line

LANGUAGE_MARKS: Final = {
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
    """The content of a sample. `code` is the sample without its values."""

    language: str
    slug: str
    url: str
    auth_header: str
    values: Facts
    code: str


def read_sample(lines: list[Line], method: Line) -> Sample:
    """Return the sample below a page's method.

    Raises:
        PageError: There is none, or it is not understood.
    """
    filled = [line for line in lines if line.text]
    has_label = bool(filled) and re.fullmatch(r"[A-Za-z.+#]{1,20}", filled[0].text)
    label = filled.pop(0).text.lower() if has_label else None
    number = filled[0].number if filled else method.number
    code = _strip_line_numbers("\n".join(line.text for line in filled))
    found = next((name for name, mark in LANGUAGE_MARKS.items() if re.search(mark, code)), None)
    if not found:
        raise PageError("sample", number, "a call in JavaScript, Python or curl", code[:80])
    body = BODY.search(code)
    if not body:
        raise PageError("sample", number, "the body as an object, as data = {…}", code[-80:])
    reader = _Reader(code, number)
    values, end = reader.read_object(body.end())
    around = f"{code[: body.end()]}{{}}{code[end:]}"
    url = URL.search(around)
    if not url:
        raise PageError("sample", number, "the endpoint's address, https://…/v1/…", around[:80])
    return Sample(
        label or found, url[1], url[0], _find_auth_header(around, number), values, " ".join(around.split())
    )


def _strip_line_numbers(code: str) -> str:
    words = re.compile(r"\s*(\d+)(?=\s|$)")
    at, expected = 0, 1
    while (found := words.match(code, at)) and found[1] == str(expected):
        at, expected = found.end(), expected + 1
    return code[at:].strip()


def _find_auth_header(code: str, number: int) -> str:
    names = [found[2] for found in HEADER_OPTION.finditer(code)]
    for found in HEADERS.finditer(code):
        names += _Reader(code, number).read_object(found.end())[0]
    keys = sorted({name for name in names if name.lower() not in NO_KEY})
    if len(keys) != 1:
        raise PageError("sample", number, "one header that carries the key", ", ".join(keys))
    return keys[0]


class _Reader:
    """Read literals out of code. Positions are offsets into the code."""

    def __init__(self, code: str, number: int) -> None:
        self.code, self.number = code, number

    def read_object(self, at: int) -> tuple[dict[str, Any], int]:
        """Read the object that begins at a brace. Return it and its end."""
        members: dict[str, Any] = {}
        at = self._skip_blanks(at + 1)
        while not self.code.startswith("}", at):
            key = KEY.match(self.code, at)
            if not key:
                raise self._error("a key of the sample's body", at)
            name = key["quoted"] or key["bare"]
            if name in members:
                raise self._error("each key of the sample's body once", at)
            members[name], at = self._read_value(self._skip_blanks(key.end()))
            at = self._skip_blanks(at)
            if self.code.startswith(",", at):
                at = self._skip_blanks(at + 1)
            elif not self.code.startswith("}", at):
                raise self._error(f"a comma or the body's end after {name}", at)
        return members, at + 1

    def _read_value(self, at: int) -> tuple[Any, int]:
        end = self._end_of_value(at)
        code = self.code[at:end].strip()
        if not code:
            raise self._error("a value in the sample's body", at)
        return _literal(code), end

    def _end_of_value(self, at: int) -> int:
        """Return the position of the comma, brace or comment that ends a value."""
        depth = 0
        while at < len(self.code):
            character = self.code[at]
            if character in "\"'`":
                at = self._end_of_text(at)
                continue
            if depth == 0 and (character in ",}" or self._is_comment(at)):
                return at
            depth += (character in "([{") - (character in ")]}")
            at += 1
        raise self._error("the end of the sample's body", len(self.code))

    def _end_of_text(self, at: int) -> int:
        found = re.compile(rf"{self.code[at]}(?:[^\\{self.code[at]}]|\\.)*+{self.code[at]}", re.DOTALL).match(
            self.code, at
        )
        if not found:
            raise self._error("the end of a quoted text", at)
        return found.end()

    def _skip_blanks(self, at: int) -> int:
        """Skip blanks and comments. A comment ends with its line, or before a key or the body's end."""
        while at < len(self.code):
            if self.code[at].isspace():
                at += 1
            elif self._is_comment(at):
                line_end = self.code.find("\n", at)
                last = len(self.code) if line_end < 0 else line_end
                key = QUOTED_KEY.search(self.code, at, last)
                brace = self.code.find("}", at, last)
                at = min(each for each in (last, key.start() if key else last, brace) if each >= 0)
            else:
                break
        return at

    def _is_comment(self, at: int) -> bool:
        return self.code.startswith("//", at) or (self.code[at] == "#" and self.code[at - 1].isspace())

    def _error(self, expected: str, at: int) -> PageError:
        return PageError("sample", self.number, expected, self.code[at : at + 80] or "the sample's end")


def _literal(code: str) -> Any:
    """Return the value of a Python or JSON literal, else the code itself."""
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
            return json.loads(code, parse_constant=_reject_constant)
        except (ValueError, RecursionError):
            return {"code": code}
    return {"code": code}


def _reject_constant(constant: str) -> Any:
    raise ValueError(constant)


def _as_json(inside: str) -> str:
    """Return the inside of a quoted text as a JSON string."""
    escaped = re.sub(r"\\(.)|([\"\n\t])", lambda each: _escape(each[1], each[2]), inside, flags=re.DOTALL)
    return f'"{escaped}"'


def _escape(escaped: str | None, bare: str | None) -> str:
    if bare:
        return json.dumps(bare)[1:-1]
    return f"\\{escaped}" if escaped in tuple('"\\/bfnrtu') else str(escaped)
