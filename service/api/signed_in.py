"""What everybody gets who signs in: an access token, and a refresh token that brings the next."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields

from service.identity.logins.sessions import Begun
from service.identity.tokens import LIFETIME, Caller
from service.services import services


class TokensResponse(Schema):
    access_token = fields.String(metadata={"description": "for `Authorization: Bearer`"})
    token_type = fields.String(metadata={"description": "always `Bearer`"})
    expires_in_s = fields.Integer(metadata={"description": "of the access token, in seconds"})
    refresh_token = fields.String(
        metadata={"description": "for `POST /v1/auth/refresh`, once; keep it secret"}
    )
    session_id = fields.UUID()


def tokens_answer(caller: Caller, begun: Begun, *, now: datetime) -> dict[str, Any]:
    """The tokens of a session that was just begun or carried on, for ``caller``.

    To be made after the transaction: a token given out for what was not written would be a lie.
    """
    caller = replace(caller, session_id=str(begun.session_id))
    return {
        "access_token": services().tokens.issue(caller, now=now),
        "token_type": "Bearer",
        "expires_in_s": int(LIFETIME.total_seconds()),
        "refresh_token": begun.refresh_token,
        "session_id": begun.session_id,
    }
