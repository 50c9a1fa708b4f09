"""Jobs: how each stands, and its runs."""

import re
from typing import Any
from urllib.parse import quote

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import ask
from service.web.desk import bp
from service.web.desk.shapes import Note, Table
from service.web.desk.showing import page, rows_of
from service.web.desk.words import label
from service.web.guards import page_for


@bp.get("/jobs")
@page_for("operator")
def jobs() -> Response:
    """All jobs, those that did not succeed first."""
    answer = ask("GET", "/v1/jobs")
    if answer.refused:
        return page(_("后台任务"), Note(_("后台任务只有负责全部项目的运营人员可以查看。")))
    found = answer.body
    lease = found["lease"]
    rows = [_flat(one) for one in found["jobs"]]
    rows.sort(key=lambda row: (row["last_outcome"] in (None, "done", "running"), row["name"]))
    runner = (
        Note(_("正在运行的进程：%(name)s", name=lease["runner"]), "done")
        if lease
        else Note(_("现在没有进程在运行后台任务，请启动 tanhui jobs run。"), "refused")
    )
    columns = [
        ("title", _("任务")),
        ("name", _("代码")),
        ("trigger", _("运行时间")),
        *((each, label(each)) for each in _STANDING.split()),
    ]
    return page(
        _("后台任务"),
        runner,
        Table(_("任务"), columns, rows, link=lambda one: url_for("desk.job", name=one["name"])),
    )


@bp.get("/jobs/<string:name>")
@page_for("operator")
def job(name: str) -> Response:
    """The runs of one job."""
    rows, more = rows_of(f"/v1/jobs/{quote(name)}/runs", "runs")
    return page(
        name,
        Table(
            _("运行记录，没有事可做的不记"),
            "started_at ended_at outcome counts error by_hand runner",
            rows,
            empty=_("还没有运行记录。"),
            next_cursor=more,
        ),
        at="desk.jobs",
        back=(url_for("desk.jobs"), _("后台任务")),
    )


_TIME_OF_DAY = re.compile("[0-9]{2}:[0-9]{2}")
_STANDING = "last_outcome last_ended_at next_run_at running_since"


def _flat(one: dict[str, Any]) -> dict[str, Any]:
    last, trigger = one["last"] or {}, one["trigger"]
    if _TIME_OF_DAY.search(trigger):  # By the job's own clock, while instants are by Beijing's.
        trigger = f"{trigger} {one['zone']}"
    return one | {
        "trigger": trigger,
        "last_outcome": last.get("outcome"),
        "last_ended_at": last.get("ended_at"),
    }
