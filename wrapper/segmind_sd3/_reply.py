"""A reply, or the failure to get one, becomes pictures or an error; and it is said whether it was billed.

What the module guarantees:

- A reply that names a cost, or holds a whole picture, was billed, whatever its status, and is never asked for
  again.
- Of what may have been billed, every byte that came is in the `Generation` or in the error.
- Text from outside is clipped before anything else is done with it.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_api.parameters import PICTURE_MEMBERS

from . import _quirks
from ._errors import (
    APIError,
    ConnectionFailed,
    ConnectionTimedOut,
    Fault,
    OutcomeTimedOut,
    OutcomeUnknown,
    RateLimited,
    SegmindError,
    UnusableReply,
    rule_for,
    text_of,
)
from ._imagefile import read_picture, sniff
from ._limits import (
    MAX_DECODED_FLOOR,
    MAX_DECODED_RATIO,
    MAX_ENCODINGS,
    MAX_ERROR_BYTES,
    MAX_MESSAGE,
    MAX_REPLY_BYTES,
    MIB,
)
from ._result import Credits, Generation, Image, image_of
from ._stored import StoredPicture
from ._wire import PACKED, Failure, Incoming, Key, Reply, clip, json_of

if TYPE_CHECKING:
    from ._sent import SentRequest

KEPT: Final = "What came is kept: .body, .save(path)."


def largest(incoming: Incoming) -> int:
    """Return how many bytes of a reply's body are read. What may have been billed is read to its end."""
    billed = (
        incoming.status // 100 == 2
        or _cost(incoming.headers)
        or sniff(start := incoming.start())
        or _names_an_image(start)
    )
    return MAX_REPLY_BYTES if billed else MAX_ERROR_BYTES


def interpret(event: Reply | Failure, key: Key, sent: SentRequest | None) -> Generation | SegmindError:
    """Return what came of one sending, as pictures or as an error."""
    if isinstance(event, Failure):
        return _error_from_failure(event, key)
    came = _decode(event)
    if isinstance(came, Failure):
        return _error_from_failure(came, key)
    # Before anything is clipped: half a key is a key too. A picture's bytes stay as they are.
    came = key.redact_reply(came, body=sniff(came.body) is None)
    reply = _quirks.repair_reply(came)
    found = pictures_in(reply, sent)
    if came.status // 100 != 2:
        # What is kept is what came, not what a repair made of it.
        return _error_from_refusal(came, found, key)
    if isinstance(found, Fault):
        return error_from(_quirks.diagnose(came, found), came, key)
    return _generation(found, reply)


def _error_from_failure(failure: Failure, key: Key, *, free: bool = False) -> SegmindError:
    """Name a failure of the network by what it means for the caller's money; a free call costs none."""
    reason = clip(key.redact(failure.reason), MAX_MESSAGE)
    if failure.reached in ("nothing", "part"):
        refusal = ConnectionTimedOut if failure.timed_out else ConnectionFailed
        sent = "Nothing was sent" if failure.reached == "nothing" else "The request was not sent whole"
        error = refusal(f"{sent}: {reason}.")
        error.retryable = failure.retryable
        return error
    partial = None
    if failure.partial is not None:
        decoded = _decode(failure.partial)
        partial = key.redact_reply(
            (decoded.partial or failure.partial) if isinstance(decoded, Failure) else decoded
        )
    sign = partial is not None and bool(_cost(partial.headers) or not isinstance(pictures_in(partial), Fault))
    billed = False if free else True if sign or (partial is not None and partial.status == 200) else None
    lost = OutcomeTimedOut if failure.timed_out else OutcomeUnknown
    money = "" if free else " and was billed" if billed else " and may have been billed"
    kept = (
        f"; {len(partial.body)} bytes of the reply came and are in .body" if partial and partial.body else ""
    )
    error = lost(
        f"The call was sent{money}, but no whole reply came: {reason}{kept}.", partial, billed=billed
    )
    error.retryable = True if free else False if sign else None
    return error


