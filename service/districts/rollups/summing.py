"""Summing: the roll-ups of districts, kept by a job in the order of the log.

Kept here: what a leaf of the log changed is in the roll-ups exactly once, for sums and how far they
reach are one transaction under the reader's lock. What counts as one (an activity, a voucher, a
resident) adds how it stands after a batch less how it stood before, so that counts come out the
same however the log is cut into batches (docs/DECISIONS.md).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import BY_INDEX, Statement, array_of, together
from ledgers.log.readers import whole, window
from ledgers.models import LogReader
from service.districts.rollups.effects import Batch, Effect, effects_of
from service.districts.rollups.lateness import note_late
from service.districts.rollups.reading import LEVELS, READER
from service.districts.rollups.residents import count_residents
from service.districts.rollups.standing import settled

LEAVES_MAX = 50_000  # A batch is a transaction of some seconds.

# A plan made while the roll-ups were small, or had just been emptied, is none for what they become.
_PLANNED_ANEW: Statement = ("SET LOCAL plan_cache_mode = force_custom_plan", {})

_POSTINGS = text("""
    SELECT p.id, p.recorded_at, s.first_index, s.transfer_count
    FROM sealed_posting AS s JOIN posting AS p ON p.id = s.posting_id
    WHERE s.first_index >= :index AND s.first_index < :beyond
    ORDER BY s.first_index
""")
_ADD = text("""
    INSERT INTO district_day (division_code, day, behaviour_code, activities, saved_mg_co2e,
                              earned_points, spent_points, expired_points, vouchers)
    SELECT * FROM unnest(CAST(:divisions AS text[]), CAST(:days AS date[]),
                         CAST(:behaviours AS text[]), CAST(:activities AS bigint[]),
                         CAST(:saved AS bigint[]), CAST(:earned AS bigint[]),
                         CAST(:spent AS bigint[]), CAST(:expired AS bigint[]),
                         CAST(:vouchers AS bigint[])) AS n (a, b, c, d, e, f, g, h, i)
    ON CONFLICT (division_code, day, behaviour_code) DO UPDATE SET
        activities = district_day.activities + excluded.activities,
        saved_mg_co2e = district_day.saved_mg_co2e + excluded.saved_mg_co2e,
        earned_points = district_day.earned_points + excluded.earned_points,
        spent_points = district_day.spent_points + excluded.spent_points,
        expired_points = district_day.expired_points + excluded.expired_points,
        vouchers = district_day.vouchers + excluded.vouchers
""")
_COLUMNS = (
    *("divisions", "days", "behaviours"),
    *("activities", "saved", "earned", "spent", "expired", "vouchers"),
)


def fold(session: Session, *, leaves_max: int = LEAVES_MAX) -> int:
    """Add the next postings of the log to the roll-ups, of ``leaves_max`` leaves and one posting
    more at most; answers how many leaves.

    Safe to repeat and to kill; of two at once one waits for the other.
    """
    reader = session.get_one(LogReader, READER, with_for_update=True, populate_existing=True)
    begin = reader.next_index
    rows = session.execute(_POSTINGS, {"index": begin, "beyond": begin + leaves_max}).all()
    together(session, *BY_INDEX, _PLANNED_ANEW)
    postings = whole(session, rows, begin)
    if not postings:
        return 0
    reader.next_index = postings[-1].first_index + postings[-1].transfer_count
    session.flush()  # Before the roll-ups are read: see ``ledgers.log.readers.lock``.
    batch = Batch(
        first_leaves={posting.id: posting.first_index for posting in postings},
        begin=begin,
        end=reader.next_index,
        **window([posting.recorded_at for posting in postings]),
    )
    effects = settled(session, batch, effects_of(session, batch))
    count_residents(session, effects)
    _add(session, effects)
    note_late(session, batch, effects)
    return batch.end - batch.begin


def _add(session: Session, effects: Sequence[Effect]) -> None:
    """To the sums of days, at every level."""
    towns: defaultdict[tuple[str, date, str], list[int]] = defaultdict(lambda: [0] * 6)
    for one in effects:
        _accumulate(towns[one.town_code, one.day, one.behaviour_code], one[4:10])
    sums: defaultdict[tuple[str, date, str], list[int]] = defaultdict(lambda: [0] * 6)
    for (town, day, behaviour), figures in towns.items():
        for division in {town[:digits] for digits in LEVELS}:
            _accumulate(sums[division, day, behaviour], figures)
    rows = [(*key, *figures) for key, figures in sorted(sums.items()) if any(figures)]
    if rows:
        columns = zip(*rows, strict=True)
        session.execute(
            _ADD, {name: array_of(column) for name, column in zip(_COLUMNS, columns, strict=True)}
        )


def _accumulate(sums: list[int], figures: Sequence[int]) -> None:
    for place, figure in enumerate(figures):
        sums[place] += figure
