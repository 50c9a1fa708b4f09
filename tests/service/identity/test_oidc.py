"""City single sign-on: with a provider of another maker, and with one that cheats."""

import hmac
import json
import os
import re
import secrets
import subprocess
import sys
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from service.app import create_app
from service.cache import Cache
from service.identity.logins.errors import (
    CodesAway,
    LoginNotProven,
    LoginProviderAway,
    RedirectNotAllowed,
)
from service.identity.logins.oidc import Client, Oidc, s256
from service.identity.logins.oidc_provider import AWAY_S, CACHED_S, Provider
from service.identity.logins.outside import Outside
from service.login_settings import LoginSettings
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.identity.outside_servers import Asked, Reply, Server, running
from tests.service.identity.signing import (
    DEVICE,
    OIDC_SECRET,
    REDIRECT,
    an_address,
    asking,
    close,
    offering,
    sign_up_body,
)

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
VERIFIER = "app-verifier-" + "x" * 40
DISCOVERY = "/.well-known/openid-configuration"
DEAD = "redis://127.0.0.1:1/0"  # Nothing listens there.


@pytest.fixture(scope="module")
def rsa():
    return RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"})


@dataclass
class City:
    """A provider that does as the specifications say, but where a test lets it cheat."""

    server: Server
    key: Any
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "k1"})
    claims: dict[str, Any] = field(default_factory=dict)  # None leaves a claim out.
    metadata: dict[str, Any] = field(default_factory=dict)
    token: Reply | None = None
    now: datetime = NOW
    signer: Any = None
    asked_for: dict[str, str] = field(default_factory=dict)  # What the browser brought.

    def __post_init__(self) -> None:
        self.server.reply = self.reply

    def browser(self, url: str) -> None:
        """Somebody signs in on the page."""
        self.asked_for = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    def reply(self, asked: Asked) -> Reply:
        url = self.server.url
        if asked.path == DISCOVERY:
            return 200, {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            } | self.metadata
        if asked.path == "/keys":
            return 200, KeySet([self.key]).as_dict(private=False)
        return self.token or self.exchanged(asked)

    def exchanged(self, asked: Asked) -> Reply:
        form = asked.form
        proven = s256(form["code_verifier"]) == self.asked_for["code_challenge"]
        same = form["redirect_uri"] == self.asked_for["redirect_uri"]
        if not proven or not same or form["code"] != "good":
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": self.id_token()}

    def id_token(self) -> str:
        now = int(self.now.timestamp())
        claims = {
            "iss": self.server.url,
            "sub": "citizen-7",
            "aud": "tanhui",
            "exp": now + 300,
            "iat": now,
            "nonce": self.asked_for["nonce"],
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.header["alg"] in ("none", "HS256"):
            return forged(self.header, claims, self.key.as_pem(private=False))
        signer = self.signer or self.key
        return jwt.encode(self.header, claims, signer, algorithms=[self.header["alg"]])


def forged(header: dict[str, Any], claims: dict[str, Any], public: bytes) -> str:
    """A token that libraries will not make: not signed, or signed by the public key as a secret."""

    def part(raw: bytes) -> bytes:
        return urlsafe_b64encode(raw).rstrip(b"=")

    text = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims).encode())
    signature = hmac.digest(public, text, "sha256") if header["alg"] == "HS256" else b""
    return f"{text.decode()}.{part(signature).decode()}"


@pytest.fixture
def city(rsa):
    with running() as server:
        yield City(server, rsa)


