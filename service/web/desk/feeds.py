"""Feeds: the partners' counts of a day beside ours, and the events that make the difference."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from flask import Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Scene
from service.language import language
from service.services import services
from service.web.asking import ask, get
from service.web.desk import bp
from service.web.desk.shapes import Facts, Field, Filters, Note, Said, Table
from service.web.desk.showing import page
from service.web.guards import page_for
from service.web.rendering import BEIJING

SCENES_MAX = 100  # Asked one by one; a programme has some dozens.


@bp.get("/feeds")
@page_for("operator")
def feeds() -> Response:
    """A day of every feed: the operator's total beside ours."""
    day = _day()
    rows = partner_days(day)
    columns = [
        ("name", _("场景")),
        ("partner", _("接入方")),
        ("partner_events", _("接入方来件")),
        ("ours_events", _("平台来件")),
        ("partner_quantity", _("接入方数量")),
        ("ours_quantity", _("平台数量")),
        ("held", _("待复核")),
        ("rejected", _("未通过")),
        ("unreadable", _("读不出的行")),
        ("agrees", _("对账结果")),
    ]
    return page(
        _("数据接入对账"),
        Filters((Field("day", _("日期"), "day", value=day),), _("显示")),
        Table(
            _("%(day)s 各接入方报数与平台账目", day=day),
            columns,
            rows,
            link=lambda one: url_for("desk.feed", code=one["code"], day=day),
            empty=_("这一天没有接入方报数，平台也没有来件。"),
        ),
    )


@bp.get("/feeds/<string:code>")
@page_for("operator")
def feed(code: str) -> Response:
    """A day of one feed, with the events that are not verified."""
    day = _day()
    cursor = request.args.get("cursor") or None
    found = get(f"/v1/feeds/{quote(code)}/reconciliation", day=day, limit=50, cursor=cursor)
    ours, partner = found["ours"] or {}, found["partner"] or {}
    names = [
        ("events", _("来件数")),
        ("quantity", _("数量")),
        ("verified", _("已核证")),
        ("verified_quantity", _("已核证数量")),
        ("held", _("待复核")),
        ("rejected", _("未通过")),
        ("unreadable", _("读不出的行")),
        ("saved_mg_co2e", _("减排量（千克）")),
        ("points", _("积分")),
        ("by_code", _("未通过的原因")),
    ]
    theirs = [("events", _("来件数")), ("quantity", _("数量")), ("received_at", _("报数时间"))]
    parts: list[Any] = [Filters((Field("day", _("日期"), "day", value=day),), _("显示"))]
    if not partner:
        parts.append(Note(_("接入方没有报这一天的数。"), "warn"))
    elif _differs(partner, ours):
        parts.append(Note(_("接入方报数与平台不一致，请核对下面的来件。"), "warn"))
    else:
        parts.append(Note(_("接入方报数与平台一致。"), "done"))
    parts += [
        Facts(_("接入方报数"), theirs, partner),
        Facts(_("平台账目"), names, ours),
        Table(
            _("没有通过的来件"),
            "event_id decision reason batch_id",
            found["differing"],
            empty=_("这一天的来件都已核证。"),
            next_cursor=found["next_cursor"],
        ),
    ]
    back = (url_for("desk.feeds", day=day), _("数据接入对账"))
    return page(code, *parts, at="desk.feeds", back=back)


def partner_days(day: str) -> list[dict[str, Any]]:
    """Feeds that a day has something of, those with a difference first."""
    rows = []
    sent = services().database.transact(_from_partners)
    scenes = [one for one in get("/v1/scenes")["scenes"] if one["code"] in sent]
    for scene in scenes[:SCENES_MAX]:
        path = f"/v1/feeds/{quote(scene['code'])}/reconciliation"
        answer = ask("GET", path, query={"day": day, "limit": 1})
        if answer.refused:
            continue
        ours, partner = answer.body["ours"] or {}, answer.body["partner"] or {}
        if not partner and not ours.get("events") and not ours.get("unreadable"):
            continue
        differs = _differs(partner, ours)
        rows.append(
            {
                "code": scene["code"],
                "name": scene["name_en"] if language() == "en" else scene["name_zh"],
                "partner": scene["partner"],
                "partner_events": partner.get("events"),
                "partner_quantity": partner.get("quantity"),
                "ours_events": ours.get("events", 0),
                "ours_quantity": ours.get("quantity", 0),
                "held": ours.get("held", 0),
                "rejected": ours.get("rejected", 0),
                "unreadable": ours.get("unreadable", 0),
                "differs": differs,
                "agrees": _result(partner, differs=differs),
            }
        )
    return sorted(rows, key=lambda row: (not row["differs"], row["code"]))


def _from_partners(session: Session) -> set[str]:
    """Scenes whose acts come in batches, from operators and aggregators."""
    query = select(Scene.code).where(Scene.channel.in_(("operator", "aggregator")))
    return set(session.scalars(query))


def _differs(partner: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether the partner said something else than we have; what it did not say does not differ."""
    if not partner:
        return False
    return any(partner[name] != ours.get(name, 0) for name in ("events", "quantity"))


def _result(partner: dict[str, Any], *, differs: bool) -> Said:
    if not partner:
        return _("接入方未报数")
    return _("不一致") if differs else _("一致")


def _day() -> str:
    yesterday = (datetime.now(BEIJING) - timedelta(days=1)).date().isoformat()
    return request.args.get("day", "").strip() or yesterday
