"""A server that goes wrong in every way that a connection can, and books what it drew.

A move is what it does with one sending of a call. The moves of a call follow from its seed alone, so that the
server, in a process of its own, and whoever judges by its ledger need not tell each other of them. What is
billed is what was drawn; nothing is drawn of a request that was not read to its end.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from segmind_sd3_contract.ledger import MAY_BE_REPEATED, Sending
from segmind_sd3_contract.seeds import Incoming, close_at_once, picture, reset_when_closed

if TYPE_CHECKING:
    from segmind_sd3_contract.sockets import Connection

_Sent = Literal["nothing", "half the head", "the head", "half the body", "all", "more"]
_Then = Literal["keep", "close", "reset", "stall", "close at the next", "reset at the next"]

COST: Final = "0.0035"

ERRORS: Final = (301, 400, 401, 402, 403, 404, 406, 407, 410, 413, 422, 429, 500)
"""Statuses that certainly cost nothing, unless the reply itself says otherwise."""

UNCERTAIN: Final = (203, 408, 499, 502, 503, 504, 520)
"""Statuses after which nobody can know: the call may have been drawn behind a gateway."""

EARLY: Final = (400, 401, 402, 403, 413, 429, 503)
"""Statuses that a server may answer with before it has read the body."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a server does with one sending.

    Attributes:
        status: of the reply; None where there is none.
        cost: what `x-cost` says; None where there is no such header.
        picture: how the body holds a whole picture; None where it is an error's JSON.
        drawn: whether the call was drawn and billed, whatever the reply says.
        read: whether the request is read to its end before anything else happens.
        sent: how much of the reply is sent; "more" is a whole one, and another that nobody asked for.
        then: what happens to the connection.
        pause: seconds that pass before each step.
    """

    status: int | None = 200
    cost: str | None = COST
    picture: Literal["binary", "json"] | None = "binary"
    drawn: bool = True
    read: bool = True
    sent: _Sent = "all"
    then: _Then = "keep"
    pause: float = 0.0

    def __str__(self) -> str:
        reply = f"{self.status}, x-cost {self.cost}, picture {self.picture}" if self.status else "no reply"
        return (
            f"{'request read' if self.read else 'request not read'}, {reply}, "
            f"{'drawn' if self.drawn else 'not drawn'}, sent {self.sent}, then {self.then}"
        )

    def body(self, seed: int, n: int) -> bytes:
        """Give the reply's body."""
        match self.picture:
            case None:
                return json.dumps({"error": f"no picture for sending {n} of {seed}"}).encode()
            case "binary":
                return picture(seed, n)
            case "json":
                return json.dumps({"image": base64.b64encode(picture(seed, n)).decode()}).encode()

    def reply(self, seed: int, n: int) -> tuple[bytes, bytes]:
        """Give the reply's head and body."""
        if self.status is None:
            return b"", b""
        body = self.body(seed, n)
        lines = [
            f"HTTP/1.1 {self.status} Reply",
            f"content-type: {'image/png' if self.picture == 'binary' else 'application/json'}",
            f"content-length: {len(body)}",
            *([f"x-cost: {self.cost}"] if self.cost is not None else []),
            "",
            "",
        ]
        return "\r\n".join(lines).encode(), body

    def part(self, seed: int, n: int) -> bytes:
        """Give so much of the reply as is sent."""
        head, body = self.reply(seed, n)
        match self.sent:
            case "nothing":
                return b""
            case "half the head":
                return head[: len(head) // 2]
            case "the head":
                return head
            case "half the body":
                return head + body[: len(body) // 2]
            case "all":
                return head + body
            case "more":
                return head + body + b"".join(Move().reply(seed + 1, 99))


HONEST: Final = Move()


def move_by(random: Random) -> Move:
    """Draw a move."""
    pause = random.choice((0.0, 0.0, 0.001, 0.003))
    then: _Then = random.choice(("keep", "keep", "close", "reset", "close at the next", "reset at the next"))
    match random.choice(
        ("reply", "reply", "reply", "early", "lost", "lost", "unread", "limited", "limited", "honest")
    ):
        case "reply":
            drawn = random.random() < 0.5
            status = random.choice((200, *ERRORS, *UNCERTAIN, 429, 503))
            if status == 200 or drawn:
                shows = random.choice(("cost", "picture", "both", "both"))
                return Move(
                    status=status,
                    cost=COST if shows != "picture" else random.choice((None, "0", "plenty")),
                    picture=random.choice(("binary", "json")) if shows != "cost" or status == 200 else None,
                    sent=random.choice(("all", "all", "all", "more")),
                    then=then,
                    pause=pause,
                )
            # A sign of a cost there is none; where nobody can know, half of them were drawn.
            unseen = status in UNCERTAIN and random.random() < 0.5
            return Move(status, random.choice((None, "0")), None, drawn=unseen, then=then, pause=pause)
        case "early":
            status = random.choice(EARLY)
            ends: _Then = random.choice(("close", "reset"))
            return Move(status, None, None, drawn=False, read=False, then=ends, pause=pause)
        case "lost":
            sent: _Sent = random.choice(("nothing", "half the head", "the head", "half the body"))
            lost: _Then = random.choice(("close", "reset", "close", "reset", "stall"))
            if sent in ("nothing", "half the head"):
                return Move(drawn=random.random() < 0.5, sent=sent, then=lost, pause=pause)
            status = random.choice((200, 200, 200, *ERRORS, *UNCERTAIN))
            form: Literal["binary", "json"] = random.choice(("binary", "json"))
            return Move(status, random.choice((COST, COST, None)), form, sent=sent, then=lost, pause=pause)
        case "unread":
            without: _Then = random.choice(("close", "reset"))
            return Move(None, None, None, drawn=False, read=False, sent="nothing", then=without, pause=pause)
        case "limited":
            return Move(429, None, None, drawn=False, then=then, pause=pause)
        case _:
            return Move(picture=random.choice(("binary", "json")), then=then, pause=pause)


def moves_for(seed: int, run: int) -> tuple[Move, ...]:
    """Give the moves of a call's first sendings; each further one is answered honestly."""
    random = Random(f"moves {run}:{seed}")  # noqa: S311 - a test, not a secret
    return tuple(move_by(random) for _ in range(random.choice((0, 1, 1, 2, 3))))


def move_of(seed: int, n: int, run: int) -> Move:
    """Give the move that meets the n-th sending of a call, counted from 0."""
    moves = moves_for(seed, run)
    return moves[n] if n < len(moves) else HONEST


class Booking:
    """The server: see the module."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._sendings: Counter[int] = Counter()
        self._entries: list[dict[str, Any]] = []

    def ledger(self) -> list[dict[str, Any]]:
        """Give an entry for each sending, in the order in which their heads came."""
        with self._lock:
            return self._entries

    def script(self, connection: Connection) -> None:
        """Meet each request of a connection as its call's next move says."""
        incoming = Incoming(connection.socket)
        then: _Then = "keep"
        while then == "keep" and (head := incoming.head()):
            with self._lock:
                n = self._sendings[head.seed]
                self._sendings[head.seed] += 1
                move = move_of(head.seed, n, self._run)
                entry: dict[str, Any] = {
                    "seed": head.seed,
                    "n": n,
                    "met": str(move),
                    "billed": False,
                    "delivered": False,
                    "repeatable": True,
                }
                self._entries.append(entry)
            time.sleep(move.pause)
            if move.read:
                body = incoming.body(head)
                if body is None:
                    return
                if body["seed"] != head.seed:
                    entry["met"] = f"a body with the seed {body['seed']}"
                entry["billed"] = move.drawn
                entry["repeatable"] = not move.drawn and move.status in MAY_BE_REPEATED
            time.sleep(move.pause)
            part = move.part(head.seed, n)
            # In two steps, so that a client may be between them. What nobody asked for comes with the second.
            cut = sum(map(len, move.reply(head.seed, n))) // 2
            connection.send(part[:cut])
            time.sleep(move.pause)
            connection.send(part[cut:])
            entry["delivered"] = move.sent in ("all", "more")
            then = move.then
        self._end(incoming, then)

    def _end(self, incoming: Incoming, then: _Then) -> None:
        if then == "stall":
            incoming.wait_for_hangup()
        if then.endswith("at the next"):
            incoming.wait_for_a_byte()
        if then.startswith("reset"):
            reset_when_closed(incoming.socket)
        elif then.startswith("close"):
            close_at_once(incoming.socket)


def sending_of(entry: dict[str, Any], run: int) -> Sending:
    """Read an entry of the ledger; the bytes of its reply follow from its seed."""
    seed, n = entry["seed"], entry["n"]
    move = move_of(seed, n, run)
    return Sending(
        seed,
        f"{entry['met']} (sending {n + 1})",
        billed=entry["billed"],
        may_be_repeated=entry["repeatable"],
        delivered=move.body(seed, n) if entry["delivered"] and move.status is not None else None,
    )
