"""The OWASP API Security Top 10 (2023), item by item, over all routes where it can be walked.

What other tests hold already is called from here by its table, not repeated: guesses at ids in
``reach``, attacks on tokens in ``test_jwt_attacks``, headers and rates in ``conduct``.
"""

import ast
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from service.api import openapi
from service.app import BODY_MAX_BYTES, create_app
from service.auth import KEY, SIGNATURE
from service.authorisation import MERCHANT_ROLES
from service.identity.logins.oidc import s256
from service.identity.logins.outside import ANSWER_MAX_BYTES, Outside, OutsideAway
from service.identity.logins.phone_codes import PER_ADDRESS
from service.identity.staff.passwords import AT_ONCE_MAX, Passwords
from service.identity.tokens import ROLES
from service.limits import RATES
from service.services import Services
from tests.service.answers import nothing_written, refused
from tests.service.feeding import a_sender
from tests.service.forging import bad_tokens
from tests.service.identity.outside_servers import running
from tests.service.identity.signing import (
    DEVICE,
    REDIRECT,
    a_phone,
    offering,
    sign_up_body,
    signed_in,
)
from tests.service.reach.guesses import GUESSES, NOTHING_TO_GUESS, TAKEN
from tests.service.reach.test_guessing import with_ids
from tests.service.staffing import a_merchant
from tests.service.test_auth import Route, routes
from tests.service.test_feed_door import test_a_zip_bomb_is_refused_and_not_inflated as _zip_bomb

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
VERIFIER = "app-verifier-" + "x" * 40


class Operation(NamedTuple):
    """A route as the OpenAPI document has it, and as it is called."""

    route: Route
    told: dict[str, Any]

    @property
    def body(self) -> str:
        """The name of the body's schema; "" where it has none, or none of JSON."""
        content = self.told.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        return str(schema.get("$ref", "")).rpartition("/")[2]


WayIn = Callable[[Route], tuple[str, dict[str, str]] | None]


def operations(app: Flask) -> Iterator[Operation]:
    paths = openapi()["paths"]
    for route in routes(app):
        path = re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", route.rule)
        if (told := paths.get(path, {}).get(route.method.lower())) is not None:
            yield Operation(route, told)


def open_doors(app: Flask, entering: WayIn) -> list[tuple[Operation, str, dict[str, str]]]:
    """Each route that takes a body of JSON, with a URL and headers by which somebody gets in."""
    return [
        (each, *way)
        for each in operations(app)
        if each.body and (way := entering(each.route)) is not None
    ]


