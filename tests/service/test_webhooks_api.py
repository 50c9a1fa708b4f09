"""Webhooks over HTTP: who may keep them, what they are told of, what was not taken."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from rewards.models import WebhookEndpoint, WebhookMessage
from rewards.webhooks import messages
from rewards.webhooks.endpoints import LIVE_MAX, secret_of
from service.admin.models import AdminAct
from tests import shopping
from tests.makers import programme_holder
from tests.service.answers import refused

HOOK = {"url": "https://till.example.cn/hook", "kinds": ["voucher.consumed", "pool.low"]}


@pytest.fixture
def merchant_id(database):
    return database.transact(lambda s: shopping.a_merchant(s, programme_holder(s)))


@pytest.fixture
def manager(bearer, merchant_id):
    return bearer("merchant_manager", "mei", merchant_id)


@pytest.fixture
def hooks(merchant_id):
    return f"/v1/merchants/{merchant_id}/webhooks"


@pytest.fixture
def made(client, manager, hooks):
    """A webhook's address in the API."""
    url = f"{hooks}/{uuid4()}"
    assert client.put(url, json=HOOK, headers=manager).status_code == 200
    return url


def a_dead_message(database, merchant_id, endpoint_id):
    def put(session):
        now = datetime.now(UTC)
        found = messages.ping(session, merchant_id, endpoint_id, uuid4(), now=now)
        found.state, found.next_at, found.ended_at, found.last_answer = "dead", None, now, "503"
        return found.id

    return database.transact(put)


def id_of(url):
    return url.rpartition("/")[2]


def test_a_webhook_is_made_and_its_secret_is_told_for_ten_minutes(client, services, manager, hooks):
    id_ = uuid4()
    first = client.put(f"{hooks}/{id_}", json=HOOK, headers=manager)
    again = client.put(f"{hooks}/{id_}", json=HOOK, headers=manager)

    assert first.status_code == again.status_code == 200
    assert first.json == again.json
    assert first.json["secret"].startswith("whsec_")
    key = base64.b64decode(first.json["secret"].removeprefix("whsec_"))
    assert key == secret_of(services.keyring.derived("webhooks"), id_)
    assert first.json["url"] == HOOK["url"]
    assert first.json["kinds"] == sorted(HOOK["kinds"])


def test_ten_minutes_later_the_secret_is_not_told(client, database, manager, merchant_id, hooks):
    id_ = uuid4()
    kinds = sorted(HOOK["kinds"])
    earlier = datetime.now(UTC) - timedelta(minutes=10)
    endpoint = WebhookEndpoint(
        id=id_, merchant_id=merchant_id, url=HOOK["url"], kinds=kinds, made_by="m", made_at=earlier
    )
    database.transact(lambda session: session.add(endpoint))

    answer = client.put(f"{hooks}/{id_}", json=HOOK, headers=manager)

    assert (answer.status_code, answer.json["secret"]) == (200, None)
    assert "secret" not in client.get(f"{hooks}/{id_}", headers=manager).json


def test_a_list_shows_no_secret_and_goes_on(client, manager, hooks):
    ids = sorted(str(uuid4()) for _ in range(3))
    for id_ in ids:
        client.put(f"{hooks}/{id_}", json=HOOK, headers=manager)

    first = client.get(f"{hooks}?limit=2", headers=manager).json
    rest = client.get(f"{hooks}?limit=2&cursor={first['next_cursor']}", headers=manager).json

    assert [each["id"] for each in first["webhooks"] + rest["webhooks"]] == ids
    assert rest["next_cursor"] is None
    assert "whsec_" not in str(first)


def test_ended_stays_ended(client, manager, made):
    first, again = client.delete(made, headers=manager), client.delete(made, headers=manager)

    assert first.json["ended_at"]
    assert first.json == again.json == client.get(made, headers=manager).json
    refused(client.put(made, json=HOOK, headers=manager), 409, "webhook-id-reused")
    refused(client.put(f"{made}/pings/{uuid4()}", headers=manager), 409, "webhook-ended")


@pytest.mark.parametrize(
    ("url", "part"),
    [("http://till.example.cn/", "scheme"), ("https://127.0.0.1/", "host"),
     ("https://169.254.169.254/latest/meta-data", "host"), ("https://[::1]/", "host"),
     ("https://till.example.cn:22/", "port"), ("https://a:b@till.example.cn/", "form")],
)  # fmt: skip
def test_an_address_that_is_not_for_us_is_refused(client, manager, hooks, url, part):
    answer = client.put(f"{hooks}/{uuid4()}", json=HOOK | {"url": url}, headers=manager)

    assert refused(answer, 422, "webhook-address-not-allowed")["address_part"] == part


@pytest.mark.parametrize(
    "body",
    [{}, {"url": HOOK["url"]}, HOOK | {"kinds": []}, HOOK | {"kinds": ["ping"]},
     HOOK | {"kinds": ["voucher.eaten"]}, HOOK | {"url": "ftp://till.example.cn"},
     HOOK | {"url": "https://x/\n"}, HOOK | {"url": "https://x/" + "x" * 500},
     HOOK | {"secret": "mine"}],
)  # fmt: skip
def test_a_body_that_does_not_fit(client, manager, hooks, body):
    answer = client.put(f"{hooks}/{uuid4()}", json=body, headers=manager)

    refused(answer, 422, "body-does-not-fit")


