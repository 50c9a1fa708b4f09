"""Merchants over HTTP: operators enter and approve, managers run their shops and scanners."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from rewards.merchants.scanners import key_of
from rewards.models import Merchant, Offer, Scanner
from service.admin.models import AdminAct
from service.db import owner_engine
from service.demo_shops import DEMO_PROGRAMME
from tests import shopping
from tests.catalogues import a_programme
from tests.makers import XIAYANG, programme_holder
from tests.service.answers import refused, refused_in_both_languages
from tests.service.staffing import a_merchant

CODE = "91110000600037341L"
BANK = {
    "account_name": "示范便利店有限公司",
    "account_number": "6222020200112230011",
    "bank_name": "示范银行上海青浦支行",
}


@pytest.fixture
def operator(bearer):
    return bearer("operator", "li.na", programme=DEMO_PROGRAMME)


@pytest.fixture
def merchant(services) -> UUID:
    return a_merchant(services)


@pytest.fixture
def manager(bearer, merchant):
    return bearer("merchant_manager", "ma.li", merchant, programme=DEMO_PROGRAMME)


@pytest.fixture
def clerk(bearer, merchant):
    return bearer("merchant", "xiao.wang", merchant, programme=DEMO_PROGRAMME)


@pytest.fixture
def elsewhere(database) -> str:
    return database.transact(lambda session: a_programme(session).code)


@pytest.fixture
def owner_of(database_url):
    """A statement by the tables' owner, who may do what the service may not."""

    def execute(statement):
        engine = owner_engine(database_url)
        with engine.begin() as connection:
            connection.execute(statement)
        engine.dispose()

    return execute


def enter(client, headers, id_=None, **changes):
    body = {"programme": DEMO_PROGRAMME, "name_zh": "店", "name_en": "Shop", "credit_code": CODE}
    return client.put(f"/v1/merchants/{id_ or uuid4()}", json=body | changes, headers=headers)


def step(client, headers, id_, state, reason="资质齐全"):
    body = {"state": state, "reason": reason}
    return client.put(f"/v1/merchants/{id_}/state", json=body, headers=headers)


def test_a_merchant_goes_from_draft_to_its_end(client, operator):
    entered = enter(client, operator)
    assert entered.status_code == 200
    assert entered.json["state"] == "draft"
    assert entered.json["programme"] == DEMO_PROGRAMME
    id_ = entered.json["id"]
    assert enter(client, operator, id_).json == entered.json

    for state in ("approved", "suspended", "approved", "ended"):
        assert step(client, operator, id_, state).json["state"] == state

    refused(step(client, operator, id_, "approved"), 409, "merchant-step-refused")
    refused(enter(client, operator, id_, name_en="New"), 409, "merchant-ended")
    assert client.get(f"/v1/merchants/{id_}", headers=operator).json["state"] == "ended"


def test_a_wrong_credit_code_is_refused_and_says_what_is_wrong(client, operator, database):
    found = refused_in_both_languages(
        database,
        lambda language: enter(client, operator | language, credit_code="91110000600037341M"),
        422,
        "bad-credit-code",
    )
    assert found["wrong"] == "check"


def test_a_merchant_without_a_code_stays_a_draft(client, operator, database):
    id_ = enter(client, operator, credit_code=None).json["id"]
    refused_in_both_languages(
        database,
        lambda language: step(client, operator | language, id_, "approved"),
        409,
        "credit-code-missing",
    )


def test_one_with_open_offers_does_not_end(client, operator, merchant, database):
    offer_id = database.transact(lambda s: shopping.an_offer(s, programme_holder(s), merchant))
    found = refused(step(client, operator, merchant, "ended"), 409, "offers-still-open")
    assert found["open_offers"] == 1
    database.transact(
        lambda s: s.execute(update(Offer).where(Offer.id == offer_id).values(state="ended"))
    )
    assert step(client, operator, merchant, "ended").status_code == 200


