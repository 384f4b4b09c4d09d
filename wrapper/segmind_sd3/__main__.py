"""The `segmind-sd3` script, and `python -m segmind_sd3`. The SDK does without the command line."""

import sys


def main() -> int:
    try:
        import click  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - asked for, not used
        import rich  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - as above
    except ModuleNotFoundError as missing:
        print(  # noqa: T201 - the one output that needs neither of the two
            f"The command line needs {missing.name}: pip install 'segmind-sd3[cli]'", file=sys.stderr
        )
        return 2
    from ._cli import commands  # noqa: PLC0415 - it imports click

    return commands(prog_name="segmind-sd3")


if __name__ == "__main__":
    sys.exit(main())