@pytest.fixture
def schemas(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = openapi()["components"]["schemas"]
    return found


@pytest.fixture
def entering(bearer, services):
    """A URL and headers by which somebody gets into a route; None where a message must be signed.

    The merchant in the path is there, and theirs who work for one.
    """
    merchant_id = a_merchant(services)
    scopes = {"district_officer": "310118"} | dict.fromkeys(MERCHANT_ROLES, merchant_id)

    def way_in(route: Route) -> tuple[str, dict[str, str]] | None:
        parts = zip(route.rule.split("/"), route.url.split("/"), strict=True)
        url = "/".join(
            str(merchant_id) if part == "<uuid:merchant_id>" else value for part, value in parts
        )
        ways = route.view.authentication
        roles = [each for each in ROLES if each in ways]
        if not ways:
            return url, {}
        if not roles:
            return None
        return url, bearer(roles[0], uuid4(), scopes.get(roles[0], ""))

    return way_in


# --- API1 broken object level authorization ------------------------------------------------------


def test_api1_every_route_that_takes_an_id_is_guessed_at(app):
    """The guesses themselves: tests/service/reach/test_guessing.py, of every role and grant."""
    assert set(with_ids(app)) <= {*GUESSES, *TAKEN, *NOTHING_TO_GUESS}


def test_api1_no_route_takes_from_its_caller_whose_things_it_is_about(app, schemas):
    """A resident is whom the token names; where a body or a query names one, staff ask."""
    for each in operations(app):
        named = {p["name"] for p in each.told.get("parameters", ()) if p["in"] in ("query", "path")}
        named |= set(schemas.get(each.body, {}).get("properties", ()))
        if "resident" in each.route.view.authentication and "holder_id" in named:
            assert each.route.rule == "/v1/activities/<uuid:activity_id>"  # For staff, and guessed.


# --- API2 broken authentication ------------------------------------------------------------------


def test_api2_no_route_believes_a_bad_token(app, client, services):
    """All of them at one route: test_jwt_attacks. Here at each route the cleverest."""
    found = bad_tokens(services.tokens)
    picked = ("alg none", "HS256 with the PEM public key", "another key", "expired", "not ascii")
    for route in routes(app):
        if not set(route.view.authentication) & set(ROLES):
            continue
        for name in picked:
            headers = {"Authorization": f"Bearer {found[name]}"}
            answer = client.open(route.url, method=route.method, headers=headers)
            assert answer.status_code == 401, (route, name)


def test_api2_what_is_no_access_token_is_none(settings, tmp_path, bearer):
    """Another secret of the same person, or the right one in another place."""
    with offering(settings, tmp_path) as signing:
        client, resident = signing.client(), signing.resident()
        token = resident.tokens["access_token"]
        assert client.get("/v1/accounts", headers=resident.headers).status_code == 200
        others = (
            resident.tokens["refresh_token"],
            resident.tokens["session_id"],
            signing.sign_up_token(client, a_phone()),
            f"tk_{uuid4().hex}_{'x' * 43}",
        )
        tries = [{"Authorization": f"Bearer {each}"} for each in others]
        tries += [{"Authorization": f"Basic {token}"}, {"Authorization": token}]
        tries += [{"Cookie": f"access_token={token}"}, {"X-Access-Token": token}]
        for headers in tries:
            refused(client.get("/v1/accounts", headers=headers), 401, "invalid-token")
        answer = client.get("/v1/accounts", query_string={"access_token": token})
        refused(answer, 401, "invalid-token")


# --- API3 broken object property level authorization ---------------------------------------------

READ_ONLY = {
    "id": "00000000-0000-4000-8000-000000000001",
    "holder_id": "00000000-0000-4000-8000-000000000002",
    "role": "administrator",
    "programme": "*",
    "scope": "",
    "powers": "guardian",
    "points": 10**6,
    "balance": 10**6,
    "decision": "verified",
    "real_name_verified": True,
    "minor_until": "2000-01-01",
    "made_by": "somebody",
    "approved_by": "somebody",
    "password_hash": "x",
    "is_admin": True,
    "__class__": {},
}
# What identity alone knows. Staff's own name and a key's are another kind of name.
PERSONAL = {"phone", "birth_on", "card_number", "device_name", "password", "password_hash"}
PERSONAL |= {"totp_secret", "data_key", "value_key", "sealed", "subject", "openid", "invitation"}
TOLD_TO_STAFF = {  # Schema, field: why.
    ("InvitedResponse", "invitation"): "an administrator hands it over",
    ("InvitedClerkResponse", "invitation"): "a merchant's manager hands it over",
    ("SessionResponse", "device_name"): "of one's own sessions",
    ("SecurityEventResponse", "session_id"): "of one's own",
    ("ResidentResponse", "phone"): "masked, and each time it is shown is put down",
    ("AuditDriftResponse", "subject"): "an id in the books, and of no sign-in",
}


def test_api3_no_body_sets_what_it_does_not_name(app, client, schemas, entering, database):
    """Each body with everything that somebody might try, at each route that takes one."""
    tried = set()
    doors = open_doors(app, entering)
    with nothing_written(database):
        for each, url, headers in doors:
            named = schemas[each.body]["properties"]
            wanted = {name: value for name, value in READ_ONLY.items() if name not in named}
            answer = client.open(url, method=each.route.method, json=wanted, headers=headers)
            errors = refused(answer, 422, "body-does-not-fit")["errors"]
            assert {f"#/{name}" for name in wanted} <= {error["pointer"] for error in errors}, each
            tried.add(each.body)
    assert len(tried) > 25


def test_api3_every_body_refuses_unknown_fields_deep_inside(schemas):
    def inner(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            if "$ref" in schema:
                yield schema["$ref"].rpartition("/")[2]
            for each in schema.values():
                yield from inner(each)
        elif isinstance(schema, list):
            for each in schema:
                yield from inner(each)

    seen, left = set(), {name for name in schemas if name.endswith("Request")}
    while left:
        seen.add(name := left.pop())
        assert schemas[name].get("additionalProperties") is False, name
        left |= set(inner(schemas[name])) - seen


def test_api3_no_answer_to_staff_has_room_for_personal_data(app, schemas):
    """What a schema does not name is not told: marshmallow dumps field by field."""

    def told(schema: Any, inside: str) -> Iterator[tuple[str, str]]:
        if isinstance(schema, list):
            for each in schema:
                yield from told(each, inside)
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            yield from told(schemas[name], name)
            return
        for name, each in schema.get("properties", {}).items():
            yield inside, name
            yield from told(each, inside)
        for name in ("items", "anyOf", "oneOf", "allOf", "additionalProperties"):
            yield from told(schema.get(name), inside)

    looked = 0
    for each in operations(app):
        if not set(each.route.view.authentication) - {"resident"}:
            continue
        for status, answer in each.told["responses"].items():
            if not status.startswith("2"):
                continue
            for content in answer.get("content", {}).values():
                found = {pair for pair in told(content["schema"], "") if pair[1] in PERSONAL}
                assert found <= TOLD_TO_STAFF.keys(), each.route.rule
                looked += 1
    assert looked > 40


# --- API4 unrestricted resource consumption ------------------------------------------------------


def test_api4_every_route_that_takes_a_body_takes_no_long_one(app, client, entering, database):
    long = json.dumps({"text": "x" * BODY_MAX_BYTES}).encode()
    doors = open_doors(app, entering)
    with nothing_written(database):
        for each, url, headers in doors:
            answer = client.open(
                url,
                method=each.route.method,
                data=long,
                content_type="application/json",
                headers=headers,
            )
            refused(answer, 413)


def test_api4_pages_lists_and_texts_have_bounds(app, schemas):
    for each in operations(app):
        for parameter in each.told.get("parameters", ()):
            if parameter["name"] == "limit":
                assert parameter["schema"]["maximum"] <= 1_000, each.route.rule
    unbounded = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name.endswith("Request")
        for field, kind in schema["properties"].items()
        if not _is_bounded(kind)
    ]
    assert set(unbounded) <= BOUNDED_BY_THE_DOMAIN


# Refused by activities.households, with what is allowed in the refusal.
BOUNDED_BY_THE_DOMAIN = {"HouseholdRequest.persons", "HouseholdRequest.tier"}


def _is_bounded(kind: dict[str, Any]) -> bool:
    types = kind.get("type")
    types = set(types) if isinstance(types, list) else {types}
    if "string" in types:
        return bool({"maxLength", "pattern", "format", "enum"} & kind.keys())
    if "array" in types:
        return "maxItems" in kind
    if "integer" in types:
        return "maximum" in kind
    return True


def test_api4_every_route_is_counted(app, settings):
    """In production by default; test_rates shows that each count refuses in the end."""
    assert settings.rate_limits == 0, "the tests' own app"
    assert type(settings).from_env({}).rate_limits == 1
    uncounted = {
        route.rule
        for route in routes(app)
        if getattr(route.view, "rate", "by its caller") not in (*RATES, "by its caller")
    }
    assert uncounted == {"/healthz", "/readyz"}


def test_api4_where_somebody_proves_who_they_are_counts_more_strictly(app):
    found = {r.rule: getattr(r.view, "rate", None) for r in routes(app) if "/auth/" in r.rule}
    wide = {"/v1/auth/methods", "/v1/auth/logout", "/v1/auth/acting"}

    assert {rule for rule, rate in found.items() if rate is None} == wide
    assert RATES["sign-in"].times < RATES["public"].times
    assert set(found.values()) == {None, "sign-in", "refresh"}


def test_api4_a_flood_of_passwords_hashes_a_few_at_once(monkeypatch):
    passwords = Passwords.of(memory_kib=8, passes=1)
    lock, now, most, verify = threading.Lock(), [0], [0], type(passwords.hasher).verify

    def heard(*args: Any) -> bool:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return verify(*args)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(type(passwords.hasher), "verify", heard)
    with ThreadPoolExecutor(16) as threads:
        assert not any(threads.map(lambda _: passwords.fits(None, "x"), range(160)))
    assert 1 <= most[0] <= AT_ONCE_MAX


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000], ids=["lists", "objects"])
def test_api4_json_as_deep_as_it_likes_is_refused_at_every_route(app, client, entering, deep):
    for each in operations(app):
        way_in = entering(each.route)
        if each.body and way_in is not None:
            url, headers = way_in
            answer = client.open(
                url,
                method=each.route.method,
                data=deep,
                content_type="application/json",
                headers=headers,
            )
            refused(answer, 400, "not-json")


