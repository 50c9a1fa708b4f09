"""What the district itself reports: one value, or a CSV file that is taken whole or not at all."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.districts.plans.files import COLUMNS
from service.districts.plans.thousandths import thousandths
from service.language import language
from service.web.asking import Answer, ask, get
from service.web.district import READERS, WRITERS, bp, places
from service.web.district.framing import framed, not_fitting
from service.web.guards import page_for
from service.web.rendering import see_other

PAGE_ROWS = 50
REUSED = "reported-value-id-reused"  # Whoever goes back in the browser and sends another value.


@bp.get("/<string:division>/values")
@page_for(*READERS)
def values(division: str) -> Response:
    """What was entered, the latest first, each with its source."""
    chosen = request.args.get("indicator", "").strip() or None
    listed = get(
        f"/v1/districts/{division}/reported-values",
        indicator=chosen,
        limit=PAGE_ROWS,
        cursor=request.args.get("cursor") or None,
    )
    names = {code: name for code, name, _unit in _indicators(division)}
    return framed(
        "district/values.html",
        places.here(division),
        listed=listed,
        names=names,
        chosen=chosen or "",
        dones={
            "entered": _("已填报。同一指标同一时段以最后填报的为准。"),
            "uploaded": _("文件中的数据已全部填报。"),
        },
    )


@bp.get("/<string:division>/values/new")
@page_for(*WRITERS)
def new_value(division: str) -> Response:
    """The form for one value."""
    typed = {"indicator": request.args.get("indicator", ""), "id": str(uuid4())}
    return _value_form(division, typed)


@bp.post("/<string:division>/values/new")
@page_for(*WRITERS)
def enter(division: str) -> Response:
    """Enter one value, with its source and date."""
    form = {name: request.form.get(name, "").strip() for name in (*COLUMNS, "id")}
    try:
        value = thousandths(form["value"].replace(",", "").replace("，", ""))
    except ValueError:
        wrong = _("应为数字，最多三位小数，例如 44.6。")
        return _value_form(division, form, not_fitting(value=wrong))
    body = {
        "indicator": form["indicator"],
        "period": form["period"].upper(),
        "value_thousandths": value,
        "unit": next(
            (unit for code, _n, unit in _indicators(division) if code == form["indicator"]), "%"
        ),
        "source": form["source"],
        "source_date": form["source_date"],
    }
    answer = ask("PUT", f"/v1/districts/{division}/reported-values/{form['id']}", body=body)
    if answer.refused:
        return _value_form(division, form, _by_field(answer))
    return _listed(division, "entered")


@bp.get("/<string:division>/values/file")
@page_for(*WRITERS)
def new_file(division: str) -> Response:
    """The form for a file."""
    return _file_form(division, str(uuid4()))


@bp.post("/<string:division>/values/file")
@page_for(*WRITERS)
def upload(division: str) -> Response:
    """Take a file whole; or name each row that cannot be taken, and keep nothing."""
    id_, file = request.form.get("id", ""), request.files.get("file")
    if file is None or not file.filename:
        return _file_form(division, id_, not_fitting(file=_("请先选择文件。")))
    answer = ask(
        "PUT",
        f"/v1/districts/{division}/reported-value-files/{id_}",
        content=file.read(),
        content_type="text/csv",
    )
    if answer.refused:
        return _file_form(division, id_, answer, name=file.filename[:100])
    return _listed(division, "uploaded")


@bp.get("/<string:division>/values/template.csv")
@page_for(*WRITERS)
def template(division: str) -> Response:
    """The first line of a file, and a row for each indicator to be filled in."""
    lines = [",".join(COLUMNS)]
    lines += [f"{code},,,{unit},," for code, _name, unit in _indicators(division)]
    answer = Response("\ufeff" + "\r\n".join([*lines, ""]), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="reported-values.csv"'
    return answer


def _indicators(division: str) -> list[tuple[str, str, str]]:
    """Code, name and unit of what can be reported."""
    name = "name_en" if language() == "en" else "name_zh"
    found = get(f"/v1/districts/{division}/indicators")["indicators"]
    return [(one["code"], one[name], one["unit"]) for one in found]


def _value_form(division: str, form: Mapping[str, str], refused: Answer | None = None) -> Response:
    if refused and refused.kind == REUSED:
        form = {**form, "id": str(uuid4())}
    return framed(
        "district/value.html",
        places.here(division),
        status=refused.status if refused else 200,
        indicators=_indicators(division),
        form=form,
        refused=refused,
        here="district.values",
    )


def _file_form(division: str, id_: str, refused: Answer | None = None, name: str = "") -> Response:
    if refused and refused.kind == REUSED:
        id_ = str(uuid4())
    return framed(
        "district/file.html",
        places.here(division),
        status=refused.status if refused else 200,
        id=id_,
        refused=refused,
        rows=refused.body.get("rows", ()) if refused else (),
        name=name,
        indicators=_indicators(division),
        here="district.values",
    )


def _by_field(answer: Answer) -> Answer:
    """What is wrong with a value, at the fields of the form."""
    told: list[dict[str, Any]] = list(answer.body.get("errors", ()))
    told += [
        {"pointer": f"#/{row['column']}", "detail": row["detail"]}
        for row in answer.body.get("rows", ())
    ]
    for one in told:
        if one.get("pointer") == "#/value_thousandths":
            one["pointer"] = "#/value"
    return Answer(answer.status, answer.body | {"errors": told}, answer.headers, answer.content)


def _listed(division: str, done: str) -> Response:
    return see_other(url_for("district.values", division=division, done=done))
