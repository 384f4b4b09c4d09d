"""Write a page from facts, in the vendor's layout, for tests and proofs that need no page of the vendor.

Facts hold prose as digests, so the page has invented prose. Reading it back gives the same facts, except for
those digests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from segmind_sd3_pipeline.pages.facts import Facts

CREDITS: Final = (
    "To keep track of your credit usage, read the response headers. The {headers} property is the rest."
)
SAMPLES: Final = {
    "javascript": (
        'const axios = require(\'axios\'); const api_key = "YOUR API-KEY"; const url = "{url}"; '
        "const data = {{ {values} }}; (async function() {{ const response = await axios.post(url, data, "
        "{{ headers: {{ '{auth_header}': api_key }} }}); }})();"
    ),
    "python": (
        'import requests api_key = "YOUR_API_KEY" url = "{url}" # Request payload data = {{ {values} }} '
        "headers = {{'{auth_header}': api_key}} response = requests.post(url, json=data, headers=headers)"
    ),
    "curl": 'curl -X POST -H "{auth_header}: YOUR API-KEY" --data-raw \'{{ {values} }}\' "{url}"',
}
LABELLED_LANGUAGES: Final = frozenset({"javascript", "curl"})
"""The languages whose name is above the sample."""


def page_text(facts: Facts) -> str:
    """Return a page with these facts."""
    language = facts["sample"]["language"]
    sample = SAMPLES[language].format(
        url=facts["url"],
        auth_header=facts["auth_header"],
        values=", ".join(
            f'"{name}": {_literal(value, name, language)}'
            for name, value in facts["sample"]["values"].items()
        ),
    )
    return "\n".join(
        [
            *("A model", "", "What it draws.", ""),
            facts["method"],
            *([language] if language in LABELLED_LANGUAGES else []),
            f"1 2 3 {sample}",
            *("RESPONSE", *facts["reply"].split(), "HTTP Response Codes"),
            *(_status(each) for each in facts["statuses"]),
            *("", "Attributes", "", ""),
            *(line for each in facts["attributes"] for line in (*_attribute(each), "", "")),
            CREDITS.format(headers=" and ".join(facts["headers"])),
            *("", "How to Use the Model?", "", "  1. Write a prompt."),
        ]
    )


def _literal(value: Any, name: str, language: str) -> str:
    match value:
        case {"code": code}:
            return code
        case str() if value.startswith("sha256:"):
            return f'"the words, of {name}"'
        case True | False | None if language == "python":
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _status(status: Facts) -> str:
    return f"{status['code']} - {status['name']}{'What is meant' if 'description' in status else ''}"


def header_line(attribute: Facts) -> str:
    """Return the header of a parameter, such as `seedint ( default: -1 )`."""
    line = f"{attribute['name']}{attribute['type']}"
    line += " *" if attribute.get("required") else ""
    line += f" ( default: {attribute['default']} )" if "default" in attribute else ""
    return line + (" Affects Pricing" if attribute.get("affects_pricing") else "")


def _attribute(attribute: Facts) -> list[str]:
    blocks = [header_line(attribute)]
    if "description" in attribute:
        blocks += ["", f"The words on {attribute['name']}{_bounds(attribute)}"]
    if "bounds_from" not in attribute:
        blocks += [
            line
            for name in ("min", "max")
            if name in attribute
            for line in ("", f"{name} : {attribute[name]},")
        ]
    if "allowed_values" in attribute:
        blocks += ["", "Allowed values:", *attribute["allowed_values"]]
    return blocks


def _bounds(attribute: Facts) -> str:
    if "bounds_from" not in attribute:
        return ""
    step = f" in multiples of {attribute['multiple_of']}" if "multiple_of" in attribute else ""
    return f" can be between {attribute['min']} and {attribute['max']}{step}"
