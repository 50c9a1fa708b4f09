"""The admin log: what staff did, by who, what and when."""

from typing import Any

from flask import Response, request
from flask_babel import gettext as _

from service.web.asking import download
from service.web.desk import bp
from service.web.desk.shapes import Drawn, Field, Filters, Table
from service.web.desk.showing import asked, page, rows_of
from service.web.desk.typing_in import parsed
from service.web.guards import page_for

NAMES = ("actor", "what", "object_kind", "object_id")


@bp.get("/admin-log")
@page_for("administrator")
def admin_log() -> Response:
    """What staff did, the newest first."""
    rows, more = rows_of("/v1/admin-log", "acts", **_query())
    columns = [
        ("acted_at", _("时间")),
        ("actor", _("操作人")),
        ("role", _("角色")),
        ("what", _("做了什么")),
        ("object_kind", _("对象")),
        ("object_id", _("对象编号")),
        ("before", _("改前")),
        ("after", _("改后")),
        ("from_address", _("来自")),
    ]
    return page(
        _("操作日志"),
        Filters(
            (
                Field("actor", _("操作人"), required=False),
                Field("what", _("做了什么"), required=False),
                Field("object_kind", _("对象"), required=False),
                Field("object_id", _("对象编号"), required=False),
                Field("since", _("从"), "instant", False),
                Field("until", _("到"), "instant", False),
            ),
            _("筛选"),
        ),
        Table(
            _("操作"),
            columns,
            [_told(one) for one in rows],
            empty=_("没有这样的操作。"),
            next_cursor=more,
        ),
        Drawn("desk/export.html", {"query": {**request.args}}),
        intro=_("涉及居民的操作不向管理员显示对象和内容；审计人员可以看到。"),
    )


@bp.get("/admin-log/export")
@page_for("administrator")
def admin_log_export() -> Response:
    """The same as a file, as long as it is."""
    return download("/v1/admin-log/export", **{k: v for k, v in _query().items() if v})


def _query() -> dict[str, Any]:
    instants = {name: parsed("instant", name, request.args) for name in ("since", "until")}
    return {**asked(*NAMES), **instants}


def _told(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"object_id": _("不显示") if one["withheld"] else one["object_id"]}
