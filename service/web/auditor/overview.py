"""Where the auditor begins, and what each programme owes."""

from flask import Response

from service.authorisation import reaches_all, reaches_programme
from service.services import services
from service.web import towns
from service.web.asking import ask, get
from service.web.auditor import bp, words
from service.web.guards import page_caller, page_for
from service.web.rendering import render


@bp.get("")
@page_for("auditor")
def home() -> Response:
    """The log, the last audit, and the programmes; a grant of one programme sees its own."""
    everything = reaches_all(page_caller())
    newest = get("/v1/audit/checkpoints", limit=1)["checkpoints"] if everything else []
    audits = get("/v1/audits", limit=1)["audits"] if everything else []
    programmes = [
        one
        for one in services().database.transact(towns.programmes)
        if reaches_programme(page_caller(), one.code)
    ]
    return render(
        "auditor/home.html",
        everything=everything,
        newest=newest[0] if newest else None,
        audit=audits[0] if audits else None,
        words=words,
        programmes=[(one, get(f"/v1/programmes/{one.code}/liability")) for one in programmes],
    )


@bp.get("/programmes/<string:code>")
@page_for("auditor")
def programme(code: str) -> Response:
    """A programme's points by month of their end, what its offers could cost, its own accounts."""
    known = {one.code: one for one in services().database.transact(towns.programmes)}
    liability = get(f"/v1/programmes/{code}/liability")
    return render(
        "auditor/programme.html",
        programme=known[code],
        liability=liability,
        rewards=get(f"/v1/programmes/{code}/rewards-liability"),
        audited=_audited(code),
        words=words,
    )


def _audited(code: str) -> dict[str, object] | None:
    """The programme's own accounts as the last audit that ended had them; None: there is none."""
    listed = ask("GET", "/v1/audits", query={"limit": 10})
    for one in [] if listed.refused else listed.body["audits"]:
        if one["state"] in ("clean", "drift"):
            whole = get(f"/v1/audits/{one['id']}")
            own = [row for row in whole["system_accounts"] if row["programme"] == code]
            return {"audit": one, "accounts": own}
    return None