def test_an_operator_of_another_programme_reaches_nothing(client, bearer, merchant, elsewhere):
    stranger = bearer("operator", "wang", programme=elsewhere)
    for method, path, body in (
        ("get", "", None),
        ("put", "/state", {"state": "ended", "reason": "r"}),
        ("get", "/bank?purpose=p", None),
        ("put", "/bank", BANK),
        ("get", "/shops", None),
        ("get", "/scanners", None),
        ("get", "/agreements", None),
    ):
        url = f"/v1/merchants/{merchant}{path}"
        refused(client.open(url, method=method, json=body, headers=stranger), 404,
                "unknown-merchant")  # fmt: skip
    refused(enter(client, stranger), 404, "unknown-programme")
    refused(enter(client, stranger, merchant, programme=elsewhere), 409, "merchant-id-reused")
    listed = client.get("/v1/merchants", headers=stranger).json["merchants"]
    assert listed == []


def test_an_operator_bound_to_a_division_changes_no_merchant(client, bearer, merchant):
    bound = bearer("operator", "wang", "310118", programme=DEMO_PROGRAMME)
    assert client.get(f"/v1/merchants/{merchant}", headers=bound).status_code == 200
    refused(enter(client, bound), 403, "out-of-reach")
    refused(step(client, bound, merchant, "ended"), 403, "out-of-reach")
    refused(client.put(f"/v1/merchants/{merchant}/bank", json=BANK, headers=bound), 403,
            "out-of-reach")  # fmt: skip


def test_the_list_pages_and_chooses_by_state(client, operator):
    made = {enter(client, operator).json["id"] for _ in range(3)}
    ended = made.pop()
    step(client, operator, ended, "ended")

    def walk(**query):
        found, cursor = [], {}
        while True:
            answer = client.get(
                "/v1/merchants", query_string={"limit": 2} | query | cursor, headers=operator
            )
            found += answer.json["merchants"]
            if answer.json["next_cursor"] is None:
                return [each["id"] for each in found]
            cursor = {"cursor": answer.json["next_cursor"]}

    assert made | {ended} <= set(walk())
    assert made <= set(walk(state="draft"))
    assert ended not in walk(state="draft")
    assert walk() == sorted(walk())


# Bank details


def test_bank_details_are_sealed_and_opened_for_a_purpose_that_is_kept(
    client, operator, manager, merchant, database
):
    url = f"/v1/merchants/{merchant}/bank"
    refused(client.get(f"{url}?purpose=p", headers=operator), 404, "no-bank-details")
    assert client.put(url, json=BANK, headers=manager).json["bank_last4"] == "0011"

    row = database.transact(lambda s: s.get(Merchant, merchant))
    assert b"6222" not in row.bank_sealed
    again = client.put(url, json=BANK, headers=manager)
    assert again.json["bank_last4"] == "0011"
    assert database.transact(lambda s: s.get(Merchant, merchant)).bank_sealed == row.bank_sealed

    opened = client.get(url, query_string={"purpose": "支付十月结算单"}, headers=operator)
    assert opened.json == BANK
    assert opened.headers["Cache-Control"] == "no-store"
    query = select(AdminAct).where(AdminAct.object_id == str(merchant)).order_by(AdminAct.id)
    acts = database.transact(lambda s: s.scalars(query).all())
    assert [each.what for each in acts] == ["merchant.set_bank", "merchant.read_bank"]
    assert acts[1].after == {"bank_last4": "0011", "purpose": "支付十月结算单"}
    assert BANK["account_number"] not in str([(each.before, each.after) for each in acts])


def test_nobody_opens_them_without_a_purpose_or_as_a_merchant(client, operator, manager, merchant):
    url = f"/v1/merchants/{merchant}/bank"
    client.put(url, json=BANK, headers=manager)
    refused(client.get(url, headers=operator), 422, "body-does-not-fit")
    refused(client.get(f"{url}?purpose=p", headers=manager), 403, "wrong-role")


@pytest.mark.parametrize("number", ["1234567", "62220202001122300x1", "1" * 33])
def test_a_number_that_is_none_is_refused(client, manager, merchant, number):
    body = BANK | {"account_number": number}
    answer = client.put(f"/v1/merchants/{merchant}/bank", json=body, headers=manager)
    refused(answer, 422, "body-does-not-fit")


def test_another_account_with_the_same_end_is_written_down_too(client, manager, merchant, database):
    url = f"/v1/merchants/{merchant}/bank"
    for number in (BANK["account_number"], "999900001111220011"):
        client.put(url, json=BANK | {"account_number": number}, headers=manager)
    query = select(AdminAct).where(AdminAct.object_id == str(merchant))
    assert len(database.transact(lambda s: s.scalars(query).all())) == 2


