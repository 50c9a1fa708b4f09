"""WeChat mini-programs: what their server answers, and what becomes of it."""

from urllib.parse import urlsplit

import pytest

from service.identity.logins.errors import LoginNotProven, LoginProviderAway, LoginProviderRefuses
from service.identity.logins.wechat import WeChat
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.identity.outside_servers import running
from tests.service.identity.signing import (
    DEVICE,
    OIDC_SECRET,
    WECHAT_SECRET,
    asking,
    offering,
    sign_up_body,
)

KEY = "c2Vzc2lvbi1rZXk="


@pytest.fixture
def server():
    with running() as found:
        yield found


@pytest.fixture
def outside():
    with asking() as make:
        yield make


@pytest.fixture
def wechat(server, outside):
    return WeChat(server.url, "wx01", "s3cret", outside())


@pytest.fixture(scope="module")
def signing(settings, tmp_path_factory):
    with offering(settings, tmp_path_factory.mktemp("wechat")) as found:
        yield found


def test_a_code_becomes_an_openid(server, wechat):
    server.reply = lambda _: (200, {"openid": "o1", "session_key": KEY})

    assert wechat.proof("code of wx.login") == ("wechat", ("o1",))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/sns/jscode2session")
    assert asked.query == {
        "appid": "wx01",
        "secret": "s3cret",
        "js_code": "code of wx.login",
        "grant_type": "authorization_code",
    }


def test_a_unionid_goes_first_and_the_openid_is_found_still(server, wechat):
    server.reply = lambda _: (200, {"openid": "o1", "unionid": "u1", "session_key": KEY})

    assert wechat.proof("x").values == ("u1", "o1")


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (40029, LoginNotProven),
        (40163, LoginNotProven),
        (40226, LoginProviderRefuses),
        (45011, LoginProviderAway),
        (-1, LoginProviderAway),
        (40125, LoginProviderAway),
        ("40029", LoginProviderAway),
        (None, LoginProviderAway),
    ],
)
def test_its_errors_are_refusals(server, wechat, error, refusal):
    server.reply = lambda _: (200, {"errcode": error, "errmsg": "secret things", "openid": "o1"})

    with pytest.raises(refusal) as found:
        wechat.proof("x")
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    "reply",
    [
        (200, b"<html>"),
        (200, b"\xff\xfe"),
        (200, b"[" * 50_000),
        (200, []),
        (200, {}),
        (200, {"openid": ""}),
        (200, {"openid": 7}),
        (200, {"openid": "o" * 129}),
        (200, {"openid": "o1", "unionid": ["u"]}),
        (200, {"unionid": "u1"}),
        (302, {}),
        (404, {"openid": "o1"}),
        (500, {"openid": "o1"}),
        (200, b"x" * 300_000),
    ],
    ids=range(14),
)
def test_garbage_is_as_good_as_no_answer(server, wechat, reply):
    server.reply = lambda _: reply

    with pytest.raises(LoginProviderAway):
        wechat.proof("x")
    assert len(server.asked) == 1


def test_a_slow_answer_is_none(server, outside):
    server.reply = server.slow

    with pytest.raises(LoginProviderAway):
        WeChat(server.url, "wx01", "s3cret", outside(0.1)).proof("x")


def test_nothing_of_the_question_is_logged(server, wechat, caplog):
    caplog.set_level("DEBUG")
    server.reply = lambda _: (200, {"openid": "o-of-somebody", "session_key": KEY})
    wechat.proof("code-of-wx")
    server.reply = lambda _: (500, b"")
    with pytest.raises(LoginProviderAway):
        wechat.proof("code-of-wx")

    assert "status 500" in caplog.text
    for secret in ("s3cret", "code-of-wx", "o-of-somebody", KEY):
        assert secret not in caplog.text


def enter(client, code="code", **more):
    return client.post("/v1/auth/wechat", json={"code": code, "device_name": DEVICE}, **more)


def test_signing_up_and_in_from_a_mini_program(signing):
    client, database = signing.client(), signing.services.database
    signing.wechat.reply = lambda _: (200, {"openid": "o-mini", "session_key": KEY})
    with nothing_written(database):
        token = enter(client).json["sign_up_token"]
    made = client.post("/v1/auth/sign-up", json=sign_up_body(token))
    assert made.status_code == 201, made.text

    # The mini-program has got a sister since.
    signing.wechat.reply = lambda _: (200, {"openid": "o-mini", "unionid": "u", "session_key": KEY})
    answer = enter(client)

    subjects = {
        signing.services.tokens.check(each["access_token"]).subject
        for each in (made.json, answer.json["tokens"])
    }
    assert len(subjects) == 1
    assert KEY not in answer.text
    assert signing.wechat.asked[-1].query["secret"] == WECHAT_SECRET


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (40029, 401, "login-not-proven"),
        (40226, 403, "login-provider-refuses"),
        (45011, 503, "login-provider-away"),
        (-1, 503, "login-provider-away"),
    ],
)
def test_refusals_from_outside(signing, error, status, slug):
    client = signing.client()
    signing.wechat.reply = lambda _: (200, {"errcode": error, "errmsg": OIDC_SECRET})

    found = refused_in_both_languages(
        signing.services.database, lambda headers: enter(client, headers=headers), status, slug
    )

    assert found["method"] == "wechat"
    answer = enter(client)
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("code", ["", "a b", "x" * 513, 5, None, "码"])
def test_a_code_that_cannot_be_one_asks_nobody(signing, code):
    before = len(signing.wechat.asked)
    refused(enter(signing.client(), code), 422, "body-does-not-fit")

    assert len(signing.wechat.asked) == before
    assert urlsplit(signing.wechat.url).hostname == "127.0.0.1"
