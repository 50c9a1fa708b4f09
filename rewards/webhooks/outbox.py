"""The outbox: what merchants' systems are told is written in the transaction that it tells of."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together
from ledgers.ids import uuid7s

KINDS = (
    *("voucher.consumed", "voucher.reversed", "voucher.refunded", "voucher.double_use"),
    *("offer.published", "offer.paused", "offer.ended", "pool.low"),
    *("top_up.done", "settlement.drafted", "settlement.approved", "settlement.paid"),
)
TRIED_FOR = timedelta(days=3)


class Told(NamedTuple):
    """``content`` is the message's ``data``: ids, instants (as RFC 3339 text) and amounts of what
    concerns this merchant; nothing of a resident.
    """

    merchant_id: UUID
    kind: str
    content: dict[str, Any]


class NewMessage(NamedTuple):
    """For one endpoint."""

    id: UUID
    endpoint_id: UUID
    told: Told


def tell(session: Session, told: Sequence[Told], *, now: datetime) -> int:
    """Write a message for each endpoint that asked for it; answers how many.

    Two statements; where nobody asked, one. Locks nothing.
    """
    if not told:
        return 0
    assert all(one.kind in KINDS for one in told)
    merchants = array_of({one.merchant_id for one in told})
    (found,) = together(session, (_LIVE, {"merchants": merchants}))
    asked: dict[tuple[UUID, str], list[UUID]] = {}
    for endpoint_id, merchant_id, kinds in found:
        for kind in kinds:
            asked.setdefault((merchant_id, kind), []).append(endpoint_id)
    pairs = [
        (endpoint_id, one) for one in told for endpoint_id in asked.get((one[0], one.kind), ())
    ]
    ids = uuid7s(len(pairs), now)
    write(session, [NewMessage(UUID(i), *pair) for i, pair in zip(ids, pairs, strict=True)], now)
    return len(pairs)


def write(session: Session, messages: Sequence[NewMessage], now: datetime) -> None:
    """Messages that wait from now on, in one statement."""
    if not messages:
        return
    rows: dict[str, object] = {
        "ids": array_of(each.id for each in messages),
        "endpoints": array_of(each.endpoint_id for each in messages),
        "merchants": array_of(each.told.merchant_id for each in messages),
        "kinds": array_of(each.told.kind for each in messages),
        "bodies": [_body(each.told, now) for each in messages],
        "now": now,
        "give_up_at": now + TRIED_FOR,
        "rows": len(messages),
    }
    together(session, (_WRITE, rows))


def _body(one: Told, now: datetime) -> str:
    """As Standard Webhooks recommends: type, timestamp, data."""
    whole = {"type": one.kind, "timestamp": now.isoformat(), "data": one.content}
    return msgspec.json.encode(whole).decode()


_LIVE: LiteralString = """
    SELECT id, merchant_id, kinds FROM webhook_endpoint
    WHERE merchant_id = ANY(CAST(%(merchants)s AS uuid[])) AND ended_at IS NULL
    ORDER BY id"""
_WRITE: LiteralString = """
    INSERT INTO webhook_message
        (id, endpoint_id, merchant_id, kind, body, made_at, next_at, give_up_at)
    SELECT k.id, k.endpoint_id, k.merchant_id, k.kind, k.body, CAST(%(now)s AS timestamptz),
        CAST(%(now)s AS timestamptz), CAST(%(give_up_at)s AS timestamptz)
    FROM unnest(CAST(%(ids)s AS uuid[]), CAST(%(endpoints)s AS uuid[]),
        CAST(%(merchants)s AS uuid[]), CAST(%(kinds)s AS text[]), CAST(%(bodies)s AS text[]))
        AS k (id, endpoint_id, merchant_id, kind, body)"""
