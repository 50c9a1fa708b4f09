"""How a report writes figures: nothing that is withheld shows, nothing that is shown is changed."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from service.districts.plans.thousandths import written
from service.districts.rendering.model import Cell, Words
from service.districts.reports.contents import Figures, Row

LACKS = " †"  # Behind a sum that lacks withheld figures.
_BEIJING = ZoneInfo("Asia/Shanghai")
_MG_IN_KG = 1_000_000
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_WEEKDAYS = (  # strftime follows the machine's locale.
    *(("一", "Mon"), ("二", "Tue"), ("三", "Wed"), ("四", "Thu")),
    *(("五", "Fri"), ("六", "Sat"), ("日", "Sun")),
)
_UNDER_TEN = Cell("<10", withheld=True)


def text(value: str) -> Cell:
    return Cell(value)


def withheld(words: Words) -> Cell:
    return Cell(words("未公布", "withheld"), withheld=True)


def whole(value: int | None, words: Words, *, left_out: int = 0) -> Cell:
    """A number; None is withheld."""
    if value is None:
        return withheld(words)
    return Cell(f"{value:,}{LACKS if left_out else ''}", value)


def residents(value: int | None) -> Cell:
    """Residents in tens; None is 1 to 9."""
    return _UNDER_TEN if value is None else Cell(f"{value:,}", value)


def kilograms(mg: int, *, left_out: int = 0) -> Cell:
    """Milligrams as kg, rounded down to the gram; JSON and CSV have the milligrams."""
    grams = mg // 1000
    shown = f"{grams // 1000:,}.{grams % 1000:03}"
    return Cell(f"{shown}{LACKS if left_out else ''}", mg / _MG_IN_KG, 3)


def thousandths(value: int | None, words: Words) -> Cell:
    """A value of a plan or an indicator."""
    if value is None:
        return Cell(words("—", "—"))
    places = len(written(value, grouped=False).partition(".")[2])
    return Cell(written(value), value / 1000, places)


def figures(row: Row, words: Words) -> tuple[Cell, ...]:
    """Activities, residents, kg CO2e and points of a row."""
    found: Figures | None = row["figures"]
    if found is None:
        return (withheld(words),) * 4
    lacks = row["left_out"]
    return (
        whole(found["activities"], words, left_out=lacks),
        residents(found["residents"]),
        kilograms(found["saved_mg_co2e"], left_out=lacks),
        whole(found["earned_points"], words, left_out=lacks),
    )


def instant(said: str, words: Words) -> str:
    """An instant of a content by Beijing's clock, to the second."""
    local = datetime.fromisoformat(said).astimezone(_BEIJING)
    return words(f"北京时间 {local:%Y-%m-%d %H:%M:%S}", f"{local:%Y-%m-%d %H:%M:%S} Beijing time")


def period(said: str, words: Words) -> str:
    """2026-10, 2026-Q3 or 2026, as people say it."""
    year, _, part = said.partition("-")
    if not part:
        return words(f"{year} 年", year)
    if part.startswith("Q"):
        return words(f"{year} 年第 {part[1]} 季度", f"quarter {part[1]} of {year}")
    return words(f"{year} 年 {int(part)} 月", f"{_MONTHS[int(part) - 1]} {year}")


def at(said: str, words: Words) -> str:
    """A day (2026-10-03) or a month (2026-10)."""
    if len(said) == len("2026-10"):
        return period(said, words)
    day = date.fromisoformat(said)
    zh, en = _WEEKDAYS[day.weekday()]
    return words(f"{said}（{zh}）", f"{said} {en}")
