"""Merchants and offers for tests, written as rows: what drafting and publishing would leave."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import open_payable
from rewards.models import (
    Agreement,
    Budget,
    DonationProject,
    Merchant,
    Offer,
    OfferStock,
    OfferVersion,
    PoolCode,
    Shop,
    TopUp,
    WebhookEndpoint,
    WebhookMessage,
)
from rewards.voucher_codes import Codes

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2040, 1, 1, tzinfo=UTC)


def a_merchant(
    session: Session,
    programme_holder_id: UUID,
    *,
    state: str = "approved",
    merchant_id: UUID | None = None,
) -> UUID:
    """A merchant with one shop, whose accounts of fen are open."""
    merchant = Merchant(
        id=merchant_id or uuid4(),
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
    budget_id: UUID | None = None,
    project_id: UUID | None = None,
    **terms: object,
) -> UUID:
    """An offer in its first version. ``terms``: columns of OfferVersion; where it has a price of
    settlement, a fixed agreement and (without ``budget_id``) a budget are made for it.
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
    if settlement_fen:
        assert isinstance(settlement_fen, int)
        budget_id = budget_id or _budget(session, programme_holder_id, budget_fen)
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


def an_agreement(session: Session, merchant_id: UUID) -> UUID:
    """By which nothing is paid, for ever."""
    agreement = Agreement(
        id=uuid4(),
        merchant_id=merchant_id,
        valid_from=LONG_AGO.date(),
        valid_to=FAR_AWAY.date() + timedelta(days=1),
        price_rule="free",
        document="agreement",
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(agreement)
    session.flush()
    return agreement.id


def a_version(session: Session, offer_id: UUID, **terms: object) -> None:
    """A further version of an offer, published: as the one before, but for ``terms``."""
    offer = session.get_one(Offer, offer_id)
    before = session.get_one(OfferVersion, (offer_id, offer.version))
    columns = [column.key for column in OfferVersion.__table__.columns]
    values = {name: getattr(before, name) for name in columns}
    session.add(OfferVersion(**values | {"version": offer.version + 1} | terms))
    session.flush()
    offer.version += 1
    session.flush()


def a_pool(session: Session, offer_id: UUID, texts: Iterable[str], codes: Codes) -> None:
    """A file of the merchant's own codes, loaded: the offer's stock is what is free of them."""
    offer, file_id = session.get_one(Offer, offer_id), uuid4()
    rows = [
        PoolCode(
            offer_id=offer_id,
            code_hash=codes.pool_hash(offer.merchant_id, text),
            sealed=codes.seal(offer_id, text),
            file_id=file_id,
        )
        for text in texts
    ]
    session.add_all(rows)
    stock = session.get_one(OfferStock, offer_id)
    stock.stock_units, stock.put_units = len(rows), len(rows)
    session.flush()


def a_project(session: Session, programme_holder_id: UUID, merchant_id: UUID) -> UUID:
    """A project that the merchant receives for."""
    project = DonationProject(
        id=uuid4(),
        programme_holder_id=programme_holder_id,
        merchant_id=merchant_id,
        name_zh="梭梭林",
        name_en="A forest",
        text_zh="",
        text_en="",
        goal_points=1_000_000,
        made_by="tests",
        made_at=LONG_AGO,
    )
    session.add(project)
    session.flush()
    return project.id


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


def a_webhook(
    session: Session,
    merchant_id: UUID,
    *,
    endpoint_id: UUID | None = None,
    message_id: UUID | None = None,
    dead: bool = False,
) -> tuple[UUID, UUID]:
    """An endpoint that is told of vouchers, and a message that waits there or is dead."""
    endpoint = WebhookEndpoint(
        id=endpoint_id or uuid4(),
        merchant_id=merchant_id,
        url="https://till.example.cn/hook",
        kinds=["voucher.consumed"],
        made_by="tests",
        made_at=LONG_AGO,
    )
    message = WebhookMessage(
        id=message_id or uuid4(),
        endpoint_id=endpoint.id,
        merchant_id=merchant_id,
        kind="voucher.consumed",
        body='{"type":"voucher.consumed","timestamp":"2016-01-01T00:00:00Z","data":{}}',
        made_at=LONG_AGO,
        state="dead" if dead else "waiting",
        next_at=None if dead else FAR_AWAY,
        give_up_at=FAR_AWAY,
        ended_at=LONG_AGO if dead else None,
    )
    session.add_all([endpoint, message])
    session.flush()
    return endpoint.id, message.id


def an_open_top_up(
    session: Session,
    holder_id: UUID,
    *,
    order_id: UUID | None = None,
    offer_id: UUID | None = None,
) -> UUID:
    """A row as if the gateway had left it open long ago, and were to be asked in years; of an
    offer that is as good as none, and without points held. Answers its id.
    """
    top_up = TopUp(
        holder_id=holder_id,
        redemption_id=uuid4(),
        order_id=order_id or uuid4(),
        offer_id=offer_id or uuid4(),
        amount_fen=1_000,
        hold_id=uuid4(),
        hold_ends_at=FAR_AWAY,
        state="ordered",
        tries=1,
        next_at=FAR_AWAY,
        ordered_at=LONG_AGO,
        answered="pending",
    )
    session.add(top_up)
    session.flush()
    return top_up.order_id


def a_contradicted_top_up(session: Session, holder_id: UUID) -> UUID:
    """The same, done long ago; then the gateway said that it was refused. Answers its id."""
    order_id = an_open_top_up(session, holder_id)
    top_up = session.scalars(select(TopUp).where(TopUp.order_id == order_id)).one()
    top_up.state, top_up.gateway_reference, top_up.next_at = "done", "R-7", None
    top_up.answered = "refused no such card"
    top_up.ended_at = top_up.contradicted_at = LONG_AGO
    session.flush()
    return order_id
