"""Pictures of offers, each under the hash of its bytes: it never changes, and is kept once."""

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.models import Picture
from rewards.offers.errors import NotAPicture, PictureTooLarge, UnknownPicture

SIZE_MAX_BYTES = 512 * 1024


def media_type(content: bytes) -> str:
    """By its first bytes, whatever its sender says of it; raises NotAPicture.

    No SVG: it may carry programs.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise NotAPicture


def put_picture(session: Session, content: bytes, *, made_by: str, now: datetime) -> Picture:
    """Keep a picture; the same bytes again change nothing. Raises NotAPicture, PictureTooLarge."""
    if len(content) > SIZE_MAX_BYTES:
        raise PictureTooLarge(SIZE_MAX_BYTES)
    row = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "media_type": media_type(content),
        "content": content,
        "made_by": made_by,
        "made_at": now,
    }
    session.execute(insert(Picture).values(row).on_conflict_do_nothing())
    return get_picture(session, str(row["sha256"]))


def get_picture(session: Session, sha256: str) -> Picture:
    """The picture of this hash; raises UnknownPicture."""
    found = session.scalars(select(Picture).where(Picture.sha256 == sha256)).one_or_none()
    if found is None:
        raise UnknownPicture(sha256)
    return found