def _error_from_refusal(
    reply: Reply, found: list[Image] | Fault, key: Key, *, free: bool = False
) -> SegmindError:
    """Return the error of a reply that is no success. It may hold what was billed all the same."""
    rule = rule_for(reply.status)
    text = "a picture" if sniff(reply.body) else text_in(reply) or "no text"
    fault = _quirks.diagnose(
        reply, Fault(rule.error, text, rule.billed, rule.advice, retryable=rule.retryable)
    )
    if free:
        fault = fault._replace(billed=False, retryable=fault.retryable is not False)
    elif _cost(reply.headers) or not isinstance(found, Fault) or found.billed:
        advice = f"It was billed all the same. {KEPT}"
        fault = fault._replace(text=clip(fault.text, 80), billed=True, retryable=False, advice=advice)
    elif _may_be_a_picture(reply):
        fault = fault._replace(billed=None, retryable=None, advice=f"It broke off. {KEPT}")
    elif fault.billed is None:
        fault = fault._replace(advice=f"The call may have been billed. {fault.advice}".rstrip())
    return error_from(fault, reply, key)


def _may_be_a_picture(reply: Reply) -> bool:
    """Return whether a refusal broke off before it could be seen that it holds no picture."""
    is_image = reply.headers.get("content-type", "").lower().startswith("image/")
    if reply.complete or is_image or "content-encoding" in reply.headers:
        return not reply.complete
    start = reply.body[:64].lstrip()
    return len(start) < _TELLING or start[:1] in (b"{", b"[") or sniff(reply.body) is not None


_TELLING: Final = 16
"""How many bytes tell a picture, or JSON that may hold one, from other text."""


def _names_an_image(start: bytes) -> bool:
    return start.lstrip()[:1] == b"{" and any(f'"{name}'.encode() in start for name in PICTURE_MEMBERS)


def error_from(fault: Fault, reply: Reply, key: Key) -> APIError | OutcomeUnknown:
    """Return the error of a fault, without the key in anything that the service echoed."""
    reply = key.redact_reply(reply)
    text = clip(key.redact(fault.text), MAX_MESSAGE)
    request_id = clip(reply.headers.get("x-request-id", ""), 100)
    said = f"HTTP {reply.status}: {text}" + ("." if fault.advice and text[-1:] not in ".!?" else "")
    parts = (said, fault.advice, f"(request {request_id})" if request_id else "")
    sentence = " ".join(part for part in parts if part)
    if issubclass(fault.error, OutcomeUnknown):
        error = fault.error(sentence, reply, billed=fault.billed)
    else:
        error = fault.error(sentence, reply, text=text)
        error.billed = fault.billed
    if isinstance(error, RateLimited):
        error.reset_at = fault.reset_at
    error.retryable = fault.retryable
    return error


def interpret_credits(event: Reply | Failure, key: Key) -> Credits | SegmindError:
    """Return what came of asking for the balance, which costs nothing and may always be asked again."""
    came = _decode(event) if isinstance(event, Reply) else event
    if isinstance(came, Failure):
        return _error_from_failure(came, key, free=True)
    came = key.redact_reply(came)
    if came.status != 200:
        return _error_from_refusal(came, [], key, free=True)
    content = json_of(came.body)
    if isinstance(content, dict):
        balance = cast("dict[str, Any]", content)
        paid, free = (number(str(balance.get(name, 0))) for name in ("credits", "free-credits"))
        if "credits" in balance and paid is not None and free is not None:
            return Credits(paid, free)
    return error_from(Fault(UnusableReply, "the reply is no balance", billed=False, advice=KEPT), came, key)


# -- Pictures ---------------------------------------------------------------------------------------------


def _unusable(reply: Reply, why: str, *, drawn: bool = False) -> Fault:
    billed = True if drawn or _cost(reply.headers) else None
    return Fault(UnusableReply, why, billed, advice=KEPT)


