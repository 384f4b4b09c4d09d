"""One case: what is sent, what must come of it, and where it stands in the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.conformance.reply import Reply
    from segmind_sd3_contract.conformance.results import Layer, Tier


@dataclass(frozen=True, slots=True)
class Case:
    """One claim of the contract about one endpoint.

    Attributes:
        operation, group, place: where it stands: endpoint, row and column of the grid.
        claim: what the contract says, in a sentence.
        calls: what is sent, in this order.
        check: yields what is wrong, by one reading of the contract.
        layer: where the clause stands.
        tier: the smallest run that has it.
        is_open: whether the contract leaves the answer open, as long as it is a sound one.
        deviation: the row of the quirk table that knows of another answer.
        about_the_balance: whether nobody else may use the account meanwhile.
        may_hang_up: whether a target that closes the connection has answered too.
        describe: yields what the target does where the contract leaves it open: the case is open then.
        at_once: how many of the last calls are sent at the same time.
    """

    operation: str
    group: str
    place: str
    claim: str
    calls: tuple[Call, ...]
    check: Callable[[Sequence[Reply]], Iterator[str]] = field(repr=False)
    layer: Layer = "documented"
    tier: Tier = "full"
    is_open: bool = False
    deviation: str | None = None
    about_the_balance: bool = False
    may_hang_up: bool = False
    describe: Callable[[Sequence[Reply]], Iterator[str]] | None = field(default=None, repr=False)
    at_once: int = 0

    @property
    def id(self) -> str:
        return f"{self.operation}::{self.group}::{self.place}"
