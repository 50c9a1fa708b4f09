"""Lists of 10,000 rows: a page stays small, goes on where it ended, and asks as much as of ten."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.settling.payables import AT_ONCE
from service.app import create_app
from service.demo_shops import DEMO_PROGRAMME
from service.identity.tokens import Caller
from service.identity.vault import add_people
from tests import settlements, shopping
from tests.makers import APRIL_12, a_resident, a_ride, programme_holder, recorded
from tests.service.web.test_guards import browser_of

FEW, MANY = 60, 10_000
PAGE_BYTES = 100_000
# As residents and tills leave them, each a millisecond after the one before.
TAKEN = (
    """
CREATE TEMPORARY TABLE seed ON COMMIT DROP AS
SELECT gen_random_uuid() AS redemption_id, gen_random_uuid() AS consumption_id,
    sha256(gen_random_uuid()::text::bytea) AS code, :at + number * interval '1 ms' AS at
FROM generate_series(1, :count) AS number
""",
    """
INSERT INTO redemption (holder_id, id, offer_id, spent_points, redeemed_at)
SELECT :holder_id, redemption_id, :offer_id, 1, at FROM seed
""",
    """
INSERT INTO voucher (code_sha256, holder_id, redemption_id, merchant_id, offer_id, consumed_at,
    consumption_id)
SELECT code, :holder_id, redemption_id, :merchant_id, :offer_id, at, consumption_id FROM seed
""",
    """
INSERT INTO consumption (id, code_sha256, merchant_id, consumed_at, offer_id, redemption_id,
    recorded_at, recorded_by)
SELECT consumption_id, code, :merchant_id, at, :offer_id, redemption_id, at, 'test' FROM seed
""",
)


@dataclass(frozen=True)
class Crowd:
    """A resident and a merchant with so many rows of each kind."""

    app: Flask
    count: int
    holder_id: UUID
    merchant_id: UUID
    settlement_id: UUID

    def browser(self, path: str) -> FlaskClient:
        """Of who has this page."""
        manager = Caller("li.na", "merchant_manager", str(self.merchant_id), DEMO_PROGRAMME)
        mine = path.startswith("/my")
        return browser_of(self.app, Caller(str(self.holder_id), "resident") if mine else manager)


@pytest.fixture(scope="module")
def crowds(settings, copied_database) -> Iterator[tuple[Crowd, Crowd]]:
    """One of a few rows, one of many, beside each other in one database."""
    with copied_database() as url:
        app = create_app(replace(settings, database_url=url))
        try:
            yield a_crowd(app, FEW), a_crowd(app, MANY)
        finally:
            app.extensions["tanhui"].database.dispose()


def a_crowd(app: Flask, count: int) -> Crowd:
    services, now = app.extensions["tanhui"], datetime.now(UTC)

    def made(session: Session) -> Crowd:
        holder_id = a_resident(session)
        add_people(session, services.keyring, [holder_id], now=now)
        starts = (APRIL_12 + number * timedelta(hours=1) for number in range(count))
        rides = [a_ride(holder_id, at=at) for at in starts]
        recorded(session, *rides)
        issued = account_key(programme_holder(session), "point", ISSUED)
        own = account_key(holder_id, "point", PERSONAL)
        grants = [
            NewTransfer(holder_id, issued, own, 1, "grant", uuid4(), now) for _ in range(count)
        ]
        post(session, NewPosting(uuid4(), "grant", "test", grants), now=now)
        merchant_id = shopping.a_merchant(session, programme_holder(session))
        offer_id = shopping.an_offer(session, programme_holder(session), merchant_id)
        named = {"holder_id": holder_id, "merchant_id": merchant_id, "offer_id": offer_id}
        for statement in TAKEN:
            session.execute(text(statement), named | {"count": count, "at": now})
        yesterday = now - timedelta(days=1)
        for first in range(0, count, AT_ONCE):
            settlements.lines_for(
                session, merchant_id, [100] * min(AT_ONCE, count - first), offer_id=offer_id,
                at=yesterday, occurred_at=yesterday - timedelta(minutes=first),
            )  # fmt: skip
        key = settlements.a_drafted(session, merchant_id, settlements.LATELY)
        return Crowd(app, count, holder_id, merchant_id, key.id)

    crowd: Crowd = services.database.transact(made)
    return crowd


ID = r"([0-9a-f-]{36})"
# The pages with a list that goes on, and what tells one row from another.
LISTS = {
    "/my/activities": rf'href="/my/activities/{ID}"',
    "/my/statement": rf'href="/my/statement/{ID}"',
    "/my/statement?unit=mg_co2e&month={month}": rf'href="/my/statement/{ID}"',
    "/my/vouchers": rf'href="/my/vouchers/{ID}"',
    "/till/today": rf'name="id" value="{ID}"',
    "/till/settlements/{settlement_id}": r'<th scope="row"><time>([^<]+)</time>',
}
OTHERS = (
    "/my",
    "/my/points",
    "/my/months",
    "/my/months.json",
    "/my/offers",
    "/till",
    "/till/offers",
)


def opened(crowd: Crowd, path: str) -> str:
    filled = path.format(settlement_id=crowd.settlement_id, month=f"{datetime.now(UTC):%Y-%m}")
    answer = crowd.browser(path).get(filled)
    assert answer.status_code == 200, answer.text
    return answer.text


def rows(page: str, pattern: str) -> list[str]:
    return list(dict.fromkeys(re.findall(pattern, page)))


def after(page: str) -> str:
    """What follows the page's path in the address of the next one; "" on the last."""
    found = re.search(r'rel="next" href="(\?[^"]+)"', page)
    return unescape(found[1]) if found else ""


@pytest.mark.parametrize("path", [*LISTS, *OTHERS])
def test_a_page_of_many_rows_is_as_small_as_one_of_few_and_asks_no_more(
    crowds, statements: Callable, path
):
    sizes, asked = [], []
    for crowd in crowds:
        opened(crowd, path)  # What is asked once, and remembered.
        with statements() as seen:
            sizes.append(len(opened(crowd, path).encode()))
        asked.append(len(seen))

    assert asked[0] == asked[1]
    assert sizes[1] < PAGE_BYTES


@pytest.mark.parametrize(("path", "pattern"), LISTS.items())
def test_a_list_goes_on_where_the_page_before_ended(crowds, path, pattern):
    few, many = crowds
    for crowd in (few, many):
        found, query = [], ""
        for number in range(4):
            page = opened(crowd, path if number == 0 else path.partition("?")[0] + query)
            found += rows(page, pattern)
            query = after(page)
            if not query:
                break

        assert len(found) == len(set(found))  # Nothing twice.
        assert bool(query) == (crowd is many)
        assert len(found) >= FEW
