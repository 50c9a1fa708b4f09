"""The demo's merchants and what they offer: goods, vouchers, codes of a cinema, a donation.

A merchant belongs to one programme: the one of 2016 and the city's of today have each their own.
What is there already stays as it is, whatever somebody made of it since.
"""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from rewards.merchants import agreements, merchants, shops
from rewards.models import Budget, Merchant, Offer
from rewards.offers import budgets, pools, projects
from rewards.offers.drafting import DONATION, POOL, NewTerms, draft
from rewards.offers.publishing import publish
from rewards.offers.putting import put_stock
from rewards.voucher_codes import Codes

DEMO_PROGRAMME = "demo-2016"
CITY_PROGRAMME = "sh-2026"  # Of today: who tries docs/app.md signs up here,
CITY_OFFER_POINTS = 30  # and a first cup of one's own, 40 points, pays for it.
OFFER_POINTS = 500
STOCK_UNITS = 100

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/demo")
_BY = "demo"
_FROM, _TO = date(2016, 1, 1), date(2036, 1, 1)
_BUDGET_FEN = 10_000_00


def _id(name: str) -> UUID:
    return uuid5(_NAMESPACE, name)


MERCHANT_ID = _id("merchant")
CITY_MERCHANT_ID = _id("city merchant")
CHARITY_ID = _id("charity")
OFFER_ID = _id("offer")
CITY_OFFER_ID = _id("city offer")
CINEMA_OFFER_ID = _id("cinema offer")
DONATION_OFFER_ID = _id("donation offer")
PROJECT_ID = _id("project")


@dataclass(frozen=True, slots=True)
class _Shop:
    """A merchant with one shop and one agreement: a share of the face value."""

    id: UUID
    programme: str
    name_zh: str
    name_en: str
    credit_code: str
    address: str
    share_bp: int


_SHOPS = (
    _Shop(
        MERCHANT_ID,
        DEMO_PROGRAMME,
        "示范便利店",
        "Demo corner shop",
        "91310118MA0000001A",
        "上海市青浦区公园路 1 号",
        8_000,
    ),
    _Shop(
        CHARITY_ID,
        DEMO_PROGRAMME,
        "示范公益基金会",
        "Demo charity",
        "53310000500000003U",
        "上海市青浦区公园路 3 号",
        10_000,
    ),
    _Shop(
        CITY_MERCHANT_ID,
        CITY_PROGRAMME,
        "示范咖啡馆",
        "Demo coffee house",
        "91310118MA0000002D",
        "上海市青浦区公园路 2 号",
        8_000,
    ),
)


@dataclass(frozen=True, slots=True)
class _Offered:
    """An offer, by those of its terms that are its own. A cancel is possible for a day."""

    id: UUID
    merchant_id: UUID
    kind: str
    terms: dict[str, Any]
    project_id: UUID | None = None


_OFFERS = (
    _Offered(
        OFFER_ID,
        MERCHANT_ID,
        "goods",
        {
            "title_zh": "可重复使用的购物袋",
            "title_en": "Reusable shopping bag",
            "price_points": OFFER_POINTS,
            "face_value_fen": 1_000,
            "resident_month_units": 2,
            "valid_days": 90,
            "cancel_hours": 24,
            "expiry_returns": True,
        },
    ),
    _Offered(
        CITY_OFFER_ID,
        CITY_MERCHANT_ID,
        "voucher",
        {
            "title_zh": "咖啡一杯（请自带杯）",
            "title_en": "A coffee in your own cup",
            "price_points": CITY_OFFER_POINTS,
            "face_value_fen": 1_500,
            "resident_day_units": 1,
            "valid_days": 30,
            "cancel_hours": 24,
            "expiry_returns": True,
        },
    ),
    _Offered(
        CINEMA_OFFER_ID,
        MERCHANT_ID,
        POOL,
        {
            "title_zh": "影院兑换码",
            "title_en": "Cinema code",
            "price_points": 2_000,
            "face_value_fen": 3_500,
            "resident_week_units": 1,
        },
    ),
    _Offered(
        DONATION_OFFER_ID,
        CHARITY_ID,
        DONATION,
        {
            "title_zh": "为淀山湖畔种一棵树捐一份",
            "title_en": "A share of a tree by Dianshan Lake",
            "price_points": 100,
            "face_value_fen": 100,
        },
        PROJECT_ID,
    ),
)
_CINEMA_CODES = 20


