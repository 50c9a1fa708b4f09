"""What decides, for anybody to read: approved rows, page by page, in the order of their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from activities.catalogue.models import (
    Behaviour,
    Drafted,
    Factor,
    Method,
    MethodMaterial,
    Rule,
    Tariff,
)

PAGE_MAX = 200
Key = tuple[str | int | date, ...]
R = TypeVar("R", Behaviour, Factor, Method, Rule, Tariff)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """``next_after`` asks for the page after this one; None at the end."""

    rows: Sequence[R]
    next_after: Key | None


@dataclass(frozen=True, slots=True)
class Material:
    """A material's factor in a method by mass; ``share_permille`` of it counts."""

    material: str
    factor: Factor
    share_permille: int
    document: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What a method rests on: its factor, the act's own, or a factor for each material."""

    factor: Factor | None
    actual_factor: Factor | None
    materials: list[Material]


def page(
    session: Session,
    model: type[R],
    *,
    after: Key | None = None,
    limit: int = 50,
    programme_code: str | None = None,
) -> Page[R]:
    """Up to ``limit`` (1..PAGE_MAX) rows whose key comes after ``after``.

    Drafts are not among them. ``programme_code`` is for methods, rules and tariffs.
    """
    assert 0 < limit <= PAGE_MAX
    key = list(model.__table__.primary_key)
    query = select(model).order_by(*key).limit(limit + 1)
    if issubclass(model, Drafted):
        query = query.where(model.approved_at.is_not(None))
    if programme_code is not None:
        assert issubclass(model, Method | Rule | Tariff)
        query = query.where(model.programme_code == programme_code)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = list(session.scalars(query))
    last = rows[limit - 1] if len(rows) > limit else None
    next_after = tuple(getattr(last, column.name) for column in key) if last is not None else None
    return Page(rows[:limit], next_after)


def sources_of(session: Session, methods: Sequence[Method]) -> list[Sources]:
    """What each method rests on, in their order; two statements."""
    which = [(method.code, method.version) for method in methods]
    key = tuple_(MethodMaterial.method_code, MethodMaterial.version)
    query = select(MethodMaterial).where(key.in_(which)).order_by(MethodMaterial.material)
    materials: dict[tuple[str, int], list[MethodMaterial]] = {}
    for row in session.scalars(query) if which else ():
        materials.setdefault((row.method_code, row.version), []).append(row)
    codes = {code for m in methods for code in (m.factor_code, m.actual_factor_code) if code}
    codes |= {row.factor_code for rows in materials.values() for row in rows}
    factors = {
        factor.code: factor
        for factor in session.scalars(select(Factor).where(Factor.code.in_(codes)))
    }
    return [
        Sources(
            factors[method.factor_code] if method.factor_code else None,
            factors[method.actual_factor_code] if method.actual_factor_code else None,
            [
                Material(row.material, factors[row.factor_code], row.share_permille, row.document)
                for row in materials.get((method.code, method.version), [])
            ],
        )
        for method in methods
    ]
