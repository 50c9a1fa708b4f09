"""Intake: the one core behind every door.

Kept here: an event is decided once, whoever sends it again; a real-world act is granted once,
whoever reports it; what is granted is posted in the same transaction as the decision. Every batch
costs the same number of statements, however many events it has.

Locks are taken in the order retry keys, claims, residents, accounts, each sorted, so that two
batches cannot wait for each other in a circle. Who has a resident's lock has all that is only that
resident's: tallies, times, readings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import LiteralString, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.baselines import Month, ReadingRow, keep_readings, read_history
from activities.changes.adjusting import activities_of
from activities.consents import covered
from activities.deciding.claims import Claims, Owner
from activities.deciding.decisions import Around, Item, decide_alone, decide_among
from activities.deciding.devices import Devices
from activities.deciding.granting import grant, post_granted
from activities.deciding.occupancy import Occupancy, Window
from activities.deciding.residents import Resident, lock_residents, read_residents
from activities.deciding.superseding import Earlier, release_item, supersede
from activities.deciding.tallies import Tallies, TallyKey, keys_of
from activities.events import EVENTS_MAX, NO_DETAILS, Answer, Batch
from activities.models import Activity
from activities.policies import ScenePolicy, keep_policies, load_policies
from activities.reviewing.cases import open_cases
from ledgers.bulk import NULL, array_of, copy_lines, escaped, look_up_by_index, together
from ledgers.ids import uuid7s

_encode = msgspec.json.Encoder().encode
_RECEIVE: LiteralString = """
    INSERT INTO received_event (key, content, holder_id, activity_id)
    SELECT * FROM unnest(CAST(%(keys)s AS uuid[]), CAST(%(contents)s AS uuid[]),
        CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[])) AS e (key, b, c, d)
    ORDER BY key
    ON CONFLICT DO NOTHING RETURNING key
"""
_RECEIVED = text("""
    SELECT replace(key::text, '-', ''), replace(content::text, '-', ''), holder_id, activity_id
    FROM received_event WHERE key = ANY(CAST(:keys AS uuid[]))
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
    ids = uuid7s(len(batch.events), batch.received_at)
    items = [
        Item(
            event,
            event.key(),
            event.holder_id.hex,
            id_,
            event.started_at.isoformat(),
            event.ended_at.isoformat(),
            None if event.details is NO_DETAILS else event.details_json(),
            UUID(id_),
            policies.get(event.scene),
        )
        for event, id_ in zip(batch.events, ids, strict=True)
    ]
    look_up_by_index(session)
    first, earlier = _receive(session, items)
    fresh = [item for item in items if first.get(item.key) is item]
    _decide(session, fresh, policies, batch)
    posting_id = post_granted(session, fresh, batch)
    _keep(session, fresh, posting_id)
    open_cases(session, [item for item in fresh if item.held], batch.received_at)
    supersede(session, fresh, batch)
    recorded = _recorded(session, earlier.values())
    return [
        _answer(item, first[item.key])
        if item.key in first
        else _earlier_answer(item, earlier[item.key], recorded[earlier[item.key].activity_id])
        for item in items
    ]


def _decide(
    session: Session, items: Sequence[Item], policies: Mapping[str, ScenePolicy], batch: Batch
) -> None:
    """Decide the events that are new in the order they came in, and write what they change.

    First without locks; then the residents are locked, and those about whom somebody else decided
    meanwhile are decided again. Two batches over some of the same residents so wait for each other
    while they write, not while they think.
    """
    residents = read_residents(session, (item.holder for item in items))
    _ask_consents(session, items)
    for item in items:
        decide_alone(item, residents.get(item.holder), batch.received_at)
        if item.policy and item.policy.channel == "staff":
            item.facts["entered_by"] = batch.actor  # Who entered an act does not review it.
        if batch.acting:
            item.facts["acted_by"] = batch.actor  # Also of what earns nothing and is not posted.
    left = [item for item in items if item.code == "verified"]
    claims = Claims.take(session, _claimed(left))
    around = _decided(session, left, policies, claims)
    parts = [around]
    locked = lock_residents(session, (item.holder for item in left))
    if stale := {item.holder for item in left if _is_stale(item, residents, locked)}:
        around.forget(stale)
        again = [item for item in left if item.holder in stale]
        for item in again:
            item.again()
            if item.holder not in locked:
                item.refuse("unknown_resident")
        open_still = [item for item in again if item.code == "verified"]
        parts.append(_decided(session, open_still, policies, claims))
    claims.write(session)
    for part in parts:
        part.occupancy.write(session)
        part.devices.write(session)
        part.tallies.write(session)
    keep_readings(session, _readings(left, claims))


