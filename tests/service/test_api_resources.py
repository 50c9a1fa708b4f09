"""What each resource of the API answers, and answers again to the same request."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from activities.events import Batch
from activities.intake import record
from ledgers.posting import post
from rewards.voucher_codes import voucher_code
from service.demo_shops import MERCHANT_ID
from tests.makers import APRIL_12, NOW, XIAYANG, a_resident, a_walk, earning
from tests.service.answers import (
    ENGLISH,
    a_shop,
    nothing_written,
    points_of,
    refused,
    refused_in_both_languages,
)
from tests.service.districts.issuing import a_district
from tests.service.districts.worlds import summed

REPORT = "/v1/districts/310118/report"


@pytest.fixture
def shop(database, bearer):
    """A resident's headers, an offer, and the headers of its merchant's till."""
    holder_id, offer = a_shop(database, points=300, price_points=120)
    return bearer("resident", holder_id), offer, bearer("merchant", "till", offer.merchant_id)


@pytest.fixture
def voucher(client, shop):
    """The code of a voucher that nobody has taken."""
    resident, offer, _ = shop
    body = {"offer_id": str(offer.id)}
    answer = client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=resident)
    return answer.json["voucher_code"]


def test_a_resident_sees_her_accounts_and_nobody_elses(client, database, bearer):
    holder_id = database.transact(lambda s: a_resident(s, points=70))

    answer = client.get("/v1/accounts", headers=bearer("resident", holder_id))

    assert [(a["unit"], a["kind"], a["balance"], a["debt"]) for a in answer.json["accounts"]] == [
        ("mg_co2e", "personal", 0, 0),
        ("point", "personal", 70, 0),
    ]
    stranger = bearer("resident", uuid4())
    assert client.get("/v1/accounts", headers=stranger).json == {"accounts": []}
    account_id = answer.json["accounts"][1]["id"]
    refused_in_both_languages(
        database,
        lambda x: client.get(f"/v1/accounts/{account_id}/statement", headers=stranger | x),
        404,
        "unknown-account",
    )


def test_a_statement_is_paged_from_the_newest_to_the_first(client, database, bearer):
    holder_id = database.transact(a_resident)
    for n in (1, 2, 3, 4, 5):
        at = NOW + timedelta(seconds=n)
        database.transact(lambda s, n=n, at=at: post(s, earning(s, holder_id, n), now=at))
    headers = bearer("resident", holder_id)
    account = client.get("/v1/accounts", headers=headers).json["accounts"][1]

    pages, cursor = [], ""
    while cursor is not None:
        url = f"/v1/accounts/{account['id']}/statement?limit=2{cursor and f'&cursor={cursor}'}"
        answer = client.get(url, headers=headers).json
        pages.append([(entry["amount"], entry["balance"]) for entry in answer["entries"]])
        cursor = answer["next_cursor"]

    assert pages == [[(5, 15), (4, 10)], [(3, 6), (2, 3)], [(1, 1)]]
    entry = answer["entries"][0]
    assert set(entry) == {
        "transfer_id", "posting_id", "kind", "amount", "balance", "reference", "occurred_at",
        "expires_on", "reverses_id",
    }  # fmt: skip
    assert datetime.fromisoformat(entry["occurred_at"]) == NOW


def test_an_activity_says_what_it_saved_and_earned_and_why_in_both_languages(
    client, database, bearer
):
    holder_id = database.transact(a_resident)
    walk = a_walk(holder_id, 12_000)
    database.transact(lambda s: record(s, Batch([walk], "test", NOW)))
    headers = bearer("resident", holder_id)

    chinese = client.get("/v1/activities", headers=headers)
    english = client.get("/v1/activities", headers=headers | ENGLISH)

    (activity,) = chinese.json["activities"]
    assert (activity["event_id"], activity["scene"]) == (walk.event_id, "demo.walking")
    assert (activity["decision"], activity["day"]) == ("verified", "2016-04-12")
    assert activity["saved_mg_co2e"] > 0
    assert activity["points"] > 0
    assert activity["trimmed_points"] == 40
    assert datetime.fromisoformat(activity["started_at"]) == APRIL_12
    (same,) = english.json["activities"]
    assert {**activity, "reason": ""} == {**same, "reason": ""}
    assert "40 分未发放" in activity["reason"]
    assert "cap: 40." in same["reason"]
    assert "Accept-Language" in chinese.headers["Vary"]


def test_activities_are_paged(client, database, bearer):
    holder_id = database.transact(a_resident)
    walks = [a_walk(holder_id, day=day) for day in range(5)]
    for n, walk in enumerate(walks):
        at = NOW + timedelta(seconds=n)
        database.transact(lambda s, w=walk, at=at: record(s, Batch([w], "test", at)))
    headers = bearer("resident", holder_id)

    first = client.get("/v1/activities?limit=3", headers=headers).json
    cursor = first["next_cursor"]
    second = client.get(f"/v1/activities?limit=3&cursor={cursor}", headers=headers).json

    shown = [activity["event_id"] for activity in first["activities"] + second["activities"]]
    assert shown == [walk.event_id for walk in reversed(walks)]
    assert (len(first["activities"]), second["next_cursor"]) == (3, None)


def test_offers_are_those_on_sale_in_the_callers_language(client, database, bearer, shop):
    resident, offer, _ = shop
    _, past = a_shop(database, on_sale_to=NOW - timedelta(hours=12))

    def offers(headers):
        return {
            each["id"]: each for each in client.get("/v1/offers", headers=headers).json["offers"]
        }

    found = offers(resident)
    assert str(past.id) not in found
    assert {k: v for k, v in found[str(offer.id)].items() if k not in ("id", "on_sale_to")} == {
        "kind": "voucher",
        "title": "茶",
        "merchant": "示范便利店",
        "merchant_id": str(offer.merchant_id),
        "pictures": [],
        "price_points": 120,
        "stock_units": 5,
        "own_left_units": None,
    }
    english = offers(resident | ENGLISH)[str(offer.id)]
    assert (english["title"], english["merchant"]) == ("Tea", "Demo corner shop")


def test_the_same_redemption_sent_twice_answers_the_same_and_spends_once(client, shop, services):
    resident, offer, _ = shop
    redemption_id = uuid4()
    body = {"offer_id": str(offer.id)}

    answers = [
        client.put(f"/v1/redemptions/{redemption_id}", json=body, headers=resident)
        for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].json == answers[1].json == answers[2].json
    assert answers[0].json["spent_points"] == 120
    assert answers[0].json["voucher_code"] == voucher_code(services.voucher_key, redemption_id)
    assert points_of(client, resident) == 180


def test_a_redemption_read_later_shows_no_code(client, database, bearer, shop):
    resident, offer, _ = shop
    url = f"/v1/redemptions/{uuid4()}"
    made = client.put(url, json={"offer_id": str(offer.id)}, headers=resident).json

    answer = client.get(url, headers=resident)

    assert answer.status_code == 200
    code = made.pop("voucher_code")
    assert made.items() <= answer.json.items()
    assert code not in answer.text
    stranger = bearer("resident", uuid4())
    refused_in_both_languages(
        database, lambda x: client.get(url, headers=stranger | x), 404, "unknown-redemption"
    )


def test_an_id_that_stands_for_another_redemption_takes_no_points(client, database, bearer, shop):
    resident, offer, _ = shop
    other_holder, other_offer = a_shop(database, points=300, price_points=50)
    url = f"/v1/redemptions/{uuid4()}"
    client.put(url, json={"offer_id": str(offer.id)}, headers=resident)
    other_resident = bearer("resident", other_holder)
    attempts = [
        (resident, other_offer.id),  # Another body.
        (other_resident, offer.id),  # Another resident, the same body.
        (other_resident, other_offer.id),
    ]

    for headers, offer_id in attempts:
        body = {"offer_id": str(offer_id)}

        def send(x, headers=headers, body=body):
            return client.put(url, json=body, headers=headers | x)

        refused_in_both_languages(database, send, 409, "redemption-id-reused")

    assert points_of(client, resident) == 180
    assert points_of(client, other_resident) == 300


@pytest.mark.parametrize(
    ("points", "offer", "status", "slug", "facts"),
    [
        (119, {}, 409, "insufficient-points",
         {"have_points": 119, "need_points": 120, "owed_points": 0}),
        (300, {"stock_units": 0}, 409, "sold-out", {}),
        (300, {"on_sale_to": NOW - timedelta(hours=12)}, 409, "offer-not-on-sale",
         {"on_sale_to": (NOW - timedelta(hours=12)).isoformat()}),
        (300, {"on_sale_from": NOW + timedelta(days=9_000)}, 409, "offer-not-on-sale",
         {"on_sale_from": (NOW + timedelta(days=9_000)).isoformat()}),
    ],
    ids=["poor", "sold-out", "past", "not-yet"],
)  # fmt: skip
def test_what_cannot_be_redeemed_is_refused_with_its_facts(
    client, database, bearer, points, offer, status, slug, facts
):
    holder_id, made = a_shop(database, points=points, **offer)
    headers = bearer("resident", holder_id)
    body = {"offer_id": str(made.id)}

    def send(x):
        return client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=headers | x)

    found = refused_in_both_languages(database, send, status, slug)
    assert facts.items() <= found.items()


def test_an_unknown_offer_is_refused_and_to_who_takes_part_nowhere_all_are_unknown(
    client, database, bearer, shop
):
    resident, offer, _ = shop
    for headers, offer_id in ((resident, uuid4()), (bearer("resident", uuid4()), offer.id)):
        body = {"offer_id": str(offer_id)}

        def send(x, headers=headers, body=body):
            return client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=headers | x)

        refused_in_both_languages(database, send, 404, "unknown-offer")


def test_the_same_consumption_sent_twice_answers_the_same(client, shop, voucher):
    _, offer, till = shop
    url = f"/v1/consumptions/{uuid4()}"
    typed = [voucher, voucher.lower().replace("-", " "), voucher.replace("0", "o")]

    answers = [client.put(url, json={"code": code}, headers=till) for code in typed]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].json == answers[1].json == answers[2].json
    assert answers[0].json["offer_id"] == str(offer.id)
    assert answers[0].json["title"] == "茶"
    english = client.put(url, json={"code": voucher}, headers=till | ENGLISH)
    assert english.json == answers[0].json | {"title": "Tea"}


def test_a_used_voucher_is_refused_with_the_moment_of_its_use(client, database, shop, voucher):
    _, _, till = shop
    used = client.put(f"/v1/consumptions/{uuid4()}", json={"code": voucher}, headers=till).json

    def send(x):
        return client.put(f"/v1/consumptions/{uuid4()}", json={"code": voucher}, headers=till | x)

    found = refused_in_both_languages(database, send, 409, "voucher-consumed")
    assert found["consumed_at"] == used["consumed_at"]


def test_an_id_that_stands_for_another_vouchers_use_is_refused(client, database, shop, voucher):
    resident, offer, till = shop
    body = {"offer_id": str(offer.id)}
    other = client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=resident).json
    url = f"/v1/consumptions/{uuid4()}"
    client.put(url, json={"code": voucher}, headers=till)

    def send(x):
        return client.put(url, json={"code": other["voucher_code"]}, headers=till | x)

    refused_in_both_languages(database, send, 409, "consumption-id-reused")


def test_a_code_that_this_merchant_does_not_know_is_refused(
    client, database, bearer, shop, voucher
):
    _, offer, till = shop
    mistyped = voucher[:-1] + ("0" if voucher[-1] != "0" else "1")
    swapped = voucher[1] + voucher[0] + voucher[2:] if voucher[0] != voucher[1] else "0" + voucher
    for headers, code in (
        (bearer("merchant", "till", MERCHANT_ID), voucher),  # Another merchant.
        (till, mistyped),
        (till, swapped),
        (till, voucher[:-2]),
        (till, "碳惠"),
        (till, "\x00"),
    ):

        def send(x, headers=headers, code=code):
            return client.put(
                f"/v1/consumptions/{uuid4()}", json={"code": code}, headers=headers | x
            )

        refused_in_both_languages(database, send, 404, "unknown-voucher")

    # By somebody else, who sent no wrong codes: it is still good.
    other = bearer("merchant", f"till-{uuid4()}", offer.merchant_id)
    answer = client.put(f"/v1/consumptions/{uuid4()}", json={"code": voucher}, headers=other)
    assert answer.status_code == 201


def test_a_clerk_of_no_merchant_takes_nothing(client, database, bearer, voucher):
    for scope in ("", "shop"):
        headers = bearer("merchant", "till", scope)
        with nothing_written(database):
            answer = client.put(
                f"/v1/consumptions/{uuid4()}", json={"code": voucher}, headers=headers
            )
        refused(answer, 401, "invalid-token")


def test_a_district_reads_its_month(client, database, services, bearer):
    code = database.transact(a_district)  # In which twelve walked in April.
    summed(database, origin=database.transact(services.log.origin))
    report = f"/v1/districts/{code}/report"
    headers = bearer("operator", "o")
    issued = client.put(
        f"/v1/districts/{code}/reports/2016-04/versions/1", json={}, headers=headers
    )
    assert issued.status_code == 200

    for role, scope in (("district_officer", code), ("operator", ""), ("auditor", "")):
        answer = client.get(f"{report}?month=2016-04", headers=bearer(role, "officer", scope))
        assert answer.status_code == 200
        assert (answer.json["division_code"], answer.json["month"]) == (code, "2016-04")
        rows = {(row["town_code"], row["behaviour_code"]): row for row in answer.json["rows"]}
        assert rows[None, "walking"]["figures"]["activities"] == 12
        assert rows[None, "walking"]["figures"]["residents"] == 10


def test_a_town_has_no_report_of_its_own(client, database, bearer):
    """It could give away what the district's table withholds."""
    headers = bearer("district_officer", "officer", "310118")

    def send(x):
        return client.get(f"/v1/districts/{XIAYANG}/report?month=2016-04", headers=headers | x)

    assert refused_in_both_languages(database, send, 422, "not-a-district")["code"] == XIAYANG


