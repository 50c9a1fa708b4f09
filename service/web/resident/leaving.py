"""One's data in a file, and closing the account, with what that means said before."""

from flask import Response, g, request
from flask_babel import gettext as _

from service.web import browsers
from service.web.asking import Answer, Refused, ask
from service.web.cookies import keep
from service.web.rendering import render
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.plainly import plainly


@bp.get("/export")
@my_page
def export() -> Response:
    """What the file has in it."""
    return render("resident/export.html")


@bp.get("/export.zip")
@my_page
def export_file() -> Response:
    """Everything that is held about the resident, in one file."""
    found = ask("GET", "/v1/me/export")
    if found.refused:
        raise Refused(found)
    answer = Response(found.content, content_type="application/zip")
    answer.headers["Content-Disposition"] = found.headers["Content-Disposition"]
    return answer


@bp.get("/close")
@my_page
def close() -> Response:
    """What happens when the account is closed."""
    return _page()


@bp.post("/close")
@my_page
def close_for_good() -> Response:
    """Close it: one's own, or as guardian a child's."""
    form = request.form
    if form.get("sure") != "yes":
        return _page()
    query = {"forfeit_vouchers": "true" if form.get("forfeit") == "yes" else None}
    done = ask("DELETE", "/v1/me", query=query)
    if done.refused:
        return _page(done)
    of_child = g.get("acting_for")
    if of_child is None:
        browsers.forget()
        g.page_caller = None
    answer = render("resident/closed.html", closed=done.body, of_child=of_child)
    keep(answer, browsers.ACTING, "")
    if of_child is None:
        answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


def _page(refused: Answer | None = None) -> Response:
    instead = {
        "open-orders": _("还有没有办完的事，列在下面。账户没有注销。"),
        "children-left": _("您是孩子的监护人。请先在“家人”里代办，注销孩子的账户。账户没有注销。"),
    }
    return render(
        "resident/close.html",
        status=refused.status if refused else 200,
        refused=plainly(refused, instead=instead),
        form=request.form,
        unsure=request.method == "POST" and refused is None,
    )
