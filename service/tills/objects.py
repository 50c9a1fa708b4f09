"""What tills act on, for the admin log: consumptions, scans, and what is redeemed at a till. Codes
are in none of it.
"""

from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from rewards.models import (
    CodeDevice,
    Consumption,
    DoubleUse,
    Merchant,
    Redemption,
    Scan,
    Voucher,
)
from rewards.tills.live_codes import read
from service.admin.log import Act, State
from service.admin.objects import Object

CONSUMPTION, REDEMPTION, SCAN = "consumption", "redemption", "scan"
ZONE = "Asia/Shanghai"  # Of merchants of no programme.


def programme_of(session: Session, merchant_id: UUID) -> tuple[str | None, str]:
    """The code and the time zone of a merchant's programme."""
    query = (
        select(Programme.code, Programme.zone)
        .join(Merchant, Merchant.programme_holder_id == Programme.holder_id)
        .where(Merchant.id == merchant_id)
    )
    found = session.execute(query).one_or_none()
    return (None, ZONE) if found is None else (found.code, found.zone)


def consumption(
    session: Session, consumption_id: UUID, merchant_id: UUID, hashes: Iterable[bytes]
) -> Object:
    """A voucher that is taken, or given back, by the till's id."""
    (act,) = consumption_acts(session, "", merchant_id, {consumption_id: tuple(hashes)})
    states = consumption_states(session, [consumption_id])
    return Object(
        CONSUMPTION,
        str(consumption_id),
        act.programme,
        act.holder_id,
        lambda: states()[str(consumption_id)],
    )


def taken(session: Session, consumption_id: UUID, merchant_id: UUID) -> Object:
    """A consumption that is there, without its code; or is not, and nothing comes of it."""
    query = select(Consumption.code_sha256).where(
        Consumption.id == consumption_id, Consumption.merchant_id == merchant_id
    )
    hashed = session.scalar(query)
    return consumption(session, consumption_id, merchant_id, [] if hashed is None else [hashed])


def consumption_acts(
    session: Session, what: str, merchant_id: UUID, wanted: Mapping[UUID, tuple[bytes, ...]]
) -> list[Act]:
    """The acts of taking vouchers, by the tills' ids; two statements. Of a code that is none of the
    merchant's there is no holder: it will be refused.
    """
    programme, _ = programme_of(session, merchant_id)
    every = {hashed for hashes in wanted.values() for hashed in hashes}
    query = select(Voucher.code_sha256, Voucher.holder_id).where(
        Voucher.code_sha256.in_(every), Voucher.merchant_id == merchant_id
    )
    holders = dict(session.execute(query).all()) if every else {}
    return [
        Act(
            what,
            CONSUMPTION,
            str(id_),
            next((holders[each] for each in hashes if each in holders), None),
            programme,
        )
        for id_, hashes in wanted.items()
    ]


def consumption_states(session: Session, ids: Iterable[UUID]) -> Callable[[], Mapping[str, State]]:
    """How consumptions stand, those too that were refused since the voucher had ended."""
    wanted = set(ids)
    names = ("merchant_id", "offer_id", "redemption_id", "shop_id", "scanner_id", "consumed_at")
    taken = select(
        Consumption.id,
        *(getattr(Consumption, name) for name in (*names, "offline", "reversed_at")),
    ).where(Consumption.id.in_(wanted))
    names = ("merchant_id", "offer_id", "redemption_id", "shop_id", "scanner_id", "scanned_at")
    refused = select(
        DoubleUse.id, *(getattr(DoubleUse, name) for name in (*names, "why", "first_at"))
    ).where(DoubleUse.id.in_(wanted))

    def states() -> Mapping[str, State]:
        found: dict[str, State] = {str(id_): None for id_ in wanted}
        for query in (refused, taken):
            for row in session.execute(query):
                facts = dict(row._mapping)
                found[str(facts.pop("id"))] = facts
        return found

    return states


def redemption(session: Session, redemption_id: UUID, scan: Scan) -> Object:
    """What is redeemed for the resident of a scan, and taken at once."""
    programme, _ = programme_of(session, scan.merchant_id)
    query = select(
        Redemption.offer_id, Redemption.version, Redemption.spent_points, Redemption.state
    ).where(Redemption.holder_id == scan.holder_id, Redemption.id == redemption_id)

    def state() -> State:
        row = session.execute(query).one_or_none()
        if row is None:
            return None
        return {"merchant_id": scan.merchant_id, "scan_id": scan.id} | dict(row._mapping)

    return Object(REDEMPTION, str(redemption_id), programme, scan.holder_id, state)


def scan(session: Session, scan_id: UUID, merchant_id: UUID, sent: str, root: bytes) -> Object:
    """A live code that is read."""
    programme, _ = programme_of(session, merchant_id)
    code = read(root, sent)
    owner = select(CodeDevice.holder_id).where(CodeDevice.id == code.device_id) if code else None
    holder_id = None if owner is None else session.scalar(owner)
    columns = (Scan.merchant_id, Scan.shop_id, Scan.scanner_id, Scan.opened_at, Scan.ends_at)

    def state() -> State:
        row = session.execute(select(*columns).where(Scan.id == scan_id)).one_or_none()
        return None if row is None else dict(row._mapping)

    return Object(SCAN, str(scan_id), programme, holder_id, state)
