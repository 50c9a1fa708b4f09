"""A settlement's lines as files, and the merchant's own file held against them."""

from uuid import UUID

from flask import Response, request
from flask_babel import gettext as _

from service.web.asking import ask, download
from service.web.guards import page_for
from service.web.till import bp
from service.web.till.merchant import MANAGER, of_merchant
from service.web.till.settlements import one


@bp.get("/settlements/<uuid:settlement_id>/lines.csv")
@page_for(MANAGER)
def lines_csv(settlement_id: UUID) -> Response:
    """All lines, however many."""
    return download(of_merchant(f"/settlements/{settlement_id}/lines.csv"))


@bp.get("/settlements/<uuid:settlement_id>/lines.xlsx")
@page_for(MANAGER)
def lines_xlsx(settlement_id: UUID) -> Response:
    """The sums and the lines for Excel."""
    return download(of_merchant(f"/settlements/{settlement_id}/lines.xlsx"))


@bp.post("/settlements/<uuid:settlement_id>/compare")
@page_for(MANAGER)
def compare(settlement_id: UUID) -> Response:
    """Hold a file of the merchant's against the lines; nothing of it is kept."""
    file = request.files.get("file")
    answer = ask(
        "POST",
        of_merchant(f"/settlements/{settlement_id}/reconciliation"),
        content=file.read() if file else b"",
        content_type="text/csv",
    )
    if answer.refused:
        return one(settlement_id, answer)
    return one(settlement_id, compared=answer.body, finding_kinds=_finding_kinds())


def _finding_kinds() -> dict[str, str]:
    return {
        "only_theirs": _("只在您的文件里"),
        "only_ours": _("只在结算单里"),
        "amount_differs": _("金额不同"),
        "time_differs": _("时间不同"),
        "duplicate": _("重复"),
    }
