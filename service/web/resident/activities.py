"""What one did: the list, one act with its whole why, answering a question, appealing."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import kinds

PAGE = 30


@bp.get("/activities")
@my_page
def activities() -> Response:
    """All of them, the newest first."""
    found = get("/v1/activities", limit=PAGE, cursor=request.args.get("cursor"))
    return render("resident/activities.html", found=found, kinds=kinds())


@bp.get("/activities/<uuid:activity_id>")
@my_page
def activity(activity_id: UUID) -> Response:
    """One, and everything that decided about it."""
    return _page(activity_id)


@bp.post("/activities/<uuid:activity_id>")
@my_page
def answer_question(activity_id: UUID) -> Response:
    """Answer what the reviewer asked."""
    body = {name: request.form.get(name, "") for name in ("question_id", "text")}
    sent = ask("PUT", f"/v1/activities/{activity_id}/answer", body=body)
    if sent.refused:
        return _page(activity_id, sent)
    return see_other(url_for(".activity", activity_id=activity_id, done="answered"))


@bp.get("/activities/<uuid:activity_id>/appeal")
@my_page
def appeal(activity_id: UUID) -> Response:
    """Where one says why a refusal is wrong."""
    return _appeal(activity_id)


@bp.post("/activities/<uuid:activity_id>/appeal")
@my_page
def send_appeal(activity_id: UUID) -> Response:
    """Appeal, once."""
    body = {"text": request.form.get("text", "")}
    sent = ask("PUT", f"/v1/activities/{activity_id}/appeal", body=body)
    if sent.refused:
        return _appeal(activity_id, sent)
    return see_other(url_for(".activity", activity_id=activity_id, done="appealed"))


def _page(activity_id: UUID, refused: Answer | None = None) -> Response:
    found = get(f"/v1/activities/{activity_id}")
    review = _if_any(f"/v1/activities/{activity_id}/review")
    questions = review["questions"] if review else []
    dones = {
        "answered": _("您的答复已经送到，审核人员会接着处理。"),
        "appealed": _("申诉已经收到。有了答复，会显示在这一页。"),
    }
    return render(
        "resident/activity.html",
        status=refused.status if refused else 200,
        one=found,
        kinds=kinds(),
        review=review,
        open_question=next((each for each in questions if each["answer"] is None), None),
        appeal=_if_any(f"/v1/activities/{activity_id}/appeal"),
        refused=refused,
        form=request.form,
        dones=dones,
    )


def _appeal(activity_id: UUID, refused: Answer | None = None) -> Response:
    return render(
        "resident/appeal.html",
        status=refused.status if refused else 200,
        one=get(f"/v1/activities/{activity_id}"),
        kinds=kinds(),
        refused=refused,
        form=request.form,
    )


def _if_any(path: str) -> Any:
    """What most activities do not have: a review, an appeal."""
    found = ask("GET", path)
    return None if found.refused else found.body
