"""Read the text of a docs page into facts (see `segmind_sd3_pipeline.pages.facts`).

No line is dropped. In a known section, every line is understood, or a `PageError` names it. An unknown
section is recorded as prose under its own heading, so that it is reported and a change in it is noticed.

The text is what a browser copies. It joins neighbouring elements without a space: `imageimage *` is the
attribute `image` of type `image`, and `200 - OKImage Generated` is the status OK. A page has, in this order:
prose, the method, the sample, RESPONSE, HTTP Response Codes, Attributes, the paragraph on credits, prose.
"""

from __future__ import annotations

import re
from hashlib import sha256
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.attributes import read_attributes
from segmind_sd3_pipeline.pages.page_error import Line, PageError
from segmind_sd3_pipeline.pages.samples import read_sample

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts

__all__ = ["PageError", "read_page"]

MAX_PAGE_CHARS: Final = 200_000
"""The five pages have about 5,000 characters each."""

MAX_CREDITS_CHARS: Final = 4_000
"""On the five pages, the paragraph on credits has 260 characters."""

HEADINGS: Final = {
    "RESPONSE": "response",
    "HTTP RESPONSE CODES": "response codes",
    "ATTRIBUTES": "attributes",
}
EXPECTED: Final = {
    "method": "a line with the method alone, such as POST, above the sample",
    "response": "a line RESPONSE, and below it a media type",
    "response codes": "a line HTTP Response Codes, and below it one status a line, as 200 - OK",
    "attributes": "a line Attributes, and below it the parameters",
    "credits": "the paragraph on credits below the attributes, with the name of their header",
}

METHODS: Final = frozenset(HTTPMethod)
MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+*-]+")
STATUS: Final = re.compile(r"([1-5]\d\d)\s*[-\u2013:]\s*(\S.*)")
NAME_END: Final = re.compile(r"(?<=[A-Za-z])(?=[A-Z](?:[a-z]|\s))")
"""The place where a status's name ends and its description begins."""
HEADER: Final = re.compile(r"\b(?:x-[\w-]*\w|[a-z]\w*(?:-\w+)+(?=\s+(?:property|header)))", re.IGNORECASE)


def read_page(text: str) -> Facts:
    """Return the facts of a page.

    Raises:
        PageError: It is no docs page, it is incomplete, or a line is not understood.
    """
    sections = _sections(_lines(text))
    prose = {"credits": _digest(sections["credits"][0].text), "rest": _digest_lines(sections["rest"])}
    sample = read_sample(sections["sample"], sections["method"][0])
    attributes, others = read_attributes(sections["attributes"], sample.values)
    statuses, more = _statuses(sections["response codes"])
    reply, rest = _reply(sections["response"])
    for name, lines in (others | more | rest).items():
        prose[name] = _digest_lines(lines)
    prose["sample"] = _digest(sample.code)
    defaults = {each["name"]: each.get("default") for each in attributes}
    for each in attributes:
        if "description" in each:
            each["description"] = _digest(each["description"])
    return {
        "slug": sample.slug,
        "page": f"https://www.segmind.com/models/{sample.slug}/api",
        "digest": _digest(text),
        "method": sections["method"][0].text,
        "url": sample.url,
        "auth_header": sample.auth_header,
        "reply": reply,
        "headers": _headers(sections["credits"][0]),
        "attributes": attributes,
        "statuses": statuses,
        "sample": {
            "language": sample.language,
            "values": {
                name: _sample_value(value, defaults.get(name)) for name, value in sample.values.items()
            },
        },
        "prose": prose,
    }


