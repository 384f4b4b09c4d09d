"""What a required parameter is given where nothing but a call that is let through is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmind_sd3_api.parameters import Parameter


def needed(known: Parameter, *, text: str, picture: Any) -> Any:
    """Return a value that the parameter may have, of whichever kind it is."""
    match known.kind:
        case "image":
            return picture
        case "string":
            return text
        case "boolean":
            return True
        case "integer" | "number":
            bounds = (bound for bound in (known.minimum, known.maximum) if bound is not None)
            return next(bounds, known.multiple_of or 1)
