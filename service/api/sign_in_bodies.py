"""What signing up and in takes and answers."""

from datetime import UTC, date, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from service.api.signed_in import TokensResponse
from service.api.wire import Code, Line
from service.identity.logins import oidc, phones, signing_up
from service.identity.logins.slips import SLIP_MAX
from service.identity.profile import NAME_LENGTH_MAX
from service.login_settings import VERSION_MAX

_OUTSIDE_CODE = r"^[\x21-\x7e]{1,512}\Z"


class Phone(fields.String):
    """A phone as typed, in E.164 from here on."""

    default_error_messages = {"phone": "Not a phone."}  # noqa: RUF012 - marshmallow's way.

    def __init__(self, *, required: bool = True) -> None:
        says = "as typed: `138 0013 8000`, `+86 138-0013-8000`, or abroad with `+` and country code"
        longest = validate.Length(1, phones.TYPED_MAX)
        super().__init__(required=required, validate=longest, metadata={"description": says})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        typed = super()._deserialize(value, *args, **kwargs)
        try:
            return phones.e164(typed[: phones.TYPED_MAX + 1])
        except ValueError:
            raise self.make_error("phone") from None


def _pattern(regexp: str, error: str, says: str, **more: str) -> fields.String:
    found = validate.Regexp(regexp, error=error)
    return fields.String(required=True, validate=found, metadata={"description": says, **more})


def _six_digits() -> fields.String:
    return _pattern(r"^[0-9]{6}\Z", "Not six digits.", "of the message", example="492039")


def _outside_code(says: str) -> fields.String:
    return _pattern(_OUTSIDE_CODE, "Not a text.", says, example="0a3Fk2000dEf8K1gHi000JkL1M")


def _slip(says: str) -> fields.String:
    longest = validate.Length(1, SLIP_MAX)
    return fields.String(required=True, validate=longest, metadata={"description": says})


def _born(value: date) -> None:
    if not signing_up.BORN_FROM <= value <= datetime.now(UTC).date():
        raise ValidationError("Not a date of birth.")


class _Device(Schema):
    device_name = Line(
        required=True,
        length_max=100,
        metadata={"description": "as the list of sessions shows it, such as `iPhone 17`"},
    )


class PhoneCodeRequest(Schema):
    phone = Phone()


class PhoneCodeResponse(Schema):
    code_expires_in_s = fields.Integer(metadata={"description": "how long the code is good"})
    resend_after_s = fields.Integer(metadata={"description": "no other is sent before"})


class PhoneSignInRequest(_Device):
    phone = Phone()
    code = _six_digits()


class WeChatSignInRequest(_Device):
    code = _outside_code("of `wx.login`; good once")


class OidcStartRequest(Schema):
    redirect_url = fields.String(
        required=True,
        validate=validate.Length(1, 500),
        metadata={"description": "the app's, one of those registered with this service"},
    )
    app_challenge = _pattern(
        oidc.CHALLENGE,
        "Not a PKCE challenge.",
        "base64url SHA-256 of an `app_verifier` that the app makes and keeps",
    )


class OidcStartResponse(Schema):
    authorization_url = fields.String(metadata={"description": "the page to open in a browser"})
    state = fields.String(metadata={"description": "to be handed in with the code"})
    expires_in_s = fields.Integer(metadata={"description": "of the state"})


class OidcFinishRequest(_Device):
    code = _outside_code("as the provider gave it to `redirect_url`")
    state = _slip("as the provider gave it back; good once")
    app_verifier = _pattern(
        oidc.VERIFIER, "Not a PKCE verifier.", "what `app_challenge` was made of"
    )


class SignedInResponse(Schema):
    tokens = fields.Nested(
        TokensResponse, metadata={"description": "where somebody has this phone or outside id"}
    )
    sign_up_token = fields.String(
        metadata={"description": "where nobody has: for `POST /v1/auth/sign-up`"}
    )
    sign_up_token_expires_in_s = fields.Integer()


class SignUpRequest(_Device):
    sign_up_token = _slip("of a sign-in that nobody has")
    programme = Code(required=True)
    division = Code(required=True, metadata={"description": "code of the town they live in"})
    birth_on = fields.Date(
        required=True,
        validate=_born,
        metadata={"description": "under 14 a guardian registers the child"},
    )
    name = Line(length_max=NAME_LENGTH_MAX, load_default="")
    terms_version = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, VERSION_MAX),
        metadata={"description": "of the terms that were read and agreed to"},
    )


class SignInMethodsResponse(Schema):
    phone = fields.Boolean(metadata={"description": "by a code sent to a phone"})
    wechat = fields.Boolean(metadata={"description": "by a WeChat mini-program"})
    oidc = fields.Boolean(metadata={"description": "by the city's single sign-on"})
    terms_version = fields.Integer(metadata={"description": "of the terms in force"})


class PhoneChangeRequest(Schema):
    phone = Phone()
    code = _six_digits()


class PhoneChangeResponse(Schema):
    ends_in = fields.String(metadata={"description": "the last four digits of the phone"})