def test_api4_a_zip_bomb_at_the_partners_door_is_not_inflated(services, client):
    _zip_bomb(a_sender(services, client))


# --- API5 broken function level authorization ----------------------------------------------------

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def detours(url: str) -> Iterator[str]:
    """Other ways to write an address, by which a door might be missed."""
    head, _, last = url.rpartition("/")
    yield url + "/"
    yield "/" + url
    yield url.replace("/v1/", "/v1//")
    yield url.replace("/v1/", "/V1/")
    yield url.replace("/v1/", "/v1/./")
    yield url.replace("/v1/", "/x/../v1/")
    yield url.replace("/v1/", "/v1/auth/%2e%2e/")
    yield url.replace("/v1/", "/v1%2f")
    yield f"{head}/{last.upper()}" if last.upper() != last else url + "%20"
    yield f"{url};x=1"
    yield f"{url}.json"
    yield f"{url}%00"
    yield f"{url}?_method=GET"


def test_api5_no_detour_leads_past_a_door(app, client, bearer, database):
    """With a token of a role that is not let in, or where all are, with none."""
    with nothing_written(database):
        for route in routes(app):
            if not route.view.authentication:
                continue
            others = [each for each in ROLES if each not in route.view.authentication]
            headers = bearer(others[0], uuid4()) if others else {}
            for url in detours(route.url):
                answer = client.open(url, method=route.method, headers=headers)
                assert answer.status_code in (308, 401, 403, 404, 405), (route, url)
                if answer.status_code == 308:  # To the one way to write it; asked anew there.
                    assert answer.headers["Location"].endswith(route.url), url


