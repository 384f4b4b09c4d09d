"""Write the documentation of a parameter from its facts."""

from __future__ import annotations

from segmind_sd3_pipeline.generate.parameters import NO_DEFAULT, Parameter, Random

IMAGE_INPUTS = (
    "Given as a path, bytes, an open file, a Pillow picture, an array of pixels, a picture that a call drew, "
    "or a text: `data:` URI, http(s) URL, base64 or path. A whole PNG, JPEG, GIF or WebP is sent byte for "
    "byte, its metadata included; one with a side above 2048 pixels too, with a warning. "
    "A Pillow picture is turned as its EXIF data says and sent as a PNG without that data: of 16 bits the "
    "upper 8, other colours as RGB, transparency as it is (the service is known to make it RGB); modes I "
    "and F, which do not say what is white, are refused. An array is of uint8, uint16 (the upper 8 bits) or "
    "bool, height x width, or height x width x 3 (RGB, not OpenCV's BGR) or 4."
)


# The text for a parameter of which only the type is known.
KINDS: dict[str, str] = {
    "integer": "A whole number.",
    "number": "A number.",
    "string": "A text.",
    "boolean": "True or false.",
    "image": "A picture.",
}


def overview(parameter: Parameter) -> str:
    """Return the meaning and the range, for a list of parameters."""
    return _joined(_sentence(parameter.sentence), _range(parameter)) or KINDS[parameter.kind]


def paragraph(parameter: Parameter) -> str:
    """Return the meaning, range, default, known values, and whether the price depends on it."""
    text = _joined(
        _sentence(parameter.sentence),
        _range(parameter),
        _sdk_range(parameter),
        _default(parameter),
        _sentence(parameter.note),
        _known_values(parameter),
        "Affects the price." if parameter.affects_pricing else "",
        IMAGE_INPUTS if parameter.kind == "image" else "",
    )
    return text or KINDS[parameter.kind]


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?" else f"{text}."


def _range(parameter: Parameter) -> str:
    match parameter.minimum, parameter.maximum:
        case None, None:
            limits = ""
        case low, None:
            limits = f"{low} or more"
        case None, high:
            limits = f"{high} or less"
        case low, high:
            limits = f"{low} to {high}"
    if parameter.multiple_of is None:
        return _sentence(limits)
    return (
        f"{limits}, multiples of {parameter.multiple_of}."
        if limits
        else f"Multiples of {parameter.multiple_of}."
    )


def _sdk_range(parameter: Parameter) -> str:
    if parameter.maximum is not None or parameter.sdk_maximum is None:
        return ""
    return f"1 to {parameter.sdk_maximum} here; `extra` sends more."


def _default(parameter: Parameter) -> str:
    page, sent = parameter.documented_default, parameter.sdk_default
    if page is NO_DEFAULT:
        said = "The page names no default"
    elif parameter.default_may_be_none:
        said = "The page prints 1, which may stand for no default"
    else:
        said = f"The page says {_shown(page)}{parameter.flaw(page)}"
    if parameter.hidden:
        return f"{said}; the SDK sets it."
    if sent is not NO_DEFAULT and sent != page:
        return f"{said}; {_shown(sent)} is sent."
    if page is NO_DEFAULT:
        return ""
    if parameter.required:
        return f"{said}; here it is required."
    if parameter.default_may_be_none or (parameter.default_is_none and not parameter.note):
        return f"{said}; nothing is sent unless it is given."
    return f"{said}." if parameter.default_is_unsendable else f"Default {_shown(page)}."


def _known_values(parameter: Parameter) -> str:
    listed = ", ".join(_shown(value) for value in parameter.known_values)
    if parameter.closed:
        return f"One of {listed}."
    return listed and f"Known values: {listed}; any other is sent as it is."


def _shown(value: object) -> str:
    match value:
        case "":
            return "an empty text"
        case str():
            return f"`{value}`"
        case Random():
            return f"a number from {value.low} to {value.high}, drawn anew for each call,"
        case _:
            return str(value)
