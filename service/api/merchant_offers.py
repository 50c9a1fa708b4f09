"""Offers as their merchant and the programme work on them: drafts, publication, state, stock."""

from dataclasses import fields as fields_of
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from rewards.offers import listing
from rewards.offers.drafting import NewTerms
from service.api.offer_bodies import (
    ListedOfferResponse,
    ListedOffersQuery,
    ListedOffersResponse,
    OfferDraftRequest,
    OfferPublicationRequest,
    OfferStateRequest,
    OfferStateResponse,
    OfferVersionResponse,
    OfferVersionsQuery,
    OfferVersionsResponse,
    StockChangeRequest,
    StockChangeResponse,
)
from service.api.resources import Blueprint
from service.auth import actor, caller, requires
from service.authorisation import MERCHANT, only_pauses_offers
from service.errors import WrongRole
from service.offers import acts
from service.services import services

bp = Blueprint(
    "merchant_offers",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/offers",
    description="商户商品 · Offers of a merchant",
)
_READERS = ("merchant", "merchant_manager", "operator", "auditor")
_WRITERS = ("merchant_manager", "operator")
_KEY = "offers"
_TERMS = {each.name for each in fields_of(NewTerms)}


@bp.route("")
class MerchantOffers(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.arguments(ListedOffersQuery, location="query")
    @bp.response(200, ListedOffersResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """A merchant's offers, drafts and ended ones too, by their newest version."""
        limit, after = query["limit"], query.get("cursor")
        rows = services().database.transact(
            lambda s: listing.of_merchant(s, merchant_id, after=after, limit=limit + 1)
        )
        more = len(rows) > limit
        return {
            "offers": rows[:limit],
            "next_cursor": rows[limit - 1].offer.id if more else None,
        }


@bp.route("/<uuid:offer_id>")
class MerchantOffer(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.response(200, ListedOfferResponse)
    def get(self, merchant_id: UUID, offer_id: UUID) -> Any:
        """One of a merchant's offers."""
        return services().database.transact(lambda s: listing.get_listed(s, merchant_id, offer_id))

    @requires(*_WRITERS, within=MERCHANT)
    @bp.arguments(OfferDraftRequest)
    @bp.response(201, OfferVersionResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, offer_id: UUID) -> Any:
        """Draft the offer's next version; the terms of the newest one again are a retry.

        Nothing is on sale by it before it is published.
        """
        terms: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in body.items()
            if name in _TERMS
        }
        rest = {name: value for name, value in body.items() if name not in _TERMS}
        new = acts.NewDraft(offer_id, merchant_id, terms=NewTerms(**terms), **rest)
        now, who = datetime.now(UTC), actor()
        return services().database.transact(lambda s: acts.draft(s, who, new, now=now))


@bp.route("/<uuid:offer_id>/versions")
class MerchantOfferVersions(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.arguments(OfferVersionsQuery, location="query")
    @bp.response(200, OfferVersionsResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID, offer_id: UUID) -> dict[str, Any]:
        """The versions of an offer, the first one first; 200 at most.

        What a resident redeemed keeps the terms of its version.
        """
        after = query["after_version"]
        rows = services().database.transact(
            lambda s: listing.versions(s, merchant_id, offer_id, after=after)
        )
        return {"versions": rows}


@bp.route("/<uuid:offer_id>/publication")
class MerchantOfferPublication(MethodView):
    @requires("operator", within=MERCHANT)
    @bp.arguments(OfferPublicationRequest)
    @bp.response(200, OfferStateResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, offer_id: UUID) -> Any:
        """Put a version on sale; an earlier one holds no longer. Published already: a retry."""
        now, who, parts = datetime.now(UTC), actor(), services()
        version, top_ups = body["version"], parts.top_ups is not None

        def publish(session: Session) -> Any:
            return acts.publish(
                session, who, merchant_id, offer_id, version, top_ups=top_ups, now=now
            )

        return parts.database.transact(publish)


@bp.route("/<uuid:offer_id>/state")
class MerchantOfferState(MethodView):
    @requires(*_WRITERS, within=MERCHANT)
    @bp.arguments(OfferStateRequest)
    @bp.response(200, OfferStateResponse)
    def put(self, body: dict[str, str], merchant_id: UUID, offer_id: UUID) -> Any:
        """Pause, resume or end an offer; a merchant's own people only pause.

        Vouchers stay good. What an ended offer reserves goes back to its budget.
        """
        if only_pauses_offers(caller()) and body["state"] != "paused":
            raise WrongRole
        now, who = datetime.now(UTC), actor()
        return services().database.transact(
            lambda s: acts.take_step(s, who, merchant_id, offer_id, **body, now=now)
        )


@bp.route("/<uuid:offer_id>/stock-changes/<uuid:change_id>")
class MerchantOfferStock(MethodView):
    @requires(*_WRITERS, within=MERCHANT)
    @bp.arguments(StockChangeRequest)
    @bp.response(201, StockChangeResponse)
    def put(self, body: dict[str, int], merchant_id: UUID, offer_id: UUID, change_id: UUID) -> Any:
        """Put units into an offer, or withdraw them, once an id."""
        now, who, units = datetime.now(UTC), actor(), body["units"]

        def work(session: Session) -> Any:
            return acts.put_stock(session, who, merchant_id, offer_id, change_id, units, now=now)

        return services().database.transact(work)
