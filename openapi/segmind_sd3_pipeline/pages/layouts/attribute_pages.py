"""Read a page of the A family, whose parameters stand below `Attributes`.

The text is what a browser copies. It joins neighbouring elements without a space: `imageimage *` is the
attribute `image` of type `image`, and `200 - OKImage Generated` is the status OK. A page has, in this order:
prose, the method, the sample, RESPONSE, HTTP Response Codes, Attributes, the paragraph on credits, prose.

The layouts differ in the line of the method and in the sample. B has the path beside the method, and `min`
for both bounds. A-lines has no method: the sample's call names it. A page in A-lines that ends with its
sample states no reply, status or parameter, so its facts have none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.attributes import read_attributes
from segmind_sd3_pipeline.pages.digests import digest, digest_lines
from segmind_sd3_pipeline.pages.layouts.recognise import (
    METHOD_AND_PATH,
    ONE_METHOD,
    heading_of,
    starts_number_column,
)
from segmind_sd3_pipeline.pages.page_error import BrokenPage, LayoutError, Line, PageError
from segmind_sd3_pipeline.pages.samples import read_sample
from segmind_sd3_pipeline.pages.sound import require_own_page, sample_values
from segmind_sd3_pipeline.pages.words import retirement

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts

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

CREDITS_HEADER: Final = re.compile(r"\bx-(?:\w{1,30}-)?\w{0,30}credits\b")
BUTTONS: Final = frozenset({"EXPAND", "COLLAPSE", "SHOW MORE", "SHOW LESS", "COPY"})
"""The words of buttons, which the browser copies with the text."""

MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+*-]+")
STATUS: Final = re.compile(r"([1-5]\d\d)\s*[-\u2013:]\s*(\S.*)")
NAME_END: Final = re.compile(r"(?<=[A-Za-z])(?=[A-Z](?:[a-z]|\s))")
"""The place where a status's name ends and its description begins."""
HEADER: Final = re.compile(r"\b(?:x-[\w-]*\w|[a-z]\w*(?:-\w+)+(?=\s+(?:property|header)))", re.IGNORECASE)


def read_attribute_page(lines: list[Line], layout: str) -> Facts:
    """Return the facts of a page without address and digest of the page itself.

    Raises:
        PageError: The page is incomplete, or a line is not understood.
    """
    sections = _sections(lines, layout)
    (method,) = sections["method"]
    found = METHOD_AND_PATH.fullmatch(method.text)
    path_slug = found["slug"] if found else None
    method_name = found["method"] if found else method.text if ONE_METHOD.fullmatch(method.text) else None
    sample = read_sample(sections["sample"], method.number)
    if path_slug and path_slug != sample.slug:
        raise BrokenPage(
            method.number, f"its first line is of {path_slug}, and its sample calls {sample.slug}"
        )
    verb = method_name or sample.method
    if not verb:
        raise PageError("method", method.number, EXPECTED["method"], method.text)
    facts: Facts = {
        "slug": sample.slug,
        "method": verb,
        "url": sample.url,
        "auth_header": sample.auth_header,
    }
    prose: Facts = {}
    rest = sections["rest"]
    attributes: list[Facts] = []
    if "attributes" in sections:
        attributes, others = read_attributes(sections["attributes"], sample.values, repeats_min=layout == "B")
        statuses, more = _statuses(sections["response codes"])
        reply, further = _reply(sections["response"])
        prose["credits"] = digest(sections["credits"][0].text)
        for name, section in (others | more | further).items():
            if _is_on_cookies(section):
                rest = [*rest, *section]
            else:
                prose[name] = digest_lines(section)
        facts |= {
            "reply": reply,
            "headers": _headers(sections["credits"][0]),
            "attributes": with_digests(attributes),
            "statuses": statuses,
        }
        require_own_page(sample.slug, attributes, sample.values, method.number, lists_every_key=False)
    facts |= retirement(line.text for line in rest)
    facts["sample"] = {"language": sample.language, "values": sample_values(sample.values, attributes)}
    facts["prose"] = {"credits": "", "rest": digest_lines(rest), **prose, "sample": digest(sample.code)}
    if "attributes" not in sections:
        del facts["prose"]["credits"]
    return facts


