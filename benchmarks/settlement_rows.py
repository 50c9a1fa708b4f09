"""A merchant's vouchers of a month, redeemed and taken, written by SQL as residents and tills leave
them, but in postings of 5,000: the audit of the rewards finds them right. (That of the ledger would
not: nobody was granted the points.)
"""

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from ledgers.accounts import (
    CLEARING,
    ISSUED,
    REDEEMED,
    account_key,
    open_payable,
    open_personal,
)
from rewards.models import Agreement, Budget, Merchant, Offer, OfferStock, OfferVersion, Shop
from rewards.settling.periods import Period
from service.db import Database, owner_engine

PROGRAMME = "demo-2016"
A_POSTING = 5_000
FEN, POINTS = 1_250, 120
HOLDERS = 10_000

# The first keeps the ids of all that belongs to a voucher, for the others to agree on.
_SEED = (
    """
CREATE TEMPORARY TABLE seed AS
SELECT s.i, s.at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
                   || lpad(to_hex(s.i), 12, '0'))::uuid AS id,
    gen_random_uuid() AS redemption_id, gen_random_uuid() AS consumption_id,
    sha256(s.i::text::bytea) AS code, h.holder_id, h.account_id,
    ('00000000000000000001' || lpad(to_hex(s.i / :each), 12, '0'))::uuid AS spent_by,
    ('00000000000000000002' || lpad(to_hex(s.i / :each), 12, '0'))::uuid AS owed_by
FROM (SELECT i, date_trunc('milliseconds', CAST(:first AS timestamptz)
          + i / :each * CAST(:step AS interval)) AS at
      FROM generate_series(0, :lines - 1) AS i) AS s
JOIN (SELECT holder_id, id AS account_id, row_number() OVER () - 1 AS n FROM account
      WHERE guarded AND unit = 'point') AS h ON h.n = s.i % :holders
""",
    """
INSERT INTO posting (id, kind, actor, content_sha256, transfer_count, recorded_at)
SELECT spent_by, 'redemption', 'bench', sha256(spent_by::text::bytea), count(*), at
FROM seed GROUP BY spent_by, at
UNION ALL
SELECT owed_by, 'payable', 'bench', sha256(owed_by::text::bytea), count(*), at
FROM seed GROUP BY owed_by, at
""",
    "INSERT INTO log_queue (posting_id, recorded_at) SELECT id, recorded_at FROM posting",
    """
INSERT INTO redemption (holder_id, id, offer_id, spent_points, redeemed_at)
SELECT holder_id, redemption_id, :offer, :points, at FROM seed
""",
    """
INSERT INTO voucher (code_sha256, holder_id, redemption_id, merchant_id, offer_id, consumed_at,
    consumption_id)
SELECT code, holder_id, redemption_id, :merchant, :offer, at, consumption_id FROM seed
""",
    """
INSERT INTO consumption (id, code_sha256, merchant_id, consumed_at, offer_id, redemption_id,
    shop_id, recorded_at, recorded_by)
SELECT consumption_id, code, :merchant, at, :offer, redemption_id, :shop, at, 'bench' FROM seed
""",
    """
INSERT INTO settlement_line (merchant_id, id, kind, amount_fen, offer_id, version, redemption_id,
    consumption_id, shop_id, occurred_at, recorded_at)
SELECT :merchant, id, 'consumption', :fen, :offer, 1, redemption_id, consumption_id, :shop, at, at
FROM seed
""",
    """
INSERT INTO transfer (holder_id, id, posting_id, position, unit, debit_account_id,
    credit_account_id, amount, kind, reference, occurred_at)
SELECT holder_id, id, spent_by, i % :each, 'point', account_id, :redeemed, :points, 'spend',
    redemption_id, at FROM seed
UNION ALL
SELECT :merchant, id, owed_by, i % :each, 'fen', :debit, :credit, :fen, 'owe', id, at FROM seed
""",
)


def seed(url: str, database: Database, period: Period, lines: int) -> UUID:
    """A merchant's offer, and so many vouchers of it redeemed and taken; the merchant's id."""
    residents = [uuid4() for _ in range(HOLDERS)]
    at = period.begins_at

    def work(session: Session) -> tuple[UUID, Offer, UUID]:
        programme = session.get_one(Programme, PROGRAMME).holder_id
        open_personal(session, residents, now=at)
        return programme, *offered(session, programme, lines, at)

    programme, offer, shop_id = database.transact(work)
    names = {
        "lines": lines,
        "holders": HOLDERS,
        "first": at + timedelta(days=1),
        "step": (period.ends_at - at - timedelta(days=2)) / (lines // A_POSTING + 1),
        "each": A_POSTING,
        "merchant": offer.merchant_id,
        "offer": offer.id,
        "shop": shop_id,
        "fen": FEN,
        "points": POINTS,
        "redeemed": UUID(account_key(programme, "point", REDEEMED).id),
        "debit": UUID(account_key(programme, "fen", ISSUED).id),
        "credit": UUID(account_key(offer.merchant_id, "fen", CLEARING).id),
    }
    engine = owner_engine(url)
    with engine.begin() as connection:
        for statement in _SEED:
            connection.execute(text(statement), names)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return offer.merchant_id


def offered(session: Session, programme: UUID, units: int, at: datetime) -> tuple[Offer, UUID]:
    """An offer of which so many units are gone, as drafting, publishing and redeeming leave it, and
    a shop of its merchant.
    """
    made = {"made_by": "bench", "made_at": at}
    names = {"name_zh": "示范便利店", "name_en": "Demo shop"}
    valid = {"valid_from": date(2016, 1, 1), "valid_to": date(2046, 1, 1)}
    merchant = Merchant(id=uuid4(), programme_holder_id=programme, **names, **made)
    budget = Budget(
        id=uuid4(), programme_holder_id=programme, name="bench", total_fen=10**12,
        drawn_fen=units * FEN, **valid, **made,
    )  # fmt: skip
    session.add_all([merchant, budget])
    session.flush()
    agreement = Agreement(
        id=uuid4(), merchant_id=merchant.id, price_rule="fixed", fixed_fen=FEN, document="bench",
        **valid, **made,
    )  # fmt: skip
    shop = Shop(id=uuid4(), merchant_id=merchant.id, address="一路 1 号", **names, **made)
    terms = {
        "title_zh": "咖啡一杯", "title_en": "A coffee", "price_points": POINTS,
        "on_sale_from": at, "on_sale_to": at + timedelta(days=366),
    }  # fmt: skip
    offer = Offer(
        id=uuid4(), merchant_id=merchant.id, programme_holder_id=programme, budget_id=budget.id,
        **terms,
    )  # fmt: skip
    session.add_all([agreement, shop, offer])
    session.flush()
    version = OfferVersion(
        offer_id=offer.id, version=1, text_zh="", text_en="", pictures=[], face_value_fen=FEN,
        agreement_id=agreement.id, settlement_fen=FEN, division_codes=[], scene_codes=[],
        shop_ids=[], cancel_hours=0, expiry_returns=True, published_by="bench", published_at=at,
        **terms, **made,
    )  # fmt: skip
    session.add_all([version, OfferStock(offer_id=offer.id, stock_units=0, put_units=units)])
    open_payable(session, programme, [merchant.id], now=at)
    return offer, shop.id
