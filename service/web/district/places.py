"""Where a page of districts is: its division with those above it, and of what there are reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from service.districts.published.reading import districts_of
from service.identity.tokens import Caller
from service.services import services
from service.web.district.spans import Choices, choices

FOUND_MAX = 40

# A code that begins with another's is below it; digits sort before the colon.
_MONTHS = text("""
    SELECT DISTINCT period FROM district_report
    WHERE division_code >= :code AND division_code < :code || ':' AND length(period) = 7
          AND position('Q' IN period) = 0
""")
_FOUND = text("""
    SELECT one.code, one.level, coalesce(above.name_zh || ' ', '') || one.name_zh AS name
    FROM division AS one LEFT JOIN division AS above ON above.code = one.parent_code
    WHERE one.level <> 'town' AND (position(:words IN one.name_zh) > 0 OR one.code = :words)
    ORDER BY length(one.code), one.code LIMIT :most
""")
_PROVINCES = text(
    "SELECT code, level, name_zh FROM division WHERE level = 'province' ORDER BY code"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A division: province, city, district or town."""

    code: str
    level: str
    name: str


@dataclass(frozen=True, slots=True)
class Here:
    """The division of a page: ``above`` from the province down; months issued, latest first."""

    place: Place
    above: Sequence[Place]
    months: Sequence[str]

    def shown(self) -> Choices:
        """The period that the page shows, and the others that it could."""
        return choices(self.months, request.args.get("period", "").strip())


def here(division_code: str) -> Here:
    """Of a division that there is not: one without a name, of which the API says so."""
    return services().database.transact(lambda session: _here(session, division_code))


def _here(session: Session, code: str) -> Here:
    path: list[Place] = []
    found = session.get(Division, code)
    own = districts_of(session, found) if found else []
    while found is not None:
        path.insert(0, Place(found.code, found.level, found.name_zh))
        found = session.get(Division, found.parent_code) if found.parent_code else None
    months = {row[0] for each in own for row in session.execute(_MONTHS, {"code": each})}
    place = path[-1] if path else Place(code, "", code)
    return Here(place, path[:-1], sorted(months, reverse=True))


def reached(caller: Caller, place: Place) -> bool:
    """Whether the caller's grant reaches it, so that a link to it leads anywhere."""
    return place.code.startswith(caller.scope)


def sought(words: str) -> list[Place]:
    """Up to FOUND_MAX divisions whose name holds these characters; none for no characters."""
    plain = "".join(words.split())
    if not plain:
        return []
    return services().database.transact(
        lambda session: [
            Place(*row) for row in session.execute(_FOUND, {"words": plain, "most": FOUND_MAX})
        ]
    )


def provinces() -> list[Place]:
    """All of them, in the order of their codes."""
    return services().database.transact(
        lambda session: [Place(*row) for row in session.execute(_PROVINCES)]
    )
