"""A resident's phones that show live codes: at most some, each with a key that is kept nowhere."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.errors import AccountClosed
from ledgers.funds import lock_holder
from rewards.models import CodeDevice
from rewards.tills.errors import (
    CodeDeviceEnded,
    CodeDeviceReused,
    LiveCodeOffTime,
    LiveCodeUsed,
    TooManyCodeDevices,
    UnknownCodeDevice,
    UnknownLiveCode,
)
from rewards.tills.live_codes import LiveCode, is_of

LIVE_MAX = 5
TOLD_AGAIN_FOR = timedelta(minutes=10)


def add_device(
    session: Session, device_id: UUID, *, holder_id: UUID, name: str, now: datetime
) -> CodeDevice:
    """A phone that shows codes from now on. The same again changes nothing.

    Raises:
        AccountClosed: the resident has closed the account.
        CodeDeviceReused: the id stands for another phone, or another's.
        TooManyCodeDevices: LIVE_MAX of the resident's do.

    Locks the resident's accounts, so that two at once are counted.
    """
    if not lock_holder(session, holder_id):
        raise AccountClosed(holder_id)
    if (earlier := session.get(CodeDevice, device_id, populate_existing=True)) is not None:
        return _same_or_refuse(earlier, holder_id, name)
    live = select(func.count()).where(
        CodeDevice.holder_id == holder_id, CodeDevice.ended_at.is_(None)
    )
    if (session.scalar(live) or 0) >= LIVE_MAX:
        raise TooManyCodeDevices(LIVE_MAX)
    row = {"id": device_id, "holder_id": holder_id, "name": name, "made_at": now}
    session.execute(insert(CodeDevice).values(row).on_conflict_do_nothing())
    return _same_or_refuse(session.get_one(CodeDevice, device_id), holder_id, name)


def tells_key(device: CodeDevice, now: datetime) -> bool:
    """Whether the phone's key is still told to who asks for it again."""
    return device.ended_at is None and now < device.made_at + TOLD_AGAIN_FOR


def devices(
    session: Session, holder_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[CodeDevice]:
    """A resident's phones, those that were signed off too."""
    query = select(CodeDevice).where(CodeDevice.holder_id == holder_id)
    if after is not None:
        query = query.where(CodeDevice.id > after)
    return session.scalars(query.order_by(CodeDevice.id).limit(limit)).all()


def end_device(session: Session, device_id: UUID, *, holder_id: UUID, now: datetime) -> CodeDevice:
    """No code of this phone is taken any more; ended before, it stays as it was.

    Raises:
        UnknownCodeDevice: the resident has none.
    """
    mine = (CodeDevice.id == device_id, CodeDevice.holder_id == holder_id)
    session.execute(
        update(CodeDevice).where(*mine, CodeDevice.ended_at.is_(None)).values(ended_at=now)
    )
    query = select(CodeDevice).where(*mine)
    found = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise UnknownCodeDevice(device_id)
    return found


def end_devices(session: Session, holder_id: UUID, *, now: datetime) -> None:
    """Sign all phones of a resident who leaves off, and forget their names."""
    session.execute(
        update(CodeDevice)
        .where(CodeDevice.holder_id == holder_id)
        .values(name="", ended_at=func.coalesce(CodeDevice.ended_at, now))
    )


def use(session: Session, code: LiveCode, *, scan_id: UUID, now: datetime) -> UUID:
    """Take a code that ``live_codes.read`` believed, once; answers whose phone it was.

    Raises:
        LiveCodeOffTime: shown at another time.
        UnknownLiveCode: nobody's phone.
        CodeDeviceEnded: the phone was signed off.
        LiveCodeUsed: this one, or a newer one, was read before, by another scan.

    Locks the phone's row. No code up to this one is taken any more.
    """
    if not is_of(code, now):
        raise LiveCodeOffTime(shown_at=code.shown_at, now=now)
    taking = (
        update(CodeDevice)
        .where(
            CodeDevice.id == code.device_id,
            CodeDevice.ended_at.is_(None),
            CodeDevice.last_step < code.step,
        )
        .values(last_step=code.step, last_scan_id=scan_id)
        .returning(CodeDevice.holder_id)
    )
    holder_id = session.scalar(taking, execution_options={"synchronize_session": False})
    if holder_id is not None:
        return holder_id
    found = session.get(CodeDevice, code.device_id, populate_existing=True)
    if found is None:
        raise UnknownLiveCode
    if found.ended_at is not None:
        raise CodeDeviceEnded(found.ended_at)
    if (found.last_step, found.last_scan_id) == (code.step, scan_id):
        return found.holder_id
    newest = LiveCode(found.id, found.last_step)
    raise LiveCodeUsed(shown_at=code.shown_at, newest_shown_at=newest.shown_at)


def _same_or_refuse(earlier: CodeDevice, holder_id: UUID, name: str) -> CodeDevice:
    if (earlier.holder_id, earlier.name) != (holder_id, name):
        raise CodeDeviceReused(earlier.id)
    if earlier.ended_at is not None:
        raise CodeDeviceEnded(earlier.ended_at)
    return earlier
