"""What residents redeem over HTTP: kinds, refusals, the list, cancelling, and the voucher."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from rewards.models import Voucher
from rewards.redeeming.ending import posting_id_of
from rewards.redeeming.top_ups import order_id_of
from rewards.voucher_codes import code_sha256
from tests import shopping
from tests.makers import a_resident, an_offer, programme_holder
from tests.service.answers import (
    ENGLISH,
    a_shop,
    points_of,
    refused,
    refused_in_both_languages,
)


@pytest.fixture
def buyer(client, database, bearer):
    """A resident of 1,000 points: redeems, and asks."""
    return Buyer(client, database, bearer)


class Buyer:
    def __init__(self, client, database, bearer):
        self.client, self.database = client, database
        self.holder_id = database.transact(lambda s: a_resident(s, points=1_000))
        self.headers = bearer("resident", self.holder_id)

    def offer(self, **terms):
        """The id of an offer of the demo's programme."""

        def work(session):
            issuer = programme_holder(session)
            merchant_id = shopping.a_merchant(session, issuer)
            if terms.get("kind") == "donation":
                terms["project_id"] = shopping.a_project(session, issuer, merchant_id)
            return shopping.an_offer(session, issuer, merchant_id, **terms)

        return self.database.transact(work)

    def redeem(self, offer_id, redemption_id=None, *, headers=None, **more):
        url = f"/v1/redemptions/{redemption_id or uuid4()}"
        body = {"offer_id": str(offer_id)} | more
        return self.client.put(url, json=body, headers=self.headers | (headers or {}))

    def get(self, path, **headers):
        return self.client.get(f"/v1/redemptions{path}", headers=self.headers | headers)

    def cancel(self, redemption_id, headers=None):
        url = f"/v1/redemptions/{redemption_id}/cancellation"
        return self.client.put(url, json={}, headers=self.headers | (headers or {}))


def test_a_redemption_tells_what_was_bought_and_until_when(buyer):
    offer_id = buyer.offer(valid_days=30, cancel_hours=24, kind="goods")
    made = buyer.redeem(offer_id).json

    assert (made["version"], made["units"], made["state"]) == (1, 1, "done")
    found = buyer.get(f"/{made['id']}").json
    assert (found["kind"], found["title"]) == ("goods", "咖啡一杯")
    assert found["merchant"]["name"] == "示范便利店"
    assert (found["voucher_state"], found["used_at"], found["ended_at"]) == ("unused", None, None)
    assert found["expires_at"] == made["expires_at"]
    redeemed_at = datetime.fromisoformat(made["redeemed_at"])
    assert datetime.fromisoformat(found["cancel_until"]) == redeemed_at + timedelta(hours=24)
    assert "voucher_code" not in found
    english = buyer.get(f"/{made['id']}", **ENGLISH).json
    assert (english["title"], english["merchant"]["name"]) == ("A coffee", "Demo corner shop")


def test_a_donation_is_of_several_units_and_has_no_voucher(buyer):
    offer_id = buyer.offer(kind="donation", price_points=10, stock_units=100)
    made = buyer.redeem(offer_id, units=30).json

    assert (made["units"], made["spent_points"], made["voucher_code"]) == (30, 300, None)
    assert buyer.get(f"/{made['id']}").json["voucher_state"] is None
    for path in ("voucher", "voucher.svg"):
        refused(buyer.get(f"/{made['id']}/{path}"), 404, "no-voucher")


@pytest.mark.parametrize(
    ("offer", "status", "slug", "facts"),
    [
        ({"state": "paused"}, 409, "offer-paused", {}),
        ({"state": "ended"}, 410, "offer-ended", {}),
        ({"division_codes": ["510105"]}, 403, "not-for-division",
         {"division_codes": ["510105"]}),
        ({"scene_codes": ["demo.bike"]}, 403, "not-for-scenes", {"scene_codes": ["demo.bike"]}),
        ({"settlement_fen": 5, "budget_fen": 4}, 409, "budget-exhausted",
         {"valid_from": "2016-01-01", "valid_to": "2040-01-01"}),
        ({"stock_units": 0}, 409, "sold-out", {}),
    ],
)  # fmt: skip
def test_whatever_keeps_an_offer_from_a_resident_is_said(
    buyer, database, offer, status, slug, facts
):
    offer_id = buyer.offer(**offer)

    found = refused_in_both_languages(
        database, lambda x: buyer.redeem(offer_id, headers=x), status, slug
    )

    assert facts.items() <= found.items()


