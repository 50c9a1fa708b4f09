"""A rush: 2,000 residents on 200 connections want 500 units of one offer, of a served programme."""

import http.client
import json
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from activities.participants import enrol
from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.audit import audit as ledger_audit
from ledgers.models import Account, Transfer
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.audit import audit
from rewards.models import Budget, OfferStock, Redemption, Voucher
from service.app import create_app
from service.demo_shops import DEMO_PROGRAMME
from service.identity.tokens import Caller
from service.services import Services
from service.settings import Settings
from tests import shopping
from tests.makers import XIAYANG, programme_holder
from tests.service.fuzzing import READY_S
from tests.service.test_cli import TANHUI, select_nothing

pytestmark = pytest.mark.once

RESIDENTS, CONNECTIONS, UNITS = 2_000, 200, 500
PRICE_POINTS, HAD_POINTS, SETTLEMENT_FEN = 100, 150, 300


@dataclass
class Rush:
    """A running server, and who wants what of it."""

    port: int
    services: Services
    holders: list[UUID]
    offer_id: UUID


@pytest.fixture
def rush(fresh_database_url, urls, tmp_path) -> Iterator[Rush]:
    own = {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
        "TANHUI_PORT": str(_free_port()),
        "TANHUI_WORKERS": "2",
        "TANHUI_RATE_LIMITS": "off",  # All come from one address.
    }
    services: Services = create_app(Settings.from_env(own)).extensions["tanhui"]
    holders = [uuid4() for _ in range(RESIDENTS)]
    offer_id = services.database.transact(lambda session: _prepared(session, holders))
    with _serving(own):
        yield Rush(int(own["TANHUI_PORT"]), services, holders, offer_id)
    services.database.dispose()


def _prepared(session, holders) -> UUID:
    """The residents with their points, and what they want; the budget is drawn in the rush."""
    now, issuer = datetime.now(UTC), programme_holder(session)
    enrol(session, DEMO_PROGRAMME, dict.fromkeys(holders, XIAYANG), now=now)
    grants = [
        NewTransfer(
            holder_id,
            account_key(issuer, "point", ISSUED),
            account_key(holder_id, "point", PERSONAL),
            HAD_POINTS,
            "grant",
            uuid4(),
            now,
        )
        for holder_id in holders
    ]
    post(session, NewPosting(uuid4(), "grant", "test", grants), now=now)
    merchant_id = shopping.a_merchant(session, issuer)
    return shopping.an_offer(
        session,
        issuer,
        merchant_id,
        price_points=PRICE_POINTS,
        stock_units=UNITS,
        settlement_fen=SETTLEMENT_FEN,
        budget_fen=UNITS * SETTLEMENT_FEN,
    )


def test_exactly_as_many_get_one_as_there_are_and_each_pays_once(rush):
    ids = {holder_id: uuid4() for holder_id in rush.holders}
    answers = _all_at_once(rush, rush.holders, ids)

    kinds = Counter(status for status, _ in answers.values())
    assert kinds == {201: UNITS, 409: RESIDENTS - UNITS}
    won = [holder_id for holder_id, (status, _) in answers.items() if status == 201]
    refusals = {
        body["type"].rpartition("/")[2] for status, body in answers.values() if status == 409
    }
    assert refusals == {"sold-out"}
    codes = {answers[holder_id][1]["voucher_code"] for holder_id in won}
    assert len(codes) == UNITS

    # Whoever did not hear it asks again, and pays nothing more.
    assert _all_at_once(rush, won, ids) == {holder_id: answers[holder_id] for holder_id in won}
    rush.services.database.transact(lambda session: _check_books(session, rush, set(won)))


def _check_books(session, rush, won) -> None:
    points = select(Account.holder_id, Account.balance).where(
        Account.unit == "point", Account.kind == PERSONAL
    )
    expected = {
        holder_id: HAD_POINTS - PRICE_POINTS * (holder_id in won) for holder_id in rush.holders
    }
    assert dict(session.execute(points).all()) == expected
    for counted in (
        select(func.count()).select_from(Redemption),
        select(func.count()).select_from(Voucher),
        select(func.count()).select_from(Transfer).where(Transfer.kind == "spend"),
    ):
        assert session.scalar(counted) == UNITS
    stock = session.get_one(OfferStock, rush.offer_id)
    assert (stock.stock_units, stock.day_units, stock.reserved_fen) == (0, UNITS, 0)
    assert session.scalar(select(Budget.drawn_fen)) == UNITS * SETTLEMENT_FEN
    assert not list(audit(session))
    assert not list(ledger_audit(session))


def _all_at_once(
    rush: Rush, holders: list[UUID], ids: dict[UUID, UUID]
) -> dict[UUID, tuple[int, dict[str, object]]]:
    """Status and body by resident; connections that begin together, each for some of them."""
    now = datetime.now(UTC)
    issue = rush.services.tokens.issue
    tokens = {each: issue(Caller(str(each), "resident"), now=now) for each in holders}
    together = threading.Barrier(CONNECTIONS)
    body = json.dumps({"offer_id": str(rush.offer_id)})

    def ask(mine: list[UUID]) -> list[tuple[UUID, tuple[int, dict[str, object]]]]:
        connection = http.client.HTTPConnection("127.0.0.1", rush.port, timeout=120)
        connection.connect()
        together.wait(60)
        found = []
        for holder_id in mine:
            headers = {
                "Authorization": f"Bearer {tokens[holder_id]}",
                "Content-Type": "application/json",
            }
            connection.request("PUT", f"/v1/redemptions/{ids[holder_id]}", body, headers)
            answer = connection.getresponse()
            found.append((holder_id, (answer.status, json.loads(answer.read()))))
        connection.close()
        return found

    parts = [holders[n::CONNECTIONS] for n in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return dict(pair for found in pool.map(ask, parts) for pair in found)


@contextmanager
def _serving(own: dict[str, str]) -> Iterator[None]:
    outside = {name: value for name, value in os.environ.items() if name[:7] != "TANHUI_"}
    process = subprocess.Popen([TANHUI, "serve"], env=outside | own, stdout=subprocess.DEVNULL)
    try:
        for _ in range(READY_S * 10):
            if _is_ready(int(own["TANHUI_PORT"])):
                break
            assert process.poll() is None
            select_nothing()
        yield
    finally:
        process.terminate()
        process.wait(READY_S)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()
