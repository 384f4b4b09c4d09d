"""Read what a page states in sentences: a parameter's bounds, and that something is retired.

A recommendation ("typically between 7 and 15") is no bound, and "not deprecated" is no retirement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmind_sd3_pipeline.pages.facts import Facts

NUMBER: Final = r"-?(?:\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?"
END: Final = r"(?![\w%]|\.\d|\s?%|\s?times\b)"
"""A number ends here, and is no share or factor."""

RANGE: Final = re.compile(
    rf"\b(?:between\s{{1,3}}({NUMBER})\s{{1,3}}and|from\s{{1,3}}({NUMBER})\s{{1,3}}to"
    rf"|ranges?:?\s{{1,3}}(?:is\s{{1,3}})?({NUMBER})\s{{0,3}}(?:-|\u2013|to))\s{{0,3}}({NUMBER}){END}",
    re.IGNORECASE,
)
STEP: Final = re.compile(
    rf"\b(?:(?:multiples?\s{{1,3}}of|divisible\s{{1,3}}by|in\s{{1,3}}steps\s{{1,3}}of)\s{{1,3}}({NUMBER}){END})",
    re.IGNORECASE,
)
AREA: Final = re.compile(r"\bup\s{1,3}to\s{1,3}(\d{1,9})\s?[x\u00d7]\s?(\d{1,9})\b", re.IGNORECASE)
MOST: Final = re.compile(
    rf"\b(?:up\s{{1,3}}to|at\s{{1,3}}most|no\s{{1,3}}more\s{{1,3}}than|max(?:imum)?(?:\s{{1,3}}(?:of|is|value|allowed)){{0,3}}:?)"
    rf"\s{{1,3}}({NUMBER}){END}",
    re.IGNORECASE,
)
LEAST: Final = re.compile(
    rf"\b(?:at\s{{1,3}}least|no\s{{1,3}}less\s{{1,3}}than|min(?:imum)?(?:\s{{1,3}}(?:of|is|value|allowed)){{0,3}}:?)"
    rf"\s{{1,3}}({NUMBER}){END}",
    re.IGNORECASE,
)
ADVICE: Final = re.compile(
    r"\b(?:typical|usual|recommend|suggest|ideal|best|optimal|common|good|works?\b|e\.g\.|example)",
    re.IGNORECASE,
)

RETIRED: Final = re.compile(
    r"\b(?:deprecated|retired|discontinued|sunset|end[ -]of[ -]life"
    r"|no longer (?:available|supported|maintained|offered|served))\b",
    re.IGNORECASE,
)
DENIED: Final = re.compile(
    r"\b(?:no|not|never|isn't|aren't|won't|without|unlike|replaces|instead of)\b", re.IGNORECASE
)
PREDICATE: Final = re.compile(r"\b(?:is|was|are|were|been|be|now|being) (?:\w{1,20} ){0,2}$", re.IGNORECASE)
NOTICE_END: Final = re.compile(
    r"[^\w]{0,3}(?:$|since\b|on\b|as of\b|from\b|in favou?r\b|please\b|use\b)", re.IGNORECASE
)
"""What may follow the word in a notice such as `Deprecated: use …`, unlike in `Deprecated models`."""

OF_THE_PAGE: Final = re.compile(
    r"\b(?:this|the)(?: \w+)? (?:model|endpoint|api|version|page|service)\b", re.IGNORECASE
)
INSTEAD: Final = re.compile(
    r"\b(?:(?:please )?use|switch to|migrate to|move to|replaced by|superseded by|in favou?r of)\s{1,3}"
    r"(?:the )?(?P<quote>[`'\"])?(?P<name>[A-Za-z][\w.-]{0,99})",
    re.IGNORECASE,
)
MOVED: Final = re.compile(r"\b(?:replaced by|superseded by|in favou?r of|instead)\b", re.IGNORECASE)
MAX_SENTENCE_CHARS: Final = 600
SHORT_NOTICE_WORDS: Final = 6


def bounds_in_words(text: str, name: str) -> Facts:
    """Return the bounds of a number that a description states, as facts."""
    found: dict[str, Any] = {}
    for sentence in _sentences(text):
        if ADVICE.search(sentence):
            continue
        found = {**_bounds(sentence, name), **found}
    return found


def retirement(texts: Iterable[str]) -> Facts:
    """Return what sentences of a page say of its model's retirement: `retired`, and `instead` if named."""
    return _retirement(texts, of_page=True)


def parameter_retirement(text: str) -> Facts:
    """Return what a parameter's description says of its retirement."""
    return _retirement([text], of_page=False)


def _bounds(sentence: str, name: str) -> Facts:
    found: dict[str, Any] = {}
    if step := STEP.search(sentence):
        found["multiple_of"] = step[1]
        sentence = sentence[: step.start()] + sentence[step.end() :]
    if both := RANGE.search(sentence):
        return {"min": both[1] or both[2] or both[3], "max": both[4], **found}
    if area := AREA.search(sentence):
        sides = {"width": area[1], "height": area[2]}
        side = next((length for word, length in sides.items() if word in name.lower()), None)
        if side or area[1] == area[2]:
            found["max"] = side or area[1]
    elif most := MOST.search(sentence):
        found["max"] = most[1]
    if least := LEAST.search(sentence):
        found["min"] = least[1]
    return found


def _retirement(texts: Iterable[str], *, of_page: bool) -> Facts:
    sentences = [sentence for text in texts for sentence in _sentences(text)]
    words = [word for sentence in sentences if (word := _retired(sentence, of_page=of_page))]
    named = [
        found["name"].rstrip(".-")
        for sentence in sentences
        if (found := INSTEAD.search(sentence))
        and (_is_name(found["name"]) or (words and found["quote"]))
        and (MOVED.search(sentence) or RETIRED.search(sentence))
    ]
    if not words and not named:
        return {}
    return {"retired": words[0] if words else "instead", **({"instead": named[0]} if named else {})}


def _retired(sentence: str, *, of_page: bool) -> str | None:
    """Return the word with which a sentence says that its subject is retired."""
    found = RETIRED.search(sentence)
    if not found or DENIED.search(sentence[: found.start()]):
        return None
    is_said = PREDICATE.search(sentence[: found.start()]) and (not of_page or OF_THE_PAGE.search(sentence))
    is_notice = not re.search(r"\w", sentence[: found.start()]) or len(sentence.split()) <= SHORT_NOTICE_WORDS
    is_alone = NOTICE_END.match(sentence, found.end())
    return found[0].lower() if is_said or not of_page or (is_notice and is_alone) else None


def _is_name(word: str) -> bool:
    """Return whether a word is the name of a model or parameter, not a word of the sentence."""
    return bool(re.search(r"[\w.][-_.]\w|[A-Za-z]\d", word))


def _sentences(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        for sentence in re.split(r"(?<=[.!?;])\s", line):
            yield sentence.strip()[:MAX_SENTENCE_CHARS]
