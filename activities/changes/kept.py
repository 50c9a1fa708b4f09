"""Policies as they were kept: what decided something, ready to decide by again.

A correction goes by the rules under which an act was decided, whatever the catalogue says by now.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.methods import net_per_unit
from activities.models import Policy
from activities.policies import DayPolicy, MethodOfDay, caps_of
from activities.rules import ALONE, SIGNALS, DatedRule, MinInterval, NoOverlap, PlaceJump, RuleKind

Content = Mapping[str, Any]


def contents_of(session: Session, policy_ids: Iterable[UUID]) -> dict[UUID, Content]:
    """What policies say, by id; one statement."""
    query = select(Policy.id, Policy.content).where(Policy.id.in_(set(policy_ids)))
    return dict(session.execute(query).all())


def policy_of(content: Content, behaviour_code: str, day: date) -> DayPolicy:
    """The policy of a behaviour on a day, from what was kept of it."""
    rules = [_rule(rule, day) for rule in content["rules"]]
    kinds = [rule.kind for rule in rules]
    method = content["method"] and _method(content["method"])
    per_point = content["tariff"] and content["tariff"]["mg_co2e_per_point"]
    return DayPolicy(
        method=method,
        mg_co2e_per_point=per_point,
        alone=[k for kind in ALONE for k in kinds if isinstance(k, kind)],
        no_overlap=any(isinstance(kind, NoOverlap) for kind in kinds),
        min_interval_s=max((k.seconds for k in kinds if isinstance(k, MinInterval)), default=0),
        place_jumps=[kind for kind in kinds if isinstance(kind, PlaceJump)],
        signals=[k for kind in SIGNALS for k in kinds if isinstance(k, kind)],
        caps=caps_of(rules, behaviour_code, day, method, per_point),
        content=dict(content),
    )


def _rule(content: Content, day: date) -> DatedRule:
    """It held on that day; on which others was not kept."""
    return DatedRule(
        day,
        None,
        content["code"],
        content["version"],
        content["for_all"],
        msgspec.convert(content["parameters"], RuleKind),
        content["document"],
    )


def _method(content: Content) -> MethodOfDay:
    factor, actual = content["factor"], content["actual_factor"]
    net = 0
    if factor is not None:
        actual_ug = actual["ug_co2e_per_unit"] if actual else 0
        net = net_per_unit(factor["ug_co2e_per_unit"], content["share_permille"], actual_ug)
    return MethodOfDay(
        content["code"],
        content["version"],
        content["form"],
        net,
        {
            material: net_per_unit(one["factor"]["ug_co2e_per_unit"], one["share_permille"])
            for material, one in content["materials"].items()
        },
    )