def test_there_is_a_most(client, manager, hooks):
    for _ in range(LIVE_MAX):
        assert client.put(f"{hooks}/{uuid4()}", json=HOOK, headers=manager).status_code == 200

    answer = client.put(f"{hooks}/{uuid4()}", json=HOOK, headers=manager)

    assert refused(answer, 409, "too-many-webhooks")["webhooks_max"] == LIVE_MAX


def test_dead_letters_are_listed_and_sent_again(client, database, manager, merchant_id, made):
    dead = [str(a_dead_message(database, merchant_id, id_of(made))) for _ in range(3)]

    shown = client.get(f"{made}/messages", headers=manager).json["messages"]
    assert {each["id"] for each in shown} == set(dead)
    assert {(each["state"], each["last_answer"], each["kind"]) for each in shown} == {
        ("dead", "503", "ping")
    }
    first = client.put(f"{made}/messages/{dead[0]}/redelivery", headers=manager)
    assert (first.json["id"], first.json["state"]) == (dead[0], "waiting")
    since = {"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    every = client.post(f"{made}/redeliveries", json=since, headers=manager)
    assert every.json == {"redelivered_messages": 2, "dead_messages": 0}
    again = client.post(f"{made}/redeliveries", json=since, headers=manager)
    assert again.json == {"redelivered_messages": 0, "dead_messages": 0}
    waiting = client.get(f"{made}/messages?state=waiting&limit=2", headers=manager).json
    more = client.get(
        f"{made}/messages?state=waiting&limit=2&cursor={waiting['next_cursor']}", headers=manager
    ).json
    found = [each["id"] for each in waiting["messages"] + more["messages"]]
    assert found == sorted(dead, reverse=True)
    database.transact(
        lambda s: s.execute(
            update(WebhookMessage).where(WebhookMessage.id.in_(dead))
            .values(state="dead", next_at=None, ended_at=datetime.now(UTC))
        )
    )  # fmt: skip


def test_an_unknown_state_and_an_unknown_message(client, manager, made):
    refused(client.get(f"{made}/messages?state=lost", headers=manager), 422, "body-does-not-fit")
    answer = client.put(f"{made}/messages/{uuid4()}/redelivery", headers=manager)
    refused(answer, 404, "unknown-webhook-message")


def test_a_ping_is_written_once(client, database, manager, made):
    id_ = uuid4()
    first, again = (client.put(f"{made}/pings/{id_}", headers=manager) for _ in range(2))

    assert first.json == again.json
    assert (first.json["kind"], first.json["state"]) == ("ping", "waiting")
    client.delete(made, headers=manager)
    assert database.transact(lambda s: s.get(WebhookMessage, id_)).kind == "ping"


def test_a_clerk_and_another_merchants_manager_see_none(client, bearer, merchant_id, made, hooks):
    refused(client.get(hooks, headers=bearer("merchant", "c", merchant_id)), 403, "wrong-role")
    other = bearer("merchant_manager", "m", uuid4())
    for path in (hooks, made, f"{made}/messages"):
        refused(client.get(path, headers=other), 404, "unknown-merchant")


def test_an_operator_of_the_programme_keeps_them_and_an_auditor_reads(client, bearer, hooks, made):
    own, elsewhere = bearer("operator", "o"), bearer("operator", "o", programme="elsewhere")
    assert client.put(f"{hooks}/{uuid4()}", json=HOOK, headers=own).status_code == 200
    refused(client.get(made, headers=elsewhere), 404, "unknown-merchant")
    auditor = bearer("auditor", "a")
    assert client.get(made, headers=auditor).status_code == 200
    refused(client.delete(made, headers=auditor), 403, "wrong-role")


def test_a_systems_key_lists_and_redelivers_and_makes_none(
    client, bearer, database, merchant_id, made, hooks
):
    body = {"owner_kind": "merchant", "owner": str(merchant_id), "name": "ERP"}
    chief = bearer("administrator")
    keys = [
        client.put(
            f"/v1/api-keys/{uuid4()}", json=body | {"scopes": [scope]}, headers=chief
        ).json["key"]
        for scope in ("webhooks", "consumptions")
    ]  # fmt: skip
    mine, till = ({"Authorization": f"Bearer {key}"} for key in keys)
    dead = a_dead_message(database, merchant_id, id_of(made))

    assert client.get(hooks, headers=mine).status_code == 200
    assert client.get(f"{made}/messages", headers=mine).json["messages"][0]["id"] == str(dead)
    assert client.put(f"{made}/messages/{dead}/redelivery", headers=mine).status_code == 200
    refused(client.put(f"{hooks}/{uuid4()}", json=HOOK, headers=mine), 401, "invalid-token")
    refused(client.get(hooks, headers=till), 403, "wrong-role")
    client.delete(made, headers=bearer("operator"))


def test_the_admin_log_has_the_host_and_not_the_address(client, database, manager, hooks):
    id_, body = uuid4(), HOOK | {"url": "https://till.example.cn/hook?token=hunter2"}
    client.put(f"{hooks}/{id_}", json=body, headers=manager)

    query = select(AdminAct).where(AdminAct.object_id == str(id_))
    row = database.transact(lambda s: s.scalars(query).one())

    assert (row.what, row.actor, row.role) == ("webhook.make", "mei", "merchant_manager")
    assert row.after["host"] == "till.example.cn"
    assert "hunter2" not in str(row.after)
