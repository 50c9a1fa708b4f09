"""Contents of reports to render, made without a database."""

from hashlib import sha256
from typing import Any

from service.districts.rendering.formats import Issued
from service.districts.reports.contents import Content, encoded

BEHAVIOURS = (
    ("metro_ride", "乘坐地铁", "Metro ride"),
    ("kitchen_waste_sorted", "厨余垃圾分类投放", "Kitchen waste sorted"),
    ("walking", "步行", "Walking"),
)


def figures(activities: int, residents: int | None = 40) -> dict[str, Any]:
    return {
        "activities": activities,
        "residents": residents,
        "saved_mg_co2e": activities * 100_037,
        "earned_points": activities * 10,
    }


def row(place: dict[str, str], told: dict[str, Any] | None, left_out: int = 0) -> dict[str, Any]:
    nowhere = {"town_code": None, "at": None, "behaviour_code": None}
    return nowhere | place | {"figures": told, "left_out": left_out}


def a_method(behaviour: str) -> dict[str, Any]:
    """A method with one factor, as a report names them."""
    return {
        "behaviour_code": behaviour, "code": "sh.metro", "version": 1,
        "form": "per_unit", "document": "沪环气〔2025〕…", "valid_from": "2026-01-01",
        "valid_to": None,
        "factors": [
            {
                "code": "METRO_TRIP.SH", "name_zh": "地铁", "name_en": "Metro",
                "ug_co2e_per_unit": 46_000_000, "base_unit": "count",
                "published_value": "46", "published_unit": "g/次",
                "publisher": "上海市生态环境局", "document": "方法学",
                "year": "2025", "source_address": "https://example.org/",
            }
        ],
    }  # fmt: skip


def a_content(
    *, towns: int = 3, kind: str = "month", behaviours: Any = BEHAVIOURS, **more: Any
) -> Content:
    """A report of 2026-10, or of 2026. The second town's first behaviour is withheld, and so is the
    second day's (month's): their sums lack it.
    """
    month = kind == "month"
    period = "2026-10" if month else "2026"
    times = [f"2026-10-{n:02}" if month else f"2026-{n:02}" for n in range(1, 32 if month else 13)]
    codes = [f"310118{n:03}" for n in range(1, towns + 1)]
    hidden = behaviours[0][0]
    by_town = [
        row({"town_code": town, "behaviour_code": code},
            None if (n, code) == (1, hidden) else figures(100 + n))
        for n, town in enumerate(codes)
        for code, *_ in behaviours
    ]  # fmt: skip
    by_time = [
        row({"at": at, "behaviour_code": code},
            None if (n, code) == (1, hidden) else figures(10 + n, None if n == 2 else 20))
        for n, at in enumerate(times)
        for code, *_ in behaviours
    ]  # fmt: skip
    spent = {"spent_points": 500, "expired_points": 0, "vouchers": 3, "at": None, "left_out": 0}
    content: dict[str, Any] = {
        "format": "tanhui district report 1",
        "kind": kind,
        "division": {"code": "310118", "name": "青浦区"},
        "divisions": ["310118"],
        "period": period,
        "first_day": "2026-10-01" if month else "2026-01-01",
        "last_day": "2026-10-31" if month else "2026-12-31",
        "version": 1,
        "reason": None,
        "as_of": "2026-11-05T01:00:00.123456Z",
        "issued_at": "2026-11-05T01:30:00.000000Z",
        "log_size": 123_456,
        "checkpoint": {"origin": "tanhui.example/log", "size": 123_460, "root": "47DEQpj8HBSa+w=="},
        "taken": {},
        "months": [
            {"period": at, "version": 1, "sha256": "ab" * 32, "log_size": 7,
             "as_of": "2026-11-05T01:00:00.000000Z"}
            for at in ([] if month else times)
        ],
        "towns": [{"code": code, "name": f"第{n}街道"} for n, code in enumerate(codes, 1)],
        "behaviours": [
            {"code": code, "name_zh": zh, "name_en": en} for code, zh, en in behaviours
        ],
        "by_town": by_town,
        "by_time": by_time,
        "by_behaviour": [
            row({"behaviour_code": code}, figures(9_000, 150)) for code, *_ in behaviours
        ],
        "town_totals": [
            row({"town_code": town}, figures(800 + n), int(n == 1)) for n, town in enumerate(codes)
        ],
        "time_totals": [row({"at": at}, figures(90), int(n == 1)) for n, at in enumerate(times)],
        "total": row({}, figures(27_000, 290)),
        "points": [
            *({"town_code": code} | spent | {"spent_points": None if n == 1 else 500}
              for n, code in enumerate(codes)),
            {"town_code": None} | spent | {"left_out": 1},
        ],
        "points_by_time": [] if month else [{"town_code": None} | spent | {"at": t} for t in times],
        "registered": [
            *({"town_code": code, "residents": None if n == 2 else 200}
              for n, code in enumerate(codes)),
            {"town_code": None, "residents": 600},
        ],
        "methods": [a_method(behaviours[0][0])],
        "notes": [],
        "differences": [],
        "carried": [],
        "previous": None,
        "indicators": {},
    }  # fmt: skip
    made: Content = content | more  # type: ignore[assignment]
    return made


def reissued() -> dict[str, Any]:
    """What a second version says besides."""
    return {
        "version": 2,
        "reason": "地铁数据方补传",
        "previous": {"version": 1, "sha256": "cd" * 32},
        "differences": [
            {"town_code": "310118001", "at": None, "behaviour_code": "metro_ride",
             "measure": "saved_mg_co2e", "before": 1_000_000, "after": 2_500_000}
        ],
        "carried": [{"code": "walking", "log_size": 120_000}],
    }  # fmt: skip


def as_issued(content: Content) -> Issued:
    """With its hash, and a note that nobody signed."""
    written = encoded(content)
    digest = sha256(written).hexdigest()
    text = f"tanhui district report\n310118 {content['period']} v{content['version']}\n{digest}\n"
    return Issued(written, digest, f"{text}\n— tanhui.example/log {'Az3g' * 23}\n")