def _is_stale(item: Item, before: Mapping[str, Resident], locked: Mapping[str, Resident]) -> bool:
    """Whether somebody else had the resident's lock since it was read, or closed the accounts."""
    now = locked.get(item.holder)
    return now is None or now.turns != before[item.holder].turns + 1


def _decided(
    session: Session, items: Sequence[Item], policies: Mapping[str, ScenePolicy], claims: Claims
) -> Around:
    """Decide items among the residents' others; answers what there is to be written."""
    around, earlier = _around(session, items, policies, claims)
    here: dict[UUID, Item] = {}
    for item in items:
        decide_among(item, around)
        if not (item.verified or item.held):
            item.supersedes.clear()
            continue
        here[item.activity_id] = item
        for id_ in item.supersedes:
            if id_ in here:
                release_item(here[id_], around.tallies)
            else:
                earlier.release(id_, around.tallies)
        if item.verified:
            grant(item, around.tallies)
    return around


def _claimed(items: Iterable[Item]) -> Iterator[tuple[str, Owner]]:
    for item in items:
        if item.fingerprint:
            yield item.fingerprint, Owner(item.holder, item.activity_id)


def _ask_consents(session: Session, items: Iterable[Item]) -> None:
    """Whether the residents agreed to the scenes that ask for it."""
    asking = [item for item in items if item.policy and item.policy.consent_version is not None]
    asked = [
        (item.holder, item.policy.scene_code, item.started, item.policy.consent_version)
        for item in asking
        if item.policy and item.policy.consent_version is not None
    ]
    found = covered(session, asked)
    for place, item in enumerate(asking):
        item.consented = place in found


def _around(
    session: Session, items: Sequence[Item], policies: Mapping[str, ScenePolicy], claims: Claims
) -> tuple[Around, Earlier]:
    """What the batch's residents did before; a fixed number of statements."""
    timed = [item for item in items if item.today and item.today.no_overlap]
    occupancy = Occupancy.read(session, (_window(item) for item in timed))
    devices = Devices.read(session, (device for item in items for device in _device(item)))
    history = read_history(session, (month for item in items for month in _month(item)))
    met = {
        (item.holder, id_)
        for item in timed
        if item.policy
        for id_ in occupancy.lighter(
            item.holder, item.event.started_at, item.event.ended_at, item.policy.rank
        )
    }
    holders = {item.holder for item in items}
    owners = {(o.holder, o.activity_id) for o in claims.earlier() if o.holder in holders}
    earlier = Earlier.read(session, met | owners, policies)
    keys = {key for item in items for key in _tally_keys(item)}
    tallies = Tallies.read(session, keys.union(earlier.tally_keys()))
    return Around(occupancy, claims, dict(earlier.ranks), devices, tallies, history), earlier


def _window(item: Item) -> Window:
    """As wide as the widest rule of time looks."""
    assert item.today is not None
    within_s = max((r.seconds for r in item.today.place_jumps), default=0)
    margin = timedelta(seconds=max(within_s, item.today.min_interval_s))
    return item.holder, item.event.started_at - margin, item.event.ended_at + margin


def _device(item: Item) -> Iterator[str]:
    if item.event.details.device is not None:
        yield item.event.details.device.hex


def _month(item: Item) -> Iterator[Month]:
    if item.month is not None and item.policy is not None:
        yield item.holder, item.policy.behaviour_code, item.month


def _tally_keys(item: Item) -> set[TallyKey]:
    assert item.policy is not None
    assert item.today is not None
    assert item.day is not None
    return keys_of(item.holder, item.policy.behaviour_code, item.day, item.today.caps)


