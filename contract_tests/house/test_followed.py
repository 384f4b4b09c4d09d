"""The README, followed to the letter by somebody who has Python and a clone: twice, in one folder.

Each command and each block of code runs in its order, in an environment that has what its extra brings.
Where a key is needed, a reference server takes the place of the live API. Nothing else is reached: pip
installs without an index, and finds what an extra requires where it is linked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from proofs.wheel import NAME, ROOT, Environment, link, required
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

BLOCKS: Final = re.findall(r"```(sh|python)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)

ELSEWHERE: Final = {"make test": "It runs this test."}
"""The commands that are not followed here, and why."""


@dataclass(frozen=True)
class Step:
    """A command of the README, or a block of its code, and what came of it.

    Attributes:
        extra: what it needs: the name of an extra, or "".
        command: as the README has it.
        code: its exit code.
        output: all that it printed.
        drawn: how many calls it paid for that draw pictures.
    """

    extra: str
    command: str
    code: int
    output: str
    drawn: int


@dataclass
class Reader:
    """Somebody who follows the README in a folder of their own."""

    folder: Path
    clone: Path
    server: ReferenceServer
    url: str
    environments: dict[str, Environment]
    tools: Environment
    steps: list[Step] = field(default_factory=list[Step])

    def follow(self) -> None:
        for kind, code in BLOCKS:
            needs, *lines = code.splitlines()
            match re.fullmatch(r"# (?:extra: (\w+)|(in a clone))", needs):
                case None:
                    self._install([needs, *lines])
                case re.Match() as found if found[2]:
                    self._run_commands("", lines, self.clone)
                case found if kind == "sh":
                    self._run_commands(found[1], lines, self.folder)
                case found:
                    self._run_code(found[1], code)

    def _install(self, lines: list[str]) -> None:
        """Install as the README shows, each time into the environment of the extra that is named."""
        for line in lines:
            extra = re.search(r"\[(\w+)\]", line)
            more = {"PYTHONPATH": str(self.tools.site)}  # what builds the project: pip would fetch it
            self._run(extra[1] if extra else "none", line, self.clone, more)

    def _run_commands(self, extra: str, lines: list[str], folder: Path) -> None:
        """Run commands one after the other, each in a shell that knows the variables that were set."""
        variables: list[str] = []
        for line in lines:
            if re.match(r"export |\w+=", line):
                variables.append(line)
            elif not line.startswith(tuple(ELSEWHERE)):
                self._run(extra or "none", "\n".join([*variables, line]), folder)

    def _run_code(self, extra: str, code: str) -> None:
        (self.folder / "program.py").write_text(code)
        self._run(extra, "python program.py", self.folder)

    def _run(self, extra: str, command: str, folder: Path, more: dict[str, str] | None = None) -> None:
        env = {
            "PATH": f"{self.environments[extra].bin}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SEGMIND_BASE_URL": self.url,
            "SEGMIND_API_KEY": MADE_UP_KEY,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
        before = max((entry.n for entry in self.server.ledger), default=0)
        done = subprocess.run(
            ["sh", "-euc", command.replace("git+https://…", f"git+file://{self.clone}")],
            cwd=folder,
            env=env | (more or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        drew = (
            entry.status == 200 and entry.operation is not None and entry.n > before
            for entry in self.server.ledger
        )
        self.steps.append(Step(extra, command, done.returncode, done.stdout, sum(drew)))


@dataclass(frozen=True)
class Followed:
    """What came of following the README twice."""

    folder: Path
    steps: tuple[list[Step], list[Step]]
    files: tuple[dict[Path, str], dict[Path, str]]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder, places = tmp_path_factory.mktemp("reader"), tmp_path_factory.mktemp("places")
    server = ReferenceServer(credits=1000, keys=[MADE_UP_KEY])
    environments = {extra: empty(places / extra, extra) for extra in ("none", "cli")}
    tools = empty(places / "tools", "", "hatchling")
    with server.listening() as url:
        reader = Reader(folder, clone(places / "clone"), server, url, environments, tools)
        reader.follow()
        first, files = reader.steps, digests(folder)
        reader.steps = []
        reader.follow()
        yield Followed(folder, (first, reader.steps), (files, digests(folder)))


def empty(folder: Path, extra: str, *others: str) -> Environment:
    """Make an environment with pip, and links to what an extra requires, where this project is not yet."""
    venv.create(folder, symlinks=True)
    environment = Environment(folder)
    for each in required([distribution(NAME), *map(distribution, (*others, "pip"))], extra):
        link(each, environment)
    return environment


def clone(folder: Path) -> Path:
    """Make a clone of this checkout as it stands, after `make setup`."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for words in ("init", "add .", "-c user.name=A -c user.email=a@b.invalid commit -m All"):
        subprocess.run(["git", *words.split()], cwd=folder, check=True, capture_output=True)
    (folder / ".venv").mkdir()
    for each in Path(sys.prefix).iterdir():
        if each.name != "ready":
            (folder / ".venv" / each.name).symlink_to(each)
    (folder / ".venv" / "ready").touch()
    return folder


def digests(folder: Path) -> dict[Path, str]:
    """Return the digest of each file that a reader would miss."""
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (
        path for path in files if not re.search(r"/(\.|__pycache__)", str(path.relative_to(folder.parent)))
    )
    return {path.relative_to(folder): sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.parametrize("time", [0, 1], ids=["first time", "second time"])
def test_each_command_and_each_block_of_code_succeeds(followed: Followed, time: int):
    assert {step.command: step.output for step in followed.steps[time] if step.code} == {}


def test_each_command_is_followed_or_is_known_to_be_followed_elsewhere(followed: Followed):
    commands = [
        line
        for kind, code in BLOCKS
        if kind == "sh"
        for line in code.splitlines()
        if not re.match(r"#|export |\w+=", line)
    ]
    done = "\n".join(step.command for step in followed.steps[0]).splitlines()

    left = [line for line in commands if line not in done]

    assert [line for line in left if not line.startswith(tuple(ELSEWHERE))] == []
    assert [name for name in ELSEWHERE if not any(line.startswith(name) for line in left)] == []


def test_the_second_time_changes_no_file_of_the_first(followed: Followed):
    first, second = followed.files

    assert first.items() <= second.items()
    assert len(second) > len(first)


def test_each_picture_that_was_paid_for_is_on_disk(followed: Followed):
    paid = sum(step.drawn for steps in followed.steps for step in steps if step.extra in ("none", "cli"))

    assert paid == len(list(followed.folder.glob("panda*.jpg"))) == 4


def test_the_demo_draws_five_pictures(followed: Followed):
    (step,) = (step for step in followed.steps[1] if step.command.startswith("make demo"))

    assert len(re.findall(r"\.(?:jpg|jpeg|png|webp)\b", step.output)) == 5
