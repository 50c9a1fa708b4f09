"""Everything that is held about me, in one file."""

from datetime import UTC, datetime

from flask import Response, stream_with_context
from flask.views import MethodView

from service.api.resources import Blueprint
from service.auth import caller, caller_holder_id, requires
from service.identity.archive import archive
from service.identity.exporting import Whose, open_values
from service.identity.vault import Reader
from service.limits import limited
from service.services import services

ZIP = "application/zip"
bp = Blueprint("export", __name__, url_prefix="/v1/me/export", description="导出 · Export")


@bp.route("")
class Export(MethodView):
    @limited("export")
    @requires("resident")
    @bp.response(200, {"type": "string", "format": "binary"}, content_type=ZIP)
    def get(self) -> Response:
        """All that is held about me, or as guardian about a child: files for machines in one zip.

        README.txt says what each file is, manifest.json how many records it has.
        """
        parts, holder_id, now = services(), caller_holder_id(), datetime.now(UTC)
        reader = Reader(caller().actor or caller().subject, "resident", "export")
        values = parts.database.transact(
            lambda session: open_values(session, parts.keyring, holder_id, reader=reader, now=now)
        )
        whose = Whose(holder_id, values, parts.codes)
        made = archive(parts.database.snapshot, whose, now=now)
        answer = Response(stream_with_context(made), content_type=ZIP)
        name = f"tanhui-{now:%Y%m%d}.zip"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        answer.headers["Cache-Control"] = "no-store"
        return answer
