"""A merchant that ends: nobody and nothing acts for it any more."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from rewards.models import Scanner, WebhookEndpoint
from service.admin.models import AdminAct
from service.api_keys.errors import ApiKeyDoesNotFit
from service.api_keys.keys import NewKey, find_by_written, make
from service.demo_shops import DEMO_PROGRAMME
from service.identity.logins.models import LoginSession
from service.identity.staff.errors import GrantDoesNotFit
from service.identity.staff.models import StaffGrant
from tests import shopping
from tests.service.answers import refused
from tests.service.staffing import (
    MACHINE,
    a_clerk,
    a_grant,
    a_member,
    a_merchant,
    cheap_app,
    client_elsewhere,
)
from tests.settlements import lines_for


@pytest.fixture(scope="module")
def app(settings, copied_database):
    yield from cheap_app(settings, copied_database)


@pytest.fixture
def database(services):
    return services.database


@pytest.fixture
def client(app):
    return client_elsewhere(app)


@pytest.fixture
def operator(bearer):
    return bearer("operator", "li.na", programme=DEMO_PROGRAMME)


@pytest.fixture
def merchant(services) -> UUID:
    return a_merchant(services)


def a_key(services, merchant) -> str:
    new = NewKey(uuid4(), "merchant", str(merchant), "till", ("consumptions",))
    now = datetime.now(UTC)
    return services.database.transact(
        lambda s: make(s, services.keyring, new, actor=MACHINE, now=now).written
    )


def a_scanner(client, headers, merchant):
    url = f"/v1/merchants/{merchant}/scanners/{uuid4()}"
    return client.put(url, json={"name": "till 1"}, headers=headers)


def end(client, headers, merchant):
    body = {"state": "ended", "reason": "合作期满"}
    return client.put(f"/v1/merchants/{merchant}/state", json=body, headers=headers)


def signed_in(services, client, role, merchant):
    """Somebody who works at the merchant and has signed in; the id, and how to go on."""
    clerk = a_clerk(services, client)
    a_grant(services, clerk.id, role, scope=str(merchant))
    answer = clerk.sign_in()
    assert answer.status_code == 200, answer.text
    return clerk.id


def open_sessions(database, staff_ids):
    query = select(LoginSession.person_id).where(
        LoginSession.person_id.in_(staff_ids), LoginSession.ended_at.is_(None)
    )
    return set(database.transact(lambda s: s.scalars(query).all()))


def rows(database, model, merchant):
    query = select(model).where(model.merchant_id == merchant)
    return database.transact(lambda s: s.scalars(query).all())


def test_all_that_acts_for_it_ends_with_it_and_each_leaves_a_row(
    client, bearer, services, database, operator, merchant
):
    manager = bearer("merchant_manager", "ma.li", merchant, programme=DEMO_PROGRAMME)
    people = [signed_in(services, client, r, merchant) for r in ("merchant", "merchant_manager")]
    elsewhere = a_member(services).staff.id
    a_grant(services, elsewhere, "merchant", scope=str(a_merchant(services)))
    for _ in range(2):
        assert a_scanner(client, manager, merchant).status_code == 200
        database.transact(lambda s: shopping.a_webhook(s, merchant))
    written = a_key(services, merchant)
    assert open_sessions(database, people) == set(people)

    answers = [end(client, operator, merchant) for _ in range(2)]

    assert [answer.json["state"] for answer in answers] == ["ended", "ended"]
    assert open_sessions(database, people) == set()
    grants = select(StaffGrant).where(StaffGrant.staff_id.in_([*people, elsewhere]))
    ended = database.transact(lambda s: s.scalars(grants).all())
    assert {each.staff_id: each.ended_by for each in ended} == {
        **dict.fromkeys(people, "li.na"), elsewhere: None,
    }  # fmt: skip
    assert all(each.retired_at for each in rows(database, Scanner, merchant))
    assert all(each.ended_at for each in rows(database, WebhookEndpoint, merchant))
    now = datetime.now(UTC)
    assert database.transact(lambda s: find_by_written(s, written, now=now)) is None
    acts = select(AdminAct.what).where(AdminAct.actor == "li.na")
    assert Counter(database.transact(lambda s: s.scalars(acts).all())) == {
        "merchant.end": 1,
        "staff.end_grant": 2,
        "api_key.retire": 1,
        "webhook.end": 2,
        "scanner.retire": 2,
    }


def test_who_is_owed_anything_does_not_end(client, database, operator, merchant):
    database.transact(lambda s: lines_for(s, merchant, [500, 700]))

    problem = refused(end(client, operator, merchant), 409, "merchant-is-owed")

    assert problem["owed_fen"] == 1200
    assert client.get(f"/v1/merchants/{merchant}", headers=operator).json["state"] == "approved"


def test_nothing_new_is_given_to_it(client, bearer, services, operator, merchant):
    manager = bearer("merchant_manager", "ma.li", merchant, programme=DEMO_PROGRAMME)
    end(client, operator, merchant)

    with pytest.raises(ApiKeyDoesNotFit):
        a_key(services, merchant)
    with pytest.raises(GrantDoesNotFit):
        a_grant(services, a_member(services).staff.id, "merchant", scope=str(merchant))
    refused(a_scanner(client, manager, merchant), 409, "merchant-ended")
    hook = {"url": "https://till.example.cn/hook", "kinds": ["voucher.consumed"]}
    url = f"/v1/merchants/{merchant}/webhooks/{uuid4()}"
    refused(client.put(url, json=hook, headers=manager), 409, "merchant-ended")