def _readings(items: Iterable[Item], claims: Claims) -> Iterator[ReadingRow]:
    """Of the meters whose month is this activity's, whatever it came to."""
    for item in items:
        if item.month and item.policy and item.fingerprint:
            owner = claims.owner(item.fingerprint)
            if owner and owner.activity_id == item.activity_id:
                yield ReadingRow(
                    item.holder,
                    item.policy.behaviour_code,
                    item.month,
                    item.event.quantity,
                    item.activity,
                )


class _Received(NamedTuple):
    """What stands behind a retry key."""

    key: str
    content: str
    holder_id: UUID
    activity_id: UUID


def _receive(
    session: Session, items: Iterable[Item]
) -> tuple[dict[str, Item], dict[str, _Received]]:
    """By key: the items that are new (of two with one key in a batch, the first), and what was
    received before.
    """
    first: dict[str, Item] = {}
    for item in items:
        first.setdefault(item.key, item)
    parameters = {
        "keys": array_of(first),
        "contents": array_of(item.event.content(item.details) for item in first.values()),
        "holders": array_of(item.holder for item in first.values()),
        "activities": array_of(item.activity for item in first.values()),
    }
    (written,) = together(session, (_RECEIVE, parameters))
    if written.rowcount == len(first):  # What it answers, as Citus counts what was sent.
        return first, {}
    rows = [_Received(*row) for row in session.execute(_RECEIVED, {"keys": parameters["keys"]})]
    earlier = {row.key: row for row in rows if row.activity_id != first[row.key].activity_id}
    return {key: item for key, item in first.items() if key not in earlier}, earlier


_COLUMNS = (
    *("holder_id", "id", "event_id", "scene_code", "behaviour_code", "division_code", "day"),
    *("started_at", "ended_at", "quantity", "decision", "code", "saved_mg_co2e", "points"),
    *("trimmed_points", "method_code", "method_version", "duplicate_of", "posting_id"),
    *("details", "facts", "policy_id"),
)


def _keep(session: Session, items: Iterable[Item], posting_id: UUID | None) -> None:
    """Write every activity, granted or not, and the policies that decided for the first time."""
    rows = sorted(items, key=attrgetter("holder"))
    if rows:
        keep_policies(session, (item.today for item in rows if item.today))
        posting = posting_id.hex if posting_id else NULL
        copy_lines(session, "activity", _COLUMNS, [_line(item, posting) for item in rows])


def _line(item: Item, posting: str) -> str:
    event, verified = item.event, item.verified
    method = item.today.method if item.today and (verified or item.held) else None
    mg, points, trimmed = (
        (item.saved_mg_co2e, item.points, item.trimmed_points) if verified else (0, 0, 0)
    )
    return (
        f"{item.holder}\t{item.activity}\t{escaped(event.event_id)}"
        f"\t{escaped(event.scene)}\t{item.policy.behaviour_code if item.policy else NULL}"
        f"\t{item.division_code or NULL}\t{item.day or NULL}\t{item.started}"
        f"\t{item.ended}\t{event.quantity}"
        f"\t{item.decision}\t{item.code}\t{mg}\t{points}\t{trimmed}"
        f"\t{method.code if method else NULL}\t{method.version if method else NULL}"
        f"\t{item.duplicate_of.hex if item.duplicate_of else NULL}"
        f"\t{posting if verified else NULL}"
        f"\t{escaped(item.details) if item.details else NULL}"
        f"\t{escaped(_encode(item.facts).decode()) if item.facts else NULL}"
        f"\t{item.today.written_id if item.today else NULL}"
    )


def _recorded(session: Session, earlier: Iterable[_Received]) -> dict[UUID, Activity]:
    """The activities of events that were received before, by id."""
    keys = [(received.holder_id, received.activity_id) for received in earlier]
    return activities_of(session, keys) if keys else {}


def _answer(item: Item, first: Item) -> Answer:
    """The answer to an item; ``first`` is the one in this batch that has its key: mostly itself."""
    if item is not first and item.event.content() != first.event.content():
        return _id_reused(item, first.activity_id)
    return Answer(
        item.event.event_id,
        first.activity_id,
        first.decision,
        first.code,
        *(
            (first.saved_mg_co2e, first.points, first.trimmed_points)
            if first.verified
            else (0, 0, 0)
        ),
        written=item is first,
        duplicate_of=first.duplicate_of,
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
