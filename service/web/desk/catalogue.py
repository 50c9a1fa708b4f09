"""The catalogue in force: rules, methods, factors, behaviours, tariffs, each with its source."""

from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from service.language import language
from service.web.asking import get
from service.web.desk import bp
from service.web.desk.programmes import behaviour_names, programme_filter
from service.web.desk.shapes import Facts, Filters, Note, Row, Table
from service.web.desk.showing import asked, page, rows_of
from service.web.guards import page_for

ROWS_MAX = 200
PAGES_MAX = 20


@bp.get("/rules")
@page_for("operator")
def rules() -> Response:
    """By which rules acts are verified."""
    rows, more = _of_programme("/v1/catalogue/rules", "rules")
    shown = [one | {"rule": name_of(one)} for one in _with_behaviours(rows)]
    columns = [
        ("rule", _("规则版本")),
        ("programme", _("项目")),
        ("behaviour", _("行为（空为全部）")),
        ("parameters", _("要求")),
        ("valid_from", _("起始日")),
        ("valid_to", _("截止日（不含）")),
        ("document", _("依据文件")),
    ]
    return page(
        _("核证规则"),
        _to_drafts(),
        Filters((programme_filter(),), _("筛选")),
        Table(
            _("已批准的规则，含旧版本"),
            columns,
            shown,
            link=lambda one: draft_url("rule", name_of(one)),
            next_cursor=more,
        ),
    )


@bp.get("/methods")
@page_for("operator")
def methods() -> Response:
    """How acts are quantified."""
    rows, more = _of_programme("/v1/catalogue/methods", "methods")
    shown = [
        one | {"rule": name_of(one), "factor": (one["factor"] or {}).get("code")}
        for one in _with_behaviours(rows)
    ]
    columns = [
        ("rule", _("方法学版本")),
        ("programme", _("项目")),
        ("behaviour", _("行为")),
        ("form", _("核算方式")),
        ("factor", _("排放因子")),
        ("valid_from", _("起始日")),
        ("valid_to", _("截止日（不含）")),
        ("document", _("依据文件")),
    ]
    return page(
        _("方法学"),
        _to_drafts(),
        Filters((programme_filter(),), _("筛选")),
        Table(_("已批准的方法学，含旧版本"), columns, shown, link=_method_url, next_cursor=more),
    )


@bp.get("/methods/<string:code>/<string:version>")
@page_for("operator")
def method(code: str, version: str) -> Response:
    """One version of a method with its factors and their sources."""
    one = found("/v1/catalogue/methods", "methods", code=code, version=version)
    (shown,) = _with_behaviours([one])
    facts = "programme behaviour form share_permille valid_from valid_to document approved_at"
    parts: list[Any] = [Facts("", facts, shown)]
    for name, title in (("factor", _("计入的因子")), ("actual_factor", _("扣除的因子"))):
        if one[name]:
            parts.append(_source(title, one[name]))
    if one["materials"]:
        rows = [each | {"factor": each["factor"]["code"]} for each in one["materials"]]
        names = [
            ("material", _("材料")),
            ("factor", _("排放因子")),
            ("share_permille", _("计入比例（千分之）")),
        ]
        rows_shown = Table(_("按材料"), names, rows, link=lambda each: factor_url(each["factor"]))
        parts.append(rows_shown)
    if not one["materials"]:
        parts.insert(0, _drafted("method", name_of(one), _("以此起草新版本")))
    back = (url_for("desk.methods"), _("方法学"))
    return page(name_of(one), *parts, at="desk.methods", back=back)


@bp.get("/factors")
@page_for("operator")
def factors() -> Response:
    """Factors with who published them, as published and as they are counted with."""
    rows, more = rows_of("/v1/catalogue/factors", "factors", limit=ROWS_MAX)
    shown = [
        one
        | {
            "name": named(one),
            "published": f"{one['published_value']} {one['published_unit']}",
            "document": f"{one['document']} ({one['year']})",
        }
        for one in rows
    ]
    columns = "code name published ug_co2e_per_unit base_unit publisher document"
    table = Table(
        _("已批准的排放因子"),
        columns,
        shown,
        link=lambda one: factor_url(one["code"]),
        next_cursor=more,
    )
    return page(_("排放因子"), _to_drafts(), table)


