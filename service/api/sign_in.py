"""Signing up and in: by a phone's code, by WeChat, by the city's single sign-on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Response, request
from flask.views import MethodView
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.sign_in_bodies import (
    OidcFinishRequest,
    OidcStartRequest,
    OidcStartResponse,
    PhoneChangeRequest,
    PhoneChangeResponse,
    PhoneCodeRequest,
    PhoneCodeResponse,
    PhoneSignInRequest,
    SignedInResponse,
    SignInMethodsResponse,
    SignUpRequest,
    WeChatSignInRequest,
)
from service.api.signed_in import TokensResponse, tokens_answer
from service.auth import acting_name, caller_holder_id, public, requires
from service.identity.logins import phone_codes, phones, signing_up
from service.identity.logins.signing_in import RESIDENT, Proof, SignedIn, sign_in
from service.identity.tokens import Caller
from service.language import Text, chosen
from service.limits import limited
from service.services import services

bp = Blueprint("sign_in", __name__, url_prefix="/v1", description="登录 · Sign in")
T = TypeVar("T")
_CODE_TEXT = Text(
    "【碳惠】验证码 {code}，5 分钟内有效。请勿告诉他人。",
    "[Tanhui] {code} is your code for 5 minutes. Tell it to nobody.",
)


@bp.after_request
def _kept_by_nobody(answer: Response) -> Response:
    """What holds tokens is no cache's business."""
    if request.method != "GET":
        answer.headers["Cache-Control"] = "no-store"
    return answer


def refuses(*statuses: int) -> Callable[[T], T]:
    """Tell the API's document of these refusals."""

    def decorate(view: T) -> T:
        for status in statuses:
            view = bp.alt_response(status, schema=ProblemResponse)(view)
        return view

    return decorate


@bp.route("/auth/methods")
class Methods(MethodView):
    @public
    @bp.response(200, SignInMethodsResponse)
    def get(self) -> dict[str, Any]:
        """The ways to sign in that are offered here, and the version of the terms in force."""
        found = services().logins
        return {
            "phone": found.offered_sender is not None,
            "wechat": found.offered_wechat is not None,
            "oidc": found.offered_oidc is not None,
            "terms_version": found.terms_version,
        }


@bp.route("/auth/phone-codes")
class PhoneCodes(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(PhoneCodeRequest)
    @bp.response(202, PhoneCodeResponse)
    @refuses(404, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a code of six digits to a phone. Asking again sends another, and only that is good.

        The answer is the same whether or not anybody has the phone.
        """
        found, text = services().logins, chosen(_CODE_TEXT)
        phone_codes.send_code(
            found.codes,
            services().attempts,
            found.sender,
            body["phone"],
            lambda code: text.format(code=code),
            from_address=_address(),
            now=datetime.now(UTC),
        )
        return {
            "code_expires_in_s": phone_codes.LIFETIME_S,
            "resend_after_s": phone_codes.RESEND_AFTER_S,
        }


@bp.route("/auth/phone")
class PhoneSignIn(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(PhoneSignInRequest)
    @bp.response(200, SignedInResponse)
    @refuses(401, 404, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in with the code that was sent; it is good once, and for five tries."""
        proof = Proof(phones.SOURCE, (body["phone"],))
        return _with_code(body, lambda: _signed_in(proof, body["device_name"]))


@bp.route("/auth/wechat")
class WeChatSignIn(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(WeChatSignInRequest)
    @bp.response(200, SignedInResponse)
    @refuses(401, 403, 404, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in from a WeChat mini-program. After a 503 begin with a new `wx.login`."""
        return _signed_in(services().logins.wechat.proof(body["code"]), body["device_name"])


@bp.route("/auth/oidc/start")
class OidcStart(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(OidcStartRequest)
    @bp.response(200, OidcStartResponse)
    @refuses(404, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Begin to sign in with the city's single sign-on."""
        found = services().logins.oidc
        started = found.start(body["redirect_url"], body["app_challenge"], now=datetime.now(UTC))
        return {
            "authorization_url": started.authorization_url,
            "state": started.state,
            "expires_in_s": found.lifetime_s,
        }


@bp.route("/auth/oidc/finish")
class OidcFinish(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(OidcFinishRequest)
    @bp.response(200, SignedInResponse)
    @refuses(401, 404, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in with what the city's single sign-on gave the app."""
        proof = services().logins.oidc.finish(
            body["code"], body["state"], body["app_verifier"], now=datetime.now(UTC)
        )
        return _signed_in(proof, body["device_name"])


@bp.route("/auth/sign-up")
class SignUp(MethodView):
    @public
    @limited("sign-in")
    @bp.arguments(SignUpRequest)
    @bp.response(201, TokensResponse)
    @refuses(401, 403, 404, 409, 410, 429)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take part in a programme. Sending it again is safe: the same person, a new session."""
        now, device_name = datetime.now(UTC), body.pop("device_name")
        found = services().logins
        slip = signing_up.read_slip(found.sign_ups, body.pop("sign_up_token"), now=now)
        wanted, address = signing_up.NewPerson(**body), _address()
        done = services().database.transact(
            lambda session: signing_up.sign_up(
                session,
                services().keyring,
                slip,
                wanted,
                terms_version=found.terms_version,
                device_name=device_name,
                from_address=address,
                now=now,
            )
        )
        return _tokens(done, now=now)


@bp.route("/me/phone")
class OwnPhone(MethodView):
    @requires("resident", fresh=True)
    @bp.arguments(PhoneChangeRequest)
    @bp.response(200, PhoneChangeResponse)
    @refuses(404, 410, 429)
    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let a phone be mine, in place of the one before, with a code that was sent to it; as a
        guardian my child's, who signs in with it from then on.

        Sending it again is safe: what is mine already needs no other code.
        """
        holder_id, address, now = caller_holder_id(), _address(), datetime.now(UTC)
        keyring, phone, transact = services().keyring, body["phone"], services().database.transact
        event = phones.BOUND_BY_GUARDIAN if acting_name() else phones.CHANGED

        def change(session: Session) -> None:
            phones.change_phone(
                session, keyring, holder_id, phone, event=event, from_address=address, now=now
            )

        if not transact(lambda session: phones.has_phone(session, keyring, holder_id, phone)):
            _with_code(body, lambda: transact(change))
        return {"ends_in": phone[-4:]}


def _with_code(body: dict[str, Any], work: Callable[[], T]) -> T:
    """Use the code up, then work; where the database is away the code is good again."""
    found, phone, code = services().logins, body["phone"], body["code"]
    found.check_phone()
    now = datetime.now(UTC)
    phone_codes.use_code(
        found.codes, services().attempts, phone, code, from_address=_address(), now=now
    )
    try:
        return work()
    except (DBAPIError, PoolTimeout):
        found.codes.keep(phone, code)
        raise


def _signed_in(proof: Proof, device_name: str) -> dict[str, Any]:
    now, address = datetime.now(UTC), _address()
    keyring, slips = services().keyring, services().logins.sign_ups
    done = services().database.transact(
        lambda session: sign_in(
            session, keyring, proof, device_name=device_name, from_address=address, now=now
        )
    )
    if done is not None:
        return {"tokens": _tokens(done, now=now)}
    return {
        "sign_up_token": slips.write(signing_up.new_slip(proof), now=now),
        "sign_up_token_expires_in_s": slips.lifetime_s,
    }


def _tokens(done: SignedIn, *, now: datetime) -> dict[str, Any]:
    return tokens_answer(Caller(str(done.holder_id), RESIDENT), done.begun, now=now)


def _address() -> str:
    return request.remote_addr or ""
