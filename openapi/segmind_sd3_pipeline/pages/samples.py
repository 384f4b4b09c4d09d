"""Read the sample call of a page, in JavaScript, Python or curl, or by the vendor's SDK.

Many pages show the sample without line ends. So a comment ends only at the next key. A value that is no
literal is recorded as code.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.line_numbers import without_line_numbers
from segmind_sd3_pipeline.pages.page_error import BrokenPage, PageError

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
URL: Final = re.compile(r"https://[\w.-]+(?::\d{1,5})?/v\d{1,3}/([\w.-]+)")
SLUG: Final = re.compile(r"[A-Za-z0-9](?:[\w-]|\.(?!\.)){0,99}")
VERB: Final = re.compile(r"\b(?:requests|httpx|axios)\.(get|post|put|patch|delete)\(")
SDK_CALL: Final = re.compile(r"\bsegmind\.(?:run|run_sync|submit|submit_async)\(")
SPREAD: Final = re.compile(r"\*\*\s?([A-Za-z_]\w{0,60})\s?,?\s?(?=\))")
NO_KEY: Final = frozenset({"content-type", "accept", "user-agent"})
CONSTANTS: Final = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
NUMBER: Final = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,4})?")
KEY: Final = re.compile(r"""(?:(["'])(?P<quoted>[\w-]+)\1|(?P<bare>[A-Za-z_$][\w$]*))\s*:""")
IN_OBJECT: Final = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')|\b(?P<word>True|False|None)\b|,(?=\s*[}\]])""",
    re.DOTALL,
)
"""What Python and JavaScript write in an object otherwise than JSON: texts, constants, a last comma."""

KEYWORD: Final = re.compile(r"([A-Za-z_]\w{0,99})\s{0,9}=")
QUOTED_KEY: Final = re.compile(r"""(["'])[\w-]+\1\s*:""")


@dataclass(frozen=True)
class Sample:
    """The content of a sample. `code` is the sample without its values.

    A call of the vendor's SDK has no address and no header.
    """

    language: str
    slug: str
    url: str | None
    auth_header: str | None
    method: str | None
    values: Facts
    code: str


def read_sample(lines: list[Line], at: int, *, needs_header: bool = True) -> Sample:
    """Return the sample in these lines.

    Args:
        lines: Its lines, and the name of its language above them, if the page has it.
        at: The number of the line above.
        needs_header: Refuse a sample that shows no header for the key.

    Raises:
        PageError: There is none, or it is not understood.
    """
    filled = [line for line in lines if line.text]
    has_label = bool(filled) and re.fullmatch(r"[A-Za-z.+#]{1,20}", filled[0].text)
    label = filled.pop(0).text.lower() if has_label else None
    number = filled[0].number if filled else at
    code = without_line_numbers(filled)
    found = next((name for name, mark in LANGUAGE_MARKS.items() if re.search(mark, code)), None)
    if not found:
        raise PageError("sample", number, "a call in JavaScript, Python or curl", code[:80])
    body = BODY.search(code)
    if not body:
        raise PageError("sample", number, "the body as an object, as data = {…}", code[-80:])
    reader = _Reader(code, number)
    values, end = reader.read_object(body.end())
    around = f"{code[: body.end()]}{{}}{code[end:]}"
    url, slug = read_address(around, number)
    method = VERB.search(around)
    return Sample(
        label or found,
        slug,
        url,
        _find_auth_header(around, number, is_needed=needs_header),
        method[1].upper() if method else None,
        values,
        " ".join(around.split()),
    )


def read_sdk_sample(lines: list[Line], at: int) -> Sample:
    """Return the sample that calls the vendor's SDK, as `segmind.run("slug", prompt="…")`.

    Raises:
        PageError: There is no such call, or it is not understood.
    """
    number = lines[0].number if lines else at
    shown = without_line_numbers(lines)
    code = "\n".join(line for line in shown.split("\n") if not line.lstrip().startswith("#"))
    call = SDK_CALL.search(code)
    if not call:
        raise PageError("sample", number, 'a call of the SDK, as segmind.run("…", …)', code[-80:])
    reader = _Reader(code, number)
    slug, begin = reader.read_first_argument(call.end())
    if spread := SPREAD.match(code, begin):
        body = re.search(rf"\b{spread[1]}\s{{0,9}}=\s{{0,9}}(?=\{{)", code)
        if not body:
            raise PageError("sample", number, f"the body as an object, as {spread[1]} = {{…}}", code[-80:])
        begin = body.end()
        values, end = reader.read_object(begin)
    else:
        values, end = reader.read_keywords(begin)
    around = f"{code[:begin]}{{}}{code[end:]}"
    return Sample("python", slug, None, None, None, values, " ".join(around.split()))


def read_address(text: str, number: int) -> tuple[str, str]:
    """Return the address of an endpoint in a text, and its slug.

    Raises:
        PageError: There is none, or the slug can't be a file's name.
        BrokenPage: The address is a placeholder.
    """
    found = URL.search(text)
    if not found:
        raise PageError("sample", number, "the endpoint's address, https://…/v1/…", text[:80])
    if text.startswith("/", found.end()):
        raise BrokenPage(number, f"its address {text[found.start() : found.end() + 40]} is no model's")
    return found[0], checked_slug(found[1], number)


def checked_slug(slug: str, number: int) -> str:
    """Return a slug.

    Raises:
        PageError: It can't be a file's name.
    """
    if not SLUG.fullmatch(slug):
        raise PageError("sample", number, "the model's name, of letters, digits, '.', '_' and '-'", slug)
    return slug


def _find_auth_header(code: str, number: int, *, is_needed: bool) -> str | None:
    names = [found[2] for found in HEADER_OPTION.finditer(code)]
    for found in HEADERS.finditer(code):
        names += _Reader(code, number).read_object(found.end())[0]
    keys = sorted({name for name in names if name.lower() not in NO_KEY})
    if len(keys) != 1 and (keys or is_needed):
        raise PageError("sample", number, "one header that carries the key", ", ".join(keys))
    return keys[0] if keys else None


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

    def read_first_argument(self, at: int) -> tuple[str, int]:
        """Read the text that a call begins with. Return it and where the next argument begins."""
        at = self._skip_blanks(at)
        if self.code[at : at + 1] not in {'"', "'"}:
            raise self._error("the model's name in quotes", at)
        end = self._end_of_text(at)
        following = self._skip_blanks(end)
        slug = checked_slug(self.code[at + 1 : end - 1], self.number)
        return slug, self._skip_blanks(following + self.code.startswith(",", following))

    def read_keywords(self, at: int) -> tuple[dict[str, Any], int]:
        """Read the keywords of a call up to its closing bracket. Return them and their end."""
        members: dict[str, Any] = {}
        at = self._skip_blanks(at)
        while not self.code.startswith(")", at):
            key = KEYWORD.match(self.code, at)
            if not key or key[1] in members:
                raise self._error("a keyword of the sample's call, once", at)
            members[key[1]], at = self._read_value(self._skip_blanks(key.end()))
            at = self._skip_blanks(at)
            if self.code.startswith(",", at):
                at = self._skip_blanks(at + 1)
            elif not self.code.startswith(")", at):
                raise self._error(f"a comma or the call's end after {key[1]}", at)
        return members, at

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
            if depth == 0 and (character in ",})" or self._is_comment(at)):
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
            return json.loads(IN_OBJECT.sub(_in_json, code), parse_constant=_reject_constant)
        except (ValueError, RecursionError):
            return {"code": code}
    return {"code": code}


def _reject_constant(constant: str) -> Any:
    raise ValueError(constant)


def _in_json(found: re.Match[str]) -> str:
    """Return a part of a Python or JavaScript object as JSON writes it."""
    if found["text"]:
        return _as_json(found["text"][1:-1])
    return json.dumps(CONSTANTS[found["word"]]) if found["word"] else ""


def _as_json(inside: str) -> str:
    """Return the inside of a quoted text as a JSON string."""
    escaped = re.sub(r"\\(.)|([\"\n\t])", lambda each: _escape(each[1], each[2]), inside, flags=re.DOTALL)
    return f'"{escaped}"'


def _escape(escaped: str | None, bare: str | None) -> str:
    if bare:
        return json.dumps(bare)[1:-1]
    return f"\\{escaped}" if escaped in tuple('"\\/bfnrtu') else str(escaped)
