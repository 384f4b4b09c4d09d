"""The tables of the site, printed from the code: `make generate` writes them, `make check` compares."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import segmind_sd3._errors as errors
from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Random
from segmind_sd3_contract.cassettes import recorded, sources
from segmind_sd3_contract.quirks import quirks

from segmind_sd3_pipeline.generate.command_line import command_pages
from segmind_sd3_pipeline.spec.overlay import places, read_overlays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segmind_sd3_api.parameters import Operation, Parameter
    from segmind_sd3_contract.cassettes import Recorded
    from segmind_sd3_contract.quirks import Quirk

DOCS: Final = Path("docs")
CONTRACT: Final = Path("openapi")
OBSERVED: Final = Path("generated_client/segmind_sd3_api/observed.json")
LONG: Final = 400
"""How many characters of a recorded body are shown."""


# -- Quirks -----------------------------------------------------------------------------------------------


def quirk_sections() -> str:
    """Return a table of all quirks, and a section for each."""
    rows = (
        (f"[`{row.name}`](#{row.name})", code_safe(row.documented) or "nothing", code_safe(row.sdk))
        for row in quirks().values()
    )
    head = table(("quirk", "the page says", "what the SDK does"), rows)
    return "\n\n".join([head, *map(quirk_section, quirks().values())])


def quirk_section(row: Quirk) -> str:
    facts = [
        ("The page says", code_safe(row.documented) or "nothing"),
        ("Seen", f"{code_safe(row.observed)} ({row.grade})" if row.observed else "nothing else"),
        ("The SDK", code_safe(row.sdk)),
        ("`segmind-sd3 conformance` looks at", code_safe(row.probe)),
    ]
    evidence = [f"- `{each.id}` ({each.grade}): {code_safe(each.evidence)}" for each in row.actions]
    parts = [
        f"## {row.name}",
        "\n".join(f"- **{name}:** {text}" for name, text in facts),
        "What it rests on:\n\n" + "\n".join(evidence),
        recorded_exchange(row.name),
    ]
    return "\n\n".join(parts)


def recorded_exchange(name: str) -> str:
    """Show the first exchange in `cassettes/` of a quirk."""
    found = [each for case, each in recorded().items() if case.split("::")[1] == name]
    if not found:
        return "No exchange is recorded: it doesn't show in one reply."
    first = found[0]
    others = f"; {len(found) - 1} more in `cassettes/`" if len(found) > 1 else ""
    where = ", ".join(sorted(sources().get(name, (first.target,))))
    source = f"Recorded from: {where}, in `{first.file.as_posix()}`{others}."
    return f"{source}\n\n```http\n{exchange_text(first)}\n```"


def exchange_text(seen: Recorded) -> str:
    path = re.sub(r"https?://[^/]+", "", seen.url)
    sent = (
        ""
        if seen.sent is None
        else "\n" + json.dumps({k: shortened(v) for k, v in seen.sent.items()}, ensure_ascii=False)
    )
    shown = ("content-type", "retry-after", "x-cost", "x-rate-limit-reset-at-utc")
    headers = [f"{name}: {seen.headers[name]}" for name in shown if name in seen.headers]
    body = (
        f"({len(seen.body):,} bytes of a picture)"
        if seen.body[:4] in (b"\xff\xd8\xff\xe0", b"\x89PNG", b"RIFF")
        else re.sub(r"([\w+/=]{60})[\w+/=]{60,}", r"\1…", seen.body.decode("utf-8", "replace"))[:LONG]
    )
    return "\n".join(
        [f"{seen.method} {path}{sent}", "", f"HTTP/1.1 {seen.status}", *headers, "", body]
    ).strip()


def shortened(value: Any) -> Any:
    return f"{value[:40]}…" if isinstance(value, str) and len(value) > 60 else value


def code_safe(text: str) -> str:
    """Return a text whose angle brackets are no markup."""
    return text.replace("<", "&lt;")


# -- Errors -----------------------------------------------------------------------------------------------


def error_table() -> str:
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.SegmindError)
    ]
    listed = [kind for kind in found if kind not in (errors.SegmindError, errors.APIError)]
    rows = (row for kind in listed for row in error_rows(kind))
    return table(("error", "statuses", "billed", "tried again", "what happened, and what to do"), rows)


def error_rows(kind: type[errors.SegmindError]) -> Iterator[tuple[str, ...]]:
    """Give a row for an error, or one for each of its rules where they differ."""
    rules = [rule for rule in errors.RULES if rule.error is kind]
    meanings = dict.fromkeys((rule.billed, rule.retryable) for rule in rules)
    for billed, retryable in meanings or {(kind.billed, kind.retryable): None}:
        own = [
            status
            for rule in rules
            if (rule.billed, rule.retryable) == (billed, retryable)
            for status in rule.statuses
        ]
        again = {True: "yes", False: "no", None: "with `Retry(unknown=True)`"}[retryable]
        yield f"`{kind.__name__}`", statuses(own), f"`{billed}`", again, first_paragraph(kind)


def statuses(own: Iterable[int]) -> str:
    named = {status // 100 for rule in errors.RULES for status in rule.statuses}
    texts = [f"{'other ' if each in named else ''}{each}xx" if each < 10 else str(each) for each in own]
    return ", ".join(sorted(texts, key=lambda text: (not text.isdecimal(), text))) or "—"


def first_paragraph(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


# -- The contract -----------------------------------------------------------------------------------------


def contract_sections() -> str:
    """Return a section for each endpoint, and one for what holds for all."""
    facts = observed_facts()
    sections = [endpoint_section(each, facts) for each in OPERATIONS.values()]
    return "\n\n".join([*sections, "## All endpoints", fact_table(facts.get("", []))])


Fact = tuple[str, str, str, str]
"""Where something was observed, what, how surely, and the evidence."""


def observed_facts() -> dict[str, list[Fact]]:
    """Return what is known beyond the pages, by endpoint; under "" what concerns more than one."""
    bundle = json.loads(OBSERVED.read_text("utf-8"))
    endpoint_of = {each.path: name for name, each in OPERATIONS.items()}
    for path, name in list(endpoint_of.items()):
        content = bundle["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        endpoint_of[content["schema"]["$ref"].rpartition("/")[2]] = name
    facts: dict[str, list[Fact]] = {}
    (actions,) = read_overlays(CONTRACT / "observed.overlay.yaml")
    for action in actions:
        spec, found = action.spec, places(action, bundle)
        owners = {endpoint_of[word] for place in found for word in place if word in endpoint_of}
        names = dict.fromkeys(
            place[4] for place in found if owners and place[3:4] == ["properties"] and place[4:]
        )
        where = ", ".join(f"`{name}`" for name in names) or "—"
        update: Any = spec.get("update")
        seen: dict[str, Any] = update.get("x-observed", {}) if hasattr(update, "get") else {}
        what = ", ".join(f"{key} {json.dumps(value)}" for key, value in seen.items() if key != "x-grade")
        fact = (where, f"`{spec['x-id']}`{f': {what}' if what else ''}", spec["x-grade"], spec["x-evidence"])
        shared = len(owners) in (0, len(OPERATIONS))
        for owner in [""] if shared else sorted(owners):
            facts.setdefault(owner, []).append(fact)
    return facts


def fact_table(facts: Iterable[Fact]) -> str:
    rows = ((where, what, grade, code_safe(" ".join(why.split()))) for where, what, grade, why in facts)
    return table(("of", "what is known beyond the page", "grade", "evidence"), rows)


def endpoint_section(operation: Operation, facts: Mapping[str, list[Fact]]) -> str:
    price = f" A picture costs about ${operation.usd_per_picture} (the vendor's average)." * bool(
        operation.usd_per_picture
    )
    shown = operation.parameters.values()
    parts = [
        f"## `{operation.operation_id}`",
        f"{operation.summary} {operation.doc}{price}",
        f"`POST {operation.path}`; source: <{operation.page}>",
        table(
            ("parameter", "type", "required", "range", "default of the page", "sent unless given"),
            map(parameter_row, shown),
        ),
        "\n".join(f"- `{known.name}`: {code_safe(known.doc)}" for known in shown),
    ]
    if own := facts.get(operation.operation_id):
        parts.append(fact_table(own))
    return "\n\n".join(parts)


def parameter_row(known: Parameter) -> tuple[str, ...]:
    bounds = [known.minimum, known.maximum if known.maximum is not None else known.sdk_maximum]
    low, high = ("" if each is None else f"{each:g}" if each < 10**6 else str(each) for each in bounds)
    span = f"{low} to {high}" if low and high else f"from {low}" if low else f"to {high}" if high else ""
    if known.multiple_of:
        span += f", a multiple of {known.multiple_of}"
    return (
        f"`{known.name}`" + " (set by the SDK)" * known.hidden,
        known.kind,
        "yes" if known.required else "no",
        span or "—",
        default(known.documented_default),
        default(known.sdk_default),
    )


def default(value: object) -> str:
    match value:
        case _ if value is NO_DEFAULT:
            return "—"
        case Random(low=low, high=high):
            return f"a number from {low} to {high}, drawn anew"
        case _:
            return f"`{json.dumps(value)}`"


# -- Writing ----------------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "quirks": ("quirks.md", quirk_sections),
    "errors": ("guides/errors-and-money.md", error_table),
    "contract": ("reference/contract.md", contract_sections),
    "commands": ("reference/command-line.md", command_pages),
}
"""What is printed, by the name in its marks: the page, and what prints it."""


def printed(text: str, name: str, content: str) -> str:
    """Return a page with what stands between two marks printed anew."""
    marks = rf"(<!-- {name}: printed by make generate -->\n).*?(<!-- end of {name} -->)"
    text, count = re.subn(marks, lambda match: f"{match[1]}\n{content}\n\n{match[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"A page has {count} places for {name}; it needs one.")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a table is not the code's"
    )
    check = parser.parse_args().check
    for name, (page, made) in TABLES.items():
        file = DOCS / page
        old = file.read_text(encoding="utf-8")
        new = printed(old, name, made())
        if check and old != new:
            sys.exit(f"{file} is not what the code prints: run make generate")
        file.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
