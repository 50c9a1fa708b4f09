"""What phones poll comes with an ETag and is not sent twice."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from ledgers.models import Account
from ledgers.posting import post
from service.api.accounts import AccountResponse
from service.app import create_app
from tests.makers import NOW, a_resident, an_offer, earning

pytestmark = pytest.mark.once


@pytest.fixture
def resident(database):
    return database.transact(lambda session: a_resident(session, points=100))


@pytest.fixture
def get(client, bearer, resident):
    headers = bearer("resident", resident)
    return lambda path, **more: client.get(
        path, headers=headers | {name.replace("_", "-"): value for name, value in more.items()}
    )


@pytest.fixture
def paths(get):
    account = get("/v1/accounts").json["accounts"][1]["id"]
    return {
        "accounts": "/v1/accounts",
        "statement": f"/v1/accounts/{account}/statement",
        "lots": f"/v1/accounts/{account}/lots",
        "holds": "/v1/accounts/holds",
        "offers": "/v1/offers",
        "activities": "/v1/activities",
        "rules": "/v1/catalogue/rules",
    }


POLLED = ["accounts", "statement", "lots", "holds", "offers", "activities", "rules"]


@pytest.mark.parametrize("name", POLLED)
def test_what_did_not_change_is_not_sent_twice(get, paths, name):
    first = get(paths[name])
    tag = first.headers["ETag"]

    again = get(paths[name], If_None_Match=tag)
    other = get(paths[name], If_None_Match='"other"')

    assert first.status_code == other.status_code == 200
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    for answer in (first, again):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Accept-Language"} <= set(answer.vary)
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize(
    "sent", ["*", "W/{tag}", '"a", {tag} , "b"', 'W/"a",W/{tag}', " {tag} "], ids=str
)
def test_each_way_to_send_a_tag_back_is_understood(get, sent):
    tag = get("/v1/accounts").headers["ETag"]

    assert get("/v1/accounts", If_None_Match=sent.format(tag=tag)).status_code == 304


@pytest.mark.parametrize("sent", ["", '""', "x", "W/", '"', ",,,", "*, *", '"' * 999])
def test_what_is_no_tag_of_ours_changes_nothing(get, sent):
    assert get("/v1/accounts", If_None_Match=sent).status_code == 200


def test_a_change_is_seen_at_once(get, database, resident):
    tag = get("/v1/accounts").headers["ETag"]
    database.transact(lambda s: post(s, earning(s, resident, 5), now=NOW))

    answer = get("/v1/accounts", If_None_Match=tag)

    assert answer.status_code == 200
    assert answer.json["accounts"][1]["balance"] == 105


def test_another_language_is_another_answer(get, database):
    database.transact(an_offer)
    tag = get("/v1/offers", Accept_Language="zh-CN").headers["ETag"]

    assert get("/v1/offers", Accept_Language="en", If_None_Match=tag).status_code == 200


def test_another_residents_tag_is_none_of_mine(get, client, bearer, database):
    other = database.transact(lambda session: a_resident(session, points=100))
    tag = client.get("/v1/accounts", headers=bearer("resident", other)).headers["ETag"]

    assert get("/v1/accounts", If_None_Match=tag).status_code == 200


def test_a_tag_opens_nothing(client, get):
    tag = get("/v1/accounts").headers["ETag"]

    assert client.get("/v1/accounts", headers={"If-None-Match": tag}).status_code == 401


def test_a_ledger_that_is_streamed_has_no_tag(get):
    answer = get("/v1/accounts/export")

    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.data.splitlines()) == 1


def test_the_balance_is_written_as_its_schema_says(get, session, resident):
    account = get("/v1/accounts").json["accounts"][1]
    row = session.get(Account, (resident, UUID(account["id"])))

    assert account == AccountResponse().dump(row)


def test_the_balance_takes_one_statement_and_no_transaction(get, statements):
    get("/v1/accounts")
    with statements() as sent:
        get("/v1/accounts")

    assert len(sent) == 1


def test_a_connection_that_was_cut_is_replaced_unseen(settings, bearer, resident):
    """In autocommit there is nothing to lose: what only reads is sent once more."""
    app = create_app(settings)
    database, headers = app.extensions["tanhui"].database, bearer("resident", resident)
    app.test_client().get("/v1/accounts", headers=headers)
    with database.engine.connect() as connection:
        connection.connection.driver_connection.close()

    answer = app.test_client().get("/v1/accounts", headers=headers)
    database.dispose()

    assert answer.status_code == 200


def test_reading_leaves_the_connection_as_it_was(database, resident):
    database.read(("SELECT 1", {}))
    with database.engine.connect() as connection:
        assert not connection.connection.driver_connection.autocommit


def test_a_read_that_fails_fails_as_everywhere(database):
    with pytest.raises(DBAPIError) as failure:
        database.read(("SELECT 1 / 0", {}))

    assert failure.value.orig.sqlstate == "22012"
    assert database.read(("SELECT 1", {})) == [(1,)]


def test_the_documentation_tells_of_tags(client):
    document = client.get("/openapi.json").json

    for path in ("/v1/accounts", "/v1/offers", "/v1/activities", "/v1/redemptions/{redemption_id}"):
        responses = document["paths"][path]["get"]["responses"]
        assert "304" in responses
        assert "ETag" in responses["200"]["headers"]
        assert "429" in responses
    assert "304" not in document["paths"]["/v1/accounts/export"]["get"]["responses"]


def test_nobody_elses_redemption_is_told_by_its_tag(get):
    assert get(f"/v1/redemptions/{uuid4()}", If_None_Match="*").status_code == 404
