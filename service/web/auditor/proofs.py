"""That a transfer is in the published log: shown here, checked in the reader's browser."""

import json
from uuid import UUID

from flask import Response

from service.web.asking import ask, get
from service.web.auditor import bp
from service.web.guards import page_for
from service.web.rendering import render


@bp.get("/transfers/<uuid:transfer_id>/proof")
@page_for("auditor")
def proof(transfer_id: UUID) -> Response:
    """The proof's hashes and its checkpoint; or why there is none."""
    answer = ask("GET", f"/v1/transfers/{transfer_id}/proof")
    if answer.status in (409, 410):
        problem = answer.body
        return render(
            "auditor/no_proof.html", status=answer.status, problem=problem, id=transfer_id
        )
    receipt = get(f"/v1/transfers/{transfer_id}/proof") if answer.refused else answer.body
    origin, size, root = receipt["checkpoint"].split("\n")[:3]
    return render("auditor/proof.html", receipt=receipt, origin=origin, size=int(size), root=root)


@bp.get("/transfers/<uuid:transfer_id>/receipt.json")
@page_for("auditor")
def receipt(transfer_id: UUID) -> Response:
    """The receipt as a file, to be checked anywhere for as long as the log is published."""
    found = get(f"/v1/transfers/{transfer_id}/proof")
    answer = Response(json.dumps(found, indent=1), content_type="application/json")
    name = f"receipt-{transfer_id}.json"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
