"""Make every single-fact mutant of a page: each fact changed, removed or added, one at a time.

A mutant names the fact that it changes, as `facts.differences` does. It is the page's text with one edit, as
the vendor might make it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.page_writer import header_line

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
    """Yield every mutant of a page with these facts."""
    page = _Page(text.split("\n"))
    starts = [*(page.index(header_line(each)) for each in facts["attributes"]), _credits_line(page)]
    for number, attribute in enumerate(facts["attributes"]):
        yield from _attribute_mutants(page, attribute, *(starts[number : number + 3]))
    for status in facts["statuses"]:
        yield from _status_mutants(page, status)
    yield from _sample_mutants(page, facts)
    yield from _whole_page_mutants(page, facts)


@dataclass(frozen=True)
class _Page:
    """The lines of a page. Each edit returns a whole text."""

    lines: list[str]

    def replace(self, start: int, end: int, *instead: str) -> str:
        return "\n".join([*self.lines[:start], *instead, *self.lines[end:]])

    def index(self, line: str, after: int = 0) -> int:
        return next(number for number in range(after, len(self.lines)) if self.lines[number].strip() == line)

    def substitute(self, pattern: str, instead: str, *, after: int = 0) -> str:
        """Replace the first match of a pattern at or after a line."""
        rest = "\n".join(self.lines[after:])
        changed = re.sub(pattern, lambda _: instead, rest, count=1)
        if changed == rest:
            raise LookupError(f"{pattern} is not in the page.")
        return "\n".join([*self.lines[:after], changed])


def _attribute_mutants(
    page: _Page, attribute: Facts, start: int, end: int, after: int | None = None
) -> Iterator[Mutant]:
    """Yield the mutants of the parameter from `start` to `end`. `after` is where the next parameter ends."""
    name = attribute["name"]
    for what, changed in _other_headers(attribute):
        fact = "attributes" if what == "name" else f"attributes.{name}.{what}"
        yield Mutant(
            f"{name}: {what}, {header_line(changed)}",
            fact,
            page.replace(start, start + 1, header_line(changed)),
        )
    yield Mutant(f"{name}: removed", "attributes", page.replace(start, end))
    added = ("tomorrowint ( default: 7 )", "", "What it is.", "", "")
    yield Mutant(f"{name}: another before it", "attributes", page.replace(start, start, *added))
    if after is not None:
        swapped = (*page.lines[end:after], *page.lines[start:end])
        yield Mutant(f"{name}: below the next", "attributes", page.replace(start, after, *swapped))

    block = page.lines[start:end]
    description = next((n for n in range(start + 1, end) if page.lines[n].strip()), None)
    if "description" in attribute and description is not None:
        fact = f"attributes.{name}.description"
        yield Mutant(
            f"{name}: reworded",
            fact,
            page.replace(description, description + 1, f"{page.lines[description]} Or so."),
        )
        yield Mutant(f"{name}: without words", fact, page.replace(description - 1, description + 1))
    yield from _bound_mutants(page, attribute, range(start, end))
    if "allowed_values" in attribute:
        fact = f"attributes.{name}.allowed_values"
        allowed = start + next(n for n, line in enumerate(block) if line.startswith("Allowed values"))
        for layout, values in {
            "one a line": ["Allowed values:", "first value", "second"],
            "with blank lines": ["Allowed values:", "", "first value,", "", "second"],
            "commas": ["Allowed values: first value, second"],
            "commas below": ["Allowed values:", "", "first value, second"],
        }.items():
            yield Mutant(f"{name}: values, {layout}", fact, page.replace(allowed, allowed + 1, *values))
        yield Mutant(f"{name}: no word of values", fact, page.replace(allowed - 1, allowed + 1))


def _other_headers(attribute: Facts) -> Iterator[tuple[str, Facts]]:
    """Yield the changed fact, and the parameter with the change."""
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


def _bound_mutants(page: _Page, attribute: Facts, lines: Iterable[int]) -> Iterator[Mutant]:
    if attribute["type"] not in NUMERIC:
        return
    name = attribute["name"]
    in_prose = "bounds_from" in attribute
    for bound in ("min", "max"):
        fact = f"attributes.{name}.{bound}"
        at = next((n for n in lines if page.lines[n].startswith(f"{bound} :")), None)
        if at is not None:
            other = "-1" if attribute[bound] == "0" else f"{attribute[bound]}1"
            yield Mutant(f"{name}: {bound}", fact, page.replace(at, at + 1, f"{bound} : {other},"))
            yield Mutant(f"{name}: no {bound}", fact, page.replace(at - 1, at + 1))
        elif not in_prose:
            end = max(n for n in lines if page.lines[n].strip()) + 1
            yield Mutant(f"{name}: with {bound}", fact, page.replace(end, end, "", f"{bound} : 3,"))
    if in_prose:
        at = next(n for n in lines if re.search(r"\bbetween\b", page.lines[n]))
        for fact in ("min", "max", "multiple_of"):
            if fact in attribute:
                changed = re.sub(rf"\b{attribute[fact]}\b", f"{attribute[fact]}1", page.lines[at], count=1)
                yield Mutant(
                    f"{name}: {fact} in prose", f"attributes.{name}.{fact}", page.replace(at, at + 1, changed)
                )


def _status_mutants(page: _Page, status: Facts) -> Iterator[Mutant]:
    code, name = status["code"], status["name"]
    at = next(n for n, line in enumerate(page.lines) if line.startswith(f"{code} - {name}"))
    line = page.lines[at]
    yield Mutant(
        f"{code}: code", "statuses", page.replace(at, at + 1, line.replace(str(code), str(code + 20), 1))
    )
    other = line.replace(name, f"{name} Indeed", 1)
    yield Mutant(f"{code}: name", f"statuses.{code}.name", page.replace(at, at + 1, other))
    yield Mutant(
        f"{code}: reworded", f"statuses.{code}.description", page.replace(at, at + 1, f"{line} or so")
    )
    yield Mutant(f"{code}: removed", "statuses", page.replace(at, at + 1))
    yield Mutant(
        f"{code}: another above", "statuses", page.replace(at, at, "429 - Too Many RequestsWait a while")
    )


def _sample_mutants(page: _Page, facts: Facts) -> Iterator[Mutant]:
    for name, value in facts["sample"]["values"].items():
        key = f'"{name}": '
        at = next(n for n, line in enumerate(page.lines) if key in line)
        literal, other = _literals(page.lines[at].partition(key)[2], value)
        yield Mutant(
            f"sample {name}: value", f"sample.{name}", page.substitute(re.escape(key + literal), key + other)
        )
        renamed = page.substitute(re.escape(key), f'"{name}_2": ', after=at)
        yield Mutant(f"sample {name}: key", f"sample.{name}", renamed)
        added = page.substitute(re.escape(key), f'"tomorrow": 7, {key}', after=at)
        yield Mutant(f"sample {name}: another before it", "sample.tomorrow", added)


def _literals(rest: str, value: Any) -> tuple[str, str]:
    """Return the beginning of a value as the sample writes it, and that of another value."""
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


def _whole_page_mutants(page: _Page, facts: Facts) -> Iterator[Mutant]:
    method = page.index(facts["method"])
    yield Mutant("method", "method", page.replace(method, method + 1, "PUT"))
    language = facts["sample"]["language"]
    if page.lines[method + 1].strip() == language:
        yield Mutant("language", "sample.language", page.replace(method + 1, method + 2, "typescript"))
    host = facts["url"].split("/")[2]
    yield Mutant("host", "url", page.substitute(re.escape(f"//{host}/v"), f"//eu.{host}/v", after=method))
    yield Mutant("version", "url", page.substitute(re.escape(f"//{host}/v1/"), f"//{host}/v2/", after=method))
    name = facts["auth_header"]
    yield Mutant(
        "header of the key", "auth_header", page.substitute(re.escape(name), f"{name}-2", after=method)
    )
    code = page.substitute(r"YOUR[ _]API[-_ ]KEY", "A KEY OF YOURS", after=method)
    yield Mutant("code around the sample", "prose.sample", code)
    reply = page.index(facts["reply"].split()[0], after=method)
    yield Mutant("reply", "reply", page.replace(reply, reply + 1, "image/png"))
    yield Mutant("another reply", "reply", page.replace(reply, reply, "application/json"))
    section = ("", "Rate Limits", "", "Five calls a minute.", "")
    codes = page.index("Attributes")
    yield Mutant("a section below the statuses", "prose.Rate Limits", page.replace(codes, codes, *section))
    credits_line = _credits_line(page)
    yield Mutant(
        "a section below the attributes",
        "prose.Rate Limits",
        page.replace(credits_line, credits_line, "", *section),
    )
    for header in facts["headers"]:
        yield Mutant(
            f"header {header}",
            "headers",
            page.substitute(re.escape(header), f"{header}-2", after=credits_line),
        )
    credits_text = page.lines[credits_line]
    yield Mutant(
        "words on credits",
        "prose.credits",
        page.replace(credits_line, credits_line + 1, f"{credits_text} Or so."),
    )
    prose = [n for n, line in enumerate(page.lines) if line.strip() and not method <= n <= credits_line]
    for number in prose:
        yield Mutant(
            f"prose: line {number + 1}",
            "prose.rest",
            page.replace(number, number + 1, f"{page.lines[number]} Or so."),
        )


def _credits_line(page: _Page) -> int:
    return next(n for n, line in enumerate(page.lines) if line.startswith("To keep track of your credit"))
