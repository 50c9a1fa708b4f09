"""One resident's points: the entries, their reversal, and all corrections."""

from typing import Any
from uuid import UUID

from flask import request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk.shapes import Field, Form, Note, Table, Typed


def entries(holder_id: UUID) -> list[Any]:
    """Points in and out, the latest first."""
    answer = ask(
        "GET",
        f"/v1/staff/residents/{holder_id}/entries",
        query={"limit": 50, "cursor": request.args.get("cursor") or None},
    )
    if answer.refused:
        return [Note(_("这位居民还没有积分账户。"))]
    words_of = {
        "earn": _("获得"),
        "grant": _("补发"),
        "spend": _("使用"),
        "lapse": _("过期"),
        "reversal": _("冲正"),
        "refund": _("退回"),
        "refund_in_grace": _("退回（宽限期）"),
        "release": _("释放预留"),
        "debt_payment": _("抵扣欠分"),
        "correction": _("更正"),
    }
    rows = [
        one | {"kind": words_of.get(one["kind"], one["kind"])} for one in answer.body["entries"]
    ]
    columns = "occurred_at kind amount balance expires_on transfer_id"
    more = answer.body["next_cursor"]
    return [Table(_("积分明细"), columns, rows, empty=_("还没有明细。"), next_cursor=more)]


def corrections(holder_id: UUID) -> list[Any]:
    """What was proposed to be corrected, and what became of it."""
    told = get(f"/v1/staff/residents/{holder_id}/corrections")
    columns = "proposed_at state reason proposed_by decided_by decided_at"
    return [
        Table(
            _("活动更正"),
            columns,
            told["activity_corrections"],
            link=lambda row: url_for(
                "desk.activity_correction", holder_id=holder_id, correction_id=row["id"]
            ),
            empty=_("没有活动更正。"),
        ),
        Table(
            _("账目更正"),
            columns,
            told["corrections"],
            link=lambda row: url_for(
                "desk.ledger_correction", holder_id=holder_id, correction_id=row["id"]
            ),
            empty=_("没有账目更正。"),
        ),
    ]


def reversal(holder_id: UUID) -> Form:
    """Propose to reverse entries."""

    def act(typed: Typed) -> Answer:
        ids = typed.body.get("transfers", [])
        body = {
            "reversals": [{"transfer_id": each} for each in ids],
            "reason": typed.body.get("reason", ""),
        }
        return ask("PUT", f"/v1/holders/{holder_id}/corrections/{typed.id}", body=body)

    return Form(
        "reverse",
        _("提出冲正"),
        act,
        _("提出，待第二人批准"),
        (
            Field(
                "transfers",
                _("要冲正的记录编号"),
                "list",
                hint=_("明细表的最后一列；多个用空格分开"),
            ),
            Field("reason", _("理由"), attributes={"maxlength": "500"}),
        ),
        done="proposed",
        tone="",
    )
