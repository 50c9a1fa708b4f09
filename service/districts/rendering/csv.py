"""A report's figures as CSV: one table for programs, the same in every language.

A row a figure's place: ``table`` says which (``docs/districts.md`` has the columns). Exact numbers
with their unit in the column's name; what is withheld is empty, and ``withheld`` says so.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, Literal

from service.districts.reports.contents import Content, PointsRow, Row
from service.settling.as_csv import harmless

COLUMNS = (
    *("division_code", "period", "version", "table", "town_code", "town_name", "at"),
    *("behaviour_code", "behaviour_zh", "behaviour_en", "activities", "residents"),
    *("saved_mg_co2e", "earned_points", "spent_points", "expired_points", "vouchers"),
    *("registered_residents", "left_out", "withheld"),
)
_Table = Literal["by_town", "by_time", "by_behaviour", "town_totals", "time_totals"]
_BOM = "\ufeff"  # By which Excel knows UTF-8.
_SPENT: tuple[Literal["spent_points", "expired_points", "vouchers"], ...] = (
    "spent_points",
    "expired_points",
    "vouchers",
)
_TABLES: tuple[_Table, ...] = ("by_town", "by_time", "by_behaviour", "town_totals", "time_totals")
_POINTS: tuple[Literal["points", "points_by_time"], ...] = ("points", "points_by_time")
_Line = dict[str, Any]


def csv_of(content: Content) -> bytes:
    """All tables of a report, one below the other."""
    buffer = io.StringIO(newline="")
    buffer.write(_BOM)
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    towns = {town["code"]: town["name"] for town in content["towns"]}
    behaviours = {each["code"]: each for each in content["behaviours"]}
    about = {
        "division_code": content["division"]["code"],
        "period": content["period"],
        "version": content["version"],
    }
    for line in _lines(content):
        behaviour = behaviours.get(line.get("behaviour_code") or "")
        names = {"town_name": towns.get(line.get("town_code") or "", "")}
        if behaviour is not None:
            names |= {
                "behaviour_zh": behaviour["name_zh"],
                "behaviour_en": behaviour["name_en"],
            }
        writer.writerow(about | {key: harmless(name) for key, name in names.items()} | line)
    return buffer.getvalue().encode()


def _lines(content: Content) -> Iterator[_Line]:
    for table in _TABLES:
        for row in content[table]:
            yield {"table": table} | _figures(row)
    yield {"table": "total"} | _figures(content["total"])
    for name in _POINTS:
        for points in content[name]:
            yield {"table": name} | _points(points)
    for each in content["registered"]:
        told = each["residents"]
        yield {
            "table": "registered",
            "town_code": each["town_code"],
            "registered_residents": told,
            "withheld": _withheld("residents", told),
        }


def _figures(row: Row) -> _Line:
    place = {
        "town_code": row["town_code"],
        "at": row["at"],
        "behaviour_code": row["behaviour_code"],
        "left_out": row["left_out"],
    }
    found = row["figures"]
    if found is None:
        return place | {"withheld": "all"}
    return place | found | {"withheld": _withheld("residents", found["residents"])}


def _points(row: PointsRow) -> _Line:
    told = {name: row[name] for name in _SPENT}
    hidden = [name for name, value in told.items() if value is None]
    return dict(row) | {"withheld": " ".join(hidden)}


def _withheld(name: str, value: int | None) -> str:
    return name if value is None else ""
