"""Pictures that are drawn: the demo's, the notebook's, the diagram, and the session of a changed page."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from io import BytesIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import PIL.Image
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
from segmind_sd3_pipeline.pages.page_writer import page_text

from proofs.docs.writing import DOCS, ROOT, write_between_marks, write_picture
from proofs.fixtures.browsing import open_browser
from proofs.generator import copy_repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN: Final = (320, 240)
MERMAID: Final = "mermaid@12.3.0"
"""Installed by npm, and used to draw only: the site carries what it draws."""


def demo() -> None:
    """Put the pictures of `make demo` side by side."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "segmind_sd3_contract.demo", "--out", folder]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - no shell
        files = sorted(file for file in Path(folder).iterdir() if file.suffix in (".jpg", ".png", ".webp"))
        sheet = PIL.Image.new("RGB", (SHOWN[0] * len(files), SHOWN[1]), "white")
        for number, file in enumerate(files):
            with PIL.Image.open(file) as picture:
                sheet.paste(picture.convert("RGB").resize(SHOWN), (SHOWN[0] * number, 0))
    content = BytesIO()
    sheet.save(content, "JPEG", quality=80)
    write_picture("demo.jpg", content.getvalue())


# -- The notebook -----------------------------------------------------------------------------------------


def notebook() -> None:
    """Execute the sweep on the reference server, and write it as a page with what its cells show."""
    server = ReferenceServer(keys=[MADE_UP_KEY])
    with server.listening() as url, TemporaryDirectory() as folder:
        copy = Path(folder, "sweep.ipynb")
        copy.write_bytes((ROOT / "examples/sweep.ipynb").read_bytes())
        variables = {"SEGMIND_BASE_URL": url, "SEGMIND_API_KEY": MADE_UP_KEY, "HOME": folder}
        command = [sys.executable, "-m", "jupyter", "execute", "--inplace", copy.name]
        subprocess.run(command, cwd=folder, env=os.environ | variables, check=True, capture_output=True)  # noqa: S603 - no shell
        cells = json.loads(copy.read_text("utf-8"))["cells"]
    (DOCS / "notebook.md").write_text("\n\n".join(_page(cells)) + "\n", "utf-8")


def _page(cells: Sequence[Any]) -> Iterator[str]:
    title, *others = cells
    yield "".join(title["source"])
    yield "The notebook is `examples/sweep.ipynb`. This page shows it as it ran on the reference server."
    for number, cell in enumerate(others):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            yield _shown(output, f"notebook-{number}")


def _shown(output: Any, name: str) -> str:
    """Return what a cell shows, as Markdown; a picture becomes a file."""
    data = output.get("data", {})
    for kind in ("png", "jpeg"):
        if content := data.get(f"image/{kind}"):
            picture = BytesIO()
            PIL.Image.open(BytesIO(base64.b64decode(content))).convert("RGB").save(
                picture, "JPEG", quality=85
            )
            write_picture(f"{name}.jpg", picture.getvalue())
            return f"![What the cell shows](pictures/{name}.jpg)"
    text = "".join(data.get("text/plain") or output.get("text", ""))
    return f"```text\n{text.strip()}\n```"


# -- The diagram ------------------------------------------------------------------------------------------


DRAW: Final = """
    const [source, theme, done] = arguments;
    const flowchart = { htmlLabels: false, wrappingWidth: 320 };
    mermaid.initialize({ startOnLoad: false, theme, htmlLabels: false, flowchart });
    mermaid.render("drawn", source).then((each) => done(each.svg), (error) => done(String(error)));
"""


def diagram() -> None:
    """Draw the parts, from ARCHITECTURE.md, and one call's way, each for a light and a dark page."""
    (parts,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)
    sources = {"parts": parts, "call": (DOCS / "pictures/call.mmd").read_text("utf-8")}
    folder = ROOT / "out/mermaid"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        MERMAID,
    ]
    subprocess.run(command, check=True, timeout=300)  # noqa: S603 - no shell
    page = folder / "page.html"
    page.write_text('<!doctype html><body><script src="node_modules/mermaid/dist/mermaid.min.js"></script>')
    with open_browser() as browser:
        for (name, source), theme in product(sources.items(), ("neutral", "dark")):
            browser.get(page.as_uri())
            drawn = browser.execute_async_script(
                DRAW,
                source,
                theme,
            )
            write_picture(f"{name}-{'dark' if theme == 'dark' else 'light'}.svg", drawn + "\n")


# -- A changed page ---------------------------------------------------------------------------------------

SLUG: Final = "stable-diffusion-3.5-turbo-txt2img"


def session() -> None:
    """Record what `make regenerate` prints for a page that lowers a bound, in a copy of the checkout."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_repository(folder)
        facts = json.loads((folder / f"openapi/facts/{SLUG}.json").read_text("utf-8"))
        page = folder / "page.txt"
        page.write_text(page_text(facts), "utf-8")
        _git(folder, "init", "--quiet")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", "The checkout as it is")
        # A page made of facts has other prose: it is recorded first, and the session shows the bound alone.
        _regenerate(folder)
        _git(folder, "commit", "--quiet", "--all", "--message", "The page as it is")
        (scale,) = (each for each in facts["attributes"] if each["name"] == "guidance_scale")
        scale["max"] = "12"
        page.write_text(page_text(facts), "utf-8")
        printed = _regenerate(folder)
    content = f"```text\n$ make regenerate PAGES=page.txt YES=1\n{printed.strip()}\n```"
    write_between_marks(DOCS / "regenerating.md", "session", content)


def _git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=someone", "-c", "user.email=someone@example.invalid")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def _regenerate(folder: Path) -> str:
    paths = [str(folder / name) for name in ("openapi", "wrapper", "generated_client", "contract_tests")]
    done = subprocess.run(
        [sys.executable, "-m", "segmind_sd3_pipeline.changes.regenerate", "page.txt", "--yes"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout.replace(f"{folder}/", "")
