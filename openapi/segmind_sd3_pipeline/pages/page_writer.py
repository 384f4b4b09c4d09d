"""Write a page from facts, in each layout that is read, for tests and proofs that need no page of the vendor.

Facts hold prose as digests, so the page has invented prose, another for another digest. Reading the page back
gives the same facts, except for those digests, and for what the layout leaves open.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmind_sd3_pipeline.pages.facts import Facts

CREDITS: Final = (
    "To keep track of your credit usage, read the response headers. The {headers} property is the rest."
)
SAMPLES: Final = {
    "javascript": (
        "const axios = require('axios');",
        'const api_key = "YOUR API-KEY";',
        'const url = "{url}";',
        "const data = {{",
        "{values}",
        "}};",
        "(async function() {{",
        "const response = await axios.post(url, data, {{ headers: {{ '{auth_header}': api_key }} }});",
        "}})();",
    ),
    "python": (
        "import requests",
        'api_key = "YOUR_API_KEY"',
        'url = "{url}"',
        "# Request payload",
        "data = {{",
        "{values}",
        "}}",
        "headers = {{'{auth_header}': api_key}}",
        "response = requests.{verb}(url, json=data, headers=headers)",
    ),
    "curl": ('curl -X POST -H "{auth_header}: YOUR API-KEY" --data-raw \'{{', "{values}", '}}\' "{url}"'),
}
LABELLED_LANGUAGES: Final = frozenset({"javascript", "curl"})
"""The languages whose name is above the sample."""

SDK_SAMPLE: Final = ('# pip install "segmind"', "import segmind", "", "result = segmind.run(", '"{slug}",')


def page_text(facts: Facts) -> str:
    """Return a page with these facts, in the layout of the five pages or in that which the facts name."""
    return LAYOUTS[facts.get("layout", "A-titled")](facts)


# -- The A family -----------------------------------------------------------------------------------------


def _titled(facts: Facts) -> str:
    return _attribute_page(facts, title=True)


def _flat(facts: Facts) -> str:
    return _attribute_page(facts, title=False)


def _with_gallery(facts: Facts) -> str:
    return f"A gallery\n\nPlayground\n\nTry it.\n\n{_attribute_page(facts, title=True)}"


def _lines(facts: Facts) -> str:
    code = sample_code(facts)
    numbers = [str(number) for number in range(1, len(code) + 1)]
    return _attribute_page(facts, title=True, method=(), sample=[*numbers, *code])


def _numbered_lines(facts: Facts) -> str:
    """Return a page in the layout B: a number glued to each line, and `min` for both bounds."""
    path = "/" + facts["url"].split("/", 3)[3]
    code = [f"{number}{line}" for number, line in enumerate(sample_code(facts), 1)]
    return _attribute_page(facts, title=False, method=(f"{facts['method']}{path}",), sample=code, upper="min")


def _inner_numbers(facts: Facts) -> str:
    code = " ".join(f"{number}{line}" for number, line in enumerate(sample_code(facts), 1))
    return _attribute_page(facts, title=False, sample=[code])


def _attribute_page(
    facts: Facts,
    *,
    title: bool,
    method: tuple[str, ...] | None = None,
    sample: list[str] | None = None,
    upper: str = "max",
) -> str:
    language = facts["sample"]["language"]
    return "\n".join(
        [
            *(("A model", "", f"What it draws{_variant(facts['prose']['rest'])}.", "") if title else ()),
            *((facts["method"],) if method is None else method),
            *([language] if language in LABELLED_LANGUAGES and method is None else []),
            *(sample or [f"1 2 3 {' '.join(sample_code(facts))}"]),
            *("RESPONSE", *facts["reply"].split(), "HTTP Response Codes"),
            *(_status(each) for each in facts["statuses"]),
            *("", "Attributes", "", ""),
            *(line for each in facts["attributes"] for line in (*_attribute(each, upper), "", "")),
            CREDITS.format(headers=" and ".join(facts["headers"]))
            + _variant(facts["prose"]["credits"], " {}."),
            *("", "How to Use the Model?", "", f"  1. Write a prompt{_variant(facts['prose']['rest'])}."),
            *_notice(facts),
        ]
    )


def sample_code(facts: Facts) -> list[str]:
    """Return the lines of a sample."""
    language, values = facts["sample"]["language"], facts["sample"]["values"]
    last = next(reversed(values), None)
    shown = [
        f'"{name}": {_literal(value, name, language)}{"" if name == last else ","}'
        for name, value in values.items()
    ]
    filled = {name: facts.get(name, "x-api-key") for name in ("url", "auth_header")}
    verb = facts["method"].lower()
    code: list[str] = []
    for line in SAMPLES[language]:
        code += shown if line == "{values}" else [line.format(**filled, verb=verb)]
    remark = _variant(facts["prose"]["sample"], "api_key_{}")
    return [line.replace("api_key", remark) if remark else line for line in code]


def _literal(value: Any, name: str, language: str) -> str:
    match value:
        case {"code": code}:
            return code
        case str() if value.startswith("sha256:"):
            return f'"the words, of {name}{_variant(value)}"'
        case True | False | None if language == "python":
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _variant(digest: str, form: str = " {}") -> str:
    """Return words that another digest changes. A digest of tests and of recorded facts adds none."""
    return form.format(digest.removeprefix("sha256:other-")) if digest.startswith("sha256:other-") else ""


def _status(status: Facts) -> str:
    words = f"What is meant{_variant(status['description'])}" if "description" in status else ""
    return f"{status['code']} - {status['name']}{words}"


def header_line(attribute: Facts) -> str:
    """Return the header of a parameter, such as `seedint ( default: -1 )`."""
    line = f"{attribute['name']}{attribute['type']}"
    line += " *" if attribute.get("required") else ""
    line += f" ( default: {attribute['default']} )" if "default" in attribute else ""
    return line + (" Affects Pricing" if attribute.get("affects_pricing") else "")


def _attribute(attribute: Facts, upper: str = "max") -> list[str]:
    blocks = [header_line(attribute)]
    if "description" in attribute:
        blocks += ["", _description(attribute)]
    if "bounds_from" not in attribute:
        words = {"min": "min", "max": upper if "min" in attribute else "max"}
        blocks += [
            line
            for name in ("min", "max")
            if name in attribute
            for line in ("", f"{words[name]} : {attribute[name]},")
        ]
    if "allowed_values" in attribute:
        blocks += ["", "Allowed values:", *map(str, attribute["allowed_values"])]
    return blocks


def _description(attribute: Facts) -> str:
    words = f"The words on {attribute['name']}{_bounds(attribute)}{_variant(attribute['description'])}"
    if "instead" in attribute:
        return f"{words}. It is {attribute['retired']}. Use `{attribute['instead']}` instead."
    return f"{words}. It is {attribute['retired']}." if "retired" in attribute else words


def _bounds(attribute: Facts) -> str:
    if "bounds_from" not in attribute:
        return ""
    least, most = attribute.get("min"), attribute.get("max")
    words = (
        f" can be between {least} and {most}" if least and most else f" is at least {least}" if least else ""
    )
    words = words or (f" is at most {most}" if most else "")
    return words + (f" in multiples of {attribute['multiple_of']}" if "multiple_of" in attribute else "")


def _notice(facts: Facts) -> list[str]:
    if "retired" not in facts:
        return []
    instead = f" Use {facts['instead']} instead." if "instead" in facts else ""
    return ["", f"This model is {facts['retired']}.{instead}"]


# -- The N family -----------------------------------------------------------------------------------------


def _parameter_page(facts: Facts) -> str:
    return _spaced_page(
        facts, sample_code({**facts, "sample": {**facts["sample"], "language": "python"}}), ()
    )


def _queue_page(facts: Facts) -> str:
    """Return a page in the layout N2: with the path of the queue, and the vendor's SDK."""
    values = facts["sample"]["values"]
    code = [line.format(slug=facts["slug"]) for line in SDK_SAMPLE]
    code += [f"{name}={_literal(value, name, 'python')}," for name, value in values.items()]
    code += [")", f"print(result{_variant(facts['prose']['sample'], '_{}')})"]
    queue = facts.get("queue", f"POST /v2/{facts['slug']}")
    section = ("Asynchronous requests (v2)", "", "Send it, then ask.", "", "1. 1", "", queue, "")
    return _spaced_page(facts, code, (f"{queue} \u00b7 submit + poll",), section)