# Shops and scanners


def test_a_manager_opens_moves_and_closes_a_shop(client, manager, clerk, merchant):
    url = f"/v1/merchants/{merchant}/shops/{uuid4()}"
    body = {"name_zh": "店", "name_en": "Shop", "address": "公园路 1 号", "division": XIAYANG}
    opened = client.put(url, json=body, headers=manager)
    assert (opened.status_code, opened.json["division"]) == (200, XIAYANG)
    closed = client.put(url, json=body | {"closed": True}, headers=manager)
    assert closed.json["closed_at"] is not None
    unknown = body | {"division": "999999999"}
    refused(client.put(url, json=unknown, headers=manager), 404, "unknown-division")
    refused(client.put(url, json=body, headers=clerk), 403, "wrong-role")
    listed = client.get(f"/v1/merchants/{merchant}/shops", headers=clerk).json["shops"]
    assert opened.json["id"] in {each["id"] for each in listed}


def test_a_scanner_gets_the_key_that_follows_from_its_id(
    client, manager, operator, merchant, services, database
):
    id_ = uuid4()
    url = f"/v1/merchants/{merchant}/scanners/{id_}"
    made = client.put(url, json={"name": "一号"}, headers=manager)
    told = base64.urlsafe_b64decode(made.json["key"] + "=")
    assert told == key_of(services.keyring.derived("scanners"), id_)
    assert client.put(url, json={"name": "一号"}, headers=manager).json == made.json
    refused(client.put(url, json={"name": "二号"}, headers=manager), 409, "scanner-id-reused")

    listed = client.get(f"/v1/merchants/{merchant}/scanners", headers=operator)
    assert made.json["key"] not in listed.text
    retired = client.delete(url, headers=operator)
    assert retired.json["retired_at"] is not None
    assert client.delete(url, headers=manager).json == retired.json
    refused(client.put(url, json={"name": "一号"}, headers=manager), 409, "scanner-id-reused")


def test_after_ten_minutes_the_key_is_told_no_more(client, manager, merchant, owner_of, services):
    id_ = uuid4()
    url = f"/v1/merchants/{merchant}/scanners/{id_}"
    assert client.put(url, json={"name": "一号"}, headers=manager).json["key"]
    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    owner_of(update(Scanner).where(Scanner.id == id_).values(made_at=long_ago))
    assert client.put(url, json={"name": "一号"}, headers=manager).json["key"] is None


# Agreements


def agree(client, headers, merchant, id_, **changes):
    body = {
        "valid_from": "2026-01-01",
        "valid_to": "2028-01-01",
        "price_rule": "fixed",
        "fixed_fen": 800,
        "document": "2026-031",
    }
    url = f"/v1/merchants/{merchant}/agreements/{id_}"
    return client.put(url, json=body | changes, headers=headers)


def test_an_agreement_is_made_and_shortened(client, operator, manager, merchant):
    id_ = uuid4()
    made = agree(client, operator, merchant, id_)
    assert (made.status_code, made.json["fixed_fen"], made.json["share_bp"]) == (200, 800, None)
    shorter = agree(client, operator, merchant, id_, valid_to="2027-01-01")
    assert shorter.json["valid_to"] == "2027-01-01"
    refused(agree(client, operator, merchant, id_), 409, "agreement-id-reused")
    refused(agree(client, manager, merchant, uuid4()), 403, "wrong-role")
    listed = client.get(f"/v1/merchants/{merchant}/agreements", headers=manager).json
    assert shorter.json in listed["agreements"]


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"fixed_fen": -5}, "body-does-not-fit"),
        ({"fixed_fen": 0}, "body-does-not-fit"),
        ({"fixed_fen": 2**53 // 10_000 + 1}, "body-does-not-fit"),  # Of 10,000 units given at once.
        ({"share_bp": 10_001, "fixed_fen": None, "price_rule": "share"}, "body-does-not-fit"),
        ({"price_rule": "free"}, "price-rule-does-not-fit"),
        ({"valid_to": "2026-01-01"}, "price-rule-does-not-fit"),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(
    client, operator, merchant, database, changes, slug
):
    id_ = uuid4()
    refused_in_both_languages(
        database,
        lambda language: agree(client, operator | language, merchant, id_, **changes),
        422,
        slug,
    )