class Clock:
    """Seconds as a test wants them."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def oidc_of(city: City, redis_url: str, outside: Outside, *, clock: Any = None) -> Oidc:
    provider = Provider(city.server.url, outside, clock=clock or Clock())
    client = Client("tanhui", OIDC_SECRET, (REDIRECT, "cn.example.app:/back"))
    return Oidc(provider, client, b"k" * 32, outside, Cache(redis_url))


@pytest.fixture
def outside():
    with asking() as make:
        yield make


@pytest.fixture
def oidc(city, urls, clock, outside):
    return oidc_of(city, urls["redis"], outside(), clock=clock)


@pytest.fixture
def begin(city, oidc):
    """Begin, and sign in at the provider; the state to come back with."""

    def begun(*, redirect: str = REDIRECT) -> str:
        started = oidc.start(redirect, s256(VERIFIER), now=NOW)
        city.browser(started.authorization_url)
        return started.state

    return begun


def test_the_way_there_carries_pkce_nonce_and_state(city, oidc):
    first, second = (oidc.start(REDIRECT, s256(VERIFIER), now=NOW) for _ in range(2))

    address = urlsplit(first.authorization_url)
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{city.server.url}/authorize"
    city.browser(first.authorization_url)
    asked = city.asked_for
    assert asked["state"] == first.state
    assert {name: asked[name] for name in asked if name not in ("state", "nonce")} == {
        "response_type": "code",
        "client_id": "tanhui",
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "code_challenge": asked["code_challenge"],
        "code_challenge_method": "S256",
    }
    assert len(asked["code_challenge"]) == 43
    assert len(asked["nonce"]) >= 43
    assert asked["code_challenge"] != s256(VERIFIER)
    assert first.state != second.state
    assert asked["nonce"] not in first.state


def test_the_way_back_says_who_it_is(city, oidc, begin):
    proof = oidc.finish("good", begin(), VERIFIER, now=NOW)

    assert proof == ("oidc", (f"{city.server.url}\ncitizen-7",))
    exchange = city.server.asked[-2]
    kind, _, pair = exchange.headers["authorization"].partition(" ")
    assert (exchange.path, kind) == ("/token", "Basic")
    name, _, secret = b64decode(pair).decode().partition(":")
    assert (unquote_plus(name), unquote_plus(secret)) == ("tanhui", OIDC_SECRET)
    assert exchange.form["grant_type"] == "authorization_code"
    assert "client_secret" not in exchange.form


def test_a_provider_without_basic_gets_the_secret_in_the_body(city, oidc, begin):
    city.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}

    oidc.finish("good", begin(), VERIFIER, now=NOW)

    exchange = city.server.asked[-2]
    assert "authorization" not in exchange.headers
    assert (exchange.form["client_id"], exchange.form["client_secret"]) == ("tanhui", OIDC_SECRET)


@pytest.mark.parametrize("url", ["https://evil.example/", REDIRECT + "/", REDIRECT + "?x=1", ""])
def test_nobody_is_sent_elsewhere(city, oidc, url):
    with pytest.raises(RedirectNotAllowed):
        oidc.start(url, s256(VERIFIER), now=NOW)
    assert city.server.asked == []


def test_an_app_of_its_own_scheme_may_be_sent_back_to(oidc, begin):
    assert oidc.finish("good", begin(redirect="cn.example.app:/back"), VERIFIER, now=NOW)


def test_a_state_is_good_once(oidc, begin):
    state = begin()
    oidc.finish("good", state, VERIFIER, now=NOW)

    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER, now=NOW)


def test_a_state_is_used_up_by_a_bad_code_too(oidc, begin):
    state = begin()
    for code in ("guessed", "good"):
        with pytest.raises(LoginNotProven):
            oidc.finish(code, state, VERIFIER, now=NOW)


def test_a_state_belongs_to_the_app_that_began(city, oidc, begin):
    state, asked = begin(), len(city.server.asked)
    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER + "x", now=NOW)

    assert len(city.server.asked) == asked
    oidc.finish("good", state, VERIFIER, now=NOW)  # Nobody else used it up.


def test_a_state_ends_and_cannot_be_made_up(city, oidc, begin):
    state, asked = begin(), len(city.server.asked)
    late = NOW + timedelta(minutes=10)
    for each, at in ((state, late), (state[:-6] + "AAAAAA", NOW), ("", NOW), ("x" * 300, NOW)):
        with pytest.raises(LoginNotProven):
            oidc.finish("good", each, VERIFIER, now=at)
    assert len(city.server.asked) == asked


def test_a_code_of_another_login_is_refused(city, oidc, begin):
    """Its PKCE challenge was another's."""
    state = begin()
    begin()

    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER, now=NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": ["somebody-else"]},
        {"aud": None},
        {"aud": ["tanhui", "somebody-else"]},  # Needs azp.
        {"aud": ["tanhui", "somebody-else"], "azp": "somebody-else"},
        {"azp": "somebody-else"},
        {"exp": int(NOW.timestamp()) - 31},
        {"exp": None},
        {"exp": "later"},
        {"iat": None},
        {"iat": int(NOW.timestamp()) + 3_600},
        {"nbf": int(NOW.timestamp()) + 3_600},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ""},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\nb"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_us_now_is_refused(city, oidc, begin, claims, caplog):
    state = begin()
    city.claims = claims

    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER, now=NOW)
    assert "an id token was refused" in caplog.text


