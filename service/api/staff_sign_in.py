"""Staff and merchants' clerks: enrolment, signing in, one's own password and recovery codes."""

from datetime import UTC, datetime
from typing import Any

from flask import request
from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.signed_in import TokensResponse, tokens_answer
from service.api.wire import Code, Line
from service.auth import caller, public, requires
from service.identity.staff import invitations
from service.identity.staff.passwords import LENGTH_MAX
from service.identity.staff.signing_in import (
    Here,
    Shown,
    Wanted,
    change_password,
    count_address,
    grant_told,
    renew_recovery_codes,
    sign_in,
)
from service.identity.tokens import STAFF_ROLES
from service.limits import limited
from service.services import services

bp = Blueprint(
    "staff_sign_in", __name__, url_prefix="/v1", description="工作人员登录 · Staff sign in"
)


class Secret(fields.String):
    """Typed by somebody, and never told back."""

    def __init__(self, *, length_max: int = LENGTH_MAX, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, length_max), load_only=True, **kwargs)


class StaffSignInRequest(Schema):
    login = Code(required=True, metadata={"example": "li.na"})
    password = Secret(required=True)
    totp = Secret(length_max=16, metadata={"description": "six digits of the authenticator"})
    recovery_code = Secret(length_max=32, metadata={"description": "in its place; good once"})
    grant_id = fields.UUID(metadata={"description": "which of one's grants, if there are several"})
    device_name = Line(length_max=100, required=True, metadata={"example": "前台电脑"})

    @validates_schema
    def _one_factor(self, data: dict[str, Any], **_: Any) -> None:
        if ("totp" in data) == ("recovery_code" in data):
            raise ValidationError("Send either totp or recovery_code.")


class GrantedResponse(Schema):
    id = fields.UUID()
    role = fields.String()
    programme = fields.String(metadata={"description": "its code, or `*` for every programme"})
    scope = fields.String(
        metadata={"description": "the merchant's id, the partner's code or a division; empty: all"}
    )


class StaffTokensResponse(TokensResponse):
    grants = fields.List(
        fields.Nested(GrantedResponse),
        metadata={"description": "all of one's grants; `POST /v1/auth/refresh` changes to another"},
    )
    recovery_codes_left = fields.Integer(metadata={"description": "not used yet, of ten"})


class EnrolmentRequest(Schema):
    invitation = fields.String(required=True, validate=validate.Length(1, 100))
    password = Secret(required=True, metadata={"description": "12 to 128 characters"})


class EnrolmentResponse(Schema):
    otpauth_uri = fields.String(metadata={"description": "for the authenticator, as a QR code"})
    secret = fields.String(metadata={"description": "the same, to type in: base32"})


class ConfirmationRequest(EnrolmentRequest):
    totp = Secret(length_max=16, required=True)


class RecoveryCodesResponse(Schema):
    recovery_codes = fields.List(
        fields.String(), metadata={"description": "ten, each good once; told this once"}
    )


class NewPasswordRequest(Schema):
    password = Secret(required=True)
    new_password = Secret(required=True, metadata={"description": "12 to 128 characters"})
    totp = Secret(length_max=16, required=True)


class RecoveryCodesRequest(Schema):
    password = Secret(required=True)
    totp = Secret(length_max=16, required=True)


@bp.route("/auth/staff")
class StaffSignIn(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(StaffSignInRequest)
    @bp.response(200, StaffTokensResponse)
    @bp.alt_response(401, schema=ProblemResponse, description="`sign-in-refused`")
    @bp.alt_response(403, schema=ProblemResponse, description="`no-grant`")
    @bp.alt_response(409, schema=ProblemResponse, description="`grant-not-chosen`")
    @bp.alt_response(429, schema=ProblemResponse, description="`too-many-requests`")
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in. Whatever is wrong is answered alike; a code is good once."""
        now, login = datetime.now(UTC), body["login"].lower()
        shown = Shown(login, body["password"], body.get("totp"), body.get("recovery_code"))
        wanted = Wanted(body.get("grant_id"), body["device_name"], request.remote_addr or "")
        found = sign_in(services(), shown, wanted, now=now)
        return tokens_answer(found.caller, found.begun, now=now) | {
            "grants": [grant_told(each) for each in found.grants],
            "recovery_codes_left": found.recovery_codes_left,
        }


@bp.route("/auth/staff/enrolment")
class Enrolment(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(EnrolmentRequest)
    @bp.response(200, EnrolmentResponse)
    @bp.alt_response(404, schema=ProblemResponse, description="`unknown-invitation`")
    @bp.alt_response(422, schema=ProblemResponse, description="`password-not-good`")
    def post(self, body: dict[str, str]) -> invitations.Begun:
        """Set a password by an invitation. The same again tells the same secret until confirmed."""
        now = datetime.now(UTC)
        count_address(services(), request.remote_addr or "", now=now)
        return invitations.begin(services(), **body, now=now)


@bp.route("/auth/staff/enrolment/confirmation")
class Confirmation(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(ConfirmationRequest)
    @bp.response(200, RecoveryCodesResponse)
    @bp.alt_response(401, schema=ProblemResponse, description="`sign-in-refused`")
    @bp.alt_response(404, schema=ProblemResponse, description="`unknown-invitation`")
    def put(self, body: dict[str, str]) -> dict[str, Any]:
        """Show password and authenticator together: the invitation ends, recovery codes are told.

        Whose answer was lost signs in and has new recovery codes made.
        """
        now = datetime.now(UTC)
        count_address(services(), request.remote_addr or "", now=now)
        return {"recovery_codes": invitations.confirm(services(), **body, now=now)}


@bp.route("/me/password")
class OwnPassword(MethodView):
    @requires(*STAFF_ROLES)
    @bp.arguments(NewPasswordRequest)
    @bp.response(204)
    def put(self, body: dict[str, str]) -> None:
        """Change my password; my other sessions end. The same again is refused: it is done."""
        shown = Shown(caller().subject, body["password"], body["totp"])
        change_password(services(), shown, body["new_password"], _here(), now=datetime.now(UTC))


@bp.route("/me/recovery-codes")
class OwnRecoveryCodes(MethodView):
    @requires(*STAFF_ROLES)
    @bp.arguments(RecoveryCodesRequest)
    @bp.response(201, RecoveryCodesResponse)
    def post(self, body: dict[str, str]) -> dict[str, Any]:
        """Ten new recovery codes; those before are good no longer."""
        shown = Shown(caller().subject, body["password"], body["totp"])
        codes = renew_recovery_codes(services(), shown, _here(), now=datetime.now(UTC))
        return {"recovery_codes": codes}


def _here() -> Here:
    return Here(caller().session_id, request.remote_addr or "")
