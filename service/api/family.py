"""Family: children and their guardians, relatives who act for somebody, and tokens to act by."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.api.consents import Flag
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.wire import Code, Line
from service.auth import IN_PERSON, caller, caller_holder_id, requires
from service.identity import profile
from service.identity.family import delegations, listing, offers
from service.identity.family.children import NewChild, children, register_child
from service.identity.family.errors import OfferNotGood
from service.identity.logins.errors import CodesAway
from service.identity.logins.signing_up import BORN_FROM
from service.identity.tokens import LIFETIME, Caller
from service.limits import subscriber
from service.services import services

bp = Blueprint("family", __name__, url_prefix="/v1", description="家庭成员 · Family")


class ChildRequest(Schema):
    name = Line(length_max=profile.NAME_LENGTH_MAX, required=True)
    birth_on = fields.Date(
        required=True,
        format="iso",
        validate=validate.Range(min=BORN_FROM, error="Not a date of birth."),
    )
    division = Code(required=True, metadata={"description": "code of the town they live in"})


class ChildResponse(Schema):
    id = fields.UUID(metadata={"description": "the delegation's, for POST /v1/auth/acting"})
    holder_id = fields.UUID()
    name = fields.String()
    birth_on = fields.Date()
    division = fields.String(attribute="division_code")
    minor_until = fields.Date(metadata={"description": "the fourteenth birthday"})


class ChildrenResponse(Schema):
    children = fields.List(fields.Nested(ChildResponse))


class OfferRequest(Schema):
    may_spend = Flag(
        required=True,
        metadata={"description": "redeem and report acts too; false: only look"},
    )


class DelegateOfferResponse(Schema):
    code = fields.String(metadata={"description": "shown once; case and blanks do not matter"})
    may_spend = fields.Boolean()
    expires_in_s = fields.Integer()


class ActingForRequest(Schema):
    code = fields.String(
        required=True,
        validate=validate.Length(1, offers.TYPED_MAX),
        metadata={"description": "as it was told", "example": "7KQ2-M9XD"},
    )


class DelegationResponse(Schema):
    id = fields.UUID()
    kind = fields.String(metadata={"description": "`guardian` or `delegate`"})
    powers = fields.String(
        allow_none=True,
        metadata={"description": "`guardian`, `spend` or `read`; null: the child is 14 by now"},
    )
    name = fields.String(allow_none=True, metadata={"description": "of the other one, if given"})
    began_at = fields.AwareDateTime(format="iso")


class ActedForResponse(DelegationResponse):
    holder_id = fields.UUID(metadata={"description": "for whom"})


class ActingForResponse(Schema):
    acting_for = fields.List(fields.Nested(ActedForResponse))


class DelegatesResponse(Schema):
    delegates = fields.List(fields.Nested(DelegationResponse))


class ActingRequest(Schema):
    delegation_id = fields.UUID(required=True)


class ActingTokenResponse(Schema):
    access_token = fields.String(metadata={"description": "for `Authorization: Bearer`"})
    token_type = fields.String(metadata={"description": "always `Bearer`"})
    expires_in_s = fields.Integer(metadata={"description": "then ask for another"})
    holder_id = fields.UUID(metadata={"description": "for whom it speaks"})
    powers = fields.String(metadata={"description": "`guardian`, `spend` or `read`"})


@bp.route("/me/children")
class Children(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.response(200, ChildrenResponse)
    def get(self) -> dict[str, Any]:
        """My children under fourteen."""
        now, keyring, me = datetime.now(UTC), services().keyring, caller_holder_id()
        return {
            "children": services().database.transact(lambda s: children(s, keyring, me, now=now))
        }


@bp.route("/me/children/<uuid:child_id>")
class OneChild(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.arguments(ChildRequest)
    @bp.response(201, ChildResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    def put(self, body: dict[str, Any], child_id: UUID) -> Any:
        """Register a child under fourteen, as its guardian; sending again is safe."""
        now, keyring = datetime.now(UTC), services().keyring
        wanted = NewChild(
            child_id, caller_holder_id(), body["name"].strip(), body["birth_on"], body["division"]
        )
        return services().database.transact(lambda s: register_child(s, keyring, wanted, now=now))


@bp.route("/me/delegate-offers")
class DelegateOffers(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.arguments(OfferRequest)
    @bp.response(201, DelegateOfferResponse)
    @bp.alt_response(429, schema=ProblemResponse)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a code by which a relative begins to act for me; good once, for ten minutes."""
        now, me = datetime.now(UTC), caller_holder_id()
        services().attempts.count("offers", str(me), offers.OFFERS, now=now)
        kept = offers.Kept(me, body["may_spend"], now + offers.LIFETIME)
        code = _offers().make(kept)
        return {
            "code": code,
            "may_spend": kept.may_spend,
            "expires_in_s": int(offers.LIFETIME.total_seconds()),
        }


