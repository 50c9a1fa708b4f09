"""The one event struct that every door fills, and the answer that every event gets."""

import hashlib
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

QUANTITY_MAX = 1_000_000_000  # Of any base unit: a million km in m, a thousand t in g.
EVENTS_MAX = 10_000

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One act of one resident, as its sender saw it.

    ``event_id`` is the sender's own id, unique within the scene: the same again is a retry.
    ``quantity`` is in the behaviour's base unit (step, count, m, g, Wh, s); for a total of a day
    ``started_at`` and ``ended_at`` are that day's first and last instants.
    """

    event_id: Code
    scene: Code
    holder_id: UUID
    started_at: Instant
    ended_at: Instant
    quantity: Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]

    @property
    def duration_s(self) -> int:
        return int((self.ended_at - self.started_at).total_seconds())

    def key(self) -> str:
        """What makes it the same message again: scene and the sender's id."""
        return _hashed(f"event\n{self.scene}\n{self.event_id}")

    def content(self) -> str:
        """What makes it the same content: everything else in it."""
        return _hashed(
            f"{self.holder_id.hex}\n{self.started_at.timestamp()}\n"
            f"{self.ended_at.timestamp()}\n{self.quantity}"
        )


class Batch(msgspec.Struct, frozen=True):
    """Up to EVENTS_MAX events that arrived together; ``actor`` is who brought them."""

    events: list[Event]
    actor: str
    received_at: datetime


class Answer(NamedTuple):
    """What became of one event.

    ``decision`` is verified, held or rejected; ``code`` says why (``activities.explanations`` has
    the sentences). ``trimmed_points`` were withheld by a cap while ``saved_mg_co2e`` stands.
    ``written`` is False when an earlier call wrote this very event. ``duplicate_of`` is the
    activity that claimed the same act before.
    """

    event_id: str
    activity_id: UUID
    decision: str
    code: str
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    written: bool = True
    duplicate_of: UUID | None = None


def act_fingerprint(behaviour_code: str, holder: str, when: object) -> str:
    """What makes two reports the same act; ``when`` is its start or its day."""
    return _hashed(f"act\n{behaviour_code}\n{holder}\n{when}")


def _hashed(value: str) -> str:
    """128 bits of SHA-256 in hexadecimal, stored as a uuid: a key that nobody meets by chance."""
    return hashlib.sha256(value.encode()).hexdigest()[:32]
