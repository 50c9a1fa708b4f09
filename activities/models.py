"""What grows with residents: who takes part, what was received and what was decided."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Participant(Base):
    """A holder who takes part: in which programme, living in which town. Nothing personal.

    The row is the resident's lock (``activities.deciding.residents``).
    """

    __tablename__ = "participant"
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}},)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"))
    joined_at: Mapped[datetime]
    turns: Mapped[int] = mapped_column(server_default="0")  # How often somebody had their lock.
    closed_at: Mapped[datetime | None]  # Takes part no more; what they did stays as it stood.


class ReceivedEvent(Base):
    """The retry key of an event: a hash of scene and the sender's own id, and of the content."""

    __tablename__ = "received_event"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[UUID]
    holder_id: Mapped[UUID]
    activity_id: Mapped[UUID]


class Claim(Base):
    """A real-world act is claimed once, whoever reports it."""

    __tablename__ = "claim"

    fingerprint: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    activity_id: Mapped[UUID]


class Activity(Base):
    """What was received and what was decided first, with everything needed to recompute it.

    Partitioned by month of its UUIDv7 ``id``. ``day`` is a day of the programme's zone.
    ``details`` are the event's optional fields as JSON, ``facts`` what the decision knew besides
    the event, and ``policy_id`` by which rules it went. What came later is in ``adjustment``.
    """

    __tablename__ = "activity"
    __table_args__ = (
        CheckConstraint("decision IN ('verified', 'held', 'rejected')", "decision"),
        CheckConstraint(
            "decision = 'verified' OR (saved_mg_co2e = 0 AND points = 0 AND trimmed_points = 0)",
            "granted",
        ),
        CheckConstraint("saved_mg_co2e >= 0 AND points >= 0 AND trimmed_points >= 0", "amounts"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    scene_code: Mapped[str]
    behaviour_code: Mapped[str | None]
    division_code: Mapped[str | None]
    day: Mapped[date | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    quantity: Mapped[int]
    decision: Mapped[str]
    code: Mapped[str]
    saved_mg_co2e: Mapped[int]
    points: Mapped[int]
    trimmed_points: Mapped[int]
    method_code: Mapped[str | None]
    method_version: Mapped[int | None] = mapped_column(Integer)
    duplicate_of: Mapped[UUID | None]
    posting_id: Mapped[UUID | None]
    details: Mapped[str | None]
    facts: Mapped[str | None]
    policy_id: Mapped[UUID | None]


class Policy(Base):
    """The rules, method, factors and tariff of one behaviour on one day, all with their versions,
    as they were when they decided something. Named by a hash of its content, written once.
    """

    __tablename__ = "policy"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Adjustment(Base):
    """What became of an activity after its first decision; never changed, they add up.

    ``saved_mg_co2e``, ``points`` and ``trimmed_points`` are what this one changed, with their sign;
    ``decision``, ``code`` and ``quantity`` how the activity stands from then on. ``day``,
    ``behaviour_code`` and ``division_code`` repeat the activity's, for sums.
    """

    __tablename__ = "adjustment"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('review', 'appeal', 'withdrawn', 'changed', 'recomputed', 'superseded')",
            "kind",
        ),
        CheckConstraint("decision IN ('verified', 'held', 'rejected')", "decision"),
        CheckConstraint("approved_by <> actor", "second_person"),
        CheckConstraint("kind <> 'recomputed' OR approved_by IS NOT NULL", "recomputed"),
        Index(None, "holder_id", "activity_id"),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID]
    kind: Mapped[str]
    decision: Mapped[str]
    code: Mapped[str]
    behaviour_code: Mapped[str | None]
    division_code: Mapped[str | None]
    day: Mapped[date | None]
    quantity: Mapped[int]
    saved_mg_co2e: Mapped[int]
    points: Mapped[int]
    trimmed_points: Mapped[int]
    method_code: Mapped[str | None]
    method_version: Mapped[int | None] = mapped_column(Integer)
    policy_id: Mapped[UUID | None]
    posting_id: Mapped[UUID | None]
    reversal_id: Mapped[UUID | None]
    actor: Mapped[str]
    approved_by: Mapped[str | None]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]


class ActivityCorrection(Base):
    """What one operator proposes about an activity and another decides; approved, it is the cause
    of adjustments. ``quantity`` is the right one, where it is changed.
    """

    __tablename__ = "activity_correction"
    __table_args__ = (
        CheckConstraint(
            "action IN ('withdraw', 'change') AND (action = 'change') = (quantity IS NOT NULL)",
            "action",
        ),
        CheckConstraint("state IN ('proposed', 'approved', 'rejected')", "state"),
        CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL)"
            " AND (state = 'proposed') = (decided_at IS NULL)",
            "decided",
        ),
        CheckConstraint("state <> 'approved' OR decided_by <> proposed_by", "second_person"),
        Index(None, "proposed_at", postgresql_where=text("state = 'proposed'")),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID]
    action: Mapped[str]
    quantity: Mapped[int | None]
    reason: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="proposed")
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    rejection_reason: Mapped[str | None]


