"""The `segmind-sd3` script, and `python -m segmind_sd3`. The SDK itself does not need the command line."""

import sys


def main() -> int:
    try:
        import click  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - only to see whether it is installed
        import rich  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - as above
    except ModuleNotFoundError as missing:
        print(  # noqa: T201 - neither of the two can print it
            f"The command line needs {missing.name}: pip install 'segmind-sd3[cli]'", file=sys.stderr
        )
        return 2
    from ._cli import commands  # noqa: PLC0415 - it imports click

    return commands(prog_name="segmind-sd3")


if __name__ == "__main__":
    sys.exit(main())
