"""List the faults that spoil a request before an otherwise correct server draws it.

A parameter is ignored, capped or rounded; a text is cut or loses characters; an unusual but valid value fails
the server; calls at the same time get each other's pictures. Every reply is a valid one, so only the relation
between two calls, or the size of a picture, shows most of them.

The list is older than the cases that find its faults, and each fault names its case;
`python -m proofs.mutation.named` runs that case alone. Beside faults that were reported, the classes come
from the categories of Web Fuzzing Commons (arXiv 2509.01612), of which a 500 for a valid request is the
first, and from what property-based testing of web APIs breaks services with (arXiv 2112.10328): texts outside
ASCII, large numbers, empty and odd values.
"""

from __future__ import annotations

import base64
import re
import threading
import unicodedata
from dataclasses import replace
from decimal import Decimal
from functools import partial
from io import BytesIO
from struct import pack, unpack
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from proofs.mutation.servers import Behaviour, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer, Operation

    from proofs.mutation.servers import Call, FaultyServer

    Body = dict[str, Any]
    Change = Callable[[Any], Any]

WORDS: Final = "It broke"


def request_behaviours() -> Iterator[Behaviour]:
    """List all faults of this kind."""
    yield from ignored_parameters()
    yield from spoiled_numbers()
    yield from spoiled_sizes()
    yield from spoiled_qualities()
    yield from spoiled_prompts()
    yield from crashing_prompts()
    yield from spoiled_seeds()
    yield from crashing_inputs()
    yield from spoiled_inputs()
    yield from parallel_calls()
    yield from refused_framings()


# -- Making a fault of a table's row ----------------------------------------------------------------------


def _parameter(operation: Operation, names: tuple[str, ...]) -> str | None:
    """Return the first of several names that an endpoint has a parameter of."""
    return next((name for name in names if name in operation.properties), None)


def _changed(
    name: str, names: tuple[str, ...], place: str, change: Change, *, told: bool = False
) -> Behaviour:
    """Return the fault that changes one parameter wherever it is given."""

    def body(_: FaultyServer, sent: Body) -> Body:
        return {key: change(value) if key in names else value for key, value in sent.items()}

    return Behaviour(
        name,
        names[0],
        body=body,
        named_by=place,
        told=told,
        fits=lambda operation: _parameter(operation, names) is not None,
    )


def _crashing(name: str, parameter: str, place: str, applies: Callable[[Any], bool]) -> Behaviour:
    """Return the fault that answers a valid call with a 500, where a parameter's value is of some kind."""

    def reply(call: Call) -> Answer:
        failed = call.answer.status == 200 and parameter in call.body and applies(call.body[parameter])
        return refusal(call.answer, 500, WORDS) if failed else call.answer

    return Behaviour(name, parameter, reply, named_by=f"{parameter}::{place}", fits=partial(_has, parameter))


# -- Parameters that do nothing ---------------------------------------------------------------------------

REACTING: Final = (
    "negative_prompt",
    "steps",
    "num_inference_steps",
    "guidance_scale",
    "sampler",
    "scheduler",
    "strength",
    "denoise",
    "modelsamplingsd3_shift",
    "conditioningsettimesteprange_start",
    "conditioningsettimesteprange_stop",
)
"""The parameters that a model reacts to, beside the prompt, the seed, the size and the input picture."""

SHARES: Final = ("strength", "conditioningsettimesteprange_start", "conditioningsettimesteprange_stop")

NUMBERS: Final = tuple(name for name in REACTING if name not in ("negative_prompt", "sampler", "scheduler"))


def ignored_parameters() -> Iterator[Behaviour]:
    for name in REACTING:
        yield Behaviour(
            f"{name}-ignored",
            name,
            body=partial(_ignored, name),
            named_by=f"{name}::effect",
            told=name == "denoise",
            fits=partial(_has, name),
        )


def _has(name: str, operation: Operation) -> bool:
    return name in operation.properties


def _ignored(name: str, server: FaultyServer, sent: Body) -> Body:
    assert server.operation  # noqa: S101 - the balance has no body
    if name not in server.operation.required:
        return {key: value for key, value in sent.items() if key != name}
    (always, *_) = server.operation.properties[name]["examples"]
    return {**sent, name: always}


