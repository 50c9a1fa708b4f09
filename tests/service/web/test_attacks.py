"""What somebody tries at the pages: guessing through them, forging, reading what was typed."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.app import create_app
from service.identity.tokens import Caller
from service.limits import RATES
from service.web import slips
from service.web.browsers import ACCESS, VISIT
from tests.service.staffing import CHEAP, PASSWORD, a_clerk, a_grant, a_member
from tests.service.web.test_guards import PAGE, browser_of, cookies_set, session_of, token_in

FIRST, SECOND = "192.0.2.10", "192.0.2.11"


@pytest.fixture(scope="module")
def here(settings) -> Iterator[Flask]:
    """With the rate limits of everybody's day, so each test is from another address."""
    made = create_app(replace(settings, rate_limits=1.0))
    made.extensions["tanhui"] = replace(made.extensions["tanhui"], passwords=CHEAP)
    yield made
    made.extensions["tanhui"].database.dispose()


def from_address(client: FlaskClient, address: str) -> FlaskClient:
    client.environ_base["REMOTE_ADDR"] = address
    return client


def test_guesses_through_pages_are_counted_by_address_like_those_at_the_api(here):
    most = RATES["sign-in"].times
    client = from_address(browser_of(here), FIRST)
    token = token_in(client.get("/staff/sign-in").text)
    statuses = []
    for number in range(most + 1):
        form = {"form_token": token, "login": f"x{number}", "password": "wrong", "totp": "000000"}
        statuses.append(client.post("/staff/sign-in", data=form).status_code)

    assert statuses == [401] * most + [429]
    body = {"login": "x", "password": "wrong", "totp": "000000", "device_name": "x"}
    assert client.post("/v1/auth/staff", json=body).status_code == 429
    other = from_address(here.test_client(), SECOND)
    assert other.post("/v1/auth/staff", json=body).status_code == 401


def test_each_page_counts_once_for_its_reader_also_one_that_asks_nothing(here):
    caller, cookies = session_of(here, expired=False)
    client = browser_of(here, **cookies)
    most = RATES["resident"].times
    for number in range(most):
        assert client.get(("/my/export", "/my")[number % 10 == 0]).status_code == 200
    answer = client.get("/my/export")

    assert caller.subject
    assert answer.status_code == 429
    assert answer.mimetype == "text/html"
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get("/v1/me", headers=bearer_of(cookies)).status_code == 429


def bearer_of(cookies: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {cookies[ACCESS]}"}


def staff_form(client: FlaskClient, **typed: str) -> dict[str, str]:
    return {"form_token": token_in(client.get("/staff/sign-in").text), **typed}


def field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def test_who_chooses_a_grant_is_never_told_the_password_back(here):
    services = here.extensions["tanhui"]
    clerk = a_clerk(services, here.test_client(), "operator")
    second = a_grant(services, clerk.id, "auditor")
    client, thief = (from_address(browser_of(here), address) for address in ("192.0.2.20", SECOND))
    code = clerk.totp()
    typed = staff_form(client, login=clerk.login, password=PASSWORD, totp=code)
    page = client.post("/staff/sign-in", data=typed).text
    slip = field(page, "slip")

    assert PASSWORD not in page
    assert code not in page
    stolen = staff_form(thief, slip=slip, grant_id=str(second))
    assert thief.post("/staff/sign-in", data=stolen).location.startswith("/staff/sign-in")
    chosen = {"form_token": typed["form_token"], "slip": slip, "grant_id": str(second)}
    answer = client.post("/staff/sign-in", data=chosen)
    assert (answer.status_code, answer.location) == (303, "/auditor")
    assert cookies_set(answer)[ACCESS]


def test_a_slip_is_good_for_minutes(here, monkeypatch):
    with here.app_context():
        slip = slips.sealed({"password": "x"}, about="me")
        assert slips.opened(slip, about="me") == {"password": "x"}
        assert slips.opened(slip, about="you") == slips.opened("garbage", about="me") == {}
        assert slips.opened("密", about="me") == {}
        monkeypatch.setattr(slips, "GOOD_S", -1)
        assert slips.opened(slips.sealed({"password": "x"}, about="me"), about="me") == {}


def test_who_sets_a_password_is_never_told_it_back(here):
    invited = a_member(here.extensions["tanhui"])
    client = from_address(browser_of(here), "192.0.2.21")
    typed = staff_form(client, password=" long enough by far ")
    page = client.post(f"/staff/invitation/{invited.invitation}", data=typed).text

    assert "long enough by far" not in page
    again = {"form_token": typed["form_token"], "slip": field(page, "slip"), "totp": "000000"}
    answer = client.post(f"/staff/invitation/{invited.invitation}", data=again)
    assert answer.status_code >= 400  # A wrong code; what was typed is not told back either.
    assert "long enough by far" not in answer.text


def test_a_form_of_whoever_was_signed_in_before_counts_no_more(here):
    services = here.extensions["tanhui"]
    clerk = a_clerk(services, here.test_client(), "operator")
    client = from_address(browser_of(here), "192.0.2.22")
    typed = staff_form(client, login=clerk.login, password=PASSWORD, totp=clerk.totp())
    answer = client.post("/staff/sign-in", data=typed)

    assert answer.status_code == 303
    assert cookies_set(answer)[VISIT]
    old = {"form_token": typed["form_token"], "do": "look"}
    assert client.post("/desk/residents", data=old).status_code == 403


@pytest.mark.parametrize("place", ["x%252Flive", "%252E%252E%252Fme", "330402%253Fperiod=2016"])
def test_what_stands_in_an_address_does_not_become_another_path_of_the_api(here, place):
    officer = Caller("officer-1", "district_officer", "", "*")
    client = browser_of(here, officer)
    answer = client.get(f"/district/{place}/reports", headers=PAGE)

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"


def test_headers_of_a_visitor_do_not_become_headers_of_what_a_page_asks(here):
    client = browser_of(here, Caller(str(uuid4()), "auditor", "", "*"))
    headers = {"X-Request-Id": "a b: c", "Accept-Language": "en\tx, zh;q=9", "Host": "evil.example"}
    answer = client.get("/auditor", headers=headers)

    assert answer.headers["X-Request-Id"] != headers["X-Request-Id"]
    assert "evil.example" not in answer.text


def test_a_link_of_another_site_opens_no_resident_in_an_operators_name(here):
    caller, _ = session_of(here)
    client = browser_of(here, Caller("operator-1", "operator", "", "*"))
    address = f"/desk/residents/{caller.subject}?purpose=curious"
    lured = client.get(address, headers={"Sec-Fetch-Site": "cross-site"})

    assert lured.status_code == 200
    assert caller.subject not in lured.text
    assert caller.subject in client.get(address, headers={"Sec-Fetch-Site": "same-origin"}).text
