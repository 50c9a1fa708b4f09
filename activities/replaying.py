"""Replaying: recorded acts, decided again by whatever versions are asked for. Writes nothing.

Decided again: the rules of one event alone, method and tariff, and the caps, in the order in which
the acts were recorded. Taken as it was recorded, since it rests on what else was known then: scene,
resident, consent; what others claimed; overlap, interval and place; devices, velocity, sampling and
review; a household's baseline; what was withdrawn or told anew. So

- an act that was refused or is held for such a reason stays so,
- an act that a person let pass against the rules passes,
- an act that is let pass anew was never held against others: what is newly verified is the most
  that it can be. But an act that somebody else has claimed stays refused.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.deciding.decisions import Item, decide_alone
from activities.deciding.residents import Resident
from activities.deciding.tallies import Granted, Tallies, Tally, TallyKey
from activities.events import NO_DETAILS, Details, Event
from activities.methods import points_for, saved_mg
from activities.policies import CapOfDay, ScenePolicy
from activities.rules import ALONE
from ledgers.bulk import array_of
from ledgers.ids import instant_of, uuid7_floor

# Refusals that are decided again; whatever else refused an act does so still.
REPLAYED = frozenset(kind.code for kind in ALONE) | {"no_method", "unknown_material"}
FETCH_ROWS = 1_000
CHUNK_ROWS = 5_000  # And the rest of the last resident's.
_MARGIN = timedelta(days=2)  # Days are those of any zone, and senders' clocks differ.


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act as it stands. ``let_pass``: a person did, whatever the rules said."""

    activity_id: UUID
    event: Event
    day: date
    division_code: str
    verified: bool
    let_pass: bool
    baseline: int | None


class Window(NamedTuple):
    """Days of the programme's zone, both inclusive."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Quantified:
    """What an act comes to before caps. ``fingerprint`` is what makes two reports the same act."""

    saved_mg_co2e: int
    points: int
    caps: list[CapOfDay]
    fingerprint: str | None


def chunks(
    session: Session, scenes: Collection[str], window: Window, holders: tuple[UUID, UUID]
) -> Iterator[list[Recorded]]:
    """The acts that are decided again, of a range of holders: each chunk the whole of some
    residents, one after the other, in the order in which they were recorded. Streamed.
    """
    parameters = {
        "low": holders[0],
        "high": holders[1],
        "first": window.first,
        "last": window.last,
        "since": uuid7_floor(datetime.combine(window.first, time(), UTC) - _MARGIN),
        "scenes": list(scenes),
        "codes": sorted(REPLAYED),
    }
    rows = session.execute(_ACTS, parameters, execution_options={"yield_per": FETCH_ROWS})
    chunk: list[Recorded] = []
    for row in rows:
        act = _recorded(row)
        if len(chunk) >= CHUNK_ROWS and act.event.holder_id != chunk[-1].event.holder_id:
            yield chunk
            chunk = []
        chunk.append(act)
    if chunk:
        yield chunk


def quantified(act: Recorded, policy: ScenePolicy) -> Quantified | None:
    """What an act comes to by a policy; None where it refuses it, or the act's month has no
    baseline on record.
    """
    event = act.event
    item = Item(
        event=event,
        key="",
        holder=event.holder_id.hex,
        activity=act.activity_id.hex,
        started="",
        ended="",
        details=None,
        activity_id=act.activity_id,
        policy=policy,
        consented=True,  # Who was not, was refused for that, and is not here.
    )
    home = Resident(policy.programme_code, act.division_code, 0)
    decide_alone(item, home, instant_of(act.activity_id))
    today = item.today
    if today is None or today.method is None or today.mg_co2e_per_point is None:
        return None
    if not item.verified and not act.let_pass:
        return None
    quantity = event.quantity
    if today.method.form == "own_baseline":
        if act.baseline is None or act.baseline <= quantity:
            return None
        quantity = act.baseline - quantity
    net = today.method.net_of(event.details.material)
    if net is None:
        return None
    mg = saved_mg(quantity, net)
    points = points_for(mg, today.mg_co2e_per_point)
    return Quantified(mg, points, today.caps, item.fingerprint)


def owners(session: Session, fingerprints: Iterable[str]) -> dict[str, UUID]:
    """Which activity has claimed an act, by fingerprint in hexadecimal; one statement."""
    wanted = sorted(set(fingerprints))
    if not wanted:
        return {}
    rows = session.execute(_OWNERS, {"fingerprints": array_of(wanted)})
    return {fingerprint.hex: activity_id for fingerprint, activity_id in rows}


class Book:
    """A resident's grants in a replay: what caps leave, and what was claimed anew."""

    def __init__(self, owned: Mapping[str, UUID]) -> None:
        self._owned = owned
        self._claimed: set[str] = set()
        self._tallies = Tallies(defaultdict[TallyKey, Tally](Tally))

    def grant(self, act: Recorded, found: Quantified | None, behaviour: str) -> Granted | None:
        """What an act is granted after the others; None where it is not."""
        if found is None or not (act.verified or self._claim(act, found)):
            return None
        return self._tallies.grant(
            act.event.holder_id.hex,
            behaviour,
            act.day,
            found.caps,
            saved_mg_co2e=found.saved_mg_co2e,
            points=found.points,
        )

    def _claim(self, act: Recorded, found: Quantified) -> bool:
        """Whether an act that was refused is nobody's, and so is this report's now."""
        mark = found.fingerprint
        assert mark is not None, "it was refused by rules, and they let it pass"
        if mark in self._claimed or self._owned.get(mark, act.activity_id) != act.activity_id:
            return False
        self._claimed.add(mark)
        return True


