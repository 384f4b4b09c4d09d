"""The wheel outside of a checkout: each part works with its extra, and without it a sentence names the extra.

Each environment has what its extra requires and nothing else (`proofs.wheel`).
"""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from proofs.wheel import ENVIRONMENTS, GIVEN, NAME, ROOT, Environment, build, linked
from segmind_sd3_contract import NEEDED
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

pytestmark = pytest.mark.slow

SDK = ("wrapper/segmind_sd3", "generated_client/segmind_sd3_api")
CONTRACT = "contract_tests/segmind_sd3_contract"
README = ROOT / "README.md"
TESTING = ROOT / "docs/guides/testing.md"
CONFORMANCE = ROOT / "docs/conformance.md"
PANDA = (
    "segmind-sd3",
    "sd35-turbo-txt2img",
    "--prompt=a panda",
    "--width=64",
    "--height=64",
    "--out=panda.jpg",
)

Start = Callable[..., subprocess.Popen[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Works = Callable[..., str]
Variables = dict[str, str]
Serve = Callable[..., AbstractContextManager[Variables]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def environments(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    if given := os.environ.get(GIVEN):
        return {name: Environment(Path(given, name)) for name in ENVIRONMENTS}
    folder = tmp_path_factory.mktemp("environments")
    return {name: linked(wheel, name, folder / name) for name in ENVIRONMENTS}


@pytest.fixture
def start(environments: dict[str, Environment], tmp_path: Path) -> Start:
    """Start a program of an environment in a folder of its own, where no variable of this process is set."""

    def start(environment: str, *words: str, **variables: str) -> subprocess.Popen[str]:
        path = f"{environments[environment].bin}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "100", **variables}
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, text=True)

    return start


@pytest.fixture
def run(start: Start) -> Run:
    """Run such a program to its end."""

    def run(environment: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with start(environment, *words, **variables) as process:
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return run


@pytest.fixture
def works(run: Run) -> Works:
    """Run such a program, which must succeed, and return what it prints."""

    def works(environment: str, *words: str, **variables: str) -> str:
        ran = run(environment, *words, **variables)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return works


@pytest.fixture
def target() -> Iterator[Variables]:
    """The variables that name a reference server, which runs in the process of the test and takes one key."""
    with ReferenceServer(keys=[MADE_UP_KEY]).listening() as url:
        yield {"SEGMIND_BASE_URL": url, "SEGMIND_API_KEY": MADE_UP_KEY}


@pytest.fixture
def serve(start: Start) -> Serve:
    """Run `segmind-sd3 serve`, and give the variables that it prints."""

    @contextmanager
    def serve(*options: str) -> Generator[Variables]:
        with start("contract", "segmind-sd3", "serve", "--port", "0", *options) as server:
            assert server.stdout
            variables: Variables = {}
            while len(variables) < 2 and (line := server.stdout.readline()):
                variables |= dict(re.findall(r"export (\w+)=(\S+)", line))
            try:
                yield variables
            finally:
                server.terminate()
                server.communicate(timeout=60)

    return serve


def block(page: Path, section: str, mark: str = "") -> str:
    """Return the block of code in a section of a page that the mark stands in."""
    text = page.read_text("utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    (found,) = (code for code in re.findall(r"```\w+[^\n]*\n(.*?)```", text, re.DOTALL) if mark in code)
    return found


# -- What is in the wheel, and what it requires -----------------------------------------------------------


def test_the_wheel_holds_the_files_of_three_packages_and_nothing_else(wheel: Path):
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", *SDK, CONTRACT)
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    ours = {file.partition("/")[2] for file in listed if (ROOT / file).exists()}

    files = {file for file in zipfile.ZipFile(wheel).namelist() if not re.match(r"[^/]+\.dist-info/", file)}

    assert files == ours


def test_the_sdk_imports_what_it_requires_with_its_extras_and_nothing_else(
    environments: dict[str, Environment],
):
    assert imported(*SDK) == required(environments, "", "cli", "pil", "batch", "parquet") - {NAME}


@pytest.mark.thorough
def test_the_contract_package_imports_what_its_extra_requires_and_nothing_that_is_not_required(
    environments: dict[str, Environment],
):
    own = required(environments, "contract") - {NAME}

    assert own <= imported(CONTRACT) <= own | required(environments, "", "cli", "pil")


@pytest.mark.thorough
def test_the_contract_package_looks_for_what_its_extra_requires(environments: dict[str, Environment]):
    assert set(map(project, NEEDED)) == required(environments, "cli", "pil", "contract") - {NAME}


def test_the_extra_contract_includes_the_others(environments: dict[str, Environment]):
    names = {each.name for each in environments["contract"].distributions()}

    for environment in ("bare", "cli", "pil"):
        assert {each.name for each in environments[environment].distributions()} <= names


def test_a_bare_install_is_at_most_nine_packages(environments: dict[str, Environment]):
    assert len(environments["bare"].distributions()) <= 9


def required(environments: dict[str, Environment], *extras: str) -> set[str]:
    """Return the projects that the wheel requires with these extras; "" is what it always requires."""
    (own,) = (each for each in environments["bare"].distributions() if each.name == NAME)
    return {
        canonicalize_name(each.name)
        for each in map(Requirement, own.requires or ())
        for extra in extras
        if (each.marker.evaluate({"extra": extra}) if each.marker else not extra)
    }


def imported(*packages: str) -> set[str]:
    """Return the projects of others whose modules are imported in packages."""
    modules: set[str] = set()
    for file in (file for package in packages for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Import(names=names):
                    modules |= {each.name.partition(".")[0] for each in names}
                case ast.ImportFrom(module=str(name), level=0):
                    modules.add(name.partition(".")[0])
                case _:
                    pass
    others = {name for name in modules - sys.stdlib_module_names if not name.startswith("segmind_sd3")}
    return set(map(project, others))


def project(module: str) -> str:
    return canonicalize_name(packages_distributions()[module][0])


# -- What works with which extra --------------------------------------------------------------------------


def test_nothing_of_the_checkout_is_reached(works: Works, environments: dict[str, Environment]):
    where = works("bare", "python", "-c", "import segmind_sd3; print(segmind_sd3.__file__)")

    printed = where + works("bare", "python", "-m", "site")

    assert str(environments["bare"].site) in printed
    assert str(ROOT) not in printed.replace(str(environments["bare"].folder), "")


def test_bare_the_six_lines_of_the_readme_draw(works: Works, target: Variables, tmp_path: Path):
    works("bare", "python", "-c", block(README, "Six lines", "import"), **target)

    assert (tmp_path / "panda.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_bare_the_async_client_draws(works: Works, target: Variables):
    script = (
        "import asyncio\n"
        "from segmind_sd3 import AsyncClient\n"
        "async def draw():\n"
        "    async with AsyncClient() as client:\n"
        "        drawn = await client.sd35_turbo_txt2img(prompt='a panda', width=64, height=64)\n"
        "        print(drawn.image.width)\n"
        "asyncio.run(draw())\n"
    )
    assert works("bare", "python", "-c", script, **target) == "64\n"


def test_cli_the_command_line_draws(works: Works, target: Variables, tmp_path: Path):
    assert works("cli", *PANDA, **target).startswith("panda.jpg  64x64")
    assert (tmp_path / "panda.jpg").exists()


def test_cli_the_command_line_shows_the_balance(works: Works, target: Variables):
    assert works("cli", "python", "-m", "segmind_sd3", "credits", **target).startswith("$10.0 left")


def test_pil_a_picture_of_pillow_is_taken_and_given(works: Works, target: Variables):
    script = (
        "from PIL import Image\n"
        "from segmind_sd3 import Client\n"
        "with Client() as client:\n"
        "    picture = Image.new('RGB', (64, 64))\n"
        "    drawn = client.sd3_medium_img2img(prompt='in pixel style', image=picture)\n"
        "    print(type(drawn.image.to_pil()).__module__)\n"
    )
    assert works("pil", "python", "-c", script, **target).startswith("PIL.")


def test_contract_local_draws(works: Works):
    assert works("contract", *PANDA, "--local").startswith("panda.jpg  64x64")


def test_contract_serve_answers_a_call(works: Works, serve: Serve):
    with serve() as target:
        assert works("contract", *PANDA, **target).startswith("panda.jpg  64x64")


def test_contract_conformance_finds_nothing_broken_on_a_reference_server(works: Works, target: Variables):
    options = ("--target", target["SEGMIND_BASE_URL"], "--tier", "smoke", "--yes", "--json")

    found = json.loads(works("contract", "segmind-sd3", "conformance", *options, **target))

    assert found["verdicts"]["held"] > 0
    assert found["broken"] == []


def test_contract_cassettes_are_recorded_and_judged(works: Works):
    works("contract", "segmind-sd3", "cassettes", "record", "--only", "sd35_turbo_txt2img::plain")

    assert "1 sound, 0 known deviations, 0 broken" in works("contract", "segmind-sd3", "cassettes")


def test_contract_the_demo_draws_from_each_endpoint(works: Works, tmp_path: Path):
    works("contract", "python", "-m", "segmind_sd3_contract.demo")

    assert len(list((tmp_path / "out").iterdir())) == 5


def test_contract_the_pytest_plugin_works_as_its_guide_shows(works: Works, tmp_path: Path):
    (tmp_path / "conftest.py").write_text(block(TESTING, "Fixtures for pytest", "pytest_plugins"))
    tests = block(TESTING, "Fixtures for pytest", "def test_")
    (tmp_path / "test_poster.py").write_text(tests)

    assert f"{tests.count('def test_')} passed" in works("contract", "pytest")


@pytest.mark.thorough
def test_contract_schemathesis_runs_with_our_hooks_as_its_page_shows(works: Works, serve: Serve):
    commands = block(CONFORMANCE, "With schemathesis", "schemathesis run")

    with serve("--credits", "1000") as target:
        printed = works("contract", "sh", "-ec", commands, **target)

    assert "No issues found" in printed


def test_contract_our_hooks_make_schemathesis_fail_where_the_contract_is_broken(run: Run, serve: Serve):
    commands = block(CONFORMANCE, "With schemathesis", "schemathesis run")

    with serve("--credits", "1000", "--provoke", "garbage") as target:
        ran = run("contract", "sh", "-ec", commands.rstrip() + " --phases=examples", **target)

    assert ran.returncode == 1
    assert "expected a whole picture" in ran.stdout


# -- What is said where an extra is lacking ---------------------------------------------------------------

TO_PIL = "from segmind_sd3 import Image; Image(b'', 'image/png', 1, 1).to_pil()"


@pytest.mark.parametrize(
    ("environment", "words", "extra"),
    [
        ("bare", ("segmind-sd3", "--help"), "cli"),
        ("bare", ("segmind-sd3", "serve"), "cli"),
        ("pil", ("python", "-m", "segmind_sd3", "credits"), "cli"),
        ("cli", ("segmind-sd3", "serve"), "contract"),
        ("cli", ("segmind-sd3", "conformance"), "contract"),
        ("cli", ("segmind-sd3", "cassettes", "list"), "contract"),
        ("cli", (*PANDA, "--local"), "contract"),
        ("cli", ("segmind-sd3", "credits", "--local"), "contract"),
        ("bare", ("python", "-m", "segmind_sd3_contract.demo"), "contract"),
        ("bare", ("python", "-m", "segmind_sd3_contract.cassettes"), "contract"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_without_its_extra_says_in_one_line_what_to_install(
    run: Run, environment: str, words: tuple[str, ...], extra: str
):
    ran = run(environment, *words)

    assert ran.returncode in {1, 2}
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert f"pip install 'segmind-sd3[{extra}]'" in ran.stderr
    assert "No module named" not in ran.stderr


@pytest.mark.parametrize(
    ("environment", "words", "extra"),
    [
        ("bare", ("python", "-c", "import segmind_sd3_contract.reference"), "contract"),
        ("bare", ("python", "-c", "from segmind_sd3_contract import oracle"), "contract"),
        ("bare", ("python", "-c", TO_PIL), "pil"),
        ("schemathesis", ("pytest", "-p", "segmind_sd3_contract.pytest_plugin"), "contract"),
        ("schemathesis", ("schemathesis", "run", "spec.json"), "contract"),
    ],
    ids=["server", "oracle", "to_pil", "pytest plugin", "hooks of schemathesis"],
)
def test_a_module_without_its_extra_says_in_its_error_what_to_install(
    run: Run, environment: str, words: tuple[str, ...], extra: str
):
    ran = run(environment, *words, SCHEMATHESIS_HOOKS="segmind_sd3_contract.schemathesis_hooks")

    (line,) = (line for line in (ran.stderr + ran.stdout).splitlines() if "ImportError: " in line)
    assert ran.returncode != 0
    assert line.endswith(f": pip install 'segmind-sd3[{extra}]'")


# -- Commands of a checkout -------------------------------------------------------------------------------


def test_the_help_of_a_wheel_does_not_offer_the_commands_of_a_checkout(works: Works):
    offered = re.findall(r"^  ([\w-]+)  ", works("contract", "segmind-sd3", "--help"), re.MULTILINE)

    assert {"serve", "conformance", "cassettes"} <= set(offered)
    assert not {"docs", "diff"} & set(offered)


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["docs", "diff"])
@pytest.mark.parametrize("environment", ["cli", "contract"])
def test_a_command_of_a_checkout_says_in_one_line_that_it_needs_one(run: Run, environment: str, command: str):
    ran = run(environment, "segmind-sd3", command, "--help")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(
        f"Error: {command} works on a checkout of segmind-sd3, .* run `make setup` in it, .*\n", ran.stderr
    )
