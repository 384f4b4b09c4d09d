"""Make the document that openapi-python-client reads: the documented layer, less what it would misuse.

It sends every `default`, builds models for error bodies and parses them too strictly, and decodes a picture
as text unless the schema says `binary`. What is left out here is in `parameters.py`.
"""

from __future__ import annotations

from typing import Any

from segmind_sd3_pipeline.spec.bundle import operations
from segmind_sd3_pipeline.spec.documents import ContractError, Document

PICTURE = {
    "description": "The reply, whatever it is.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
# A default would be sent, an enum would refuse values that the SDK sends, and a bound has no effect.
LEFT_OUT = ("default", "examples", "enum", "minimum", "maximum", "multipleOf")


def generators_view(documented: Document) -> Document:
    """Return a document of which openapi-python-client 0.29 makes plain models that send what the caller set.

    Raises:
        ContractError: An operation documents no reply with status 200.
    """
    view: Document = {"openapi": documented["openapi"], "info": documented["info"], "paths": {}}
    for operation in operations(documented):
        if "200" not in operation.spec.get("responses", {}):
            raise ContractError(f"{operation.id} documents no status 200.")
        view["paths"].setdefault(operation.path, {})[operation.method] = {
            **_without_extensions(operation.spec),
            "responses": {"200": PICTURE},
            "security": operation.spec.get("security", documented.get("security", [])),
        }
    components = documented["components"]
    view["components"] = {
        "securitySchemes": components.get("securitySchemes", {}),
        "schemas": {name: _plain(schema) for name, schema in components.get("schemas", {}).items()},
    }
    return view


def _plain(schema: Document) -> Document:
    kept = {key: value for key, value in _without_extensions(schema).items() if key not in LEFT_OUT}
    if "properties" in kept:
        kept["properties"] = {name: _plain(value) for name, value in kept["properties"].items()}
    return kept


def _without_extensions(node: Document) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not key.startswith("x-")}
