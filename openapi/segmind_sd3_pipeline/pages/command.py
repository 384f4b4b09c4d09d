"""The command group `segmind-sd3 docs`."""

from __future__ import annotations

import click

from segmind_sd3_pipeline.pages.check_command import check
from segmind_sd3_pipeline.pages.retire_command import retire
from segmind_sd3_pipeline.pages.sync_command import sync


@click.group()
def docs() -> None:
    """Keep the contract in agreement with the vendor's docs pages.

    A page is a text file: the whole page, copied from the browser. The commands work on a checkout of the
    project.
    """


docs.add_command(check)
docs.add_command(sync)
docs.add_command(retire)