def test_a_suspended_merchant_sells_nothing(buyer, database):
    def suspended(session):
        issuer = programme_holder(session)
        return an_offer(
            session, merchant_id=shopping.a_merchant(session, issuer, state="suspended")
        )

    offer = database.transact(suspended)

    found = refused_in_both_languages(
        database, lambda x: buyer.redeem(offer.id, headers=x), 409, "merchant-suspended"
    )

    assert found["merchant_id"] == str(offer.merchant_id)


@pytest.mark.parametrize(
    ("limit", "period"),
    [("resident_day_units", "day"), ("resident_week_units", "week"),
     ("resident_month_units", "month")],
)  # fmt: skip
def test_a_reached_limit_says_which_and_when_it_opens(buyer, database, limit, period):
    offer_id = buyer.offer(**{limit: 1})
    assert buyer.redeem(offer_id).status_code == 201

    found = refused_in_both_languages(
        database, lambda x: buyer.redeem(offer_id, headers=x), 409, "resident-limit-reached"
    )

    assert (found["period"], found["limit_units"], found["taken_units"]) == (period, 1, 1)
    assert found["opens_on"] > datetime.now(UTC).date().isoformat()


def test_a_days_limit_says_when_there_is_more(buyer, database):
    offer_id = buyer.offer(daily_units=1)
    assert buyer.redeem(offer_id).status_code == 201

    found = refused_in_both_languages(
        database, lambda x: buyer.redeem(offer_id, headers=x), 409, "daily-limit-reached"
    )

    assert found["daily_units"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["opens_on"])


@pytest.mark.parametrize(
    "units", [0, -1, 10_001, 1.5, "x", None, 2**63], ids=lambda each: str(each)
)
def test_units_that_are_none_are_refused(buyer, units):
    refused(buyer.redeem(uuid4(), units=units), 422, "body-does-not-fit")


def test_several_units_of_what_is_no_donation_are_refused(buyer, database):
    offer_id = buyer.offer()

    found = refused_in_both_languages(
        database, lambda x: buyer.redeem(offer_id, headers=x, units=2), 422, "units-out-of-bounds"
    )

    assert (found["units"], found["units_max"]) == (2, 1)


# --- The list -------------------------------------------------------------------------------------


def test_redemptions_are_listed_by_the_page_the_newest_first(buyer):
    offer_id = buyer.offer(stock_units=10)
    made = [buyer.redeem(offer_id).json["id"] for _ in range(5)]

    pages, cursor = [], ""
    while cursor is not None:
        answer = buyer.get(f"?limit=2{cursor and f'&cursor={cursor}'}").json
        pages.append([each["id"] for each in answer["redemptions"]])
        cursor = answer["next_cursor"]

    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]


@pytest.mark.parametrize("more", [{}, {"card_number": "31041234567890"}])
def test_an_id_that_follows_from_another_is_ours_to_make(buyer, database, more):
    """By taking it first one would stop what is posted under it: one's own return, and with it the
    job that expires everybody's vouchers, or the charge of a top-up that is done.
    """
    offer_id = buyer.offer(valid_days=1)
    made = UUID(buyer.redeem(offer_id).json["id"])
    for derived in (posting_id_of(made, "expired"), order_id_of(buyer.holder_id, made)):
        refused_in_both_languages(
            database,
            lambda x, id_=derived: buyer.redeem(offer_id, id_, headers=x, **more),
            409,
            "redemption-id-reused",
        )

    assert buyer.get("").json["redemptions"][1:] == []


