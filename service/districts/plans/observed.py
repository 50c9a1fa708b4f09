"""Platform-observed indicators: what a report says per registered resident. Pure functions.

Kept here: each has its denominator and the sentence that it is of registered residents on the
platform, never of the population; none is ever held against a plan's target. They are made from
published figures alone, so they tell nothing that the report does not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from service.districts.plans.thousandths import written
from service.districts.reports.contents import Content, Row
from service.language import Text

GREEN_TRIPS = (  # A day's walk is one; e-bikes are left out, as plans' shares leave them out.
    *("walking", "shared_bike_ride", "own_bike_ride", "metro_ride", "bus_ride"),
)
SORTED_DELIVERIES = (
    *("kitchen_waste_sorted", "community_compost", "recyclables_delivered"),
    *("beverage_container_returned", "clothes_recycled", "parcel_carton_returned"),
    *("meal_box_recycled", "small_appliance_recycled"),
)
_G = 1000  # Thousandths of a kilogram.


@dataclass(frozen=True, slots=True)
class Definition:
    """``numerator`` of a content, in thousandths of the unit; with the withheld leaves it lacks."""

    code: str
    name: Text
    unit: Text
    numerator: Callable[[Content], tuple[int | None, int]]
    says: Text


def _activities(codes: tuple[str, ...]) -> Callable[[Content], tuple[int | None, int]]:
    def summed(content: Content) -> tuple[int | None, int]:
        rows = [row for row in content["by_behaviour"] if row["behaviour_code"] in codes]
        told = sum(row["figures"]["activities"] for row in rows if row["figures"])
        return told * 1000, sum(map(_lacks, rows))

    return summed


def _grams(content: Content) -> tuple[int | None, int]:
    total = content["total"]
    figures = total["figures"]
    return (figures["saved_mg_co2e"] // 1000 if figures else None), _lacks(total)


def _took_part(content: Content) -> tuple[int | None, int]:
    """Of residents in tens; a share in per cent."""
    figures = content["total"]["figures"]
    residents = figures["residents"] if figures else None
    return (None if residents is None else residents * 100 * 1000), 0


def _lacks(row: Row) -> int:
    return row["left_out"] + (row["figures"] is None and not row["left_out"])


DEFINITIONS = (
    Definition(
        "observed_green_trips",
        Text("每位注册居民的绿色出行", "Green trips per registered resident"),
        Text("次/人", "trips a person"),
        _activities(GREEN_TRIPS),
        Text(
            "步行（按日）、骑自行车、地铁和公交的已核证次数",
            "verified walks (one a day), bicycle, metro and bus rides",
        ),
    ),
    Definition(
        "observed_sorted_deliveries",
        Text("每位注册居民的分类投放与回收", "Sorted or recycled deliveries a registered resident"),
        Text("次/人", "deliveries a person"),
        _activities(SORTED_DELIVERIES),
        Text(
            "厨余分类、可回收物和废旧物品交投的已核证次数",
            "verified deliveries of sorted kitchen waste, recyclables and used goods",
        ),
    ),
    Definition(
        "observed_saved",
        Text("每位注册居民的减排量", "CO₂e saved per registered resident"),
        Text("kg CO₂e/人", "kg CO₂e a person"),
        _grams,
        Text("全部已核证行为的减排量", "what all verified activities saved"),
    ),
    Definition(
        "observed_participation",
        Text("注册居民参与率", "Share of registered residents who took part"),
        Text("%", "%"),
        _took_part,
        Text(
            "有已核证行为的居民（向下取整到十；季度、年度为各月平均）",
            "residents with a verified activity (in tens, rounded down; in a quarter or year the"
            " mean of its months)",
        ),
    ),
)


def observed(content: Content) -> list[dict[str, object]]:
    """The indicators of a report, each per registered resident and rounded down to thousandths;
    ``value_thousandths`` is None where the figure or its denominator is withheld or nobody is
    registered.
    """
    registered = next(
        (row["residents"] for row in content["registered"] if row["town_code"] is None), 0
    )
    return [_told(each, content, registered) for each in DEFINITIONS]


def _told(each: Definition, content: Content, registered: int | None) -> dict[str, object]:
    above, left_out = each.numerator(content)
    value = None if above is None or not registered else above // registered
    sentence = _sentence(each, value, registered, left_out)
    return {
        "code": each.code,
        "name_zh": each.name.zh,
        "name_en": each.name.en,
        "unit_zh": each.unit.zh,
        "unit_en": each.unit.en,
        "value_thousandths": value,
        "registered_residents": registered,
        "left_out": left_out,
        "sentence_zh": sentence.zh,
        "sentence_en": sentence.en,
    }


def _sentence(each: Definition, value: int | None, registered: int | None, left_out: int) -> Text:
    if value is None:
        return Text(
            "未公布：人数不足十人，或没有注册居民。",
            "Withheld: fewer than ten people, or nobody is registered.",
        )
    number = Text(written(value) + _spaced(each.unit.zh), written(value) + _spaced(each.unit.en))
    lacks = Text(
        f"，未含 {left_out} 项未公布的数" if left_out else "",
        f", without {left_out} withheld figures" if left_out else "",
    )
    return Text(
        f"{each.says.zh}{lacks.zh}，除以期末注册居民 {registered:,} 人（向下取整到十）："
        f"{number.zh}。只反映平台注册居民，不代表全体居民。",
        f"{number.en}: {each.says.en}{lacks.en}, over {registered:,} registered"
        " residents at the period’s end (in tens, rounded down). Of registered residents on the"
        " platform only, not of the population.",
    )


def _spaced(unit: str) -> str:
    return unit if unit == "%" else f" {unit}"
