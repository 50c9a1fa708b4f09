"""The figures of a report as tables for people."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from service.districts.rendering.cells import at, figures, residents, text, whole, withheld
from service.districts.rendering.cells import kilograms as kg
from service.districts.rendering.model import Cell, Column, Line, Section, Table, Words
from service.districts.reports.contents import Content, PointsRow, Row

_Named = tuple[Cell, ...]
_NOTHING = (Cell("0", 0), Cell("0", 0), Cell("0.000", 0.0, 3), Cell("0", 0))


def summary(content: Content, words: Words) -> Section:
    """The period in a few lines."""
    total, points = content["total"], _whole_district(content["points"])
    found = total["figures"]
    lacks = total["left_out"]
    registered = next((r for r in content["registered"] if r["town_code"] is None), None)
    told: list[tuple[str, Cell]] = []
    if found is None:
        told.append((words("核证行为（次）", "Verified activities"), withheld(words)))
    else:
        told += [
            (
                words("核证行为（次）", "Verified activities"),
                whole(found["activities"], words, left_out=lacks),
            ),
            (
                words("减排量（千克 CO₂e）", "Saved, kg CO₂e"),
                kg(found["saved_mg_co2e"], left_out=lacks),
            ),
            (
                words("发放积分", "Points earned"),
                whole(found["earned_points"], words, left_out=lacks),
            ),
            (_took_part(content, words), residents(found["residents"])),
        ]
    if registered is not None:
        told.append(
            (
                words("期末注册居民（人）", "Registered residents at the end"),
                residents(registered["residents"]),
            )
        )
    if points is not None:
        told += zip(_points_names(words), _points(points, words), strict=True)
    columns = (
        Column(words("项目", "What"), 7),
        Column(words("数值", "Figure"), 3, numeric=True),
    )
    lines = tuple(Line((text(name), cell)) for name, cell in told)
    table = Table(words("本期主要数据", "Main figures of the period"), columns, lines)
    return Section("summary", words("概要", "Summary"), tables=(table,))


def _took_part(content: Content, words: Words) -> str:
    if content["kind"] == "month":
        return words("参与居民（人）", "Residents who took part")
    return words("参与居民（人，月均）", "Residents who took part, mean of the months")


def by_behaviour(content: Content, words: Words) -> Section:
    names = _behaviours(content, words)
    lines = [
        Line((text(names[row["behaviour_code"] or ""]), *figures(row, words)))
        for row in content["by_behaviour"]
    ]
    lines.append(_sum(content["total"], (_all(words),), words))
    table = Table(
        words("按行为统计的核证行为", "Verified activities by behaviour"),
        _columns(words, (words("行为", "Behaviour"), 6)),
        tuple(lines),
    )
    return Section("by-behaviour", words("按行为", "By behaviour"), tables=(table,))


def by_town(content: Content, words: Words) -> Section:
    """Each town's sum, then registered residents beside it; a town without rows is nothing."""
    sums = {row["town_code"]: row for row in content["town_totals"]}
    registered = {row["town_code"]: row["residents"] for row in content["registered"]}
    lines = []
    for town in content["towns"]:
        row = sums.get(town["code"])
        cells = _NOTHING if row is None else figures(row, words)
        home = residents(registered.get(town["code"], 0))
        lines.append(Line((text(town["name"]), text(town["code"]), *cells, home)))
    everyone = residents(registered.get(None, 0))
    total = figures(content["total"], words)
    lines.append(Line((_all(words), text(""), *total, everyone), total=True))
    columns = (
        Column(words("街镇", "Town"), 6),
        Column(words("代码", "Code"), 4),
        *_columns(words),
        Column(words("注册居民", "Registered"), 4, numeric=True),
    )
    table = Table(
        words("按街镇统计的核证行为", "Verified activities by town"), columns, tuple(lines)
    )
    return Section("by-town", words("按街镇", "By town"), tables=(table,))


def by_time(content: Content, words: Words) -> Section:
    days = content["kind"] == "month"
    lines = [
        Line((text(at(row["at"] or "", words)), *figures(row, words)))
        for row in content["time_totals"]
    ]
    lines.append(_sum(content["total"], (_all(words),), words))
    named = (words("日期", "Day"), 5) if days else (words("月份", "Month"), 5)
    caption = (
        words("按日统计的核证行为", "Verified activities by day")
        if days
        else words("按月统计的核证行为", "Verified activities by month")
    )
    heading = words("按日", "By day") if days else words("按月", "By month")
    table = Table(caption, _columns(words, named), tuple(lines))
    return Section("by-time", heading, tables=(table,))


