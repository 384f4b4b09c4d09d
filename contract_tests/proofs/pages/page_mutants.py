"""Every single-fact change to a page: each fact said otherwise, left out, or added, one at a time.

A mutant names the fact that it changes, as `facts.differences` does. It is the page's text with one place
edited, so that the reader meets it as it would meet the vendor's edit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmind_sd3_pipeline.pages.facts import Facts

OTHER_TYPE: Final = {"int": "float", "float": "int", "str": "int", "image": "str", "enum:str": "str"}
NUMERIC: Final = ("int", "float")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A page with one fact changed."""

    name: str
    fact: str
    text: str


def page_mutants(text: str, facts: Facts) -> Iterator[Mutant]:
    """Give every mutant of a page that says these facts."""
    page = _Page(text.split("\n"))
    starts = [*(page.index(header_line(each)) for each in facts["attributes"]), _credits(page)]
    for number, attribute in enumerate(facts["attributes"]):
        yield from _of_attribute(page, attribute, *(starts[number : number + 3]))
    for status in facts["statuses"]:
        yield from _of_status(page, status)
    yield from _of_sample(page, facts)
    yield from _of_page(page, facts)


@dataclass(frozen=True)
class _Page:
    """A page's lines. Each edit gives a whole text."""

    lines: list[str]

    def at(self, start: int, end: int, *instead: str) -> str:
        return "\n".join([*self.lines[:start], *instead, *self.lines[end:]])

    def index(self, line: str, after: int = 0) -> int:
        return next(number for number in range(after, len(self.lines)) if self.lines[number].strip() == line)

    def edited(self, pattern: str, instead: str, *, after: int = 0) -> str:
        """With the first match of a pattern replaced, from a line on."""
        rest = "\n".join(self.lines[after:])
        changed = re.sub(pattern, lambda _: instead, rest, count=1)
        if changed == rest:
            raise LookupError(f"{pattern} is not in the page.")
        return "\n".join([*self.lines[:after], changed])


def header_line(attribute: Facts) -> str:
    """How a page heads a parameter."""
    return "".join(
        (
            attribute["name"],
            attribute["type"],
            " *" if attribute.get("required") else "",
            f" ( default: {attribute['default']} )" if "default" in attribute else "",
            " Affects Pricing" if attribute.get("affects_pricing") else "",
        )
    )


def _of_attribute(
    page: _Page, attribute: Facts, start: int, end: int, after: int | None = None
) -> Iterator[Mutant]:
    """Of the parameter from one line to another; `after` is where the next one ends, if there is one."""
    name = attribute["name"]
    for what, changed in _other_headers(attribute):
        fact = "attributes" if what == "name" else f"attributes.{name}.{what}"
        yield Mutant(
            f"{name}: {what}, {header_line(changed)}", fact, page.at(start, start + 1, header_line(changed))
        )
    yield Mutant(f"{name}: removed", "attributes", page.at(start, end))
    added = ("tomorrowint ( default: 7 )", "", "What it is.", "", "")
    yield Mutant(f"{name}: another before it", "attributes", page.at(start, start, *added))
    if after is not None:
        swapped = (*page.lines[end:after], *page.lines[start:end])
        yield Mutant(f"{name}: below the next", "attributes", page.at(start, after, *swapped))

    block = page.lines[start:end]
    described = next((n for n in range(start + 1, end) if page.lines[n].strip()), None)
    if "description" in attribute and described is not None:
        fact = f"attributes.{name}.description"
        yield Mutant(
            f"{name}: reworded", fact, page.at(described, described + 1, f"{page.lines[described]} Or so.")
        )
        yield Mutant(f"{name}: without words", fact, page.at(described - 1, described + 1))
    yield from _of_bounds(page, attribute, range(start, end))
    if "allowed_values" in attribute:
        fact = f"attributes.{name}.allowed_values"
        allowed = start + next(n for n, line in enumerate(block) if line.startswith("Allowed values"))
        for layout, values in {
            "one a line": ["Allowed values:", "first value", "second"],
            "with blank lines": ["Allowed values:", "", "first value,", "", "second"],
            "commas": ["Allowed values: first value, second"],
            "commas below": ["Allowed values:", "", "first value, second"],
        }.items():
            yield Mutant(f"{name}: values, {layout}", fact, page.at(allowed, allowed + 1, *values))
        yield Mutant(f"{name}: no word of values", fact, page.at(allowed - 1, allowed + 1))


def _other_headers(attribute: Facts) -> Iterator[tuple[str, Facts]]:
    """The fact that is another one, and the parameter that has it."""
    yield "name", {**attribute, "name": f"{attribute['name']}_2"}
    kind = attribute["type"]
    yield "type", {**attribute, "type": OTHER_TYPE.get(kind, "str")}
    required = {name: value for name, value in attribute.items() if name != "required"}
    yield "required", required if attribute.get("required") else {**attribute, "required": True}
    if "default" in attribute:
        yield "default", {**attribute, "default": f"{attribute['default']}1"}
        yield "default", {name: value for name, value in attribute.items() if name != "default"}
    else:
        yield "default", {**attribute, "default": "another"}
    yield "affects_pricing", {**attribute, "affects_pricing": not attribute.get("affects_pricing")}


