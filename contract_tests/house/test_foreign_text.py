"""The time of every regular expression that reads foreign text grows linearly with the text.

A walk over the code finds the expressions. Each runs on texts made of its own words and signs. For four times
the text, a linear expression takes about four times as long, and a quadratic one sixteen times.
"""

import ast
import importlib
import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from segmind_sd3 import _options
from segmind_sd3_pipeline.pages import samples
from segmind_sd3_pipeline.pages.layouts import attribute_pages

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "segmind_sd3": ROOT / "wrapper",
    "segmind_sd3_contract": ROOT / "contract_tests",
    "segmind_sd3_pipeline": ROOT / "openapi",
}

# -- The walk over the code -------------------------------------------------------------------------------

USES: Final[dict[str, tuple[str, int | None]]] = {
    # The function of `re`: how it reads a text, and the position of its flags.
    "compile": ("", 1),
    "match": ("match", 2),
    "search": ("search", 2),
    "fullmatch": ("fullmatch", 2),
    "finditer": ("all", 2),
    "findall": ("all", 2),
    "split": ("all", None),
    "sub": ("all", None),
    "subn": ("all", None),
}


@dataclass(frozen=True)
class Found:
    """An expression in the code. `value` is None if it is computed from a call's arguments."""

    module: str
    source: str
    line: int
    value: str | bytes | re.Pattern[Any] | None
    flags: int
    uses: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.module}:{self.source}"


@cache
def modules() -> list[tuple[str, ast.Module]]:
    return list(_modules())


@cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package, folder in FOLDERS.items():
        for file in sorted((folder / package).rglob("*.py")):
            if file.name != "__main__.py":
                name = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
                yield name, ast.parse(file.read_text("utf-8"))


Called = defaultdict[tuple[str, str], set[str]]
"""The uses of an expression, by its module and name."""


def found_in(name: str, tree: ast.Module, called: Called) -> Iterator[Found]:
    """Yield the expressions of a module."""
    parents = {child: parent for parent in nodes_of(tree) for child in ast.iter_child_nodes(parent)}
    for node in nodes_of(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attribute)) if attribute in USES:
                use, flags_at = USES[attribute]
                uses = {use} if use else methods_of(parents[node], name, called)
                pattern, *others = node.args
                keyword = [each.value for each in node.keywords if each.arg == "flags"]
                flags = [*keyword, *(others[flags_at - 1 :] if flags_at else ())]
                yield Found(
                    name,
                    ast.unparse(pattern),
                    node.lineno,
                    valued(name, pattern),
                    valued(name, flags[0]) if flags else 0,
                    frozenset(uses),
                )
            case _:
                pass


def methods_of(parent: ast.AST, module: str, called: Called) -> set[str]:
    """Return how a compiled expression is used: directly, by its name, or in any way."""
    match parent:
        case ast.Attribute(attr=method):
            return {USES[method][0]}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return called[module, name] or {"match", "search", "fullmatch", "all"}
        case _:
            return {"match", "search", "fullmatch", "all"}


def valued(module: str, expression: ast.expr) -> Any:
    """Return the value of an expression in its module, or None if it depends on a call."""
    try:
        return eval(ast.unparse(expression), vars(importlib.import_module(module)))  # noqa: S307 - our own code
    except NameError:
        return None


