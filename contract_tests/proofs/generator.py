"""Try another version of openapi-python-client in a temporary copy: the gate, the differences, the tests."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"(openapi-python-client==)[\w.]+")


def copy_repository(target: Path) -> None:
    """Copy tracked and untracked files, but no ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_step(title: str, command: list[str], folder: Path) -> int:
    print(f"\n== {title}", flush=True)
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 - no shell


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    version = parser.parse_args().version
    if not re.fullmatch(r"\d[\w.]*", version):
        print(f"{version!r} is not a version such as 0.29.2")
        return 2
    with TemporaryDirectory(prefix="try-generator-") as scratch:
        folder = Path(scratch)
        copy_repository(folder)
        file = folder / "pyproject.toml"
        file.write_text(PIN.sub(rf"\g<1>{version}", file.read_text(encoding="utf-8")), encoding="utf-8")
        # The second line of constraints.txt is the command that writes it.
        command = (folder / "constraints.txt").read_text(encoding="utf-8").splitlines()[1]
        _, *options = shlex.split(command.removeprefix("#"))
        lock = [str(Path(sys.executable).with_name("uv")), *options, "--quiet"]
        if run_step(f"locking openapi-python-client {version}", lock, folder) or run_step(
            "installing it", ["make", "--silent", "setup"], folder
        ):
            print(f"openapi-python-client {version} can't be installed with the other pins")
            return 1
        if run_step("generating, with the gate", ["make", "--silent", "generate"], folder):
            return 1
        diff = ["git", "diff", "--no-index", "--stat", str(ROOT / "generated_client"), "generated_client"]
        same = run_step("differences in the generated client", diff, folder) == 0
        print("nothing" if same else "")
        failed = run_step("the tests", ["make", "--silent", "test"], folder)
    outcome = ("fail" if failed else "pass", "the same" if same else "different")
    print(f"\nopenapi-python-client {version}: the tests {outcome[0]}, the output is {outcome[1]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
