"""Transfers: the proof that one is in the published log."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields

from ledgers.log.issuing import receipt
from ledgers.models import Transfer
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.auth import caller, own_holder_id, requires
from service.authorisation import FOUND, of_holders
from service.services import services

bp = Blueprint(
    "transfers", __name__, url_prefix="/v1/transfers", description="凭据 · Transfers in the log"
)


class ReceiptResponse(Schema):
    """Kept in a file, it can be checked at /verify for as long as the log is published."""

    format = fields.String(metadata={"description": "`tanhui1`; bytes are in hexadecimal"})
    transfer_id = fields.UUID()
    index = fields.Integer(metadata={"description": "of the leaf, from 0"})
    holder_id = fields.UUID()
    holder_salt = fields.String()
    record_salt = fields.String()
    record = fields.String(metadata={"description": "what the second commitment covers"})
    leaf = fields.String(metadata={"description": "the published entry"})
    proof = fields.List(
        fields.String(), metadata={"description": "hashes up to the checkpoint's root"}
    )
    checkpoint = fields.String(metadata={"description": "a C2SP signed note"})
    qr_text = fields.String(
        metadata={"description": "all but the proof, for a QR code; or behind `/verify#`"}
    )


@bp.route("/<uuid:transfer_id>/proof")
class Proof(MethodView):
    @requires("resident", "auditor", within=FOUND, acting="read")
    @bp.response(200, ReceiptResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    def get(self, transfer_id: UUID) -> Any:
        """The receipt of a transfer: of one's own, or for an auditor of a resident they reach."""
        holder_id, folder = own_holder_id(), services().log.folder
        within = None if holder_id else of_holders(caller(), Transfer.holder_id)
        return (
            services()
            .database.transact(
                lambda session: receipt(
                    session, folder, transfer_id, holder_id=holder_id, within=within
                )
            )
            .as_json()
        )
