"""Recognise the layout of a page, or refuse the page by the name of its layout.

A page of the A family lists its parameters below `Attributes`, one of the N family below `Parameters`. Each
layout has signs of its own (`READ` names those that are read). No layout is assumed: a page
without the signs of one is refused, with the nearest layout and what it has of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segmind_sd3_pipeline.pages.page_error import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_pipeline.pages.page_error import Line

METHODS: Final = "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
ONE_METHOD: Final = re.compile(METHODS)
METHOD_AND_PATH: Final = re.compile(rf"(?P<method>{METHODS})\s?/v\d{{1,3}}/(?P<slug>[\w.-]+)")
QUEUE: Final = re.compile(
    rf"(?P<method>{METHODS})\s?(?P<path>/v2/(?P<slug>[\w.-]+))\s?[^\w\s]?\s?submit \+ poll\b(?P<rest>.*)"
)
WORKFLOW: Final = re.compile(r"/workflows/[\w.-]*-v\d")
PARAMETER: Final = re.compile(r"(?P<name>[A-Za-z_][\w.-]*?)\s?(?P<need>required|optional)")
PARAMETER_TYPE: Final = re.compile(
    r"(?:string|integer|number|boolean|object|array|file|any|null)(?:\[\]){0,3}(?: \([a-z0-9 _/-]{1,30}\))?"
)
LOST_LINE_ENDS: Final = re.compile(
    r"(?:[A-Za-z_][\w.-]*?)?(?:required|optional)(?:string|integer|number|boolean|object|array|file|any)"
)

LINE_ENDS: Final = (
    "Its line ends between name, type and value are lost, so names and values run together. Open the page in "
    "a browser, select all, copy, and paste it into a text file"
)
LANGUAGE_MODEL: Final = (
    "A language model answers with text and takes a list of messages, for which the client has no place"
)
OTHER_MEDIA: Final = "The client takes pictures alone, so {kind} has no place in it"
REFUSED: Final = {
    "P": "A workflow is no model: its address and parameters are its author's. Give the page of a model",
    "N-compact-labelled": LINE_ENDS,
    "N-compact-bare-glued": LINE_ENDS,
    "N-compact-bare-lines": LINE_ENDS,
    "N2-compact": LINE_ENDS,
    "A-llm": LANGUAGE_MODEL,
    "N-llm": LANGUAGE_MODEL,
    "N2-llm": LANGUAGE_MODEL,
    **{
        f"{layout}-{name}": OTHER_MEDIA.format(kind=kind)
        for layout in ("N", "N2")
        for name, kind in (
            ("video", "a video"),
            ("audio", "sound"),
            ("3d", "a 3D model"),
            ("numbers", "numbers"),
        )
    },
}
"""The layouts that are recognised and not read, each with what would be needed."""

RETURNS_CHARS: Final = 60
OTHER_RETURNS: Final = {
    "video": re.compile(r"\b(?:video|movie|animation)s?\b", re.IGNORECASE),
    "audio": re.compile(r"\b(?:audio|sound|speech|music|voice)s?\b", re.IGNORECASE),
    "3d": re.compile(r"\b(?:3d|mesh|glb|obj)\b", re.IGNORECASE),
    "numbers": re.compile(r"\b(?:embedding|vector)s?\b", re.IGNORECASE),
}
"""What a page may say that its model returns, and that is no picture."""

READ: Final = ("A-flat-js", "A-flat-py", "A-titled", "A-lines", "M", "B", "C", "N", "N2")
"""The layouts that are read."""

SIGNS: Final = {
    "A": ("RESPONSE", "HTTP RESPONSE CODES", "ATTRIBUTES"),
    "N": ("API ENDPOINT", "PARAMETERS", "RESPONSE TYPE", "COMMON ERROR CODES"),
}
"""The headings of each family, in capitals."""


def heading_of(line: Line) -> str:
    """Return a line as headings are compared."""
    return line.text.upper().removesuffix(":").rstrip()


def recognise(lines: list[Line]) -> str:
    """Return the name of the layout of a page that is read.

    Raises:
        LayoutError: The layout is unknown, or is not read.
    """
    filled = [line for line in lines if line.text]
    name, line = _layout(filled)
    if name in REFUSED:
        raise LayoutError(line.number, f"this page is in the layout {name}, which is not read", REFUSED[name])
    return name


def starts_numbered_code(filled: list[Line], at: int) -> bool:
    """Return whether a sample with one numbered line after another begins here, as `1import`, `2import`."""
    first, *others = filled[at : at + 2]
    return bool(re.match(r"1(?=[^\d\s.)])", first.text)) and all(
        re.match(r"2(?!\d)", each.text) for each in others
    )


def starts_number_column(filled: list[Line], at: int) -> bool:
    """Return whether the numbers of a sample, one a line, begin here."""
    return [line.text for line in filled[at : at + 3]] == ["1", "2", "3"]


def _layout(filled: list[Line]) -> tuple[str, Line]:
    """Return the name of a layout, and the line that gave it away."""
    for line in filled:
        if queue := QUEUE.fullmatch(line.text):
            return _parameter_layout(filled, "N2", line, is_glued=bool(queue["rest"]))
    for line in filled:
        if WORKFLOW.search(line.text):
            return "P", line
    for at, line in enumerate(filled[:-1]):
        is_heading = heading_of(line) == "PARAMETERS"
        is_glued = "https://" in line.text and line.text.endswith("Parameters")
        if is_glued or (is_heading and _lists_parameters(filled[at + 1 : at + 3])):
            return _parameter_layout(filled, "N", line, is_glued=is_glued)
    if has_attributes(filled):
        return _attribute_layout(filled)
    for at, line in enumerate(filled):
        if starts_number_column(filled, at) and not any(heading_of(each) in SIGNS["A"] for each in filled):
            return "A-lines", line
    raise _unknown(filled)


def has_attributes(filled: list[Line]) -> bool:
    return any(heading_of(line) == "ATTRIBUTES" for line in filled)


def _lists_parameters(following: list[Line]) -> bool:
    """Return whether the lines below `Parameters` have a name, and whether it is required."""
    one, *others = [line.text for line in following]
    return bool(
        PARAMETER.fullmatch(one)
        or LOST_LINE_ENDS.match(one)
        or (others and LOST_LINE_ENDS.match(others[0]) and re.fullmatch(r"[A-Za-z_][\w.-]*", one))
    )


def _parameter_layout(filled: list[Line], name: str, line: Line, *, is_glued: bool) -> tuple[str, Line]:
    listed = [at for at, each in enumerate(filled) if each.text.endswith("Parameters")]
    first = filled[listed[0] + 1 :][:2] if listed else []
    is_spaced = len(first) > 1 and PARAMETER.fullmatch(first[0].text) and not is_glued
    if first and not is_spaced and any(LOST_LINE_ENDS.match(each.text) for each in first):
        is_glued = True
    if is_glued:
        return f"{name}-compact{'' if name == 'N2' else _compact_form(filled, first)}", line
    for each in filled:
        if each.text.startswith("API Format:") or heading_of(each) == "RESPONSE FORMAT":
            return f"{name}-llm", each
        if each.text.startswith("Returns:"):
            for other, words in OTHER_RETURNS.items():
                if words.search(each.text[:RETURNS_CHARS]):
                    return f"{name}-{other}", each
    return name, line


def _compact_form(filled: list[Line], first: list[Line]) -> str:
    if any(line.text == "Default:" for line in filled):
        return "-labelled"
    return "-bare-glued" if first and re.search(r"\w(?:required|optional)", first[0].text) else "-bare-lines"


def _attribute_layout(filled: list[Line]) -> tuple[str, Line]:
    for line in filled:
        if re.match(r"messagesArray\b", line.text):
            return "A-llm", line
    start = next((at for at, line in enumerate(filled) if ONE_METHOD.fullmatch(line.text)), None)
    for line in filled:
        if METHOD_AND_PATH.fullmatch(line.text):
            return "B", line
    if start is None:
        column = [at for at in range(len(filled)) if starts_number_column(filled, at)]
        return ("A-lines", filled[column[0]]) if column else ("A-flat-py", filled[0])
    code = filled[start + 1 : start + 3]
    if any(starts_numbered_code([line], 0) for line in code):
        return "C", code[0]
    if start:
        return ("M" if any(line.text == "Playground" for line in filled[:start]) else "A-titled"), filled[0]
    return ("A-flat-js" if code and code[0].text == "javascript" else "A-flat-py"), filled[0]


def _unknown(filled: list[Line]) -> LayoutError:
    found = {name: list(_signs_in(filled, signs)) for name, signs in SIGNS.items()}
    nearest = max(found, key=lambda name: len(found[name]))
    known = f"Known are {', '.join(READ)}"
    what = (
        "this page is in no layout that is known: it has no line Attributes, and no line Parameters above a "
    )
    what += "parameter's name"
    if not found[nearest]:
        return LayoutError(
            filled[-1].number, what, f"{known}; it has no heading of any. Give the whole docs page"
        )
    seen = ", ".join(f"{line.text} in line {line.number}" for line in found[nearest])
    missing = ", ".join(
        sign.capitalize() for sign in SIGNS[nearest] if sign not in map(heading_of, found[nearest])
    )
    return LayoutError(
        found[nearest][-1].number,
        what,
        f"{known}; nearest is {nearest}, because of {seen}, without {missing}",
    )


def _signs_in(filled: list[Line], signs: tuple[str, ...]) -> Iterator[Line]:
    for sign in signs:
        yield from [line for line in filled if heading_of(line) == sign][:1]
