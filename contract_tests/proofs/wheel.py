"""Install the wheel with each extra into an environment of its own, and measure the sizes.

`python -m proofs.wheel` installs from the package index, prints the size of each extra, and runs
`test_wheel.py` in the environments. Otherwise the test links the packages installed here, without a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[2]
TEST: Final = ROOT / "contract_tests" / "house" / "test_wheel.py"
NAME: Final = "segmind-sd3"

ENVIRONMENTS: Final = {
    "bare": ("", ()),
    "cli": ("cli", ()),
    "pil": ("pil", ()),
    "contract": ("contract", ()),
    "schemathesis": ("", ("schemathesis",)),
}
"""The wheel's extra and the other packages in each environment. The last has a user's own tools."""

GIVEN: Final = "WHEEL_ENVIRONMENTS"
"""The environment variable that gives `test_wheel.py` a folder of environments."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def site(self) -> Path:
        """Return the folder of its packages."""
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    def distributions(self) -> list[Distribution]:
        return list(distributions(path=[str(self.site)]))

    def pip_install(self, *words: str | Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--quiet")
        subprocess.run([*pip, *words], check=True)  # noqa: S603 - no shell


def build(kind: str, folder: Path) -> Path:
    """Build the wheel or the source archive (`sdist`) of this checkout, and return its path."""
    command = (sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", folder)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - no shell
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def install(wheel: Path, name: str, folder: Path) -> Environment:
    """Make an environment, and install the wheel and its requirements from the package index."""
    extra, others = ENVIRONMENTS[name]
    venv.create(folder, symlinks=True)
    environment = Environment(folder)
    environment.pip_install(f"{wheel}[{extra}]" if extra else wheel, *others)
    return environment


def linked(wheel: Path, name: str, folder: Path) -> Environment:
    """Make an environment with the wheel and links to its requirements, without a network."""
    extra, others = ENVIRONMENTS[name]
    venv.create(folder, symlinks=True)
    environment = Environment(folder)
    environment.pip_install("--no-index", "--no-deps", wheel)
    (own,) = environment.distributions()
    for each in required([own, *map(distribution, others)], extra):
        link(each, environment)
    return environment


def required(roots: Iterable[Distribution], extra: str) -> list[Distribution]:
    """Return the installed requirements of distributions, transitively.

    The extra is one of this project, whose own distribution is not returned.
    """
    own, *others = roots
    waiting = [(own, extra), *((each, "") for each in roots)]
    found = {NAME: own} | {each.name: each for each in others}
    seen: set[tuple[str, str]] = set()
    while waiting:
        each, wanted_extra = waiting.pop()
        if (each.name, wanted_extra) in seen:
            continue
        seen.add((each.name, wanted_extra))
        for requirement in map(Requirement, each.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted_extra}):
                continue
            needed = own if requirement.name == NAME else distribution(requirement.name)
            if not requirement.specifier.contains(needed.version, prereleases=True):
                raise ValueError(f"{each.name} requires {requirement}, but {needed.version} is installed.")
            found.setdefault(needed.name, needed)
            waiting += [(needed, name) for name in ("", *requirement.extras)]
    return [each for each in found.values() if each is not own]


def link(package: Distribution, environment: Environment) -> None:
    """Link the files of a distribution into an environment, and write its scripts."""
    for file in package.files or ():
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and source.exists():
            place = environment.site / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(source)
    for point in package.entry_points.select(group="console_scripts"):
        script = environment.bin / point.name
        script.write_text(
            f"#!{environment.bin / 'python'}\n"
            "import sys\n"
            "from importlib.metadata import EntryPoint\n"
            f"sys.exit(EntryPoint({point.name!r}, {point.value!r}, {point.group!r}).load()())\n"
        )
        script.chmod(0o755)


def main() -> int:
    folder = Path("out", "wheel").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    console = Console()
    wheel = build("wheel", folder)
    for file in (wheel, build("sdist", folder)):
        console.print(f"{file.name}: {file.stat().st_size / 1000:,.0f} kB")
    table = Table("installed", "packages", "MB", box=None, pad_edge=False)
    for name, (extra, others) in ENVIRONMENTS.items():
        environment = install(wheel, name, folder / name)
        size = sum(file.stat().st_size for file in environment.site.rglob("*") if file.is_file())
        words = " ".join([f"{NAME}[{extra}]" if extra else NAME, *others])
        table.add_row(words, str(len(environment.distributions())), f"{size / 1e6:.1f}")
    console.print(table, markup=False)
    command = (sys.executable, "-m", "pytest", "-q", TEST)
    return subprocess.run(command, env=os.environ | {GIVEN: str(folder)}, check=False).returncode  # noqa: S603 - no shell


if __name__ == "__main__":
    sys.exit(main())
