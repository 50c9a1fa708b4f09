"""What a resident's pages decide by themselves: for whom one acts, what a phone keeps, codes."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from rewards.tills.live_codes import is_of, read
from service.identity.logins.models import LoginSession
from service.identity.tokens import Caller
from service.tills.live_codes import root_key
from service.web.browsers import ACTING
from service.web.resident.live_code import COOKIE, Phone, _drawn
from service.web.resident.offline import KEEP
from tests.makers import an_offer
from tests.service.identity.test_family_api import a_person
from tests.service.web.test_guards import browser_of, session_of, token_in


def of(app: Flask, holder_id) -> FlaskClient:
    return browser_of(app, Caller(str(holder_id), "resident"))


@pytest.fixture
def me(services):
    return a_person(services, "张三", points=100)


@pytest.fixture
def acting(app, client, bearer, services, me):
    """A browser of mine in which I act for a parent, and the delegation."""
    parent = a_person(services, "张大爷", points=300)
    return act_for(app, client, bearer, me, parent, may_spend=True)


def act_for(app, client, bearer, me, parent, *, may_spend: bool):
    code = client.post(
        "/v1/me/delegate-offers", json={"may_spend": may_spend}, headers=bearer("resident", parent)
    ).json["code"]
    id_ = uuid4()
    sent = {"json": {"code": code}, "headers": bearer("resident", me)}
    assert client.put(f"/v1/me/acting-for/{id_}", **sent).status_code == 201
    mine = of(app, me)
    form = {"form_token": token_in(mine.get("/my/family").text), "delegation_id": str(id_)}
    assert mine.post("/my/acting", data=form).status_code == 303
    return mine, id_, parent


def test_while_one_acts_pages_are_of_the_other_one(acting):
    mine, _, _ = acting
    page = mine.get("/my")

    assert "您正在替“张大爷”办事。" in page.text
    assert ">300 <" in page.text
    assert "仍是您本人的" in mine.get("/my/security").text


def test_who_may_only_look_sees_a_voucher_without_its_code(app, client, bearer, services, me):
    parent = a_person(services, "张大爷", points=300)
    offer_id = services.database.transact(lambda session: an_offer(session).id)
    voucher, headers = f"/v1/redemptions/{uuid4()}", bearer("resident", parent)
    body = {"offer_id": str(offer_id)}
    assert client.put(voucher, json=body, headers=headers).status_code == 201
    code = client.get(f"{voucher}/voucher", headers=headers).json["code"]
    mine, _, _ = act_for(app, client, bearer, me, parent, may_spend=False)

    page = mine.get(voucher.replace("/v1/redemptions", "/my/vouchers"))

    assert "券码只有本人" in page.text
    assert code not in page.text


def test_a_form_of_before_does_not_count_while_one_acts(app, services, me, acting):
    mine, _, _ = acting
    token = token_in(mine.get("/my/consents").text)
    before = mine.get_cookie(ACTING).value
    mine.delete_cookie(ACTING)
    form = {"form_token": token, "scene": "demo.bike", "given": "no"}

    assert "这个表单已经失效" in mine.post("/my/consents", data=form).text
    mine.set_cookie(ACTING, before)
    assert "这个表单已经失效" not in mine.post("/my/consents", data=form).text


def test_nothing_is_done_in_ones_own_name_once_the_other_has_ended_it(client, bearer, me, acting):
    mine, id_, parent = acting
    page = mine.get("/my/offers")
    headers = bearer("resident", parent)
    assert client.delete(f"/v1/me/delegates/{id_}", headers=headers).status_code == 204

    answer = mine.get("/my/offers")
    assert page.status_code == 200
    assert answer.status_code == 409
    assert "代办已经结束" in answer.text
    assert mine.get_cookie(ACTING) is None


@pytest.mark.parametrize("written", ["", "nonsense", f"{UUID(int=7)}", f"{UUID(int=7)}:<b>"])
def test_a_made_up_delegation_opens_nothing(app, me, written):
    mine = of(app, me)
    mine.set_cookie(ACTING, written)

    assert mine.get("/my").status_code in (200, 409)
    assert "<b>" not in mine.get("/my/security").text.partition("<main")[2][:2_000]


def test_a_phone_keeps_pages_by_reader_and_none_of_another_one(app, me, services, acting):
    mine, other = of(app, me), of(app, a_person(services))
    readers = [each.get("/my").headers[KEEP] for each in (mine, mine, other)]

    assert readers[0] == readers[1] != readers[2]
    assert str(me) not in readers[0]
    assert KEEP not in acting[0].get("/my").headers
    assert KEEP not in mine.get("/my/profile").headers


def test_the_worker_may_fetch_from_this_host_alone(client):
    answer = client.get("/sw.js")

    assert answer.mimetype == "text/javascript"
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
    )
    with client.get("/static/tanhui.webmanifest") as manifest:
        assert manifest.mimetype == "application/manifest+json"


@pytest.fixture
def phone(app):
    """A browser whose resident signed in just now, set up to show codes."""
    _, cookies = session_of(app, expired=False)
    client = browser_of(app, **cookies)
    form = {"form_token": token_in(client.get("/my/code").text), "device_id": str(uuid4())}
    assert client.post("/my/code", data=form).status_code == 303
    return client


def dots(code: str) -> int:
    return int(code.partition(":")[0])


def test_the_codes_are_those_that_tills_take(app, phone):
    found = phone.get("/my/code/next.json").json
    kept = phone.get_cookie(COOKIE).value
    with app.app_context():
        device, _, key = kept.partition(".")
        shown = Phone(UUID(device), urlsafe_b64decode(key + "="))
        code = shown.code(found["first_step"])
        known = read(root_key(), code)

    assert known is not None
    assert is_of(known, datetime.now(UTC))
    assert found["codes"][0] == _drawn(code)
    assert len(set(found["codes"])) == 60


def test_who_signs_out_leaves_no_phone_behind(app, phone):
    form = {"form_token": token_in(phone.get("/my/code").text)}
    before = phone.get_cookie(COOKIE).value
    assert phone.post("/sign-out", data=form).status_code == 303

    assert phone.get_cookie(COOKIE) is None
    again = of(app, uuid4())
    again.set_cookie(COOKIE, before)
    assert again.get("/my/code/next.json").json == {"codes": []}


def test_a_code_needs_a_fresh_sign_in(app, services):
    caller, cookies = session_of(app, expired=False)
    long_ago = {"began_at": datetime.now(UTC) - timedelta(hours=1)}
    row = LoginSession.id == UUID(caller.session_id)
    services.database.transact(
        lambda s: s.execute(update(LoginSession).where(row).values(long_ago))
    )
    mine = browser_of(app, **cookies)
    form = {"form_token": token_in(mine.get("/my/code").text), "device_id": str(uuid4())}
    answer = mine.post("/my/code", data=form)

    assert answer.status_code == 403
    assert "/sign-in?next=/my/code" in answer.text


def test_a_statement_is_of_a_month_by_the_programmes_zone(client, bearer, me, services):
    headers = bearer("resident", me)
    accounts = client.get("/v1/accounts", headers=headers).json["accounts"]
    path = f"/v1/accounts/{next(a['id'] for a in accounts if a['unit'] == 'point')}/statement"

    def amounts(**query):
        found = client.get(path, query_string=query, headers=headers)
        return [entry["amount"] for entry in found.json["entries"]]

    assert amounts() == amounts(month="2026-11") == [100]
    assert amounts(month="2026-10") == amounts(month="2026-12") == []
    assert client.get(path, query_string={"month": "2026-13"}, headers=headers).status_code == 422