@bp.route("/me/acting-for")
class ActingForList(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.response(200, ActingForResponse)
    def get(self) -> dict[str, Any]:
        """For whom I may act, children included."""
        now, keyring, me = datetime.now(UTC), services().keyring, caller_holder_id()

        def listed(session: Session) -> dict[str, Any]:
            found = listing.acting_for(session, keyring, me, now=now)
            return {"acting_for": [_shown(each) for each in found]}

        return services().database.transact(listed)


@bp.route("/me/acting-for/<uuid:delegation_id>")
class OneActingFor(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.arguments(ActingForRequest)
    @bp.response(201, ActedForResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    @bp.alt_response(429, schema=ProblemResponse)
    def put(self, body: dict[str, Any], delegation_id: UUID) -> dict[str, Any]:
        """Begin to act for whoever gave me the code. I make the id: sending again is safe."""
        now, me, database = datetime.now(UTC), caller_holder_id(), services().database
        keyring, address = services().keyring, request.remote_addr or ""

        def known(session: Session) -> dict[str, Any] | None:
            found = delegations.find(session, delegation_id, me)
            if found is None:
                return None
            return _shown(listing.for_delegate(session, keyring, found, now=now))

        def begun(session: Session) -> dict[str, Any]:
            offer = offers.offer_of(kept)
            made = delegations.accept(
                session, delegation_id, me, offer, from_address=address, now=now
            )
            return _shown(listing.for_delegate(session, keyring, made, now=now))

        if (before := database.transact(known)) is not None:
            return before
        _count_try(me, address, now)
        with _offers().alone(delegation_id, me):
            try:
                kept = _offers().take(body["code"], now=now)
            except OfferNotGood:
                if (meanwhile := database.transact(known)) is None:
                    raise
                return meanwhile  # The same request, sent at once, was faster.
            try:
                return database.transact(begun)
            except BaseException:  # Nothing came of it: the code stays good for its time.
                with suppress(CodesAway):
                    _offers().put_back(body["code"], kept, now=now)
                raise

    @requires("resident", acting=IN_PERSON)
    @bp.response(204)
    @bp.alt_response(409, schema=ProblemResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    def delete(self, delegation_id: UUID) -> None:
        """Act for somebody no more; again changes nothing."""
        now, me, address = datetime.now(UTC), caller_holder_id(), request.remote_addr or ""
        services().database.transact(
            lambda session: delegations.end_by_delegate(
                session, delegation_id, me, from_address=address, now=now
            )
        )


@bp.route("/me/delegates")
class Delegates(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.response(200, DelegatesResponse)
    def get(self) -> dict[str, Any]:
        """Who may act for me."""
        now, keyring, me = datetime.now(UTC), services().keyring, caller_holder_id()

        def listed(session: Session) -> dict[str, Any]:
            found = listing.delegates(session, keyring, me, now=now)
            return {"delegates": [_shown(each) for each in found]}

        return services().database.transact(listed)


@bp.route("/me/delegates/<uuid:delegation_id>")
class OneDelegate(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.response(204)
    @bp.alt_response(409, schema=ProblemResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    def delete(self, delegation_id: UUID) -> None:
        """Let somebody act for me no more; again changes nothing. Tokens given out before end
        within ten minutes.
        """
        now, me, address = datetime.now(UTC), caller_holder_id(), request.remote_addr or ""
        services().database.transact(
            lambda session: delegations.end_by_holder(
                session, delegation_id, me, from_address=address, now=now
            )
        )


@bp.route("/auth/acting")
class Acting(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.arguments(ActingRequest)
    @bp.response(200, ActingTokenResponse)
    @bp.alt_response(404, schema=ProblemResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """A token by which I act for somebody, for ten minutes; then ask again."""
        now, me = datetime.now(UTC), caller_holder_id()
        found = services().database.transact(
            lambda session: delegations.power(session, body["delegation_id"], me, now=now)
        )
        lifetime = LIFETIME if found.until is None else min(LIFETIME, found.until - now)
        acting = Caller(
            str(found.holder_id),
            "resident",
            session_id=caller().session_id,
            actor=str(me),
            powers=found.powers,
        )
        return {
            "access_token": services().tokens.issue(acting, now=now, lifetime=lifetime),
            "token_type": "Bearer",
            "expires_in_s": int(lifetime.total_seconds()),
            "holder_id": found.holder_id,
            "powers": found.powers,
        }


def _offers() -> offers.Offers:
    return offers.Offers(services().cache, services().keyring.derived("delegate offers"))


def _count_try(me: UUID, address: str, now: datetime) -> None:
    key = services().keyring.value_key("address", subscriber(address))
    services().attempts.count("offer-tries-address", key, offers.TRIES_PER_ADDRESS, now=now)
    services().attempts.count("offer-tries", str(me), offers.TRIES, now=now)


def _shown(each: listing.Named) -> dict[str, Any]:
    return {
        "id": each.delegation.id,
        "holder_id": each.delegation.holder_id,
        "kind": each.delegation.kind,
        "powers": each.powers,
        "name": each.name,
        "began_at": each.delegation.began_at,
    }
