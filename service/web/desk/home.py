"""Where the desk begins: what waits for somebody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import ask, get
from service.web.desk import bp, counter, words
from service.web.desk.feeds import partner_days
from service.web.desk.menu import EVERYBODY
from service.web.desk.shapes import Figures, Note, Said, Table
from service.web.desk.showing import page
from service.web.guards import page_caller, page_for
from service.web.rendering import BEIJING

COUNTED_MAX = 50  # A longer list is said to be longer.
SOON = timedelta(days=30)


@bp.route("", methods=["GET", "POST"])
@page_for(*EVERYBODY)
def home() -> Response:
    """What waits: for an operator the queues, for a volunteer the entry, else people and keys."""
    shown: dict[str, Callable[[], Response]] = {
        "operator": _operator,
        "volunteer": counter.entry_page,
        "administrator": _administrator,
    }
    return shown[page_caller().role]()


def _operator() -> Response:
    reviews, held = _counted("/v1/reviews", "reviews")
    appeals, pleaded = _counted("/v1/appeals", "appeals")
    acts, _corrected = _counted("/v1/activity-corrections", "corrections")
    ledger, _booked = _counted("/v1/corrections", "corrections")
    drafts, _drafted = _counted("/v1/catalogue/drafts", "drafts")
    queues = [
        (_("复核队列"), reviews, _oldest(held), url_for("desk.reviews")),
        (_("申诉处理"), appeals, _oldest(pleaded), url_for("desk.appeals")),
        (_("活动更正待批"), acts, "", url_for("desk.corrections")),
        (_("账目更正待批"), ledger, "", url_for("desk.corrections")),
        (_("规则草案待批"), drafts, "", url_for("desk.drafts")),
    ]
    return page(
        _("今天等待处理的事"),
        Figures(_("等人处理"), queues),
        Figures(_("商户与结算"), _business()),
        Figures(_("系统运行"), _running()),
    )


def _business() -> list[tuple[Any, Any, Any, str]]:
    drafted, _d = _counted("/v1/merchants", "merchants", state="draft")
    confirmed, _c = _counted("/v1/settlements", "settlements", state="confirmed")
    disputed, _x = _counted("/v1/settlements", "settlements", state="disputed")
    approved, _a = _counted("/v1/settlements", "settlements", state="approved")
    waiting, _w = _counted("/v1/top-ups", "top_ups")
    settlements = url_for("desk.settlements")
    return [
        (_("商户待审批"), drafted, "", url_for("desk.merchants", state="draft")),
        (_("结算单待批准"), confirmed, "", f"{settlements}?state=confirmed"),
        (_("结算单有异议"), disputed, "", f"{settlements}?state=disputed"),
        (_("结算单待付款"), approved, "", f"{settlements}?state=approved"),
        (_("充值待处理"), waiting, "", url_for("desk.top_ups")),
    ]


def _running() -> list[tuple[Any, Any, Any, str]]:
    day = (datetime.now(BEIJING) - timedelta(days=1)).date().isoformat()
    differing = sum(1 for one in partner_days(day) if one["differs"])
    url = url_for("desk.feeds", day=day)
    shown: list[tuple[Any, Any, Any, str]] = [(_("昨日有差异的接入"), differing, day, url)]
    jobs = ask("GET", "/v1/jobs")
    if not jobs.refused:
        bad = [
            job["name"]
            for job in jobs.body["jobs"]
            if job["last"] and job["last"]["outcome"] not in ("done", "running")
        ]
        url = url_for("desk.jobs")
        shown.append((_("上次未成功的后台任务"), len(bad), "、".join(bad[:3]), url))
    return shown


def _administrator() -> Response:
    members, _next = _counted("/v1/members", "members")
    keys = ask("GET", "/v1/api-keys", query={"limit": COUNTED_MAX})
    cards: list[tuple[Any, Any, Any, str]] = [(_("工作人员"), members, "", url_for("desk.members"))]
    if not keys.refused:
        soon = (datetime.now(UTC) + SOON).isoformat()
        ending = [k for k in keys.body["keys"] if not k["retired_at"] and k["expires_at"] < soon]
        url = url_for("desk.api_keys")
        cards.append((_("30 天内到期的密钥"), len(ending), "", url))
    acts = get("/v1/admin-log", limit=10)["acts"]
    return page(
        _("人员与权限"),
        Note(_("管理员只管理人员、授权和密钥，看不到任何居民的信息。")),
        Figures("", cards),
        Table(_("最近的操作"), "acted_at actor what object_kind object_id", acts),
    )


def _counted(path: str, name: str, **query: Any) -> tuple[str | int, list[Any]]:
    """How many there are, "50+" for more; and the first of them, the oldest."""
    limited = {} if path.endswith("/drafts") else {"limit": COUNTED_MAX}
    answer = ask("GET", path, query=limited | query)
    if answer.refused:
        return "—", []
    rows = answer.body[name]
    longer = answer.body.get("next_cursor") is not None or (limited and len(rows) == COUNTED_MAX)
    return (f"{COUNTED_MAX}+" if longer else len(rows)), rows


def _oldest(rows: list[Any]) -> Said:
    """How long the oldest waits."""
    if not rows:
        return ""
    return _("最久的已等 %(time)s", time=words.waited(rows[0]["waiting_s"]))
