"""Lateness: whose acts of a month changed after the month's report was issued.

The next version of a report shows a change only where enough residents stand behind it
(``service.districts.rollups.reading.changed``).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import DivisionMerge
from ledgers.bulk import array_of
from service.districts.models import DistrictReport
from service.districts.rollups.effects import SIDES, Batch, Effect, parameters_of

_MONTH = "[0-9]{4}-[0-9]{2}$"  # A report's period that is a month.
_DISTRICT = 6  # Digits of a district's code.

Issued = Mapping[
    tuple[str, date], int
]  # By district and month: the log's size of the first version.

_TOUCHED = text(f"""
    SELECT t.holder_id, t.leaf, coalesce(a.day, (t.occurred_at AT TIME ZONE :zone)::date) AS day,
           coalesce(a.division_code, p.division_code) AS division_code,
           coalesce(a.behaviour_code, '-') AS behaviour_code
    FROM (
        SELECT s.holder_id, k.first_leaf + s.position AS leaf, s.reference, s.occurred_at, {SIDES}
        FROM unnest(CAST(:postings AS uuid[]), CAST(:first_leaves AS bigint[]))
            AS k (posting_id, first_leaf)
        JOIN transfer AS s ON s.posting_id = k.posting_id AND s.id >= :low AND s.id < :high
        WHERE s.holder_id = ANY(CAST(:holders AS uuid[])) AND s.unit IN ('mg_co2e', 'point')
    ) AS t
    JOIN participant AS p ON p.holder_id = t.holder_id
    LEFT JOIN activity AS a ON a.holder_id = t.holder_id AND a.id = t.reference AND t.given <> 0
    WHERE t.given <> 0 OR t.spent <> 0 OR t.expired <> 0
""")
_NOTE = text("""
    INSERT INTO district_late (holder_id, log_index, day, division_code, behaviour_code)
    SELECT * FROM unnest(CAST(:holders AS uuid[]), CAST(:leaves AS bigint[]), CAST(:days AS date[]),
                         CAST(:towns AS text[]), CAST(:behaviours AS text[]))
        AS n (holder_id, log_index, day, division_code, behaviour_code)
""")


def note_late(session: Session, batch: Batch, effects: Sequence[Effect]) -> None:
    """Write down each leaf of the batch that changed something of a month with a report.

    The caller has sent ``look_up_by_index`` and holds the reader's lock, as does who issues a first
    version: so a leaf is either in it, or late.
    """
    if not (issued := _issued(session)):
        return
    merges = _merges(session)
    places = {
        (town, day)
        for town, day in {(effect.town_code, effect.day) for effect in effects}
        if _is_late(town, day, batch.end - 1, issued, merges)
    }
    late = {one.holder_id.hex for one in effects if (one.town_code, one.day) in places}
    if not late:
        return
    parameters = parameters_of(session, batch) | {
        "postings": array_of(posting_id.hex for posting_id in batch.first_leaves),
        "first_leaves": array_of(batch.first_leaves.values()),
        "holders": array_of(sorted(late)),
    }
    rows = sorted(
        (row.holder_id.hex, row.leaf, row.day, row.division_code, row.behaviour_code)
        for row in session.execute(_TOUCHED, parameters)
        if _is_late(row.division_code, row.day, row.leaf, issued, merges)
    )
    if rows:
        columns = zip(*rows, strict=True)
        names = ("holders", "leaves", "days", "towns", "behaviours")
        session.execute(
            _NOTE, {name: array_of(column) for name, column in zip(names, columns, strict=True)}
        )


def _issued(session: Session) -> Issued:
    """The districts' months that have a report: some thousand rows."""
    query = select(
        DistrictReport.division_code, DistrictReport.first_day, DistrictReport.log_size
    ).where(DistrictReport.version == 1, DistrictReport.period.regexp_match(_MONTH))
    return {(code, month): size for code, month, size in session.execute(query)}


def _merges(session: Session) -> Mapping[str, tuple[str, date]]:
    """What each district that is none any more became part of, and when."""
    query = select(DivisionMerge.code, DivisionMerge.into_code, DivisionMerge.merged_on)
    return {code: (into, merged_on) for code, into, merged_on in session.execute(query)}


def _is_late(
    town: str, day: date, leaf: int, issued: Issued, merges: Mapping[str, tuple[str, date]]
) -> bool:
    month = day.replace(day=1)
    return any(
        leaf >= issued.get((district, month), leaf + 1)
        for district in _districts(town[:_DISTRICT], month, merges)
    )


def _districts(district: str, month: date, merges: Mapping[str, tuple[str, date]]) -> Iterator[str]:
    """The district, and those it had become part of by the end of the month."""
    beyond = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    seen: set[str] = set()
    while district not in seen:
        seen.add(district)
        yield district
        into, merged_on = merges.get(district, (district, date.max))
        if merged_on < beyond:
            district = into
