"""Superseding: an act that a weightier channel reports takes the place of the lighter report.

Which came first does not matter: the lighter one, when it was granted before, gives its grant back
in the same transaction, and both are seen.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.orm import Session

from activities.changes.adjusting import Change, State, activities_of, adjust, current
from activities.deciding.decisions import Item
from activities.deciding.tallies import Tallies, TallyKey, keys_of
from activities.events import Batch
from activities.models import Activity
from activities.policies import CapOfDay, ScenePolicy
from activities.reviewing.cases import close_cases

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/superseded")


@dataclass(frozen=True, slots=True)
class _Granted:
    """What an earlier act holds in the tallies."""

    holder: str
    behaviour_code: str
    day: date
    caps: list[CapOfDay]
    saved_mg_co2e: int
    points: int
    before_caps: int


class Earlier:
    """Acts of earlier transactions that may have to give way to some of this batch."""

    def __init__(
        self,
        activities: Mapping[UUID, Activity],
        states: Mapping[UUID, State],
        policies: Mapping[str, ScenePolicy],
    ) -> None:
        self.activities = activities
        self.ranks = {
            id_: policies[activity.scene_code].rank for id_, activity in activities.items()
        }
        self._granted = {
            id_: _granted(activity, states[id_], policies)
            for id_, activity in activities.items()
            if states[id_].decision == "verified"
        }

    @classmethod
    def read(
        cls,
        session: Session,
        keys: Collection[tuple[str, UUID]],
        policies: Mapping[str, ScenePolicy],
    ) -> "Earlier":
        """By (holder in hexadecimal, activity). Some statements, none for none."""
        if not keys:
            return cls({}, {}, policies)
        wanted = [(UUID(holder), id_) for holder, id_ in keys]
        return cls(activities_of(session, wanted), current(session, wanted), policies)

    def tally_keys(self) -> Iterable[TallyKey]:
        """The tallies in which they count."""
        for one in self._granted.values():
            yield from keys_of(one.holder, one.behaviour_code, one.day, one.caps)

    def release(self, activity_id: UUID, tallies: Tallies) -> None:
        """Take one out of its tallies."""
        if one := self._granted.get(activity_id):
            tallies.release(
                one.holder,
                one.behaviour_code,
                one.day,
                one.caps,
                saved_mg_co2e=one.saved_mg_co2e,
                points=one.points,
                before_caps=one.before_caps,
            )


def _granted(activity: Activity, state: State, policies: Mapping[str, ScenePolicy]) -> _Granted:
    assert activity.behaviour_code is not None
    assert activity.day is not None
    return _Granted(
        activity.holder_id.hex,
        activity.behaviour_code,
        activity.day,
        policies[activity.scene_code].on(activity.day).caps,
        state.saved_mg_co2e,
        state.points,
        state.points + state.trimmed_points,
    )


def release_item(item: Item, tallies: Tallies) -> None:
    """Take an act of this very batch out of its tallies; a held one is in none."""
    assert item.policy is not None
    assert item.day is not None
    assert item.today is not None
    if item.verified:
        tallies.release(
            item.holder,
            item.policy.behaviour_code,
            item.day,
            item.today.caps,
            saved_mg_co2e=item.saved_mg_co2e,
            points=item.points,
            before_caps=item.points + item.trimmed_points,
        )


def supersede(session: Session, items: Iterable[Item], batch: Batch) -> None:
    """Adjust the acts that gave way, and take their points back."""
    by_activity = {id_: item for item in items for id_ in item.supersedes}
    if not by_activity:
        return
    gone = activities_of(session, [(i.event.holder_id, id_) for id_, i in by_activity.items()])
    changes = [
        Change(
            id=uuid5(_NAMESPACE, f"{id_} {by_activity[id_].activity_id}"),
            activity=activity,
            kind="superseded",
            decision="rejected",
            code="superseded",
            quantity=activity.quantity,
            actor=batch.actor,
            reason=f"superseded by {by_activity[id_].activity_id}",
        )
        for id_, activity in gone.items()
    ]
    adjust(session, changes, now=batch.received_at)
    held = [(one.holder_id, one.id) for one in gone.values() if one.decision == "held"]
    close_cases(session, held, batch.received_at)
