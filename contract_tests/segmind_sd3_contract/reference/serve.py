"""`segmind-sd3 serve`: the reference server on a port, until Ctrl-C."""

from __future__ import annotations

from contextlib import suppress

import click

from segmind_sd3_contract.reference.asgi import SocketServer, bound, url_of
from segmind_sd3_contract.reference.contract import PROFILES, Profile
from segmind_sd3_contract.reference.examples import MADE_UP_KEY
from segmind_sd3_contract.reference.server import ReferenceServer
from segmind_sd3_contract.terminal import Console


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 is any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="observed",
    show_default=True,
    help="Bounds and required fields as on the pages, or as the live service is known to treat them.",
)
@click.option(
    "--credits",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Credits to begin with, in USD.",
)
@click.option(
    "--provoke",
    "provocations",
    multiple=True,
    metavar="NAME",
    help="Let every call go wrong in this way; several take turns. GET /reference lists the names.",
)
@click.option(
    "--strict-required",
    is_flag=True,
    help="Refuse a call without what its page requires, though such calls were reported to be drawn.",
)
@click.option("--rate-limit", type=click.IntRange(min=1), metavar="N", help="Calls a minute.")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Let in this key alone; may be repeated.")
def serve(  # noqa: PLR0917  one for each option
    port: int,
    host: str,
    profile: Profile,
    credits: float,  # noqa: A002  the option's name
    provocations: tuple[str, ...],
    strict_required: bool,  # noqa: FBT001  click's own way
    rate_limit: int | None,
    keys: tuple[str, ...],
) -> None:
    """Serve the five endpoints from here, with drawn pictures and made-up credits. Nothing is paid for."""
    try:
        server = ReferenceServer(
            profile, credits, keys=keys or None, rate_limit=rate_limit, strict_required=strict_required
        )
        for name in provocations:
            server.provoke(name, times=None)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        listener = bound(host, port)
    except OSError as error:
        raise click.ClickException(f"Can't listen on {host}, port {port}: {error.strerror}.") from None
    url = url_of(listener)
    key = MADE_UP_KEY if not keys else "<one of the keys that you gave>"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"REFERENCE server of segmind-sd3, profile {profile}: not live, draws nothing real.")
    console.print(
        f"It listens on {url} with {credits:g} made-up credits. {url}/reference says more. Ctrl-C ends it."
    )
    console.print("To try it, in another terminal:\n")
    console.print(f"  export SEGMIND_BASE_URL={url}")
    console.print(f"  export SEGMIND_API_KEY={key}\n")
    with suppress(KeyboardInterrupt):
        SocketServer(server).run(sockets=[listener])