def test_api5_no_header_makes_one_method_another(app, client, bearer, database):
    methods = ("GET", "PUT", "POST", "DELETE")
    with nothing_written(database):
        for route in routes(app):
            if not route.view.authentication or route.method == "HEAD":
                continue
            for method in set(methods) - {route.method}:
                said = dict.fromkeys(OVERRIDES, route.method)
                answer = client.open(route.url, method=method, headers=said)
                assert answer.status_code in (401, 405), (route, method)


def test_api5_options_tell_methods_and_nothing_else(app, client):
    for url in {route.url for route in routes(app)}:
        answer = client.options(url)
        assert answer.status_code == 200
        assert answer.data == b""


# --- API6 unrestricted access to sensitive business flows ----------------------------------------


def test_api6_one_phone_is_one_person_however_often_it_signs_up(settings, tmp_path):
    with offering(settings, tmp_path) as signing:
        client, phone = signing.client(), a_phone()
        tokens = [signing.sign_up_token(client, phone) for _ in range(3)]
        subjects = {
            signing.services.tokens.check(
                client.post("/v1/auth/sign-up", json=sign_up_body(each)).json["access_token"]
            ).subject
            for each in tokens
            for _ in range(2)
        }
        assert len(subjects) == 1


def test_api6_one_address_makes_only_so_many_phones_ring(settings, tmp_path):
    with offering(settings, tmp_path) as signing:
        client = signing.client()
        found = [
            client.post("/v1/auth/phone-codes", json={"phone": a_phone()}).status_code
            for _ in range(PER_ADDRESS.times)
        ]
        assert found[-1] == 429
        assert len(signing.gateway.asked) == found.count(202) < PER_ADDRESS.times


