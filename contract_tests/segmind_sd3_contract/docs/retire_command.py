"""`segmind-sd3 docs retire`: an endpoint that goes is taken out everywhere."""

from __future__ import annotations

import click


@click.command()
def retire() -> None:
    """Take an endpoint out of the project."""
    raise click.ClickException("Not written yet.")
