"""Read a page of the N family, whose parameters stand below `Parameters`, in the layouts N and N2.

A page has, in this order: prose with seconds and price, the sample with a number on each line, API
Endpoint, Parameters, Response Type, Common Error Codes, prose. N2 has the path of the queue above the
sample, which calls the vendor's SDK, and a section on asynchronous requests. The address shown is that of
v1 in both.

It states no header of the replies, no media type but the kind of the reply, and no status of a success. N2
states no header for the key. What a page does not state is absent from its facts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.digests import digest, digest_lines
from segmind_sd3_pipeline.pages.layouts.attribute_pages import with_digests
from segmind_sd3_pipeline.pages.layouts.recognise import METHODS, QUEUE, heading_of, starts_numbered_code
from segmind_sd3_pipeline.pages.page_error import BrokenPage, Line, PageError
from segmind_sd3_pipeline.pages.parameters import read_parameters
from segmind_sd3_pipeline.pages.samples import read_address, read_sample, read_sdk_sample
from segmind_sd3_pipeline.pages.sound import require_own_page, sample_values
from segmind_sd3_pipeline.pages.words import retirement

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts
    from segmind_sd3_pipeline.pages.samples import Sample

HEADINGS: Final = {
    "API ENDPOINT": "address",
    "PARAMETERS": "parameters",
    "RESPONSE TYPE": "response",
    "ASYNCHRONOUS REQUESTS (V2)": "queue",
    "COMMON ERROR CODES": "error codes",
}
EXPECTED: Final = {
    "address": "a line API Endpoint, and below it the method and the address",
    "parameters": "a line Parameters, and below it the parameters",
    "response": "a line Response Type below the parameters, and below it what the model returns",
}
ADDRESS: Final = re.compile(rf"({METHODS})\s{{0,3}}(https://\S{{1,300}})")
RETURNS: Final = re.compile(r"Returns:\s?(\S.{0,40})")
SECONDS: Final = re.compile(r"~?\d{1,9}(?:\.\d{1,9})?\s?s(?:ec(?:onds)?)?")
PRICE: Final = re.compile(
    r"~?\s?\$\s?\d{1,9}(?:\.\d{1,12})?(?:\s?[-\u2013]\s?\$?\s?\d{1,9}(?:\.\d{1,12})?)?"
    r"(?:\s?(?:per|/)\s?[a-z ]{1,30})?"
)
CODE: Final = re.compile(r"[1-5]\d\d")


def read_parameter_page(lines: list[Line], layout: str) -> Facts:
    """Return the facts of a page without address and digest of the page itself.

    Raises:
        PageError: The page is incomplete, or a line is not understood.
    """
    sections = _sections(lines)
    head, code = _head_and_sample(sections["head"], sections["address"][0])
    facts, rest = _head_facts(head)
    sample = read_sample(code, 0, needs_header=False) if layout == "N" else read_sdk_sample(code, 0)
    address = _address(sections["address"], sample)
    queue = _queue(head, sample) if layout == "N2" else {}
    attributes = read_parameters(sections["parameters"][1:], sample.values)
    at = sections["parameters"][0].number
    require_own_page(sample.slug, attributes, sample.values, at, lists_every_key=True)
    returns, prose = _response(sections["response"])
    statuses, notes, after = _statuses(sections.get("error codes", []))
    rest += after
    if "queue" in sections:
        prose["asynchronous requests"] = digest_lines(sections["queue"])
    if notes:
        prose["error codes"] = digest_lines(notes)
    return {
        "slug": sample.slug,
        "layout": layout,
        **address,
        **queue,
        **({"auth_header": sample.auth_header} if sample.auth_header else {}),
        "returns": returns,
        **facts,
        "attributes": with_digests(attributes),
        **({"statuses": statuses} if "error codes" in sections else {}),
        **retirement(line.text for line in rest),
        "sample": {"language": sample.language, "values": sample_values(sample.values, attributes)},
        "prose": {"rest": digest_lines(rest), **prose, "sample": digest(sample.code)},
    }


def _sections(lines: list[Line]) -> dict[str, list[Line]]:
    """Return the lines of each section, with its heading, and those of the head."""
    sections: dict[str, list[Line]] = {"head": []}
    current = "head"
    for line in lines:
        section = HEADINGS.get(heading_of(line))
        if section == "address" or (section and "address" in sections):
            if section in sections:
                raise PageError(section, line.number, "this section once", line.text)
            sections[section] = []
            current = section
        sections[current].append(line)
    for section, expected in EXPECTED.items():
        if section not in sections:
            raise PageError(section, lines[-1].number, expected, "the page's end")
    if list(sections)[:4] != ["head", *EXPECTED]:
        line = sections["parameters"][0]
        raise PageError(
            "parameters", line.number, "API Endpoint, Parameters and Response Type in this order", line.text
        )
    return sections


def _head_and_sample(lines: list[Line], end: Line) -> tuple[list[Line], list[Line]]:
    """Return the lines above the sample and those of the sample. The words of buttons around it are prose."""
    filled = [line for line in lines if line.text]
    starts = [at for at in range(len(filled)) if starts_numbered_code(filled, at)]
    if not starts:
        raise PageError("sample", end.number, "a sample with numbered lines above the address", end.text)
    code: list[Line] = []
    for line in filled[starts[-1] :]:
        if not line.text.startswith(str(len(code) + 1)):
            break
        code.append(line)
    after = filled[starts[-1] + len(code) :]
    if any(re.match(r"\d", line.text) for line in after):
        raise PageError(
            "sample", after[0].number, f"line {len(code) + 1} of the code, with its number", after[0].text
        )
    return [*filled[: starts[-1]], *after], code


def _head_facts(head: list[Line]) -> tuple[Facts, list[Line]]:
    """Return seconds and price as printed, and the other lines."""
    facts: Facts = {}
    rest: list[Line] = []
    for line in head:
        name = "seconds" if SECONDS.fullmatch(line.text) else "price" if PRICE.fullmatch(line.text) else None
        if name and name not in facts:
            facts[name] = line.text
        elif not QUEUE.fullmatch(line.text):
            rest.append(line)
    return facts, rest


def _address(section: list[Line], sample: Sample) -> Facts:
    text = " ".join(line.text for line in section[1:] if line.text)
    found = ADDRESS.fullmatch(text)
    if not found:
        raise PageError("address", section[0].number, "a method and an address, as POST https://…/v1/…", text)
    url, slug = read_address(found[2], section[0].number)
    if url != found[2]:
        raise PageError("address", section[0].number, "an address, as https://…/v1/…, and no more", found[2])
    if slug != sample.slug or sample.url not in {None, url}:
        called = sample.url or sample.slug
        raise BrokenPage(section[0].number, f"its address is {url}, and its sample calls {called}")
    return {"method": found[1], "url": url}


def _queue(head: list[Line], sample: Sample) -> Facts:
    """Return the method and path of the queue."""
    for line in head:
        if queue := QUEUE.fullmatch(line.text):
            if queue["slug"] != sample.slug:
                raise BrokenPage(
                    line.number, f"its queue is of {queue['slug']}, and its sample calls {sample.slug}"
                )
            return {"queue": f"{queue['method']} {queue['path']}"}
    raise PageError("sample", head[0].number if head else 0, "the path of the queue, POST /v2/…", "nothing")


def _response(section: list[Line]) -> tuple[str, Facts]:
    """Return what the model returns, and the digest of any other lines of the section."""
    filled = [line for line in section[1:] if line.text]
    found = RETURNS.fullmatch(filled[0].text) if filled else None
    if not found:
        raise PageError(
            "response",
            section[0].number,
            "what the model returns, as Returns: Image",
            filled[0].text if filled else "",
        )
    return found[1], {"response": digest_lines(filled[1:])} if filled[1:] else {}


def _statuses(section: list[Line]) -> tuple[list[Facts], list[Line], list[Line]]:
    """Return the statuses, the sentences above them, and the prose below them."""
    filled = [line for line in section[1:] if line.text]
    starts = [at for at, line in enumerate(filled) if CODE.fullmatch(line.text)]
    if not starts:
        return [], filled, []
    statuses: list[Facts] = []
    for at, end in zip(starts, [*starts[1:], min(starts[-1] + 3, len(filled))], strict=True):
        code, name, *text = filled[at:end] if end - at > 1 else [filled[at], Line(filled[at].number, "")]
        if not name.text:
            raise PageError("error codes", code.number, f"the name of {code.text} below it", "nothing")
        if int(code.text) in (each["code"] for each in statuses):
            raise PageError("error codes", code.number, "each status once", code.text)
        described = {"description": digest_lines(text)} if text else {}
        statuses.append({"code": int(code.text), "name": name.text, **described})
    return statuses, filled[: starts[0]], filled[starts[-1] + 3 :]
