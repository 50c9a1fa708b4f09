"""What a draft says, beside the version that is in force where it would take its place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.drafts import KINDS, Row, name_of
from activities.catalogue.models import Factor, Method, MethodMaterial, Rule, Tariff


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, as people read it; None where the field is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A version of something, approved or not yet.

    ``against`` names the version in force that it would take the place of, on its first day; None
    where there is none. ``drafted_at`` is None for what was there before this was kept.
    """

    name: str
    kind: str
    programme_code: str | None
    behaviour_code: str | None
    valid_from: date
    valid_to: date | None
    drafted_by: str
    drafted_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    against: str | None
    differences: list[Difference]


def waiting(session: Session, *, programme_code: str | None = None) -> list[Draft]:
    """Every draft, by name: what waits for a second person.

    ``programme_code``: only this programme's, and the factors, which are everybody's.
    """
    rows: list[Row] = []
    for model in KINDS.values():
        query = select(model).where(model.approved_at.is_(None))
        columns = model.__table__.columns
        if programme_code is not None and "programme_code" in columns:
            query = query.where(columns["programme_code"] == programme_code)
        rows += session.scalars(query)
    return described(session, rows)


def described(session: Session, rows: Iterable[Row]) -> list[Draft]:
    """Rows with what they change, by name. A fixed number of statements: the catalogue is small."""
    shown = sorted(rows, key=name_of)
    if not shown:
        return []
    approved = _Approved.read(session)
    return [_described(row, approved) for row in shown]


class _Approved:
    """What is in force, and what describing a method needs besides."""

    def __init__(
        self,
        rows: list[Row],
        factors: Mapping[str, Factor],
        materials: Mapping[tuple[str, int], list[MethodMaterial]],
    ) -> None:
        self._rows = rows
        self._factors = factors
        self._materials = materials

    @classmethod
    def read(cls, session: Session) -> "_Approved":
        rows: list[Row] = []
        for model in (Method, Rule, Tariff):
            rows += session.scalars(select(model).where(model.approved_at.is_not(None)))
        materials: dict[tuple[str, int], list[MethodMaterial]] = {}
        for row in session.scalars(select(MethodMaterial).order_by(MethodMaterial.material)):
            materials.setdefault((row.method_code, row.version), []).append(row)
        factors = {factor.code: factor for factor in session.scalars(select(Factor))}
        return cls(rows, factors, materials)

    def replaced_by(self, row: Row) -> Row | None:
        """The version in force on the row's first day, in the place that the row would take."""
        if isinstance(row, Factor):
            return None  # A factor has no versions: a method changes which one it names.
        held = [
            one
            for one in self._rows
            if one is not row and _place(one) == _place(row) and _holds(one, row.valid_from)
        ]
        return max(held, key=_weight, default=None)

    def fields(self, row: Row) -> dict[str, str | None]:
        """What a row says, field by field."""
        dated = {
            "valid_from": str(row.valid_from),
            "valid_to": str(row.valid_to) if row.valid_to else None,
        }
        if isinstance(row, Factor):
            return {
                "value": _value(row),
                "published": f"{row.published_value} {row.published_unit}",
                "boundary": row.boundary,
                "publisher": row.publisher,
                "document": f"{row.document} ({row.year})",
                "address": row.source_address,
                "confidence": row.confidence,
                **dated,
            }
        if isinstance(row, Tariff):
            what: dict[str, str | None] = {"mg_co2e_per_point": str(row.mg_co2e_per_point)}
        elif isinstance(row, Rule):
            what = {name: _told(value) for name, value in row.parameters.items()}
        else:
            what = self._method(row)
        return {**what, **dated, "document": row.document}

    def _method(self, method: Method) -> dict[str, str | None]:
        materials = self._materials.get((method.code, method.version), [])
        return {
            "form": method.form,
            "factor": self._factor(method.factor_code),
            "actual_factor": self._factor(method.actual_factor_code),
            "share_permille": str(method.share_permille),
            **{
                f"material {one.material}": f"{self._factor(one.factor_code)}"
                f" × {one.share_permille} permille"
                for one in materials
            },
        }

    def _factor(self, code: str | None) -> str | None:
        return code and f"{code} ({_value(self._factors[code])})"


def _described(row: Row, approved: _Approved) -> Draft:
    against = approved.replaced_by(row)
    before = approved.fields(against) if against is not None else {}
    after = approved.fields(row)
    return Draft(
        name=name_of(row),
        kind=next(kind for kind, model in KINDS.items() if isinstance(row, model)),
        programme_code=None if isinstance(row, Factor) else row.programme_code,
        behaviour_code=row.behaviour_code if isinstance(row, Method | Rule) else None,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        drafted_by=row.drafted_by,
        drafted_at=row.drafted_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        against=name_of(against) if against is not None else None,
        differences=[
            Difference(field, before.get(field), after.get(field))
            for field in {**after, **before}
            if before.get(field) != after.get(field)
        ],
    )


def _place(row: Row) -> tuple[str | None, ...]:
    """Rows of one place take each other's: rules of a code, methods of a programme's behaviour,
    tariffs of a programme.
    """
    if isinstance(row, Rule):
        return "rule", row.code
    if isinstance(row, Method):
        return "method", row.programme_code, row.behaviour_code
    assert isinstance(row, Tariff)
    return "tariff", row.programme_code


def _weight(row: Row) -> tuple[int, date]:
    """Of those that hold on a day the heaviest counts: the version, a tariff's start."""
    return (row.version if isinstance(row, Method | Rule) else 0), row.valid_from


def _holds(row: Row, day: date) -> bool:
    return row.valid_from <= day and (row.valid_to is None or day < row.valid_to)


def _value(factor: Factor) -> str:
    return f"{factor.ug_co2e_per_unit} µg CO2e/{factor.base_unit}"


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
