"""A resident's consent to a scene's use of their data, by text version.

Kept here: an act is covered if it starts at or after the consent was given and before it was
withdrawn; a scene's new text needs a new consent; nothing is deleted, a withdrawal closes a row.
Of one resident one consent to a scene is open at a time: the resident's row is locked first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from activities.catalogue.models import ConsentText, Scene
from activities.errors import (
    ConsentNotAsked,
    ConsentTextOutdated,
    UnknownConsentText,
    UnknownResident,
    UnknownScene,
)
from activities.models import Consent, Participant
from ledgers.bulk import array_of, together
from ledgers.errors import AccountClosed

INT_MAX = 2**31 - 1  # Of a version's column.
_TICK = timedelta(microseconds=1)


_COVERED: LiteralString = """
    SELECT k.n
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(scenes)s AS text[]),
        CAST(%(starts)s AS timestamptz[]), CAST(%(versions)s AS int[]))
        WITH ORDINALITY AS k (holder_id, scene_code, started_at, text_version, n)
    JOIN consent AS c ON c.holder_id = k.holder_id AND c.scene_code = k.scene_code
    WHERE c.given_at <= k.started_at AND c.text_version = k.text_version
        AND (c.withdrawn_at IS NULL OR k.started_at < c.withdrawn_at)
"""
Asked = tuple[str, str, str, int]  # Holder in hexadecimal, scene, start in ISO form, text version.


def covered(session: Session, acts: Sequence[Asked]) -> set[int]:
    """Which of these acts, by their place in the list, a consent covers. One statement."""
    if not acts:
        return set()
    holders, scenes, starts, versions = zip(*acts, strict=True)
    parameters = {
        "holders": array_of(holders),
        "scenes": array_of(scenes),
        "starts": array_of(starts),
        "versions": array_of(versions),
    }
    (rows,) = together(session, (_COVERED, parameters))
    return {n - 1 for (n,) in rows.fetchall()}


def give(
    session: Session,
    holder_id: UUID,
    scene_code: str,
    text_version: int,
    *,
    now: datetime,
    actor: str,
) -> Consent:
    """Consent to a scene, for acts that start from ``now`` on; ``actor`` is who says so.

    Given already in this version, that consent is the answer and nothing is written. One to an
    older text ends where the new one begins.

    Raises:
        UnknownResident: the holder takes part in no programme.
        AccountClosed: not any more.
        UnknownScene: there is none in the resident's programme.
        ConsentNotAsked: the scene asks for none.
        ConsentTextOutdated: it asks for consent to another version of the text.
    """
    scene = _scene_of(session, holder_id, scene_code)
    if scene.consent_version is None:
        raise ConsentNotAsked(scene_code)
    if text_version != scene.consent_version:
        raise ConsentTextOutdated(scene_code, text_version, scene.consent_version)
    last = _last(session, holder_id, scene_code)
    given_at = now
    if last is not None:
        if last.withdrawn_at is None and last.text_version == text_version:
            return last
        _close(session, holder_id, scene_code, now)
        session.refresh(last)
        assert last.withdrawn_at is not None
        given_at = max(now, last.withdrawn_at, last.given_at + _TICK)
    consent = Consent(
        holder_id=holder_id,
        scene_code=scene_code,
        given_at=given_at,
        text_version=text_version,
        actor=actor,
    )
    session.add(consent)
    session.flush()
    return consent


def withdraw(
    session: Session, holder_id: UUID, scene_code: str, *, now: datetime
) -> Consent | None:
    """Withdraw a consent: acts that start from ``now`` on are not covered, earlier ones stay.

    Returns:
        The latest consent, closed (withdrawn before, it stays as it was); None if there never was
        one. Raises UnknownResident, AccountClosed, UnknownScene.
    """
    _scene_of(session, holder_id, scene_code)
    last = _last(session, holder_id, scene_code)
    if last is not None and last.withdrawn_at is None:
        _close(session, holder_id, scene_code, now)
        session.refresh(last)
    return last


def text_of(session: Session, scene: Scene, version: int) -> ConsentText | None:
    """What a resident reads before they consent. None: the scene asks for this version, and was
    loaded before texts were kept. Raises UnknownConsentText.
    """
    if version <= INT_MAX and (found := session.get(ConsentText, (scene.code, version))):
        return found
    if version == scene.consent_version:
        return None
    raise UnknownConsentText(scene.code, version)


def history(session: Session, holder_id: UUID) -> list[Consent]:
    """All that a resident ever consented to, the newest first."""
    query = select(Consent).where(Consent.holder_id == holder_id)
    return list(session.scalars(query.order_by(Consent.given_at.desc(), Consent.scene_code)))


def open_consents(session: Session, holder_id: UUID) -> dict[str, Consent]:
    """What a resident consents to now, by scene."""
    query = select(Consent).where(Consent.holder_id == holder_id, Consent.withdrawn_at.is_(None))
    return {consent.scene_code: consent for consent in session.scalars(query)}


def _scene_of(session: Session, holder_id: UUID, scene_code: str) -> Scene:
    """The scene, of the resident's own programme; locks the resident."""
    query = select(Participant).where(Participant.holder_id == holder_id).with_for_update()
    resident = session.scalar(query, execution_options={"populate_existing": True})
    if resident is None:
        raise UnknownResident(holder_id)
    if resident.closed_at is not None:
        raise AccountClosed(holder_id)
    scene = session.get(Scene, scene_code)
    if scene is None or scene.programme_code != resident.programme_code:
        raise UnknownScene(scene_code)
    return scene


def _last(session: Session, holder_id: UUID, scene_code: str) -> Consent | None:
    query = (
        select(Consent)
        .where(Consent.holder_id == holder_id, Consent.scene_code == scene_code)
        .order_by(Consent.given_at.desc())
        .limit(1)
    )
    return session.scalar(query, execution_options={"populate_existing": True})


def _close(session: Session, holder_id: UUID, scene_code: str, now: datetime) -> None:
    """By a clock that may be behind that of the machine where it was given."""
    session.execute(
        update(Consent)
        .where(Consent.holder_id == holder_id, Consent.scene_code == scene_code)
        .where(Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=func.greatest(Consent.given_at, now)),
        execution_options={"synchronize_session": False},
    )
