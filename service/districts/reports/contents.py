"""What an issued report says: the shape of ``DistrictReport.content``, canonical JSON.

One shape for months, quarters and years, so that one renderer serves all. Integers only; keys are
sorted, UTF-8, no spaces, so that the same figures are the same bytes. What a report holds is all
that is ever published of a period (``service.districts.reports.suppression``):

- *leaves* of a month: a town's month, a day of the whole district and the district's month, each
  for one behaviour; and a town's and the district's month of points spent and expired and vouchers;
- sums of published leaves: over behaviours, and over the months of a quarter or year.

``figures`` is null where a figure is withheld. ``left_out`` says how many withheld leaves a sum
lacks: it adds only what is published. A row that is not there is nothing: all zeros.
``residents`` are rounded down to tens; null for 1 to 9. In a quarter or a year they are the mean
of its months, rounded down likewise, never a count of their own.
"""

from typing import Literal, NotRequired, TypedDict

import msgspec

FORMAT = "tanhui district report 1"


class Named(TypedDict):
    """A division, as it was called when the report was issued."""

    code: str
    name: str


class NamedBehaviour(TypedDict):
    """A behaviour with activities in the period."""

    code: str
    name_zh: str
    name_en: str


class Figures(TypedDict):
    """Activities of residents that stand; ``residents`` in tens, rounded down, null below ten."""

    activities: int
    saved_mg_co2e: int
    earned_points: int
    residents: int | None


class Row(TypedDict):
    """Figures of a town, a day or month (``at``: 2026-10-03, or 2026-10) and a behaviour.

    Null means all: ``behaviour_code`` null is the sum over behaviours, ``town_code`` and ``at``
    both null the whole district and period.
    """

    town_code: str | None
    at: str | None
    behaviour_code: str | None
    figures: Figures | None
    left_out: int


class PointsRow(TypedDict):
    """Points that a town's residents spent and lost, vouchers they got; ``town_code`` null: all.

    Each null where withheld; ``left_out`` counts withheld months of the three together.
    """

    town_code: str | None
    at: str | None
    spent_points: int | None
    expired_points: int | None
    vouchers: int | None
    left_out: int


class RegisteredRow(TypedDict):
    """Registered residents at the period's end, in tens rounded down; null for 1 to 9."""

    town_code: str | None
    residents: int | None


class FactorUsed(TypedDict):
    """A factor in force, as published."""

    code: str
    name_zh: str
    name_en: str
    ug_co2e_per_unit: int
    base_unit: str
    published_value: str
    published_unit: str
    publisher: str
    document: str
    year: str
    source_address: str


class MethodUsed(TypedDict):
    """A version of a method that was in force in the period, with its factors."""

    behaviour_code: str
    code: str
    version: int
    form: str
    document: str
    valid_from: str
    valid_to: str | None
    factors: list[FactorUsed]


class Checkpoint(TypedDict):
    """The log's signed checkpoint that reaches at least as far as the figures."""

    origin: str
    size: int
    root: str


class MonthUsed(TypedDict):
    """An issued month that a quarter or a year adds up."""

    period: str
    version: int
    sha256: str
    as_of: str
    log_size: int


class Difference(TypedDict):
    """A published figure that is another in this version; null where it is withheld now.

    ``measure`` is a key of ``Figures`` or ``PointsRow``.
    """

    town_code: str | None
    at: str | None
    behaviour_code: str | None
    measure: str
    before: int | None
    after: int | None


class Carried(TypedDict):
    """A behaviour (or spent_points, expired_points, vouchers) of which figures are those of the
    version before: fewer than ten residents' changes could be told from them.
    """

    code: str
    log_size: int


class Previous(TypedDict):
    """The version that this one replaces."""

    version: int
    sha256: str


class Note(TypedDict):
    """A sentence in both languages."""

    zh: str
    en: str


class Content(TypedDict):
    """A report. Tables, in the order of their keys, totals not among the parts:

    - ``by_town``: town × behaviour (leaves in a month), ``at`` null.
    - ``by_time``: day (months of a quarter or year) × behaviour, ``town_code`` null.
    - ``by_behaviour``: the district's whole period by behaviour.
    - ``town_totals``, ``time_totals``: summed over behaviours; ``total``: over everything.
    - ``points``: by town, then a row for the district (``town_code`` null); ``at`` null.
    - ``points_by_time``: the district's months, of a quarter or a year; empty in a month.
    - ``registered``: by town, then a row for the district.
    """

    format: str
    kind: Literal["month", "quarter", "year"]
    division: Named
    divisions: list[str]
    period: str
    first_day: str
    last_day: str
    version: int
    reason: str | None
    as_of: str
    issued_at: str
    log_size: int
    checkpoint: Checkpoint | None
    taken: dict[str, int]
    months: list[MonthUsed]
    towns: list[Named]
    behaviours: list[NamedBehaviour]
    by_town: list[Row]
    by_time: list[Row]
    by_behaviour: list[Row]
    town_totals: list[Row]
    time_totals: list[Row]
    total: Row
    points: list[PointsRow]
    points_by_time: list[PointsRow]
    registered: list[RegisteredRow]
    methods: list[MethodUsed]
    notes: list[Note]
    differences: list[Difference]
    carried: list[Carried]
    previous: Previous | None
    indicators: NotRequired[dict[str, object]]


def encoded(content: Content) -> bytes:
    """The bytes that are hashed, signed and kept for ever."""
    return msgspec.json.encode(content, order="deterministic")


def decoded(written: bytes) -> Content:
    """What was encoded; of our own making, so it is not checked again."""
    content: Content = msgspec.json.decode(written)
    return content