@bp.get("/factors/<string:code>")
@page_for("operator")
def factor(code: str) -> Response:
    """One factor with its source."""
    one = found("/v1/catalogue/factors", "factors", code=code)
    back = (url_for("desk.factors"), _("排放因子"))
    drafted = _drafted("factor", code, _("以此起草新因子"))
    return page(named(one), drafted, _source("", one), at="desk.factors", back=back)


@bp.get("/behaviours")
@page_for("operator")
def behaviours() -> Response:
    """What residents can do."""
    rows, more = rows_of("/v1/catalogue/behaviours", "behaviours", limit=ROWS_MAX)
    shown = [one | {"name": named(one)} for one in rows]
    columns = "code name category base_unit claimed_by"
    return page(_("行为目录"), Table(_("居民可以做的事"), columns, shown, next_cursor=more))


@bp.get("/tariffs")
@page_for("operator")
def tariffs() -> Response:
    """What a point costs in CO2e."""
    rows, more = rows_of("/v1/catalogue/tariffs", "tariffs")
    columns = "programme mg_co2e_per_point valid_from valid_to document approved_at"
    table = Table(
        _("每积分对应的减排量"),
        columns,
        rows,
        link=lambda one: draft_url("tariff", f"{one['programme']}@{one['valid_from']}"),
        next_cursor=more,
    )
    return page(_("积分标准"), _to_drafts(), table)


def found(path: str, name: str, **wanted: str) -> Row:
    """One row of a list that has no route of its own; 404 for none."""
    for one in all_rows(path, name):
        if all(str(one[key]) == value for key, value in wanted.items()):
            return one
    raise NotFound


def all_rows(path: str, name: str) -> list[Row]:
    """A whole list: the catalogue is small."""
    rows: list[Row] = []
    cursor = None
    for _page in range(PAGES_MAX):
        told = get(path, limit=ROWS_MAX, cursor=cursor)
        rows += told[name]
        if (cursor := told["next_cursor"]) is None:
            break
    return rows


def name_of(one: Row) -> str:
    """A version's name: its code and number."""
    return f"{one['code']}@{one['version']}"


def named(one: Row) -> str:
    """Its name in the reader's language."""
    name: str = one["name_en"] if language() == "en" else one["name_zh"]
    return name


def draft_url(kind: str, like: str) -> str:
    """Where a version like this one is drafted."""
    return url_for("desk.new_draft", kind=kind, like=like)


def factor_url(code: str) -> str:
    return url_for("desk.factor", code=code)


def _of_programme(path: str, name: str) -> tuple[list[Row], str | None]:
    return rows_of(path, name, limit=ROWS_MAX, **asked("programme"))


def _with_behaviours(rows: list[Row]) -> list[Row]:
    names = behaviour_names()
    return [one | {"behaviour": names.get(one["behaviour"], one["behaviour"])} for one in rows]


def _source(title: str, one: Row) -> Facts:
    facts = (
        "code ug_co2e_per_unit base_unit published_value published_unit publisher document year"
        " source_address confidence boundary valid_from valid_to"
    )
    return Facts(title, facts, one)


def _drafted(kind: str, like: str, text: str) -> Note:
    told = _("已批准的内容不能改动。")
    return Note(told, url=draft_url(kind, like), link=text)


def _to_drafts() -> Note:
    return Note(
        _("点开一行，以它为底起草新的版本；由另一位工作人员看过影响后批准。"),
        url=url_for("desk.drafts"),
        link=_("待批草案"),
    )


def _method_url(one: Row) -> str:
    return url_for("desk.method", code=one["code"], version=one["version"])
