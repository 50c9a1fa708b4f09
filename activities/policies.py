"""What the catalogue says about a scene, ready to decide by.

It is read whole and kept by each process; a batch asks in one statement whether what was read still
holds. Rows are added and approved, never changed otherwise.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from activities.catalogue.reading import Catalogue, DatedMethod, read_catalogue
from activities.events import CHANNELS
from activities.methods import net_per_unit, points_for, saved_mg
from activities.rules import (
    ALONE,
    SIGNALS,
    Alone,
    Cap,
    DailyCap,
    DatedRule,
    MinInterval,
    NoOverlap,
    PlaceJump,
    Signal,
    Velocity,
    on_day,
)
from activities.scenes import Timeline, timeline_of

ALL = "*"  # The tally of all behaviours.
_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/policy")


@dataclass(frozen=True, slots=True)
class MethodOfDay:
    """How a unit is quantified: ``net`` in millionths of a milligram, or by material."""

    code: str
    version: int
    form: str
    net: int
    by_material: Mapping[str, int]

    def net_of(self, material: str | None) -> int | None:
        """None for a material that the method does not know."""
        return self.by_material.get(material or "") if self.form == "mass" else self.net


@dataclass(frozen=True, slots=True)
class CapOfDay:
    """A cap on a day's act: in which tally it counts, and how much that may hold.

    ``behaviour_code`` is ``ALL`` for a cap over all; ``starts_on`` the period's first day. With
    neither points nor acts it caps nothing: acts are counted for ``Velocity``.
    """

    rule: str
    behaviour_code: str
    per: str
    starts_on: date
    points: int | None
    acts: int | None


@dataclass(slots=True)
class DayPolicy:
    """What holds on one day of a scene. ``alone`` and ``signals`` are in their order of effect."""

    method: MethodOfDay | None
    mg_co2e_per_point: int | None
    alone: list[Alone]
    no_overlap: bool
    min_interval_s: int
    place_jumps: list[PlaceJump]
    signals: list[Signal]
    caps: list[CapOfDay]
    content: dict[str, Any]
    id: UUID = field(init=False)
    written_id: str = field(init=False)  # In hexadecimal, for each activity's row.

    def __post_init__(self) -> None:
        written = msgspec.json.encode(self.content, order="sorted")
        self.id = uuid5(_NAMESPACE, written.decode())
        self.written_id = self.id.hex


@dataclass(slots=True)
class ScenePolicy:
    """One scene with its behaviour's rules, methods and tariffs."""

    scene_code: str
    partner_code: str
    channel: str
    programme_code: str
    programme_holder_id: UUID
    zone: ZoneInfo
    behaviour_code: str
    base_unit: str
    claimed_by: str
    consent_version: int | None
    timeline: Timeline
    catalogue: Catalogue
    rank: int = field(init=False)  # Of its channel: the lower, the weightier.
    _days: dict[date, DayPolicy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rank = CHANNELS.index(self.channel)

    def on(self, day: date) -> DayPolicy:
        """The policy of one day of the programme's zone."""
        if (known := self._days.get(day)) is None:
            known = self._days[day] = self._compile(day)
        return known

    def _compile(self, day: date) -> DayPolicy:
        catalogue = self.catalogue
        which = (self.programme_code, self.behaviour_code)
        rules = _newest(
            on_day(catalogue.rules.get(which, []), day)
            + on_day(catalogue.rules.get((self.programme_code, None), []), day)
        )
        method = catalogue.method_on(which, day)
        tariff = catalogue.tariff_on(self.programme_code, day)
        compiled = _compiled_method(method) if method else None
        per_point = tariff.mg_co2e_per_point if tariff else None
        kinds = [rule.kind for rule in rules]
        return DayPolicy(
            method=compiled,
            mg_co2e_per_point=per_point,
            alone=[k for kind in ALONE for k in kinds if isinstance(k, kind)],
            no_overlap=any(isinstance(kind, NoOverlap) for kind in kinds),
            min_interval_s=max((k.seconds for k in kinds if isinstance(k, MinInterval)), default=0),
            place_jumps=[kind for kind in kinds if isinstance(kind, PlaceJump)],
            signals=[k for kind in SIGNALS for k in kinds if isinstance(k, kind)],
            caps=[*caps_of(rules, self.behaviour_code, day, compiled, per_point)],
            content={
                "rules": [rule.content() for rule in rules],
                "method": method and method.content(),
                "tariff": tariff and tariff.content(),
            },
        )


def _compiled_method(method: DatedMethod) -> MethodOfDay:
    actual_ug = method.actual["ug_co2e_per_unit"] if method.actual else 0
    net = 0  # Of a method by mass: there it is by material.
    if method.factor is not None:
        net = net_per_unit(method.factor["ug_co2e_per_unit"], method.share_permille, actual_ug)
    by_material = {
        material: net_per_unit(factor["ug_co2e_per_unit"], share)
        for material, (factor, share) in method.materials.items()
    }
    return MethodOfDay(method.code, method.version, method.form, net, by_material)


def _newest(rules: list[DatedRule]) -> list[DatedRule]:
    """Of each code the highest version, by code."""
    newest = {rule.code: rule for rule in sorted(rules, key=lambda r: (r.code, r.version))}
    return list(newest.values())


def caps_of(
    rules: list[DatedRule],
    behaviour_code: str,
    day: date,
    method: MethodOfDay | None,
    per_point: int | None,
) -> list[CapOfDay]:
    """The caps of a day; one in base units is turned into points by method and tariff."""
    caps = []
    for rule in rules:
        scope = ALL if rule.for_all else behaviour_code
        if isinstance(rule.kind, Cap):
            starts_on = first_day(rule.kind.per, day)
            kind = rule.kind
            caps.append(CapOfDay(rule.code, scope, kind.per, starts_on, kind.points, kind.acts))
        elif isinstance(rule.kind, DailyCap) and method and per_point:
            points = points_for(saved_mg(rule.kind.max, method.net), per_point)
            caps.append(CapOfDay(rule.code, scope, "day", day, points, None))
        elif isinstance(rule.kind, Velocity):
            caps.append(CapOfDay(rule.code, ALL, "day", day, None, None))
    return caps


def first_day(per: str, day: date) -> date:
    """The first day of the day, ISO week, month or year of a day."""
    if per == "week":
        return day - timedelta(days=day.weekday())
    if per == "month":
        return day.replace(day=1)
    if per == "year":
        return day.replace(month=1, day=1)
    return day


# By table, how many rows decide and the last transaction that wrote one. The number of rows moves
# with every commit, however late that transaction began; the transaction's number no other ever
# has, so that what one read of its own and rolled back is not taken for what came later.
_DECIDING = {
    "scene": "*",
    "scene_change": "*",
    "method_material": "*",
    "rule": "approved_at",
    "method": "approved_at",
    "tariff": "approved_at",
    "factor": "approved_at",
}
_STATE = text(
    "SELECT * FROM "
    + ", ".join(
        f"(SELECT count({rows}), max(xmin::text::bigint) FROM {table}) AS {table}"
        for table, rows in _DECIDING.items()
    )
)
_Known = tuple[tuple[Any, ...], dict[str, ScenePolicy]]
_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def load_policies(
    session: Session, scene_codes: Collection[str], *, drafts: Collection[str] = ()
) -> Mapping[str, ScenePolicy]:
    """The policies of the scenes that exist, by code; at least of those asked for.

    ``drafts`` names rows to be taken as approved (``kind:code@version``, ``tariff:programme@day``),
    to see what they would do; what is read so is not kept.
    """
    if drafts:
        return _compiled(session, drafts)
    engine = session.get_bind().engine
    state = tuple(session.execute(_STATE).one())
    known = _known.get(engine)
    while known is None or known[0] != state:
        known = _known[engine] = state, _compiled(session, ())
        state = tuple(session.execute(_STATE).one())  # Approved meanwhile: half of it was read.
    return known[1]


def _compiled(session: Session, drafts: Collection[str]) -> dict[str, ScenePolicy]:
    catalogue = read_catalogue(session, drafts)
    return {
        scene.code: ScenePolicy(
            scene_code=scene.code,
            partner_code=scene.partner_code,
            channel=scene.channel,
            programme_code=programme.code,
            programme_holder_id=programme.holder_id,
            zone=ZoneInfo(programme.zone),
            behaviour_code=behaviour.code,
            base_unit=behaviour.base_unit,
            claimed_by=behaviour.claimed_by,
            consent_version=scene.consent_version,
            timeline=timeline_of(scene, ZoneInfo(programme.zone), catalogue.changes[scene.code]),
            catalogue=catalogue,
        )
        for scene, programme, behaviour in catalogue.scenes
    }


_KEEP = text("""
    INSERT INTO policy (id, content)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:contents AS jsonb[])) AS p (id, content)
    ORDER BY id ON CONFLICT DO NOTHING
""")


def keep_policies(session: Session, policies: Iterable[DayPolicy]) -> None:
    """Write down the policies that this process has not seen written yet; mostly nothing."""
    kept = _kept.setdefault(session.get_bind().engine, set())
    new = {policy.id: policy for policy in policies if policy.id not in kept}
    if not new:
        return
    contents = [msgspec.json.encode(policy.content).decode() for policy in new.values()]
    session.execute(_KEEP, {"ids": [*new], "contents": contents})

    @event.listens_for(session, "after_commit", once=True)
    def _committed(_: Session) -> None:
        kept.update(new)


_kept: WeakKeyDictionary[Engine, set[UUID]] = WeakKeyDictionary()
