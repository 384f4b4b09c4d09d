"""Whatever Python object is passed for whatever parameter: it is drawn, or refused and nothing is sent."""

import base64
import io
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PosixPath
from typing import Any

import anyio
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmind_sd3 import AsyncClient, Client, Generation, InvalidRequest
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.needed import needed
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

# The smallest picture that there is, a GIF of one pixel.
PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

EVERY_PARAMETER = [
    (operation, name)
    for operation, known in OPERATIONS.items()
    for name in [*known.parameters, "extra", "unheard_of"]
]


def judge(where: tuple[str, str], value: object, backend: str | None = None) -> None:
    """Make a call with one doubtful value: it is drawn, or the refusal names the parameter. Nothing else."""
    server = ReferenceServer("documented", credits=1000)
    operation, name = where
    params = params_with(operation, name, value)
    refused: InvalidRequest | None = None
    try:
        assert drawn_with(server, operation, params, backend).images
    except InvalidRequest as error:
        refused = error

    assert len(server.ledger) == (0 if refused else 1)
    if refused:
        assert [each.parameter for each in refused.problems] == [name]
        assert all(each.given and each.advice for each in refused.problems)
        assert str(refused).encode()


def params_with(operation: str, name: str, value: object) -> dict[str, Any]:
    known = OPERATIONS[operation].parameters.values()
    required = {each.name: needed(each, text="x", picture=PICTURE) for each in known if each.required}
    # Beside a ratio a size would be refused, which is another claim.
    sides = [each for each in known if each.name.endswith(("width", "height")) and name != "aspect_ratio"]
    return {**required, **{each.name: each.minimum for each in sides}, name: value}


def drawn_with(
    server: ReferenceServer, operation: str, params: dict[str, Any], backend: str | None
) -> Generation:
    async def awaited() -> Generation:
        async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
            return await getattr(client, operation)(**params)

    if backend:
        return anyio.run(awaited, backend=backend)
    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        return getattr(client, operation)(**params)


# --- Odd values -------------------------------------------------------------------------------------------


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(2_000):
        nested = [nested]
    return nested


def endless() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


def released() -> memoryview:
    view = memoryview(PICTURE)
    view.release()
    return view


def closed() -> io.BytesIO:
    file = io.BytesIO(PICTURE)
    file.close()
    return file


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":
            raise RuntimeError
        return super().__getattribute__(name)


class NamelessObject(metaclass=Nameless):
    pass


class NamelessError(Exception, metaclass=Nameless):
    pass


class FailsWithoutName:
    def __index__(self) -> int:
        raise NamelessError


ODD: dict[str, Callable[[], object]] = {
    "true": lambda: True,
    "false": lambda: False,
    "zero": lambda: 0,
    "hundreds of digits": lambda: -(10**400),
    "more digits than are printed": lambda: 10**5000,
    "nan": lambda: math.nan,
    "infinity": lambda: math.inf,
    "complex": lambda: 1j,
    "signalling nan": lambda: Decimal("sNaN"),
    "beyond any float": lambda: Decimal("1e999999"),
    "no text": lambda: "",
    "nul": lambda: "a\0b",
    "lone surrogate": lambda: "\udcff",
    "long text": lambda: "x" * 100_000,
    "url without a host": lambda: "http://",
    "url of nonsense": lambda: "https://[::1",
    "url with a surrogate": lambda: "https://\ud800.example/",
    "data uri of nothing": lambda: "data:",
    "base64 of no picture": lambda: "QUJD",
    "folder": lambda: "/",
    "code in quotes": lambda: "toB64('https://example.com/a.jpg')",
    "promise": dict,
    "path": lambda: Path("nowhere"),
    "path with a nul": lambda: Path("a\0b"),
    "path with a surrogate": lambda: Path("\ud800"),
    "url as a path": lambda: Path("https://example.com/a.jpg"),
    "no bytes": lambda: b"",
    "bytes of no picture": lambda: b"%PDF-1.7",
    "released memory": released,
    "text file": lambda: io.StringIO("x"),
    "closed file": closed,
    "picture without pixels": lambda: PIL.Image.new("RGB", (0, 0)),
    "picture of floats": lambda: PIL.Image.new("F", (1, 1)),
    "generator": lambda: (each for each in "ab"),
    "deep list": deep,
    "deep extra": lambda: {"lora": deep()},
    "endless list": endless,
    "endless extra": lambda: {"lora": endless()},
    "pairs": lambda: [("lora", 1)],
    "broken pairs": lambda: [(1,)],
    "pairs once": lambda: iter([(1, "lora")]),
    "set": lambda: {1},
    "function": lambda: deep,
    "class": lambda: int,
    "metaclass": lambda: type,
    "module": lambda: math,
    "error": lambda: ValueError("x"),
    "object": object,
    "object of a class without a name": NamelessObject,
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_value_is_drawn_or_refused(odd: str):
    for where in EVERY_PARAMETER:
        judge(where, ODD[odd]())


def test_an_object_that_raises_what_has_no_name_is_refused(client: Client):
    refused = False
    # Nothing but the outcome may leave here: pytest can't report an error without a name.
    with suppress(Exception):
        try:
            client.prepare("sd35_turbo_txt2img", prompt="x", steps=FailsWithoutName())
        except InvalidRequest:
            refused = True

    assert refused


anything: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.datetimes()
    | st.uuids(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner) | st.iterables(inner) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=6,
)


