"""A queue that is worked through one by one: which case comes before and after, and what next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import url_for

from service.web.asking import get
from service.web.desk.showing import PAGE_ROWS

Case = dict[str, Any]


@dataclass(frozen=True)
class Neighbours:
    """Addresses of the cases beside one; "" where there is none. ``next_`` is where to go on when
    it is decided: the one after it, else the first that still waits.
    """

    before: str
    after: str
    next_: str


def neighbours(
    path: str, name: str, activity_id: str, url: Callable[[Case], str], **query: Any
) -> Neighbours:
    """Of a case in the first page of its queue; of one further on, the first is the next."""
    cases = get(path, limit=PAGE_ROWS, **query)[name]
    ids = [case["activity_id"] for case in cases]
    if activity_id not in ids:
        first = url(cases[0]) if cases else ""
        return Neighbours("", first, first)
    at = ids.index(activity_id)
    before = url(cases[at - 1]) if at else ""
    after = url(cases[at + 1]) if at + 1 < len(cases) else ""
    return Neighbours(before, after, after or before)


def go_on(found: Neighbours, queue: str) -> str:
    """The next case, or the queue when none is left."""
    return found.next_ or url_for(queue)
