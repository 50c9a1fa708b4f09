"""Who may open a page, whose form counts, and how a browser's session goes on and ends."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.identity.logins.sessions import Login, begin
from service.identity.tokens import ROLES, Caller
from service.identity.vault import add_people
from service.web.browsers import ACCESS, REFRESH
from service.web.guards import is_local
from tests.makers import a_resident

pytestmark = pytest.mark.once

PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def here(settings) -> Iterator[Flask]:
    made = create_app(replace(settings, rate_limits=0.0))
    yield made
    made.extensions["tanhui"].database.dispose()


def pages(app: Flask) -> list[tuple[str, str, tuple[str, ...]]]:
    """Method, address and roles of each page."""
    urls = app.url_map.bind("localhost")
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not hasattr(view, "page_for"):
            continue
        values = {name: uuid4() for name in rule.arguments}
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            found.append((method, urls.build(rule.endpoint, values, method), view.page_for))
    return found


def browser_of(app: Flask, caller: Caller | None = None, **more: str) -> FlaskClient:
    client = app.test_client()
    now = datetime.now(UTC)
    if caller is not None:
        client.set_cookie(ACCESS, app.extensions["tanhui"].tokens.issue(caller, now=now))
    for name, value in more.items():
        client.set_cookie(name, value)
    return client


def session_of(app: Flask, *, expired: bool = True) -> tuple[Caller, dict[str, str]]:
    """A resident's real session; its access token has ended."""
    services, now = app.extensions["tanhui"], datetime.now(UTC)

    def make(session):
        holder_id = a_resident(session)
        add_people(session, services.keyring, [holder_id], now=now)
        login = Login(holder_id, "resident", "phone", "测试")
        return holder_id, begin(session, login, from_address="127.0.0.1", now=now)

    holder_id, begun = services.database.transact(make)
    caller = Caller(str(holder_id), "resident", session_id=str(begun.session_id))
    at = now - timedelta(hours=1) if expired else now
    cookies = {ACCESS: services.tokens.issue(caller, now=at), REFRESH: begun.refresh_token}
    return caller, cookies


def cookies_set(answer: TestResponse) -> dict[str, str]:
    found = {}
    for line in answer.headers.getlist("Set-Cookie"):
        name, _, rest = line.partition("=")
        found[name] = rest.partition(";")[0]
    return found


def test_there_are_pages_of_every_part(here):
    parts = {url.split("/")[1] for _, url, _ in pages(here)}

    assert parts >= {"sign-in", "staff", "my", "till", "desk", "auditor", "district"}


def test_who_is_not_signed_in_is_sent_to_sign_in_and_comes_back(here):
    for method, url, roles in pages(here):
        if not roles:
            continue
        answer = browser_of(here).open(url, method=method, headers=PAGE)

        assert answer.status_code == 303, (method, url)
        where = urlsplit(answer.location)
        assert where.path == ("/sign-in" if roles == ("resident",) else "/staff/sign-in"), url
        assert parse_qs(where.query)["next"][0] == url


def test_another_role_sees_nothing_of_a_page(here):
    for method, url, roles in pages(here):
        for role in ROLES if roles else ():
            if role in roles:
                continue
            answer = browser_of(here, Caller(str(uuid4()), role)).open(url, method=method)

            assert answer.status_code == 403, (role, method, url)
            assert answer.mimetype == "text/html"


def test_a_form_that_no_page_of_ours_made_changes_nothing(here):
    for method, url, roles in pages(here):
        if method != "POST":
            continue
        client = browser_of(here, Caller(str(uuid4()), roles[0]) if roles else None)
        for sent in ({}, {"form_token": ""}, {"form_token": "guessed"}):
            answer = client.post(url, data=sent)
            assert answer.status_code == 403, url
        other = browser_of(here)
        other.get("/sign-in")
        client.get("/sign-in?next=/")
        token = token_in(other.get("/sign-in").text)
        assert client.post(url, data={"form_token": token}).status_code == 403, url
        own = token_in(client.get("/sign-in?next=/").text)
        crossing = {"Sec-Fetch-Site": "cross-site"}
        assert client.post(url, data={"form_token": own}, headers=crossing).status_code == 403