def test_a_list_with_the_right_nonce_among_others_is_refused(city, oidc, begin):
    state = begin()
    city.claims = {"nonce": [city.asked_for["nonce"], "x"]}

    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER, now=NOW)


def test_several_audiences_with_us_as_the_authorised_party_are_fine(city, oidc, begin):
    state = begin()
    city.claims = {"aud": ["other", "tanhui"], "azp": "tanhui"}

    assert oidc.finish("good", state, VERIFIER, now=NOW).source == "oidc"


@pytest.mark.parametrize("attack", ["none", "hmac by the public key", "another key", "embedded"])
def test_an_id_token_not_signed_by_the_provider_is_refused(city, oidc, begin, rsa, attack):
    state = begin()
    stranger = RSAKey.generate_key(2048, parameters={"kid": "k1"})
    if attack == "none":
        city.header = {"alg": "none"}
    elif attack == "hmac by the public key":
        city.header = {"alg": "HS256", "kid": "k1"}
    else:
        city.signer = stranger
        if attack == "embedded":
            city.header = {"alg": "RS256", "jwk": stranger.as_dict(private=False)}

    with pytest.raises(LoginNotProven):
        oidc.finish("good", state, VERIFIER, now=NOW)


def test_a_tampered_id_token_is_refused(city, oidc, begin):
    state = begin()
    head, body, signature = city.id_token().split(".")
    for bad in (f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}", "x", f"{head}.{body}."):
        city.token = 200, {"id_token": bad}
        with pytest.raises(LoginNotProven):
            oidc.finish("good", state, VERIFIER, now=NOW)
        state = begin()


def test_keys_may_be_rotated(city, oidc, begin, clock):
    oidc.finish("good", begin(), VERIFIER, now=NOW)
    city.key = ECKey.generate_key("P-256", parameters={"kid": "k2"})
    city.header = {"alg": "ES256", "kid": "k2"}

    with pytest.raises(LoginNotProven):  # Asked for a moment ago: a made-up kid asks nobody.
        oidc.finish("good", begin(), VERIFIER, now=NOW)
    clock.now += 61
    assert oidc.finish("good", begin(), VERIFIER, now=NOW)


def test_discovery_and_keys_are_asked_for_once_an_hour(city, oidc, begin, clock):
    def asked(path):
        return sum(each.path == path for each in city.server.asked)

    for _ in range(3):
        oidc.finish("good", begin(), VERIFIER, now=NOW)
    assert (asked(DISCOVERY), asked("/keys")) == (1, 1)
    clock.now += CACHED_S + 1
    oidc.finish("good", begin(), VERIFIER, now=NOW)
    assert (asked(DISCOVERY), asked("/keys")) == (2, 2)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": None},
        {"token_endpoint": 7},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "gopher://127.0.0.1"},
    ],
    ids=str,
)
def test_a_provider_that_describes_another_is_away(city, oidc, metadata):
    city.metadata = metadata

    with pytest.raises(LoginProviderAway):
        oidc.start(REDIRECT, s256(VERIFIER), now=NOW)


@pytest.mark.parametrize(
    "token",
    [
        (500, {}),
        (200, b"<html>"),
        (200, {}),
        (200, {"id_token": 7}),
        (401, {"error": "invalid_client"}),
        (400, {"error": "invalid_request"}),
        (302, {}),
    ],
    ids=str,
)
def test_a_provider_that_fails_leaves_the_state_good(city, oidc, begin, token, caplog):
    state = begin()
    city.token = token
    with pytest.raises(LoginProviderAway):
        oidc.finish("good", state, VERIFIER, now=NOW)
    city.token = None

    assert oidc.finish("good", state, VERIFIER, now=NOW)
    assert OIDC_SECRET not in caplog.text
    assert "the OpenID provider does not answer" in caplog.text


def test_a_provider_that_is_away_is_left_alone_for_a_moment(city, urls, clock, outside):
    reply, city.server.reply = city.server.reply, city.server.slow
    oidc = oidc_of(city, urls["redis"], outside(0.1), clock=clock)
    for _ in range(3):
        with pytest.raises(LoginProviderAway):
            oidc.start(REDIRECT, s256(VERIFIER), now=NOW)
    assert len(city.server.asked) == 1
    city.server.released.set()
    city.server.reply = reply
    clock.now += AWAY_S

    assert oidc.start(REDIRECT, s256(VERIFIER), now=NOW).state