@given(where=st.sampled_from(EVERY_PARAMETER), value=anything)
def test_any_value_is_drawn_or_refused(where: tuple[str, str], value: Any):
    judge(where, value)


# --- Hostile objects --------------------------------------------------------------------------------------

METHODS = (
    *("__abs__", "__bool__", "__bytes__", "__buffer__", "__class__", "__contains__", "__eq__", "__float__"),
    *("__format__", "__fspath__", "__ge__", "__getattribute__", "__getitem__", "__gt__", "__hash__"),
    *("__index__", "__int__", "__iter__", "__le__", "__len__", "__lt__", "__mod__", "__ne__", "__next__"),
    *("__repr__", "__str__", "__trunc__"),
    *(
        "encode",
        "is_file",
        "items",
        "keys",
        "lower",
        "open",
        "partition",
        "read",
        "save",
        "split",
        "startswith",
    ),
)
RAISED = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, Exception, KeyError, MemoryError, OSError),
    *(RecursionError, StopAsyncIteration, StopIteration, TimeoutError, TypeError, UnicodeError, ValueError),
)
GIVEN_BACK = (None, True, -1, 12, 10**5000, math.nan, "text", "\ud800", b"", b"bytes", str, (), ("a",))
MADE_OF: dict[type, tuple[Any, ...]] = {
    object: (),
    str: ("text",),
    int: (12,),
    float: (1.5,),
    bytes: (PICTURE,),
    list: ([("lora", 1)],),
    dict: ({"lora": 1},),
    io.BytesIO: (PICTURE,),
    PosixPath: ("nowhere",),
}


@dataclass(frozen=True)
class Recipe:
    """How to make an object of which some methods misbehave, after some calls that go well."""

    kind: type
    methods: frozenset[str]
    does: Any
    calls_that_go_well: int

    def made(self) -> object:
        well: list[float] = [math.inf]

        def misbehaving(name: str) -> Callable[..., Any]:
            def method(this: Any, *args: Any) -> Any:
                well[0] -= 1
                if well[0] >= 0 and hasattr(self.kind, name):
                    return self.kind if name == "__class__" else getattr(self.kind, name)(this, *args)
                if self.does in RAISED:
                    raise self.does
                return self.does

            return method

        members: dict[str, Any] = {name: misbehaving(name) for name in self.methods}
        if "__class__" in members:
            members["__class__"] = property(members["__class__"])
        made = type("Hostile", (self.kind,), members)(*MADE_OF[self.kind])
        well[0] = self.calls_that_go_well
        return made


recipes = st.builds(
    Recipe,
    kind=st.sampled_from(list(MADE_OF)),
    methods=st.frozensets(st.sampled_from(METHODS), min_size=1),
    does=st.sampled_from([*RAISED, *GIVEN_BACK]),
    calls_that_go_well=st.integers(0, 4),
)


# From Python 3.13 on, a file says so when its close() fails and nobody is there any more.
hostile_files_may_complain = pytest.mark.filterwarnings(
    "ignore:Exception ignored .*Hostile:pytest.PytestUnraisableExceptionWarning"
)


class LyingFloat(float):
    """A number that is smaller than any other, as it says."""

    def __lt__(self, other: float) -> bool:
        return True

    __le__ = __gt__ = __ge__ = __lt__


def test_a_number_that_lies_when_it_is_compared_is_one_problem_at_most():
    judge(("sd3_medium_txt2img", "conditioningsettimesteprange_stop"), LyingFloat(1.5))


@hostile_files_may_complain
@given(where=st.sampled_from(EVERY_PARAMETER), recipe=recipes)
@settings(max_examples=400)
def test_a_hostile_object_is_drawn_or_refused(where: tuple[str, str], recipe: Recipe):
    judge(where, recipe.made())


@hostile_files_may_complain
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(where=st.sampled_from(EVERY_PARAMETER), recipe=recipes)
def test_a_hostile_object_is_drawn_or_refused_by_the_async_client(
    backend: str, where: tuple[str, str], recipe: Recipe
):
    judge(where, recipe.made(), backend)
