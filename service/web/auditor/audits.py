"""Audits of everything: ask for one, watch it, read what it found."""

from uuid import UUID, uuid4

from flask import Response, jsonify, request, url_for
from flask_babel import gettext as _

from service.web.asking import ask, get
from service.web.auditor import bp, words
from service.web.auditor.filters import listed
from service.web.guards import page_for
from service.web.rendering import render, see_other

OPEN = ("waiting", "running")


@bp.get("/audits")
@page_for("auditor")
def audits() -> Response:
    """Those that were asked for, and a button for another."""
    found = listed("/v1/audits", "audits", {})
    return render(
        "auditor/audits.html", status=found.status, found=found, words=words, new_id=uuid4()
    )


@bp.post("/audits")
@page_for("auditor")
def ask_for_one() -> Response:
    """Ask for an audit; where one waits already, go and watch that one."""
    wanted = request.form.get("audit_id", "")
    answer = ask("PUT", f"/v1/audits/{wanted}")
    if answer.kind == "audit-waiting":
        there = url_for("auditor.audit", audit_id=answer.body["audit_id"], done="waiting")
    elif answer.refused:
        found = listed("/v1/audits", "audits", {})
        return render(
            "auditor/audits.html",
            status=answer.status,
            found=found,
            refused=answer,
            words=words,
            new_id=uuid4(),
        )
    else:
        there = url_for("auditor.audit", audit_id=answer.body["id"], done="asked")
    return see_other(there)


@bp.get("/audits/<uuid:audit_id>")
@page_for("auditor")
def audit(audit_id: UUID) -> Response:
    """How it goes, or what it found."""
    found = get(f"/v1/audits/{audit_id}")
    dones = {
        "asked": _("已请求核账，几秒内开始。可以离开此页，稍后再回来看。"),
        "waiting": _("已有一次核账在等待开始，它会看到现在的全部记录，不必再请求。"),
    }
    return render(
        "auditor/audit.html",
        audit=found,
        told=_told(found),
        running=found["state"] in OPEN,
        words=words,
        dones=dones if found["state"] in OPEN else {},
    )


@bp.get("/audits/<uuid:audit_id>/progress.json")
@page_for("auditor")
def progress(audit_id: UUID) -> Response:
    """What the page asks for again and again while the audit runs."""
    found = get(f"/v1/audits/{audit_id}")
    answer: Response = jsonify(_told(found) | {"state": found["state"]})
    return answer


def _told(audit: dict[str, object]) -> dict[str, object]:
    """How far it is: per mille of all steps, and in words."""
    state, step, steps = audit["state"], audit["step"], audit["steps"]
    number, done, total = audit["step_number"], audit["done"], audit["total"]
    assert isinstance(steps, int)
    assert isinstance(done, int)
    assert isinstance(total, int)
    permille = 0
    if isinstance(number, int):
        permille = (
            (number - 1) * 1000 + (1000 * min(done, total) // total if total else 0)
        ) // steps
    if state not in OPEN:
        permille = 1000
    if state == "waiting":
        said = _("等待开始；前一次核账结束后、后台任务运行时就会开始。")
    elif step is None:
        said = _("刚刚开始。")
    elif number is None:
        said = _("正在核：%(step)s", step=step)
    else:
        said = _(
            "第 %(number)s 项，共 %(steps)s 项：%(step)s", number=number, steps=steps, step=step
        )
    return {"permille": permille, "said": said}
