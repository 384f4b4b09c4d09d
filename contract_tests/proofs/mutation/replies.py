"""List the faults of a reply beside its picture: the key, what follows a picture, ids, numbers, errors.

A client that only looks at the picture sees none of them. Those that no page speaks of, such as a cookie, are
listed as equivalent: the suite reports them as open.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from dataclasses import replace
from decimal import Decimal
from struct import pack, unpack
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from segmind_sd3_contract.reference.exchange import Delivery

from proofs.mutation.drawing import has
from proofs.mutation.servers import Behaviour, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer, Operation
    from segmind_sd3_contract.reference.orders import Order

    from proofs.mutation.servers import Call, Draw, FaultyServer, Painter

    Reply = Callable[[Call], Answer]

REPLY: Final = "(reply)"

DIFFER: Final = f"{REPLY}::pictures-differ"
OTHER_WORDS: Final = "Something else is wrong"
HTML: Final = b"<html><body>an advertisement</body></html>"


def reply_behaviours() -> Iterator[Behaviour]:
    """List all faults of this kind."""
    yield from leaked_keys()
    yield from longer_pictures()
    yield from repeated_pictures()
    yield from shortened_seeds()
    yield from request_ids()
    yield from numbers()
    yield from empty_errors()
    yield from tracebacks()
    yield from http_headers()
    yield from unusual_requests()


# -- The key ----------------------------------------------------------------------------------------------


def leaked_keys() -> Iterator[Behaviour]:
    for form, written in _FORMS.items():
        yield Behaviour(f"key-in-header-{form}", REPLY, _key_in_header(written))
        yield Behaviour(f"key-in-error-{form}", REPLY, _key_in_error(written))
    yield Behaviour("key-in-cookie", REPLY, _with_key(lambda a, key: a.with_headers(set_cookie=f"k={key}")))
    yield Behaviour("key-in-refused-bearer", REPLY, _key_of_bearer)
    yield Behaviour("key-in-json", REPLY, _with_key(_key_in_json))
    yield Behaviour("key-behind-picture", REPLY, _with_key(_key_behind_picture))


_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "plain": str,
    "lower-case": str.lower,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "basic-auth": lambda key: "Basic " + base64.b64encode(f"segmind:{key}".encode()).decode(),
    "url": lambda key: f"https://example.com/login?next=/&key={quote(key, safe='')}",
    "url-escaped": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "hex": lambda key: key.encode().hex(),
}


def _with_key(change: Callable[[Answer, str], Answer]) -> Reply:
    def reply(call: Call) -> Answer:
        key = call.request.headers.get("x-api-key")
        return change(call.answer, key) if key else call.answer

    return reply


def _key_in_header(written: Callable[[str], str]) -> Reply:
    return _with_key(lambda answer, key: answer.with_headers(x_debug=f"user {written(key)}"))


def _key_in_error(written: Callable[[str], str]) -> Reply:
    def change(answer: Answer, key: str) -> Answer:
        return answer.with_json({"error": f"Refused {written(key)}"}) if answer.status == 406 else answer

    return _with_key(change)


def _key_of_bearer(call: Call) -> Answer:
    if call.kind != "bearer":
        return call.answer
    return call.answer.with_json({"error": f"Unauthorized: {call.request.headers['authorization']}"})


def _key_in_json(answer: Answer, key: str) -> Answer:
    if answer.status != 200 or not _is_json(answer):
        return answer
    return answer.with_json({**json.loads(answer.body), "request": {"headers": {"x-api-key": key}}})


def _key_behind_picture(answer: Answer, key: str) -> Answer:
    return answer.with_body(answer.body + key.encode(), _type(answer)) if _is_picture(answer) else answer


def _is_json(answer: Answer) -> bool:
    return _type(answer) == "application/json"


def _is_picture(answer: Answer) -> bool:
    return answer.status == 200 and _type(answer).startswith("image/")


def _type(answer: Answer) -> str:
    return answer.headers.get("content-type", "")


# -- Pictures and seeds -----------------------------------------------------------------------------------


def longer_pictures() -> Iterator[Behaviour]:
    for name, more in (
        ("html", HTML),
        ("json", b'{"credits": 1}'),
        ("zeros", bytes(512)),
        ("line-feed", b"\r\n"),
        ("multipart", b"\r\n--boundary--\r\n"),
    ):
        yield Behaviour(f"{name}-behind-picture", REPLY, draw=_longer(lambda _, more=more: more))
    yield Behaviour("picture-behind-picture", REPLY, draw=_longer(lambda picture: picture))
    yield Behaviour("html-behind-json-picture", REPLY, draw=_longer(lambda _: HTML, base64_alone=True))


def _longer(more: Callable[[bytes], bytes], *, base64_alone: bool = False) -> Painter:
    def draw(_: FaultyServer, order: Order, draw: Draw) -> list[bytes]:
        pictures = draw(order)
        applies = order.base64 or not base64_alone
        return [picture + more(picture) for picture in pictures] if applies else pictures

    return draw


def repeated_pictures() -> Iterator[Behaviour]:
    for name, chosen in _REPEATED.items():
        yield Behaviour(name, REPLY, draw=_chosen(chosen), fits=has("pictures"), named_by=DIFFER)
    ten = _chosen(_ten_the_same)
    yield Behaviour("ten-the-same", REPLY, draw=ten, fits=has("batch_size"), named_by=DIFFER)


_REPEATED: Final[Mapping[str, Callable[[list[bytes]], list[bytes]]]] = {
    "third-picture-repeats-the-second": lambda pictures: [
        *pictures[:2],
        *pictures[1:2] * (len(pictures) - 2),
    ],
    "two-pictures-in-turn": lambda pictures: [pictures[n % 2] for n in range(len(pictures))],
    "last-of-three-repeats-the-first": lambda pictures: (
        pictures if len(pictures) < 3 else [*pictures[:-1], pictures[0]]
    ),
}


def _ten_the_same(pictures: list[bytes]) -> list[bytes]:
    return pictures[:1] * 10 if len(pictures) == 10 else pictures


def _chosen(chosen: Callable[[list[bytes]], list[bytes]]) -> Painter:
    return lambda _, order, draw: chosen(draw(order))


def shortened_seeds() -> Iterator[Behaviour]:
    for name, change in _SHORTENED.items():
        yield Behaviour(name, "seed", draw=_with_seed(change), fits=has("seed"), named_by="seed::*far")


_SHORTENED: Final[Mapping[str, Callable[[int], int]]] = {
    "seed-24-bits": lambda seed: seed % 2**24,
    "seed-27-bits": lambda seed: seed % 2**27,
    "seed-30-bits": lambda seed: seed % 2**30,
    "seed-as-float32": lambda seed: int(unpack("f", pack("f", seed))[0]),
    "seed-at-most-a-million": lambda seed: min(seed, 1_000_000),
    "seed-at-most-2^29": lambda seed: min(seed, 2**29),
}


def _with_seed(change: Callable[[int], int]) -> Painter:
    return lambda _, order, draw: draw(replace(order, seed=change(order.seed)))


# -- Ids and numbers --------------------------------------------------------------------------------------


def request_ids() -> Iterator[Behaviour]:
    for name, request_id in _IDS.items():
        yield Behaviour(f"request-id-{name}", REPLY, _with_id(request_id))


FIXED_ID: Final = "00000000-0000-0000-0000-000000000000"

_IDS: Final[Mapping[str, Callable[[Call], str | None]]] = {
    "fixed": lambda _: FIXED_ID,
    "empty": lambda _: "",
    "of-two": lambda call: f"{next(call.server.numbers) % 2}",
    "of-the-body": lambda call: hashlib.sha256(call.request.body).hexdigest(),
    "of-errors-fixed": lambda call: FIXED_ID if call.answer.status != 200 else None,
    "of-pictures-fixed": lambda call: FIXED_ID if call.answer.status == 200 else None,
}
"""The ids of a reply; None keeps the one of a correct server."""


def _with_id(request_id: Callable[[Call], str | None]) -> Reply:
    def reply(call: Call) -> Answer:
        value = request_id(call)
        return call.answer if value is None else call.answer.with_headers(x_request_id=value)

    return reply


def numbers() -> Iterator[Behaviour]:
    for value in ("-1.5", "-0.001", "nan", "inf", "-inf", "1e999"):
        yield Behaviour(
            f"generation-time-{value}",
            REPLY,
            _on_pictures(lambda answer, value=value: answer.with_headers(x_generation_time=value)),
        )
    for value in ("nan", "inf", "-0.0035"):
        yield Behaviour(
            f"x-cost-{value}",
            REPLY,
            _on_pictures(lambda answer, value=value: answer.with_headers(x_cost=value)),
        )


def _on_pictures(change: Callable[[Answer], Answer]) -> Reply:
    return lambda call: change(call.answer) if "x-cost" in call.answer.headers else call.answer


# -- Errors -----------------------------------------------------------------------------------------------


def empty_errors() -> Iterator[Behaviour]:
    for name, value in _EMPTY.items():
        yield Behaviour(
            f"error-{name}", REPLY, _on_errors(lambda answer, value=value: answer.with_json(value))
        )
    yield Behaviour("error-no-body", REPLY, _on_errors(lambda answer: answer.with_body(b"", _type(answer))))
    yield Behaviour("405-empty-page", REPLY, _at(405, _page(b"<html><body></body></html>")))


_EMPTY: Final[Mapping[str, Any]] = {
    "empty-text": {"error": ""},
    "blank": {"error": " \n"},
    "punctuation": {"error": "-"},
    "empty-message": {"message": ""},
    "empty-detail": {"detail": []},
    "null-detail": {"detail": None},
    "empty-details": {"error": "", "message": "", "detail": {}},
}


def tracebacks() -> Iterator[Behaviour]:
    for name, text in _TRACEBACKS.items():
        yield Behaviour(
            f"traceback-{name}",
            REPLY,
            _on_errors(lambda answer, text=text: answer.with_json({"error": "It broke", "detail": text})),
        )
    python = _TRACEBACKS["python"]
    yield Behaviour("traceback-in-405", REPLY, _at(405, _page(f"<pre>{html.escape(python)}</pre>".encode())))
    yield Behaviour(
        "traceback-in-error", REPLY, _on_errors(lambda answer: answer.with_json({"error": python}))
    )
    yield Behaviour(
        "traceback-in-header",
        REPLY,
        _on_errors(lambda answer: answer.with_headers(x_error=python.splitlines()[1])),
    )


_TRACEBACKS: Final[Mapping[str, str]] = {
    "python": 'Traceback (most recent call last):\n  File "/app/main.py", line 7, in draw\nKeyError: 1',
    "node": "TypeError: x is undefined\n    at draw (/srv/draw.js:12:7)\n    at next (/srv/run.js:3:1)",
    "java": "java.lang.NullPointerException\n\tat com.example.Draw.run(Draw.java:42)\n\tat java.base/run",
    "go": "panic: runtime error\n\ngoroutine 7 [running]:\nmain.draw(0x0)\n\t/src/main.go:12 +0x1d",
    "rust": "thread 'main' panicked at src/main.rs:4:5:\nexplicit panic\nstack backtrace:\n   0: begin",
}


def _on_errors(change: Callable[[Answer], Answer]) -> Reply:
    """Change the JSON errors."""
    return lambda call: (
        change(call.answer) if call.answer.status >= 400 and _is_json(call.answer) else call.answer
    )


def _at(status: int, change: Callable[[Answer], Answer]) -> Reply:
    return lambda call: change(call.answer) if call.answer.status == status else call.answer


def _page(content: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: answer.with_body(content, "text/html")


# -- HTTP -------------------------------------------------------------------------------------------------


def http_headers() -> Iterator[Behaviour]:
    for name, delivery in (
        ("long", Delivery("the body", "hang up", "too long")),
        ("short", Delivery("the body", "hang up", "too short")),
    ):
        yield Behaviour(f"content-length-{name}", REPLY, _delivered(delivery, lambda status: status == 200))
        yield Behaviour(
            f"content-length-{name}-of-errors", REPLY, _delivered(delivery, lambda status: status == 406)
        )
    for name, headers in (
        ("cookie", {"set_cookie": "session=1; Path=/"}),
        ("cached-publicly", {"cache_control": "public, max-age=86400"}),
        ("cached-for-a-day", {"cache_control": "max-age=86400"}),
        ("expires-in-2099", {"expires": "Thu, 01 Jan 2099 00:00:00 GMT"}),
        ("date-of-1970", {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        ("date-of-2099", {"date": "Thu, 01 Jan 2099 00:00:00 GMT"}),
        ("date-is-none", {"date": "yesterday"}),
    ):
        yield Behaviour(name, REPLY, lambda call, headers=headers: call.answer.with_headers(**headers))


def _delivered(delivery: Delivery, applies: Callable[[int], bool]) -> Reply:
    return lambda call: (
        replace(call.answer, delivery=delivery) if applies(call.answer.status) else call.answer
    )


def unusual_requests() -> Iterator[Behaviour]:
    """List faults in the answers to HEAD, OPTIONS, large requests and other media types."""
    for method in ("HEAD", "OPTIONS"):
        applies = _by_method(method)
        yield Behaviour(f"{method}-500", REPLY, _refused_where(applies))
        yield Behaviour(f"{method}-billed", REPLY, balance_error=_billed_where(applies))
    for name, applies in (("large-header", _has_large_header), ("large-body", _has_large_body)):
        yield Behaviour(f"{name}-500", REPLY, _refused_where(applies), fits=_is_first)
        yield Behaviour(f"{name}-billed", REPLY, balance_error=_billed_where(applies), fits=_is_first)
    yield Behaviour("xml-500", REPLY, _refused_where(_is_xml))
    yield Behaviour("xml-billed", REPLY, balance_error=_billed_where(_is_xml))


def _by_method(method: str) -> Callable[[Call], bool]:
    return lambda call: call.request.method == method


def _has_large_header(call: Call) -> bool:
    return max(map(len, call.request.headers.values())) >= 8192


def _has_large_body(call: Call) -> bool:
    return len(call.request.body) > 1_000_000


def _is_xml(call: Call) -> bool:
    return "xml" in call.request.headers.get("content-type", "")


def _is_first(operation: Operation) -> bool:
    """Return whether the suite sends large requests to this endpoint: it does to one alone."""
    return operation.operation_id == "sd3_medium_img2img"


def _refused_where(applies: Callable[[Call], bool]) -> Reply:
    return lambda call: refusal(call.answer, 500, OTHER_WORDS) if applies(call) else call.answer


def _billed_where(applies: Callable[[Call], bool]) -> Callable[[Call], Decimal]:
    return lambda call: Decimal("-0.01") if applies(call) else Decimal(0)
