"""`segmind-sd3 docs sync`: the specs are made to say what the pages say."""

from __future__ import annotations

import click


@click.command()
def sync() -> None:
    """Edit the specs so that they agree with the pages."""
    raise click.ClickException("Not written yet.")
