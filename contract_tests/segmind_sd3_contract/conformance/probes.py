"""The quirk ledger: how a target behaves in each row, decided from what a run has sent.

A probe sends nothing. It reads the answers of cases by their ids, or all answers, and says `not probed` where
they are missing. It knows a row by its name alone.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageChops, ImageStat

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.bodies import picture
from segmind_sd3_contract.conformance.reply import Reply
from segmind_sd3_contract.conformance.results import LedgerRow
from segmind_sd3_contract.quirks import picture_type, quirks, shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segmind_sd3_contract.conformance.judging import Readings
    from segmind_sd3_contract.conformance.results import Exchange, Outcome, Probed

Told = tuple["Probed", str]
NOT_MET: Final[Told] = ("not probed", "no answer of this run shows it")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run has sent, by the ids of its cases."""

    readings: Readings
    outcomes: Mapping[str, Outcome]
    exchanges: Mapping[str, Exchange]

    def of(self, case: str) -> list[Reply]:
        """Return the answers that a case was judged by; none where it was not run."""
        outcome = self.outcomes.get(case)
        return [self._reply(self.exchanges[name]) for name in outcome.calls] if outcome else []

    def all(self) -> Iterator[Reply]:
        return (self._reply(each) for each in self.exchanges.values() if each.status is not None)

    def _reply(self, exchange: Exchange) -> Reply:
        return Reply(self.readings.observed, exchange, exchange.call.partition(":")[0], self.readings.exact)


PROBES: Final[dict[str, Callable[[Evidence], Told]]] = {}


def _probe(row: str) -> Callable[[Callable[[Evidence], Told]], Callable[[Evidence], Told]]:
    def enter(probe: Callable[[Evidence], Told]) -> Callable[[Evidence], Told]:
        PROBES[row] = probe
        return probe

    return enter


def ledger(
    readings: Readings, outcomes: Sequence[Outcome], exchanges: Mapping[str, Exchange]
) -> list[LedgerRow]:
    """Return each row of the quirk table, and how the target behaves."""
    evidence = Evidence(readings, {outcome.id: outcome for outcome in outcomes}, exchanges)
    rows: list[LedgerRow] = []
    for name, quirk in quirks().items():
        probed, why = PROBES[name](evidence)
        words = (name, quirk.documented, quirk.observed, quirk.grade, quirk.probe)
        rows.append(LedgerRow(*words, probed, why))
    return rows


TURBO: Final = "sd35_turbo_txt2img"
TILE: Final = "sd3_medium_tile"
IMG2IMG: Final = "sd3_medium_img2img"
LARGE: Final = "sd3_large_img2img"
MEDIUM: Final = "sd3_medium_txt2img"


def _sound(replies: Sequence[Reply]) -> bool:
    """Return whether there are answers, and each has whole pictures in any form."""
    return bool(replies) and all(reply.status == 200 and _whole(reply) for reply in replies)


def _whole(reply: Reply) -> bool:
    try:
        for data in (pictures := reply.pictures()):
            with Image.open(BytesIO(data)) as image:
                image.load()
    except (ValueError, OSError):
        return False
    return bool(pictures)


def _drawn_or_refused(replies: Sequence[Reply], *, drawn: Told, refused: Told) -> Told:
    if not replies:
        return NOT_MET
    if all(reply.status == 200 for reply in replies):
        return drawn
    if any(400 <= reply.status < 500 for reply in replies):
        return refused
    return "neither", f"the answer was {replies[-1].status}: {replies[-1].text()}"


@_probe("steps-default-below-minimum")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{TURBO}::steps::min-1"),
        drawn=("as observed", "a value below the documented minimum is drawn"),
        refused=("as documented", "a value below the documented minimum is refused"),
    )


@_probe("fixed-seed-default")
def _(evidence: Evidence) -> Told:
    replies = evidence.of(f"{TURBO}::seed::omitted=default")
    if not _sound(replies):
        return NOT_MET
    same = replies[0].pictures() == replies[1].pictures()
    return (
        ("as documented", "an omitted seed draws what the documented default draws")
        if same
        else ("neither", "an omitted seed draws another picture than the documented default")
    )


