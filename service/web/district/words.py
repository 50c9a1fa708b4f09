"""What figures and states are called on the pages of districts."""

from collections.abc import Mapping
from typing import Any

from flask import request
from flask_babel import gettext as _

from service.districts.plans.progress import amount
from service.districts.plans.thousandths import written
from service.language import chosen
from service.web.rendering import number

MEASURES = ("saved_mg_co2e", "activities", "earned_points")
SHAPES = ("pdf", "xlsx", "csv", "html", "json")
_MARKS = {"met": "good", "on_the_way": "", "behind": "warn", "no_value": ""}


def measure() -> str:
    """Which one the reader looks at: charts and the table of a report show one at a time."""
    asked = request.args.get("of", "")
    return asked if asked in MEASURES else MEASURES[0]


def measure_name(measure: str) -> str:
    """With its unit, where it has one."""
    names: dict[str, str] = {
        "saved_mg_co2e": _("减排量（kg CO₂e）"),
        "activities": _("行为次数"),
        "earned_points": _("发放积分"),
        "residents": _("参与居民"),
        "spent_points": _("使用积分"),
        "expired_points": _("到期积分"),
        "vouchers": _("兑换券"),
    }
    return names.get(measure, measure)


def by_level(level: str) -> str:
    """A table of the divisions one level below this one."""
    names: dict[str, str] = {
        "province": _("按市"),
        "city": _("按区县"),
        "district": _("按街镇"),
    }
    return names.get(level, "")


def measured(measure: str, value: int | None) -> str:
    """A figure as people read it; None: withheld, or of residents fewer than ten."""
    if value is None:
        withheld: str = "<10" if measure == "residents" else _("未公布")
        return withheld
    return to_the_gram(value) if measure == "saved_mg_co2e" else number(value)


def to_the_gram(mg: int) -> str:
    """Milligrams as kilograms with three decimals, rounded down: a column of them can be added up,
    and copied into another report.
    """
    grams = abs(mg) // 1_000
    return f"{'-' if mg < 0 else ''}{grams // 1_000:,}.{grams % 1_000:03}"


def charted(measure: str, value: int | None) -> float | int | None:
    """The same for a chart: kilograms to the gram, rounded down."""
    if value is None or measure != "saved_mg_co2e":
        return value
    return value // 1000 / 1000


def state_of(target: Mapping[str, Any]) -> tuple[str, str]:
    """How a target stands, in words, and how that is marked."""
    names: dict[str, str] = {
        "met": _("已达到"),
        "on_the_way": _("推进中"),
        "behind": _("落后"),
        "no_value": _("无数据"),
    }
    return names[target["state"]], _MARKS[target["state"]]


def share_of(target: Mapping[str, Any]) -> int | None:
    """How much of a target is reached, in per cent from 0 to 100; None where a bar would mislead:
    without a value, and where less is better.
    """
    latest, wanted = target["latest"], target["target_thousandths"]
    if latest is None or target["comparison"] not in (">", ">=") or wanted <= 0:
        return None
    value: int = latest["value_thousandths"]
    return max(0, min(100, value * 100 // int(wanted)))


def value_text(value_thousandths: int, unit: str) -> str:
    """A reported value with its unit."""
    return chosen(amount(value_thousandths, unit))


def plain(value_thousandths: int) -> str:
    """A number alone."""
    return written(value_thousandths)


def unit_name(unit: str) -> str:
    """As it is written in a form."""
    names: dict[str, str] = {
        "%": "%",
        "count": _("个（辆、户）"),
        "km": _("公里"),
        "kWh": _("千瓦时"),
        "kg": _("千克"),
        "t": _("吨"),
        "person": _("人"),
    }
    return names.get(unit, unit)


def why_not(reason: str) -> str:
    """Why a quotient is not told."""
    names: dict[str, str] = {
        "not_issued": _("月报未出具"),
        "withheld": _("未公布"),
        "no_population": _("缺常住人口"),
        "nobody_registered": _("注册不足十人"),
    }
    return names[reason]


def issuer_name(by: str) -> str:
    """Who issued a report; the job has a name for people."""
    told: str = _("系统按月自动出具") if by == "job:issue_reports" else by
    return told
