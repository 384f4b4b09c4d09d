"""Send the prompts that people send: in eight scripts, with emoji, marks, quotes and tags, short and long.

A page says that a prompt is any text. So each of a usual length must be drawn, and two that differ draw two
pictures: a text that loses characters on its way, or its end, is found by that. Where a service may have its
reasons (a text of 20,000 characters, one that looks like an attack), a refusal is open, and a 500 is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.effects import effect
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    another_picture,
    drawn_or_refused,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint

SCRIPTS: Final[Mapping[str, str]] = {
    "han": "海边的白灯塔",
    "cyrillic": "огонёк",
    "arabic": "منارات",
    "hebrew": "מגדלור",
    "devanagari": "दीपगृह",
    "thai": "ดอกไม้",
    "greek": "φάρους",
    "hangul": "바닷가의등대",
}
"""Six characters each: with a question mark for each of them, they would all be the same."""

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "emoji": ("a cat \U0001f408", "a cat \U0001f415", "a cat \U0001f469\u200d\U0001f680"),
    "combining": ("a cafe\u0301 sign", "a cafe sign", "a c\u0351\u036bafe sign"),
    "rtl": ("a sign: שלום", "שלום: a sign"),
    "newline": ("a cat\nand a dog", "a cat\nand a bird"),
    "quotes": ('a sign "open"', 'a sign "shut"', "a sign 'open'"),
}
"""Texts that differ in one thing, and must draw different pictures."""

ODD_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "sql": ("a cat'; DROP TABLE prompts; --", "a cat'; SELECT 1; --"),
    "html": ("a cat <script>alert(1)</script>", "a cat <b>alert(1)</b>"),
    "template": ("a cat {{7*7}} ${HOME}", "a cat {{7*8}} ${HOME}"),
    "percent": ("100%s of cats %n", "100%s of dogs %n"),
}
"""Texts that a service may refuse, and must not fail of; two that differ must draw different pictures."""

SINGLE_TEXTS: Final[Mapping[str, str]] = {"nul": "a cat\0 and a dog", "digits": "42"}
"""Texts that a service may refuse, and that are compared with no other."""

OPEN_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "case": ("A CAT ON A MAT", "a cat on a mat"),
    "composed": ("a caf\u00e9 sign", "a cafe\u0301 sign"),
    "spaces": ("  a cat ", "a cat"),
}
"""Texts that a service may take for the same."""

LENGTHS: Final = (200, 2_000, 20_000)
USUAL: Final = 200
"""The length of a usual prompt in characters. A model surely reads so many."""

OTHER: Final = {"start": "a fox", "end": "a dot"}
"""What stands at the start or the end of the second of two prompts."""


def about_prompts(endpoint: Endpoint) -> Iterator[Case]:
    if "prompt" not in endpoint.properties:
        return
    yield from scripts(endpoint)
    yield from texts(endpoint)
    yield from lengths(endpoint)


def scripts(endpoint: Endpoint) -> Iterator[Case]:
    names = list(SCRIPTS)
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        yield Case(
            endpoint.operation,
            "prompt",
            f"script:{name}",
            f"A prompt in {name.capitalize()} is drawn, and not as one in {other.capitalize()}.",
            (endpoint.call(prompt=SCRIPTS[name]), endpoint.call(prompt=SCRIPTS[other])),
            another_picture,
            tier="thorough",
        )


def texts(endpoint: Endpoint) -> Iterator[Case]:
    for name, several in TEXTS.items():
        yield _compared(endpoint, name, several, f"Prompts with {name} are drawn, each in its own way.")
    for name, several in ODD_TEXTS.items():
        claim = f"Prompts with {name} fail no server, and what is drawn is not cut."
        yield _compared(endpoint, name, several, claim, may_refuse=True)
    for name, text in SINGLE_TEXTS.items():
        yield Case(
            endpoint.operation,
            "prompt",
            f"text:{name}",
            f"A prompt with {name} fails no server.",
            (endpoint.call(prompt=text),),
            drawn_or_refused,
            "assumed",
            "thorough",
            describe=refusals,
        )
    for name, several in OPEN_TEXTS.items():
        claim = f"No page says whether {several[0]!r} and {several[1]!r} are the same prompt."
        yield _compared(endpoint, name, several, claim, promised=False)


def _compared(
    endpoint: Endpoint,
    name: str,
    several: Sequence[str],
    claim: str,
    *,
    promised: bool = True,
    may_refuse: bool = False,
) -> Case:
    calls = tuple(endpoint.call(prompt=text) for text in several)
    return effect(endpoint, "prompt", f"text:{name}", claim, calls, promised=promised, may_refuse=may_refuse)


def lengths(endpoint: Endpoint) -> Iterator[Case]:
    for length in (1, *LENGTHS):
        is_usual = length <= USUAL
        yield Case(
            endpoint.operation,
            "prompt",
            f"length:{length}",
            f"A prompt of {length} characters {'is drawn' if is_usual else 'fails no server'}.",
            (endpoint.call(prompt=text_of(length)),),
            all_drawn if is_usual else drawn_or_refused,
            "documented" if is_usual else "assumed",
            "thorough",
            describe=None if is_usual else refusals,
        )
    for length in LENGTHS:
        whole = endpoint.call(prompt=text_of(length))
        for part in ("start", "end") if length == USUAL else ("end",):
            # The very last character counts too.
            other = endpoint.call(prompt=text_of(length, **{part: OTHER[part]}))
            yield effect(
                endpoint,
                "prompt",
                f"{part}:{length}",
                f"Of a prompt of {length} characters, the {part} counts.",
                (whole, other),
                promised=length == USUAL,
                may_refuse=length != USUAL,
            )


def text_of(length: int, start: str = "a cat", end: str = "a dog") -> str:
    """Return a text of so many characters, with a start and an end."""
    if length < len(start) + len(end):
        return "x" * length
    between = ", ".join(f"tree {number}" for number in range(length))
    return start + f", {between}"[: length - len(start) - len(end)] + end
