"""The outbox: what merchants' systems are told is written in the transaction that it tells of."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ledgers.ids import uuid7s
from rewards.models import WebhookEndpoint, WebhookMessage

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


def tell(session: Session, told: Sequence[Told], *, now: datetime) -> int:
    """Write a message for each endpoint that asked for it; answers how many. Two statements."""
    if not told:
        return 0
    assert all(one.kind in KINDS for one in told)
    merchants = {one.merchant_id for one in told}
    query = select(WebhookEndpoint.id, WebhookEndpoint.merchant_id, WebhookEndpoint.kinds)
    live = query.where(
        WebhookEndpoint.merchant_id.in_(merchants), WebhookEndpoint.ended_at.is_(None)
    )
    endpoints = session.execute(live).all()
    pairs = [
        (endpoint_id, one)
        for one in told
        for endpoint_id, merchant_id, kinds in endpoints
        if merchant_id == one.merchant_id and one.kind in kinds
    ]
    if not pairs:
        return 0
    rows = [
        {
            "id": UUID(id_),
            "endpoint_id": endpoint_id,
            "merchant_id": one.merchant_id,
            "kind": one.kind,
            "body": _body(one, now),
            "made_at": now,
            "next_at": now,
            "give_up_at": now + TRIED_FOR,
        }
        for id_, (endpoint_id, one) in zip(uuid7s(len(pairs), now), pairs, strict=True)
    ]
    session.execute(insert(WebhookMessage), rows)
    return len(rows)


def _body(one: Told, now: datetime) -> str:
    """As Standard Webhooks recommends: type, timestamp, data."""
    whole = {"type": one.kind, "timestamp": now.isoformat(), "data": one.content}
    return msgspec.json.encode(whole).decode()