def _lines(text: str) -> list[Line]:
    if len(text) > MAX_PAGE_CHARS:
        raise PageError(
            "page", 1, f"a docs page of at most {MAX_PAGE_CHARS:,} characters", f"{len(text):,} of them"
        )
    if "\0" in text:
        raise PageError("page", 1, "text as a browser copies it", "a binary file")
    if not text.strip():
        raise PageError("page", 1, "text as a browser copies it", "")
    if text.lstrip("\ufeff \t\r\n").startswith(("<", "{", "%PDF")):
        raise PageError(
            "page", 1, "the page's text as a browser copies it, not its source or a PDF", text.lstrip()
        )
    lines = (
        text.removeprefix("\ufeff")
        .replace("\u200b", "")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .split("\n")
    )
    return [Line(number, line.strip()) for number, line in enumerate(lines, 1)]


def _sections(lines: list[Line]) -> dict[str, list[Line]]:
    """Return the lines of each section without its heading. `rest` is the prose around all sections."""
    sections: dict[str, list[Line]] = {"rest": []}
    current = "rest"
    for line in lines:
        heading = HEADINGS.get(line.text.upper().removesuffix(":").rstrip())
        if "credits" in sections:
            sections["rest"].append(line)
        elif "method" not in sections:
            if line.text in METHODS:
                sections |= {"method": [line], "sample": []}
                current = "sample"
            else:
                sections["rest"].append(line)
        elif heading:
            if heading in sections:
                raise PageError(heading, line.number, "this section once", line.text)
            sections[heading] = []
            current = heading
        elif current != "sample" and _is_on_credits(line.text):
            sections["credits"] = [line]
        else:
            sections[current].append(line)
    for section, expected in EXPECTED.items():
        if section not in sections:
            raise PageError(section, lines[-1].number, expected, "the page's end")
    return sections


def _is_on_credits(text: str) -> bool:
    return "credit" in text.lower() and "response header" in text.lower()


def _reply(lines: list[Line]) -> tuple[str, dict[str, list[Line]]]:
    filled = [line for line in lines if line.text]
    types = [line.text for line in filled if MEDIA_TYPE.fullmatch(line.text)]
    if not filled or not MEDIA_TYPE.fullmatch(filled[0].text):
        found = filled[0].text if filled else "nothing"
        raise PageError("response", filled[0].number if filled else 0, "a media type, as image/jpeg", found)
    others = filled[len(types) :]
    if [line.text for line in filled[: len(types)]] != types:
        raise PageError("response", others[0].number, "a media type, as image/jpeg", others[0].text)
    return " ".join(types), {others[0].text: others} if others else {}


def _statuses(lines: list[Line]) -> tuple[list[Facts], dict[str, list[Line]]]:
    statuses: list[Facts] = []
    for index, line in enumerate(lines):
        if not line.text:
            continue
        found = STATUS.fullmatch(line.text)
        if not found:
            is_heading = statuses and not lines[index - 1].text and not line.text[0].isdigit()
            if not is_heading:
                raise PageError(
                    "response codes", line.number, "a status and what it means, as 200 - OK", line.text
                )
            return statuses, {line.text: lines[index:]}
        code = int(found[1])
        if code in (each["code"] for each in statuses):
            raise PageError("response codes", line.number, "each status once", line.text)
        name, description = [*NAME_END.split(found[2], maxsplit=1), ""][:2]
        statuses.append(
            {"code": code, "name": name, **({"description": _digest(description)} if description else {})}
        )
    if not statuses:
        raise PageError("response codes", lines[0].number if lines else 0, "one status at least", "nothing")
    return statuses, {}


def _headers(line: Line) -> list[str]:
    names = list(dict.fromkeys(HEADER.findall(line.text[:MAX_CREDITS_CHARS])))
    if not names or len(line.text) > MAX_CREDITS_CHARS or line.text[-1] not in ".!?":
        raise PageError("credits", line.number, "a whole paragraph that names a header", line.text[-60:])
    return names


def _sample_value(value: Any, default: str | None) -> Any:
    """Return a sample's value as facts hold it: a text of several words that is no default is a digest."""
    has_spaces = isinstance(value, str) and bool(re.search(r"\s", value))
    return _digest(value) if has_spaces and value != default else value


def _digest_lines(lines: list[Line]) -> str:
    return _digest("\n".join(line.text for line in lines if line.text))


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
