"""`segmind-sd3 docs check`: what the pages say beside what the specs say."""

from __future__ import annotations

import click


@click.command()
def check() -> None:
    """Compare docs pages with the specs."""
    raise click.ClickException("Not written yet.")
