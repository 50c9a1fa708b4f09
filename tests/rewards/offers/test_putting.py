"""Units are put in and withdrawn, each change once."""

from uuid import uuid4

import pytest

from rewards.errors import UnknownOffer
from rewards.models import OfferStock
from rewards.offers.errors import (
    OfferStateRefuses,
    StockChangeReused,
    StockOfPool,
    StockTooLow,
)
from rewards.offers.publishing import end
from rewards.offers.putting import put_stock
from tests.makers import NOW
from tests.rewards.offers.drafted import a_draft, a_merchant, published


@pytest.fixture
def free(session):
    return a_merchant(session, price_rule="free", fixed_fen=None)


def put(session, offer_id, units, change_id=None, **more):
    id_ = change_id or uuid4()
    return put_stock(session, offer_id, id_, units=units, made_by="anna", now=NOW, **more)


def stock(session, offer_id):
    row = session.get_one(OfferStock, offer_id, populate_existing=True)
    return row.stock_units, row.put_units


def test_units_are_put_and_withdrawn(session, free):
    offer = published(session, a_draft(session, free))

    put(session, offer.id, 10)
    put(session, offer.id, -3)

    assert stock(session, offer.id) == (7, 7)


def test_the_same_change_again_is_one(session, free):
    offer, id_ = published(session, a_draft(session, free)), uuid4()

    first, again = (put(session, offer.id, 10, id_) for _ in range(2))

    assert (first.units, again.units) == (10, 10)
    assert stock(session, offer.id) == (10, 10)
    with pytest.raises(StockChangeReused):
        put(session, offer.id, 11, id_)


def test_what_a_draft_was_given_is_there_when_it_is_published(session, free):
    row = a_draft(session, free)
    put(session, row.offer_id, 10)
    put(session, row.offer_id, -4)
    assert session.get(OfferStock, row.offer_id) is None

    published(session, row)
    published(session, a_draft(session, free, offer_id=row.offer_id, price_points=1))

    assert stock(session, row.offer_id) == (6, 6)


@pytest.mark.parametrize("on_sale", [True, False])
def test_no_more_than_is_left_is_withdrawn(session, free, on_sale):
    row = a_draft(session, free)
    if on_sale:
        published(session, row)
    put(session, row.offer_id, 10)

    with pytest.raises(StockTooLow) as refusal:
        put(session, row.offer_id, -11)
    assert (refusal.value.stock_units, refusal.value.withdrawn_units) == (10, 11)


def test_a_pool_is_filled_by_its_files_alone(session, free):
    offer = published(session, a_draft(session, free, kind="pool_code"))

    with pytest.raises(StockOfPool):
        put(session, offer.id, 10)


def test_nothing_is_put_into_what_ended_or_is_anothers(session, free):
    offer, id_ = published(session, a_draft(session, free)), uuid4()
    put(session, offer.id, 10, id_)

    with pytest.raises(UnknownOffer):
        put(session, offer.id, 1, merchant_id=uuid4())
    end(session, offer.id, now=NOW)
    with pytest.raises(OfferStateRefuses):
        put(session, offer.id, 1)
    assert put(session, offer.id, 10, id_, merchant_id=free).units == 10  # A late retry.
