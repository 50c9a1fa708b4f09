"""Redemptions over HTTP: spread over 1,000 offers, and all of one single offer.

The real service (`tanhui serve`: granian, two workers, rate limits counted) on a fresh database,
fsync on; each redemption is a voucher with limits and a price of settlement, drawn of a budget.
Prints redemptions a second and how long answers took, of a bare Flask view on the same server in
the same run, and the ratio. Usage: ``python -m benchmarks.redemptions [SECONDS]``.
"""

import itertools
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from activities.catalogue.models import Programme
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from benchmarks.serving import Address, Driven, drive, environ, served, written
from ledgers.accounts import ISSUED, PERSONAL, account_key, open_payable
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.models import Agreement, Budget, Merchant, Offer, OfferStock, OfferVersion
from service.db import Database
from service.identity.tokens import Caller
from service.services import tokens
from service.settings import Settings

CONNECTIONS, RESIDENTS, OFFERS = 32, 4_000, 1_000
SPREAD_MARK, SINGLE_MARK, P99_MARK_MS = 250, 150, 250
PROGRAMME, TOWN, PRICE_POINTS, PRICE_FEN = "sh-2026", "310118001", 10, 200
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)


def main() -> None:
    """Run and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    print(machine())
    with (
        fresh_database() as url,
        tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made,
    ):
        settings = environ(url, Path(made))
        holders, offers = _settled(url)
        headers = _headers(Settings.from_env(settings), holders)
        with served(settings, sys.executable, "-m", "benchmarks.bare") as address:
            requests = itertools.repeat(written("GET", "/readyz"))
            bare = drive(address, requests, connections=CONNECTIONS, seconds=seconds)
        with served(settings) as address:
            spread = _redeemed(address, headers, offers, seconds)
            single = _redeemed(address, headers, offers[:1], seconds)
    print(f"  a bare Flask view: {bare.per_s:,.0f}/s")
    _told(f"redemptions of {OFFERS:,} offers", spread, bare, SPREAD_MARK)
    _told("redemptions of one offer", single, bare, SINGLE_MARK)


def _settled(url: str) -> tuple[list[UUID], list[UUID]]:
    """Residents with points, and offers with stock for all of them."""
    database, now = Database(url), datetime.now(UTC)
    database.transact(lambda session: load(session, now=now))
    holders = [uuid4() for _ in range(RESIDENTS)]

    def work(session: Session) -> list[UUID]:
        enrol(session, PROGRAMME, dict.fromkeys(holders, TOWN), now=now)
        issuer = session.get_one(Programme, PROGRAMME).holder_id
        grants = [
            NewTransfer(
                holder,
                account_key(issuer, "point", ISSUED),
                account_key(holder, "point", PERSONAL),
                1_000_000,
                "grant",
                uuid4(),
                now,
            )
            for holder in holders
        ]
        post(session, NewPosting(uuid4(), "grant", "benchmark", grants), now=now)
        return _offered(session, issuer, now)

    offers = database.transact(work)
    database.dispose()
    return holders, offers


def _offered(session: Session, issuer: UUID, now: datetime) -> list[UUID]:
    """A merchant's offers, as drafting and publishing leave them; all draw of one budget."""
    by = {"made_by": "benchmark", "made_at": now}
    merchant = Merchant(
        id=uuid4(), name_zh="店", name_en="Shop", programme_holder_id=issuer, state="approved", **by
    )
    validity = {"valid_from": date(2026, 1, 1), "valid_to": date(2046, 1, 1)}
    agreement = Agreement(
        id=uuid4(), merchant_id=merchant.id, price_rule="fixed", fixed_fen=PRICE_FEN,
        document="benchmark", **validity, **by,
    )  # fmt: skip
    budget = Budget(
        id=uuid4(), programme_holder_id=issuer, name="2026", total_fen=10**12, **validity, **by
    )
    session.add_all([merchant, budget])
    session.flush()
    session.add(agreement)
    open_payable(session, issuer, [merchant.id], now=now)
    mirrored = {
        "title_zh": "茶", "title_en": "Tea", "price_points": PRICE_POINTS,
        "on_sale_from": FIRST, "on_sale_to": LAST,
    }  # fmt: skip
    offers = [
        Offer(
            id=uuid4(), merchant_id=merchant.id, programme_holder_id=issuer, kind="voucher",
            state="published", version=1, budget_id=budget.id, **mirrored,
        )
        for _ in range(OFFERS)
    ]  # fmt: skip
    session.add_all(offers)
    session.flush()
    for offer in offers:
        version = OfferVersion(
            offer_id=offer.id, version=1, text_zh="", text_en="", pictures=[],
            face_value_fen=PRICE_FEN, agreement_id=agreement.id, settlement_fen=PRICE_FEN,
            daily_units=1_000_000, resident_month_units=1_000_000, division_codes=["310118"],
            scene_codes=[], shop_ids=[], valid_days=30, cancel_hours=24, expiry_returns=True,
            published_by="benchmark", published_at=now, **mirrored, **by,
        )  # fmt: skip
        stock = OfferStock(offer_id=offer.id, stock_units=1_000_000, put_units=1_000_000)
        session.add_all([version, stock])
    return [offer.id for offer in offers]


def _headers(settings: Settings, holders: Sequence[UUID]) -> list[str]:
    issue, now = tokens(settings).issue, datetime.now(UTC)
    return [
        f"Authorization: Bearer {issue(Caller(str(holder), 'resident'), now=now)}"
        for holder in holders
    ]


def _redeemed(
    address: Address, headers: Sequence[str], offers: Sequence[UUID], seconds: float
) -> Driven:
    """Each request is another redemption, of a resident and an offer drawn at random."""
    source = random.Random(6)
    bodies = [msgspec.json.encode({"offer_id": offer}) for offer in offers]

    def requests() -> Iterator[bytes]:
        while True:
            who, what = source.choice(headers), source.choice(bodies)
            yield written("PUT", f"/v1/redemptions/{uuid4()}", (who,), what)

    driven = drive(address, requests(), connections=CONNECTIONS, seconds=seconds)
    assert set(driven.statuses) == {b"201"}, driven.statuses
    return driven


def _told(what: str, driven: Driven, bare: Driven, mark: int) -> None:
    print(
        f"  {what}: {driven.per_s:,.0f}/s, p50 {driven.at(500):.1f} ms, p99 {driven.at(990):.1f} ms"
        f" (marks: {mark}/s, p99 {P99_MARK_MS} ms); {driven.per_s / bare.per_s:.2f} of the bare"
        " view's rate"
    )


if __name__ == "__main__":
    main()
