"""What a run of the benchmark was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes:
        server: the command that starts the bare server.
        rounds: how often everything is measured.
        seconds: how long a client's turn takes.
        starts: how many processes are started in a client's turn.
        short: whether to leave out what takes long.
        chosen: the clients that are measured.
        missing: why others can't be installed, by their names.
    """

    server: Sequence[str]
    rounds: int
    seconds: float
    starts: int
    short: bool
    chosen: Collection[str]
    missing: Mapping[str, str]

    def clients(self, names: Sequence[str]) -> list[str]:
        """Return those of the clients that can be measured."""
        return [name for name in names if name in self.chosen]
