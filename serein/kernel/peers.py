"""Peers: the other processes and nodes of one house, as far as they ask each other to do something.

What they say is sealed under a key that only the store has: who has no part in the house can neither ask nor answer nor read.
A question names the life of the process that it is for, when it ends to be good, and itself by an id that is taken once;
an answer is bound to its question.

    sealed = seals.question(RUN, body, to=owner)        here
    note = seals.open(sealed)                           there; raises PeerRefused
    sealed = seals.answer(note, body)
    body = seals.answered(id, sealed)                   here again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from serein.base.clock import Clock
from serein.base.ids import Randomness
from serein.base.later import later
from serein.store.interface import Transaction
from serein.store.tables import Table

if TYPE_CHECKING:
    from serein.base import sealing
else:
    sealing = later("serein.base.sealing")

HELLO = "hello"
"""Asks who is there; the only kind that may be for nobody by name. Changes nothing, so hearing it twice does no harm."""
GOOD_S = 30.0
"""How long a question is good, by the wall clocks; those of two nodes may differ by so much less."""
REMEMBERED_MAX = 100_000
"""Questions of the last `GOOD_S` whose ids are remembered; beyond that all are refused."""
RENEW_S = 10.0
"""How often a node says that its address holds."""
FORGOTTEN_S = 30.0
"""An address that was not renewed for so long is nobody's."""
DOORBELL = "serein:peers"
_ID_BYTES = 16
_QUESTION = b"serein: a question to a peer"
_ANSWER = b"serein: an answer to "


class PeerKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the house's processes seal with."""

    name: str
    secret: bytes


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A node that others may ask at `address` (host:port), as it said at `at` (epoch seconds, the wall clock's)."""

    address: str
    owner: str
    at: float


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A question: for the process whose life is `to`, good until `good_until`, once."""

    id: bytes
    to: str
    kind: str
    good_until: float
    body: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `refused`: in these words, and nothing was begun."""

    owner: str
    body: bytes = b""
    refused: str = ""


KEYS = Table("kernel.peer_keys", PeerKey, key=lambda key: (key.name,))
PEERS = Table("kernel.peers", Peer, key=lambda peer: (peer.address,))


class PeerRefused(Exception):
    """A peer did not do what it was asked, and has not begun."""


class PeerLost(Exception):
    """A peer was asked and did not answer: whether it has begun, or done it, is not known."""


class Asking(Protocol):
    """How the others are asked (`front/peer_lines.py`)."""

    async def ask_all(self, kind: str, body: bytes) -> dict[str, bytes]:
        """What everybody answers who does so at once, by address; for questions that change nothing."""
        ...

    async def ask(self, address: str, kind: str, body: bytes, within_s: float) -> bytes:
        """What one peer answers. Raises PeerRefused when it has not begun, PeerLost when that is not known."""
        ...


def key_of_house(tx: Transaction, randomness: Randomness) -> bytes:
    """The key that all processes of the house have; made by the first of them."""
    key = tx.get(KEYS, "peers")
    if key is None:
        key = PeerKey(name="peers", secret=randomness.token(32))
        tx.put(KEYS, key)
    return key.secret


class Seals:
    """One process's questions and answers. `owner` is its life's own name."""

    def __init__(self, secret: bytes, owner: str, clock: Clock, randomness: Randomness) -> None:
        self._secret = secret
        self._owner = owner
        self._clock = clock
        self._randomness = randomness
        self._heard: dict[bytes, float] = {}
        """The ids of questions that were taken, in the order in which they came, and until when each is good."""

    def question(self, kind: str, body: bytes, to: str) -> tuple[bytes, bytes]:
        """A question's id, and what to send."""
        made = Note(
            id=self._randomness.token(_ID_BYTES),
            to=to,
            kind=kind,
            good_until=self._clock.wall() + GOOD_S,
            body=body,
        )
        clear = msgspec.msgpack.encode(made)
        return made.id, sealing.seal(self._secret, clear, _QUESTION, self._randomness)

    def open(self, sealed: bytes) -> Note:
        """A question that is for this process. Raises PeerRefused: no answer to be sealed, for it may be a replay."""
        try:
            clear = sealing.unseal(self._secret, sealed, _QUESTION)
            note = msgspec.msgpack.decode(clear, type=Note)
        except (sealing.NotSealed, msgspec.DecodeError) as error:
            raise PeerRefused("nobody of this house has sealed it") from error
        now = self._clock.wall()
        if not now <= note.good_until <= now + 2 * GOOD_S:
            # A replay, or clocks that are far apart.
            raise PeerRefused("it is not good any more, or not yet")
        if note.kind == HELLO:
            return note
        if note.id in self._heard:
            raise PeerRefused("it was heard before")
        if note.to != self._owner or not self._remember(note, now):
            raise PeerRefused("it is for another, or there is too much of it")
        return note

    def _remember(self, note: Note, now: float) -> bool:
        heard = self._heard
        while heard and (first := next(iter(heard))) and heard[first] < now:
            del heard[first]
        if len(heard) >= REMEMBERED_MAX:
            return False
        heard[note.id] = note.good_until
        return True

    def answer(self, note: Note, body: bytes = b"", refused: str = "") -> bytes:
        """The answer to a question."""
        clear = msgspec.msgpack.encode(Reply(owner=self._owner, body=body, refused=refused))
        return sealing.seal(self._secret, clear, _ANSWER + note.id, self._randomness)

    def answered(self, question: bytes, sealed: bytes) -> Reply:
        """The answer to the question with this id. Raises PeerLost when it is none."""
        try:
            clear = sealing.unseal(self._secret, sealed, _ANSWER + question)
            return msgspec.msgpack.decode(clear, type=Reply)
        except (sealing.NotSealed, msgspec.DecodeError) as error:
            raise PeerLost("what was answered is no peer's answer") from error
