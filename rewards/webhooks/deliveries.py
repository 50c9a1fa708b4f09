"""Deliveries: which messages are sent when, and what became of them.

Kept here: a message that waits is tried until it is delivered or its three days are over, and once
at least; whoever is killed while it sends leaves a lease that runs out, after which the message
comes again under the same id. No endpoint takes the places of others, however many messages wait
for it. The order of messages is not kept.
"""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together
from rewards.models import WebhookEndpoint

LEASE = timedelta(seconds=60)  # Longer than anything takes from its claim to its record.
ANSWER_LENGTH_MAX = 100
GONE = 410  # Who answers so wants nothing more.
DELIVERED, WAITING, DEAD = "delivered", "waiting", "dead"
STATES = (WAITING, DELIVERED, DEAD)
ENDED = "endpoint ended"
_BACKOFF_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800)  # Then the last, again.
_JITTER = 0.2  # So much sooner or later, or all of an outage would come back at once.


class Claimed(NamedTuple):
    """A message that is ours to send until ``leased_to``; ``tries`` counts this one."""

    id: UUID
    endpoint_id: UUID
    url: str
    body: str
    tries: int
    give_up_at: datetime
    leased_to: datetime


class Outcome(NamedTuple):
    """``answer``: the status as text, or why there was none. ``good``: it was taken."""

    claimed: Claimed
    good: bool
    answer: str

    @property
    def gone(self) -> bool:
        return self.answer == str(GONE)


def claim(
    session: Session,
    *,
    room: Callable[[UUID], int],
    limit: int,
    now: datetime,
) -> list[Claimed]:
    """Take due messages, those first that wait longest; of each endpoint as many as it has room.

    Of two who claim at once each message goes to one. What waits for an endpoint that has ended
    is dead. One statement where nothing is due, else three, and one more an endpoint (together in
    one round trip).
    """
    found = session.execute(_DUE, {"now": now})
    due: dict[UUID, int] = {row.endpoint_id: row.messages for row in found}
    if not due:
        return []
    urls = _live_urls(session, list(due))
    bury_ended(session, [each for each in due if each not in urls], now=now)
    wanted: list[tuple[UUID, int]] = []
    for endpoint_id, count in due.items():
        places = min(count, limit, room(endpoint_id)) if endpoint_id in urls else 0
        if places > 0:
            wanted.append((endpoint_id, places))
            limit -= places
    if not wanted:
        return []
    cursors = together(
        session,
        *((_NEXT, {"endpoint": id_, "now": now, "places": places}) for id_, places in wanted),
    )
    ids = sorted(id_ for cursor in cursors for (id_,) in cursor)
    leased_to = now + LEASE
    rows = session.execute(_LEASE, {"ids": array_of(ids), "now": now, "leased_to": leased_to})
    return [
        Claimed(id_, endpoint_id, urls[endpoint_id], body, tries, give_up_at, leased_to)
        for id_, endpoint_id, body, tries, give_up_at in rows
    ]


def record(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """What became of messages: delivered, dead, or to be tried again later. One statement; where
    an endpoint is gone, two more.

    An outcome of a lease that ran out counts when it is good: it was taken, whoever sends it now.
    """
    if not outcomes:
        return
    planned = [_planned(each, now) for each in outcomes]
    session.execute(
        _RECORD,
        {
            "ids": array_of(each.claimed.id for each in outcomes),
            "leases": [each.claimed.leased_to for each in outcomes],
            "states": array_of(state for state, _ in planned),
            "nexts": [next_at for _, next_at in planned],
            "answers": [each.answer[:ANSWER_LENGTH_MAX] for each in outcomes],
            "now": now,
        },
    )
    gone = {each.claimed.endpoint_id for each in outcomes if each.gone}
    for endpoint_id in sorted(gone):
        endpoint = session.get_one(WebhookEndpoint, endpoint_id)
        endpoint.ended_at = endpoint.ended_at or now
    session.flush()
    bury_ended(session, sorted(gone), now=now)


def bury_ended(session: Session, endpoint_ids: Sequence[UUID], *, now: datetime) -> None:
    """What waits for endpoints that have ended is dead, in one statement."""
    if endpoint_ids:
        parameters = {"endpoints": array_of(endpoint_ids), "now": now, "why": ENDED}
        session.execute(_BURY, parameters)


def backoff(tries: int, *, jitter: float) -> timedelta:
    """How long after its ``tries``-th failure a message is tried again; ``jitter`` from -1 to 1."""
    seconds = _BACKOFF_S[min(tries, len(_BACKOFF_S)) - 1]
    return timedelta(seconds=seconds * (1 + _JITTER * jitter))


def _planned(outcome: Outcome, now: datetime) -> tuple[str, datetime | None]:
    """The state, and when the next try is: the last one is at the very end of the time."""
    claimed = outcome.claimed
    if outcome.good:
        return DELIVERED, None
    if outcome.gone or now >= claimed.give_up_at:
        return DEAD, None
    later = now + backoff(claimed.tries, jitter=random.uniform(-1, 1))  # noqa: S311 - no secret.
    return WAITING, min(later, claimed.give_up_at)


def _live_urls(session: Session, endpoint_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The addresses of those that have not ended."""
    found = session.execute(_URLS, {"endpoints": array_of(endpoint_ids)})
    return {row.id: row.url for row in found}


_DUE: Any = text("""
    SELECT endpoint_id, count(*) AS messages FROM webhook_message
    WHERE state = 'waiting' AND next_at <= :now
    GROUP BY endpoint_id ORDER BY min(next_at), endpoint_id""")
_URLS: Any = text("""
    SELECT id, url FROM webhook_endpoint
    WHERE id = ANY(CAST(:endpoints AS uuid[])) AND ended_at IS NULL""")
_NEXT: LiteralString = """
    SELECT id FROM webhook_message
    WHERE state = 'waiting' AND endpoint_id = %(endpoint)s AND next_at <= %(now)s
    ORDER BY next_at LIMIT %(places)s"""
_LEASE: Any = text("""
    UPDATE webhook_message SET next_at = :leased_to, tries = tries + 1
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'waiting' AND next_at <= :now
    RETURNING id, endpoint_id, body, tries, give_up_at""")
_RECORD: Any = text("""
    UPDATE webhook_message AS m SET state = k.state, next_at = k.next_at, last_answer = k.answer,
        ended_at = CASE WHEN k.state = 'waiting' THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS timestamptz[]), CAST(:states AS text[]),
        CAST(:nexts AS timestamptz[]), CAST(:answers AS text[]))
        AS k (id, leased_to, state, next_at, answer)
    WHERE m.id = k.id AND m.state = 'waiting'
        AND (k.state = 'delivered' OR m.next_at = k.leased_to)""")
_BURY: Any = text("""
    UPDATE webhook_message SET state = 'dead', next_at = NULL, ended_at = :now, last_answer = :why
    WHERE state = 'waiting' AND endpoint_id = ANY(CAST(:endpoints AS uuid[]))""")
