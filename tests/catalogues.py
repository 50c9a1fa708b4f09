"""A programme of a test's own: behaviours, scenes and rules put together for the case at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import (
    Behaviour,
    Factor,
    Method,
    Partner,
    Programme,
    Rule,
    Scene,
    Tariff,
)
from activities.events import Answer, Batch, Details, Event
from activities.intake import record
from activities.participants import enrol
from ledgers.accounts import open_system
from service.demo_shops import DEMO_PROGRAMME

TOWN = "310118001"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC) - timedelta(hours=8)  # Midnight in Shanghai.
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
APPROVED = {"drafted_by": "a", "approved_by": "b", "approved_at": NOW}
OF_OLD: dict[str, Any] = {"valid_from": date(2020, 1, 1), "document": "a test"}


@dataclass(slots=True)
class Trial:
    """A programme in which a point is a gram, with a scene for each behaviour and channel."""

    session: Session
    code: str
    holder_id: UUID
    behaviours: dict[str, str] = field(default_factory=dict)

    def behaviour(
        self,
        name: str,
        *,
        ug: int = 1_000_000,
        unit: str = "count",
        claimed_by: str = "start",
        rules: Sequence[dict[str, Any]] = (),
        **method: Any,
    ) -> str:
        """One whose unit saves ``ug`` µg, with rules; answers its code."""
        code = self.behaviours[name] = f"{name}-{self.code}"
        self.session.add(
            Behaviour(
                code=code, name_zh=name, name_en=name, base_unit=unit, claimed_by=claimed_by,
                category="transport",
            )
        )  # fmt: skip
        self.session.add(self.factor(code, ug, unit))
        self.session.flush()
        self.method(name, 1, **method)
        for number, rule in enumerate(rules):
            self.rule(name, f"{number:02}", **rule)
        return code

    def factor(self, code: str, ug: int, unit: str = "count") -> Factor:
        texts = ("name_zh", "name_en", "published_value", "published_unit", "publisher", "document")
        return Factor(
            code=code,
            ug_co2e_per_unit=ug,
            base_unit=unit,
            year="2026",
            source_address="here",
            confidence="seen",
            **dict.fromkeys(texts, "a test"),
            **APPROVED,
        )

    def method(self, name: str, version: int, **chosen: Any) -> None:
        code = self.behaviours[name]
        given = {"form": "per_unit", "factor_code": code, **OF_OLD, **APPROVED, **chosen}
        self.session.add(
            Method(
                code=code, version=version, programme_code=self.code, behaviour_code=code, **given
            )
        )
        self.session.flush()

    def rule(self, name: str | None, number: str, version: int = 1, **parameters: Any) -> None:
        """A rule of a behaviour, or of all; its code is behaviour or programme and number."""
        behaviour = self.behaviours[name] if name else None
        self.session.add(
            Rule(
                code=f"{behaviour or self.code}.{number}",
                version=version,
                programme_code=self.code,
                behaviour_code=behaviour,
                parameters=parameters,
                **OF_OLD,
                **APPROVED,
            )
        )
        self.session.flush()

    def scene(self, name: str, channel: str = "operator", **chosen: Any) -> str:
        """A scene of a behaviour; answers its code."""
        code = f"{name}-{channel}-{uuid4().hex[:6]}"
        given = {"approved_from": date(2020, 1, 1), "approved_to": date(2030, 1, 1), **chosen}
        self.session.add(Partner(code=code, name_zh="p", name_en="p"))
        self.session.flush()
        self.session.add(
            Scene(
                code=code,
                programme_code=self.code,
                partner_code=code,
                behaviour_code=self.behaviours[name],
                name_zh=name,
                name_en=name,
                feed_format="native",
                document="a test",
                channel=channel,
                **given,
            )
        )
        self.session.flush()
        return code

    def resident(self) -> UUID:
        holder_id = uuid4()
        enrol(self.session, self.code, {holder_id: TOWN}, now=NOW)
        return holder_id

    def record(self, *events: Event, at: datetime = NOW) -> list[Answer]:
        return record(self.session, Batch(list(events), "test", at))


def a_programme(session: Session, *, mg_co2e_per_point: int = 1_000) -> Trial:
    code, holder_id = f"t{uuid4().hex[:8]}", uuid4()
    session.add(
        Programme(
            code=code, name_zh="t", name_en="t", zone="Asia/Shanghai", holder_id=holder_id, **OF_OLD
        )
    )  # fmt: skip
    session.flush()
    session.add(
        Tariff(programme_code=code, mg_co2e_per_point=mg_co2e_per_point, **OF_OLD, **APPROVED)
    )
    open_system(session, holder_id, now=NOW)
    session.flush()
    return Trial(session, code, holder_id)


def an_act(
    scene: str,
    holder_id: UUID,
    minute: float = 0,
    *,
    minutes: float = 10,
    quantity: int = 1,
    event_id: str = "",
    **details: Any,
) -> Event:
    """An act that starts so many minutes after Monday's midnight in Shanghai."""
    start = MONDAY + timedelta(minutes=minute)
    return Event(
        event_id or uuid4().hex,
        scene,
        holder_id,
        start,
        start + timedelta(minutes=minutes),
        quantity,
        Details(**details) if details else Event.__struct_defaults__[-1],
    )


def found_wrong(session: Session, ug_co2e_per_unit: int) -> None:
    """A step of the demo's saved so much, as is known by now, not 20 mg: a version, approved."""
    method = session.scalars(
        select(Method)
        .where(Method.programme_code == DEMO_PROGRAMME, Method.behaviour_code == "walking")
        .order_by(Method.version.desc())
        .limit(1)
    ).one()
    approved = {
        "drafted_by": "test",
        "approved_by": "somebody else",
        "approved_at": datetime.now(UTC),
    }
    old = session.get_one(Factor, method.factor_code)
    factor = {name: getattr(old, name) for name in Factor.__table__.columns.keys()}  # noqa: SIM118
    code = f"test.{uuid4()}"
    session.add(Factor(**factor | approved | {"code": code, "ug_co2e_per_unit": ug_co2e_per_unit}))
    session.flush()
    version = {name: getattr(method, name) for name in Method.__table__.columns.keys()}  # noqa: SIM118
    session.add(Method(**version | approved | {"version": method.version + 1, "factor_code": code}))
    session.flush()
