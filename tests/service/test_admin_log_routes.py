"""Each write that staff may do over HTTP leaves one row of the admin log, and a retry none."""

import json
import re
from uuid import uuid4

import pytest
from sqlalchemy import select

from service.admin.models import AdminAct
from service.identity.tokens import STAFF_ROLES
from tests.service.deeds import DEEDS, EXEMPT, World
from tests.service.test_activities_api import with_scenes
from tests.service.test_auth import routes

pytestmark = pytest.mark.once

SAFE = {"GET", "HEAD", "OPTIONS"}


@pytest.fixture
def world(client, database, services, keyring, bearer):
    with_scenes(database)
    return World(client, database, services, keyring, bearer)


def written(database, request_id: str):
    query = select(AdminAct).where(AdminAct.request_id == request_id)
    return database.transact(lambda session: session.scalars(query).all())


def test_every_write_open_to_staff_is_in_the_table_or_named_as_none_of_its_matter(app):
    open_to_staff = {
        (route.method, route.rule)
        for route in routes(app)
        if route.method not in SAFE and set(route.view.authentication) & set(STAFF_ROLES)
    }

    assert open_to_staff == DEEDS.keys() | EXEMPT.keys()
    assert not DEEDS.keys() & EXEMPT.keys()
    assert all(EXEMPT.values())


@pytest.mark.parametrize("route", DEEDS, ids=" ".join)
def test_an_act_has_its_one_row_and_its_retry_none(world, route):
    deed = DEEDS[route](world)
    request_id, again = uuid4().hex, uuid4().hex
    headers = world.as_(deed.role, scope=deed.scope)

    def send(id_: str):
        return world.client.open(
            deed.url, method=route[0], headers=headers | {"X-Request-Id": id_}, **deed.sent
        )

    answer = send(request_id)
    assert answer.status_code in (200, 201), answer.text
    (row,) = written(world.database, request_id)
    assert (row.what, row.object_kind, row.object_id) == (
        deed.what, deed.object_kind, str(deed.object_id)
    )  # fmt: skip
    assert (row.actor, row.role, row.channel) == (world.staff, deed.role, "api")
    assert row.from_address == "127.0.0.1"
    assert re.fullmatch("[a-z_]+[.][a-z_]+", row.what)
    assert (row.programme_code, row.holder_id) == (deed.programme, deed.holder_id)
    for said, wanted in ((row.before, deed.before), (row.after, deed.after)):
        assert (said is None) == (wanted is None)
        assert wanted is None or said.items() >= wanted.items()
    assert row.before != row.after
    assert send(again).status_code in (200, 201)
    assert written(world.database, again) == []


@pytest.mark.parametrize("route", DEEDS, ids=" ".join)
def test_no_row_holds_a_number_a_code_or_a_name(world, route):
    deed = DEEDS[route](world)
    request_id = uuid4().hex
    headers = world.as_(deed.role, scope=deed.scope) | {"X-Request-Id": request_id}
    answer = world.client.open(deed.url, method=route[0], headers=headers, **deed.sent)
    assert answer.status_code in (200, 201), answer.text

    (row,) = written(world.database, request_id)

    told = json.dumps([row.object_id, row.before, row.after], ensure_ascii=False)
    body = deed.body or {}
    for secret in ("card_number", "code", "display_name"):
        assert body.get(secret, "\0") not in told
    for secret in ("invitation", "key"):
        assert (answer.json.get(secret) or "\0") not in told


def test_a_refused_act_leaves_none(world):
    route = next(
        route for route in DEEDS if route[1].endswith("/corrections/<uuid:correction_id>/approval")
    )
    deed = DEEDS[route](world)
    request_id = uuid4().hex
    headers = world.as_(name="ben") | {"X-Request-Id": request_id}  # Who proposed it.

    assert world.client.put(deed.url, json={}, headers=headers).status_code == 403

    assert written(world.database, request_id) == []
