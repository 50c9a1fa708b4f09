"""What the catalogue says about a scene, ready to decide by: four reads however many scenes."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.methods import points_for, saved_mg
from activities.models import Behaviour, Factor, Method, Programme, Rule, Scene, Tariff
from activities.rules import (
    DailyCap,
    Dated,
    DatedMethod,
    DatedRule,
    DatedTariff,
    DurationRange,
    QuantityRange,
    RuleKind,
    on_day,
)


@dataclass(frozen=True, slots=True)
class DayPolicy:
    """What holds on one day. ``daily_cap_points`` is the cap's quantity turned into points."""

    approved: bool
    method: DatedMethod | None
    tariff: DatedTariff | None
    quantity_ranges: list[QuantityRange]
    duration_ranges: list[DurationRange]
    daily_cap_points: int | None


@dataclass(slots=True)
class ScenePolicy:
    """One scene with its behaviour's rules, methods and tariffs."""

    scene_code: str
    programme_code: str
    programme_holder_id: UUID
    zone: ZoneInfo
    behaviour_code: str
    claimed_by: str
    approval: Dated
    rules: list[DatedRule]
    methods: list[DatedMethod]
    tariffs: list[DatedTariff]
    _days: dict[date, DayPolicy] = field(default_factory=dict)

    def on(self, day: date) -> DayPolicy:
        """The policy of one day of the programme's zone."""
        if (known := self._days.get(day)) is None:
            known = self._days[day] = self._compile(day)
        return known

    def _compile(self, day: date) -> DayPolicy:
        method = next(iter(on_day(self.methods, day)), None)
        tariff = next(iter(on_day(self.tariffs, day)), None)
        kinds = [rule.kind for rule in on_day(self.rules, day)]
        caps = [kind.max for kind in kinds if isinstance(kind, DailyCap)]
        cap_points = None
        if caps and method and tariff:
            cap_points = points_for(
                saved_mg(min(caps), method.ug_co2e_per_unit), tariff.mg_co2e_per_point
            )
        return DayPolicy(
            approved=self.approval.holds_on(day),
            method=method,
            tariff=tariff,
            quantity_ranges=[kind for kind in kinds if isinstance(kind, QuantityRange)],
            duration_ranges=[kind for kind in kinds if isinstance(kind, DurationRange)],
            daily_cap_points=cap_points,
        )


def load_policies(session: Session, scene_codes: Collection[str]) -> dict[str, ScenePolicy]:
    """The policies of the scenes that exist, by code."""
    query = (
        select(Scene, Programme, Behaviour)
        .join(Programme, Programme.code == Scene.programme_code)
        .join(Behaviour, Behaviour.code == Scene.behaviour_code)
        .where(Scene.code.in_(scene_codes))
    )
    found = session.execute(query).all()
    programmes = {programme.code for _, programme, _ in found}
    rules, methods = _rules(session, programmes), _methods(session, programmes)
    tariffs = _tariffs(session, programmes)
    return {
        scene.code: ScenePolicy(
            scene_code=scene.code,
            programme_code=programme.code,
            programme_holder_id=programme.holder_id,
            zone=ZoneInfo(programme.zone),
            behaviour_code=behaviour.code,
            claimed_by=behaviour.claimed_by,
            approval=Dated(scene.approved_from, scene.approved_to),
            rules=rules.get((programme.code, behaviour.code), []),
            methods=methods.get((programme.code, behaviour.code), []),
            tariffs=tariffs.get(programme.code, []),
        )
        for scene, programme, behaviour in found
    }


def _rules(session: Session, programmes: set[str]) -> dict[tuple[str, str], list[DatedRule]]:
    query = select(Rule).where(Rule.programme_code.in_(programmes)).order_by(Rule.code)
    found: dict[tuple[str, str], list[DatedRule]] = {}
    for rule in session.scalars(query):
        kind = msgspec.convert(rule.parameters, RuleKind)
        dated = DatedRule(rule.valid_from, rule.valid_to, kind)
        found.setdefault((rule.programme_code, rule.behaviour_code), []).append(dated)
    return found


def _methods(session: Session, programmes: set[str]) -> dict[tuple[str, str], list[DatedMethod]]:
    query = (
        select(Method, Factor.ug_co2e_per_unit)
        .join(Factor, Factor.code == Method.factor_code)
        .where(Method.programme_code.in_(programmes))
        .order_by(Method.code, Method.version.desc())
    )
    found: dict[tuple[str, str], list[DatedMethod]] = {}
    for method, ug in session.execute(query):
        dated = DatedMethod(method.valid_from, method.valid_to, method.code, method.version, ug)
        found.setdefault((method.programme_code, method.behaviour_code), []).append(dated)
    return found


def _tariffs(session: Session, programmes: set[str]) -> dict[str, list[DatedTariff]]:
    query = select(Tariff).where(Tariff.programme_code.in_(programmes))
    found: dict[str, list[DatedTariff]] = {}
    for tariff in session.scalars(query):
        dated = DatedTariff(tariff.valid_from, tariff.valid_to, tariff.mg_co2e_per_point)
        found.setdefault(tariff.programme_code, []).append(dated)
    return found
