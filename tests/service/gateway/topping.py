"""A service whose gateway is the tests' own, and residents who order top-ups of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import select, text

from ledgers.audit import audit as audit_ledger
from ledgers.models import Hold
from rewards.audit import audit as audit_rewards
from rewards.models import OfferStock, Redemption, TopUp
from rewards.redeeming.top_ups import order_id_of
from service.app import create_app
from service.gateway.asking import HttpGateway
from service.gateway.settling import settle_due
from service.identity.logins.outside import Outside
from service.services import Services
from service.settings import Settings
from tests.makers import a_resident, programme_holder
from tests.service.gateways import SECRET, Gateway, key_file
from tests.shopping import a_merchant, an_offer

CARD = "6210940001234567"
TIMEOUT_S = 2.0


@contextmanager
def an_app(settings: Settings, url: str, gateway: Gateway, folder: Path) -> Iterator[Flask]:
    """On a database of its own; it waits for the gateway for two seconds only."""
    own = replace(
        settings, database_url=url, top_up_url=gateway.url, top_up_key_file=key_file(folder)
    )
    app = create_app(own)
    made: Services = app.extensions["tanhui"]
    outside = Outside(timeout_s=TIMEOUT_S)
    app.extensions["tanhui"] = replace(made, top_ups=HttpGateway(gateway.url, SECRET, outside))
    yield app
    outside.close()
    made.database.dispose()


def a_shop(services: Services, **terms: object) -> UUID:
    """A top-up of ten yuan for 100 points, of which the merchant gets 9.50."""
    terms = {"price_points": 100, "face_value_fen": 1_000, "settlement_fen": 950, **terms}

    def make(session):
        holder = programme_holder(session)
        merchant = a_merchant(session, holder)
        return an_offer(session, holder, merchant, kind="top_up", stock_units=1_000, **terms)

    return services.database.transact(make)


def somebody(services: Services, points: int = 300) -> UUID:
    return services.database.transact(lambda session: a_resident(session, points=points))


class Shopper:
    """A resident at the API."""

    def __init__(self, app: Flask, headers: dict[str, str], holder_id: UUID) -> None:
        self._client, self._headers, self.holder_id = app.test_client(), headers, holder_id
        self._services: Services = app.extensions["tanhui"]
        self.redemption_id = uuid4()
        self.wanted: dict[str, str] = {}

    def order(self, offer_id: UUID, redemption_id: UUID | None = None, card: str = CARD):
        self.redemption_id = redemption_id or uuid4()
        self.wanted = {"offer_id": str(offer_id), "card_number": card}
        return self.ask()

    def ask(self):
        """For what is wanted; again is a retry."""
        url = f"/v1/redemptions/{self.redemption_id}"
        return self._client.put(url, json=self.wanted, headers=self._headers)

    @property
    def order_id(self) -> UUID:
        return order_id_of(self.holder_id, self.redemption_id)

    @property
    def told(self) -> dict:
        url = f"/v1/redemptions/{self.redemption_id}"
        return self._client.get(url, headers=self._headers).json

    @property
    def points(self) -> tuple[int, int]:
        """Balance, and what of it is held."""
        sql = text("SELECT balance, held FROM account WHERE holder_id = :h AND unit = 'point'")
        transact = self._services.database.transact
        return tuple(transact(lambda s: s.execute(sql, {"h": self.holder_id}).one()))

    @property
    def cards_kept(self) -> int:
        sql = text(
            "SELECT count(*) FROM personal_value WHERE holder_id = :h AND field LIKE 'top_up%'"
        )
        transact = self._services.database.transact
        return transact(lambda session: session.scalar(sql, {"h": self.holder_id}))

    def hurry(self) -> None:
        """Let its time have come."""
        sql = text(
            "UPDATE top_up SET next_at = ordered_at WHERE order_id = :o AND ended_at IS NULL"
        )
        self._services.database.transact(lambda s: s.execute(sql, {"o": self.order_id}))

    def age(self, interval: str) -> None:
        """Let it have been ordered so long ago."""
        sql = text(
            f"UPDATE top_up SET ordered_at = ordered_at - interval '{interval}',"
            f" next_at = next_at - interval '{interval}' WHERE order_id = :o"
        )
        self._services.database.transact(lambda s: s.execute(sql, {"o": self.order_id}))


def settled(services: Services, within_s: float = 20) -> dict[str, int]:
    """What the job does now."""
    return settle_due(services, datetime.now(UTC), within_s=within_s)


def end_all(services: Services, gateway: Gateway) -> None:
    """So that the next test finds nothing waiting: what one may have left is asked about."""
    gateway.forget_plans()
    sql = text("UPDATE top_up SET next_at = ordered_at WHERE ended_at IS NULL")
    for _ in range(2):  # To look; where it never arrived, to order then.
        if services.database.transact(lambda session: session.execute(sql).rowcount):
            settled(services)


def row_of(services: Services, order_id: UUID) -> TopUp:
    query = select(TopUp).where(TopUp.order_id == order_id)
    return services.database.transact(lambda session: session.scalars(query).one())


def assert_nothing_lost_or_doubled(services: Services, gateway: Gateway) -> None:
    """What was delivered was charged, once, and nothing else was; nothing is held any more."""
    with services.database.snapshot() as session:
        states = dict(session.execute(select(TopUp.order_id, TopUp.state)).all())
        assert "ordered" not in states.values()
        done = {str(order_id) for order_id, state in states.items() if state == "done"}
        assert done == gateway.delivered.keys()
        assert session.scalars(select(Hold).where(Hold.state == "held")).all() == []
        assert session.scalars(select(Redemption).where(Redemption.state == "pending")).all() == []
        units = dict.fromkeys(session.scalars(select(OfferStock.offer_id)), 0)
        bought = select(Redemption.offer_id, Redemption.units).where(Redemption.state == "done")
        for offer_id, count in session.execute(bought):
            units[offer_id] += count
        for stock in session.scalars(select(OfferStock)):
            if stock.put_units:
                assert stock.stock_units == stock.put_units - units[stock.offer_id]
    assert drifts(services) == []


def drifts(services: Services) -> list:
    """What the audits of the ledger and of rewards find."""
    with services.database.snapshot() as session:
        return [*audit_ledger(session), *audit_rewards(session)]
