"""The catalogue as it decides: read whole, in some statements, with drafts only where asked."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from activities.catalogue.models import (
    Behaviour,
    Factor,
    Method,
    MethodMaterial,
    Programme,
    Rule,
    Scene,
    SceneChange,
    Tariff,
)
from activities.rules import Dated, DatedRule, RuleKind, on_day

_RULES = select(
    Rule.code,
    Rule.version,
    Rule.programme_code,
    Rule.behaviour_code,
    cast(Rule.parameters, Text).label("parameters"),
    Rule.valid_from,
    Rule.valid_to,
    Rule.document,
    Rule.approved_at,
).order_by(Rule.code, Rule.version)
_decoder: msgspec.json.Decoder[RuleKind] = msgspec.json.Decoder(RuleKind)
Which = tuple[str, str | None]  # Programme and behaviour; None for all behaviours.
FactorContent = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DatedMethod(Dated):
    """A version of a method with its factors, each as it is published."""

    code: str
    version: int
    form: str
    share_permille: int
    factor: FactorContent | None
    actual: FactorContent | None
    materials: dict[str, tuple[FactorContent, int]]  # Factor, share in permille.
    document: str

    def content(self) -> dict[str, Any]:
        """As it is kept beside the decisions it made."""
        return {
            "code": self.code,
            "version": self.version,
            "form": self.form,
            "share_permille": self.share_permille,
            "factor": self.factor,
            "actual_factor": self.actual,
            "materials": {
                material: {"factor": factor, "share_permille": share}
                for material, (factor, share) in self.materials.items()
            },
            "document": self.document,
        }


@dataclass(frozen=True, slots=True)
class DatedTariff(Dated):
    mg_co2e_per_point: int
    document: str

    def content(self) -> dict[str, Any]:
        """As it is kept beside the decisions it made."""
        return {
            "mg_co2e_per_point": self.mg_co2e_per_point,
            "valid_from": self.valid_from.isoformat(),
            "document": self.document,
        }


class SceneRow(NamedTuple):
    scene: Scene
    programme: Programme
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that decides, by programme and behaviour."""

    scenes: list[SceneRow]
    changes: defaultdict[str, list[SceneChange]]
    rules: dict[Which, list[DatedRule]]
    methods: dict[Which, list[DatedMethod]]
    tariffs: dict[str, list[DatedTariff]]

    def method_on(self, which: Which, day: date) -> DatedMethod | None:
        """The highest version that holds on a day."""
        return max(on_day(self.methods.get(which, []), day), key=lambda m: m.version, default=None)

    def tariff_on(self, programme_code: str, day: date) -> DatedTariff | None:
        """Of those that hold on a day the one with the latest start."""
        held = on_day(self.tariffs.get(programme_code, []), day)
        return max(held, key=lambda t: t.valid_from, default=None)


def read_catalogue(session: Session, drafts: Collection[str] = ()) -> Catalogue:
    """What is approved, and the ``drafts`` named as ``method:code@version``, ``rule:…``,
    ``factor:code``, ``tariff:programme@day``.
    """
    scenes = (
        select(Scene, Programme, Behaviour)
        .join(Programme, Programme.code == Scene.programme_code)
        .join(Behaviour, Behaviour.code == Scene.behaviour_code)
    )
    changes: defaultdict[str, list[SceneChange]] = defaultdict(list)
    for change in session.scalars(select(SceneChange)):
        changes[change.scene_code].append(change)
    return Catalogue(
        [SceneRow(*row) for row in session.execute(scenes)],
        changes,
        _rules(session, drafts),
        _methods(session, drafts),
        _tariffs(session, drafts),
    )


def _rules(session: Session, drafts: Collection[str]) -> dict[Which, list[DatedRule]]:
    found: dict[Which, list[DatedRule]] = {}
    for rule in session.execute(_RULES):  # Hundreds, whenever one is added: columns, no objects.
        if rule.approved_at is None and f"rule:{rule.code}@{rule.version}" not in drafts:
            continue
        dated = DatedRule(
            rule.valid_from,
            rule.valid_to,
            rule.code,
            rule.version,
            rule.behaviour_code is None,
            _kind(rule.parameters),
            rule.document,
        )
        found.setdefault((rule.programme_code, rule.behaviour_code), []).append(dated)
    return found


@lru_cache(4096)
def _kind(parameters: str) -> RuleKind:
    """The same for the same text: kinds are frozen."""
    return _decoder.decode(parameters)


def _factors(session: Session, drafts: Collection[str]) -> dict[str, FactorContent]:
    return {
        factor.code: {
            "code": factor.code,
            "name_zh": factor.name_zh,
            "name_en": factor.name_en,
            "ug_co2e_per_unit": factor.ug_co2e_per_unit,
            "base_unit": factor.base_unit,
            "published_value": factor.published_value,
            "published_unit": factor.published_unit,
            "publisher": factor.publisher,
            "document": factor.document,
            "year": factor.year,
            "source_address": factor.source_address,
        }
        for factor in session.execute(select(*Factor.__table__.columns))
        if factor.approved_at is not None or f"factor:{factor.code}" in drafts
    }


def _methods(session: Session, drafts: Collection[str]) -> dict[Which, list[DatedMethod]]:
    """A method whose factor is not approved holds on no day."""
    factors = _factors(session, drafts)
    materials: dict[tuple[str, int], dict[str, tuple[FactorContent, int]]] = {}
    for row in session.scalars(select(MethodMaterial).order_by(MethodMaterial.material)):
        if row.factor_code in factors:
            of_method = materials.setdefault((row.method_code, row.version), {})
            of_method[row.material] = factors[row.factor_code], row.share_permille
    found: dict[Which, list[DatedMethod]] = {}
    for method in session.execute(
        select(*Method.__table__.columns).order_by(Method.code, Method.version)
    ):
        if method.approved_at is None and f"method:{method.code}@{method.version}" not in drafts:
            continue
        named = [code for code in (method.factor_code, method.actual_factor_code) if code]
        if any(code not in factors for code in named):
            continue
        dated = DatedMethod(
            method.valid_from,
            method.valid_to,
            method.code,
            method.version,
            method.form,
            method.share_permille,
            factors[method.factor_code] if method.factor_code else None,
            factors[method.actual_factor_code] if method.actual_factor_code else None,
            materials.get((method.code, method.version), {}),
            method.document,
        )
        found.setdefault((method.programme_code, method.behaviour_code), []).append(dated)
    return found


def _tariffs(session: Session, drafts: Collection[str]) -> dict[str, list[DatedTariff]]:
    found: dict[str, list[DatedTariff]] = {}
    for tariff in session.scalars(select(Tariff)):
        name = f"tariff:{tariff.programme_code}@{tariff.valid_from}"
        if tariff.approved_at is not None or name in drafts:
            dated = DatedTariff(
                tariff.valid_from, tariff.valid_to, tariff.mg_co2e_per_point, tariff.document
            )
            found.setdefault(tariff.programme_code, []).append(dated)
    return found
