"""Generate the SDK's endpoint methods, with explicit parameters, annotations and docstrings."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from segmind_sd3_pipeline.generate.render import render
from segmind_sd3_pipeline.spec.documents import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmind_sd3_pipeline.generate.parameters import Endpoint

FORMAT = ("ruff", "format", "--isolated", "--no-cache", "--target-version=py311", "--line-length=110", "-")


def endpoint_methods(endpoints: Iterable[Endpoint]) -> str:
    """Return the module that holds one method for each endpoint, sync and async.

    Raises:
        ContractError: The template renders no valid Python.
    """
    source = render("endpoints.py.jinja", endpoints)
    command = [sys.executable, "-m", *FORMAT]
    run = subprocess.run(command, input=source, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise ContractError(f"The endpoint methods are no valid Python: {run.stderr.strip()}")
    return run.stdout