def _spaced_page(facts: Facts, code: list[str], above: tuple[str, ...], section: tuple[str, ...] = ()) -> str:
    return "\n".join(
        [
            *("A model Serverless API", "", f"What it draws{_variant(facts['prose']['rest'])}.", ""),
            *(facts[name] for name in ("seconds", "price") if name in facts),
            *above,
            *(f"{number:>2}{line}" for number, line in enumerate(code, 1)),
            *("", "API Endpoint", "", f"{facts['method']}{facts['url']}", "", "Parameters", ""),
            *(line for each in facts["attributes"] for line in _parameter(each)),
            *("", "Response Type", "", f"Returns: {facts['returns']}", "", *section),
            *(("Common Error Codes", "", "The usual numbers.", "") if "statuses" in facts else ()),
            *(line for each in facts.get("statuses", ()) for line in _code(each)),
            *_notice(facts),
        ]
    )


def _parameter(attribute: Facts) -> list[str]:
    need = "required" if attribute.get("required") else "optional"
    lines = [f"{attribute['name']}{need}", attribute["type"]]
    if "description" in attribute:
        lines += ["", _description(attribute), ""]
    has_range = "min" in attribute and "bounds_from" not in attribute
    rule = f"Default: {_json(attribute)}" if "default" in attribute or "no_default" in attribute else ""
    rule += f"Range: {attribute['min']} - {attribute['max']}" if has_range else ""
    lines += [rule] if rule else []
    if "allowed_values" in attribute or "values_as_printed" in attribute:
        total = f" ({attribute['values_total']} total)" if "values_total" in attribute else " "
        lines += [f"Allowed values{total}:", _values(attribute)]
    members = [line for each in attribute.get("members", ()) for line in _parameter(each)]
    return [*lines, *(["Array items:", *members] if members else [])]


def _json(attribute: Facts) -> str:
    if "no_default" in attribute:
        return "null"
    kind = attribute.get("default_type", attribute["type"].partition(" ")[0])
    return json.dumps(attribute["default"]) if kind == "string" else attribute["default"]


def _values(attribute: Facts) -> str:
    if "values_as_printed" in attribute:
        return attribute["values_as_printed"]
    more = f"+{attribute['values_more']} more" if "values_more" in attribute else ""
    return "".join(map(json.dumps, attribute["allowed_values"])) + more


def _code(status: Facts) -> list[str]:
    words = f"What is meant{_variant(status['description'])}" if "description" in status else ""
    return [str(status["code"]), "", status["name"], "", *([words, ""] if words else [])]


LAYOUTS: Final[dict[str, Callable[[Facts], str]]] = {
    "A-titled": _titled,
    "A-flat-js": _flat,
    "A-flat-py": _flat,
    "A-lines": _lines,
    "M": _with_gallery,
    "B": _numbered_lines,
    "C": _inner_numbers,
    "N": _parameter_page,
    "N2": _queue_page,
}
"""The writer of each layout that is read."""
