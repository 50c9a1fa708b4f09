"""Oneself: what is kept about me, and who read it."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.api.resources import Blueprint
from service.api.wire import Cursor, Line
from service.auth import caller, caller_holder_id, requires
from service.identity import profile, reads
from service.identity.logins.signing_up import BORN_FROM
from service.identity.vault import Reader
from service.services import services

bp = Blueprint("profile", __name__, url_prefix="/v1/me", description="个人资料 · Oneself")
_PLACE = ("id",)


class ProfileRequest(Schema):
    name = Line(length_max=profile.NAME_LENGTH_MAX, required=True)
    birth_on = fields.Date(
        format="iso",
        validate=validate.Range(min=BORN_FROM),
        metadata={"description": "stated once; left out, it stays as it is"},
    )


class ProfileResponse(Schema):
    holder_id = fields.UUID()
    programme = fields.String(metadata={"description": "code of the programme"})
    division = fields.String(metadata={"description": "code of the town they live in"})
    joined_at = fields.AwareDateTime(format="iso")
    registered_at = fields.AwareDateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "since when personal data are kept; null: none are"},
    )
    name = fields.String(allow_none=True)
    phone = fields.String(
        allow_none=True,
        metadata={"description": "masked, as 138****5678", "example": "138****5678"},
    )
    birth_on = fields.Date(allow_none=True)
    real_name_verified = fields.Boolean(metadata={"description": "by an outside verifier"})
    minor = fields.Boolean(metadata={"description": "under fourteen"})
    terms_version = fields.Integer(
        allow_none=True, metadata={"description": "of the privacy text agreed to"}
    )


class ReadResponse(Schema):
    read_at = fields.AwareDateTime(format="iso")
    reader = fields.String(
        metadata={"description": "who: self, a guardian's holder id, a login, or a part of ours"}
    )
    role = fields.String(metadata={"description": "of the reader"})
    fields_read = fields.List(fields.String(), attribute="fields", data_key="fields")
    purpose = fields.String(metadata={"description": "what for"})


class ReadsQuery(Schema):
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class ReadsResponse(Schema):
    reads = fields.List(fields.Nested(ReadResponse))
    next_cursor = Cursor(_PLACE, allow_none=True)


@bp.route("")
class Me(MethodView):
    @requires("resident")
    @bp.response(200, ProfileResponse)
    def get(self) -> profile.Profile:
        """What is kept about me; the phone is masked. Recorded among the reads once a day."""
        return services().database.transact(_told)

    @requires("resident")
    @bp.arguments(ProfileRequest)
    @bp.response(200, ProfileResponse)
    def put(self, body: dict[str, Any]) -> profile.Profile:
        """State my name, and once my birth date. The same again changes nothing.

        Another name than the one that was verified is not verified any more.
        """
        now, holder_id, keyring = datetime.now(UTC), caller_holder_id(), services().keyring

        def put(session: Session) -> profile.Profile:
            profile.say(
                session,
                keyring,
                holder_id,
                name=body["name"].strip(),
                birth_on=body.get("birth_on"),
                reader=_reader(),
                now=now,
            )
            return _told(session)

        return services().database.transact(put)


@bp.route("/reads")
class Reads(MethodView):
    @requires("resident")
    @bp.arguments(ReadsQuery, location="query")
    @bp.response(200, ReadsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Who read which of my data, when and what for, the newest first."""
        holder_id, limit = caller_holder_id(), query["limit"]
        (before,) = query.get("cursor", (None,))
        rows = services().database.transact(
            lambda s: reads.reads(s, holder_id, before=before, limit=limit + 1)
        )
        more = len(rows) > limit
        return {"reads": rows[:limit], "next_cursor": rows[limit - 1].id if more else None}


def _told(session: Session) -> profile.Profile:
    now, keyring, holder_id = datetime.now(UTC), services().keyring, caller_holder_id()
    return profile.profile(session, keyring, holder_id, reader=_reader(), now=now)


def _reader() -> Reader:
    """Oneself, or the guardian who acts; a phone asks often, so once a day is recorded."""
    if actor := caller().actor:
        return Reader(actor, "guardian", "profile", daily=True)
    return Reader(reads.SELF, "resident", "profile", daily=True)
