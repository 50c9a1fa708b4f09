"""Methods and factors that were in force in a period, as a report names them."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from activities.catalogue.models import Factor, Method, MethodMaterial
from activities.models import Participant
from service.districts.reports.contents import FactorUsed, MethodUsed
from service.districts.reports.periods import Period
from service.districts.rollups.reading import start_of


def methods_used(
    session: Session,
    divisions: Sequence[str],
    behaviours: Collection[str],
    period: Period,
    *,
    as_of: datetime,
) -> list[MethodUsed]:
    """The versions that held on a day of ``period``, as approved by ``as_of``, of the programmes in
    which the districts' residents take part. Of versions of a code the highest holds on a day.
    """
    own = (
        select(Participant.programme_code)
        .where(
            func.left(Participant.division_code, 6).in_(divisions),
            Participant.joined_at < max(as_of, start_of(period.beyond)),
        )
        .distinct()
    )
    programmes = set(session.scalars(own))
    rows = session.scalars(
        select(Method)
        .where(
            Method.behaviour_code.in_(behaviours),
            Method.programme_code.in_(programmes),
            Method.valid_from < period.beyond,
            or_(Method.valid_to.is_(None), Method.valid_to > period.first),
            Method.approved_by.is_not(None),
            or_(Method.approved_at.is_(None), Method.approved_at <= as_of),
        )
        .order_by(Method.behaviour_code, Method.code, Method.version)
    ).all()
    held = [method for method in rows if _holds(method, rows, period)]
    factors = _factors(session, held)
    return [
        MethodUsed(
            behaviour_code=method.behaviour_code,
            code=method.code,
            version=method.version,
            form=method.form,
            document=method.document,
            valid_from=method.valid_from.isoformat(),
            valid_to=None if method.valid_to is None else method.valid_to.isoformat(),
            factors=factors[method.code, method.version],
        )
        for method in held
    ]


def _holds(method: Method, rows: Sequence[Method], period: Period) -> bool:
    newer = [each for each in rows if each.code == method.code and each.version > method.version]
    return any(
        _valid(method, day) and not any(_valid(each, day) for each in newer)
        for day in period.days()
    )


def _valid(method: Method, day: date) -> bool:
    return method.valid_from <= day and (method.valid_to is None or day < method.valid_to)


def _factors(
    session: Session, methods: Sequence[Method]
) -> dict[tuple[str, int], list[FactorUsed]]:
    codes = {
        (method.code, method.version): [
            code for code in (method.factor_code, method.actual_factor_code) if code
        ]
        for method in methods
    }
    query = select(MethodMaterial).order_by(MethodMaterial.factor_code)
    for material in session.scalars(query):
        own = codes.get((material.method_code, material.version))
        if own is not None and material.factor_code not in own:
            own.append(material.factor_code)
    wanted = {code for own in codes.values() for code in own}
    found = {
        factor.code: _told(factor)
        for factor in session.scalars(select(Factor).where(Factor.code.in_(wanted)))
    }
    return {key: [found[code] for code in own] for key, own in codes.items()}


def _told(factor: Factor) -> FactorUsed:
    return FactorUsed(
        code=factor.code,
        name_zh=factor.name_zh,
        name_en=factor.name_en,
        ug_co2e_per_unit=factor.ug_co2e_per_unit,
        base_unit=factor.base_unit,
        published_value=factor.published_value,
        published_unit=factor.published_unit,
        publisher=factor.publisher,
        document=factor.document,
        year=factor.year,
        source_address=factor.source_address,
    )
