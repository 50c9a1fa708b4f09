"""Who is behind an opaque holder, who may act for them, and who read what of them.

Nothing outside this package reads the personal tables. Values are sealed with the person's own
data key (``service.identity.vault``); what they are looked up by is a keyed hash.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from ledgers.base import Base


class Person(Base):
    """Somebody whose personal data are kept. Closed: the data key is gone, and with it all of it.

    ``minor_until`` is the fourteenth birthday of a child whose guardian registered them.
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("(data_key IS NULL) = (closed_at IS NOT NULL)", name="data_key"),
        CheckConstraint("(data_key IS NULL) = (master_key_id IS NULL)", name="master_key_id"),
        CheckConstraint("(real_name_at IS NULL) = (real_name_by IS NULL)", name="real_name"),
        CheckConstraint("erased_at IS NULL OR closed_at IS NOT NULL", name="erased"),
        Index("ix_person_master_key_id", "master_key_id", "holder_id"),
        Index(
            "ix_person_to_erase",
            "holder_id",
            postgresql_where=text("closed_at IS NOT NULL AND erased_at IS NULL"),
        ),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    data_key: Mapped[bytes | None]  # Wrapped by the master key of this id.
    master_key_id: Mapped[str | None]
    registered_at: Mapped[datetime]
    minor_until: Mapped[date | None]
    terms_version: Mapped[int | None]  # Of the privacy text agreed to at sign-up.
    real_name_at: Mapped[datetime | None]  # An outside verifier's word, and whose.
    real_name_by: Mapped[str | None]
    real_name_said_at: Mapped[datetime | None]  # Its last word, also a withdrawal.
    closed_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]  # Their secret of the log, too, was destroyed.


class PersonalValue(Base):
    """One sealed value. ``value_key`` is the look-up key of an outside id; empty for the others."""

    __tablename__ = "personal_value"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    value_key: Mapped[bytes] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]
    written_at: Mapped[datetime]


class OutsideId(Base):
    """A person as a source knows them, by a keyed hash: phone, card, WeChat, a partner's customer.

    With ``ended_at`` it opens nothing any more, and is nobody else's either.
    """

    __tablename__ = "outside_id"
    __table_args__ = (CheckConstraint("octet_length(value_key) = 32", name="value_key"),)

    value_key: Mapped[bytes] = mapped_column(primary_key=True)
    source: Mapped[str]
    holder_id: Mapped[UUID]
    ended_at: Mapped[datetime | None]


class Subject(Base):
    """As the release before kept outside ids; ``outside_ids.move_subjects`` empties it."""

    __tablename__ = "subject"

    subject: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]


class PersonalRead(Base):
    """Somebody read values of a person, and what for; the person sees it."""

    __tablename__ = "personal_read"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    read_at: Mapped[datetime]
    reader: Mapped[str]
    role: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    purpose: Mapped[str]


class Delegation(Base):
    """Somebody acts for a holder: a guardian for a child, or a relative who was let in."""

    __tablename__ = "delegation"
    __table_args__ = (
        CheckConstraint("kind IN ('guardian', 'delegate')", name="kind"),
        CheckConstraint("holder_id <> delegate_id", name="two_people"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    delegate_id: Mapped[UUID]
    kind: Mapped[str]
    may_spend: Mapped[bool]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class ActingFor(Base):
    """The same from the delegate's side, so that they find whom they may act for."""

    __tablename__ = "acting_for"

    delegate_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    delegation_id: Mapped[UUID] = mapped_column(primary_key=True)