@_probe("prompt-default-1")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{LARGE}::prompt::omitted"),
        drawn=("as documented", "a call without a prompt is drawn"),
        refused=("as observed", "a call without a prompt is refused"),
    )


@_probe("mode-without-values")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{LARGE}::(call)::good"),
        drawn=("as observed", "`image-to-image` is drawn"),
        refused=("neither", "`image-to-image` is refused"),
    )


@_probe("sampler-required-no-values")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        [*evidence.of(f"{TURBO}::sampler::missing"), *evidence.of(f"{TURBO}::scheduler::missing")],
        drawn=("as observed", "calls without sampler or scheduler are drawn"),
        refused=("as documented", "a call without sampler or scheduler is refused"),
    )


@_probe("negative-prompt-none")
def _(evidence: Evidence) -> Told:
    replies = evidence.of(f"{MEDIUM}::negative_prompt::omitted=default")
    if not _sound(replies):
        return NOT_MET
    same = replies[0].pictures() == replies[1].pictures()
    what = "the same picture as" if same else "another picture than"
    return ("as documented" if same else "neither"), f"an omitted one draws {what} the text `None`"


@_probe("enum-without-values")
def _(evidence: Evidence) -> Told:
    tried = [replies for case in evidence.outcomes if "::value:" in case and (replies := evidence.of(case))]
    if not tried:
        return NOT_MET
    drawn = sum(_sound(replies) for replies in tried)
    probed: Probed = "as observed" if drawn == len(tried) else "neither"
    return probed, f"{drawn} of {len(tried)} known values are drawn"


@_probe("strength-both-ways")
def _(evidence: Evidence) -> Told:
    seen: list[str] = []
    for operation in (IMG2IMG, TILE):
        weak, strong = (evidence.of(f"{operation}::strength::{bound}") for bound in ("min", "max"))
        if _sound(weak) and _sound(strong):
            nearer = _distance(strong[0]) < _distance(weak[0])
            seen.append(f"{'more' if nearer else 'less'} like the input on {operation}")
    if not seen:
        return NOT_MET
    return "as documented", f"a higher strength is {', '.join(seen)}, as one of its sentences says"


def _distance(reply: Reply) -> float:
    """Say how far a drawn picture lies from the input that the suite sends."""
    (drawn,) = reply.pictures()[:1]
    with Image.open(BytesIO(drawn)) as image, Image.open(BytesIO(b64decode(picture()))) as source:
        drawn_at = image.convert("RGB").reduce(max(1, image.width // source.width))
        return sum(ImageStat.Stat(ImageChops.difference(drawn_at, source.convert("RGB"))).mean)


@_probe("base64-default-1")
def _(evidence: Evidence) -> Told:
    replies = evidence.of(f"{TURBO}::base64::omitted=default")
    if not _sound(replies):
        return NOT_MET
    if replies[0].is_json:
        return "neither", "a call that does not say base64 is answered with JSON"
    return "as observed", "a call that does not say base64 is answered with the picture itself"


@_probe("tob64-inside-quotes")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{TILE}::image::content:code"),
        drawn=("as documented", "the sample's text is drawn"),
        refused=("neither", "the sample's text is refused: the page's own sample can't work"),
    )


@_probe("tob64-promise")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{TILE}::image::type:object"),
        drawn=("as documented", "an object in place of a picture is drawn"),
        refused=("neither", "an object in place of a picture is refused: the page's own sample can't work"),
    )


@_probe("tob64-url-as-file")
def _(_: Evidence) -> Told:
    return "not probed", "it happens in the caller's own program, and nothing of it is sent"


@_probe("size-ignored-unless-custom")
def _(evidence: Evidence) -> Told:
    replies = evidence.of(f"{TURBO}::aspect_ratio::value:2:3")
    if not _sound(replies):
        return NOT_MET
    sent = replies[0].exchange.sent
    with Image.open(BytesIO(replies[0].pictures()[0])) as image:
        counted = image.size == (sent["width"], sent["height"])
    return (
        ("neither", "width and height count all the same")
        if counted
        else ("as documented", "width and height do not count")
    )


@_probe("count-without-bounds")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        [*evidence.of(f"{IMG2IMG}::samples::none"), *evidence.of(f"{TILE}::samples::none")],
        drawn=("as documented", "a call for 0 pictures is drawn"),
        refused=("neither", "a call for 0 pictures is refused"),
    )