def with_digests(attributes: list[Facts]) -> list[Facts]:
    """Return the parameters with a digest in place of each description."""
    for each in attributes:
        if "description" in each:
            each["description"] = digest(each["description"])
        with_digests(each.get("members", []))
    return attributes


def _is_on_cookies(section: list[Line]) -> bool:
    return any("cookie" in line.text.lower() for line in section)


def _sections(lines: list[Line], layout: str) -> dict[str, list[Line]]:
    """Return the lines of each section without its heading. `rest` is the prose around all sections."""
    start, first = _method_line(lines, layout)
    sections: dict[str, list[Line]] = {"rest": lines[:start], "method": [lines[start]], "sample": []}
    current = "sample"
    for line in lines[first:]:
        heading = HEADINGS.get(heading_of(line))
        if "credits" in sections:
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
    if layout == "A-lines" and not sections.keys() & set(HEADINGS.values()):
        return sections
    for section, expected in EXPECTED.items():
        if section not in sections:
            raise PageError(section, lines[-1].number, expected, "the page's end")
    return sections


def _method_line(lines: list[Line], layout: str) -> tuple[int, int]:
    """Return the positions of the method and of the line where the sample begins."""
    end = next((at for at, line in enumerate(lines) if heading_of(line) == "RESPONSE"), len(lines))
    for at in reversed(range(end)):
        if ONE_METHOD.fullmatch(lines[at].text) or METHOD_AND_PATH.fullmatch(lines[at].text):
            return at, at + 1
    if layout == "A-lines":
        # There is no line for the method: the numbers begin the sample.
        at = next(at for at in range(end) if starts_number_column(lines, at))
        return at, at
    raise PageError("method", lines[-1].number, EXPECTED["method"], "the page's end")


def _is_on_credits(text: str) -> bool:
    lowered = text.lower()
    return "credit" in lowered and ("response header" in lowered or bool(CREDITS_HEADER.search(lowered)))


def _reply(lines: list[Line]) -> tuple[str, dict[str, list[Line]]]:
    filled = [line for line in lines if line.text]
    types = [line.text for line in filled if MEDIA_TYPE.fullmatch(line.text)]
    if not filled or not MEDIA_TYPE.fullmatch(filled[0].text):
        found = filled[0].text if filled else "nothing"
        raise PageError("response", filled[0].number if filled else 0, "a media type, as image/jpeg", found)
    if not any(kind.lower().startswith("image/") for kind in types):
        what = f"this page's model answers with {', '.join(types)}, which is no picture"
        raise LayoutError(filled[0].number, what, "The client takes pictures alone")
    others = filled[len(types) :]
    if [line.text for line in filled[: len(types)]] != types:
        raise PageError("response", others[0].number, "a media type, as image/jpeg", others[0].text)
    return " ".join(types), {others[0].text: others} if others else {}


def _statuses(lines: list[Line]) -> tuple[list[Facts], dict[str, list[Line]]]:
    statuses: list[Facts] = []
    for index, line in enumerate(lines):
        if not line.text or heading_of(line) in BUTTONS:
            continue
        found = STATUS.fullmatch(line.text)
        if not found:
            stands_apart = not lines[index - 1].text or _is_on_cookies([line])
            is_heading = statuses and stands_apart and not line.text[0].isdigit()
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
            {"code": code, "name": name, **({"description": digest(description)} if description else {})}
        )
    if not statuses:
        raise PageError("response codes", lines[0].number if lines else 0, "one status at least", "nothing")
    return statuses, {}


def _headers(line: Line) -> list[str]:
    names = list(dict.fromkeys(HEADER.findall(line.text[:MAX_CREDITS_CHARS])))
    if not names or len(line.text) > MAX_CREDITS_CHARS or line.text[-1] not in ".!?":
        raise PageError("credits", line.number, "a whole paragraph that names a header", line.text[-60:])
    return names
