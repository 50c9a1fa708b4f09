"""Merchants and offers for tests, written as rows: what drafting and publishing would leave."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from ledgers.accounts import open_payable
from rewards.models import Agreement, Budget, Merchant, Offer, OfferStock, OfferVersion, Shop

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2040, 1, 1, tzinfo=UTC)


def a_merchant(session: Session, programme_holder_id: UUID, *, state: str = "approved") -> UUID:
    """A merchant with one shop, whose accounts of fen are open."""
    merchant = Merchant(
        id=uuid4(),
        name_zh="示范便利店",
        name_en="Demo corner shop",
        programme_holder_id=programme_holder_id,
        state=state,
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(merchant)
    session.flush()
    shop = Shop(
        id=uuid4(),
        merchant_id=merchant.id,
        name_zh="一号店",
        name_en="First shop",
        address="青浦区公园路 1 号",
        division_code=None,
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(shop)
    open_payable(session, programme_holder_id, [merchant.id], now=LONG_AGO)
    session.flush()
    return merchant.id


def an_offer(
    session: Session,
    programme_holder_id: UUID,
    merchant_id: UUID,
    *,
    kind: str = "voucher",
    state: str = "published",
    stock_units: int = 10,
    budget_fen: int = 1_000_000_00,
    project_id: UUID | None = None,
    **terms: object,
) -> UUID:
    """An offer in its first version. ``terms``: columns of OfferVersion; where it has a price of
    settlement, a fixed agreement and a budget are made for it.
    """
    offer_id, settlement_fen = uuid4(), terms.get("settlement_fen", 0)
    values: dict[str, object] = {
        "title_zh": "咖啡一杯",
        "title_en": "A coffee",
        "text_zh": "",
        "text_en": "",
        "pictures": [],
        "price_points": 100,
        "face_value_fen": 2_000,
        "settlement_fen": 0,
        "on_sale_from": LONG_AGO,
        "on_sale_to": FAR_AWAY,
        "division_codes": [],
        "scene_codes": [],
        "shop_ids": [],
        "cancel_hours": 0,
        "expiry_returns": kind != "pool_code",
        "made_by": "tests",
        "made_at": LONG_AGO,
        "published_by": "tests",
        "published_at": LONG_AGO,
        **terms,
    }
    budget_id = None
    if settlement_fen:
        assert isinstance(settlement_fen, int)
        budget_id = _budget(session, programme_holder_id, budget_fen)
        values["agreement_id"] = _agreement(session, merchant_id, settlement_fen)
    mirrored = ("title_zh", "title_en", "price_points", "on_sale_from", "on_sale_to")
    offer = Offer(
        id=offer_id,
        merchant_id=merchant_id,
        programme_holder_id=programme_holder_id,
        kind=kind,
        state=state,
        version=1,
        budget_id=budget_id,
        project_id=project_id,
        **{name: values[name] for name in mirrored},
    )
    session.add(offer)
    session.flush()
    session.add(OfferVersion(offer_id=offer_id, version=1, **values))
    session.add(OfferStock(offer_id=offer_id, stock_units=stock_units, put_units=stock_units))
    session.flush()
    return offer_id


def _budget(session: Session, programme_holder_id: UUID, total_fen: int) -> UUID:
    budget = Budget(
        id=uuid4(),
        programme_holder_id=programme_holder_id,
        name="2016-2039",
        valid_from=LONG_AGO.date(),
        valid_to=FAR_AWAY.date(),
        total_fen=total_fen,
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(budget)
    session.flush()
    return budget.id


def _agreement(session: Session, merchant_id: UUID, fixed_fen: int) -> UUID:
    agreement = Agreement(
        id=uuid4(),
        merchant_id=merchant_id,
        valid_from=LONG_AGO.date(),
        valid_to=FAR_AWAY.date(),
        price_rule="fixed",
        fixed_fen=fixed_fen,
        document="agreement",
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(agreement)
    session.flush()
    return agreement.id
