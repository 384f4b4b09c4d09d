"""What makes a name of a private module a public one."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


def public(exported: T) -> T:
    """Mark what the package exports: tracebacks and pickles name the package as its module."""
    exported.__module__ = "segmind_sd3"
    return exported
