"""What acts and amounts are called on a resident's pages."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from flask_babel import gettext as _

from service.language import Text, chosen
from service.web.asking import get
from service.web.rendering import BEIJING

MONTHS_BACK_MAX = 240


@dataclass(frozen=True, slots=True)
class Kind:
    """What a behaviour is called, and the unit in which it is counted."""

    name: str
    unit: str

    def counted(self, quantity: int) -> str:
        """So many of the unit, in words."""
        once = quantity == 1 and self.unit == _("次")
        return _("一次") if once else f"{quantity:,} {self.unit}"


def kinds() -> dict[str, Kind]:
    """All behaviours by their code."""
    found, cursor = {}, None
    while True:
        page = get("/v1/catalogue/behaviours", limit=200, cursor=cursor)
        for each in page["behaviours"]:
            name = chosen(Text(each["name_zh"], each["name_en"]))
            found[each["code"]] = Kind(name, _unit(each["base_unit"]))
        if (cursor := page["next_cursor"]) is None:
            return found


def today() -> date:
    """The day by Beijing's clock."""
    return datetime.now(UTC).astimezone(BEIJING).date()


def month_of(written: str | None) -> date:
    """The first day of a month as an address has it ("2026-11"); of this one for anything else."""
    this = today().replace(day=1)
    try:
        found = date.fromisoformat(f"{written}-01")
    except ValueError:
        return this
    return found if this.year - MONTHS_BACK_MAX // 12 <= found.year and found <= this else this


def months_beside(first: date) -> dict[str, Any]:
    """The months before and after one, as addresses have them; None for one that is not yet."""
    before = date(first.year - (first.month == 1), (first.month + 10) % 12 + 1, 1)
    after = date(first.year + (first.month == 12), first.month % 12 + 1, 1)
    return {
        "before": f"{before:%Y-%m}",
        "after": f"{after:%Y-%m}" if after <= today() else None,
    }


def own_accounts() -> dict[str, dict[str, Any]]:
    """The resident's accounts by unit; none for who takes part nowhere."""
    found = get("/v1/accounts")["accounts"]
    return {each["unit"]: each for each in found if each["kind"] == "personal"}


def _unit(base_unit: str) -> str:
    units: dict[str, str] = {
        "step": _("步"),
        "count": _("次"),
        "m": _("米"),
        "g": _("克"),
        "Wh": _("瓦时"),
        "s": _("秒"),
        "ml": _("毫升"),
    }
    return units.get(base_unit, base_unit)