def _recorded(row: Any) -> Recorded:
    details = NO_DETAILS if row.details is None else _details(row.details)
    return Recorded(
        row.id,
        Event(
            row.event_id,
            row.scene_code,
            row.holder_id,
            row.started_at,
            row.ended_at,
            row.quantity,
            details,
        ),
        row.day,
        row.division_code or "",
        row.decision == "verified",
        row.decision == "verified" and row.first_decision == "rejected",
        _facts(row.facts).get("baseline", {}).get("baseline") if row.facts else None,
    )


_details = msgspec.json.Decoder(Details).decode
_facts = msgspec.json.Decoder(dict[str, Any]).decode


# As they stand: an activity, and the last of what became of it.
_ACTS = text("""
    WITH latest AS (
        SELECT DISTINCT ON (holder_id, activity_id) holder_id, activity_id, decision, code, quantity
        FROM adjustment
        WHERE holder_id BETWEEN :low AND :high AND day BETWEEN :first AND :last
        ORDER BY holder_id, activity_id, recorded_at DESC, id DESC)
    SELECT a.holder_id, a.id, a.event_id, a.scene_code, a.division_code, a.day, a.started_at,
        a.ended_at, coalesce(d.quantity, a.quantity) AS quantity, a.decision AS first_decision,
        coalesce(d.decision, a.decision) AS decision, a.details, a.facts
    FROM activity AS a
    LEFT JOIN latest AS d ON d.holder_id = a.holder_id AND d.activity_id = a.id
    WHERE a.holder_id BETWEEN :low AND :high AND a.day BETWEEN :first AND :last AND a.id >= :since
        AND a.scene_code = ANY(CAST(:scenes AS text[]))
        AND (coalesce(d.decision, a.decision) = 'verified'
            OR coalesce(d.code, a.code) = ANY(CAST(:codes AS text[])))
    ORDER BY a.holder_id, a.id
""")
_OWNERS = text("""
    SELECT fingerprint, activity_id FROM claim
    WHERE fingerprint = ANY(CAST(:fingerprints AS uuid[]))
""")
