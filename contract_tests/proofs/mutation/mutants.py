"""The mutants: each is the reference server, or what it is judged by, with one thing changed.

Law: a name is stable and says what was changed, and where: `server:sd35_turbo_txt2img::steps::max+1`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from segmind_sd3_contract import oracle
from segmind_sd3_contract.reference.orders import ROLES

from proofs.mutation import contracts
from proofs.mutation.behaviours import behaviours, of_the_balance
from proofs.mutation.servers import BALANCE, Altered, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from proofs.mutation.contracts import Edit


class Bundles(NamedTuple):
    """The two documents that a suite judges by."""

    documented: Any
    observed: Any


@dataclass(frozen=True)
class Mutant:
    """One change. `operation` and `group` say where a suite most likely notices.

    `server` makes the server that is run against, `bundles` gives what it is judged by.
    """

    name: str
    operation: str
    group: str
    server: Callable[[], Served]
    bundles: Callable[[], Bundles]

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]


@cache
def packaged() -> Bundles:
    return Bundles(oracle.carried("documented"), oracle.carried("observed"))


UNCHANGED: Final = Mutant("nothing", "sd3_medium_tile", "(call)", Served, packaged)
"""Changes nothing, so that it must survive: asked for by its name, it shows that a survivor is told."""


@cache
def every() -> tuple[Mutant, ...]:
    """Give every mutant, in the order of the endpoints."""
    return (*of_the_server(), *of_behaviour(), *of_the_specs())


def of_the_server() -> Iterator[Mutant]:
    for edit in contracts.of_the_server(packaged().documented):
        yield Mutant(f"server:{edit.name}", edit.operation, edit.group, partial(_obeying, edit), packaged)


def of_behaviour() -> Iterator[Mutant]:
    endpoints = {each.operation_id: each for each in Served().operations.values()}
    for operation, endpoint in endpoints.items():
        for each in behaviours():
            if each.fits(endpoint):
                name = f"behaviour:{operation}::{each.name}"
                roles = {ROLES.get(parameter): parameter for parameter in endpoint.properties}
                group = roles.get(each.group, each.group)
                yield Mutant(name, operation, group, partial(Altered, each, operation), packaged)
    for each in of_the_balance():
        yield Mutant(
            f"behaviour:{BALANCE}::{each.name}",
            BALANCE,
            each.group,
            partial(Altered, each, BALANCE),
            packaged,
        )


def of_the_specs() -> Iterator[Mutant]:
    for edit in contracts.of_the_specs(packaged().documented):
        yield Mutant(f"spec:{edit.name}", edit.operation, edit.group, Served, partial(_judged_by, edit))


def _obeying(edit: Edit) -> Served:
    return Served(_edited(packaged().documented, edit))


def _judged_by(edit: Edit) -> Bundles:
    return Bundles(*(_edited(bundle, edit) for bundle in packaged()))


def _edited(bundle: Any, edit: Edit) -> Any:
    copy = json.loads(json.dumps(bundle))
    edit.change(copy)
    return copy


def named(patterns: Sequence[str]) -> list[Mutant]:
    """Give the mutants whose names match a pattern with `*` and `?`; all of them where there is none."""
    if not patterns:
        return list(every())
    known = (UNCHANGED, *every())
    return [mutant for mutant in known if any(fnmatchcase(mutant.name, pattern) for pattern in patterns)]


def sampled(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """Give so many mutants, spread over their kinds and endpoints, in their own order."""
    rows: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in mutants:
        rows.setdefault((mutant.kind, mutant.operation), []).append(mutant)
    chance = Random(seed)  # noqa: S311 - a sample, not a secret
    for row in rows.values():
        chance.shuffle(row)
    turns = (row[turn] for turn in range(len(mutants)) for row in rows.values() if turn < len(row))
    chosen = {mutant.name for mutant, _ in zip(turns, range(size), strict=False)}
    return [mutant for mutant in mutants if mutant.name in chosen]
