"""Write the spec of a new page. Names are derived from the slug; descriptions are left to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.facts import OPERATION_KEYWORDS
from segmind_sd3_pipeline.pages.properties import property_of
from segmind_sd3_pipeline.pages.yaml_editor import block, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

SHARED: Final = "components.yaml"
CREDITS: Final = {"$ref": f"{SHARED}#/components/headers/RemainingCredits"}

USUAL_REPLY: Final = "image/jpeg"
"""The media type of a page that states none, as pages in the layout N."""

HEAD: Final = """\
openapi: 3.1.0
info:
  title: {title}
  version: "1"
  x-source:
    page: {page}
    saved: "{day}"
    digest: {digest}
servers:
  - url: {server}
security:
  - ApiKey: []
tags:
  - name: images
paths:
  {path}:
    {method}:
      operationId: {operation_id}
      tags: [images]
      summary: {summary}
{stated}\
      requestBody:
        required: true
        content:
          application/json:
            schema: {{ $ref: "#/components/schemas/{model}" }}
      responses:
{responses}\
components:
  securitySchemes:
    ApiKey: {{ $ref: "{shared}#/components/securitySchemes/ApiKey" }}
  schemas:
    {model}:
      type: object
"""


def operation_id_of(slug: str) -> str:
    """Derive the method's name from a slug: `sd3-med-tile` becomes `sd3_medium_tile`."""
    name = re.sub(r"\W+", "_", slug.replace("stable-diffusion-", "sd").replace(".", ""))
    name = re.sub(r"(?<=_)med(?=_|$)", "medium", name).strip("_").lower()
    return name if name.isidentifier() else f"model_{name}"


def model_of(operation_id: str) -> str:
    """Derive the schema's name from a method's name: `sd3_medium_txt2img` becomes `Sd3MediumTxt2Img`."""
    return re.sub(r"(?<![a-z])[a-z]", lambda letter: letter[0].upper(), operation_id).replace("_", "")


def new_spec(facts: Facts, shared: Mapping[str, str], day: str) -> str:
    """Return the text of a spec.

    Args:
        facts: The facts of the page.
        shared: The shared component for each status, by code and name.
        day: The day on which the page was saved, in ISO format.
    """
    slug = facts["slug"]
    operation_id = operation_id_of(slug)
    model = model_of(operation_id)
    path = f"/v1/{slug}"
    required = [each["name"] for each in facts["attributes"] if each.get("required")]
    values = facts["sample"]["values"]
    head = HEAD.format(
        title=scalar(slug),
        page=facts["page"],
        day=day,
        digest=facts["digest"],
        server=facts["url"].removesuffix(path),
        path=path,
        method=facts["method"].lower(),
        operation_id=operation_id,
        summary=scalar(f"Draw pictures with {slug}."),
        stated=block({key: facts[fact] for fact, key in OPERATION_KEYWORDS.items() if fact in facts}, 6),
        model=model,
        shared=SHARED,
        responses=block(_responses(facts, shared), 8),
    )
    properties = {
        each["name"]: property_of(each, values.get(each["name"]), {}) for each in facts["attributes"]
    }
    return "".join(
        [
            head,
            block({"required": required}, 6) if required else "",
            "      # The page's own sample call: a long text is a digest, code is that code.\n",
            block({"x-documented-sample": facts["sample"], "properties": properties}, 6),
        ]
    )


def headers_of(facts: Facts) -> dict[str, Any]:
    """Return the headers that the page promises for every reply."""
    return {
        name: CREDITS if "credits" in name else {"schema": {"type": "string"}}
        for name in facts.get("headers", ())
    }


def response_of(status: Facts, shared: Mapping[str, str], headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response for a status: the shared component if there is one, else a response of its own."""
    if component := shared.get(f"{status['code']} {status['name']}"):
        return {"$ref": f"{SHARED}#/components/responses/{component}"}
    # OpenAPI requires a description.
    return {
        "x-documented-name": status["name"],
        "description": f"{status['name']}.",
        **({"headers": dict(headers)} if headers else {}),
    }


def _responses(facts: Facts, shared: Mapping[str, str]) -> dict[str, Any]:
    headers = headers_of(facts)
    responses = {str(each["code"]): response_of(each, shared, headers) for each in facts.get("statuses", ())}
    success = responses.pop("200", {"description": "A success, as the page names none."})
    reply = facts.get("reply", USUAL_REPLY).split()
    return {"200": {**success, "content": {kind: {} for kind in reply}}, **responses}
