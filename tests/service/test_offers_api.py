"""Offers over HTTP: merchants draft, operators publish, residents see what is for them."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from activities.catalogue.models import Programme
from rewards.models import Merchant, OfferStock
from service.api.code_files import BODY_MAX_BYTES
from service.demo_shops import DEMO_PROGRAMME
from tests import shopping
from tests.makers import a_resident
from tests.service.answers import ENGLISH, nothing_written, refused, refused_in_both_languages

TODAY = datetime.now(UTC)
TEA = {
    "kind": "voucher",
    "title_zh": "茶一杯",
    "title_en": "A cup of tea",
    "text_zh": "周一至周五\n可用",
    "price_points": 120,
    "on_sale_from": (TODAY - timedelta(days=1)).isoformat(),
    "on_sale_to": (TODAY + timedelta(days=90)).isoformat(),
    "cancel_hours": 24,
    "valid_days": 30,
    "resident_week_units": 2,
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def merchant_id(database):
    def work(session):
        issuer = session.get_one(Programme, DEMO_PROGRAMME).holder_id
        id_ = shopping.a_merchant(session, issuer)
        shopping.an_agreement(session, id_)
        return id_

    return database.transact(work)


@pytest.fixture
def manager(bearer, merchant_id):
    return bearer("merchant_manager", "mei", merchant_id, programme=DEMO_PROGRAMME)


@pytest.fixture
def operator(bearer):
    return bearer("operator", "anna", programme=DEMO_PROGRAMME)


@pytest.fixture
def resident(bearer, database):
    return bearer("resident", database.transact(lambda s: a_resident(s, points=500)))


@pytest.fixture
def url(merchant_id):
    return f"/v1/merchants/{merchant_id}/offers/{uuid4()}"


@pytest.fixture
def published(client, url, manager, operator):
    assert client.put(url, json=TEA, headers=manager).status_code == 201
    answer = client.put(f"{url}/publication", json={"version": 1}, headers=operator)
    assert answer.status_code == 200, answer.text
    return url


def stock_url(url):
    return f"{url}/stock-changes/{uuid4()}"


def codes_url(url):
    return f"{url}/code-files/{uuid4()}"


def id_of(url):
    return url.rpartition("/")[2]


def test_from_a_draft_to_what_a_resident_sees(
    client, url, manager, operator, resident, merchant_id
):
    draft = client.put(url, json=TEA, headers=manager)
    assert (draft.status_code, draft.json["version"]) == (201, 1)
    assert draft.json["made_by"] == "mei"
    assert client.get(f"/v1/offers/{id_of(url)}", headers=resident).status_code == 404
    assert client.put(stock_url(url), json={"units": 9}, headers=manager).status_code == 201

    done = client.put(f"{url}/publication", json={"version": 1}, headers=operator)

    assert done.json == {"id": id_of(url), "state": "published", "version": 1}
    query = f"/v1/offers?merchant_id={merchant_id}&kind=voucher"
    (listed,) = client.get(query, headers=resident).json["offers"]
    assert (listed["title"], listed["stock_units"]) == ("茶一杯", 9)
    assert listed["own_left_units"] == 2
    shown = client.get(f"/v1/offers/{id_of(url)}", headers=resident | ENGLISH)
    assert (shown.json["title"], shown.json["text"]) == ("A cup of tea", "")
    assert (shown.json["cancel_hours"], shown.json["resident_week_units"]) == (24, 2)
    assert [shop["name"] for shop in shown.json["shops"]] == ["First shop"]
    again = client.get(
        f"/v1/offers/{id_of(url)}",
        headers=resident | ENGLISH | {"If-None-Match": shown.headers["ETag"]},
    )
    assert again.status_code == 304


def test_a_top_up_that_nobody_could_do_is_not_published_and_whose_it_is_comes_first(
    client, database, url, merchant_id, manager, operator
):
    top_up = {
        name: value for name, value in TEA.items() if name not in ("cancel_hours", "valid_days")
    } | {"kind": "top_up", "face_value_fen": 1_000}
    assert client.put(url, json=top_up, headers=manager).status_code == 201

    def elsewhere(session):
        return shopping.a_merchant(session, session.get_one(Programme, DEMO_PROGRAMME).holder_id)

    def publish(of, headers):
        return client.put(f"{of}/publication", json={"version": 1}, headers=operator | headers)

    refused_in_both_languages(
        database, lambda headers: publish(url, headers), 409, "top-ups-not-offered"
    )
    other = url.replace(str(merchant_id), str(database.transact(elsewhere)))
    refused(publish(other, {}), 404, "unknown-offer")


def test_an_edit_is_a_version_that_holds_once_it_is_published(
    client, published, manager, operator, resident
):
    redemption = f"/v1/redemptions/{uuid4()}"
    client.put(stock_url(published), json={"units": 9}, headers=operator)
    body = {"offer_id": id_of(published)}
    assert client.put(redemption, json=body, headers=resident).json["spent_points"] == 120

    dearer = client.put(published, json=TEA | {"price_points": 150}, headers=manager)
    assert dearer.json["version"] == 2
    assert client.get(published, headers=manager).json["version"] == 1
    client.put(f"{published}/publication", json={"version": 2}, headers=operator)

    one = f"/v1/offers/{id_of(published)}"
    assert client.get(one, headers=resident).json["price_points"] == 150
    assert client.get(f"{one}?version=1", headers=resident).json["price_points"] == 120
    versions = client.get(f"{published}/versions", headers=manager).json["versions"]
    assert [each["price_points"] for each in versions] == [120, 150]
    later = client.get(f"{published}/versions?after_version=1", headers=manager).json["versions"]
    assert [each["version"] for each in later] == [2]


def test_residents_page_through_offers(client, manager, operator, resident, merchant_id):
    ids = []
    for price in (130, 110, 120):
        url = f"/v1/merchants/{merchant_id}/offers/{uuid4()}"
        client.put(url, json=TEA | {"price_points": price}, headers=manager)
        client.put(f"{url}/publication", json={"version": 1}, headers=operator)
        ids.append((price, id_of(url)))

    query = f"/v1/offers?merchant_id={merchant_id}&limit=2"
    first = client.get(query, headers=resident).json
    second = client.get(f"{query}&cursor={first['next_cursor']}", headers=resident).json

    shown = [each["id"] for each in first["offers"] + second["offers"]]
    assert shown == [id_ for _, id_ in sorted(ids)]
    assert second["next_cursor"] is None


def test_a_merchant_pages_through_its_own(client, manager, merchant_id):
    urls = [f"/v1/merchants/{merchant_id}/offers/{uuid4()}" for _ in range(3)]
    for url in urls:
        client.put(url, json=TEA, headers=manager)

    query = f"/v1/merchants/{merchant_id}/offers?limit=2"
    first = client.get(query, headers=manager).json
    second = client.get(f"{query}&cursor={first['next_cursor']}", headers=manager).json

    found = first["offers"] + second["offers"]
    assert [each["id"] for each in found] == sorted(map(id_of, urls))
    assert {each["state"] for each in found} == {"draft"}
    assert {each["stock_units"] for each in found} == {None}
    assert found[0]["newest"]["title_en"] == "A cup of tea"


def test_managers_pause_and_only_operators_resume_and_end(client, published, manager, operator):
    state = f"{published}/state"
    reason = {"reason": "补货"}
    for other in ("published", "ended"):
        answer = client.put(state, json={"state": other, **reason}, headers=manager)
        refused(answer, 403, "wrong-role")

    said = [
        client.put(state, json={"state": each, **reason}, headers=who).json["state"]
        for each, who in (("paused", manager), ("published", operator), ("ended", operator))
    ]

    assert said == ["paused", "published", "ended"]
    refused(
        client.put(state, json={"state": "paused", **reason}, headers=operator),
        409,
        "offer-state-refuses",
    )


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"price_points": -1}, 422, "price-not-positive"),
        ({"price_points": 0}, 422, "price-not-positive"),
        ({"on_sale_to": "2020-01-01T00:00:00Z"}, 422, "sale-window-reversed"),
        ({"kind": "donation", "cancel_hours": 0}, 422, "term-not-of-kind"),
        ({"division_codes": ["999999"]}, 404, "unknown-division"),
        ({"scene_codes": ["no.such"]}, 404, "unknown-scene"),
        ({"pictures": ["ab" * 32]}, 404, "unknown-picture"),
        ({"shop_ids": [str(uuid4())]}, 422, "shop-not-of-merchant"),
        ({"agreement_id": str(uuid4())}, 409, "agreement-not-in-force"),
        ({"budget_id": str(uuid4())}, 409, "budget-missing"),
        ({"project_id": str(uuid4())}, 409, "project-missing"),
    ],
)
def test_terms_that_cannot_be_are_refused(client, database, url, manager, changes, status, slug):
    refused_in_both_languages(
        database,
        lambda headers: client.put(url, json=TEA | changes, headers=manager | headers),
        status,
        slug,
    )


def test_a_scene_is_of_the_programme(client, database, url, manager):
    with nothing_written(database):
        answer = client.put(url, json=TEA | {"scene_codes": ["sh.cup"]}, headers=manager)
    refused(answer, 404, "unknown-scene")
    fits = TEA | {"scene_codes": ["demo.walking"], "division_codes": ["310118"]}
    assert client.put(url, json=fits, headers=manager).status_code == 201


def test_who_is_suspended_publishes_nothing(client, database, url, manager, operator, merchant_id):
    client.put(url, json=TEA, headers=manager)

    def suspend(session):
        session.get_one(Merchant, merchant_id).state = "suspended"

    database.transact(suspend)

    refused_in_both_languages(
        database,
        lambda headers: client.put(
            f"{url}/publication", json={"version": 1}, headers=operator | headers
        ),
        409,
        "merchant-not-approved",
    )


def test_stock_is_put_once_an_id_and_withdrawn(client, database, published, manager):
    change = stock_url(published)
    for _ in range(2):
        assert client.put(change, json={"units": 9}, headers=manager).status_code == 201
    refused(client.put(change, json={"units": 8}, headers=manager), 409, "stock-change-id-reused")
    client.put(stock_url(published), json={"units": -4}, headers=manager)

    found = client.get(published, headers=manager).json
    assert (found["stock_units"], found["put_units"]) == (5, 5)
    answer = client.put(stock_url(published), json={"units": -6}, headers=manager)
    assert refused(answer, 409, "stock-too-low")["stock_units"] == 5
    refused(
        client.put(stock_url(published), json={"units": 0}, headers=manager),
        422,
        "body-does-not-fit",
    )


@pytest.fixture
def pool(client, url, manager, operator):
    body = TEA | {"kind": "pool_code", "cancel_hours": 0}
    assert client.put(url, json=body, headers=manager).status_code == 201
    client.put(f"{url}/publication", json={"version": 1}, headers=operator)
    return url


@pytest.mark.once
def test_a_hundred_thousand_codes_in_one_file(client, database, pool, manager):
    content = "\ufeffcode\r\n" + "".join(f"CINEMA-{n:08}\r\n" for n in range(100_000))
    file = codes_url(pool)

    answer = client.put(file, data=content.encode(), headers=manager)

    assert (answer.status_code, answer.json["codes"]) == (201, 100_000)
    stock = database.transact(lambda s: s.get_one(OfferStock, id_of(pool)))
    assert (stock.stock_units, stock.put_units) == (100_000, 100_000)
    again = client.put(file, data=content.encode(), headers=manager)
    assert again.json == answer.json


@pytest.mark.parametrize(
    ("content", "slug", "facts"),
    [
        (b"A\n\nB\n", "code-line-empty", {"line": 2}),
        (b"", "code-line-empty", {"line": 1}),
        (b"A\n" + b"x" * 65, "code-too-long", {"line": 2, "length_max": 64}),
        (b"A\nB\x07\n", "code-unprintable", {"line": 2}),
        (b"A\nB\nA\n", "code-repeated", {"line": 3, "first_line": 1}),
    ],
)
def test_an_unreadable_file_is_refused_whole(client, database, pool, manager, content, slug, facts):
    found = refused_in_both_languages(
        database,
        lambda headers: client.put(codes_url(pool), data=content, headers=manager | headers),
        422,
        slug,
    )
    assert found.items() >= facts.items()


def test_a_code_that_was_loaded_before_is_refused(client, database, pool, manager):
    client.put(codes_url(pool), data=b"A\nB\n", headers=manager)

    found = refused_in_both_languages(
        database,
        lambda headers: client.put(codes_url(pool), data=b"C\nB\n", headers=manager | headers),
        422,
        "code-known",
    )
    assert found["line"] == 2


def test_a_file_has_its_bound_and_no_other_body_has_it(client, pool, manager):
    refused(client.put(codes_url(pool), data=b"x" * (BODY_MAX_BYTES + 1), headers=manager), 413)
    refused(client.put(pool, json={"kind": "x" * 2_000_000}, headers=manager), 413)


def test_other_offers_take_no_files_and_pools_no_units(client, database, published, manager):
    answer = client.put(codes_url(published), data=b"A\n", headers=manager)
    refused(answer, 409, "stock-of-pool")


def test_a_picture_is_sent_once_and_shown_to_anybody(client, merchant_id, manager, url):
    content = PNG + uuid4().bytes
    sha256 = hashlib.sha256(content).hexdigest()
    where = f"/v1/merchants/{merchant_id}/pictures"

    for _ in range(2):
        answer = client.put(where, data=content, headers=manager)
        assert (answer.status_code, answer.json) == (
            201,
            {"sha256": sha256, "media_type": "image/png"},
        )

    shown = client.get(f"/v1/pictures/{sha256}")
    assert (shown.data, shown.content_type) == (content, "image/png")
    assert "immutable" in shown.headers["Cache-Control"]
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert client.put(url, json=TEA | {"pictures": [sha256]}, headers=manager).status_code == 201


def test_what_is_no_picture_or_too_large_is_refused(client, database, merchant_id, manager):
    where = f"/v1/merchants/{merchant_id}/pictures"

    def send(content):
        return lambda headers: client.put(where, data=content, headers=manager | headers)

    refused_in_both_languages(database, send(b"<svg/>"), 422, "not-a-picture")
    large = PNG + b"x" * 512 * 1024
    refused_in_both_languages(database, send(large), 413, "picture-too-large")
    refused(client.get(f"/v1/pictures/{'ab' * 32}"), 404, "unknown-picture")
