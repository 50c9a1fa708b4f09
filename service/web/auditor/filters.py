"""Filters of lists: what was typed, and what the API is asked with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import request

from service.web.asking import Answer, Refused, ask

PAGE_ROWS = 50
_MIDNIGHT = "T00:00:00+08:00"  # Days are Beijing's on every page.


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list; ``refused`` where the filters do not fit, and then no rows."""

    rows: list[Any]
    cursor: str | None
    refused: Answer | None

    @property
    def status(self) -> int:
        """Of the page that shows it."""
        return self.refused.status if self.refused else 200


def typed(*names: str) -> dict[str, str]:
    """What stands in the address; "" for what does not."""
    return {name: request.args.get(name, "").strip() for name in names}


def asked(form: Mapping[str, str], **first_and_last: str) -> dict[str, str]:
    """The filters that say something. ``first_and_last`` names the days' parameters at the API: a
    first day is its midnight, a last one the midnight after it.
    """
    found = {name: value for name, value in form.items() if value and name not in first_and_last}
    for name, parameter in first_and_last.items():
        if value := form[name]:
            found[parameter] = _instant(value, after=name == "last_day")
    return found


def listed(path: str, name: str, query: Mapping[str, Any]) -> Listed:
    """A page of a list by the address's cursor; what does not fit is told above the filters."""
    cursor = request.args.get("cursor") or None
    answer = ask("GET", path, query={"limit": PAGE_ROWS, "cursor": cursor, **query})
    if answer.status == 422:
        return Listed([], None, answer)
    if answer.refused:
        raise Refused(answer)
    return Listed(answer.body[name], answer.body["next_cursor"], None)


def _instant(day: str, *, after: bool) -> str:
    """The midnight at its beginning or its end; what is no day is sent as it was typed."""
    try:
        found = date.fromisoformat(day) + timedelta(days=int(after))
    except (ValueError, OverflowError):
        return day
    return found.isoformat() + _MIDNIGHT
