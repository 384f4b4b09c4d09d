"""Prove that the page of a new model becomes a tested client: `python -m proofs.pages.models_to_client`.

Each invented model has parameters of other kinds, and its page is written in one of the layouts that are
read. In a clone, the command behind `make regenerate` makes a client of it and runs its tests. Nothing is
edited by hand, the new method then accepts the page's own sample, and the reference server keeps the new
contract.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.conformance.bodies import picture
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.new_spec import operation_id_of
from segmind_sd3_pipeline.pages.page_writer import LAYOUTS

from proofs.pages.fact_mutants import in_layout
from proofs.pages.layouts import OPENAPI
from proofs.pages.page_to_client import COMMAND, PASSED, clone_to, run_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

MAX_SECONDS: Final = 15.0

Attribute = dict[str, Any]


def parameter(name: str, kind: str, **facts: Any) -> Attribute:
    return {"name": name, "type": kind, "description": f"What {name} means.", **facts}


PROMPT: Final = parameter("prompt", "str", required=True)
SEED: Final = parameter("seed", "int", default="-1", min="-1", max="999999999999999")


@dataclass(frozen=True)
class Model:
    """An invented model: its parameters, and the page's sample of them."""

    slug: str
    attributes: tuple[Attribute, ...]
    sample: Mapping[str, Any]


MODELS: Final = (
    Model("heron-sketch", (PROMPT, SEED), {"prompt": "a heron", "seed": 7}),
    Model(
        "lynx-poster",
        (
            PROMPT,
            parameter("samples", "int", default="4", min="1", max="8"),
            parameter("base64", "boolean", default="false"),
        ),
        {"prompt": "a lynx", "samples": 4, "base64": False},
    ),
    Model(
        "moth-tiles",
        (
            PROMPT,
            parameter("tile_size", "enum:int", default="512", allowed_values=["256", "512", "1024"]),
            SEED,
        ),
        {"prompt": "a moth", "tile_size": 512, "seed": 1},
    ),
    Model(
        "ibex-repaint",
        (
            parameter("image", "str", required=True),
            PROMPT,
            parameter("strength", "float", default="0.6", min="0", max="1"),
            parameter("steps", "int", default="20", min="1", max="50"),
        ),
        {"image": "https://example.org/ibex.png", "prompt": "an ibex", "strength": 0.6, "steps": 20},
    ),
    Model(
        "wren-inpaint",
        (
            parameter("image", "str", required=True),
            parameter("mask", "str", required=True),
            PROMPT,
            parameter("invert_mask", "boolean", default="false"),
        ),
        {
            "image": "https://example.org/wren.png",
            "mask": "https://example.org/mask.png",
            "prompt": "a wren",
            "invert_mask": False,
        },
    ),
    Model(
        "carp-styles",
        (
            PROMPT,
            parameter("style", "enum:str", default="ink", allowed_values=["ink", "oil", "pencil"]),
            parameter("quality", "int", default="90", min="10", max="100"),
            parameter("hires", "boolean", default="true"),
        ),
        {"prompt": "a carp", "style": "ink", "quality": 90, "hires": True},
    ),
    Model(
        "stork-none",
        (
            PROMPT,
            parameter("negative_prompt", "str", default="None"),
            parameter("guidance", "float", default="None", min="0", max="20"),
        ),
        {"prompt": "a stork", "negative_prompt": "blurry", "guidance": 4.5},
    ),
    Model(
        "vole-sizes",
        (
            PROMPT,
            parameter("width", "int", default="1024", min="512", max="1536"),
            parameter("height", "int", default="1024", min="512", max="1536"),
            parameter("scheduler", "enum:str", default="euler", allowed_values=["euler", "ddim"]),
        ),
        {"prompt": "a vole", "width": 768, "height": 512, "scheduler": "euler"},
    ),
)


def facts_of(model: Model, like: Facts) -> Facts:
    """Return the facts of a model's page. What is not the model's own is that of a recorded page."""
    return {
        **like,
        "slug": model.slug,
        "url": f"https://api.segmind.com/v1/{model.slug}",
        "attributes": [dict(each) for each in model.attributes],
        "sample": {**like["sample"], "values": dict(model.sample)},
    }


def try_model(model: Model, layout: str, like: Facts) -> tuple[float, int, str]:
    """Return the seconds, the tests that passed, and what went wrong."""
    with TemporaryDirectory() as scratch:
        clone, page = Path(scratch, "clone"), Path(scratch, "page.txt")
        clone_to(clone)
        page.write_text(LAYOUTS[layout](in_layout(facts_of(model, like), layout)), "utf-8")
        began = time.monotonic()
        done = run_in(clone, *COMMAND, str(page), "--yes")
        seconds = time.monotonic() - began
        operation_id = operation_id_of(model.slug)
        sample = {name: value for name, value in model.sample.items() if name not in ("image", "mask")}
        images = [name for name in ("image", "mask") if name in model.sample]
        tried = run_in(
            clone,
            "-c",
            "import json, sys\nfrom segmind_sd3 import AsyncClient, Client\n"
            "name, values = json.loads(sys.argv[1])\n"
            "print(Client('SG_0123456789abcdef').prepare(name, **values).body)\n"
            "assert callable(getattr(Client, name)) and callable(getattr(AsyncClient, name))",
            json.dumps([operation_id, {**sample, **dict.fromkeys(images, picture())}]),
        )
        kept = run_in(clone, "-m", "segmind_sd3", "conformance", "--only", f"{operation_id}::*")
    passed = PASSED.search(done.stdout)
    problem = next((each.stdout + each.stderr for each in (done, tried, kept) if each.returncode), "")
    return seconds, int(passed[1]) if passed else 0, problem


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make a tested client of the page of each invented model.")
    parser.add_argument("--all", action="store_true", help="each model in each layout")
    parser.add_argument("only", nargs="*", metavar="LAYOUT", help=f"of: {', '.join(LAYOUTS)}")
    options = parser.parse_args(arguments)
    (like,) = (each for each in all_recorded_facts(OPENAPI) if each["slug"] == "sd3-med-tile")
    layouts = options.only or list(LAYOUTS)
    if options.all:
        pairs = [(model, layout) for layout in layouts for model in MODELS]
    else:
        pairs = list(zip(MODELS, cycle(layouts), strict=False))
        pairs += list(zip(cycle(MODELS), layouts[len(MODELS) :], strict=False))
    failed = 0
    for model, layout in pairs:
        seconds, passed, problem = try_model(model, layout, like)
        mark = "FAILED" if problem or not passed else "slow" if seconds > MAX_SECONDS else "passed"
        failed += mark == "FAILED"
        print(f"{layout:<10} {model.slug:<14} {mark:<7} {seconds:5.1f} s {passed:4} tests", flush=True)
        if problem:
            print(problem[-3000:], flush=True)
    print(f"{len(pairs) - failed} of {len(pairs)} pages became a tested client", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
