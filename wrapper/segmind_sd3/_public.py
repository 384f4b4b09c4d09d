"""What makes a name of a private module a public one."""

from typing import TypeVar

T = TypeVar("T", bound=type)


def public(exported: T) -> T:
    """Mark a class that the package exports: tracebacks and pickles name the package as its module."""
    exported.__module__ = "segmind_sd3"
    return exported
