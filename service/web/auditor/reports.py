"""District reports as they were issued: hash, signature, files."""

from flask import Response

from service.web.asking import Refused, ask, download
from service.web.auditor import bp
from service.web.auditor.filters import listed, typed
from service.web.guards import page_for
from service.web.rendering import render

SHAPES = ("pdf", "xlsx", "csv", "html", "json")


@bp.get("/reports")
@page_for("auditor")
def reports() -> Response:
    """The reports of a district, whose code is typed."""
    form, found = typed("division"), None
    if form["division"]:
        found = listed(f"/v1/districts/{form['division']}/reports", "reports", {})
    return render(
        "auditor/reports.html", status=found.status if found else 200, found=found, form=form
    )


@bp.get("/reports/<string:division>/<string:period>")
@page_for("auditor")
def report(division: str, period: str) -> Response:
    """One report: what was signed, by which key."""
    version = typed("version")["version"] or None
    answer = ask("GET", f"/v1/districts/{division}/reports/{period}", query={"version": version})
    if answer.refused:
        raise Refused(answer)
    return render("auditor/report.html", report=answer.body, shapes=SHAPES)


@bp.get("/reports/<string:division>/<string:period>/file/<string:shape>")
@page_for("auditor")
def report_file(division: str, period: str, shape: str) -> Response:
    """The report as it was issued, always the same bytes."""
    version = typed("version")["version"] or None
    return download(f"/v1/districts/{division}/reports/{period}.{shape}", version=version)
