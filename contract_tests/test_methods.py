"""The methods of the two clients follow the specs: the SDK's module changes there and nowhere else."""

import ast
import difflib
from dataclasses import replace
from pathlib import Path

import pytest
from documents import ContractError
from layers import read_layers
from methods import with_methods
from parameters import Endpoint, endpoints

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "wrapper" / "segmind_sd3" / "_client.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def known() -> list[Endpoint]:
    return list(endpoints(read_layers(ROOT / "openapi")))


@pytest.fixture(scope="module")
def new(known: list[Endpoint]) -> Endpoint:
    """An endpoint that no client has a method for."""
    spec = {**known[0].operation.spec, "operationId": "sd4_toy"}
    return replace(known[0], operation=replace(known[0].operation, spec=spec), model="Sd4Toy")


def changes(new: str) -> list[str]:
    """The lines that come and go, blank ones aside."""
    lines = difflib.ndiff(SOURCE.splitlines(), new.splitlines())
    return [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "+-" and line[2:].strip()]


def test_the_module_has_the_methods_of_the_specs(known: list[Endpoint]):
    assert with_methods(SOURCE, known) == SOURCE


def test_a_new_endpoint_gets_its_method_on_both_clients(known: list[Endpoint], new: Endpoint):
    assert changes(with_methods(SOURCE, [*known, new])) == [
        "+ Sd4ToyParams,",
        "+ @endpoint",
        "+ def sd4_toy(self, **params: Unpack[Sd4ToyParams]) -> Generation:",
        '+ return self._draw("sd4_toy", params)',
        "+ @endpoint",
        "+ async def sd4_toy(self, **params: Unpack[Sd4ToyParams]) -> Generation:",
        '+ return await self._draw("sd4_toy", params)',
    ]


def test_one_that_goes_takes_its_methods_along_and_comes_back_the_same(known: list[Endpoint]):
    *others, last = known
    without = with_methods(SOURCE, others)

    assert last.operation.id not in without
    assert f"{last.model}Params" not in without
    assert sorted(with_methods(without, known).splitlines()) == sorted(SOURCE.splitlines())


def test_a_method_with_another_body_is_mended(known: list[Endpoint]):
    name = known[0].operation.id
    spoilt = SOURCE.replace(f'self._draw("{name}", params)', f'self._draw("{name}", {{}})')

    assert spoilt != SOURCE
    assert with_methods(spoilt, known) == SOURCE


def test_two_changes_at_once_are_both_made(known: list[Endpoint], new: Endpoint):
    made = with_methods(SOURCE, [*known[:-1], new])
    classes = {node.name: node for node in ast.parse(made).body if isinstance(node, ast.ClassDef)}

    for name in ("Client", "AsyncClient"):
        methods = {getattr(node, "name", "") for node in classes[name].body}
        assert "sd4_toy" in methods
        assert known[-1].operation.id not in methods


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (SOURCE.replace("class AsyncClient(", "class Other("), "no class AsyncClient"),
        (SOURCE.replace("@endpoint", "@other"), "no method with @endpoint"),
        (SOURCE.replace("segmind_sd3_api.parameters", "elsewhere"), "import nothing from"),
    ],
)
def test_a_module_that_is_no_home_for_methods_stops_the_build(source: str, why: str, known: list[Endpoint]):
    with pytest.raises(ContractError, match=why):
        with_methods(source, known)