class Tally(Base):
    """One resident's verified total of one behaviour on one day: what caps are measured by.

    The behaviour ``*`` is all of them. Who decides over a resident's day has its row locked.
    ``counted_points`` are the best acts' points where a cap counts acts.
    """

    __tablename__ = "tally"
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}},)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    activities: Mapped[int] = mapped_column(server_default="0")
    saved_mg_co2e: Mapped[int] = mapped_column(server_default="0")
    points: Mapped[int] = mapped_column(server_default="0")
    counted_points: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")


class PeriodTally(Base):
    """The same for an ISO week, month or year, for what is capped by it."""

    __tablename__ = "period_tally"
    __table_args__ = (
        CheckConstraint("period IN ('week', 'month', 'year')", "period"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(server_default="0")
    counted_points: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")


class Occupied(Base):
    """The time that a resident's act took: nobody rides two vehicles at once.

    Of verified and held acts under a rule of time, and of those that came too soon after another:
    the third piece of a trip is no new one. Gone when the act is withdrawn or rejected.
    """

    __tablename__ = "occupied"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    behaviour_code: Mapped[str]
    channel: Mapped[str]
    place: Mapped[str | None]


class DeviceHolder(Base):
    """Which residents a device reported for: many on one device are a sign of fraud."""

    __tablename__ = "device_holder"

    device: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_seen_on: Mapped[date]


class Consent(Base):
    """A resident's consent to a scene's use of their data, for acts from ``given_at`` on and before
    ``withdrawn_at``.
    """

    __tablename__ = "consent"
    __table_args__ = (CheckConstraint("withdrawn_at >= given_at", "order"),)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    scene_code: Mapped[str] = mapped_column(primary_key=True)
    given_at: Mapped[datetime] = mapped_column(primary_key=True)
    text_version: Mapped[int] = mapped_column(Integer)
    withdrawn_at: Mapped[datetime | None]
    actor: Mapped[str]


class Household(Base):
    """What a household's own baseline depends on, as of ``valid_from``; the latest counts.

    ``tier`` is the electricity tariff's (1 to 3, 3 the top); readings before ``moved_in_on`` are
    somebody else's; with ``solar`` the meter shows less than is used.
    """

    __tablename__ = "household"
    __table_args__ = (
        CheckConstraint("persons BETWEEN 1 AND 20", "persons"),
        CheckConstraint("tier BETWEEN 1 AND 3", "tier"),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    persons: Mapped[int] = mapped_column(Integer)
    moved_in_on: Mapped[date]
    solar: Mapped[bool]
    tier: Mapped[int] = mapped_column(Integer)
    actor: Mapped[str]
    recorded_at: Mapped[datetime]


class Reading(Base):
    """What a household's meter showed for a month: later months' baselines rest on it."""

    __tablename__ = "reading"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    activity_id: Mapped[UUID]


class ReviewCase(Base):
    """A held activity that a person must look at. ``points`` is what it would earn.

    Open, asked (the resident must answer), seconded (a first approval above the limit), closed.
    """

    __tablename__ = "review_case"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'asked', 'seconded', 'closed')", "state"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", "closed"),
        Index("ix_review_case_open", "opened_at", postgresql_where=text("state <> 'closed'")),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_code: Mapped[str]
    code: Mapped[str]
    points: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="open")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ReviewStep(Base):
    """What somebody did or said in a case or an appeal; never changed."""

    __tablename__ = "review_step"
    __table_args__ = (
        CheckConstraint(
            "action IN ('approve', 'reject', 'ask', 'answer', 'appeal', 'uphold', 'overturn')",
            "action",
        ),
        Index(None, "holder_id", "activity_id"),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID]
    action: Mapped[str]
    actor: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]


class Appeal(Base):
    """A resident's one appeal against a refusal, and its answer in writing."""

    __tablename__ = "appeal"
    __table_args__ = (
        CheckConstraint("outcome IN ('upheld', 'overturned')", "outcome"),
        CheckConstraint("(outcome IS NULL) = (answered_at IS NULL)", "answered"),
        Index("ix_appeal_open", "opened_at", postgresql_where=text("answered_at IS NULL")),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    activity_id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_code: Mapped[str]
    text: Mapped[str]
    opened_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]
    outcome: Mapped[str | None]
    answered_by: Mapped[str | None]


class FeedBatch(Base):
    """The latest version of a partner's batch: which events it held, to book only the difference
    when it comes anew, and its totals by day for the reconciliation. ``id`` is derived from scene
    and the partner's own id of the batch.
    """

    __tablename__ = "feed_batch"
    __table_args__ = (Index(None, "scene_code", "received_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    scene_code: Mapped[str]
    batch_id: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    content_sha256: Mapped[bytes]
    event_keys: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    totals: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_at: Mapped[datetime]


class FeedTotal(Base):
    """What a partner says a day of a scene came to; said again, the last word counts."""

    __tablename__ = "feed_total"

    scene_code: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    events: Mapped[int]
    quantity: Mapped[int]
    received_at: Mapped[datetime]
