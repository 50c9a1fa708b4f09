"""Finding the town that somebody lives in, by some characters of its name or its district's."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme

FOUND_MAX = 40

_TOWNS = text("""
    SELECT town.code, district.name_zh || ' ' || town.name_zh AS name
    FROM division AS town JOIN division AS district ON district.code = town.parent_code
    WHERE town.level = 'town'
      AND (position(:words IN replace(district.name_zh || town.name_zh, ' ', '')) > 0
           OR town.code = :words)
    ORDER BY town.code LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Town:
    """A town's code, and its name after its district's."""

    code: str
    name: str


def towns(session: Session, words: str) -> list[Town]:
    """Up to FOUND_MAX towns whose name holds these characters; none for no characters."""
    sought = "".join(words.split())
    if not sought:
        return []
    rows = session.execute(_TOWNS, {"words": sought, "most": FOUND_MAX})
    return [Town(code, name) for code, name in rows]


def programmes(session: Session) -> list[Programme]:
    """All of them, also those that are over."""
    return list(session.scalars(select(Programme).order_by(Programme.code)))


def open_programmes(session: Session, *, now: datetime) -> list[Programme]:
    """Those whose days have begun, each by its own clock, and are not over."""

    def is_open(one: Programme) -> bool:
        today = now.astimezone(ZoneInfo(one.zone)).date()
        return one.valid_from <= today and (one.valid_to is None or today < one.valid_to)

    return [one for one in programmes(session) if is_open(one)]
