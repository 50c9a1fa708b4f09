"""Intake: the one core behind every door.

Kept here: an event is decided once, whoever sends it again; a real-world act is granted once,
whoever reports it; what is granted is posted in the same transaction as the decision. Every batch
costs the same number of statements, however many events it has.

Locks are taken in the order retry keys, claims, tallies, accounts, each sorted, so that two
batches cannot wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, select, text
from sqlalchemy.orm import Session

from activities.decisions import Item, decide
from activities.events import EVENTS_MAX, Answer, Batch
from activities.granting import grant, post_granted
from activities.models import Activity
from activities.policies import load_policies
from ledgers.bulk import NULL, array_of, copy_lines, escaped, look_up_by_index
from ledgers.ids import uuid7s

_RECEIVE = text("""
    INSERT INTO received_event (key, content, holder_id, activity_id)
    SELECT * FROM unnest(CAST(:keys AS uuid[]), CAST(:contents AS uuid[]),
        CAST(:holders AS uuid[]), CAST(:activities AS uuid[])) AS e (key, b, c, d) ORDER BY key
    ON CONFLICT DO NOTHING
""")
_RECEIVED = text("""
    SELECT replace(key::text, '-', ''), replace(content::text, '-', ''), holder_id, activity_id
    FROM received_event WHERE key = ANY(CAST(:keys AS uuid[]))
""")
_CLAIM = text("""
    INSERT INTO claim (fingerprint, holder_id, activity_id)
    SELECT * FROM unnest(CAST(:prints AS uuid[]), CAST(:holders AS uuid[]),
        CAST(:activities AS uuid[])) AS c (print, b, c) ORDER BY print
    ON CONFLICT DO NOTHING
""")
_CLAIMANTS = text("""
    SELECT replace(fingerprint::text, '-', ''), activity_id
    FROM claim WHERE fingerprint = ANY(CAST(:prints AS uuid[]))
""")
_ACTIVITIES = text("""
    SELECT activity.* FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN activity ON activity.holder_id = k.holder AND activity.id = k.id
""")
_HOMES = text("""
    SELECT replace(holder_id::text, '-', ''), programme_code, division_code
    FROM participant WHERE holder_id = ANY(CAST(:holders AS uuid[]))