def _of_bounds(page: _Page, attribute: Facts, lines: Iterable[int]) -> Iterator[Mutant]:
    if attribute["type"] not in NUMERIC:
        return
    name = attribute["name"]
    in_prose = "bounds_from" in attribute
    for bound in ("min", "max"):
        fact = f"attributes.{name}.{bound}"
        at = next((n for n in lines if page.lines[n].startswith(f"{bound} :")), None)
        if at is not None:
            other = "-1" if attribute[bound] == "0" else f"{attribute[bound]}1"
            yield Mutant(f"{name}: {bound}", fact, page.at(at, at + 1, f"{bound} : {other},"))
            yield Mutant(f"{name}: no {bound}", fact, page.at(at - 1, at + 1))
        elif not in_prose:
            end = max(n for n in lines if page.lines[n].strip()) + 1
            yield Mutant(f"{name}: with {bound}", fact, page.at(end, end, "", f"{bound} : 3,"))
    if in_prose:
        at = next(n for n in lines if re.search(r"\bbetween\b", page.lines[n]))
        for fact in ("min", "max", "multiple_of"):
            if fact in attribute:
                told = re.sub(rf"\b{attribute[fact]}\b", f"{attribute[fact]}1", page.lines[at], count=1)
                yield Mutant(
                    f"{name}: {fact} in prose", f"attributes.{name}.{fact}", page.at(at, at + 1, told)
                )


def _of_status(page: _Page, status: Facts) -> Iterator[Mutant]:
    code, name = status["code"], status["name"]
    at = next(n for n, line in enumerate(page.lines) if line.startswith(f"{code} - {name}"))
    line = page.lines[at]
    yield Mutant(f"{code}: code", "statuses", page.at(at, at + 1, line.replace(str(code), str(code + 20), 1)))
    other = line.replace(name, f"{name} Indeed", 1)
    yield Mutant(f"{code}: name", f"statuses.{code}.name", page.at(at, at + 1, other))
    yield Mutant(f"{code}: reworded", f"statuses.{code}.description", page.at(at, at + 1, f"{line} or so"))
    yield Mutant(f"{code}: removed", "statuses", page.at(at, at + 1))
    yield Mutant(f"{code}: another above", "statuses", page.at(at, at, "429 - Too Many RequestsWait a while"))


def _of_sample(page: _Page, facts: Facts) -> Iterator[Mutant]:
    for name, value in facts["sample"]["values"].items():
        key = f'"{name}": '
        at = next(n for n, line in enumerate(page.lines) if key in line)
        literal, other = _literals(page.lines[at].partition(key)[2], value)
        yield Mutant(
            f"sample {name}: value", f"sample.{name}", page.edited(re.escape(key + literal), key + other)
        )
        renamed = page.edited(re.escape(key), f'"{name}_2": ', after=at)
        yield Mutant(f"sample {name}: key", f"sample.{name}", renamed)
        added = page.edited(re.escape(key), f'"tomorrow": 7, {key}', after=at)
        yield Mutant(f"sample {name}: another before it", "sample.tomorrow", added)


def _literals(rest: str, value: Any) -> tuple[str, str]:
    """The begin of a value as the sample has it, and that of another value."""
    match value:
        case {"code": code}:
            return code, code.replace("(", "2(", 1)
        case True | False | None:
            literal = re.match(r"\w+", rest)
            found = literal[0] if literal else ""
            return found, {"true": "false", "false": "true", "True": "False", "False": "True"}.get(found, "1")
        case str():
            return rest[:2], f"{rest[0]}Z{rest[1]}"
        case _:
            return json.dumps(value), f"{json.dumps(value)}1"


def _of_page(page: _Page, facts: Facts) -> Iterator[Mutant]:
    method = page.index(facts["method"])
    yield Mutant("method", "method", page.at(method, method + 1, "PUT"))
    language = facts["sample"]["language"]
    if page.lines[method + 1].strip() == language:
        yield Mutant("language", "sample.language", page.at(method + 1, method + 2, "typescript"))
    host = facts["url"].split("/")[2]
    yield Mutant("host", "url", page.edited(re.escape(f"//{host}/v"), f"//eu.{host}/v", after=method))
    yield Mutant("version", "url", page.edited(re.escape(f"//{host}/v1/"), f"//{host}/v2/", after=method))
    name = facts["auth_header"]
    yield Mutant("header of the key", "auth_header", page.edited(re.escape(name), f"{name}-2", after=method))
    code = page.edited(r"YOUR[ _]API[-_ ]KEY", "A KEY OF YOURS", after=method)
    yield Mutant("code around the sample", "prose.sample", code)
    reply = page.index(facts["reply"].split()[0], after=method)
    yield Mutant("reply", "reply", page.at(reply, reply + 1, "image/png"))
    yield Mutant("another reply", "reply", page.at(reply, reply, "application/json"))
    section = ("", "Rate Limits", "", "Five calls a minute.", "")
    codes = page.index("Attributes")
    yield Mutant("a section below the statuses", "prose.Rate Limits", page.at(codes, codes, *section))
    credits_line = _credits(page)
    yield Mutant(
        "a section below the attributes",
        "prose.Rate Limits",
        page.at(credits_line, credits_line, "", *section),
    )
    for header in facts["headers"]:
        yield Mutant(
            f"header {header}", "headers", page.edited(re.escape(header), f"{header}-2", after=credits_line)
        )
    told = page.lines[credits_line]
    yield Mutant(
        "words on credits", "prose.credits", page.at(credits_line, credits_line + 1, f"{told} Or so.")
    )
    prose = [n for n, line in enumerate(page.lines) if line.strip() and not method <= n <= credits_line]
    for number in prose:
        yield Mutant(
            f"prose: line {number + 1}",
            "prose.rest",
            page.at(number, number + 1, f"{page.lines[number]} Or so."),
        )


def _credits(page: _Page) -> int:
    return next(n for n, line in enumerate(page.lines) if line.startswith("To keep track of your credit"))
