"""Relations: what must hold between the answers to two calls, or between a call and its picture.

Equal pictures are assumed to have equal bytes; the readings say whether that is exact. What a parameter does
is not in the contract: the oracle's names of sizes, formats and counts are used, and `seed`, `base64` and the
quality.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from segmind_sd3_contract.conformance.bodies import PROMPTS, default_of, is_picture, picture
from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    another_picture,
    as_the_schema_says,
    draws,
    same_picture,
    sound,
)
from segmind_sd3_contract.oracle import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.conformance.reply import Reply
    from segmind_sd3_contract.conformance.results import Layer

HIGH_BIT: Final = 1 << 30
"""The highest bit that any whole number of 32 bits has, with or without a sign."""

QUALITIES: Final = ("image_quality",)
QUALITY_TOLERANCE: Final = 3
"""Steps of quality that rounding may take; where pictures need not be exact, any encoder is right."""


def relations(endpoint: Endpoint) -> Iterator[Case]:
    yield from about_seeds(endpoint)
    yield from about_inputs(endpoint)
    for name in endpoint.properties:
        yield from about_a_default(endpoint, name)
    yield from about_replies(endpoint)
    yield from about_files(endpoint)


def _case(  # noqa: PLR0917 - as they stand in a case
    endpoint: Endpoint,
    group: str,
    place: str,
    claim: str,
    calls: tuple[Call, ...],
    check: Any,
    layer: Layer = "assumed",
    **more: Any,
) -> Case:
    return Case(endpoint.operation, group, place, claim, calls, check, layer, **more)


def about_seeds(endpoint: Endpoint) -> Iterator[Case]:
    base = endpoint.call()
    if not endpoint.has_seed:
        return
    yield _case(
        endpoint,
        "seed",
        "same",
        "The same seed and parameters draw the same picture.",
        (base, base.again()),
        same_picture,
        layer="documented",
    )
    # Two seeds that differ in one bit, the lowest or a high one: a seed that is shortened on its way, rounded
    # or capped would tell one of them as little as the other.
    high = endpoint.seed ^ HIGH_BIT
    for place, one, other in (
        ("another", endpoint.seed, endpoint.seed ^ 1),
        ("far", endpoint.seed, high),
        ("near-far", high, high ^ 1),
    ):
        yield _case(
            endpoint,
            "seed",
            place,
            f"Another seed draws another picture: {one} and {other}.",
            (endpoint.call(seed=one), endpoint.call(seed=other)),
            another_picture,
        )
    yield _case(
        endpoint, "seed", "told", "A reply that names a seed names the one that was sent.", (base,), seed_told
    )


def about_inputs(endpoint: Endpoint) -> Iterator[Case]:
    base = endpoint.call()
    yield _case(
        endpoint,
        "prompt",
        "another",
        "Another prompt draws another picture.",
        (base, endpoint.call(prompt=PROMPTS[1])),
        another_picture,
    )
    for name, schema in endpoint.properties.items():
        if is_picture(schema):
            yield _case(
                endpoint,
                name,
                "another",
                "Another input picture draws another picture.",
                (base, endpoint.call(**{name: picture("crimson")})),
                another_picture,
            )


def about_a_default(endpoint: Endpoint, name: str) -> Iterator[Case]:
    """Check that an omitted parameter means its documented default."""
    schema = endpoint.properties[name]
    if name in endpoint.required:
        return
    if not (default := default_of(schema)):
        if "x-documented-default" in schema:
            yield _case(
                endpoint,
                name,
                "omitted",
                f"The page prints the default 1 for `{name}`, which may stand for none.",
                (endpoint.without(name),),
                sound,
                is_open=True,
            )
        return
    (value,) = default
    omitted, explicit = endpoint.without(name), endpoint.call(**{name: value})
    claim = f"An omitted `{name}` means its default, {value!r}."
    if name == "base64":
        # Whether JSON or the picture itself comes is the oracle's to judge.
        yield _case(endpoint, name, "omitted=default", claim, (omitted,), all_drawn, "observed")
    elif schema.get("x-observed", {}).get("random") == value:
        yield _case(
            endpoint,
            name,
            "omitted=default",
            f"An omitted `{name}` means {value}, and that is a random one: two calls draw two pictures.",
            (omitted, omitted.again()),
            another_picture,
            layer="observed",
        )
        yield _case(
            endpoint,
            name,
            "random",
            f"`{name}` {value} is a random one.",
            (explicit, explicit.again()),
            another_picture,
            layer="observed",
        )
    elif name == "seed" and value < 0:
        yield _case(
            endpoint,
            name,
            "omitted",
            f"An omitted `seed` means {value}, and whether that is a random one is left open.",
            (omitted,),
            sound,
            is_open=True,
        )
    elif name == endpoint.count:
        both = {"base64": True}
        yield _case(
            endpoint,
            name,
            "omitted=default",
            claim,
            # The omitted one last: if it draws more, it costs more, and that ends the run.
            (endpoint.call(**{name: value}, **both), endpoint.without(name, **both)),
            same_picture,
        )
    elif "default" in schema:
        yield _case(endpoint, name, "omitted=default", claim, (omitted, explicit), same_picture)
    else:
        yield _case(
            endpoint,
            name,
            "omitted=default",
            f"{claim} The page contradicts itself there, so that nothing must follow.",
            (omitted, explicit),
            sound,
            is_open=True,
        )


def about_replies(endpoint: Endpoint) -> Iterator[Case]:
    base = endpoint.call()
    if "base64" in endpoint.properties:
        yield _case(
            endpoint,
            "base64",
            "both-ways",
            "As base64 text and as itself it is the same picture.",
            (base, endpoint.call(base64=True)),
            same_picture if endpoint.has_seed else all_drawn,
        )
    if endpoint.count:
        yield _case(
            endpoint,
            endpoint.count,
            "two",
            f"`{endpoint.count}` 2 gives two pictures, and they differ.",
            (endpoint.call(**{endpoint.count: 2, "base64": True}),),
            two_pictures,
            layer="documented",
        )
        # Two may differ where the third is one of them again: a rule about all replies compares them.
        yield _case(
            endpoint,
            endpoint.count,
            "three",
            f"`{endpoint.count}` 3 is drawn, and no picture comes twice.",
            (endpoint.call(**{endpoint.count: 3, "base64": True}),),
            as_the_schema_says,
            layer="documented",
        )


def about_files(endpoint: Endpoint) -> Iterator[Case]:
    for name in FORMATS:
        for file_format in ("jpeg", "png") if name in endpoint.properties else ():
            yield _case(
                endpoint,
                name,
                f"is:{file_format}",
                f"`{name}` {file_format} gives a {file_format.upper()}.",
                (endpoint.call(**{name: file_format}),),
                all_drawn,
                layer="observed",
            )
    for name in QUALITIES:
        if name not in endpoint.properties:
            continue
        schema = endpoint.properties[name]
        low, middle, high = schema.get("minimum", 10), 60, schema.get("maximum", 100)
        for quality in (low, middle, high):
            yield _case(
                endpoint,
                name,
                f"is:{quality}",
                f"A JPEG asked for at quality {quality} is compressed at that.",
                (endpoint.call(**{name: quality}),),
                compressed_at(quality),
            )
        yield _case(
            endpoint,
            name,
            "smaller",
            "A lower quality makes a smaller file.",
            tuple(endpoint.call(**{name: quality}) for quality in (low, middle, high)),
            growing_files,
        )


# -- Checks -----------------------------------------------------------------------------------------------


def seed_told(replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        yield from draws(reply)
        told = reply.exchange.received.get("x-seed-value")
        if told is not None and told != str(reply.exchange.sent["seed"]):
            yield f"x-seed-value is {told}, and {reply.exchange.sent['seed']} was sent"


def two_pictures(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    for reply in replies:
        if reply.status == 200:
            try:
                pictures = reply.pictures()
            except ValueError:
                continue  # a finding says so
            if len(pictures) != 2:
                yield f"{len(pictures)} pictures came"
            elif pictures[0] == pictures[1]:
                yield "both pictures are the same"


def growing_files(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    sizes = [len(reply.exchange.body) for reply in replies]
    if all(reply.status == 200 for reply in replies) and sizes != sorted(set(sizes)):
        yield f"the files have {', '.join(map(str, sizes))} bytes"


def compressed_at(quality: int) -> Callable[[Sequence[Reply]], Iterator[str]]:
    def check(replies: Sequence[Reply]) -> Iterator[str]:
        yield from all_drawn(replies)
        for reply in replies:
            if reply.status == 200 and reply.exact and (told := _tables(reply.exchange.body)) is not None:
                near = range(max(1, quality - QUALITY_TOLERANCE), min(100, quality + QUALITY_TOLERANCE) + 1)
                if told not in [_tables_at(each) for each in near]:
                    yield f"its quantization is not that of quality {quality}"

    return check


def _tables(data: bytes) -> Any:
    """Return the quantization tables of a JPEG; None where it is none, or not whole: a finding says so."""
    try:
        with Image.open(BytesIO(data)) as image:
            return getattr(image, "quantization", None)
    except OSError:
        return None


def _tables_at(quality: int) -> Any:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    return _tables(file.getvalue())
