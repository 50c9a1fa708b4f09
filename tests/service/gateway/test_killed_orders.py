"""kill -9 of the service at thirty points of redemptions; then nothing is lost or doubled."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from rewards.models import Redemption
from service.gateway.settling import settle_due
from tests.makers import programme_holder
from tests.service.gateway.killing import Life, mother, nths
from tests.service.gateway.topping import (
    CARD,
    Shopper,
    a_shop,
    an_app,
    assert_nothing_lost_or_doubled,
    somebody,
)
from tests.service.gateways import key_file, running
from tests.shopping import a_merchant, an_offer

pytestmark = pytest.mark.once

KILLS = 30
SEED = 6
TRIES_MAX = 10
FAULTS = ("", "", "drop after", "500 before", "late")


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def app(settings, fresh_database_url, gateway, tmp_path):
    with an_app(settings, fresh_database_url, gateway, tmp_path) as made:
        yield made


@pytest.fixture
def services(app):
    return app.extensions["tanhui"]


@pytest.fixture
def offers(services):
    """A top-up, and a coffee for a voucher; each for 100 points, and paid for by a budget."""

    def coffee(session):
        holder = programme_holder(session)
        terms = {"settlement_fen": 700, "stock_units": 1_000}
        return an_offer(session, holder, a_merchant(session, holder), **terms)

    return a_shop(services), services.database.transact(coffee)


def test_a_service_killed_anywhere_in_a_redemption_loses_and_doubles_nothing(
    app, services, settings, fresh_database_url, gateway, tmp_path, bearer, offers
):
    source = random.Random(SEED)  # noqa: S311
    environ = {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": settings.redis_url,
        "TANHUI_VAR_DIR": str(settings.var_dir),
        "TANHUI_RATE_LIMITS": "off",
        "TANHUI_TOP_UP_URL": gateway.url,
        "TANHUI_TOP_UP_KEY_FILE": str(key_file(tmp_path)),
    }
    shoppers = []

    def request(offer_id, **kill):
        holder_id = somebody(services)
        headers = bearer("resident", holder_id)
        shopper = Shopper(app, headers, holder_id)
        shopper.wanted = {"offer_id": str(offer_id)}
        if offer_id == offers[0]:
            shopper.wanted["card_number"] = CARD
        shoppers.append(shopper)
        token = headers["Authorization"].removeprefix("Bearer ")
        return Life(f"/v1/redemptions/{shopper.redemption_id}", shopper.wanted, token, **kill)

    def kill(living, offer_id, nth):
        """There; or earlier, where it had answered before the kill came."""
        for _ in range(TRIES_MAX):
            if (fault := source.choice(FAULTS)) and offer_id == offers[0]:
                gateway.plan(fault)
            later_s = source.choice((None, source.uniform(0, 0.004)))
            ended = living.live(request(offer_id, nth=nth, later_s=later_s))
            gateway.forget_plans()
            if ended.status is None:
                return 1
            nth = source.randint(1, nth)
        return 0

    killed = 0
    with mother(environ) as living:
        for offer_id in offers:
            undisturbed = living.live(request(offer_id))
            assert undisturbed.status == 201
            for nth in nths(KILLS // 2, undisturbed.points, source):
                killed += kill(living, offer_id, nth)
    assert killed == KILLS

    again = [shopper for shopper in shoppers if source.random() < 0.5]
    for shopper in again:  # Their apps had no answer, and ask again.
        answer = shopper.ask()
        assert answer.status_code == 201, answer.text
    for _ in range(2):
        make_due(services)
        settle_due(services, datetime.now(UTC), within_s=20)

    assert_nothing_lost_or_doubled(services, gateway)
    states = states_of(services)
    for shopper in shoppers:
        state = states.pop(shopper.redemption_id, None)
        assert state in ("done", None)
        assert shopper.points == ((200, 0) if state else (300, 0))
        assert shopper.cards_kept == 0
        assert state or shopper not in again
    assert states == {}


def make_due(services):
    sql = text("UPDATE top_up SET next_at = ordered_at WHERE state = 'ordered'")
    services.database.transact(lambda session: session.execute(sql))


def states_of(services):
    query = select(Redemption.id, Redemption.state)
    return dict(services.database.transact(lambda session: session.execute(query).all()))
