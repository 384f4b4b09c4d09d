"""Send calls at the same time: nobody gets another's picture, and what they cost adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.judging import all_drawn, difference, drawn, pictures_of
from segmind_sd3_contract.conformance.prompts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.reply import Reply

GROUP: Final = "(parallel)"


def at_once(endpoint: Endpoint) -> Iterator[Case]:
    """Yield eight calls, one after the other, and the same eight at the same time."""
    if "prompt" not in endpoint.properties:
        return
    alone = tuple(endpoint.call(prompt=prompt) for prompt in SCRIPTS.values())
    yield Case(
        endpoint.operation,
        GROUP,
        "eight",
        f"Of {len(alone)} calls at the same time, each gets its own picture.",
        (*alone, *(call.again() for call in alone)),
        own_pictures if endpoint.has_seed else all_drawn,
        "documented" if endpoint.has_seed else "assumed",
        "thorough",
        is_open=not endpoint.has_seed,
        at_once=len(alone),
    )


def own_pictures(replies: Sequence[Reply]) -> Iterator[str]:
    """Check that the second half of the replies has the pictures of the first."""
    yield from all_drawn(replies)
    if not drawn(replies) or not all(map(pictures_of, replies)):
        return
    alone, together = replies[: len(replies) // 2], replies[len(replies) // 2 :]
    for number, reply in enumerate(together):
        nearest = min(range(len(alone)), key=lambda other: difference(alone[other], reply))
        own, other = (each.exchange.sent["prompt"] for each in (reply, alone[nearest]))
        if nearest != number and difference(alone[nearest], reply) < difference(alone[number], reply):
            yield f"the call with the prompt {own!r} got the picture of {other!r}"
        elif reply.exact and difference(alone[number], reply):
            yield f"the call with the prompt {own!r} got another picture than alone"
