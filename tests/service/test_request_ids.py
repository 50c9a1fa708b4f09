"""Every request has an id, told in every answer and kept with what the request posted."""

import re
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.models import Posting
from service.app import create_app
from service.auth import public
from tests.makers import a_resident, an_offer
from tests.service.answers import a_shop

MADE = re.compile("[0-9a-f]{32}")
GOOD = ["1", "a.b_c-D", "0" * 64, "urn.uuid.0190b5f4", "-", "..."]
BAD = ["", " ", "0" * 65, "a b", "a/b", "a:b", "碳".encode().decode("latin-1"), "é", "a,b", "a\tb"]


def test_an_id_that_is_sent_is_given_back(client):
    for sent in GOOD:
        answer = client.get("/healthz", headers={"X-Request-Id": sent})
        assert answer.headers.getlist("X-Request-Id") == [sent]


def test_one_that_is_none_is_replaced(client):
    for sent in BAD:
        answer = client.get("/healthz", headers={"X-Request-Id": sent})
        assert MADE.fullmatch(answer.headers["X-Request-Id"]), sent
    twice = client.get("/healthz", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert MADE.fullmatch(twice.headers["X-Request-Id"])


def test_each_request_has_its_own(client):
    ids = {client.get("/healthz").headers["X-Request-Id"] for _ in range(50)}

    assert len(ids) == 50


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/readyz", 200),
        ("GET", "/static/favicon.svg", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/no-such-page", 404),
        ("GET", "/v1/no-such-thing", 404),
        ("GET", "/v1/accounts", 401),
        ("POST", "/v1/accounts", 405),
        ("HEAD", "/healthz", 200),
        ("OPTIONS", "/v1/accounts", 200),
    ],
)
def test_every_answer_has_it_refusals_too(client, method, path, status):
    with client.open(path, method=method, headers={"X-Request-Id": "mine"}) as answer:
        assert answer.status_code == status
        assert answer.headers["X-Request-Id"] == "mine"


def test_so_has_what_nobody_foresaw(settings):
    app = create_app(settings)

    def broken() -> None:
        raise RuntimeError

    app.add_url_rule("/v1/broken", "broken", public(broken))
    answer = app.test_client().get("/v1/broken", headers={"X-Request-Id": "mine"})

    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "mine")
    app.extensions["tanhui"].database.dispose()


def redemption_posting(database, redemption_id) -> Posting | None:
    query = select(Posting).where(Posting.id == redemption_id)
    return database.transact(lambda s: s.scalar(query))


def test_a_redemption_is_posted_with_the_id_of_its_first_request(client, database, bearer):
    holder_id, offer = a_shop(database)
    redemption_id, body = uuid4(), {"offer_id": str(offer.id)}

    answers = [
        client.put(
            f"/v1/redemptions/{redemption_id}",
            json=body,
            headers=bearer("resident", holder_id) | {"X-Request-Id": sent},
        )
        for sent in ("first", "second")
    ]

    assert [answer.headers["X-Request-Id"] for answer in answers] == ["first", "second"]
    assert answers[0].json == answers[1].json
    assert redemption_posting(database, redemption_id).request_id == "first"


def test_a_redemption_of_a_request_without_one_has_the_one_made(client, database, bearer):
    holder_id, offer = database.transact(lambda s: (a_resident(s, points=300), an_offer(s)))
    redemption_id = uuid4()

    answer = client.put(
        f"/v1/redemptions/{redemption_id}",
        json={"offer_id": str(offer.id)},
        headers=bearer("resident", holder_id) | {"X-Request-Id": "'; DROP TABLE posting; --"},
    )

    made = answer.headers["X-Request-Id"]
    assert MADE.fullmatch(made)
    assert redemption_posting(database, redemption_id).request_id == made
