"""The one event struct that every door fills, and the answer that every event gets."""

import hashlib
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

QUANTITY_MAX = 1_000_000_000  # Of any base unit: a million km in m, a thousand t in g.
EVENTS_MAX = 10_000

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+\Z")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


# Whose word it is, the weightiest first: of two reports of one act the weightier counts, whichever
# came first. The operator that ran the vehicle, an aggregator (a map), the resident's app, staff.
CHANNELS = ("operator", "aggregator", "app", "staff")

_Whole = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Place = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,12}\Z")]


class Details(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """What a sender may say besides; which of it is needed, rules say.

    ``distance_m`` where the quantity is no distance; ``active_s`` the seconds in motion within a
    day's total; ``material`` for a method by mass; ``object_id`` the sender's own opaque id of the
    meter, bin, parcel or vehicle; ``place`` the code of the division where it happened (no track);
    ``device`` an opaque id of the reporting device; ``photo_sha256`` of a photo that the sender
    keeps; ``odometer_m`` before and after. ``attested`` is the door's finding, not the sender's.
    """

    distance_m: _Whole | None = None
    active_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    material: Code | None = None
    object_id: Code | None = None
    place: Place | None = None
    device: UUID | None = None
    photo_sha256: Sha256 | None = None
    odometer_m: tuple[_Whole, _Whole] | None = None
    attested: bool = False


NO_DETAILS = Details()
_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
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
    quantity: _Whole
    details: Details = NO_DETAILS

    @property
    def duration_s(self) -> int:
        return int((self.ended_at - self.started_at).total_seconds())

    def key(self) -> str:
        """What makes it the same message again: scene and the sender's id."""
        return _hashed(f"event\n{self.scene}\n{self.event_id}")

    def content(self, details: str | None = None) -> str:
        """What makes it the same content: everything else in it; ``details`` where they are written
        out already.
        """
        written = (
            f"{self.holder_id.hex}\n{self.started_at.timestamp()}\n"
            f"{self.ended_at.timestamp()}\n{self.quantity}"
        )
        if self.details is not NO_DETAILS:
            written += "\n" + (details or self.details_json())
        return _hashed(written)

    def details_json(self) -> str:
        """The details as they are kept: without what was not said; "{}" for none."""
        return _encode(self.details).decode()


class Batch(msgspec.Struct, frozen=True):
    """Up to EVENTS_MAX events that arrived together; ``actor`` is who brought them.

    ``acting``: in the residents' own name, as a relative does who acts for one.
    """

    events: list[Event]
    actor: str
    received_at: datetime
    acting: bool = False


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