# -- Numbers ----------------------------------------------------------------------------------------------


def spoiled_numbers() -> Iterator[Behaviour]:
    for name in NUMBERS:
        for fault, (place, change) in _NUMBERS.items():
            yield Behaviour(
                f"{name}-{fault}",
                name,
                body=partial(_of_range, name, change),
                named_by=f"{name}::{place}",
                # The page leaves open what `denoise` does, and whether a share is rounded to a step.
                told=name == "denoise" or (place == "fine" and name in SHARES),
                # Nine steps in ten parts are the steps.
                fits=partial(_has, name if (name, place) != ("modelsamplingsd3_shift", "fine") else ""),
            )
    for name in ("steps", "num_inference_steps"):
        for most in (20, 50):
            yield _changed(f"{name}-at-most-{most}", (name,), f"{name}::effect", partial(min, most))
        yield _changed(f"{name}-rounded-to-5", (name,), f"{name}::fine", _in_fives)
    yield Behaviour(
        "strength-0-is-unset",
        "strength",
        body=lambda _, sent: {key: value for key, value in sent.items() if (key, value) != ("strength", 0)},
        named_by="strength::effect",
        fits=partial(_has, "strength"),
    )


def _in_fives(value: int) -> int:
    return max(10, value // 5 * 5)


def _of_range(
    name: str, change: Callable[[float, float, float], float], server: FaultyServer, sent: Body
) -> Body:
    """Change a number within its bounds; without bounds, within those of a share."""
    assert server.operation  # noqa: S101 - the balance has no body
    if name not in sent:
        return sent
    schema = server.operation.properties[name]
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    value = max(low, min(change(sent[name], low, high), high))
    return {**sent, name: round(value) if schema["type"] == "integer" else value}


_NUMBERS: Final[Mapping[str, tuple[str, Callable[[float, float, float], float]]]] = {
    "pinned-to-minimum": ("effect", lambda _, low, __: low),
    "pinned-to-maximum": ("effect", lambda _, __, high: high),
    "capped-at-its-middle": ("effect", lambda value, low, high: min(value, (low + high) / 2)),
    "raised-to-its-middle": ("effect", lambda value, low, high: max(value, (low + high) / 2)),
    "low-or-high": ("effect", lambda value, low, high: low if value < (low + high) / 2 else high),
    "in-tenths-of-its-range": (
        "fine",
        lambda value, low, high: low + round((value - low) / (high - low) * 10) * (high - low) / 10,
    ),
}
"""By name, the case that must find it, and the change of value, minimum and maximum."""


# -- Sizes and qualities ----------------------------------------------------------------------------------

WIDTHS: Final = ("width", "img_width")
HEIGHTS: Final = ("height", "img_height")


def spoiled_sizes() -> Iterator[Behaviour]:
    for called, names in (("width", WIDTHS), ("height", HEIGHTS)):
        for fault, change in _SIDES.items():
            yield Behaviour(
                f"{called}-{fault}",
                names[0],
                body=partial(_side_changed, names, change),
                named_by=f"*{called}::inside:*",
                fits=lambda operation, names=names: _parameter(operation, names) is not None,
            )
    for fault, change in _BOTH_SIDES.items():
        yield Behaviour(
            f"sides-{fault}",
            WIDTHS[0],
            body=partial(_sides_changed, change),
            named_by="*width::inside:both",
            fits=lambda operation: _parameter(operation, WIDTHS) is not None,
        )


def _bounded(operation: Operation, name: str, value: float) -> int:
    schema = operation.properties[name]
    multiple = schema.get("multipleOf", 1)
    return round(max(schema["minimum"], min(value, schema["maximum"])) / multiple) * multiple


def _side_changed(names: tuple[str, ...], change: Change, server: FaultyServer, sent: Body) -> Body:
    """Change a side between its bounds: at the bounds themselves the fault does not show."""
    assert server.operation  # noqa: S101 - the balance has no body
    name = _parameter(server.operation, names)
    if name is None or name not in sent:
        return sent
    schema = server.operation.properties[name]
    if not schema["minimum"] < sent[name] < schema["maximum"]:
        return sent
    return {**sent, name: _bounded(server.operation, name, change(sent[name]))}


def _sides_changed(
    change: Callable[[int, int], tuple[float, float]], server: FaultyServer, sent: Body
) -> Body:
    assert server.operation  # noqa: S101 - the balance has no body
    width, height = _parameter(server.operation, WIDTHS), _parameter(server.operation, HEIGHTS)
    if width not in sent or height not in sent or not width or not height:
        return sent
    if sent[width] == server.operation.properties[width]["minimum"] or sent[height] == sent[width]:
        return sent
    wide, high = change(sent[width], sent[height])
    new = {width: _bounded(server.operation, width, wide), height: _bounded(server.operation, height, high)}
    return {**sent, **new}


_SIDES: Final[Mapping[str, Change]] = {
    "rounded-to-64": lambda side: round(side / 64) * 64,
    "rounded-down-to-64": lambda side: side // 64 * 64,
    "rounded-up-to-64": lambda side: -(-side // 64) * 64,
    "rounded-to-16": lambda side: round(side / 16) * 16,
    "rounded-to-32": lambda side: round(side / 32) * 32,
    "at-most-1024-inside": lambda side: min(side, 1024),
    "at-most-1536-inside": lambda side: min(side, 1536),
    "1024-inside": lambda _: 1024,
}
_BOTH_SIDES: Final[Mapping[str, Callable[[int, int], tuple[float, float]]]] = {
    "swapped-inside": lambda width, height: (height, width),
    "square-inside": lambda width, _: (width, width),
    "of-the-larger": lambda width, height: (max(width, height), max(width, height)),
    "halved-inside": lambda width, height: (width / 2, height / 2),
}


def spoiled_qualities() -> Iterator[Behaviour]:
    for fault, change in _QUALITIES.items():
        yield _changed(f"quality-{fault}", ("image_quality",), "image_quality::is:*", change)


_QUALITIES: Final[Mapping[str, Change]] = {
    "rounded-to-10": lambda value: max(10, round(value / 10) * 10),
    "at-least-50": partial(max, 50),
    "at-most-90": partial(min, 90),
    "low-middle-high": lambda value: 10 if value < 40 else 60 if value < 90 else 100,
}


# -- Prompts ----------------------------------------------------------------------------------------------


def spoiled_prompts() -> Iterator[Behaviour]:
    for fault, (place, change) in _PROMPTS.items():
        yield _changed(f"prompt-{fault}", ("prompt",), f"prompt::{place}", change)
    for fault, (place, change) in _PROMPTS_TOLD.items():
        yield _changed(f"prompt-{fault}", ("prompt",), f"prompt::{place}", change, told=True)


_PROMPTS: Final[Mapping[str, tuple[str, Change]]] = {
    "cut-at-20": ("end:200", lambda text: text[:20]),
    "cut-at-60": ("end:200", lambda text: text[:60]),
    "cut-at-77": ("end:200", lambda text: text[:77]),
    "cut-at-199": ("end:200", lambda text: text[:199]),
    "cut-to-10-words": ("end:200", lambda text: " ".join(text.split()[:10])),
    "without-its-first-half-if-long": (
        "start:200",
        lambda text: text[len(text) // 2 :] if len(text) > 150 else text,
    ),
    "without-what-is-not-ascii": ("script:*", lambda text: text.encode("ascii", "ignore").decode()),
    "with-question-marks-for-what-is-not-ascii": (
        "script:*",
        lambda text: text.encode("ascii", "replace").decode(),
    ),
    "with-question-marks-for-what-is-not-latin-1": (
        "script:*",
        lambda text: text.encode("latin-1", "replace").decode("latin-1"),
    ),
    "without-emoji": ("text:emoji", lambda text: "".join(c for c in text if ord(c) < 0x10000)),
    "without-combining-marks": (
        "text:combining",
        lambda text: "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)),
    ),
    "of-its-first-line": ("text:newline", lambda text: text.split("\n")[0]),
    "cut-at-a-quote": ("text:quotes", lambda text: re.split("[\"'`]", text)[0] or "a"),
    "without-tags": ("text:html", lambda text: re.sub("<[^>]*>", "", text)),
    "cut-at-a-semicolon": ("text:sql", lambda text: text.split(";")[0]),
}
"""By name, the case that must find it, and the change."""

_PROMPTS_TOLD: Final[Mapping[str, tuple[str, Change]]] = {
    "cut-at-500": ("end:2000", lambda text: text[:500]),
    "cut-at-1500": ("end:2000", lambda text: text[:1500]),
    "cut-at-10000": ("end:20000", lambda text: text[:10_000]),
    "in-lower-case": ("text:case", lambda text: text.lower()),
    "composed": ("text:composed", lambda text: unicodedata.normalize("NFC", text)),
    "without-outer-spaces": ("text:spaces", lambda text: text.strip()),
}
"""Changes that no page rules out: the suite must report them as open."""


def crashing_prompts() -> Iterator[Behaviour]:
    for fault, (place, applies) in _CRASHING.items():
        yield _crashing(f"prompt-{fault}-500", "prompt", place, applies)


def _in_block(first: int, last: int) -> Callable[[str], bool]:
    return lambda text: any(first <= ord(each) <= last for each in text)


def _longer_than(length: int) -> Callable[[str], bool]:
    return lambda text: len(text) > length


_CRASHING: Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    "not-ascii": ("script:*", lambda text: not text.isascii()),
    "han": ("script:han", _in_block(0x4E00, 0x9FFF)),
    "cyrillic": ("script:cyrillic", _in_block(0x400, 0x4FF)),
    "arabic": ("script:arabic", _in_block(0x600, 0x6FF)),
    "hebrew": ("script:hebrew", _in_block(0x590, 0x5FF)),
    "devanagari": ("script:devanagari", _in_block(0x900, 0x97F)),
    "thai": ("script:thai", _in_block(0xE00, 0xE7F)),
    "greek": ("script:greek", _in_block(0x370, 0x3FF)),
    "hangul": ("script:hangul", _in_block(0xAC00, 0xD7A3)),
    "emoji": ("text:emoji", _in_block(0x10000, 0x10FFFF)),
    "joined-emoji": ("text:emoji", lambda text: "\u200d" in text),
    "combining": ("text:combining", lambda text: any(map(unicodedata.combining, text))),
    "right-to-left": ("text:rtl", lambda text: any(unicodedata.bidirectional(c) == "R" for c in text)),
    "newline": ("text:newline", lambda text: "\n" in text),
    "quotes": ("text:quotes", lambda text: '"' in text),
    "sql": ("text:sql", lambda text: "DROP TABLE" in text),
    "html": ("text:html", lambda text: "<script" in text),
    "nul": ("text:nul", lambda text: "\0" in text),
    "template": ("text:template", lambda text: "{{" in text),
    "percent": ("text:percent", lambda text: "%s" in text),
    "digits": ("text:digits", str.isdigit),
    "one-character": ("length:1", lambda text: len(text) == 1),
    "longer-than-190": ("length:200", _longer_than(190)),
    "longer-than-200": ("length:2000", _longer_than(200)),
    "longer-than-1000": ("length:2000", _longer_than(1000)),
    "longer-than-10000": ("length:20000", _longer_than(10_000)),
}
"""By name, the case that must find it, and the prompts that fail the server."""


# -- Seeds ------------------------------------------------------------------------------------------------


def spoiled_seeds() -> Iterator[Behaviour]:
    for fault, (place, change) in _SEEDS.items():
        yield _changed(f"seed-{fault}", ("seed",), f"seed::{place}", change)
    as_float = _changed("seed-as-float64", ("seed",), "seed::bits:53", _as_float, told=True)
    yield replace(as_float, fits=partial(_allows, 1 << 53))
    yield Behaviour(
        "seed-0-is-unset",
        "seed",
        body=lambda server, sent: {**sent, "seed": next(server.numbers)} if sent.get("seed") == 0 else sent,
        named_by="seed::zero",
        fits=partial(_has, "seed"),
    )
    for bits in (31, 32, 53):
        at_bit = _crashing(
            f"seed-of-{bits + 1}-bits-500", "seed", f"bits:{bits}", partial(int.__le__, 1 << bits)
        )
        # A page that sets a maximum below it has no such seed.
        yield replace(at_bit, fits=partial(_allows, 1 << bits))
    yield replace(
        _crashing("seed-maximum-500", "seed", "maximum", partial(int.__le__, 999_999_999_999_998)),
        fits=_bounds_seeds,
    )


def _bounds_seeds(operation: Operation) -> bool:
    return "maximum" in operation.properties.get("seed", {})


def _as_float(seed: int) -> int:
    return int(unpack("d", pack("d", seed))[0])


def _allows(seed: int, operation: Operation) -> bool:
    return "seed" in operation.properties and operation.properties["seed"].get("maximum", seed) >= seed


_SEEDS: Final[Mapping[str, tuple[str, Change]]] = {
    "31-bits": ("bits:31", lambda seed: seed % 2**31),
    "32-bits": ("bits:32", lambda seed: seed % 2**32),
    "at-most-2^31-1": ("bits:31", partial(min, 2**31 - 1)),
    "at-most-2^32-1": ("bits:32", partial(min, 2**32 - 1)),
    "even": ("another", lambda seed: seed // 2 * 2),
}


# -- Input pictures ---------------------------------------------------------------------------------------


def crashing_inputs() -> Iterator[Behaviour]:
    for fault, (place, applies) in _INPUTS.items():
        yield _crashing(f"image-{fault}-500", "image", place, _of_file(applies))


def _of_file(applies: Callable[[Image.Image, bytes], bool]) -> Callable[[Any], bool]:
    def check(text: Any) -> bool:
        try:
            data = base64.b64decode(text)
            with Image.open(BytesIO(data)) as image:
                return applies(image, data)
        except (ValueError, OSError, TypeError):
            return False

    return check


ORIENTATION: Final = 0x0112
_INPUTS: Final[Mapping[str, tuple[str, Callable[[Image.Image, bytes], bool]]]] = {
    "jpeg": ("file:jpeg", lambda image, _: image.format == "JPEG"),
    "progressive-jpeg": ("file:jpeg-progressive", lambda image, _: "progressive" in image.info),
    "gif": ("file:gif", lambda image, _: image.format == "GIF"),
    "webp": ("file:webp", lambda image, _: image.format == "WEBP"),
    "alpha": ("file:png-RGBA", lambda image, _: image.mode == "RGBA"),
    "grey": ("file:png-L", lambda image, _: image.mode == "L"),
    "grey-alpha": ("file:png-LA", lambda image, _: image.mode == "LA"),
    "palette": ("file:png-P", lambda image, _: image.mode == "P" and image.format == "PNG"),
    "black-and-white": ("file:png-1", lambda image, _: image.mode == "1"),
    "16-bit": ("file:png-I;16", lambda image, _: image.mode.startswith("I")),
    "cmyk": ("file:jpeg-CMYK", lambda image, _: image.mode == "CMYK"),
    "animated-gif": ("file:gif-animated", lambda image, _: getattr(image, "n_frames", 1) > 1),
    "exif": ("file:jpeg-turned", lambda image, _: ORIENTATION in image.getexif()),
    "1x1": ("size:1x1", lambda image, _: image.size == (1, 1)),
    "odd-sides": ("size:65x33", lambda image, _: image.width % 2 == 1 and image.width > 1),
    "wide": ("size:2048x2048", lambda image, _: image.width > 2000),
    "megapixels": ("size:2048x2048", lambda image, _: image.width * image.height > 4_000_000),
}
"""By name, the case that must find it, and the input pictures that fail the server."""


def spoiled_inputs() -> Iterator[Behaviour]:
    for fault, (place, change) in _SPOILED_INPUTS.items():
        yield _changed(f"image-{fault}", ("image",), f"image::{place}", _redrawn(change))
    yield _changed(
        "image-exif-ignored",
        ("image",),
        "image::file:jpeg-turned",
        _redrawn(lambda image: image.convert("RGB")),
        told=True,
    )


def _redrawn(change: Callable[[Image.Image], Image.Image]) -> Change:
    def redraw(text: Any) -> Any:
        try:
            with Image.open(BytesIO(base64.b64decode(text))) as image:
                file = BytesIO()
                change(image).save(file, "PNG")
        except (ValueError, OSError, TypeError):
            return text
        return base64.b64encode(file.getvalue()).decode()

    return redraw


def _blank(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size)


def _left_half(image: Image.Image) -> Image.Image:
    half = image.convert("RGB").crop((0, 0, max(1, image.width // 2), image.height))
    return half.resize(image.size)  # pyright: ignore[reportUnknownMemberType] - its types name numpy


def _thumbnail(image: Image.Image) -> Image.Image:
    tiny = image.convert("RGB").resize((2, 2))  # pyright: ignore[reportUnknownMemberType] - as above
    return tiny.resize(image.size)  # pyright: ignore[reportUnknownMemberType] - as above


_SPOILED_INPUTS: Final[Mapping[str, tuple[str, Callable[[Image.Image], Image.Image]]]] = {
    "blank": ("another", _blank),
    "left-half-alone": ("corner", _left_half),
    "grey": ("colour", lambda image: image.convert("L")),
    "two-pixels-wide": ("corner", _thumbnail),
}


# -- Calls at the same time -------------------------------------------------------------------------------

AT_ONCE: Final = "(parallel)"
OVERLAP: Final = 0.1
"""Seconds that a call waits for another one."""


class Meeting:
    """Tells a call whether another one came while it was here."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrived: list[Body] = []
        self.met: set[int] = set()

    def next_after(self, sent: Body) -> Body | None:
        """Return the body of the next call to arrive; None where none does soon."""
        with self._changed:
            self._arrived.append(sent)
            mine = len(self._arrived)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: len(self._arrived) > mine, OVERLAP):
                return None
            self.met.add(threading.get_ident())
            return self._arrived[mine]


def _meeting(server: FaultyServer) -> Meeting:
    return server.memory.setdefault("meeting", Meeting())


def parallel_calls() -> Iterator[Behaviour]:
    for fault, body in (("draw-each-other", _of_the_next), ("share-a-seed", _with_the_seed_of_the_next)):
        yield Behaviour(
            f"parallel-calls-{fault}", AT_ONCE, body=body, named_by=f"{AT_ONCE}::eight", fits=_seeded
        )
    yield Behaviour(
        "parallel-calls-500", AT_ONCE, _fails_in_company, body=_unchanged, named_by=f"{AT_ONCE}::eight"
    )
    for fault, amount in (("billed-twice", Decimal("-0.05")), ("billed-too-little", Decimal("0.001"))):
        yield Behaviour(
            f"parallel-calls-{fault}",
            AT_ONCE,
            body=_unchanged,
            balance_error=partial(_in_company, amount),
            named_by="(account)::x-cost=fall",
        )


def _seeded(operation: Operation) -> bool:
    return "seed" in operation.properties


def _of_the_next(server: FaultyServer, sent: Body) -> Body:
    return _meeting(server).next_after(sent) or sent


def _with_the_seed_of_the_next(server: FaultyServer, sent: Body) -> Body:
    other = _meeting(server).next_after(sent)
    return {**sent, "seed": sent["seed"] + 1} if other and "seed" in sent else sent


def _unchanged(server: FaultyServer, sent: Body) -> Body:
    _meeting(server).next_after(sent)
    return sent


def _in_company(amount: Decimal, call: Call) -> Decimal:
    met = _meeting(call.server).met
    here = threading.get_ident()
    if here not in met:
        return Decimal(0)
    met.discard(here)
    return amount


def _fails_in_company(call: Call) -> Answer:
    met = threading.get_ident() in _meeting(call.server).met
    return refusal(call.answer, 500, WORDS) if met else call.answer


# -- How a request is sent --------------------------------------------------------------------------------

BODY: Final = "(body)"


def refused_framings() -> Iterator[Behaviour]:
    for place, status, header, value in (
        ("chunked", 411, "transfer-encoding", "chunked"),
        ("gzip", 415, "content-encoding", "gzip"),
        ("expect", 417, "expect", "100-continue"),
        ("connection-close", 400, "connection", "close"),
    ):
        for refused in (status, 500):
            yield Behaviour(
                f"{place}-{refused}",
                BODY,
                partial(_refused_framing, refused, header, value),
                named_by=f"{BODY}::{place}",
                told=refused != 500,
            )


def _refused_framing(status: int, header: str, value: str, call: Call) -> Answer:
    is_so = call.request.headers.get(header) == value
    return refusal(call.answer, status, "Refused") if is_so else call.answer