def test_api6_without_a_proof_nobody_signs_up(client, database):
    with nothing_written(database):
        for token in ("x", "A" * 200, "=" * 50):
            answer = client.post("/v1/auth/sign-up", json=sign_up_body(token))
            refused(answer, 401, "sign-up-token-not-right")


# --- API7 server side request forgery ------------------------------------------------------------

# Modules that open connections, and to where.
OUTGOING = {
    "service/webhooks/sending.py": "merchants: addresses of the open internet, checked when sent",
    "ledgers/log/sources.py": "`tanhui log verify URL`: of who runs the command",
    "service/identity/logins/hurry.py": "settings: SMS gateway, WeChat, the OpenID provider",
    "service/identity/logins/outside.py": "settings: SMS gateway, WeChat, the OpenID provider,"
    " the gateway of top-ups",
    "service/admin/origin.py": "nobody: the name of this machine",
    "service/embedded.py": "the servers of the default set-up, on this machine",
    "service/jobs/execution.py": "nobody: the name of this machine",
    "service/starting.py": "probes whether our own port is free",
}
CLIENTS = {"httpx", "httpcore", "requests", "urllib3", "socket", "http.client", "urllib.request"}
CLIENTS |= {"ftplib", "smtplib", "aiohttp", "asyncio"}


def test_api7_few_modules_ask_anybody(app):
    found = set()
    for package in ("ledgers", "activities", "rewards", "service"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if CLIENTS & set(names):
                    found.add(str(path.relative_to(ROOT)))
    assert found == OUTGOING.keys()


def test_api7_no_url_of_a_caller_is_asked(app, client, schemas, entering):
    """One of ours that listens, in every text of every body, in every query and in headers."""
    with running() as canary:
        said = {"Referer": canary.url, "Origin": canary.url, "X-Forwarded-Host": canary.url[7:]}
        for each in operations(app):
            way_in = entering(each.route)
            if way_in is None:
                continue
            url, headers = way_in
            kinds = schemas.get(each.body, {}).get("properties", {})
            query = [p["name"] for p in each.told.get("parameters", ()) if p["in"] == "query"]
            client.open(
                url,
                method=each.route.method,
                query_string=dict.fromkeys(query, canary.url),
                json=dict.fromkeys(kinds, canary.url) if each.body else None,
                headers=headers | said,
            ).close()
        assert canary.asked == []


def test_api7_where_a_login_leads_back_to_is_agreed_beforehand(settings, tmp_path):
    with offering(settings, tmp_path) as signing, running() as canary:
        client = signing.client()
        tries = (canary.url, f"{REDIRECT}/more", f"{REDIRECT}?next={canary.url}", f"{REDIRECT}#x")
        for url in (*tries, REDIRECT.replace("https", "http"), REDIRECT.upper(), f" {REDIRECT}"):
            body = {"redirect_url": url, "app_challenge": s256(VERIFIER)}
            answer = client.post("/v1/auth/oidc/start", json=body)
            refused(answer, 422, "redirect-not-allowed")
        assert canary.asked == []
        assert signing.oidc.asked == []


# --- API8 security misconfiguration --------------------------------------------------------------


def test_api8_every_answer_of_every_route_is_hardened(app, client):
    for route in routes(app):
        answer = client.open(route.url, method=route.method)
        answer.close()
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", route
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], route
        assert "unsafe" not in headers["Content-Security-Policy"], route
        assert headers["Referrer-Policy"] == "no-referrer", route
        assert not {"Server", "X-Powered-By", "Set-Cookie"} & set(headers.keys()), route
        files = route.rule.startswith("/log/")  # For whoever checks the log on a page of their own.
        assert headers.get("Access-Control-Allow-Origin") == ("*" if files else None), route


def test_api8_debugging_is_off_whatever_the_environment_says(settings, monkeypatch):
    for name in ("FLASK_DEBUG", "FLASK_ENV", "WERKZEUG_DEBUG_PIN"):
        monkeypatch.setenv(name, "1")
    app = create_app(settings)

    assert not app.testing
    assert not app.config["PROPAGATE_EXCEPTIONS"]
    assert app.config["SECRET_KEY"] is None  # Nothing is signed by it: no cookies, no sessions.
    for path in ("/console", "/?__debugger__=yes&cmd=resource&f=style.css", "/.env", "/.git/HEAD"):
        answer = app.test_client().get(path)
        assert answer.status_code == 404 or b"Werkzeug" not in answer.data
    app.extensions["tanhui"].database.dispose()


