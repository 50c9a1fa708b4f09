"""Orders through a gateway that fails in every way it can; the service books what is true."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import text

from rewards.redeeming.gateways import Order, Outcome
from rewards.redeeming.top_up_queue import due_of
from service.gateway.settling import AT_ONCE, answered, settle
from tests.service.gateway.topping import (
    CARD,
    Shopper,
    a_shop,
    an_app,
    assert_nothing_lost_or_doubled,
    end_all,
    row_of,
    settled,
    somebody,
)
from tests.service.gateways import FAULTS, NO_SUCH_CARD, running

WITHIN_S = 20


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("gateway")) as found:
        yield found


@pytest.fixture(scope="module")
def app(settings, copied_database, gateway, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    with copied_database() as url, an_app(settings, url, gateway, folder) as made:
        yield made


@pytest.fixture
def services(app, gateway):
    found = app.extensions["tanhui"]
    yield found
    end_all(found, gateway)


@pytest.fixture
def shopper(app, services, bearer):
    def make(**more):
        holder_id = somebody(services, **more)
        return Shopper(app, bearer("resident", holder_id), holder_id)

    return make


def test_a_top_up_is_delivered_and_charged_while_the_resident_waits(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)

    answer = buyer.order(offer_id)

    assert (answer.status_code, answer.json["state"]) == (201, "done")
    assert answer.json["voucher_code"] is None
    assert gateway.delivered[str(buyer.order_id)] == (CARD, 1_000)
    assert buyer.points == (200, 0)
    assert buyer.cards_kept == 0
    assert_nothing_lost_or_doubled(services, gateway)


def test_a_refused_card_costs_nothing(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)

    answer = buyer.order(offer_id, card=NO_SUCH_CARD)

    assert (answer.status_code, answer.json["state"]) == (201, "failed")
    assert (buyer.told["state"], buyer.told["returned_points"]) == ("failed", 100)
    assert buyer.points == (300, 0)
    assert buyer.cards_kept == 0
    assert_nothing_lost_or_doubled(services, gateway)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_says_nothing_certain_leaves_it_pending_until_the_job_knows(
    services, gateway, shopper, fault
):
    buyer, offer_id = shopper(), a_shop(services)
    gateway.plan(fault)

    assert buyer.order(offer_id).json["state"] == "pending"
    assert buyer.told["state"] == "pending"
    assert buyer.points == (300, 100)
    assert buyer.cards_kept == 1
    assert settled(services)["asked"] == 0  # Its time has not come.
    for _ in range(2):  # To look; where it never arrived, to order then.
        buyer.hurry()
        settled(services)

    assert buyer.told["state"] == "done"
    assert buyer.points == (200, 0)
    assert buyer.cards_kept == 0
    assert_nothing_lost_or_doubled(services, gateway)


def test_faults_one_after_the_other_are_outlasted(services, gateway, shopper):
    buyers, offer_id = [shopper() for _ in range(4)], a_shop(services)
    quick = [fault for fault in FAULTS if not fault.startswith("hang")]
    gateway.plan(*quick, *quick)
    for buyer in buyers:
        buyer.order(offer_id)

    for _ in range(12):
        for buyer in buyers:
            buyer.hurry()
        settled(services)

    assert {buyer.told["state"] for buyer in buyers} == {"done"}
    assert_nothing_lost_or_doubled(services, gateway)


def test_a_gateway_that_is_killed_and_comes_back_knows_what_it_did(services, gateway, shopper):
    before, during, offer_id = shopper(), shopper(), a_shop(services)
    gateway.plan("drop after")
    before.order(offer_id)
    gateway.kill()
    assert during.order(offer_id).json["state"] == "pending"
    for buyer in (before, during):
        buyer.hurry()
    assert settled(services) == {"asked": 2, "done": 0, "failed": 0}

    gateway.start()
    for _ in range(2):
        for buyer in (before, during):
            buyer.hurry()
        settled(services)

    assert before.told["state"] == during.told["state"] == "done"
    assert_nothing_lost_or_doubled(services, gateway)


def test_what_nobody_waits_for_any_longer_is_cancelled_and_never_done_later(
    services, gateway, shopper
):
    lost, slow, done, offer_id = shopper(), shopper(), shopper(), a_shop(services)
    for buyer, fault in ((lost, "drop before"), (slow, "late"), (done, "drop after")):
        gateway.plan(fault)
        buyer.order(offer_id)
        buyer.age("61 minutes")

    settled(services)

    told = [buyer.told["state"] for buyer in (lost, slow, done)]
    assert told == ["failed", "failed", "done"]
    assert [buyer.points for buyer in (lost, slow, done)] == [(300, 0), (300, 0), (200, 0)]
    assert_nothing_lost_or_doubled(services, gateway)
    # An order that was still on its way comes only now: its id is spent.
    assert services.top_ups.order(Order(lost.order_id, 1_000, CARD)).state == "cancelled"
    assert_nothing_lost_or_doubled(services, gateway)


def test_a_cancel_whose_answer_was_lost_is_asked_again(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)
    gateway.plan("drop before", "drop after")
    buyer.order(offer_id)
    buyer.age("61 minutes")

    settled(services)
    assert buyer.told["state"] == "pending"
    buyer.hurry()
    settled(services)

    assert buyer.told["state"] == "failed"
    assert_nothing_lost_or_doubled(services, gateway)


class Together:
    """The gateway of a service; no question goes out before all of the threads have one."""

    def __init__(self, gateway):
        self._gateway, self._barrier = gateway, Barrier(AT_ONCE, timeout=WITHIN_S)

    def look(self, order_id):
        self._barrier.wait()
        return self._gateway.look(order_id)


def test_a_slow_answer_does_not_stop_the_others(services, gateway, shopper):
    buyers, offer_id = [shopper() for _ in range(AT_ONCE)], a_shop(services)
    gateway.plan(*["drop before"] * AT_ONCE)
    for buyer in buyers:
        buyer.order(offer_id)
        buyer.hurry()

    counts = settled(replace(services, top_ups=Together(services.top_ups)))

    assert counts == {"asked": AT_ONCE, "done": 0, "failed": 0}
    for buyer in buyers:
        buyer.hurry()
    assert settled(services) == {"asked": AT_ONCE, "done": AT_ONCE, "failed": 0}
    assert_nothing_lost_or_doubled(services, gateway)


def test_many_settlers_at_once_charge_once(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)
    gateway.plan("late")
    buyer.order(offer_id)

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: settle(services, buyer.order_id).state, range(16)))

    assert set(states) == {"done"}
    assert buyer.points == (200, 0)
    assert_nothing_lost_or_doubled(services, gateway)


def test_the_same_request_again_answers_the_same_and_another_card_is_refused(
    services, gateway, shopper
):
    buyer, offer_id = shopper(), a_shop(services)
    gateway.plan("late")
    first = buyer.order(offer_id)

    again = buyer.order(offer_id, buyer.redemption_id)
    other = buyer.order(offer_id, buyer.redemption_id, card="6210940009999999")

    assert (first.status_code, first.json) == (again.status_code, again.json)
    assert (other.status_code, other.json["type"].rpartition("/")[2]) == (
        409, "redemption-id-reused",
    )  # fmt: skip
    assert buyer.cards_kept == 1
    settle(services, buyer.order_id)
    assert buyer.order(offer_id, buyer.redemption_id).json["state"] == "done"
    assert buyer.cards_kept == 0
    assert buyer.points == (200, 0)


def test_the_card_is_sealed_and_its_owner_sees_who_opened_it(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)
    gateway.plan("drop before")
    buyer.order(offer_id)

    sql = text("SELECT purpose, fields FROM personal_read WHERE holder_id = :h")
    reads = services.database.transact(
        lambda session: session.execute(sql, {"h": buyer.holder_id}).all()
    )
    assert reads == [("top_up", [f"top_up_card/{buyer.order_id}"])]
    every = []
    for table in ("top_up", "personal_value"):
        rows = text(f"SELECT CAST(x AS text) FROM {table} AS x WHERE holder_id = :h")
        every += services.database.transact(
            lambda session, rows=rows: session.scalars(rows, {"h": buyer.holder_id}).all()
        )
    assert len(every) == 2
    assert not any(CARD in row for row in every)


def test_without_a_gateway_nothing_is_ordered(services, app, shopper, monkeypatch):
    buyer, offer_id = shopper(), a_shop(services)
    monkeypatch.setitem(app.extensions, "tanhui", replace(services, top_ups=None))

    answer = buyer.order(offer_id)

    assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (
        409, "top-ups-not-offered",
    )  # fmt: skip
    assert buyer.points == (300, 0)
    assert settled(app.extensions["tanhui"]) == {"asked": 0, "done": 0, "failed": 0}


def test_a_late_contradiction_is_listed_and_changes_nothing(services, gateway, shopper):
    buyer, offer_id = shopper(), a_shop(services)
    buyer.order(offer_id)
    row = row_of(services, buyer.order_id)

    answered(services, due_of(row, datetime.now(UTC)), Outcome("refused", "after all not"))

    row = row_of(services, buyer.order_id)
    assert (row.state, row.answered) == ("done", "refused after all not")
    assert buyer.points == (200, 0)
