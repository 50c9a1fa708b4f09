"""Files of merchants' own codes: received into a temporary file, then loaded whole or not."""

import tempfile
from datetime import UTC, datetime
from typing import Any, BinaryIO
from uuid import UUID

from flask import request
from flask.views import MethodView
from sqlalchemy.orm import Session

from service.api.offer_bodies import CodeFileResponse
from service.api.resources import Blueprint
from service.auth import actor, requires
from service.authorisation import MERCHANT
from service.offers import acts
from service.services import services

BODY_MAX_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 1 << 16

bp = Blueprint(
    "code_files",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>/code-files",
    description="券码池 · Merchants' own codes",
)
_FILE = {"schema": {"type": "string"}, "example": "CINEMA-0001\nCINEMA-0002\n"}


@bp.route("/<uuid:file_id>")
class CodeFile(MethodView):
    @requires("merchant_manager", "operator", within=MERCHANT, key_scope="offers")
    @bp.doc(
        requestBody={
            "description": "A code a line, at most 64 characters each, 200,000 and 16 MiB in all;"
            " UTF-8 or GB 18030. A table's column `code` is taken.",
            "required": True,
            "content": {"text/plain": _FILE, "text/csv": _FILE},
        }
    )
    @bp.response(201, CodeFileResponse)
    def put(self, merchant_id: UUID, offer_id: UUID, file_id: UUID) -> Any:
        """Load a file of codes; the same file under the same id is a retry.

        What cannot be read is refused with its line, and nothing is loaded.
        """
        request.max_content_length = BODY_MAX_BYTES
        now, who, codes = datetime.now(UTC), actor(), services().codes
        with tempfile.TemporaryFile() as file:
            _receive(file)

            def work(session: Session) -> Any:
                return acts.load_codes(
                    session, who, merchant_id, offer_id, file_id, file, codes=codes, now=now
                )

            return services().database.transact(work)


def _receive(file: BinaryIO) -> None:
    while block := request.stream.read(_BLOCK_BYTES):
        file.write(block)
