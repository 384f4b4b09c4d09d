"""Represent what a docs page states as data, and compare it with an OpenAPI document.

The facts of a page (`openapi/facts/<slug>.json`; of a second page of the model, `facts/second/<slug>.json`)
use the page's own words: a default is the text "4", a type is "enum:str", and an absent statement is an
absent member. `documented_facts` translates a document into the same words, so that the two can be compared.

Facts hold prose as a digest: the SHA-256 of the UTF-8 text. A document has no counterpart, so prose is not
compared here. Prose is:

- a `description`;
- `prose.credits`, the paragraph on credits;
- `prose.rest`, the lines before the method and after the credits, stripped and joined, without empty ones;
- `prose.sample`, the sample without its values, with each run of blanks as one;
- an unknown section, under its heading;
- a text in a sample that has spaces and is not the parameter's default.

A sample value that is code is `{"code": …}`.

What the layout of a page doesn't state is absent: a page in the layouts N and N2 has the facts `layout`,
`returns`, `seconds` and `price` (as printed), and N2 `queue`; neither has `reply` and `headers`. Such a
page prints a default as JSON. So its default is real, `no_default` says that it prints null, and
`default_type` names the type of a default that is not the parameter's. `values_more` and `values_total` say
that a list of values is cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Facts = dict[str, Any]

# The page's word for a JSON type, and the other words that it has for it.
USUAL_TYPE: Final = {"integer": "int", "number": "float", "string": "str", "boolean": "boolean"}
OTHER_TYPES: Final = {
    "enum:str": "string",
    "enum:int": "integer",
    "enum:float": "number",
    "image": "string",
    "bool": "boolean",
}

# The types of a page that prints a default as JSON.
JSON_WORDS: Final = {
    "string": "string",
    "string (uri)": "string",
    "string (base64)": "string",
    "integer": "integer",
    "number": "number",
}

# The page's word for a keyword of a property, where the value is put into words and no more.
KEYWORDS: Final = {
    "min": "minimum",
    "max": "maximum",
    "multiple_of": "multipleOf",
    "bounds_from": "x-bounds-from",
    "default_type": "x-documented-default-type",
    "no_default": "x-documented-no-default",
    "values_total": "x-values-total",
    "values_more": "x-values-more",
    "values_as_printed": "x-values-as-printed",
    "retired": "x-retired",
    "instead": "x-instead",
}

# The keyword of an operation, where the value is that of the fact.
OPERATION_KEYWORDS: Final = {
    **{name: f"x-documented-{name}" for name in ("layout", "returns", "seconds", "price", "queue")},
    "retired": "x-retired",
    "instead": "x-instead",
}

# The facts that not every layout states. A page in such a layout, or one that ends with its sample, says
# nothing of those that it lacks.
BELOW_THE_SAMPLE: Final = ("reply", "headers", "attributes", "statuses")
NOT_ON_EVERY_PAGE: Final = ("auth_header", *BELOW_THE_SAMPLE)

# Keywords that `_attribute` translates by rules of their own, or that state no fact of a page.
COVERED_KEYWORDS: Final = {
    "type",
    "default",
    "enum",
    "description",
    "examples",
    "deprecated",
    *KEYWORDS.values(),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact in which page and document differ. Values are JSON text; None means absent."""

    fact: str
    page: str | None
    spec: str | None

    def __str__(self) -> str:
        return f"{self.fact}: the page says {self.page or 'nothing'}, the spec {self.spec or 'nothing'}"


def differences(page: Mapping[str, Any], document: Mapping[str, Any]) -> list[Difference]:
    """List every fact in which a page and a document differ, in either direction.

    `document` is a bundle: one OpenAPI document whose references all point into it.

    Raises:
        LookupError: The document has no operation for the page.
    """
    specified_facts = documented_facts(document, page["slug"])
    if "layout" in page or page.keys().isdisjoint(BELOW_THE_SAMPLE):
        for name in {*NOT_ON_EVERY_PAGE} - page.keys():
            specified_facts.pop(name, None)
    stated, specified = facts_by_path(page), facts_by_path(specified_facts)
    return [
        Difference(fact, stated.get(fact), specified.get(fact))
        for fact in stated | specified
        if stated.get(fact) != specified.get(fact)
    ]


def recorded_facts(folder: Path, slug: str) -> Facts | None:
    """Return the facts of a page as it was last read, or None if it never was."""
    return _recorded(folder / "facts" / f"{slug}.json")


def _recorded(file: Path) -> Facts | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def recorded_second_facts(folder: Path, slug: str) -> Facts | None:
    """Return the facts of a model's second page as it was last read, or None if there is none."""
    return _recorded(folder / "facts" / "second" / f"{slug}.json")


