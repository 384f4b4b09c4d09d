"""The ratings of changes, and what a change does to what is allowed or promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Rating = Literal["breaking", "unknown", "additive", "harmless"]
RATINGS: Final[tuple[Rating, ...]] = get_args(Rating)
"""The ratings, worst first. `unknown` means that no rule knows the change, so a person must look."""


def worst_of(ratings: Iterable[Rating | None]) -> Rating:
    """Return the worst of several ratings, or harmless if there is none."""
    given = set(ratings)
    worst: Rating = "harmless"
    for each in reversed(RATINGS):
        worst = each if each in given else worst
    return worst


class Effect(NamedTuple):
    """The ratings of a change where clients write the value and where they read it."""

    request: Rating
    reply: Rating


NONE: Final = Effect("harmless", "harmless")
WIDENS: Final = Effect("additive", "breaking")
NARROWS: Final = Effect("breaking", "additive")
ADDS: Final = Effect("additive", "additive")
DIFFERS: Final = Effect("breaking", "breaking")
UNKNOWN: Final = Effect("unknown", "unknown")


def effect_of(before: Any, after: Any, includes: Callable[[Any, Any], bool]) -> Effect:
    """Return the effect of a changed constraint. None is the absence of a constraint.

    `includes` tells of two constraints whether the first allows everything that the second allows.
    """
    wider = after is None or (before is not None and includes(after, before))
    narrower = before is None or (after is not None and includes(before, after))
    match wider, narrower:
        case True, True:
            return NONE
        case True, False:
            return WIDENS
        case False, True:
            return NARROWS
        case _:
            return DIFFERS
