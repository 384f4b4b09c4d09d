"""One picture from each endpoint, drawn through the SDK by the embedded reference server.

`python -m segmind_sd3_contract.demo --out out`: no key, no network, nothing to pay.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import PIL.Image
from rich.table import Table
from segmind_sd3 import Client, SegmindError
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.needed import needed
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
from segmind_sd3_contract.terminal import Console, Failed

if TYPE_CHECKING:
    from segmind_sd3 import Generation
    from segmind_sd3_api.parameters import Operation, Parameter

PROMPT: Final = "hills under a low sun"
SIZE: Final = {"width": 768, "height": 512}


def needs_a_picture(operation: Operation) -> bool:
    return any(known.kind == "image" and known.required for known in operation.parameters.values())


def asked_of(operation: Operation, picture: Path | None) -> dict[str, Any]:
    """Return the parameters of one demonstration call: what is required, and the size where there is one."""

    def value(known: Parameter) -> object:
        if (side := side_of(known.name)) is not None:
            return SIZE[side]
        if known.required:
            return needed(known, text=PROMPT, picture=picture)
        return None

    return {name: value(known) for name, known in operation.parameters.items() if value(known) is not None}


def side_of(name: str) -> str | None:
    """Return the side of the picture that a parameter sets: `img_width` sets the width."""
    side = name.rpartition("_")[2]
    return side if side in SIZE else None


def draw(client: Client, operation: Operation, picture: Path | None, out: Path) -> tuple[Generation, Path]:
    """Draw, write the file, and open it with Pillow: whole, and of the size that was asked for and told.

    Raises ValueError where it is not.
    """
    asked = asked_of(operation, picture)
    drawn = client.send(client.prepare(operation.operation_id, **asked))
    (file,) = drawn.save(out / operation.operation_id.replace("_", "-"), overwrite=True)
    with PIL.Image.open(file) as opened:
        opened.load()
    told = {"width": drawn.image.width, "height": drawn.image.height}
    wanted = told | {side: value for name, value in asked.items() if (side := side_of(name))}
    if not opened.size == tuple(told.values()) == tuple(wanted.values()):
        raise ValueError(f"{file} is {opened.size}, the SDK tells of {told}, and asked for was {wanted}.")
    return drawn, file


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    help="The folder that the pictures go to; those of an earlier run are replaced.",
)
def demo(out: Path) -> None:
    """Draw one picture from each endpoint into a folder, by the embedded reference server."""
    console = Console(highlight=False)
    console.print("Drawn by the REFERENCE server, not by Segmind: no model, no key, no money.")
    # Narrow enough for 80 columns: only the last header may break into two lines.
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for header in ("endpoint", "file", "size", "seed", "cost"):
        table.add_column(header, no_wrap=True)
    table.add_column("credits left")
    picture: Path | None = None
    transport = ReferenceServer().transport()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Client(MADE_UP_KEY, base_url="http://localhost", transport=transport) as client:
            for operation in sorted(OPERATIONS.values(), key=needs_a_picture):
                drawn, file = draw(client, operation, picture, out)
                picture = picture or file
                size = f"{drawn.image.width}x{drawn.image.height}"
                money = f"${drawn.cost}", f"${drawn.credits_remaining}"
                table.add_row(operation.operation_id, file.name, size, str(drawn.seed), *money)
    except (OSError, ValueError, SegmindError) as error:
        raise Failed(str(error)) from error
    console.print(table)
    console.print(f"They are in {out}.", soft_wrap=True)


if __name__ == "__main__":
    demo()
