"""A month's report: its first version from the roll-ups, another from what changed since.

The caller has the roll-ups' reader locked at ``Facts.log_size`` leaves, so that all that is read
belongs together. The same books and facts give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Behaviour, Division
from service.districts.errors import NothingToReissue, PeriodEmpty
from service.districts.reports import leaves, tables
from service.districts.reports.contents import (
    FORMAT,
    Carried,
    Checkpoint,
    Content,
    Named,
    NamedBehaviour,
    Note,
    Previous,
    RegisteredRow,
)
from service.districts.reports.differences import differences
from service.districts.reports.entering import decided
from service.districts.reports.leaves import POINTS, Leaves, tens
from service.districts.reports.methods_used import methods_used
from service.districts.reports.periods import Period, with_merged
from service.districts.rollups import reading as rollups

NOTES: tuple[Note, ...] = (
    {
        "zh": "少于 10 名居民的数字不公布；为使其不能由其他数字推出，另有一些数字也不公布。",
        "en": "Figures of fewer than 10 residents are withheld, and others by which those could be"
        " told.",
    },
    {
        "zh": "合计只加已公布的数；居民人数向下取整到十。",
        "en": "Totals add only what is published; numbers of residents are rounded down to tens.",
    },
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a version says of itself. ``log_size`` leaves were summed, up to ``as_of``."""

    version: int
    reason: str | None
    as_of: datetime
    issued_at: datetime
    log_size: int
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """All versions before, the first one first, and the hash of the last."""

    contents: Sequence[Content]
    sha256: bytes

    @property
    def content(self) -> Content:
        """The last one's."""
        return self.contents[-1]


def first(session: Session, division: Division, month: Period, facts: Facts) -> Content:
    """The first version.

    Raises:
        DistrictMerged: see ``periods.with_merged``.
        PeriodEmpty: nothing was recorded, and nobody was registered by its end.
    """
    divisions = with_merged(session, division.code, month)
    towns = _towns(session, divisions)
    registered = _registered(session, divisions, month)
    found = leaves.read(session, divisions, month, list(towns), index=facts.log_size, hidden={})
    if found.is_empty() and not registered:
        raise PeriodEmpty(division.code, month.name)
    content = _content(session, division, divisions, month, facts, found, towns)
    content["registered"] = _registered_rows(towns, registered)
    return content


def another(
    session: Session, division: Division, month: Period, facts: Facts, earlier: Earlier
) -> Content:
    """The next version: what changed enters behaviour by behaviour, all of one or nothing.

    Raises:
        NothingToReissue: nothing changed, or nothing that may be told.
    """
    before = [leaves.of_content(content) for content in earlier.contents]
    divisions = earlier.content["divisions"]
    # A town that was not there before has its row now.
    towns = {town["code"]: town["name"] for town in earlier.content["towns"]}
    towns |= _towns(session, divisions)
    now = leaves.read(
        session,
        divisions,
        month,
        list(towns),
        index=facts.log_size,
        hidden=before[-1].hidden,
    )
    entering, carried = decided(session, divisions, month, before, now, facts.log_size)
    if not entering:
        raise NothingToReissue(division.code, month.name, too_few=bool(carried))
    found = _merged(before[-1], now, entering, carried)
    content = _content(session, division, divisions, month, facts, found, towns)
    content["registered"] = earlier.content["registered"]
    content["carried"] = [
        Carried(code=code, log_size=found.taken.get(code, earlier.contents[0]["log_size"]))
        for code in sorted(carried)
    ]
    content["previous"] = Previous(version=earlier.content["version"], sha256=earlier.sha256.hex())
    content["differences"] = differences(earlier.content, content)
    return content


def _merged(before: Leaves, now: Leaves, entering: set[str], carried: set[str]) -> Leaves:
    return Leaves(
        behaviours={
            code: now.behaviours[code] if code in entering else before.behaviours[code]
            for code in sorted(entering.difference(POINTS) | before.behaviours.keys())
        },
        points={code: (now if code in entering else before).points[code] for code in POINTS},
        # Residents of all behaviours together would tell of those whose figures are carried.
        anybody=before.anybody if carried else now.anybody,
        taken=before.taken | {code: now.taken[code] for code in entering},
    )


def _content(
    session: Session,
    division: Division,
    divisions: Sequence[str],
    month: Period,
    facts: Facts,
    found: Leaves,
    towns: Mapping[str, str],
) -> Content:
    days = [day.isoformat() for day in month.days()]
    behaviours = sorted(found.behaviours)
    return {
        "format": FORMAT,
        "kind": "month",
        "division": Named(code=division.code, name=division.name_zh),
        "divisions": list(divisions),
        "period": month.name,
        "first_day": month.first.isoformat(),
        "last_day": month.last.isoformat(),
        "version": facts.version,
        "reason": facts.reason,
        "as_of": instant(facts.as_of),
        "issued_at": instant(facts.issued_at),
        "log_size": facts.log_size,
        "checkpoint": facts.checkpoint,
        "taken": found.taken,
        "months": [],
        "towns": [Named(code=code, name=name) for code, name in towns.items()],
        "behaviours": behaviour_names(session, behaviours),
        **tables.of_month(found, list(towns), days),
        "registered": [],
        "methods": methods_used(session, divisions, behaviours, month, as_of=facts.as_of),
        "notes": list(NOTES),
        "differences": [],
        "carried": [],
        "previous": None,
        "indicators": {},
    }


def instant(at: datetime) -> str:
    """In UTC, to the microsecond: one spelling."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def behaviour_names(session: Session, codes: Sequence[str]) -> list[NamedBehaviour]:
    """The behaviours of these codes, in their order."""
    rows = session.execute(
        select(Behaviour.code, Behaviour.name_zh, Behaviour.name_en).where(
            Behaviour.code.in_(codes)
        )
    )
    names = {code: (zh, en) for code, zh, en in rows}
    return [
        NamedBehaviour(code=code, name_zh=names[code][0], name_en=names[code][1]) for code in codes
    ]


def _towns(session: Session, divisions: Sequence[str]) -> dict[str, str]:
    rows = session.execute(
        select(Division.code, Division.name_zh)
        .where(Division.level == "town", func.left(Division.code, 6).in_(divisions))
        .order_by(Division.code)
    )
    return {row.code: row.name_zh for row in rows}


_REGISTERED = text("""
    SELECT division_code, count(*) FROM participant
    WHERE left(division_code, 6) = ANY(:divisions) AND joined_at < :end
      AND (closed_at IS NULL OR closed_at >= :end)
    GROUP BY division_code
""")


def _registered(session: Session, divisions: Sequence[str], month: Period) -> dict[str, int]:
    """Who was registered at the month's end, by town."""
    parameters = {"divisions": list(divisions), "end": rollups.start_of(month.beyond)}
    return {row[0]: row[1] for row in session.execute(_REGISTERED, parameters)}


def _registered_rows(
    towns: Mapping[str, str], registered: Mapping[str, int]
) -> list[RegisteredRow]:
    rows = [
        RegisteredRow(town_code=town, residents=tens(registered.get(town, 0))) for town in towns
    ]
    return [*rows, RegisteredRow(town_code=None, residents=tens(sum(registered.values())))]
