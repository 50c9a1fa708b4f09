"""What was redeemed: the list, one voucher with its code, cancelling it."""

from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, Refused, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.offline import kept

PAGE = 30
NOT_SHOWN = "not-as-delegate"  # Who acts with powers to read alone.


@bp.get("/vouchers")
@my_page
def vouchers() -> Response:
    """Those that can be used before the others, each group the newest first."""
    found = get("/v1/redemptions", limit=PAGE, cursor=request.args.get("cursor"))
    shown = found["redemptions"]
    usable = [each for each in shown if each["voucher_state"] == "unused"]
    others = [each for each in shown if each["voucher_state"] != "unused"]
    page = render(
        "resident/vouchers.html", usable=usable, others=others, cursor=found["next_cursor"]
    )
    return page if "cursor" in request.args else kept(page)


@bp.get("/vouchers/<uuid:redemption_id>")
@my_page
def voucher(redemption_id: UUID) -> Response:
    """One, with the code that the shop takes."""
    return kept(_page(redemption_id))


@bp.post("/vouchers/<uuid:redemption_id>")
@my_page
def cancel(redemption_id: UUID) -> Response:
    """Cancel it, unused and in time; the points come back."""
    done = ask("PUT", f"/v1/redemptions/{redemption_id}/cancellation", body={})
    if done.refused:
        return _page(redemption_id, done)
    return see_other(url_for(".voucher", redemption_id=redemption_id, done="cancelled"))


def _page(redemption_id: UUID, refused: Answer | None = None) -> Response:
    one = get(f"/v1/redemptions/{redemption_id}")
    code = None
    if one["voucher_state"] == "unused":
        code = ask("GET", f"/v1/redemptions/{redemption_id}/voucher")
        if code.refused and code.kind != NOT_SHOWN:
            raise Refused(code)
    terms = ask("GET", f"/v1/offers/{one['offer_id']}", query={"version": one["version"]})
    dones = {
        "done": _("兑换成功。"),
        "pending": _("正在办理。积分先为您留着，有了结果会显示在这里。"),
        "failed": _("没有办成，积分已经退回。"),
        "cancelled": _("已经取消，积分退回原处。"),
    }
    return render(
        "resident/voucher.html",
        status=refused.status if refused else 200,
        one=one,
        code=code.body["code"] if code and not code.refused else None,
        hidden_code=bool(code and code.refused),
        terms=None if terms.refused else terms.body,
        refused=refused,
        dones=dones,
    )
