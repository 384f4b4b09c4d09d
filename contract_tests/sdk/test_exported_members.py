"""The public names: `segmind_sd3` exports each, documents it, and loads it when it is first used."""

from __future__ import annotations

import ast
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import segmind_sd3

SOURCE = Path(inspect.getfile(segmind_sd3))
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs/index.md", *ROOT.glob("docs/guides/[!m]*.md")]
NAMES = [name for name in segmind_sd3.__all__ if name != "__version__"]
HTTP = {"httpx", "httpcore", "h11", "h2", "anyio", "trio", "asyncio", "ssl", "certifi", "http"}
"""What sends. `socket` is not among it: other modules of the standard library load it."""

MODULE_OF: dict[str, str] = vars(segmind_sd3)["_MODULE_OF"]

each_name = pytest.mark.parametrize("name", NAMES)


def loaded_by(code: str) -> set[str]:
    """Run code in a new process, and return the modules that it loads, without their submodules."""
    program = f"import sys\nbefore = set(sys.modules)\n{code}\n"
    report = "print(*set(sys.modules) - before, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program + report], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


# -- One list ---------------------------------------------------------------------------------------------


def test_type_checkers_see_the_names_that_are_resolved_on_first_use():
    tree = ast.parse(SOURCE.read_text("utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(guarded.test) == "TYPE_CHECKING"

    imported = {
        (f"{node.module}", alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert imported == {(module, name) for name, module in MODULE_OF.items()}


def test_what_is_resolved_on_first_use_is_what_is_exported():
    assert sorted([*MODULE_OF, "__version__"]) == sorted(segmind_sd3.__all__)


def test_the_exported_names_are_sorted_and_each_is_there_once():
    assert segmind_sd3.__all__ == sorted(set(segmind_sd3.__all__))


def test_a_star_import_gives_every_exported_name():
    given: dict[str, object] = {}

    exec("from segmind_sd3 import *", given)  # noqa: S102 - what a user writes

    assert set(segmind_sd3.__all__) <= set(given)


def test_dir_lists_the_exported_names_and_no_other_public_one():
    listed = [name for name in dir(segmind_sd3) if not name.startswith("_")]

    assert listed == NAMES


def test_every_module_is_private():
    modules = [module.name for module in pkgutil.iter_modules(segmind_sd3.__path__)]

    assert "_client" in modules
    assert [name for name in modules if not name.startswith("_")] == []


@pytest.mark.parametrize("name", ["Cleint", "errors", "client", "_MODULES_"])
def test_a_wrong_name_is_an_attribute_error_that_names_it(name: str):
    with pytest.raises(AttributeError, match=f"'segmind_sd3' has no attribute '{name}'"):
        getattr(segmind_sd3, name)


# -- Each name --------------------------------------------------------------------------------------------


@each_name
def test_a_name_is_a_class_or_a_function_of_the_package(name: str):
    exported = getattr(segmind_sd3, name)

    assert isinstance(exported, type) == name[0].isupper()
    assert (exported.__module__, exported.__qualname__) == ("segmind_sd3", name)


@each_name
def test_the_same_object_is_given_each_time(name: str):
    assert getattr(segmind_sd3, name) is getattr(segmind_sd3, name)


@each_name
def test_it_is_pickled_by_its_public_name(name: str):
    exported = getattr(segmind_sd3, name)

    pickled = pickle.dumps(exported)

    assert b"segmind_sd3._" not in pickled
    assert pickle.loads(pickled) is exported  # noqa: S301 - our own bytes


@each_name
def test_it_is_documented(name: str):
    exported: Any = getattr(segmind_sd3, name)

    # A dataclass without a docstring has its signature for one.
    assert not (exported.__doc__ or f"{name}(").startswith(f"{name}(")


CLASSES = [name for name in NAMES if isinstance(getattr(segmind_sd3, name), type)]
ERRORS = [name for name in CLASSES if issubclass(getattr(segmind_sd3, name), Exception)]


def test_errors_that_were_pickled_are_read_where_nothing_of_the_sdk_was_used_yet():
    pickled = pickle.dumps([getattr(segmind_sd3, name)("no picture") for name in ERRORS])

    loaded = loaded_by(f"""
import pickle
errors = pickle.loads({pickled!r})
assert [(type(error).__name__, str(error)) for error in errors] == [(name, "no picture") for name in {ERRORS}]
""")

    assert b"segmind_sd3._" not in pickled
    assert "segmind_sd3" in loaded


def test_every_error_is_exported():
    def below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    own = {kind for kind in below(segmind_sd3.SegmindError) if kind.__module__.startswith("segmind_sd3")}

    assert own == {getattr(segmind_sd3, name) for name in ERRORS}


def test_every_name_that_the_pages_show_is_exported():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    lines = re.findall(r"^ *from segmind_sd3 import (.+)$", text, re.MULTILINE)
    imported = {name for line in lines for name in line.split(", ")}
    # In running text: classes and calls, such as `AsyncClient` and `Retry(unknown=True)`.
    named = set(re.findall(r"`([A-Z]\w*[a-z]\w*)(?:\([^`]*\))?`", text))
    others = {"Date", "False", "None", "TimeoutError", "True"}
    others |= {"AnswersEveryOperation", "MoneyAddsUp"}  # checks of schemathesis

    assert {"Client", "Retry", "UnusableReply"} <= imported | named
    assert imported | named - others <= set(segmind_sd3.__all__)


# -- What is loaded when ----------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_that_sends():
    loaded = loaded_by("import segmind_sd3")

    assert "segmind_sd3" in loaded
    assert loaded & (HTTP | {"segmind_sd3_api", "json", "socket", "logging", "dataclasses"}) == set()


def test_naming_anything_but_a_client_loads_nothing_that_sends():
    others = ", ".join(name for name in NAMES if name not in ("Client", "AsyncClient"))

    assert loaded_by(f"from segmind_sd3 import {others}") & HTTP == set()


def test_naming_a_client_loads_what_sends():
    """Or the two tests above would see nothing, whatever was loaded."""
    assert {"httpx", "anyio", "ssl"} <= loaded_by("from segmind_sd3 import Client")


@pytest.mark.parametrize("words", [["--help"], ["sd35-turbo-txt2img", "--help"], ["--version"]], ids=" ".join)
def test_the_help_of_the_command_line_loads_nothing_that_sends(words: list[str]):
    code = f"""
from contextlib import suppress
from segmind_sd3.__main__ import main
sys.argv = ["segmind-sd3", *{words}]
with suppress(SystemExit):
    main()
"""
    loaded = loaded_by(code)

    assert "click" in loaded
    assert loaded & {"httpx", "httpcore", "h11", "anyio"} == set()


def test_no_module_of_the_package_is_reached_by_a_public_name():
    """Whoever imports it all finds no module beside the names."""
    for name in NAMES:
        getattr(segmind_sd3, name)

    assert [
        name
        for name, value in vars(segmind_sd3).items()
        if isinstance(value, ModuleType) and not name.startswith("_")
    ] == []
