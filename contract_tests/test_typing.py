"""What a type checker makes of the SDK: a good call passes, a bad one is an error on its line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CASES = Path(__file__).with_name("typing_cases.py")
IGNORED = re.compile(r"  # pyright: ignore\[(.*)\]")

Broken = set[tuple[int, str]]


def pyright(*arguments: str, folder: Path) -> Any:
    """Run pyright beside this interpreter, whose packages it then sees, and give its report."""
    beside = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        [beside / "pyright", "--outputjson", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def test_every_bad_call_is_an_error_on_its_line_and_no_good_one_is(tmp_path: Path):
    named: Broken = set()
    lines = CASES.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if ignored := IGNORED.search(line):
            named |= {(number, rule) for rule in ignored[1].split(", ")}
    (tmp_path / "cases.py").write_text("\n".join(IGNORED.sub("", line) for line in lines), encoding="utf-8")

    report = pyright("cases.py", folder=tmp_path)

    broken = {(each["range"]["start"]["line"], each["rule"]) for each in report["generalDiagnostics"]}
    assert broken == named
    assert named