def test_api8_a_failure_tells_the_caller_nothing_and_the_log_no_ones_data(settings, caplog):
    """A row that PostgreSQL refuses is in the text of its error, parameters are in SQLAlchemy's."""
    app = create_app(settings)
    database = app.extensions["tanhui"].database
    secret, there = "13800138000", uuid4()

    def failing() -> None:
        def work(session: Any) -> None:
            row = {"id": there, "login": "Not Lower " + secret, "name": secret}
            session.execute(
                text(
                    "INSERT INTO staff (id, login, display_name, made_at, made_by)"
                    " VALUES (:id, :login, :name, '2026-01-01', 'x')"
                ),
                row,
            )

        database.transact(work)

    failing.authentication = ()
    app.add_url_rule("/v1/failing", "failing", failing)
    answer = app.test_client().get("/v1/failing")
    database.dispose()

    refused(answer, 500)
    assert secret not in answer.text
    assert "Traceback" not in answer.text
    assert secret not in caplog.text
    assert "constraint_name=ck_staff_login" in caplog.text
    assert "in failing" in caplog.text  # Where it was stays known.


def test_api8_no_two_installations_share_a_key(settings, tmp_path):
    def made(folder: Path) -> set[bytes]:
        parts = Services.connect(replace(settings, var_dir=folder))
        parts.logins.outside.close()
        files = [each for each in (folder / "keys").iterdir() if each.is_file()]
        assert all(each.stat().st_mode & 0o077 == 0 for each in files)
        return {each.read_bytes() for each in files}

    # Tokens, vouchers, feeds and personal data, made at the first start.
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert len(one) == len(other) >= 4
    assert one.isdisjoint(other)


# --- API9 improper inventory management ----------------------------------------------------------

UNDOCUMENTED = {  # Not under /v1: pages and files, each with the reason why it is there.
    "/": "the home page",
    "/.well-known/jwks.json": "RFC 7517: by which anybody checks our tokens; docs/app.md",
    "/docs": "the page of the OpenAPI document",
    "/healthz": "whether the process lives; docs/operators.md",
    "/log/checkpoint": "the transparency log; docs/log.md",
    "/log/tile/<path:name>": "the transparency log; docs/log.md",
    "/open-data/": "what anybody may read of districts: the list of files; docs/open-data.md",
    "/open-data/about": "the page of the same",
    "/open-data/dictionary.csv": "what the columns are; docs/open-data.md",
    "/open-data/districts.csv": "districts' published figures; docs/open-data.md",
    "/openapi.json": "the OpenAPI document itself",
    "/problems/<slug>": "a page for each type of problem",
    "/readyz": "whether the service can work; docs/operators.md",
    "/static/<path:filename>": "what the pages load",
    "/sw.js": "what a resident's phone keeps pages by",
    "/verify": "the page that checks the log",
}