def uses_in(name: str, tree: ast.Module) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield each use of a named expression, with the module that defines the name."""
    home = {
        each.asname or each.name: node.module or ""
        for node in nodes_of(tree)
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
    for node in nodes_of(tree):
        match node:
            case (
                ast.Call(
                    func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[ast.Name(id=used), *_]
                )
                | ast.Call(func=ast.Attribute(value=ast.Name(id=used), attr=method))
            ) if method in USES and used != "re":
                yield (home.get(used, name), used), USES[method][0]
            case _:
                pass


def all_found() -> list[Found]:
    called: Called = defaultdict(set)
    for name, tree in modules():
        for used, method in uses_in(name, tree):
            called[used].add(method)
    return [each for name, tree in modules() for each in found_in(name, tree, called)]


def keywords(name: str) -> list[str]:
    """Return every text that is passed as a keyword argument of this name, anywhere."""
    nodes = (node for _, tree in modules() for node in nodes_of(tree))
    return [
        ast.literal_eval(each.value) for each in nodes if isinstance(each, ast.keyword) and each.arg == name
    ]


FOUND = all_found()

# -- Expressions without foreign text -------------------------------------------------------------------

PAGES = "segmind_sd3_pipeline.pages"
EXCUSED: Final[dict[str, str]] = {
    f"{PAGES}.overlays": "reads the overlays of this project",
    f"{PAGES}.retirement": "reads the files of this project",
    f"{PAGES}.layouts.attribute_pages:{attribute_pages.HEADER.pattern!r}": (
        f"a line is cut to {attribute_pages.MAX_CREDITS_CHARS} characters before"
    ),
    "segmind_sd3_pipeline.generate.site_tables": "reads the pages of the site",
}
"""The modules, and expressions as `module:source`, that read no foreign text, with the reason."""

QUOTED = "f'{self.code[at]}(?:[^\\\\\\\\{self.code[at]}]|\\\\\\\\.)*+{self.code[at]}'"
COMPUTED: Final[dict[str, Iterable[str]]] = {
    "segmind_sd3._options:pattern": list(_options._WRONG_KEYS.values()),  # pyright: ignore[reportPrivateUsage]
    "segmind_sd3_contract.conformance.judging:about": keywords("about"),
    "segmind_sd3_contract.conformance.leaks:re.escape(each)": ["a-key-of-a-reader", r"a\-key"],
    rf"{PAGES}.line_numbers:f'\\s{{expected}}(?!\\d)'": [r"\s12(?!\d)"],
    rf"{PAGES}.samples:f'\\b{{spread[1]}}\\s{{{{0,9}}}}=\\s{{{{0,9}}}}(?=\\{{{{)'": [
        r"\bpayload\s{0,9}=\s{0,9}(?=\{)"
    ],
    f"{PAGES}.samples:mark": list(samples.LANGUAGE_MARKS.values()),
    f"{PAGES}.samples:{QUOTED}": [rf"{quote}(?:[^\\{quote}]|\\.)*+{quote}" for quote in "\"'`"],
}
"""The values of expressions that depend on a call."""


def excuse(each: Found) -> str | None:
    return EXCUSED.get(each.name) or EXCUSED.get(each.module)


def compiled() -> Iterator[tuple[str, re.Pattern[Any], str]]:
    """Yield each expression that may read foreign text, with each way in which it reads."""
    for each in FOUND:
        if excuse(each):
            continue
        values = COMPUTED.get(each.name, [] if each.value is None else [each.value])
        for at, value in enumerate(values):
            for use in sorted(each.uses):
                name = f"{each.module}:{each.line}-{use}-{at}"
                yield name, re.compile(value, each.flags), use


# -- Texts that are hard for an expression ----------------------------------------------------------------

USUAL = [" ", "\n", "\t", "1", "a", "A", "_", "-", ".", '"', "é", "<h1>", "x "]


def pieces_of(source: str) -> list[str]:
    """Return the words and signs of an expression, and samples of its classes."""
    words = re.findall(r"[A-Za-z]{2,20}|[^\w\s\\]", source)
    return list(dict.fromkeys([*words, *USUAL]))[:28]


def texts_for(source: str) -> Iterator[Callable[[int], str]]:
    """Yield texts of any length: runs of a piece, of two pieces, and of one piece after another."""

    def run(begin: str, repeated: str, end: str) -> Callable[[int], str]:
        return lambda size: begin + repeated * (size // len(repeated)) + end

    pieces = pieces_of(source)
    for piece in pieces:
        yield run("", piece, "\0")
    for one, other in itertools.permutations(pieces, 2):
        yield run("", one + other, "\0")
        yield run(one, other, "\0")


def seconds(pattern: re.Pattern[Any], use: str, text: str) -> float:
    given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    read = getattr(pattern, "finditer" if use == "all" else use)
    begun = time.process_time()
    found = read(given)
    if use == "all":
        for _ in found:
            pass
    return time.process_time() - begun


def is_linear(pattern: re.Pattern[Any], use: str, text: Callable[[int], str], size: int) -> bool:
    """Return whether four times the text takes far less than sixteen times as long.

    One of several tries is enough, since a busy machine only makes a try longer.
    """
    short, long = text(size), text(4 * size)
    return any(seconds(pattern, use, long) < MOST * max(seconds(pattern, use, short), 1e-5) for _ in range(5))


SIZES: Final = (500, 4_000, 250_000)
"""The lengths of the texts in characters. A slow expression already fails at the first."""

MOST: Final = 9.0
"""The permitted growth of the time for four times the text."""


def hardest(pattern: re.Pattern[Any], use: str) -> list[Callable[[int], str]]:
    """Return the texts on which an expression takes longest."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    texts = list(texts_for(source))
    taken = [seconds(pattern, use, text(1000)) for text in texts]
    return [texts[at] for at in sorted(range(len(texts)), key=lambda at: -taken[at])[:4]]


@pytest.mark.parametrize(
    ("pattern", "use"),
    [(pattern, use) for _, pattern, use in compiled()],
    ids=[name for name, _, _ in compiled()],
)
@pytest.mark.thorough
def test_the_time_of_an_expression_grows_linearly_with_the_text(pattern: re.Pattern[Any], use: str):
    for text in hardest(pattern, use):
        for size in SIZES:
            assert is_linear(pattern, use, text, size), repr(text(60))


# -- The walk and the measurement themselves ----------------------------------------------------------------


def test_every_expression_that_depends_on_a_call_is_in_a_table():
    unknown = [
        each for each in FOUND if each.value is None and each.name not in COMPUTED and not excuse(each)
    ]
    assert [(each.name, each.line) for each in unknown] == []


def test_every_row_of_the_tables_is_used():
    used = {name for each in FOUND for name in (each.name, each.module)}
    assert {*EXCUSED, *COMPUTED} - used == set()


def test_every_module_uses_re_by_that_name():
    for name, tree in modules():
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module="re" | "regex"):
                    pytest.fail(f"{name} imports from re: the walk looks for re.…")
                case ast.Import(names=names):
                    assert not [each for each in names if each.name in ("re", "regex") and each.asname], name
                case _:
                    pass


QUADRATIC = [
    (r"spend\w*\W+limit|limit\W+\w+\W+spend", "search"),
    (r"<(title|h1)[^>]{0,200}>(.*?)</\1\s*>", "search"),
    (r"\s+$", "search"),
    (r"a*b", "all"),
    (r"^\w*api[-_ ]?key\w*$", "match"),
]


@pytest.mark.parametrize(("source", "use"), QUADRATIC)
@pytest.mark.thorough
def test_a_quadratic_expression_is_detected(source: str, use: str):
    pattern = re.compile(source, re.DOTALL)
    assert not all(is_linear(pattern, use, text, 2000) for text in hardest(pattern, use))
