"""The checkout of the project that a command reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

in_checkout: Final = click.option(
    "--root",
    default=".",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="The checkout: the current folder unless told.",
)
"""Decorates a command that takes it as `root`."""
