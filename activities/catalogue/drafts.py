"""Drafts: factors, methods, rules and tariffs that decide nothing until a second person approves.

Kept here, and in part again by the database: who drafted a row is not who approves it; a method is
approved with or after its factors; an approval is never taken back, and changes nothing that was
decided. What begins after the commit is decided by it (``activities.policies``).

A draft's name says which row it is: ``factor:CODE``, ``method:CODE@VERSION``,
``rule:CODE@VERSION``, ``tariff:PROGRAMME@YYYY-MM-DD``.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from activities.catalogue.models import Factor, Method, MethodMaterial, Rule, Tariff
from activities.errors import DraftNeedsSecondPerson, FactorsNotApproved, UnknownDraft

Row = Factor | Method | Rule | Tariff
Key = tuple[str | int | date, ...]

KINDS: dict[str, type[Row]] = {"factor": Factor, "method": Method, "rule": Rule, "tariff": Tariff}
NAMES_MAX = 1_000
# Not by locks on rows: a cluster asks, for those of a table that is on every node, for the right to
# change the tables which that one refers to.
_LOCK = text("""
    SELECT pg_advisory_xact_lock(:kind, number) FROM unnest(CAST(:numbers AS integer[])) AS number
""")
_LOCKS = 0x64726674  # "drft": these locks are apart from the program's others.


def name_of(row: Row) -> str:
    """What a row is called."""
    if isinstance(row, Factor):
        return f"factor:{row.code}"
    if isinstance(row, Tariff):
        return f"tariff:{row.programme_code}@{row.valid_from}"
    return f"{'method' if isinstance(row, Method) else 'rule'}:{row.code}@{row.version}"


def approve(
    session: Session, names: Collection[str], *, approved_by: str, now: datetime
) -> list[Row]:
    """Approve drafts, all of them or none; the rows as they stand, in the order of their names.

    Args:
        session: the caller's open transaction; the caller commits.
        names: at most NAMES_MAX; a method may stand beside its factors.
        approved_by: who approves; letter case and blanks around do not make another person.
        now: the zone-aware instant of the approval.

    Raises:
        UnknownDraft: no row has such a name.
        DraftNeedsSecondPerson: ``approved_by`` drafted one of them.
        FactorsNotApproved: a method's factor, or a material's, is a draft and not among them.

    What is approved already stays as it is, whoever approved it: a retry writes nothing. Of two who
    approve the same at once the second waits, and sees what the first did.
    """
    rows = find(session, names, lock=True)
    fresh = [row for row in rows if row.approved_at is None]
    if own := [name_of(row) for row in fresh if _same(row.drafted_by, approved_by)]:
        raise DraftNeedsSecondPerson(own, approved_by)
    _have_factors(session, fresh)
    for row in fresh:
        row.approved_by, row.approved_at = approved_by, now
    session.flush()
    return sorted(rows, key=name_of)


def find(session: Session, names: Collection[str], *, lock: bool = False) -> list[Row]:
    """The rows of these names, approved or not, by kind and key; raises UnknownDraft.

    ``lock``: nobody else approves these until the transaction ends.
    """
    assert len(names) <= NAMES_MAX
    named = list(filter(None, map(_key, names)))
    if lock:
        session.execute(_LOCK, {"kind": _LOCKS, "numbers": sorted(set(map(_number, named)))})
    keys: dict[str, list[Key]] = {kind: [] for kind in KINDS}
    for kind, key in named:
        keys[kind].append(key)
    rows: list[Row] = []
    for kind, model in KINDS.items():
        if wanted := keys[kind]:
            columns = list(model.__table__.primary_key)
            query = select(model).where(tuple_(*columns).in_(wanted)).order_by(*columns)
            if lock:  # What the session read before is stale.
                query = query.execution_options(populate_existing=True)
            rows += session.scalars(query)
    known = {name_of(row) for row in rows}
    if unknown := sorted(set(names) - known):
        raise UnknownDraft(unknown)
    return rows


def _number(one: tuple[str, Key]) -> int:
    """Drafts whose number happens to be the same wait for each other, and no more."""
    return int.from_bytes(hashlib.sha256(repr(one).encode()).digest()[:4], signed=True)


def draft_factors(session: Session, rows: Iterable[Row]) -> list[Factor]:
    """The factors of methods among these rows that are drafts themselves."""
    methods = [row for row in rows if isinstance(row, Method)]
    codes = {code for of_method in _factors(session, methods).values() for code in of_method}
    query = select(Factor).where(Factor.code.in_(codes), Factor.approved_at.is_(None))
    return list(session.scalars(query.order_by(Factor.code))) if codes else []


def _have_factors(session: Session, fresh: Sequence[Row]) -> None:
    missing = {factor.code for factor in draft_factors(session, fresh)}
    missing -= {row.code for row in fresh if isinstance(row, Factor)}
    if missing:
        methods = [row for row in fresh if isinstance(row, Method)]
        needing = [
            name_of(method)
            for method, codes in zip(methods, _factors(session, methods).values(), strict=True)
            if codes & missing
        ]
        raise FactorsNotApproved(needing, [f"factor:{code}" for code in sorted(missing)])


def _factors(session: Session, methods: Sequence[Method]) -> dict[tuple[str, int], set[str]]:
    """The codes of each method's factors, those of its materials too."""
    named = {
        (method.code, method.version): {
            code for code in (method.factor_code, method.actual_factor_code) if code
        }
        for method in methods
    }
    which = tuple_(MethodMaterial.method_code, MethodMaterial.version)
    materials = select(MethodMaterial).where(which.in_(list(named))) if named else None
    for row in session.scalars(materials) if materials is not None else ():
        named[row.method_code, row.version].add(row.factor_code)
    return named


def _same(drafted_by: str, approved_by: str) -> bool:
    return drafted_by.strip().casefold() == approved_by.strip().casefold()


def key_in(name: str) -> tuple[str, Key]:
    """Kind and primary key of what a draft's name says; raises UnknownDraft."""
    if (found := _key(name)) is None:
        raise UnknownDraft([name])
    return found


def _key(name: str) -> tuple[str, Key] | None:
    """Kind and primary key; None for what is no such name."""
    kind, _, rest = name.partition(":")
    code, at, last = rest.rpartition("@")
    if kind == "factor" and rest:
        return kind, (rest,)
    if kind in ("method", "rule") and at and re.fullmatch("[0-9]{1,9}", last):
        return kind, (code, int(last))
    if kind == "tariff" and at:
        try:
            return kind, (code, date.fromisoformat(last))
        except ValueError:
            return None
    return None