def test_without_redis_nobody_can_tell_whether_a_state_was_used(city, outside):
    oidc = oidc_of(city, DEAD, outside())
    started = oidc.start(REDIRECT, s256(VERIFIER), now=NOW)
    city.browser(started.authorization_url)

    with pytest.raises(CodesAway):
        oidc.finish("good", started.state, VERIFIER, now=NOW)


# From outside, by a provider of another maker.


@pytest.fixture(scope="module")
def provider():
    """oidc-provider-mock, a process of its own."""
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", "0", "--require-nonce", "true"]
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stderr
            for line in process.stderr:
                if found := re.search(r"running on (http://127\.0\.0\.1:[0-9]+)", line):
                    break
            yield found[1]
        finally:
            process.terminate()
            process.stderr.read()


@pytest.fixture(scope="module")
def app_with_provider(settings, provider, tmp_path_factory):
    secret = tmp_path_factory.mktemp("oidc") / "secret"
    secret.write_text(OIDC_SECRET)
    logins = LoginSettings(
        oidc_issuer=provider,
        oidc_client_id="tanhui",
        oidc_client_secret_file=secret,
        oidc_redirect_urls=(REDIRECT,),
    )
    app = create_app(replace(settings, logins=logins, rate_limits=0.0))
    yield app
    close(app)


def signed_in_there(authorization_url: str, subject: str) -> dict[str, str]:
    """What the provider gives the app, after somebody said who they are."""
    answer = httpx.post(authorization_url, data={"sub": subject}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    back = answer.headers["location"]
    assert back.startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


def enter(client, subject: str):
    verifier = secrets.token_urlsafe(48)
    body = {"redirect_url": REDIRECT, "app_challenge": s256(verifier)}
    started = client.post("/v1/auth/oidc/start", json=body)
    assert started.status_code == 200, started.text
    assert started.json["expires_in_s"] == 600
    back = signed_in_there(started.json["authorization_url"], subject)
    assert back["state"] == started.json["state"]
    return client.post(
        "/v1/auth/oidc/finish",
        json=back | {"app_verifier": verifier, "device_name": DEVICE},
    )


def test_signing_up_and_in_with_a_real_provider(app_with_provider):
    client = app_with_provider.test_client()
    client.environ_base["REMOTE_ADDR"] = an_address()
    services = app_with_provider.extensions["tanhui"]
    subject = secrets.token_hex(8)

    with nothing_written(services.database):
        new = enter(client, subject)
    assert new.status_code == 200, new.text
    made = client.post("/v1/auth/sign-up", json=sign_up_body(new.json["sign_up_token"]))
    again, another = enter(client, subject), enter(client, secrets.token_hex(8))

    subjects = [
        services.tokens.check(each["access_token"]).subject
        for each in (made.json, again.json["tokens"])
    ]
    assert len(set(subjects)) == 1
    assert set(another.json) == {"sign_up_token", "sign_up_token_expires_in_s"}


@pytest.fixture(scope="module")
def signing(settings, tmp_path_factory):
    with offering(settings, tmp_path_factory.mktemp("city")) as found:
        yield found


def finish_body(**changed):
    return {
        "code": "good", "state": "x" * 80, "app_verifier": VERIFIER, "device_name": DEVICE,
    } | changed  # fmt: skip


def test_refusals_from_outside(signing):
    client, database = signing.client(), signing.services.database
    signing.oidc.reply = lambda _: (500, b"")

    def start(headers, redirect):
        body = {"redirect_url": redirect, "app_challenge": s256(VERIFIER)}
        return client.post("/v1/auth/oidc/start", json=body, headers=headers)

    refused_in_both_languages(
        database, lambda headers: start(headers, "https://x.example"), 422, "redirect-not-allowed"
    )
    refused_in_both_languages(
        database, lambda headers: start(headers, REDIRECT), 503, "login-provider-away"
    )
    refused_in_both_languages(
        database,
        lambda headers: client.post("/v1/auth/oidc/finish", json=finish_body(), headers=headers),
        401,
        "login-not-proven",
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"app_verifier": "short"},
        {"app_verifier": "x" * 129},
        {"app_verifier": "x" * 42 + "é"},
        {"code": "a b"},
        {"state": "x" * 2_001},
        {"state": ""},
        {"redirect_url": REDIRECT},
    ],
    ids=str,
)
def test_a_body_that_does_not_fit_is_refused(signing, changed):
    answer = signing.client().post("/v1/auth/oidc/finish", json=finish_body(**changed))

    found = refused(answer, 422, "body-does-not-fit")
    assert [each["pointer"] for each in found["errors"]] == [f"#/{next(iter(changed))}"]
