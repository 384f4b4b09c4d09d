"""The checkout of the project that a command reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click


def require_checkout(root: Path) -> Path:
    """Return the folder if it is a checkout of the project.

    Raises:
        click.UsageError: It is not.
    """
    if not (root / "openapi" / "observed.overlay.yaml").is_file():
        raise click.UsageError(
            f"{root.resolve()} is no checkout of segmind-sd3: it has no openapi/observed.overlay.yaml. "
            "Change to a checkout, or name one with --root."
        )
    return root


def _checkout(_context: object, _option: object, root: Path) -> Path:
    return require_checkout(root)


in_checkout: Final = click.option(
    "--root",
    default=".",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    callback=_checkout,
    metavar="FOLDER",
    help="The checkout to work on; by default the current folder.",
)
"""The option `--root`, for every command that works on a checkout."""
