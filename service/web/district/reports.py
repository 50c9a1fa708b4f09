"""Reports as they were issued: listed, read, downloaded; issued, and issued again with a reason."""

from collections.abc import Mapping

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.districts.spans import span_of
from service.language import language
from service.web.asking import Answer, ask, download, get
from service.web.district import READERS, WRITERS, bp, places, words
from service.web.district.framing import framed, not_fitting
from service.web.district.spans import last_month
from service.web.guards import page_for
from service.web.rendering import see_other

PAGE_ROWS = 50
DIFFERENCES_MAX = 200  # Shown on the page; the files have all.


@bp.get("/<string:division>/reports")
@page_for(*READERS)
def reports(division: str) -> Response:
    """The latest version of each period; and, for who may, a form to issue another period."""
    return _list(division, request.args.get("period", "").strip())


@bp.post("/<string:division>/reports")
@page_for(*WRITERS)
def issue(division: str) -> Response:
    """Issue a period's first version; where it is there already, it is shown."""
    period = request.form.get("period", "").strip().upper()
    if not _is_period(period):
        wrong = _("写作 2026-10（月）、2026-Q3（季度）或 2026（年）。")
        return _list(division, period, not_fitting(period=wrong))
    answer = ask("PUT", f"/v1/districts/{division}/reports/{period}/versions/1", body={})
    if answer.refused:
        return _list(division, period, answer)
    return _to_report(division, period, "issued")


@bp.get("/<string:division>/reports/<string:period>")
@page_for(*READERS)
def report(division: str, period: str) -> Response:
    """A version: what was signed, its figures by part and behaviour, what changed before it."""
    return _one(division, period, {})


@bp.post("/<string:division>/reports/<string:period>")
@page_for(*WRITERS)
def issue_again(division: str, period: str) -> Response:
    """Issue the next version, with its reason."""
    form = {name: request.form.get(name, "") for name in ("version", "reason")}
    version = form["version"] if form["version"].isdecimal() else "0"
    path = f"/v1/districts/{division}/reports/{period}/versions/{version}"
    answer = ask("PUT", path, body={"reason": " ".join(form["reason"].split())})
    if answer.refused:
        return _one(division, period, form, answer)
    return _to_report(division, period, "reissued")


@bp.get("/<string:division>/reports/<string:period>/file/<string:shape>")
@page_for(*READERS)
def report_file(division: str, period: str, shape: str) -> Response:
    """The report as it was issued, always the same bytes."""
    version = request.args.get("version") or None
    return download(f"/v1/districts/{division}/reports/{period}.{shape}", version=version)


def _list(division: str, period: str, refused: Answer | None = None) -> Response:
    cursor = request.args.get("cursor") or None
    return framed(
        "district/reports.html",
        places.here(division),
        status=refused.status if refused else 200,
        listed=get(f"/v1/districts/{division}/reports", limit=PAGE_ROWS, cursor=cursor),
        form={"period": period or last_month()},
        refused=refused,
        here="district.reports",
    )


def _one(
    division: str, period: str, form: Mapping[str, str], refused: Answer | None = None
) -> Response:
    path = f"/v1/districts/{division}/reports/{period}"
    found = get(path, version=request.args.get("version") or None)
    content = found["content"]
    name = "name_en" if language() == "en" else "name_zh"
    return framed(
        "district/report.html",
        places.here(division),
        status=refused.status if refused else 200,
        report=found,
        content=content,
        latest=get(path)["version"] if "version" in request.args else found["version"],
        form=form,
        refused=refused,
        of=words.measure(),
        cells={(row["town_code"], row["behaviour_code"]): row for row in content["by_town"]},
        totals={row["behaviour_code"]: row for row in content["by_behaviour"]},
        town_totals={row["town_code"]: row for row in content["town_totals"]},
        towns={each["code"]: each["name"] for each in content["towns"]},
        behaviours={each["code"]: each[name] for each in content["behaviours"]},
        differences=content["differences"][:DIFFERENCES_MAX],
        here="district.reports",
        dones={
            "issued": _("报告已出具，以后不会再改动。"),
            "reissued": _("新的一版已出具；以前的版本照旧保留。"),
        },
    )


def _is_period(typed: str) -> bool:
    try:
        span_of(typed)
    except ValueError:
        return False
    return True


def _to_report(division: str, period: str, done: str) -> Response:
    where = url_for("district.report", division=division, period=period, done=done)
    return see_other(where)