@_probe("blank-prompt")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{TURBO}::prompt::blank"),
        drawn=("as documented", "a call with an empty prompt is drawn"),
        refused=("neither", "a call with an empty prompt is refused"),
    )


@_probe("reversed-timestep-range")
def _(evidence: Evidence) -> Told:
    return _drawn_or_refused(
        evidence.of(f"{MEDIUM}::conditioningsettimesteprange_start::reversed"),
        drawn=("as documented", "a call whose start is above its stop is drawn"),
        refused=("neither", "a call whose start is above its stop is refused"),
    )


@_probe("reply-format")
def _(evidence: Evidence) -> Told:
    named = {
        oracle.media_type(reply.seen) for reply in evidence.all() if reply.status == 200 and not reply.is_json
    }
    others = sorted(named - {"image/jpeg"})
    if others:
        return "as observed", f"replies are named {', '.join(others)} too"
    return ("as documented", "every picture is named image/jpeg") if named else NOT_MET


@_probe("several-images")
def _(evidence: Evidence) -> Told:
    replies = evidence.of(f"{TURBO}::batch_size::two")
    if not _sound(replies):
        return NOT_MET
    if not replies[0].is_json:
        return "as documented", "one picture comes, whatever was asked for"
    return "as observed", f"{len(replies[0].pictures())} pictures come in JSON"


@_probe("wrong-media-type")
def _(evidence: Evidence) -> Told:
    drawn = [reply for reply in evidence.all() if reply.status == 200 and reply.exchange.method == "POST"]
    wrong = [
        reply
        for reply in drawn
        if picture_type(reply.exchange.body) not in (None, oracle.media_type(reply.seen))
    ]
    if wrong:
        return "as observed", f"{len(wrong)} of {len(drawn)} pictures come under another name"
    return ("as documented", f"{len(drawn)} replies are named for what they are") if drawn else NOT_MET


@_probe("406-not-only-credits")
def _(evidence: Evidence) -> Told:
    texts = {reply.text() for reply in evidence.all() if reply.status == 406}
    others = sorted(text for text in texts if not oracle.speaks_of_credits(text))
    if others:
        return "as observed", f"a 406 also says {others[0]!r}"
    return ("as documented", "every 406 is about credits") if texts else NOT_MET


@_probe("405-html")
def _(evidence: Evidence) -> Told:
    kinds = {oracle.media_type(reply.seen) for reply in evidence.all() if reply.status == 405}
    if not kinds:
        return NOT_MET
    if kinds == {"text/html"}:
        return "as observed", "a 405 is a page of HTML"
    return (
        "as documented" if kinds == {"application/json"} else "neither"
    ), f"a 405 is named {', '.join(sorted(kinds))}"


@_probe("gateway-html")
def _(evidence: Evidence) -> Told:
    gates = [reply for reply in evidence.all() if reply.status in (502, 504)]
    if not gates:
        return NOT_MET
    pages = sum(shows("gateway-html", reply.seen) for reply in gates)
    return (
        "as observed" if pages else "as documented"
    ), f"{pages} of {len(gates)} answers of a gateway are HTML"


@_probe("error-in-200")
def _(evidence: Evidence) -> Told:
    drawn = [reply for reply in evidence.all() if reply.status == 200 and reply.exchange.method == "POST"]
    errors = [reply for reply in drawn if shows("error-in-200", reply.seen)]
    if errors:
        return (
            "as observed",
            f"{len(errors)} of {len(drawn)} replies of 200 carry an error: {errors[0].text()!r}",
        )
    return ("as documented", f"none of {len(drawn)} replies of 200 carries an error") if drawn else NOT_MET


@_probe("no-retry-after")
def _(evidence: Evidence) -> Told:
    limited = [reply.exchange.received for reply in evidence.all() if reply.status == 429]
    if not limited:
        return NOT_MET
    told = sum("x-rate-limit-reset-at-utc" in headers for headers in limited)
    after = sum("retry-after" in headers for headers in limited)
    where = f"of {len(limited)} answers of 429, {told} tell the reset and {after} have Retry-After"
    return ("as observed" if told and not after else "neither"), where
