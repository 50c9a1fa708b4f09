"""The household: what the baseline of its electricity depends on."""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import today
from service.web.resident.plainly import plainly


@bp.get("/household")
@my_page
def household() -> Response:
    """What was declared, and the form for a change."""
    return _page()


@bp.post("/household")
@my_page
def declare() -> Response:
    """Declare it from a day on."""
    form = request.form
    body: dict[str, Any] = {name: form.get(name, "") for name in ("valid_from", "moved_in_on")}
    body |= {name: _number(form.get(name, "")) for name in ("persons", "tier")}
    body["solar"] = form.get("solar") == "yes"
    done = ask("PUT", "/v1/household", body=body)
    if done.refused:
        return _page(done)
    return see_other(url_for(".household", done="declared"))


def _page(refused: Answer | None = None) -> Response:
    found = get("/v1/household")["households"]
    names = {
        "valid_from": _("“从哪一天起”"),
        "persons": _("“几个人住”"),
        "moved_in_on": _("“哪一天入住”"),
        "tier": _("“电价第几档”"),
    }
    return render(
        "resident/household.html",
        status=refused.status if refused else 200,
        declared=found,
        this_day=today(),
        refused=plainly(refused, names=names),
        form=request.form,
        dones={"declared": _("已经申报，从所填的日期起算。")},
    )


def _number(written: str) -> int | str:
    """What the API then refuses, it names."""
    return int(written) if written.isdecimal() and len(written) < 9 else written
