"""Toward browsers, proxies and caches: nothing more is allowed than was configured."""

from dataclasses import replace
from uuid import uuid4

import pytest

from service.app import create_app
from tests.service.conduct.addresses import an_address

pytestmark = pytest.mark.once

APP = "https://app.example.cn"


@pytest.fixture(scope="module")
def own(settings):
    """The service behind two proxies, at a public address, with one web app."""
    app = create_app(
        replace(
            settings,
            public_url="https://carbon.example.cn",
            cors_origins=(APP, "http://localhost:5173"),
            trusted_proxies=2,
            rate_limits=0.05,
        )
    )
    yield app
    app.extensions["tanhui"].database.dispose()


@pytest.fixture
def visit(own):
    client = own.test_client()
    address = an_address()

    def send(path, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(
            path, method=method, headers={"X-Forwarded-For": f"{address}, 10.9.9.9"} | named
        )

    return send


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/accounts", "/v1/nothing", "/healthz"])
def test_every_answer_is_hardened(visit, path):
    headers = visit(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Server" not in headers


def test_data_may_load_nothing_as_a_page(visit):
    policy = visit("/v1/catalogue/methods").headers["Content-Security-Policy"]

    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_https_is_not_promised_where_it_is_not(client):
    assert "Strict-Transport-Security" not in client.get("/").headers


def test_what_is_for_one_caller_is_kept_by_nobody(client, bearer):
    headers = bearer("resident", uuid4())

    assert client.get("/v1/household", headers=headers).headers["Cache-Control"] == "no-store"
    assert client.get("/v1/jobs", headers=headers).headers["Cache-Control"] == "no-store"
    wrong = client.get("/v1/accounts", headers={"Authorization": "Bearer x"})
    assert wrong.headers["Cache-Control"] == "no-store"


def test_what_signing_in_answers_is_kept_by_nobody(client):
    for path in ("/v1/auth/phone", "/v1/auth/refresh", "/v1/auth/staff"):
        assert client.post(path, json={}).headers["Cache-Control"] == "no-store"


def test_a_listed_origin_may_call_and_read_our_headers(visit):
    asked = visit(
        "/v1/accounts",
        "OPTIONS",
        Origin=APP,
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="authorization, if-none-match",
    )
    answer = visit("/v1/accounts", Origin=APP)

    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == APP
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"].lower()
    assert asked.headers["Access-Control-Allow-Methods"] == "DELETE, GET, HEAD, POST, PUT"
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert shown >= {"ETag", "RateLimit", "Retry-After", "X-Request-Id", "Deprecation", "Sunset"}
    for each in (asked, answer):
        assert "Access-Control-Allow-Credentials" not in each.headers
        assert "Origin" in each.headers.getlist("Vary")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.cn.evil.example", "https://appxexample.cn",
     "http://app.example.cn", "https://app.example.cn:8443", "null"],
)  # fmt: skip
def test_no_other_origin_may(visit, origin):
    for method in ("OPTIONS", "GET"):
        answer = visit("/v1/accounts", method, Origin=origin, Access_Control_Request_Method="GET")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_for_no_other_origin(visit):
    assert "Access-Control-Allow-Origin" not in visit("/docs", Origin=APP).headers


def test_without_configuration_no_origin_may(client):
    answer = client.get("/v1/catalogue/methods", headers={"Origin": APP})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_address_that_the_caller_made_up_does_not_count(visit, client, settings):
    """Two proxies: the last two words are theirs, what is before them is the caller's."""
    address = an_address()
    for number in range(15):
        visit("/v1/nothing", X_Forwarded_For=f"1.2.3.{number}, {address}, 10.9.9.9")

    last = visit("/v1/nothing", X_Forwarded_For=f"9.9.9.9, {address}, 10.9.9.9")

    assert last.status_code == 429


def test_without_a_proxy_nobody_speaks_for_another(settings):
    app = create_app(replace(settings, rate_limits=0.05))
    by = {"REMOTE_ADDR": an_address()}
    found = [
        app.test_client().get(
            "/v1/nothing", headers={"X-Forwarded-For": f"1.2.3.{n}"}, environ_overrides=by
        )
        for n in range(16)
    ]

    assert found[-1].status_code == 429


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "PATCH", "BREW"])
@pytest.mark.parametrize("path", ["/", "/v1/accounts", "/log/checkpoint"])
def test_methods_that_nobody_offers_are_refused(client, method, path):
    answer = client.open(path, method=method, headers={"Cookie": "secret"})

    assert answer.status_code == 405
    assert b"secret" not in answer.data


@pytest.mark.parametrize(
    "path",
    ["/v1/accounts", "/v1/nothing", "/", "/docs", "/verify", "/openapi.json", "/problems/sold-out"],
)
def test_a_forged_host_appears_nowhere(visit, path):
    answer = visit(
        path, Host="evil.example", X_Forwarded_Host="evil.example", X_Forwarded_Proto="gopher"
    )

    assert b"evil.example" not in answer.data
    assert "evil.example" not in str(answer.headers)
    assert b"gopher" not in answer.data


def test_addresses_of_problems_are_at_the_public_address(visit):
    problem = visit("/v1/accounts", Host="evil.example").json

    assert problem["type"] == "https://carbon.example.cn/problems/invalid-token"


def test_a_forms_parts_are_bounded(own):
    assert own.config["MAX_FORM_PARTS"] <= 20
    assert own.config["MAX_CONTENT_LENGTH"] <= 2**20


@pytest.mark.parametrize("depth", [2_000, 400_000])
def test_json_as_deep_as_it_likes_is_refused(client, bearer, depth):
    answer = client.put(
        f"/v1/redemptions/{uuid4()}",
        data="[" * depth,
        headers=bearer("resident", uuid4()),
        content_type="application/json",
    )

    assert answer.status_code == 400