def pictures_in(reply: Reply, sent: SentRequest | None = None) -> list[Image] | Fault:
    """Return the pictures of a reply, all of them whole, or what is wrong with it."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("image/"):
        image = _image(reply.stored or reply.body, media_type, sent)
        return [image] if image else _not_whole(reply, reply.body)
    if not reply.body:
        return _unusable(reply, "the reply is empty")
    content = json_of(reply.body)
    if not isinstance(content, dict):
        text = clip(text_in(reply), 80) or "no text"
        return _unusable(reply, f"the reply is neither a picture nor a JSON object ({text})")
    texts = cast("dict[str, Any]", content).get("image")
    if texts is None or texts == []:
        return _unusable(reply, "the reply is JSON without a picture")
    found: list[Image] = []
    for text in cast("list[Any]", texts) if isinstance(texts, list) else [texts]:
        data = decode_base64(text)
        if data is None:
            return _unusable(reply, "the reply's picture is no base64 text", drawn=bool(found))
        image = _image(data, sniff(data) or "", sent)
        if image is None:
            return _not_whole(reply, data, drawn=bool(found))
        found.append(image)
    return found


def _image(source: bytes | StoredPicture, media_type: str, sent: SentRequest | None) -> Image | None:
    picture = source.picture if isinstance(source, StoredPicture) else read_picture(source)
    return picture and image_of(source, media_type, picture.width, picture.height, sent)


def _not_whole(reply: Reply, data: bytes, *, drawn: bool = False) -> Fault:
    if not data:
        return _unusable(reply, "the reply is empty", drawn=drawn)
    if sniff(data):
        return _unusable(reply, "the picture is cut short", drawn=True)
    return _unusable(reply, "the reply's bytes are no picture", drawn=drawn)


_URL_SAFE: Final = str.maketrans("-_", "+/")


def decode_base64(text: object) -> bytes | None:
    """Decode base64 text of either alphabet, with or without a `data:` prefix, line breaks and padding."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError):
        # As nearly all come: a picture's text is long, and is copied no further.
        return binascii.a2b_base64(text, strict_mode=True)
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    text = "".join(text.split()).rstrip("=")
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _generation(images: list[Image], reply: Reply) -> Generation:
    sent = images[0].request
    named, seed = number(reply.headers.get("x-seed-value")), sent and sent.seed
    if seed is None or seed < 0:
        seed = int(named) if named is not None and named >= 0 else None
    return Generation(
        images=tuple(images),
        seed=seed,
        cost=number(reply.headers.get("x-cost")),
        credits_remaining=number(reply.headers.get("x-remaining-credits")),
        generation_time=number(reply.headers.get("x-generation-time")),
        request_id=reply.headers.get("x-request-id"),
    )


# -- Headers and text -------------------------------------------------------------------------------------


def number(text: str | None) -> float | None:
    """Read a header as a finite number; return None where it is missing or none."""
    try:
        value = float((text or "")[:64])
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _cost(headers: Any) -> bool:
    """Return whether headers name a cost above 0, however it is written."""
    named = headers.get("x-cost", "")[:256].split(",")
    return any((number(part.strip(" $USD")) or 0) > 0 for part in named)


def text_in(reply: Reply) -> str:
    """Return what a reply says in words: out of its JSON, else its text. It is clipped."""
    words = text_of(json_of(reply.body)) if reply.body[:64].lstrip()[:1] in (b"{", b"[", b'"') else ""
    return words or clip(reply.body[:4096].decode("utf-8", "replace"))


# -- Encodings --------------------------------------------------------------------------------------------


def _decode(reply: Reply) -> Reply | Failure:
    """Undo the content encodings of a reply, though none was asked for; bytes that are marked wrongly stay.

    What can't be decoded, or decodes to far more than a picture, is a failure that keeps the bytes.
    """
    named = [part.strip().lower() for part in reply.headers.get("content-encoding", "").split(",")]
    encodings = [name for name in named if name not in ("", "identity")]
    if not encodings or sniff(reply.body):
        return reply
    data, limit = (
        reply.body,
        min(MAX_REPLY_BYTES, max(MAX_DECODED_FLOOR, MAX_DECODED_RATIO * len(reply.body))),
    )
    for name in reversed(encodings[-MAX_ENCODINGS:]):
        if sniff(data) or data[:64].lstrip()[:1] == b"{":
            break
        decoded = _unpack(data, limit) if name in PACKED else None
        if decoded is None:
            return _undecodable(reply, f"the reply's encoding, {clip(name, 20)}, can't be undone")
        data = decoded
        if len(data) > limit:
            reason = f"the reply is larger than {limit // MIB} MiB once it is decoded"
            return _undecodable(replace(reply, body=data[:limit]), reason)
    return replace(reply, body=data)


def _undecodable(reply: Reply, reason: str) -> Reply | Failure:
    # The status of a refusal says what it means, whatever became of its text.
    return (
        Failure("reply", reason, partial=replace(reply, headers=_plain(reply)))
        if reply.status // 100 == 2
        else reply
    )


def _plain(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name != "content-encoding"}


def _unpack(data: bytes, limit: int) -> bytes | None:
    """Decompress gzip, zlib or bare deflate data, up to a little over a limit; None where it is none."""
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        decoder = zlib.decompressobj(bits)
        try:
            return decoder.decompress(data, limit + 1)
        except zlib.error:
            continue
    return None
