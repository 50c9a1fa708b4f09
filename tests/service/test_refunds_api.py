"""Operators refund vouchers that were used, and look vouchers up by their codes."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from click.testing import CliRunner

from rewards.redeeming.redemption import redeem
from rewards.tills.consuming import consume
from rewards.tills.reversing import reverse_consumption
from service.cli import tanhui
from tests.makers import a_buyer, a_resident, an_offer, balance, programme_holder
from tests.service.answers import points_of, refused_in_both_languages
from tests.shopping import a_merchant, a_pool, a_project

BODY = {"reason": "商品有瑕疵"}


@pytest.fixture
def bought(database, services):
    """A resident's redemption of 120 points, and its use where it has a voucher."""

    def make(*, use=True, **offer):
        def work(session):
            now, holder_id = datetime.now(UTC), a_resident(session, points=300)
            sold = an_offer(session, **offer)
            codes, id_, consumption_id = services.codes, uuid4(), uuid4()
            buyer = a_buyer(session, holder_id)
            done = redeem(session, id_, buyer=buyer, offer_id=sold.id, codes=codes, now=now)
            if use:
                consume(
                    session, consumption_id, merchant_id=sold.merchant_id, code=done.voucher_code,
                    codes=codes, now=now, actor="till",
                )  # fmt: skip
            return holder_id, done, consumption_id, sold.merchant_id

        return database.transact(work)

    return make


def url_of(id_):
    return f"/v1/consumptions/{id_}/refund"


def test_an_operator_gives_the_points_back(client, bearer, bought):
    holder_id, done, id_, merchant_id = bought(settlement_fen=1_500)

    answer = client.put(url_of(id_), json=BODY, headers=bearer("operator", "anna"))

    assert answer.status_code == 201, answer.text
    told = answer.json
    assert (told["returned_points"], told["returned_fen"]) == (120, 1_500)
    assert (told["redemption_id"], told["merchant_id"]) == (str(done.id), str(merchant_id))
    assert told["refunded_by"] == "anna"
    resident = bearer("resident", holder_id)
    assert points_of(client, resident) == 300


def test_a_reversed_use_and_an_unknown_one_are_refused(client, bearer, database, bought):
    _, _, id_, merchant_id = bought()
    database.transact(
        lambda session: reverse_consumption(
            session, id_, merchant_id=merchant_id, zone="Asia/Shanghai", now=datetime.now(UTC),
            actor="till",
        )
    )  # fmt: skip
    operator = bearer("operator", "anna")

    for wanted, status, slug in [
        (id_, 409, "consumption-reversed"),
        (uuid4(), 404, "unknown-consumption"),
    ]:
        refused_in_both_languages(
            database,
            lambda headers, wanted=wanted: client.put(
                url_of(wanted), json=BODY, headers=operator | headers
            ),
            status,
            slug,
        )


def test_a_second_refund_for_another_reason_is_refused(client, bearer, database, bought):
    _, _, id_, _ = bought()
    operator = bearer("operator", "anna")
    assert client.put(url_of(id_), json=BODY, headers=operator).status_code == 201

    found = refused_in_both_languages(
        database,
        lambda headers: client.put(
            url_of(id_), json={"reason": "other"}, headers=operator | headers
        ),
        409,
        "refund-reused",
    )
    assert found["refunded_by"] == "anna"


def test_a_donation_is_not_refunded(client, bearer, database, bought):
    def project(session):
        merchant_id = a_merchant(session, programme_holder(session))
        project_id = a_project(session, programme_holder(session), merchant_id)
        return {"kind": "donation", "project_id": project_id, "merchant_id": merchant_id}

    _, done, _, _ = bought(use=False, **database.transact(project))
    operator = bearer("operator", "anna")

    found = refused_in_both_languages(
        database,
        lambda headers: client.put(url_of(done.id), json=BODY, headers=operator | headers),
        409,
        "not-refundable",
    )
    assert found["offer_kind"] == "donation"


# --- By command -----------------------------------------------------------------------------------


@pytest.fixture
def run(settings, monkeypatch):
    monkeypatch.setenv("TANHUI_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("TANHUI_VAR_DIR", str(settings.var_dir))

    def call(*words, typed=None):
        return CliRunner().invoke(tanhui, ["vouchers", *map(str, words)], input=typed)

    return call


def test_the_desk_sees_how_a_voucher_stands_and_nothing_of_its_owner(run, bought):
    holder_id, done, id_, merchant_id = bought()

    told = run("show", typed=done.voucher_code.lower().replace("-", " ") + "\n").stdout

    assert "used" in told
    assert str(id_) in told
    assert str(merchant_id) in told
    assert str(holder_id) not in told
    assert done.voucher_code not in told


def test_a_merchants_own_code_is_found_with_the_merchant(run, database, services):
    def work(session):
        holder_id, sold = a_resident(session, points=300), an_offer(session, kind="pool_code")
        code = f"OWN-{uuid4().hex}"
        a_pool(session, sold.id, [code], services.codes)
        redeem(
            session, uuid4(), buyer=a_buyer(session, holder_id), offer_id=sold.id,
            codes=services.codes, now=datetime.now(UTC),
        )  # fmt: skip
        return code, sold.merchant_id

    code, merchant_id = database.transact(work)

    assert "unused" in run("show", "--merchant", merchant_id, typed=f"{code}\n").output
    assert run("show", typed=f"{code}\n").exit_code == 1


def test_a_code_on_the_command_line_would_stay_in_the_history(run, bought):
    _, done, _, _ = bought()

    assert run("show", done.voucher_code).exit_code == 2


def test_a_refund_by_command_says_what_it_did(run, database, bought):
    holder_id, _, id_, _ = bought(settlement_fen=1_500)
    words = ("refund", id_, "--reason", "spoilt", "--by", "anna")

    said = [run(*words).output for _ in range(2)]

    assert said[0] == said[1]
    assert "120 points back to the resident, 1500 fen back from the merchant" in said[0]
    assert database.transact(lambda session: balance(session, holder_id)) == 300
    assert run("refund", uuid4(), "--reason", "spoilt", "--by", "anna").exit_code == 1
