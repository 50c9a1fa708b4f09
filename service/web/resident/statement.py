"""A month's statement, and the receipt of each entry, which anybody can check."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Response, request
from flask_babel import gettext as _

from service.services import services
from service.web.asking import Refused, ask, get
from service.web.rendering import BEIJING, render
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import month_of, months_beside, own_accounts

PAGE = 50


@bp.get("/statement")
@my_page
def statement() -> Response:
    """What came in and went out in a month, with the balance before and after."""
    first = month_of(request.args.get("month"))
    unit = "mg_co2e" if request.args.get("unit") == "mg_co2e" else "point"
    account = own_accounts().get(unit)
    shown: dict[str, Any] = {"entries": [], "cursor": None, "opening": 0, "closing": 0}
    if account is not None:
        path = f"/v1/accounts/{account['id']}"
        cursor, month = request.args.get("cursor"), f"{first:%Y-%m}"
        found = get(f"{path}/statement", month=month, cursor=cursor, limit=PAGE)
        begins = datetime.combine(first, time(), BEIJING)
        ends = (begins + timedelta(days=31)).replace(day=1)
        shown = {
            "entries": found["entries"],
            "cursor": found["next_cursor"],
            "opening": _balance(path, begins),
            "closing": _balance(path, ends),
        }
    return render(
        "resident/statement.html",
        unit=unit,
        month=f"{first:%Y-%m}",
        entry_kinds=_kinds(),
        **shown,
        **months_beside(first),
    )


@bp.get("/statement/<uuid:transfer_id>")
@my_page
def receipt(transfer_id: UUID) -> Response:
    """The receipt of an entry, as a code and a link to where it is checked."""
    found = get(f"/v1/transfers/{transfer_id}/proof")
    address = services().settings.public_url.rstrip("/")
    link = f"{address}/verify#{found['qr_text']}"
    return render("resident/receipt.html", one=found, link=link, transfer_id=transfer_id)


@bp.get("/statement/<uuid:transfer_id>/receipt.json")
@my_page
def receipt_file(transfer_id: UUID) -> Response:
    """The receipt as the file that /verify reads, with its proof."""
    found = ask("GET", f"/v1/transfers/{transfer_id}/proof")
    if found.refused:
        raise Refused(found)
    answer = Response(found.content, content_type="application/json")
    name = f"tanhui-receipt-{found.body['index']}.json"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _balance(path: str, before: datetime) -> int:
    """The sum of what was booked before an instant; of one to come: now."""
    at = min(before - timedelta(milliseconds=1), datetime.now(UTC))
    found: int = get(f"{path}/balance", at=at.isoformat())["balance"]
    return found


def _kinds() -> dict[str, str]:
    return {
        "earn": _("低碳行为所得"),
        "grant": _("发放"),
        "spend": _("兑换支出"),
        "lapse": _("到期失效"),
        "reversal": _("更正收回"),
        "refund": _("兑换退回"),
        "refund_in_grace": _("兑换退回（宽限期内可用）"),
        "release": _("预留退回"),
        "debt_payment": _("归还欠分"),
    }
