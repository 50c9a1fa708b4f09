"""Every request is counted by its caller or its address, and told what is left."""

import re
from dataclasses import replace
from uuid import uuid4

import pytest
from redis import Redis

from service.app import create_app
from service.limits import RATES
from tests.service.answers import refused
from tests.service.conduct.addresses import a_network, an_address

FACTOR = 0.05  # Six a minute for residents, thirty for staff, fifteen by address.


def limited_app(settings, **changes):
    return create_app(replace(settings, rate_limits=FACTOR, **changes))


@pytest.fixture(scope="module")
def limited(settings):
    app = limited_app(settings)
    yield app
    app.extensions["tanhui"].database.dispose()


@pytest.fixture
def call(limited):
    """GET, from an address of the test's own."""
    client, address = limited.test_client(), an_address()

    def get(path, *, method="GET", by=address, **headers):
        return client.open(
            path,
            method=method,
            environ_overrides={"REMOTE_ADDR": by},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return get


def statuses(call, path, times, **more):
    return [call(path, **more).status_code for _ in range(times)]


def test_a_resident_is_counted_by_subject_wherever_they_are(call, bearer):
    one, other = bearer("resident", uuid4()), bearer("resident", uuid4())

    found = [call("/v1/offers", by=an_address(), **one).status_code for _ in range(8)]

    assert found == [200] * 6 + [429] * 2
    assert call("/v1/accounts", **one).status_code == 429  # All routes together.
    assert call("/v1/accounts", **other).status_code == 200


def test_the_answer_tells_what_is_left(call, bearer):
    headers = bearer("resident", uuid4())

    first, second = call("/v1/offers", **headers), call("/v1/offers", **headers)

    assert first.headers["RateLimit-Policy"] == '"resident";q=6;w=60'
    assert first.headers["RateLimit"] == '"resident";r=5;t=60'
    assert re.fullmatch('"resident";r=4;t=(60|5[0-9])', second.headers["RateLimit"])


@pytest.mark.parametrize(
    ("lang", "words"), [("zh-CN", "请求过于频繁"), ("en", "Too many requests")]
)
def test_the_refusal_says_when_to_come_back(call, bearer, lang, words):
    headers = bearer("resident", uuid4()) | {"Accept-Language": lang}
    for _ in range(6):
        call("/v1/offers", **headers)

    answer = call("/v1/offers", **headers)

    problem = refused(answer, 429, "too-many-requests")
    assert words in problem["title"]
    assert 0 < problem["retry_after_s"] == int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit"].startswith('"resident";r=0;t=')


def test_staff_are_counted_by_subject_and_more_generously(call, bearer):
    name = f"o-{uuid4()}"
    answer = call("/v1/jobs", **bearer("operator", name))

    assert answer.headers["RateLimit-Policy"] == '"staff";q=30;w=60'


def test_who_acts_for_others_has_one_budget(call, bearer):
    guardian = str(uuid4())
    for _ in range(7):
        ward = bearer("resident", uuid4(), actor=guardian, powers="guardian")
        last = call("/v1/offers", **ward)

    refused(last, 429, "too-many-requests")


def test_a_wrong_role_counts_too(call, bearer):
    headers = bearer("resident", uuid4())

    assert statuses(call, "/v1/jobs", 7, **headers) == [403] * 6 + [429]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}], ids=["none", "wrong"])
def test_what_is_not_believed_counts_against_the_address_alone(call, bearer, headers):
    assert statuses(call, "/v1/accounts", 5, **headers) == [401] * 3 + [429] * 2
    assert call("/v1/accounts", by=an_address(), **headers).status_code == 401
    good = bearer("resident", uuid4())
    assert call("/v1/accounts", **good).status_code == 200  # Others share its address.


def test_bad_signatures_are_refused_before_the_keys_are_read(call, statements):
    path = "/v1/feeds/metro/batches/b1"
    found = statuses(call, path, 3, method="POST", webhook_signature="v1,x")
    with statements() as sent:
        last = call(path, method="POST", webhook_signature="v1,x")

    assert found == [401] * 3
    refused(last, 429, "too-many-requests")
    assert sent == []


@pytest.mark.parametrize("path", ["/", "/v1/catalogue/methods", "/no/such/page", "/v1/nothing"])
def test_what_anybody_may_ask_counts_by_address(call, path):
    found = statuses(call, path, 17)

    assert found[:15] == [found[0]] * 15
    assert found[15:] == [429] * 2
    assert call(path, by=an_address()).status_code == found[0]


def test_methods_that_are_none_count_as_well(call):
    assert statuses(call, "/", 16, method="BREW")[-1] == 429


def test_one_subscriber_of_ipv6_has_one_budget(call):
    prefix = a_network()
    for number in range(15):
        call("/v1/nothing", by=f"{prefix}::{number:x}")

    assert call("/v1/nothing", by=f"{prefix}:1:2:3:4").status_code == 429
    assert call("/v1/nothing", by="2001:db8:ffff:8::1").status_code == 404


def test_an_ipv4_address_is_one_however_it_is_written(call):
    address = an_address()
    for _ in range(15):
        call("/v1/nothing", by=address)

    assert call("/v1/nothing", by=f"::ffff:{address}").status_code == 429


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_never_refused(call, path):
    answers = [call(path) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_files_have_a_wider_limit(call):
    answer = call("/static/site.css")

    assert answer.headers["RateLimit-Policy"] == '"files";q=300;w=60'


def test_a_request_asks_redis_once(call, bearer, monkeypatch):
    sent = []
    execute = Redis.execute_command
    monkeypatch.setattr(
        Redis, "execute_command", lambda *args, **kw: sent.append(args[1]) or execute(*args, **kw)
    )
    headers = bearer("resident", uuid4())
    call("/v1/accounts", **headers)  # The script may have to be loaded.
    sent.clear()

    call("/v1/accounts", **headers)

    assert sent == ["EVALSHA"]


def test_no_address_is_written_to_redis(call, urls):
    address = an_address()
    call("/v1/nothing", by=address)

    with Redis.from_url(urls["redis"]) as redis:
        assert not list(redis.scan_iter(f"*{address}*"))


def test_without_redis_half_is_let_through(settings, tmp_path, bearer):
    app = limited_app(settings, redis_url=f"unix://{tmp_path}/nobody.sock")
    client, headers = app.test_client(), bearer("resident", uuid4())

    answers = [client.get("/v1/offers", headers=headers) for _ in range(5)]
    app.extensions["tanhui"].database.dispose()

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert answers[0].headers["RateLimit-Policy"] == '"resident";q=3;w=60'


def test_limits_can_be_switched_off(client, bearer):
    headers = bearer("resident", uuid4())  # The other tests' app.

    assert "RateLimit" not in client.get("/v1/offers", headers=headers).headers


def test_the_limits_of_people_leave_room_for_an_app(settings):
    assert RATES["resident"].times >= 60
    assert RATES["public"].times > RATES["resident"].times  # Many share one address.