def test_the_list_shows_nobody_elses(buyer, client, bearer):
    buyer.redeem(buyer.offer())

    answer = client.get("/v1/redemptions", headers=bearer("resident", uuid4()))

    assert answer.json == {"redemptions": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ({"consumed_at": datetime(2026, 1, 1, tzinfo=UTC), "consumption_id": uuid4()}, "used"),
        ({"expired_at": datetime(2026, 1, 1, tzinfo=UTC)}, "expired"),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "expired"),
        ({"lapsed_at": datetime(2026, 1, 1, tzinfo=UTC)}, "lapsed"),
    ],
)
def test_how_a_voucher_stands_is_shown(buyer, database, ends, state):
    made = buyer.redeem(buyer.offer(cancel_hours=24)).json

    def change(session):
        voucher = session.get_one(Voucher, code_sha256(made["voucher_code"]))
        for name, value in ends.items():
            setattr(voucher, name, value)

    database.transact(change)

    (found,) = buyer.get("").json["redemptions"]
    assert (found["voucher_state"], found["cancel_until"]) == (state, None)
    assert buyer.get(f"/{made['id']}/voucher").json["state"] == state


# --- Cancelling -----------------------------------------------------------------------------------


def test_a_cancelled_redemption_gives_everything_back(buyer, client):
    offer_id = buyer.offer(cancel_hours=24)
    made = buyer.redeem(offer_id).json
    assert points_of(client, buyer.headers) == 900

    answer = buyer.cancel(made["id"])

    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["returned_points"]) == ("cancelled", 100)
    assert (answer.json["voucher_state"], answer.json["cancel_until"]) == ("cancelled", None)
    assert points_of(client, buyer.headers) == 1_000
    assert buyer.cancel(made["id"]).json == answer.json
    again = buyer.redeem(offer_id, made["id"])
    assert (again.status_code, again.json["state"]) == (201, "cancelled")


def test_what_cannot_be_cancelled_is_refused(buyer, database):
    made = buyer.redeem(buyer.offer()).json

    found = refused_in_both_languages(
        database, lambda x: buyer.cancel(made["id"], x), 409, "not-cancellable"
    )

    assert found["cancel_until"] is None


def test_somebody_elses_is_neither_cancelled_nor_shown(buyer, database, bearer):
    made = buyer.redeem(buyer.offer(cancel_hours=24)).json
    buyer.headers = bearer("resident", a_shop(database)[0])

    refused_in_both_languages(
        database, lambda x: buyer.cancel(made["id"], x), 404, "unknown-redemption"
    )
    for path in ("", "/voucher", "/voucher.svg"):
        refused(buyer.get(f"/{made['id']}{path}"), 404, "unknown-redemption")


# --- The voucher ----------------------------------------------------------------------------------


def test_the_owner_reads_the_code_again_and_nobody_keeps_it(buyer):
    made = buyer.redeem(buyer.offer(valid_days=3)).json

    answer = buyer.get(f"/{made['id']}/voucher")

    assert answer.json == {
        "code": made["voucher_code"],
        "state": "unused",
        "expires_at": made["expires_at"],
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_the_code_comes_as_a_picture_too(buyer):
    made = buyer.redeem(buyer.offer()).json

    answer = buyer.get(f"/{made['id']}/voucher.svg")

    assert answer.content_type == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data.startswith(b"<?xml")
    assert b"<svg" in answer.data
    assert b'fill="#fff"' in answer.data, "dark modules on a dark page cannot be scanned"
    assert made["voucher_code"].encode() not in answer.data


def test_a_pools_code_is_the_merchants_own(buyer, database, services):
    offer_id = buyer.offer(kind="pool_code")
    database.transact(lambda s: shopping.a_pool(s, offer_id, ["JD-2026-X"], services.codes))
    made = buyer.redeem(offer_id).json

    assert made["voucher_code"] == "JD-2026-X"
    assert buyer.get(f"/{made['id']}/voucher").json["code"] == "JD-2026-X"


@pytest.mark.parametrize(("powers", "status"), [("read", 403), ("spend", 200)])
def test_who_acts_for_the_resident_sees_the_code_if_they_may_spend(buyer, bearer, powers, status):
    made = buyer.redeem(buyer.offer()).json
    buyer.headers = bearer("resident", buyer.holder_id, actor=str(uuid4()), powers=powers)

    assert buyer.get(f"/{made['id']}").status_code == 200
    for path in ("voucher", "voucher.svg"):
        assert buyer.get(f"/{made['id']}/{path}").status_code == status
