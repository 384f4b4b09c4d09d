"""List the mutants: each is the reference server, or the specs that the suite reads, with one change.

A name is stable and states the change and its place: `server:sd35_turbo_txt2img::steps::max+1`.
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
from proofs.mutation.behaviours import balance_behaviours, behaviours
from proofs.mutation.servers import BALANCE, FaultyServer, SuiteServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from proofs.mutation.contracts import Edit


class Bundles(NamedTuple):
    """The two documents that the suite reads."""

    documented: Any
    observed: Any


@dataclass(frozen=True)
class Mutant:
    """One change. `operation` and `group` name the cases that are most likely to kill it.

    `server` makes the target, and `bundles` the documents that the suite reads. `named_by` is the case that
    must find it, and `left_open` whether that case is open and reports it.
    """

    name: str
    operation: str
    group: str
    server: Callable[[], SuiteServer]
    bundles: Callable[[], Bundles]
    named_by: str | None = None
    left_open: bool = False

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]


@cache
def packaged() -> Bundles:
    return Bundles(oracle.carried("documented"), oracle.carried("observed"))


UNCHANGED: Final = Mutant("nothing", "sd3_medium_tile", "(call)", SuiteServer, packaged)
"""A mutant that changes nothing and must survive. A test runs it by name to see a survivor reported."""


@cache
def all_mutants() -> tuple[Mutant, ...]:
    """Return every mutant that must be killed, in the order of the endpoints."""
    noticeable = (mutant for mutant in behaviour_mutants() if not mutant.left_open)
    return (*server_mutants(), *noticeable, *spec_mutants())


def server_mutants() -> Iterator[Mutant]:
    for edit in contracts.server_edits(packaged().documented):
        yield Mutant(
            f"server:{edit.name}", edit.operation, edit.group, partial(_edited_server, edit), packaged
        )


def behaviour_mutants() -> Iterator[Mutant]:
    endpoints = {each.operation_id: each for each in SuiteServer().operations.values()}
    for operation, endpoint in endpoints.items():
        for each in behaviours():
            if each.fits(endpoint):
                name = f"behaviour:{operation}::{each.name}"
                roles = {ROLES.get(parameter): parameter for parameter in endpoint.properties}
                group = roles.get(each.group, each.group)
                server = partial(FaultyServer, each, operation)
                named_by = each.named_by and f"{operation}::{each.named_by}"
                # Without a seed, nothing shows what a changed body does: its case is open.
                left_open = each.left_open or (
                    each.body is not None and not each.balance_error and "seed" not in roles
                )
                yield Mutant(name, operation, group, server, packaged, named_by, left_open)
    for each in balance_behaviours():
        yield Mutant(
            f"behaviour:{BALANCE}::{each.name}",
            BALANCE,
            each.group,
            partial(FaultyServer, each, BALANCE),
            packaged,
        )


def spec_mutants() -> Iterator[Mutant]:
    for edit in contracts.spec_edits(packaged().documented):
        yield Mutant(
            f"spec:{edit.name}", edit.operation, edit.group, SuiteServer, partial(_edited_bundles, edit)
        )


def _edited_server(edit: Edit) -> SuiteServer:
    return SuiteServer(_edited(packaged().documented, edit))


def _edited_bundles(edit: Edit) -> Bundles:
    return Bundles(*(_edited(bundle, edit) for bundle in packaged()))


def _edited(bundle: Any, edit: Edit) -> Any:
    copy = json.loads(json.dumps(bundle))
    edit.change(copy)
    return copy


def named_mutants(patterns: Sequence[str]) -> list[Mutant]:
    """Return the mutants whose names match a pattern with `*` and `?`; all if there is no pattern."""
    if not patterns:
        return list(all_mutants())
    known = (UNCHANGED, *all_mutants())
    return [mutant for mutant in known if any(fnmatchcase(mutant.name, pattern) for pattern in patterns)]


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """Return `size` mutants, spread over kinds and endpoints, in their original order."""
    rows: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in mutants:
        rows.setdefault((mutant.kind, mutant.operation), []).append(mutant)
    random = Random(seed)  # noqa: S311 - a sample, not a secret
    for row in rows.values():
        random.shuffle(row)
    turns = (row[turn] for turn in range(len(mutants)) for row in rows.values() if turn < len(row))
    chosen = {mutant.name for mutant, _ in zip(turns, range(size), strict=False)}
    return [mutant for mutant in mutants if mutant.name in chosen]