def test_api9_every_route_is_documented_or_listed_with_its_reason(app):
    documented = set(openapi()["paths"])
    views = app.view_functions
    rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(views[rule.endpoint], "page_for")  # tests/service/web walks the pages.
    }
    under_v1 = {re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", r) for r in rules if r[:4] == "/v1/"}

    assert documented == under_v1
    assert {rule for rule in rules if not rule.startswith("/v1/")} == UNDOCUMENTED.keys()


def test_api9_no_other_version_answers(client):
    for version in ("v0", "v2", "beta", "internal", "admin", "api/v1", "debug"):
        refused(client.get(f"/{version}/accounts"), 404)


def test_api9_every_operation_says_who_may_and_what_it_answers(app):
    for each in operations(app):
        ways = set(each.route.view.authentication)
        said = {name for scheme in each.told["security"] for name in scheme}
        wanted = {"bearer"} if ways & set(ROLES) else set()
        assert said == wanted | (ways & {KEY, SIGNATURE}), each.route
        assert any(status.startswith("2") for status in each.told["responses"]), each.route


# --- API10 unsafe consumption of APIs ------------------------------------------------------------

GARBAGE = {
    "nothing": (200, b""),
    "no text": (200, b"\xff\xfe\x00"),
    "a list": (200, [1]),
    "a number": (200, 7),
    "deep": (200, b"[" * 100_000),
    "long": (200, b" " * (ANSWER_MAX_BYTES + 1)),
    "elsewhere": (302, {"openid": "o", "id_token": "x"}),
    "an error": (500, {"errcode": 0}),
    "another type everywhere": (
        200,
        {"errcode": [], "openid": {}, "unionid": 1, "issuer": [], "id_token": {}, "keys": 7},
    ),
}


@pytest.mark.parametrize("reply", GARBAGE.values(), ids=GARBAGE.keys())
def test_api10_garbage_from_outside_is_a_503_and_nobody_is_in(settings, tmp_path, reply):
    with offering(settings, tmp_path) as signing:
        for server in (signing.gateway, signing.wechat, signing.oidc):
            server.reply = lambda _: reply
        client, database = signing.client(), signing.services.database
        wechat = {"code": "x", "device_name": DEVICE}
        oidc = {"redirect_url": REDIRECT, "app_challenge": s256(VERIFIER)}
        with nothing_written(database):
            answer = client.post("/v1/auth/wechat", json=wechat)
            refused(answer, 503, "login-provider-away")
            answer = client.post("/v1/auth/oidc/start", json=oidc)
            refused(answer, 503, "login-provider-away")
            answer = client.post("/v1/auth/phone-codes", json={"phone": a_phone()})
            sent = reply[0] == 200 and len(str(reply[1])) < ANSWER_MAX_BYTES
            assert answer.status_code == (202 if sent else 503), answer.text
        for server in (signing.gateway, signing.wechat, signing.oidc):
            assert "/elsewhere" not in {asked.path for asked in server.asked}


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization_endpoint": "http://[x"},
        {"token_endpoint": "http://[::1"},
        {"jwks_uri": None},
        {"token_endpoint_auth_methods_supported": None},
        {"token_endpoint_auth_methods_supported": 7},
        {"id_token_signing_alg_values_supported": None},
        {"id_token_signing_alg_values_supported": {"a": 1}},
    ],
    ids=str,
)
def test_api10_a_provider_that_describes_itself_badly_breaks_nothing(settings, tmp_path, changed):
    with offering(settings, tmp_path) as signing:
        url = signing.oidc.url
        told = {"issuer": url, "authorization_endpoint": f"{url}/a", "token_endpoint": f"{url}/t"}
        signing.oidc.reply = lambda _: (200, told | {"jwks_uri": f"{url}/k"} | changed)
        body = {"redirect_url": REDIRECT, "app_challenge": s256(VERIFIER)}

        answer = signing.client().post("/v1/auth/oidc/start", json=body)

        assert answer.status_code in (200, 503), answer.text


@contextmanager
def dripping(start: bytes) -> Iterator[str]:
    """A server that begins to answer, and then sends a byte now and then without end."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(start)
            while not over.wait(0.02):
                connection.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_api10_an_answer_that_drips_is_left_alone_in_time(start):
    """Each byte comes soon enough: only the whole is late. Else this would never end."""
    outside = Outside(timeout_s=0.3)
    began = time.monotonic()
    with dripping(start) as url, pytest.raises(OutsideAway):
        outside.ask("GET", url)
    outside.close()
    assert time.monotonic() - began < 60


def test_api10_answers_are_taken_as_they_come_not_unpacked():
    with running() as server:
        outside = Outside()
        outside.ask("GET", server.url)
        outside.close()
        assert server.asked[0].headers["accept-encoding"] == "identity"


def test_api10_a_code_that_was_not_sent_opens_nothing(settings, tmp_path):
    with offering(settings, tmp_path) as signing:
        signing.gateway.reply = lambda _: (500, b"")
        client, phone = signing.client(), a_phone()
        assert client.post("/v1/auth/phone-codes", json={"phone": phone}).status_code == 503
        answer = signed_in(client, phone, signing.code_of(phone))
        refused(answer, 401, "code-not-right")
