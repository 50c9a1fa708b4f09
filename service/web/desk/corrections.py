"""Corrections of activities and of the ledger: proposed by one person, approved by another."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.explaining import why_parts
from service.web.desk.shapes import Facts, Field, Form, Note, Said, Table, Typed
from service.web.desk.showing import page, rows_of
from service.web.guards import page_caller, page_for


@bp.get("/corrections")
@page_for("operator")
def corrections() -> Response:
    """What waits for a second person."""
    acts, more = rows_of("/v1/activity-corrections", "corrections")
    ledger = get("/v1/corrections", limit=50)
    return page(
        _("更正审批"),
        Table(
            _("活动更正"),
            "proposed_at action quantity reason proposed_by",
            acts,
            link=lambda one: _url("desk.activity_correction", one),
            empty=_("没有等待批准的活动更正。"),
            next_cursor=more,
        ),
        Table(
            _("账目更正"),
            [
                ("proposed_at", _("提出时间")),
                ("what", _("内容")),
                ("reason", _("理由")),
                ("proposed_by", _("提出人")),
            ],
            [one | {"what": _content(one)} for one in ledger["corrections"]],
            link=lambda one: _url("desk.ledger_correction", one),
            empty=_("没有等待批准的账目更正。"),
        ),
        intro=_("提出的人不能自己批准；可以驳回（收回）自己提出的。"),
    )


@bp.route("/activity-corrections/<uuid:holder_id>/<uuid:correction_id>", methods=["GET", "POST"])
@page_for("operator")
def activity_correction(holder_id: UUID, correction_id: UUID) -> Response:
    """One correction of an activity, beside the activity as it stands."""
    path = f"/v1/holders/{holder_id}/activity-corrections/{correction_id}"
    one = get(path)
    activity = get(f"/v1/activities/{one['activity_id']}", holder_id=str(holder_id))
    shown = [("action", _("怎么改")), ("quantity", _("正确的数量")), ("reason", _("理由"))]
    return page(
        _("活动更正"),
        Facts(_("提出的更正"), [*shown, *_people()], one),
        *why_parts(activity),
        side=_decisions(path, one),
        at="desk.corrections",
        back=(url_for("desk.corrections"), _("更正审批")),
        badge=one["state"],
    )


@bp.route("/ledger-corrections/<uuid:holder_id>/<uuid:correction_id>", methods=["GET", "POST"])
@page_for("operator")
def ledger_correction(holder_id: UUID, correction_id: UUID) -> Response:
    """One correction of the ledger: reversals of transfers, or a grant."""
    path = f"/v1/holders/{holder_id}/corrections/{correction_id}"
    one = get(path)
    parts: list[Any] = [
        Facts(_("提出的更正"), [("what", _("内容")), ("reason", _("理由")), *_people()],
              one | {"what": _content(one)})
    ]  # fmt: skip
    if one["reversals"]:
        columns = [("transfer_id", _("冲正的记录")), ("amount", _("数额（空为剩余全部）"))]
        parts.append(Table(_("冲正"), columns, one["reversals"]))
    return page(
        _("账目更正"),
        *parts,
        side=_decisions(path, one),
        at="desk.corrections",
        back=(url_for("desk.corrections"), _("更正审批")),
        badge=one["state"],
    )


def _decisions(path: str, one: dict[str, Any]) -> list[Any]:
    if one["state"] != "proposed":
        return []
    own = one["proposed_by"] == page_caller().subject

    def reject(typed: Typed) -> Answer:
        return ask("PUT", f"{path}/rejection", body=typed.body)

    approving = Form(
        "approve",
        _("批准"),
        lambda _typed: ask("PUT", f"{path}/approval", body={}),
        _("批准并入账"),
        done="approved",
        confirm=_("批准后立即入账，不能撤回。确定批准？"),
    )
    rejecting = Form(
        "reject",
        _("收回") if own else _("驳回"),
        reject,
        _("收回") if own else _("驳回"),
        (Field("reason", _("理由"), required=False, attributes={"maxlength": "500"}),),
        done="rejected",
        tone="danger",
    )
    if own:
        return [Note(_("这是您提出的，要由另一位工作人员批准。"), "warn"), rejecting]
    return [approving, rejecting]


def _people() -> list[tuple[str, str]]:
    return [
        ("proposed_by", _("提出人")),
        ("proposed_at", _("提出时间")),
        ("decided_by", _("决定人")),
        ("decided_at", _("决定时间")),
        ("rejection_reason", _("驳回理由")),
        ("holder_id", _("居民编号")),
    ]


def _content(one: dict[str, Any]) -> Said:
    if grant := one["grant"]:
        if grant["unit"] == "point":
            return _("补发 %(amount)d 积分", amount=grant["amount"])
        return _("补记 %(amount)d 毫克减排量", amount=grant["amount"])
    return _("冲正 %(count)d 笔记录", count=len(one["reversals"]))


def _url(view: str, one: dict[str, Any]) -> str:
    return url_for(view, holder_id=one["holder_id"], correction_id=one["id"])
