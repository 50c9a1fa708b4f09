"""What codes of the catalogue are called at the desk: units, forms, kinds of rules and the like.

A column's name says which list its codes are of; a code that no list has stays as it is.
"""

from typing import Any

from flask_babel import lazy_gettext as _

from service.language import chosen
from service.rule_words import RULES
from service.web.desk.shapes import Said

TERMS: dict[str, dict[str, Said]] = {
    "base_unit": {
        "m": _("米"),
        "g": _("克"),
        "Wh": _("瓦时"),
        "step": _("步"),
        "count": _("次（件）"),
        "s": _("秒"),
        "ml": _("毫升"),
    },
    "category": {
        "transport": _("出行"),
        "waste_sorting": _("垃圾分类"),
        "recycling": _("回收"),
        "home_energy": _("家庭能源"),
        "consumption": _("消费"),
        "reuse": _("再使用"),
    },
    "claimed_by": {
        "start": _("同一开始时间"),
        "day": _("同一天"),
        "month": _("同一个月"),
        "object": _("同一编号（车辆、订单、器材）"),
    },
    "form": {
        "per_unit": _("按数量 × 因子"),
        "displaced": _("基准 − 实际"),
        "mass": _("按材料重量"),
        "own_baseline": _("比家庭自身基准减少"),
    },
    "confidence": {"seen": _("已核对原文"), "recalled": _("未见原文，不用于核算")},
    "per": {"day": _("每日"), "week": _("每周"), "month": _("每月"), "year": _("每年")},
    "evidence": {"photo": _("照片"), "odometer": _("里程表读数")},
}


def term(column: str, value: Any) -> Any:
    """What a code of this column is called; itself where it has no name."""
    if column == "kind":
        return chosen(RULES[value]) if value in RULES else value
    return TERMS.get(column, {}).get(value, value)


def options(column: str) -> list[tuple[str, Said]]:
    """The codes of a list with their names, for a form to choose from."""
    return list(TERMS[column].items())
