"""What a documentation page states, as data, and where an OpenAPI document says otherwise.

The facts of a page (`openapi/facts/<slug>.json`) keep its own words: a default is the text "4", a type is
"enum:str", and a member is left out where the page says nothing. Nothing is interpreted there; here the
document is put into the page's words, and the two are compared.

Prose is in the facts as a digest (SHA-256 of the UTF-8 text), which has no counterpart in a document and is
not compared: a `description`; `prose.credits`, the paragraph on credits; `prose.rest`, every line before the
method and after the credits, stripped, empty ones left out, joined by line feeds; `prose.sample`, the sample
without its values, each run of blanks as one; and a section that nobody knows, under its heading. A sample's
text is a digest too where it has spaces and is not the parameter's default; a value that is code is
`{"code": …}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Facts = dict[str, Any]

# The page's word for a JSON type, and the other words that it has for it.
USUAL_TYPE: Final = {"integer": "int", "number": "float", "string": "str", "boolean": "boolean"}
OTHER_TYPES: Final = {"enum:str": "string", "image": "string", "bool": "boolean"}

# The page's word for a keyword of a property, where the value is put into words and no more.
KEYWORDS: Final = {
    "min": "minimum",
    "max": "maximum",
    "multiple_of": "multipleOf",
    "bounds_from": "x-bounds-from",
}

# What says nothing that a page says, or is said of it otherwise (see `_attribute`).
TOLD_OTHERWISE: Final = {
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
    """One fact that the page and the document tell apart. Both as JSON text; None where nothing is said."""

    fact: str
    page: str | None
    spec: str | None

    def __str__(self) -> str:
        return f"{self.fact}: the page says {self.page or 'nothing'}, the spec {self.spec or 'nothing'}"


def differences(page: Mapping[str, Any], document: Mapping[str, Any]) -> list[Difference]:
    """List every fact in which a page and the document differ, in either direction; none if they agree.

    `document` is a bundle: one OpenAPI document, each reference within it. Raises LookupError where it has
    no operation for the page.
    """
    said, specified = _by_path(page), _by_path(documented_facts(document, page["slug"]))
    return [
        Difference(fact, said.get(fact), specified.get(fact))
        for fact in said | specified
        if said.get(fact) != specified.get(fact)
    ]


def documented_facts(document: Mapping[str, Any], slug: str) -> Facts:
    """Put the operation of one slug into the words of its page, prose left out.

    Raises LookupError where the document has no such operation.
    """
    path = f"/v1/{slug}"
    if path not in document["paths"]:
        raise LookupError(f"No spec has the path {path}.")
    ((method, operation),) = document["paths"][path].items()
    schema = _followed(document, operation["requestBody"]["content"]["application/json"]["schema"])
    responses = {code: _followed(document, response) for code, response in operation["responses"].items()}
    # What one page alone says of a status stands beside the response that all of them share.
    names = operation.get("x-documented-names", {})
    (scheme,) = document["security"][0]
    return {
        "slug": slug,
        "page": operation["x-source"]["page"],
        "digest": operation["x-source"]["digest"],
        "method": method.upper(),
        "url": document["servers"][0]["url"] + path,
        "auth_header": _followed(document, document["components"]["securitySchemes"][scheme])["name"],
        "reply": " ".join(responses["200"]["content"]),
        "headers": _on_every(responses.values()),
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
        ],
        "sample": schema["x-documented-sample"],
    }


def _attribute(schema: Mapping[str, Any]) -> Facts:
    facts: Facts = {"type": _type(schema)}
    for default in ("default", "x-documented-default"):
        if default in schema:
            facts["default"] = _word(schema[default])
    facts |= {fact: _word(schema[keyword]) for fact, keyword in KEYWORDS.items() if keyword in schema}
    # Of a text without values, or an enum whose page has no list at all, the spec says so.
    if schema.get("x-lists-values", facts["type"].startswith("enum:") or "enum" in schema):
        facts["allowed_values"] = schema.get("enum", [])
    if "x-affects-pricing" in schema:
        facts["affects_pricing"] = schema["x-affects-pricing"]
    # Any other keyword is a rule that no page states.
    others = (name for name in schema if name not in TOLD_OTHERWISE and not name.startswith("x-"))
    return facts | {name: schema[name] for name in others}


def _type(schema: Mapping[str, Any]) -> str:
    """The page's word, or that of JSON Schema where the spec contradicts itself: no page says that one."""
    kind = schema.get("type", "nothing")
    word = schema.get("x-documented-type", USUAL_TYPE.get(kind, kind))
    return word if word == USUAL_TYPE.get(kind) or OTHER_TYPES.get(word) == kind else kind


def _word(value: object) -> str:
    """A value as a page prints it: true is 1."""
    return str(int(value) if isinstance(value, bool) else value)


def _on_every(responses: Iterable[Mapping[str, Any]]) -> list[str]:
    """The headers that no response lacks, in the order of the first."""
    first, *others = [response.get("headers", {}) for response in responses]
    return [name for name in first if all(name in headers for headers in others)]


def _followed(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node itself, or the component that it refers to."""
    if "$ref" not in node:
        return node
    _, section, name = node["$ref"].removeprefix("#/").split("/")
    return document["components"][section][name]


def _by_path(facts: Mapping[str, Any]) -> dict[str, str]:
    """Each comparable fact as JSON text, which tells 1 from "1" and from true, by the path that names it."""
    paths: Facts = {
        name: facts[name] for name in facts.keys() - {"attributes", "statuses", "sample", "prose"}
    }
    for name, key in (("attributes", "name"), ("statuses", "code")):
        paths[name] = [row[key] for row in facts[name]]
        for row in facts[name]:
            paths |= {f"{name}.{row[key]}.{fact}": row[fact] for fact in row.keys() - {key, "description"}}
    paths["sample.language"] = facts["sample"]["language"]
    paths |= {f"sample.{name}": value for name, value in facts["sample"]["values"].items()}
    return {path: json.dumps(value, ensure_ascii=False) for path, value in sorted(paths.items())}
