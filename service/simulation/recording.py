"""Simulated residents and their stream through the real intake.

Enrolling, consents, households and events are safe to repeat: the same plan again changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme, Scene
from activities.errors import UnknownProgramme
from activities.events import Batch, Event
from activities.intake import record
from activities.models import Activity, Adjustment
from activities.participants import enrol
from service.db import Database
from service.errors import CommandRefused
from service.simulation.judging import Judge
from service.simulation.meters import household
from service.simulation.people import Resident
from service.simulation.stream import Delivery, Plan

CHUNK = 10_000  # Residents in a transaction.
ACTOR = "simulation"
T = TypeVar("T")

_CONSENT = text("""
    INSERT INTO consent (holder_id, scene_code, given_at, text_version, actor)
    SELECT h, s, CAST(:given_at AS timestamptz), v, CAST(:actor AS text)
    FROM unnest(CAST(:holders AS uuid[])) AS h
    CROSS JOIN unnest(CAST(:scenes AS text[]), CAST(:versions AS int[])) AS c (s, v)
    ORDER BY h, s ON CONFLICT DO NOTHING
""")
_HOUSEHOLD = text("""
    INSERT INTO household (holder_id, valid_from, persons, moved_in_on, solar, tier, actor,
        recorded_at)
    SELECT h, CAST(:valid_from AS date), p, CAST(:valid_from AS date), s, t, CAST(:actor AS text),
        CAST(:now AS timestamptz)
    FROM unnest(CAST(:holders AS uuid[]), CAST(:persons AS int[]), CAST(:solar AS boolean[]),
        CAST(:tiers AS int[])) AS d (h, p, s, t)
    ORDER BY h ON CONFLICT DO NOTHING
""")
_FIRST_MONTH = text("""
    SELECT min(right(c.relname, 7)) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = CAST('activity' AS regclass) AND c.relkind = 'r'
""")


class CannotRecord(CommandRefused):
    """Nothing was recorded; the text says why, in one line."""


def check(database: Database, plan: Plan) -> None:
    """Raises UnknownProgramme or CannotRecord if the plan does not fit what is in the database."""
    programme = plan.city.programme

    def work(session: Session) -> str:
        if session.get(Programme, programme) is None:
            raise UnknownProgramme(programme)
        known = set(session.scalars(select(Scene.code).where(Scene.programme_code == programme)))
        missing = sorted({scene.code for scene in plan.city.scenes.values()} - known)
        if missing:
            raise CannotRecord(f"scene {missing[0]} is not loaded: run `tanhui catalogue load`")
        return str(session.scalar(_FIRST_MONTH) or "")

    first = database.transact(work)
    begins = datetime.combine(plan.first_day, time(), plan.city.zone).astimezone(UTC)
    if not first or f"{begins:%Y_%m}" < first:
        since = first.replace("_", "-") or "nowhere"
        raise CannotRecord(f"the database has room from {since} on, not for {plan.first_day}")


def settle(database: Database, plan: Plan, people: Sequence[Resident]) -> None:
    """Enrol the residents, a day before the first, with consent to every scene that asks for it
    and the households that some declared.
    """
    began_at = datetime.combine(plan.first_day, time(), plan.city.zone) - timedelta(days=1)
    for chunk in _chunks(people, CHUNK):
        database.transact(partial(_settle, plan=plan, chunk=chunk, began_at=began_at))


def _settle(session: Session, plan: Plan, chunk: list[Resident], began_at: datetime) -> None:
    holders = [who.holder_id for who in chunk]
    towns = {who.holder_id: who.town for who in chunk}
    enrol(session, plan.city.programme, towns, now=began_at)
    asking = sorted(
        (scene.code, scene.consent_version)
        for scene in plan.city.scenes.values()
        if scene.consent_version is not None
    )
    meters_since = _meters_since(plan.first_day)
    # Consent to the meter's scene covers the month that is read first.
    given_at = datetime.combine(meters_since, time(), plan.city.zone)
    session.execute(
        _CONSENT,
        {
            "holders": holders,
            "scenes": [code for code, _ in asking],
            "versions": [version for _, version in asking],
            "given_at": given_at,
            "actor": ACTOR,
        },
    )
    homes = [(who.holder_id, home) for who in chunk if (home := household(who))]
    session.execute(
        _HOUSEHOLD,
        {
            "holders": [holder for holder, _ in homes],
            "persons": [home.persons for _, home in homes],
            "solar": [home.solar for _, home in homes],
            "tiers": [home.tier for _, home in homes],
            "valid_from": meters_since,
            "actor": ACTOR,
            "now": began_at,
        },
    )


def _meters_since(first_day: date) -> date:
    """The first day of the month before."""
    return (first_day.replace(day=1) - timedelta(days=1)).replace(day=1)


def record_all(
    database: Database,
    deliveries: Iterable[Delivery],
    judge: Judge,
    progress: Callable[[int], None],
) -> None:
    """Send each delivery through ``record``, in a transaction of its own, at its own time.

    The label stays with the judge. ``progress`` gets the number of events done so far.
    """
    for delivery in deliveries:
        events = [act.event for act in delivery.acts]
        batch = Batch(events, ACTOR, delivery.received_at.astimezone(UTC))
        answers = database.transact(partial(record, batch=batch))
        for act, answer in zip(delivery.acts, answers, strict=True):
            judge.hear(act.event, act.label, answer)
        progress(judge.events)


def amend(database: Database, people: Sequence[Resident], judge: Judge) -> None:
    """Tell the judge what became of the residents' activities after the first decision."""
    for chunk in _chunks(people, CHUNK):
        database.transact(partial(_amend, chunk=chunk, judge=judge))


def _amend(session: Session, chunk: list[Resident], judge: Judge) -> None:
    query = (
        select(Adjustment, Activity)
        .join(
            Activity,
            (Activity.holder_id == Adjustment.holder_id) & (Activity.id == Adjustment.activity_id),
        )
        .where(Adjustment.holder_id.in_([who.holder_id for who in chunk]))
        .order_by(Adjustment.activity_id, Adjustment.id)
    )
    for adjustment, activity in session.execute(query):
        judge.amend(activity.id, adjustment.decision, adjustment.code, _event(activity))


def _event(activity: Activity) -> Event:
    return Event(
        activity.event_id,
        activity.scene_code,
        activity.holder_id,
        activity.started_at,
        activity.ended_at,
        activity.quantity,
    )


def _chunks(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    left = iter(rows)
    while chunk := list(islice(left, size)):
        yield chunk
