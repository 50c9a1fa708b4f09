"""Tills over HTTP: vouchers taken and given back, the offline queue, live codes, wrong codes."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from rewards.models import CodeDevice, Consumption, Scan, Shop, Voucher
from rewards.tills.live_codes import LiveCode, step_of, written
from rewards.tills.offline import signature
from rewards.voucher_codes import code_sha256
from service.api_keys.keys import NewKey, make
from service.app import create_app
from service.settings import Settings
from service.tills.guesses import PER_CALLER, PER_MERCHANT
from tests.makers import a_resident, an_offer
from tests.service.answers import (
    ENGLISH,
    a_shop,
    points_of,
    refused,
    refused_in_both_languages,
)
from tests.service.staffing import MACHINE

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(database):
    """A resident with 300 points, and an offer of a merchant of its own."""
    return a_shop(database)


@pytest.fixture
def merchant_id(shop) -> UUID:
    return shop[1].merchant_id


@pytest.fixture
def clerk(bearer, merchant_id):
    return bearer("merchant", f"clerk-{uuid4()}", merchant_id)


@pytest.fixture
def manager(bearer, merchant_id):
    return bearer("merchant_manager", "mia", merchant_id)


@pytest.fixture
def buy(client, bearer, shop):
    """A voucher's code and the redemption's id."""

    def bought(offer=None) -> tuple[str, str]:
        holder_id, own = shop
        answer = client.put(
            f"/v1/redemptions/{uuid4()}",
            json={"offer_id": str((offer or own).id)},
            headers=bearer("resident", holder_id),
        )
        assert answer.status_code == 201, answer.text
        return answer.json["voucher_code"], answer.json["id"]

    return bought


@pytest.fixture
def phone(client, bearer, shop):
    """Shows the code of now; each time a newer one."""
    device_id, headers = uuid4(), bearer("resident", shop[0])
    made = client.put(f"/v1/code-devices/{device_id}", json={"name": "phone"}, headers=headers)
    key = urlsafe_b64decode(made.json["key"] + "=")
    shown = iter(range(-4, 5))

    def show(steps: int | None = None) -> str:
        step = step_of(datetime.now(UTC)) + (next(shown) if steps is None else steps)
        return written(key, LiveCode(device_id, step))

    show.device_id = device_id
    return show


@pytest.fixture
def scanner(client, manager, merchant_id):
    """Its id and its key."""
    id_ = uuid4()
    url = f"/v1/merchants/{merchant_id}/scanners/{id_}"
    made = client.put(url, json={"name": "till"}, headers=manager)
    return id_, urlsafe_b64decode(made.json["key"] + "=")


def shop_of(database, merchant_id) -> UUID:
    query = select(Shop.id).where(Shop.merchant_id == merchant_id)
    return database.transact(lambda s: s.scalars(query).one())


def take(client, headers, code, id_=None, **more):
    body = {"code": code} | more
    return client.put(f"/v1/consumptions/{id_ or uuid4()}", json=body, headers=headers)


def test_a_clerk_takes_a_voucher_in_a_shop(client, clerk, buy, database, merchant_id, shop):
    code, redemption_id = buy()
    shop_id = shop_of(database, merchant_id)

    answer = take(client, clerk, code, shop_id=str(shop_id))

    assert answer.status_code == 201
    assert answer.json["offer_id"] == str(shop[1].id)
    assert answer.json["redemption_id"] == redemption_id
    assert (answer.json["shop_id"], answer.json["version"]) == (str(shop_id), 1)
    assert (answer.json["offline"], answer.json["reversed_at"]) == (False, None)
    assert client.get(f"/v1/consumptions/{answer.json['id']}", headers=clerk).json == answer.json


def test_a_used_voucher_says_when_where_and_by_which(client, clerk, buy, database, merchant_id):
    code, _ = buy()
    shop_id = shop_of(database, merchant_id)
    first = take(client, clerk, code, shop_id=str(shop_id)).json

    found = refused_in_both_languages(
        database, lambda x: take(client, clerk | x, code), 409, "voucher-consumed"
    )

    assert found["consumed_at"] == first["consumed_at"]
    assert (found["consumption_id"], found["shop_id"]) == (first["id"], str(shop_id))
    assert "一号店" in found["detail"]


@pytest.mark.parametrize(
    ("ended", "status", "slug"),
    [
        ({"cancelled_at": datetime.now(UTC)}, 410, "voucher-cancelled"),
        ({"expires_at": datetime.now(UTC) - HOUR}, 410, "voucher-expired"),
        ({"lapsed_at": datetime.now(UTC)}, 410, "voucher-lapsed"),
    ],
)
def test_a_voucher_that_ended_says_how(client, clerk, buy, database, ended, status, slug):
    code, _ = buy()
    which = Voucher.code_sha256 == code_sha256(code)
    database.transact(lambda s: s.execute(update(Voucher).where(which).values(ended)))

    refused_in_both_languages(database, lambda x: take(client, clerk | x, code), status, slug)


def test_a_till_of_another_merchant_is_none(client, clerk, buy, database):
    code, _ = buy()
    other = database.transact(an_offer)
    shop_id = str(shop_of(database, other.merchant_id))
    for till, slug in (
        ({"shop_id": shop_id}, "unknown-shop"),
        ({"scanner_id": str(uuid4())}, "unknown-scanner"),
    ):
        refused_in_both_languages(
            database, lambda x, t=till: take(client, clerk | x, code, **t), 404, slug
        )


def test_a_voucher_of_other_shops_names_them(client, clerk, buy, database, merchant_id):
    shop_id = shop_of(database, merchant_id)
    offer = database.transact(
        lambda s: an_offer(s, merchant_id=merchant_id, shop_ids=[shop_id], price_points=10)
    )
    code, _ = buy(offer)

    found = refused_in_both_languages(
        database, lambda x: take(client, clerk | x, code), 409, "voucher-not-here"
    )

    assert found["shop_ids"] == [str(shop_id)]
    assert take(client, clerk, code, shop_id=str(shop_id)).status_code == 201


def test_what_was_taken_goes_back_the_same_day(client, clerk, manager, buy):
    code, _ = buy()
    url = f"/v1/consumptions/{take(client, clerk, code).json['id']}"

    first, again = (client.put(f"{url}/reversal", headers=manager) for _ in range(2))

    assert first.status_code == 200
    assert first.json["reversed_at"]
    assert again.json == first.json
    assert take(client, clerk, code).status_code == 201


def test_on_another_day_it_does_not(client, clerk, buy, database, services):
    code, _ = buy()
    taken = take(client, clerk, code).json
    before, now = datetime.now(UTC) - timedelta(days=2), datetime.now(UTC)
    id_ = uuid4()
    database.transact(
        lambda s: s.add(
            Consumption(
                id=id_, code_sha256=code_sha256(code), merchant_id=UUID(clerk_of(s, taken)),
                consumed_at=before, recorded_at=now, recorded_by="c",
            )
        )
    )  # fmt: skip

    found = refused_in_both_languages(
        database,
        lambda x: client.put(f"/v1/consumptions/{id_}/reversal", headers=clerk | x),
        409,
        "reversal-too-late",
    )

    assert found["consumed_on"] < found["today"]


def clerk_of(session, taken) -> str:
    return str(session.get_one(Consumption, UUID(taken["id"])).merchant_id)


def test_the_days_list_goes_on_by_cursor(client, clerk, buy, bearer, database):
    taken = [take(client, clerk, buy()[0]).json["id"] for _ in range(2)]
    seen, query = [], {"limit": 1}
    while True:
        page = client.get("/v1/consumptions", query_string=query, headers=clerk).json
        seen += [each["id"] for each in page["consumptions"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == taken[::-1]
    other = database.transact(an_offer)
    theirs = bearer("merchant", "other", other.merchant_id)
    assert client.get("/v1/consumptions", headers=theirs).json["consumptions"] == []
    another_day = client.get("/v1/consumptions?day=2016-04-12", headers=clerk).json
    assert (another_day["day"], another_day["consumptions"]) == ("2016-04-12", [])


def test_a_key_takes_what_its_scope_says(client, buy, database, services, merchant_id, phone):
    def key(*scopes):
        new = NewKey(uuid4(), "merchant", str(merchant_id), "till", scopes)
        return database.transact(
            lambda s: make(s, services.keyring, new, actor=MACHINE, now=datetime.now(UTC)).written
        )

    takes, scans = ({"Authorization": f"Bearer {key(each)}"} for each in ("consumptions", "scans"))
    body = {"live_code": phone()}

    assert client.put(f"/v1/scans/{uuid4()}", json=body, headers=scans).status_code == 200
    assert client.put(f"/v1/scans/{uuid4()}", json=body, headers=takes).status_code == 403
    assert take(client, scans, buy()[0]).status_code == 403
    assert take(client, takes, buy()[0]).status_code == 201


def scanned(scanner, code, *, at=None, id_=None):
    scanner_id, key = scanner
    said = (at or datetime.now(UTC)).isoformat()
    id_ = id_ or uuid4()
    return {
        "id": str(id_),
        "code": code,
        "scanned_at": said,
        "scanner_id": str(scanner_id),
        "signature": signature(key, id_, code, said),
    }


def send(client, headers, *scans):
    return client.post("/v1/consumptions", json={"consumptions": list(scans)}, headers=headers)


def test_a_queue_is_answered_one_by_one_and_again_the_same(client, clerk, buy, scanner):
    earlier = datetime.now(UTC) - HOUR
    code, _ = buy()
    scans = [
        scanned(scanner, code, at=earlier),
        scanned(scanner, code),
        scanned(scanner, "AAAA"),
        scanned(scanner, code, at=earlier - 25 * HOUR),
    ]

    first, again = (send(client, clerk | ENGLISH, *scans) for _ in range(2))

    assert first.status_code == 200
    told = first.json["consumptions"]
    assert [each["id"] for each in told] == [each["id"] for each in scans]
    slugs = [each["problem"] and each["problem"]["type"].rpartition("/")[2] for each in told]
    assert slugs == [None, "voucher-consumed", "unknown-voucher", "scan-too-old"]
    assert told[0]["consumption"]["consumed_at"] == scans[0]["scanned_at"]
    assert told[0]["consumption"]["offline"] is True
    assert told[1]["problem"]["consumption_id"] == scans[0]["id"]
    assert again.json == first.json


@pytest.mark.parametrize(
    "change",
    [
        {"scanned_at": "2026-11-21T12:30:00"},
        {"scanned_at": "yesterday"},
        {"scanned_at": "2026-13-41T12:30:00Z"},
        {"scanned_at": "0001-01-01T00:00:00+14:00"},
        {"signature": "A" * 64},
        {"code": ""},
        {"points": 3},
    ],
)
def test_what_is_no_scan_is_refused_whole(client, clerk, scanner, change, database):
    scans = [scanned(scanner, "A"), scanned(scanner, "B") | change]

    found = refused_in_both_languages(
        database, lambda x: send(client, clerk | x, *scans), 422, "body-does-not-fit"
    )

    (name,) = change
    assert [each["pointer"] for each in found["errors"]] == [f"#/consumptions/1/{name}"]


def test_a_queue_has_a_thousand_at_most_and_one_at_least(client, clerk, scanner):
    for scans in ([], [scanned(scanner, "A")] * 1_001):
        refused(send(client, clerk, *scans), 422, "body-does-not-fit")


def test_double_uses_are_for_the_merchant_and_its_programme(
    client, clerk, manager, buy, bearer, scanner, database
):
    code, _ = buy()
    taken = take(client, clerk, code).json
    scan = scanned(scanner, code, at=datetime.now(UTC) - HOUR)
    send(client, manager, scan)

    def listed(headers):
        answer = client.get("/v1/double-uses", query_string={"limit": 200}, headers=headers)
        assert answer.status_code == 200
        return {each["id"]: each for each in answer.json["double_uses"]}

    own = listed(clerk)
    assert list(own) == [scan["id"]]
    row = own[scan["id"]]
    assert (row["first_id"], row["why"], row["earlier"]) == (taken["id"], "consumed", "this")
    assert (row["recorded_by"], row["scanner_id"]) == ("mia", str(scanner[0]))
    other = database.transact(an_offer)
    assert listed(bearer("merchant_manager", "x", other.merchant_id)) == {}
    assert listed(bearer("operator", "o", programme="demo-2016")).keys() >= own.keys()
    assert listed(bearer("auditor", "a")).keys() >= own.keys()
    assert scan["id"] not in listed(bearer("operator", "o", programme="elsewhere"))


def test_a_till_sees_what_it_can_hand_out_and_nothing_of_the_resident(
    client, clerk, buy, phone, shop
):
    holder_id, offer = shop
    _, redemption_id = buy()
    url = f"/v1/scans/{uuid4()}"

    answer = client.put(url, json={"live_code": phone()}, headers=clerk)

    assert answer.status_code == 200, answer.text
    assert [each["redemption_id"] for each in answer.json["vouchers"]] == [redemption_id]
    assert [each["offer_id"] for each in answer.json["offers"]] == [str(offer.id)]
    assert str(holder_id) not in answer.text
    assert "180" not in answer.text  # The balance.
    taken = client.put(
        f"{url}/consumptions/{uuid4()}", json={"redemption_id": redemption_id}, headers=clerk
    )
    assert (taken.status_code, taken.json["redemption_id"]) == (201, redemption_id)


def test_one_request_redeems_and_takes(client, clerk, phone, shop, bearer):
    holder_id, offer = shop
    url, body = f"/v1/scans/{uuid4()}", {"live_code": phone(), "offer_id": str(offer.id)}

    first, again = (client.put(url, json=body, headers=clerk) for _ in range(2))

    assert first.status_code == 200, first.text
    assert again.json == first.json
    done = first.json["handed_out"]
    assert (done["spent_points"], done["consumption"]["offer_id"]) == (120, str(offer.id))
    resident = bearer("resident", holder_id)
    assert points_of(client, resident) == 180
    own = client.get(f"/v1/redemptions/{done['redemption_id']}", headers=resident).json
    assert own["acted_by"] == f"till:{offer.merchant_id}"


def test_a_code_that_was_read_is_used_up_by_whoever_read_it(client, clerk, phone, database):
    code = phone(0)
    client.put(f"/v1/scans/{uuid4()}", json={"live_code": code}, headers=clerk)

    def again(x):
        return client.put(f"/v1/scans/{uuid4()}", json={"live_code": code}, headers=clerk | x)

    refused_in_both_languages(database, again, 409, "live-code-used")


def test_codes_that_are_not_good_say_why(client, clerk, phone, database, shop, bearer):
    def read(code):
        return lambda x: client.put(
            f"/v1/scans/{uuid4()}", json={"live_code": code}, headers=clerk | x
        )

    for code, status, slug in (
        (phone(-20), 409, "live-code-off-time"),
        (phone(20), 409, "live-code-off-time"),
        (phone(0)[:-1] + "!", 404, "unknown-live-code"),
    ):
        refused_in_both_languages(database, read(code), status, slug)
    url = f"/v1/code-devices/{phone.device_id}"
    assert client.delete(url, headers=bearer("resident", shop[0])).json["ended_at"]
    refused_in_both_languages(database, read(phone(0)), 410, "code-device-ended")


def test_a_scan_is_over_after_five_minutes(client, clerk, phone, database, shop, buy):
    """Its rows are made as of then."""
    _, redemption_id = buy()
    id_, ago = uuid4(), datetime.now(UTC) - 6 * timedelta(minutes=1)
    holder_id, offer = shop
    database.transact(
        lambda s: s.add(
            Scan(
                id=id_, merchant_id=offer.merchant_id, holder_id=holder_id,
                code_device_id=phone.device_id, step=1, opened_by="c", opened_at=ago,
                ends_at=ago + timedelta(minutes=5),
            )
        )
    )  # fmt: skip
    for path, body in (
        ("redemptions", {"offer_id": str(offer.id)}),
        ("consumptions", {"redemption_id": redemption_id}),
    ):
        url = f"/v1/scans/{id_}/{path}/{uuid4()}"
        refused_in_both_languages(
            database, lambda x, u=url, b=body: client.put(u, json=b, headers=clerk | x), 410,
            "scan-over",
        )  # fmt: skip


def test_a_phone_is_signed_on_in_person_and_its_key_is_told_once(client, bearer, database, shop):
    holder_id, device_id = shop[0], uuid4()
    url, headers = f"/v1/code-devices/{device_id}", bearer("resident", holder_id)
    first, again = (client.put(url, json={"name": "p"}, headers=headers) for _ in range(2))

    assert first.status_code == 200
    assert again.json == first.json
    assert len(urlsafe_b64decode(first.json["key"] + "=")) == 32
    listed = client.get("/v1/code-devices", headers=headers)
    assert [each["id"] for each in listed.json["code_devices"]] == [str(device_id)]
    assert first.json["key"] not in listed.text
    old = datetime.now(UTC) - HOUR
    which = CodeDevice.id == device_id
    database.transact(lambda s: s.execute(update(CodeDevice).where(which).values(made_at=old)))
    assert client.put(url, json={"name": "p"}, headers=headers).json["key"] is None
    for powers in ("spend", "guardian"):
        acting = bearer("resident", holder_id, actor=str(uuid4()), powers=powers)
        refused(client.put(url, json={"name": "p"}, headers=acting), 403, "not-as-delegate")


def test_a_clerk_with_typos_waits_a_minute_at_most(client, clerk, buy, database):
    """Right codes between wrong ones are taken, and are not counted."""
    for n in range(PER_CALLER.times):
        if n == 5:
            assert take(client, clerk, buy()[0]).status_code == 201
        refused(take(client, clerk, f"WRONG-{n}"), 404, "unknown-voucher")

    code, _ = buy()
    told = refused(take(client, clerk, code), 429, "too-many-requests")
    assert 0 < told["retry_after_s"] <= 60
    live = client.put(f"/v1/scans/{uuid4()}", json={"live_code": "TH1"}, headers=clerk)
    refused(live, 429, "too-many-requests")


def test_another_clerk_of_the_merchant_goes_on(client, bearer, merchant_id, clerk, buy):
    for n in range(PER_CALLER.times + 1):
        take(client, clerk, f"WRONG-{n}")

    other = bearer("merchant", f"clerk-{uuid4()}", merchant_id)
    assert take(client, other, buy()[0]).status_code == 201


def test_all_clerks_of_a_merchant_together_have_a_limit(client, bearer, merchant_id, buy):
    sent = 0
    while sent < PER_MERCHANT.times:
        clerk = bearer("merchant", f"clerk-{uuid4()}", merchant_id)
        for n in range(PER_CALLER.times):
            refused(take(client, clerk, f"WRONG-{n}"), 404, "unknown-voucher")
            sent += 1

    fresh = bearer("merchant", f"clerk-{uuid4()}", merchant_id)
    refused(take(client, fresh, buy()[0]), 429, "too-many-requests")


def test_a_queue_of_guesses_counts_each(client, clerk, scanner, buy):
    wrong = [scanned(scanner, f"WRONG-{n}") for n in range(PER_CALLER.times)]
    assert send(client, clerk, *wrong).status_code == 200

    refused(take(client, clerk, buy()[0]), 429, "too-many-requests")


def test_without_redis_vouchers_are_taken_and_wrong_codes_counted_here(
    settings, tmp_path, bearer, merchant_id, buy
):
    code, _ = buy()
    away = create_app(
        Settings(**{**vars_of(settings), "redis_url": f"unix://{tmp_path}/nobody.sock"})
    )
    try:
        client = away.test_client()
        clerk = bearer("merchant", f"clerk-{uuid4()}", merchant_id)
        assert take(client, clerk, code).status_code == 201
        statuses = [take(client, clerk, f"WRONG-{n}").status_code for n in range(8)]
        assert statuses == [404] * PER_CALLER.without_redis.times + [429] * 3
    finally:
        away.extensions["tanhui"].database.dispose()


def vars_of(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in Settings.__dataclass_fields__}


def test_who_closed_the_account_is_served_no_more(client, clerk, phone, shop, bearer, database):
    resident = bearer("resident", shop[0])
    assert client.delete("/v1/me", headers=resident).status_code == 200

    answer = client.put(f"/v1/scans/{uuid4()}", json={"live_code": phone()}, headers=clerk)

    refused(answer, 410, "code-device-ended")
    assert database.transact(a_resident)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_that_no_till_has_seen_is_no_fault_of_ours(client, clerk, day):
    answer = client.get("/v1/consumptions", query_string={"day": day}, headers=clerk)

    refused(answer, 422, "body-does-not-fit")