def open_shops(session: Session, codes: Codes, *, now: datetime) -> None:
    """Make what is not there yet."""
    for shop in _SHOPS:
        if session.get(Merchant, shop.id) is None:
            _open(session, shop, now)
    for offered in _OFFERS:
        if session.get(Offer, offered.id) is None:
            _offer(session, offered, codes, now)


def _open(session: Session, shop: _Shop, now: datetime) -> None:
    """Draft, approve, and agree on a price."""
    programme = session.get_one(Programme, shop.programme)
    new = merchants.NewMerchant(
        shop.id, programme.holder_id, shop.name_zh, shop.name_en, shop.credit_code
    )
    merchants.enter(session, new, made_by=_BY, now=now)
    merchants.take_step(session, shop.id, merchants.APPROVED, now=now)
    place = shops.NewShop(uuid5(shop.id, "shop"), shop.id, shop.name_zh, shop.name_en, shop.address)
    shops.put(session, place, made_by=_BY, now=now)
    agreement = agreements.NewAgreement(
        uuid5(shop.id, "agreement"),
        shop.id,
        _FROM,
        _TO,
        agreements.SHARE,
        None,
        shop.share_bp,
        "示范合同",
    )
    agreements.put(session, agreement, zone=programme.zone, made_by=_BY, now=now)


def _offer(session: Session, offered: _Offered, codes: Codes, now: datetime) -> None:
    """Draft, publish and stock it, on the programme's budget."""
    merchant = session.get_one(Merchant, offered.merchant_id)
    assert merchant.programme_holder_id is not None
    if offered.project_id is not None:
        _project(session, offered.project_id, merchant, now)
    terms = NewTerms(
        on_sale_from=datetime(_FROM.year, 1, 2, tzinfo=UTC),
        on_sale_to=datetime(_TO.year - 1, 12, 31, tzinfo=UTC),
        **offered.terms,
    )
    version = draft(
        session,
        offered.id,
        merchant_id=merchant.id,
        kind=offered.kind,
        terms=terms,
        budget_id=_budget(session, merchant.programme_holder_id, now),
        project_id=offered.project_id,
        made_by=_BY,
        now=now,
    )
    publish(session, offered.id, version.version, published_by=_BY, now=now)
    change_id = uuid5(offered.id, "stock")
    if offered.kind == POOL:
        lines = "".join(f"DEMO-{number:04}-CINEMA\n" for number in range(1, _CINEMA_CODES + 1))
        file = io.BytesIO(lines.encode())
        pools.load(session, offered.id, change_id, file, codes=codes, loaded_by=_BY, now=now)
    else:
        put_stock(session, offered.id, change_id, units=STOCK_UNITS, made_by=_BY, now=now)


def _budget(session: Session, programme_holder_id: UUID, now: datetime) -> UUID:
    id_ = uuid5(programme_holder_id, "demo budget")
    if session.get(Budget, id_) is None:
        new = budgets.NewBudget(id_, programme_holder_id, "示范预算", _FROM, _TO, _BUDGET_FEN)
        budgets.put(session, new, made_by=_BY, now=now)
    return id_


def _project(session: Session, project_id: UUID, merchant: Merchant, now: datetime) -> None:
    assert merchant.programme_holder_id is not None
    new = projects.NewProject(
        project_id,
        merchant.programme_holder_id,
        merchant.id,
        "淀山湖畔植树",
        "Trees by Dianshan Lake",
        "每 100 积分捐出一元，用于湖畔植树。",
        "Each 100 points give one yuan to trees by the lake.",
        1_000_000,
    )
    projects.put(session, new, made_by=_BY, now=now)
