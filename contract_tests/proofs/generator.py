"""Try another openapi-python-client in a temporary copy: the gate, what it changes, the tests."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"(openapi-python-client==)[\w.]+")
PINNED_IN = ("pyproject.toml", "constraints.txt")


def copied(target: Path) -> None:
    """Copy what git knows or could know, so neither the environment nor anything that was made."""
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


def step(title: str, command: list[str], folder: Path) -> int:
    print(f"\n== {title}", flush=True)
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 - no shell


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    version = parser.parse_args().version
    if not re.fullmatch(r"\d[\w.]*", version):
        print(f"{version!r} is no version; one such as 0.29.2 is needed")
        return 2
    with TemporaryDirectory(prefix="try-generator-") as scratch:
        folder = Path(scratch)
        copied(folder)
        for name in PINNED_IN:
            file = folder / name
            file.write_text(PIN.sub(rf"\g<1>{version}", file.read_text(encoding="utf-8")), encoding="utf-8")
        if step(f"installing openapi-python-client {version}", ["make", "--silent", "setup"], folder):
            print(f"openapi-python-client {version} can't be installed beside the other pins")
            return 1
        if step("generating, and the gate", ["make", "--silent", "generate"], folder):
            return 1
        diff = ["git", "diff", "--no-index", "--stat", str(ROOT / "generated_client"), "generated_client"]
        same = step("what it generates differently", diff, folder) == 0
        print("nothing" if same else "")
        failed = step("the tests", ["make", "--silent", "test"], folder)
    outcome = ("fail" if failed else "pass", "the same" if same else "different")
    print(f"\nopenapi-python-client {version}: the tests {outcome[0]}, the output is {outcome[1]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