def test_no_page_is_kept_by_a_cache_and_each_has_the_policy(here):
    caller, cookies = session_of(here, expired=False)
    answer = browser_of(here, **cookies).get("/my")

    assert caller.subject
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]


def test_the_api_never_looks_at_a_cookie(here):
    _, cookies = session_of(here, expired=False)

    assert browser_of(here, **cookies).get("/v1/me/sessions").status_code == 401


def test_a_session_goes_on_when_its_access_token_has_ended(here):
    _, cookies = session_of(here)
    answer = browser_of(here, **cookies).get("/my")

    assert answer.status_code == 200
    new = cookies_set(answer)
    assert new[ACCESS] not in ("", cookies[ACCESS])
    assert new[REFRESH] not in ("", cookies[REFRESH])


def test_several_pages_at_once_carry_one_session_on(here):
    _, cookies = session_of(here)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: browser_of(here, **cookies).get("/my"), range(6)))

    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({cookies_set(answer)[REFRESH] for answer in answers}) == 1


def test_a_session_that_was_ended_elsewhere_leads_to_the_sign_in(here):
    caller, cookies = session_of(here)
    client = browser_of(here, **cookies)
    ended = client.post("/v1/auth/logout", json={"refresh_token": cookies[REFRESH]})
    assert ended.status_code == 204
    answer = client.get("/my?a=1")

    assert caller.subject
    assert answer.status_code == 303
    assert answer.location == "/sign-in?next=/my?a%3D1&ended=1"
    assert cookies_set(answer)[REFRESH] == ""


def test_signing_out_ends_the_session_everywhere(here):
    _, cookies = session_of(here, expired=False)
    client = browser_of(here, **cookies)
    token = token_in(client.get("/sign-in?next=/").text)
    answer = client.post("/sign-out", data={"form_token": token})

    assert answer.status_code == 303
    assert cookies_set(answer)[ACCESS] == ""
    body = {"refresh_token": cookies[REFRESH], "request_id": str(uuid4())}
    assert client.post("/v1/auth/refresh", json=body).status_code == 401


def test_a_language_that_was_chosen_is_kept(here):
    client = browser_of(here)
    assert 'lang="zh-CN"' in client.get("/sign-in").text
    assert 'lang="en"' in client.get("/sign-in?lang=en").text
    assert 'lang="en"' in client.get("/sign-in").text
    assert 'lang="zh-CN"' in client.get("/sign-in?lang=zh-CN").text


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/my/vouchers?x=1", True),
        ("/", True),
        ("", False),
        ("my", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example/my", False),
        ("/\n/evil.example", False),
        ("javascript:alert(1)", False),
    ],
)
def test_one_comes_back_to_pages_of_ours_only(path, ours):
    assert is_local(path) is ours


def token_in(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]


def test_a_database_that_is_away_is_told_on_a_page(settings):
    away = create_app(
        replace(settings, rate_limits=0.0, database_url="postgresql+psycopg://x@127.0.0.1:1/x")
    )
    caller = Caller(str(uuid4()), "operator", programme="*")
    for url in ("/district", "/desk", "/auditor"):
        answer = browser_of(away, caller).get(url)
        assert (answer.status_code, answer.mimetype) in ((503, "text/html"), (403, "text/html")), (
            url
        )
    assert browser_of(away, caller).get("/district").headers["Retry-After"] == "2"


def test_over_https_no_other_host_of_the_domain_can_plant_a_cookie(settings):
    app = create_app(replace(settings, public_url="https://carbon.example.cn", rate_limits=0.0))
    try:
        _, cookies = session_of(app)
        client = app.test_client()
        for name, value in cookies.items():
            client.set_cookie(name, value)  # As any host of example.cn could.
        planted = client.get("/my", headers=PAGE)
        for name, value in cookies.items():
            client.set_cookie(f"__Host-{name}", value, secure=True)
        own = client.get("/my", base_url="https://localhost", headers=PAGE)
    finally:
        app.extensions["tanhui"].database.dispose()

    assert urlsplit(planted.location).path == "/sign-in"
    assert own.status_code == 200
    lines = own.headers.getlist("Set-Cookie")
    assert {line.partition("=")[0] for line in lines} >= {f"__Host-{ACCESS}", f"__Host-{REFRESH}"}
    assert all({"Secure", "HttpOnly", "Path=/"} <= set(line.split("; ")) for line in lines)