def all_recorded_facts(folder: Path) -> list[Facts]:
    """Return the facts of every page as it was last read."""
    files = sorted((folder / "facts").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def documented_facts(document: Mapping[str, Any], slug: str) -> Facts:
    """Translate the operation of one slug into the words of its page, without prose.

    Raises:
        LookupError: The document has no such operation.
    """
    path = f"/v1/{slug}"
    if path not in document["paths"]:
        raise LookupError(f"No spec has the path {path}.")
    ((method, operation),) = document["paths"][path].items()
    schema = _resolve(document, operation["requestBody"]["content"]["application/json"]["schema"])
    responses = {code: _resolve(document, response) for code, response in operation["responses"].items()}
    # A page's own name for a status stands beside the response that all pages share.
    names = operation.get("x-documented-names", {})
    (scheme,) = document["security"][0]
    return {
        "slug": slug,
        "page": operation["x-source"]["page"],
        "digest": operation["x-source"]["digest"],
        "method": method.upper(),
        "url": document["servers"][0]["url"] + path,
        "auth_header": _resolve(document, document["components"]["securitySchemes"][scheme])["name"],
        "reply": " ".join(responses["200"]["content"]),
        "headers": _common_headers(responses.values()),
        "attributes": [
            {
                "name": name,
                **_attribute(each),
                **({"required": True} if name in schema.get("required", ()) else {}),
            }
            for name, each in schema["properties"].items()
        ],
        "statuses": [
            {"code": int(code), "name": names.get(code, response["x-documented-name"])}
            for code, response in responses.items()
            if "x-documented-name" in response
        ],
        **{fact: operation[key] for fact, key in OPERATION_KEYWORDS.items() if key in operation},
        "sample": schema["x-documented-sample"],
    }


def _attribute(schema: Mapping[str, Any]) -> Facts:
    facts: Facts = {"type": _type(schema)}
    for default in ("default", "x-documented-default"):
        if default in schema:
            print_value = as_json_text if facts["type"] in JSON_WORDS else as_page_text
            facts["default"] = print_value(schema[default])
    facts |= {fact: as_page_text(schema[keyword]) for fact, keyword in KEYWORDS.items() if keyword in schema}
    has_list = "enum" in schema or "x-documented-values" in schema
    if schema.get("x-lists-values", facts["type"].startswith("enum:") or has_list):
        values = schema.get("enum", schema.get("x-documented-values", []))
        # A page of the A family lists numbers as texts, one of the N family as JSON.
        facts["allowed_values"] = (
            [as_page_text(value) for value in values] if facts["type"].startswith("enum:") else values
        )
    if "x-affects-pricing" in schema:
        facts["affects_pricing"] = schema["x-affects-pricing"]
    # Any other keyword is a rule that no page has, so it counts as a difference.
    others = (name for name in schema if name not in COVERED_KEYWORDS and not name.startswith("x-"))
    return facts | {name: schema[name] for name in others}


def _type(schema: Mapping[str, Any]) -> str:
    """Return the page's word for the type, or the JSON type if the spec contradicts itself."""
    kind: str = schema.get("type", "nothing")
    word: str = schema.get("x-documented-type", USUAL_TYPE.get(kind, kind))
    is_known = word == USUAL_TYPE.get(kind) or kind in {OTHER_TYPES.get(word), JSON_WORDS.get(word)}
    return word if is_known else kind


def as_page_text(value: object) -> str:
    """Return a value as a page prints it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_json_text(value: object) -> str:
    """Return a default as facts hold one that the page prints as JSON: a text is itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def may_be_none(default: str, sampled: object) -> bool:
    """Return whether a page's default may stand for an empty or missing one, such as false, 0 or null.

    A page prints 1 for those, as for a real 1. A 1 that the sample sends, too, is taken as real.
    """
    return default == "1" and (isinstance(sampled, bool) or sampled not in (1, "1"))


def _common_headers(responses: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the headers that every response has, in the order of the first."""
    first, *others = [response.get("headers", {}) for response in responses]
    return [name for name in first if all(name in headers for headers in others)]


def _resolve(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the component that a node refers to, or the node itself."""
    if "$ref" not in node:
        return node
    _, section, name = node["$ref"].removeprefix("#/").split("/")
    return document["components"][section][name]


def facts_by_path(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return each comparable fact by its path, as JSON text, in which 1, "1" and true differ."""
    paths: Facts = {
        name: facts[name] for name in facts.keys() - {"attributes", "statuses", "sample", "prose"}
    }
    for name, key in (("attributes", "name"), ("statuses", "code")):
        if name not in facts:
            continue
        paths[name] = [row[key] for row in facts[name]]
        for row in facts[name]:
            paths |= {f"{name}.{row[key]}.{fact}": row[fact] for fact in row.keys() - {key, "description"}}
    paths["sample.language"] = facts["sample"]["language"]
    paths |= {f"sample.{name}": value for name, value in facts["sample"]["values"].items()}
    return {path: json.dumps(value, ensure_ascii=False) for path, value in sorted(paths.items())}
