"""Make every single-fact mutant of the specs: each keyword that states a fact changed, removed or added.

A mutant is one YAML file with one edit, like an edit by hand, and names the fact that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER_TYPE: Final = {"integer": "number", "number": "integer", "string": "boolean", "boolean": "string"}
NUMERIC: Final = ("integer", "number")
BOUNDS: Final = {"minimum": "min", "maximum": "max", "multipleOf": "multiple_of"}


@dataclass(frozen=True, slots=True)
class SpecMutant:
    """A spec with one fact changed. `slug` is the page that differs from it."""

    name: str
    slug: str
    fact: str
    file: str
    text: str


def spec_mutants(folder: Path, slug: str) -> Iterator[SpecMutant]:
    """Yield every mutant of one spec."""
    spec = _YamlFile(folder / f"{slug}.yaml")
    for name, fact, text in _all_mutants(spec, slug):
        yield SpecMutant(name, slug, fact, spec.file.name, text)


def shared_mutants(folder: Path, slug: str) -> Iterator[SpecMutant]:
    """Yield every mutant of the shared file, as seen from one spec."""
    shared = _YamlFile(folder / "components.yaml")
    codes = {
        "Unauthorized": 401,
        "NotFound": 404,
        "MethodNotAllowed": 405,
        "NotAcceptable": 406,
        "ServerError": 500,
    }
    for name, code in codes.items():
        documented_name = shared.find("components", "responses", name, "x-documented-name")
        yield SpecMutant(
            f"{name}: name",
            slug,
            f"statuses.{code}.name",
            shared.file.name,
            shared.replaced(documented_name, "Else"),
        )
        headers = shared.find("components", "responses", name, "headers")
        yield SpecMutant(f"{name}: no header", slug, "headers", shared.file.name, shared.without(headers))
    key = shared.find("components", "securitySchemes", "ApiKey", "name")
    yield SpecMutant(
        "header of the key", slug, "auth_header", shared.file.name, shared.replaced(key, "x-key")
    )


class _YamlFile:
    """A YAML file. Each edit returns a whole text. An entry is the nodes of a key and its value."""

    def __init__(self, file: Path) -> None:
        self.file, self.text = file, file.read_text(encoding="utf-8")
        yaml: Any = YAML(typ="safe", pure=True)
        self.root = yaml.compose(self.text)

    def find(self, *keys: str) -> Any:
        entry = (None, self.root)
        for key in keys:
            entry = next(pair for pair in entry[1].value if pair[0].value == key)
        return entry

    def replaced(self, entry: Any, value: str) -> str:
        return self._spliced(entry[1], value)

    def renamed(self, entry: Any, key: str) -> str:
        return self._spliced(entry[0], key)

    def _spliced(self, node: Any, value: str) -> str:
        return self.text[: node.start_mark.index] + value + self.text[node.end_mark.index :]

    def without(self, entry: Any) -> str:
        lines = self.text.splitlines(keepends=True)
        # A mapping in block style ends at the next token.
        is_block = entry[1].id == "mapping" and not entry[1].flow_style
        del lines[entry[0].start_mark.line : entry[1].end_mark.line + (0 if is_block else 1)]
        return "".join(lines)

    def with_line(self, entry: Any, *added: str, above: bool = False) -> str:
        """Insert lines as the first ones of a mapping, or above it, at the same indentation."""
        at = entry[0] if above else entry[1].value[0][0]
        indent = " " * at.start_mark.column
        lines = self.text.splitlines(keepends=True)
        lines[at.start_mark.line : at.start_mark.line] = [f"{indent}{line}\n" for line in added]
        return "".join(lines)


def _all_mutants(spec: _YamlFile, slug: str) -> Iterator[tuple[str, str, str]]:
    path = spec.find("paths", f"/v1/{slug}")
    yield "path", "url", spec.renamed(path, f"/v1/{slug}-2")
    yield "version", "url", spec.renamed(path, f"/v2/{slug}")
    yield "method", "method", spec.renamed(path[1].value[0], "put")
    (host,) = (item.value[0] for item in spec.find("servers")[1].value)
    yield "host", "url", spec.replaced(host, "https://eu.segmind.com")
    for name in ("page", "digest"):
        source = spec.find("info", "x-source", name)
        yield f"source: {name}", name, spec.replaced(source, "https://segmind.com/")
    yield from _response_mutants(spec, slug)
    (schema,) = spec.find("components", "schemas")[1].value
    yield from _sample_mutants(spec, schema)
    yield from _properties_mutants(spec, schema)


def _response_mutants(spec: _YamlFile, slug: str) -> Iterator[tuple[str, str, str]]:
    responses = spec.find("paths", f"/v1/{slug}", "post", "responses")
    for entry in responses[1].value:
        code = entry[0].value
        if code != "200":
            yield f"{code}: removed", "statuses", spec.without(entry)
            yield f"{code}: code", "statuses", spec.renamed(entry, f'"{int(code) + 20}"')
            continue
        by_key = {key.value: (key, value) for key, value in entry[1].value}
        yield "200: name", "statuses.200.name", spec.replaced(by_key["x-documented-name"], "Fine")
        yield "200: no header", "headers", spec.without(by_key["headers"])
        yield "200: header", "headers", spec.renamed(by_key["headers"][1].value[0], "x-credits")
        yield "200: reply", "reply", spec.renamed(by_key["content"][1].value[0], "image/png")
        yield "200: another reply", "reply", spec.with_line(by_key["content"], "image/png: {}")
    added = ('"429":', "  x-documented-name: Too Many Requests", "  description: Wait.")
    yield "another status", "statuses", spec.with_line(responses, *added)


def _sample_mutants(spec: _YamlFile, schema: Any) -> Iterator[tuple[str, str, str]]:
    sample = next(value for key, value in schema[1].value if key.value == "x-documented-sample")
    language, values = sample.value
    yield "sample: language", "sample.language", spec.replaced(language, "curl")
    for entry in values[1].value:
        name = entry[0].value
        yield f"sample {name}: removed", f"sample.{name}", spec.without(entry)
        if entry[1].id == "scalar":
            yield f"sample {name}: value", f"sample.{name}", spec.replaced(entry, '"another"')
    yield "sample: another", "sample.tomorrow", spec.with_line(values, "tomorrow: 7")


def _properties_mutants(spec: _YamlFile, schema: Any) -> Iterator[tuple[str, str, str]]:
    required = next((key, value) for key, value in schema[1].value if key.value == "required")
    names = [item.value for item in required[1].value]
    properties = next((key, value) for key, value in schema[1].value if key.value == "properties")
    for entry in properties[1].value:
        name = entry[0].value
        yield f"{name}: name", "attributes", spec.renamed(entry, f"{name}_2")
        yield f"{name}: removed", "attributes", spec.without(entry)
        yield (
            f"{name}: another before it",
            "attributes",
            spec.with_line(entry, "tomorrow: { type: integer }", above=True),
        )
        others = [each for each in names if each != name] if name in names else [*names, name]
        fact = f"attributes.{name}.required"
        yield f"{name}: required", fact, spec.replaced(required, f"[{', '.join(others)}]")
        for what, text in _property_mutants(spec, entry):
            yield f"{name}: {what}", f"attributes.{name}.{what}", text


def _property_mutants(spec: _YamlFile, entry: Any) -> Iterator[tuple[str, str]]:
    """Yield the changed fact, and the text with the change."""
    by_key = {key.value: (key, value) for key, value in entry[1].value}
    kind = by_key["type"][1].value
    yield "type", spec.replaced(by_key["type"], OTHER_TYPE[kind])
    if "x-documented-type" in by_key:
        yield "type", spec.without(by_key["x-documented-type"])
    default = next((by_key[name] for name in ("default", "x-documented-default") if name in by_key), None)
    if default:
        yield "default", spec.replaced(default, "77")
        yield "default", spec.without(default)
    else:
        yield "default", spec.with_line(entry, "default: another")
    for keyword, fact in BOUNDS.items():
        if keyword in by_key:
            yield fact, spec.replaced(by_key[keyword], f"{by_key[keyword][1].value}1")
            yield fact, spec.without(by_key[keyword])
        elif kind in NUMERIC:
            yield fact, spec.with_line(entry, f"{keyword}: 3")
    if "x-bounds-from" in by_key:
        yield "bounds_from", spec.without(by_key["x-bounds-from"])
    if "x-affects-pricing" in by_key:
        yield "affects_pricing", spec.without(by_key["x-affects-pricing"])
    else:
        yield "affects_pricing", spec.with_line(entry, "x-affects-pricing: true")
    if kind == "string":
        yield "allowed_values", spec.with_line(entry, "enum: [one, another]")
        yield "maxLength", spec.with_line(entry, "maxLength: 7")
