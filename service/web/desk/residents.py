"""Residents: one is found by phone, card or id, with a purpose, and looked at part by part."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp, words
from service.web.desk.resident_activities import activities_table
from service.web.desk.resident_entries import corrections, entries, reversal
from service.web.desk.shapes import Drawn, Facts, Field, Filters, Form, Note, Table, Typed
from service.web.desk.showing import page
from service.web.guards import page_for

TABS = ("overview", "activities", "entries", "corrections")


@bp.route("/residents", methods=["GET", "POST"])
@page_for("operator")
def residents() -> Response:
    """Look for a resident; each look says what for."""
    found: dict[str, Any] = {}

    def look(typed: Typed) -> Answer:
        by = typed.body.pop("by", "phone")
        body = {by: typed.body.get("sought", ""), "purpose": typed.body.get("purpose", "")}
        answer = ask("PUT", f"/v1/staff/looks/{typed.id}", body=body)
        if not answer.refused:
            found.update(answer.body["found"] or {}, purpose=body["purpose"])
        return answer

    def shows(_told: Any) -> list[Any]:
        if "holder_id" not in found:
            return [Note(_("没有找到这样的居民，或者不在您的权限范围内。"), "warn")]
        table = Table(
            _("找到的居民"),
            "holder_id programme division joined_at",
            [found],
            link=lambda row: url_for(
                "desk.resident", holder_id=row["holder_id"], purpose=found["purpose"]
            ),
        )
        return [table]

    ways = [("phone", _("手机号")), ("card_number", _("卡号")), ("holder_id", _("居民编号"))]
    form = Form(
        "look",
        _("查询居民"),
        look,
        _("查询"),
        (
            Field("by", _("按什么查"), "choice", options=ways),
            Field("sought", _("号码"), attributes={"autocomplete": "off", "maxlength": "64"}),
            Field("purpose", _("查询事由"), hint=_("例如：居民到窗口咨询积分"), attributes=_SHORT),
        ),
        shows=shows,
    )
    note = Note(_("每一次查询都会记入操作日志；打开居民资料时，居民本人也能看到是谁、为什么查看。"))
    return page(_("居民查询"), note, form)


_SHORT = {"maxlength": "200"}


@bp.route("/residents/<uuid:holder_id>", methods=["GET", "POST"])
@page_for("operator")
def resident(holder_id: UUID) -> Response:
    """One resident: what they have, did, got, and what was corrected."""
    purpose = request.args.get("purpose", "").strip()
    # Another site's link names a purpose that is nobody's here, and would be put down as theirs.
    if not purpose or request.headers.get("Sec-Fetch-Site") == "cross-site":
        return _ask_purpose()
    who = get(f"/v1/staff/residents/{holder_id}/profile", purpose=purpose)
    tab = request.args.get("tab", TABS[0])
    parts: list[Any] = [_tabs(holder_id, purpose, tab)]
    side: list[Any] = []
    if tab == "activities":
        parts.append(activities_table(holder_id, purpose))
    elif tab == "entries":
        parts += entries(holder_id)
        side = [reversal(holder_id)]
    elif tab == "corrections":
        parts += corrections(holder_id)
    else:
        names = "phone holder_id programme division joined_at closed_at real_name_verified minor"
        facts = [("name", _("姓名")), *((each, words.label(each)) for each in names.split())]
        parts += [Facts(_("资料"), facts, who, sparse=True), _accounts(who)]
        side = [] if who["closed_at"] else [_card(holder_id), _closing(holder_id)]
    back = (url_for("desk.residents"), _("居民查询"))
    title = who["name"] or _("居民")
    badge = "closed" if who["closed_at"] else ""
    return page(title, *parts, side=side, at="desk.residents", back=back, badge=badge)


def _ask_purpose() -> Response:
    """A link to a resident does not say what for: whoever follows it does."""
    return page(
        _("为什么查看这位居民？"),
        Filters((Field("purpose", _("查看事由"), attributes=_SHORT),), _("打开")),
        Note(_("会记入操作日志，居民本人也能看到。")),
        at="desk.residents",
        back=(url_for("desk.residents"), _("居民查询")),
    )


def _tabs(holder_id: UUID, purpose: str, tab: str) -> Any:
    names = {
        "overview": _("资料与账户"),
        "activities": _("活动"),
        "entries": _("积分明细"),
        "corrections": _("更正记录"),
    }
    links = [
        (
            url_for("desk.resident", holder_id=holder_id, purpose=purpose, tab=name),
            text,
            name == tab,
        )
        for name, text in names.items()
    ]
    return Drawn("desk/tabs.html", {"links": links})


def _accounts(who: dict[str, Any]) -> Table:
    units = {"point": _("积分"), "mg_co2e": _("减排量（毫克 CO₂e）"), "fen": _("金额（分）")}
    rows = [
        one | {"name": units.get(one["unit"], one["unit"]), "held_amount": one["held"]}
        for one in who["accounts"]
    ]
    return Table(_("各账户"), "name balance held_amount available debt", rows)


def _card(holder_id: UUID) -> Form:
    return Form(
        "card",
        _("发卡或补卡"),
        lambda typed: ask(
            "PUT", f"/v1/staff/residents/{holder_id}/cards/{typed.id}", body=typed.body
        ),
        _("发卡"),
        (Field("card_number", _("卡号"), attributes={"autocomplete": "off"}),),
        done="card_given",
        tone="",
    )


def _closing(holder_id: UUID) -> Form:
    return Form(
        "close",
        _("注销居民账户"),
        lambda typed: ask("PUT", f"/v1/staff/residents/{holder_id}/closing", body=typed.body),
        _("注销"),
        (
            Field("card_number", _("居民出示的卡号"), attributes={"autocomplete": "off"}),
            Field("forfeit_vouchers", _("居民放弃尚未使用的券"), "check"),
        ),
        done="closed",
        confirm=_("注销后积分清零，不能恢复。确定注销？"),
        tone="danger",
        hint=_("只用于没有手机、本人到场的居民。"),
    )
