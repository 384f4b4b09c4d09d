"""The `segmind-sd3` script, and `python -m segmind_sd3`. The SDK itself does not need the command line."""

import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from ._cli_signals import SIGNALS, Interrupted


def main() -> int:
    SIGNALS.watch()
    try:
        return run()
    except Interrupted:
        return report_early(sys.argv[1:])
    finally:
        SIGNALS.ignore()
        flush()


def run() -> int:
    try:
        import click  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - only to see whether it is installed
        import rich  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - as above
    except ModuleNotFoundError as missing:
        print(  # noqa: T201 - neither of the two can print it
            f"The command line needs {missing.name}: pip install 'segmind-sd3[cli]'", file=sys.stderr
        )
        return 2
    from ._cli import commands  # noqa: PLC0415 - it imports click

    if isinstance(sys.stdout, TextIOWrapper):  # not every terminal can show every prompt
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType]
    # Raised within an import, an exception may come out as another one, and a module be half made.
    with SIGNALS.raising():
        return commands(prog_name="segmind-sd3")


def report_early(words: list[str]) -> int:
    """Report a signal that came before a command began, in the form of a command's report."""
    SIGNALS.settle()
    name = next((word.replace("-", "_") for word in words if word[:1] != "-"), None)
    result: dict[str, object] = {
        "operation": name,
        "error": "Interrupted",
        "message": SIGNALS.word,
        "billed": False,
    }
    with suppress(OSError):
        if "--json" in words:
            result |= {"status": None, "problems": [], "saved": None}
            print(json.dumps(result, indent=2))  # noqa: T201 - as above
        else:
            print(SIGNALS.word, "Not billed.", sep="\n", file=sys.stderr)  # noqa: T201
    return SIGNALS.exit_code


def flush() -> None:
    """Write out what is printed, or drop it where nobody reads it: Python would exit with 120."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