""")


def record(session: Session, batch: Batch) -> list[Answer]:
    """Decide, quantify and post up to EVENTS_MAX events; one answer an event, in their order.

    Args:
        session: the caller's open transaction; the caller commits.
        batch: ``received_at`` is a zone-aware instant; it dates ids and judges "in future".

    Returns:
        An answer for each event. An event sent before (same scene, same ``event_id``) gets its
        first answer with ``written=False``; with other content it is refused as
        ``event_id_reused`` and nothing is kept of it. Everything else is kept, refusals too.

    A retry writes nothing. Raises no refusal of its own; a fault rolls the whole batch back.
    """
    assert len(batch.events) <= EVENTS_MAX, "the door splits what is longer"
    if not batch.events:
        return []
    policies = load_policies(session, {event.scene for event in batch.events})
    look_up_by_index(session)
    ids = uuid7s(len(batch.events), batch.received_at)
    items = [
        Item(event, event.holder_id.hex, UUID(activity_id), policies.get(event.scene))
        for event, activity_id in zip(batch.events, ids, strict=True)
    ]
    homes = _homes(session, {item.holder for item in items})
    keys = [event.key() for event in batch.events]
    fresh, earlier = _receive(session, items, keys)
    for item in fresh.values():
        decide(item, homes.get(item.holder), batch.received_at)
    _claim(session, fresh.values())
    grant(session, fresh.values())
    posting_id = post_granted(session, fresh, batch)
    _keep(session, fresh.values(), posting_id)
    recorded = _recorded(session, earlier.values())
    return [
        _answer(item, fresh[key])
        if key in fresh
        else _earlier_answer(item, earlier[key], recorded[earlier[key].activity_id])
        for item, key in zip(items, keys, strict=True)
    ]


class _Received(NamedTuple):
    """What stands behind a retry key."""

    key: str
    content: str
    holder_id: UUID
    activity_id: UUID


def _homes(session: Session, holders: set[str]) -> dict[str, tuple[str, str]]:
    """Programme and town of the residents among the holders, by id in hexadecimal."""
    rows = session.execute(_HOMES, {"holders": array_of(holders)}).all()
    return {holder: (programme, town) for holder, programme, town in rows}


def _receive(
    session: Session, items: Sequence[Item], keys: Sequence[str]
) -> tuple[dict[str, Item], dict[str, _Received]]:
    """By key: the items that are new (of two with one key in a batch, the first), and what was
    received before.
    """
    first: dict[str, Item] = {}
    for key, item in zip(keys, items, strict=True):
        first.setdefault(key, item)
    parameters = {
        "keys": array_of(first),
        "contents": array_of(item.event.content() for item in first.values()),
        "holders": array_of(item.holder for item in first.values()),
        "activities": array_of(item.activity_id.hex for item in first.values()),
    }
    if _written(session, _RECEIVE, parameters) == len(first):
        return first, {}
    rows = [_Received(*row) for row in session.execute(_RECEIVED, {"keys": parameters["keys"]})]
    earlier = {row.key: row for row in rows if row.activity_id != first[row.key].activity_id}
    return {key: item for key, item in first.items() if key not in earlier}, earlier


def _written(session: Session, statement: TextClause, parameters: Mapping[str, object]) -> int:
    result = session.execute(statement, parameters)
    assert isinstance(result, CursorResult)
    return result.rowcount


def _claim(session: Session, items: Iterable[Item]) -> None:
    """Claim each act; an item whose act is taken is refused and names who has it."""
    claimants: dict[str, Item] = {}
    losers: list[Item] = []
    for item in items:
        if item.fingerprint is None:
            continue
        if claimants.setdefault(item.fingerprint, item) is not item:
            losers.append(item)
    parameters = {
        "prints": array_of(claimants),
        "holders": array_of(item.holder for item in claimants.values()),
        "activities": array_of(item.activity_id.hex for item in claimants.values()),
    }
    if _written(session, _CLAIM, parameters) == len(claimants) and not losers:
        return
    rows = session.execute(_CLAIMANTS, {"prints": parameters["prints"]})
    owners: dict[str, UUID] = dict(rows.all())
    losers += [item for key, item in claimants.items() if owners[key] != item.activity_id]
    for item in losers:
        assert item.fingerprint is not None
        item.refuse("already_claimed")
        item.duplicate_of = owners[item.fingerprint]


_COLUMNS = (
    *("holder_id", "id", "event_id", "scene_code", "behaviour_code", "division_code", "day"),
    *("started_at", "ended_at", "quantity", "decision", "code", "saved_mg_co2e", "points"),
    *("trimmed_points", "method_code", "method_version", "duplicate_of", "posting_id"),
)


def _keep(session: Session, items: Iterable[Item], posting_id: UUID | None) -> None:
    """Write every activity, granted or not."""
    lines = [_line(item, posting_id) for item in sorted(items, key=attrgetter("holder"))]
    if lines:
        copy_lines(session, "activity", _COLUMNS, lines)


def _line(item: Item, posting_id: UUID | None) -> str:
    event, verified = item.event, item.verified
    method = item.today.method if item.today and verified else None
    return (
        f"{item.holder}\t{item.activity_id.hex}\t{escaped(event.event_id)}"
        f"\t{escaped(event.scene)}\t{item.policy.behaviour_code if item.policy else NULL}"
        f"\t{item.division_code or NULL}\t{item.day or NULL}\t{event.started_at.isoformat()}"
        f"\t{event.ended_at.isoformat()}\t{event.quantity}"
        f"\t{'verified' if verified else 'rejected'}\t{item.code}\t{item.saved_mg_co2e}"
        f"\t{item.points}\t{item.trimmed_points}\t{method.code if method else NULL}"
        f"\t{method.version if method else NULL}"
        f"\t{item.duplicate_of.hex if item.duplicate_of else NULL}"
        f"\t{posting_id.hex if posting_id and verified else NULL}"
    )


def _recorded(session: Session, earlier: Iterable[_Received]) -> dict[UUID, Activity]:
    """The activities of events that were received before, by id."""
    rows = list(earlier)
    if not rows:
        return {}
    parameters = {
        "holders": array_of(row.holder_id.hex for row in rows),
        "ids": array_of(row.activity_id.hex for row in rows),
    }
    found = session.scalars(select(Activity).from_statement(_ACTIVITIES), parameters)
    return {activity.id: activity for activity in found}


def _answer(item: Item, first: Item) -> Answer:
    """The answer to an item; ``first`` is the one in this batch that has its key: mostly itself."""
    if item is not first and item.event.content() != first.event.content():
        return _id_reused(item, first.activity_id)
    return Answer(
        item.event.event_id,
        first.activity_id,
        "verified" if first.verified else "rejected",
        first.code,
        first.saved_mg_co2e,
        first.points,
        first.trimmed_points,
        item is first,
        first.duplicate_of,
    )


def _earlier_answer(item: Item, received: _Received, activity: Activity) -> Answer:
    """The answer that the same event got when it was received before."""
    if item.event.content() != received.content:
        return _id_reused(item, activity.id)
    return Answer(
        item.event.event_id,
        activity.id,
        activity.decision,
        activity.code,
        activity.saved_mg_co2e,
        activity.points,
        activity.trimmed_points,
        False,
        activity.duplicate_of,
    )


def _id_reused(item: Item, activity_id: UUID) -> Answer:
    return Answer(item.event.event_id, activity_id, "rejected", "event_id_reused", written=False)