@pytest.mark.parametrize("scope", ["", "510105", "3101180010", "x", "310118001"])
def test_an_officer_of_another_division_reads_nothing(client, database, bearer, scope):
    headers = bearer("district_officer", "officer", scope)

    def send(x):
        return client.get(f"{REPORT}?month=2016-04", headers=headers | x)

    refused_in_both_languages(database, send, 404, "unknown-division")


@pytest.mark.parametrize(
    "month",
    [
        "2016-4", "2016", "2016-13", "2016-00", "2016-04-01", "201604", "04-2016", "+016-04",
        "２０１６-04", "2016-04 ", "", "April", "0000-01", "%00",
    ],
)  # fmt: skip
def test_a_month_badly_written_is_refused_by_name(client, database, bearer, month):
    headers = bearer("operator", "o")

    def send(x):
        return client.get(REPORT, query_string={"month": month}, headers=headers | x)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["parameter"] for error in found["errors"]] == ["month"]


def test_no_month_at_all_is_refused_by_name(client, database, bearer):
    headers = bearer("operator", "o")

    found = refused_in_both_languages(
        database, lambda x: client.get(REPORT, headers=headers | x), 422, "body-does-not-fit"
    )
    assert [error["parameter"] for error in found["errors"]] == ["month"]


@pytest.mark.parametrize("month", ["2099-01", "9999-12"])
def test_a_month_that_is_not_over_is_refused(client, database, bearer, month):
    headers = bearer("district_officer", "officer", "310118")

    def send(x):
        return client.get(f"{REPORT}?month={month}", headers=headers | x)

    assert refused_in_both_languages(database, send, 422, "month-not-over")["month"] == month


def test_this_month_is_not_over(client, bearer):
    month = f"{datetime.now(UTC) + timedelta(hours=8):%Y-%m}"

    answer = client.get(f"{REPORT}?month={month}", headers=bearer("operator", "o"))

    assert answer.status_code == 422


@pytest.mark.parametrize("code", ["999999", "x", "31011", "310118%20", "'; --"])
def test_an_unknown_division_is_refused(client, database, bearer, code):
    headers = bearer("operator", "o")

    def send(x):
        return client.get(f"/v1/districts/{code}/report?month=2016-04", headers=headers | x)

    refused_in_both_languages(database, send, 404, "unknown-division")