def points(content: Content, words: Words) -> Section:
    towns = {town["code"]: town["name"] for town in content["towns"]}
    lines = [
        Line(
            (
                text(towns.get(row["town_code"] or "", words("合计", "Total"))),
                *_points(row, words),
            ),
            total=row["town_code"] is None,
        )
        for row in content["points"]
    ]
    columns = _points_columns(words, words("街镇", "Town"))
    caption = words("各街镇居民的积分与券", "Points and vouchers by town")
    tables = [Table(caption, columns, tuple(lines))]
    if content["points_by_time"]:
        later = tuple(
            Line((text(at(row["at"] or "", words)), *_points(row, words)))
            for row in content["points_by_time"]
        )
        caption = words("各月的积分与券", "Points and vouchers by month")
        tables.append(Table(caption, _points_columns(words, words("月份", "Month")), later))
    return Section(
        "points",
        words("积分与券", "Points and vouchers"),
        sentences=(
            words(
                "按居民所在街镇，不分行为；使用已减去退回，券已减去退还。",
                "By the residents’ town, of no behaviour; spent and vouchers less what came back.",
            ),
        ),
        tables=tuple(tables),
    )


def towns_by_behaviour(content: Content, words: Words) -> Section:
    """Every town × behaviour, a town's sum below its rows."""
    names = _behaviours(content, words)
    towns = {town["code"]: town["name"] for town in content["towns"]}
    sums = {row["town_code"]: row for row in content["town_totals"]}
    lines: list[Line] = []
    for code, rows in groupby(content["by_town"], key=lambda row: row["town_code"]):
        town = text(towns.get(code or "", code or ""))
        lines += _named(rows, town, names, words)
        if code in sums:
            lines.append(_sum(sums[code], (town, _all(words)), words))
    columns = _columns(words, (words("街镇", "Town"), 5), (words("行为", "Behaviour"), 6))
    caption = words("按街镇和行为统计", "By town and behaviour")
    heading = words("附表一：街镇 × 行为", "Annex 1: town × behaviour")
    return Section("towns-behaviours", heading, tables=(Table(caption, columns, tuple(lines)),))


def times_by_behaviour(content: Content, words: Words) -> Section:
    """Every day (or month) × behaviour of the whole district."""
    names = _behaviours(content, words)
    days = content["kind"] == "month"
    lines: list[Line] = []
    for when, rows in groupby(content["by_time"], key=lambda row: row["at"]):
        lines += _named(rows, text(at(when or "", words)), names, words)
    when_name = words("日期", "Day") if days else words("月份", "Month")
    columns = _columns(words, (when_name, 5), (words("行为", "Behaviour"), 6))
    caption = (
        words("按日和行为统计", "By day and behaviour")
        if days
        else words("按月和行为统计", "By month and behaviour")
    )
    heading = (
        words("附表二：日期 × 行为", "Annex 2: day × behaviour")
        if days
        else words("附表二：月份 × 行为", "Annex 2: month × behaviour")
    )
    return Section("times-behaviours", heading, tables=(Table(caption, columns, tuple(lines)),))


def _named(rows: Iterable[Row], first: Cell, names: dict[str, str], words: Words) -> list[Line]:
    return [
        Line((first, text(names[row["behaviour_code"] or ""]), *figures(row, words)))
        for row in rows
    ]


def _sum(row: Row, named: _Named, words: Words) -> Line:
    return Line((*named, *figures(row, words)), total=True)


def _all(words: Words) -> Cell:
    return text(words("合计", "Total"))


def _columns(words: Words, *named: tuple[str, int]) -> tuple[Column, ...]:
    return (
        *(Column(name, share) for name, share in named),
        Column(words("行为次数", "Activities"), 4, numeric=True),
        Column(words("居民", "Residents"), 4, numeric=True),
        Column(words("千克 CO₂e", "kg CO₂e"), 5, numeric=True),
        Column(words("发放积分", "Points"), 4, numeric=True),
    )


def _points_names(words: Words) -> tuple[str, str, str]:
    return (
        words("使用积分", "Points spent"),
        words("过期积分", "Points expired"),
        words("领券（张）", "Vouchers"),
    )


def _points_columns(words: Words, first: str) -> tuple[Column, ...]:
    return (
        Column(first, 6),
        *(Column(name, 4, numeric=True) for name in _points_names(words)),
    )


def _points(row: PointsRow, words: Words) -> tuple[Cell, ...]:
    """``left_out`` counts the three together, so each sum is marked."""
    lacks = row["left_out"]
    return (
        whole(row["spent_points"], words, left_out=lacks),
        whole(row["expired_points"], words, left_out=lacks),
        whole(row["vouchers"], words, left_out=lacks),
    )


def _whole_district(rows: Sequence[PointsRow]) -> PointsRow | None:
    return next((row for row in rows if row["town_code"] is None), None)


def _behaviours(content: Content, words: Words) -> dict[str, str]:
    return {each["code"]: words(each["name_zh"], each["name_en"]) for each in content["behaviours"]}
