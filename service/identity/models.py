"""What ties an outside id to an opaque holder. Nothing outside this package reads it."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Subject(Base):
    """A resident as a source knows them: a partner's customer number, later a phone or a card."""

    __tablename__ = "subject"

    subject: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
