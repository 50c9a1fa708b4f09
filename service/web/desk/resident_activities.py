"""What one resident did: the list, one activity with its why, and a correction of it."""

from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.explaining import why_parts
from service.web.desk.shapes import Field, Form, Table, Typed
from service.web.desk.showing import page, rows_of
from service.web.guards import page_for


@bp.get("/residents/<uuid:holder_id>/activities/<uuid:activity_id>")
@page_for("operator")
def activity(holder_id: UUID, activity_id: UUID) -> Response:
    """One activity of a resident, with its whole why."""
    return _activity(holder_id, activity_id)


@bp.post("/residents/<uuid:holder_id>/activities/<uuid:activity_id>")
@page_for("operator")
def correct_activity(holder_id: UUID, activity_id: UUID) -> Response:
    """Propose to withdraw or change it."""
    return _activity(holder_id, activity_id)


def _activity(holder_id: UUID, activity_id: UUID) -> Response:
    one = get(f"/v1/activities/{activity_id}", holder_id=str(holder_id))
    url = url_for(
        "desk.resident",
        holder_id=holder_id,
        tab="activities",
        purpose=request.args.get("purpose", "").strip() or _("核对一次活动"),
    )
    return page(
        _("活动 %(day)s", day=one["day"] or ""),
        *why_parts(one),
        side=[_proposal(holder_id, activity_id)] if one["decision"] == "verified" else (),
        at="desk.residents",
        back=(url, _("居民的活动")),
        badge=one["decision"],
    )


def activities_table(holder_id: UUID, purpose: str) -> Table:
    """What a resident did, the latest first."""
    path = f"/v1/staff/residents/{holder_id}/activities"
    rows, more = rows_of(path, "activities")
    return Table(
        _("活动"),
        "day behaviour quantity decision points saved_mg_co2e reason",
        rows,
        link=lambda row: url_for(
            "desk.activity", holder_id=holder_id, activity_id=row["id"], purpose=purpose
        ),
        empty=_("还没有活动。"),
        next_cursor=more,
    )


def _proposal(holder_id: UUID, activity_id: UUID) -> Form:
    def act(typed: Typed) -> Answer:
        body = {"activity_id": str(activity_id)} | typed.body
        if body.get("action") == "withdraw":
            body.pop("quantity", None)
        path = f"/v1/holders/{holder_id}/activity-corrections/{typed.id}"
        return ask("PUT", path, body=body)

    actions = [("withdraw", _("撤销（没有发生）")), ("change", _("改数量"))]
    return Form(
        "correct",
        _("提出更正"),
        act,
        _("提出，待第二人批准"),
        (
            Field("action", _("怎么改"), "choice", options=actions),
            Field("quantity", _("正确的数量（改数量时填写）"), "number", required=False),
            Field("reason", _("理由"), hint=_("居民能看到"), attributes={"maxlength": "500"}),
        ),
        done="proposed",
    )
