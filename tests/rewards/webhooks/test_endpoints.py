"""Endpoints: https on the open internet, a few a merchant, each with a secret of its own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest

from rewards.webhooks import endpoints
from rewards.webhooks.endpoints import LIVE_MAX, NewEndpoint, check_address, make, secret_of
from rewards.webhooks.errors import (
    BadWebhookAddress,
    TooManyWebhooks,
    UnknownWebhook,
    WebhookEnded,
    WebhookReused,
)
from rewards.webhooks.outbox import KINDS
from tests.rewards.webhooks.telling import NOW, a_seller, told

URL = "https://till.example.cn/hook?shop=1"


def new(merchant_id, **changes):
    values = {"id": uuid4(), "merchant_id": merchant_id, "url": URL, "kinds": KINDS[:2]}
    return NewEndpoint(**values | changes)


def made(session, asked, *, private=False, now=NOW):
    return make(session, asked, made_by="anna", private=private, now=now)


def test_it_is_made_once_and_the_same_again_changes_nothing(session):
    asked = new(a_seller(session))
    first = made(session, asked)
    again = made(session, asked._replace(kinds=asked.kinds[::-1]), now=NOW + timedelta(days=1))

    assert again is first
    assert (first.made_at, first.made_by, first.kinds) == (NOW, "anna", sorted(KINDS[:2]))
    assert endpoints.listed(session, asked.merchant_id, limit=10) == [first]


def test_its_id_stands_for_nothing_else(session):
    asked = new(a_seller(session))
    made(session, asked)

    for other in (
        {"url": URL + "0"}, {"kinds": KINDS[:1]}, {"merchant_id": a_seller(session)}
    ):  # fmt: skip
        with pytest.raises(WebhookReused):
            made(session, asked._replace(**other))
    endpoints.end(session, asked.merchant_id, asked.id, now=NOW)
    with pytest.raises(WebhookReused):
        made(session, asked)


def test_one_more_than_allowed_is_refused_until_one_has_ended(session):
    merchant_id = a_seller(session)
    first, *_ = [made(session, new(merchant_id)) for _ in range(LIVE_MAX)]

    with pytest.raises(TooManyWebhooks) as refusal:
        made(session, new(merchant_id))
    assert refusal.value.webhooks_max == LIVE_MAX
    made(session, new(a_seller(session)))
    endpoints.end(session, merchant_id, first.id, now=NOW)
    made(session, new(merchant_id))


def test_of_many_at_once_no_more_get_in(database):
    merchant_id = database.transact(a_seller)
    count = LIVE_MAX + 3
    barrier = Barrier(count)

    def one(_):
        barrier.wait()
        try:
            database.transact(lambda s: made(s, new(merchant_id)))
        except TooManyWebhooks:
            return 0
        return 1

    with ThreadPoolExecutor(count) as pool:
        assert sum(pool.map(one, range(count))) == LIVE_MAX


def test_one_that_has_ended_stays_ended_and_is_told_nothing(session):
    endpoint = made(session, new(a_seller(session), kinds=("voucher.consumed",)))
    for later in (1, 2):
        endpoints.end(
            session, endpoint.merchant_id, endpoint.id, now=NOW + timedelta(minutes=later)
        )
        session.flush()

    assert endpoint.ended_at == NOW + timedelta(minutes=1)
    assert told(session, endpoint) == []
    with pytest.raises(WebhookEnded):
        endpoints.get_live(session, endpoint.merchant_id, endpoint.id)


def test_another_merchants_is_as_unknown_as_none(session):
    endpoint = made(session, new(a_seller(session)))

    for merchant_id, id_ in ((a_seller(session), endpoint.id), (endpoint.merchant_id, uuid4())):
        with pytest.raises(UnknownWebhook):
            endpoints.get(session, merchant_id, id_)
        with pytest.raises(UnknownWebhook):
            endpoints.end(session, merchant_id, id_, now=NOW)


def test_a_list_goes_on_behind_the_last_one(session):
    merchant_id = a_seller(session)
    made_ids = sorted(made(session, new(merchant_id)).id for _ in range(4))

    first = endpoints.listed(session, merchant_id, limit=3)
    rest = endpoints.listed(session, merchant_id, after=first[-1].id, limit=3)

    assert [each.id for each in (*first, *rest)] == made_ids


def test_each_has_a_secret_of_its_own():
    key, ids = b"k" * 32, [uuid4() for _ in range(20)]

    secrets = {secret_of(key, id_) for id_ in ids}

    assert len(secrets) == 20
    assert {len(each) for each in secrets} == {32}
    assert secret_of(key, ids[0]) in secrets
    assert secret_of(b"K" * 32, ids[0]) not in secrets


@pytest.mark.parametrize(
    "url",
    ["https://example.cn", "https://example.cn:443/a", "https://a.b.example.cn:8443/x?y=z",
     "https://1.1.1.1/", "https://[2606:4700::1111]/", "https://xn--fiq228c.example/"],
)  # fmt: skip
def test_addresses_of_the_open_internet_are_taken(url):
    check_address(url, private=False)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://example.cn/", "scheme"),
        ("ftp://example.cn/", "scheme"),
        ("file:///etc/passwd", "form"),
        ("example.cn/", "form"),
        ("https://", "form"),
        ("https:///x", "form"),
        ("https://me:secret@example.cn/", "form"),
        ("https://me@example.cn/", "form"),
        ("https://example.cn/#x", "form"),
        ("https://example.cn\\@127.0.0.1/", "form"),
        ("https://example.cn/ x", "form"),
        ("https://example.cn/\n", "form"),
        ("https://示范.cn/", "form"),
        ("https://example.cn:99999/", "form"),
        ("https://example.cn:x/", "form"),
        ("https://[::1/", "form"),
        ("https://example.cn/" + "x" * 500, "form"),
        ("https://example.cn:80/", "port"),
        ("https://example.cn:22/", "port"),
        ("https://example.cn:0/", "port"),
        ("https://localhost/", "host"),
        ("https://localhost./", "host"),
        ("https://redis:6379/", "host"),
        ("https://127.0.0.1/", "host"),
        ("https://10.0.0.1/", "host"),
        ("https://169.254.169.254/latest/meta-data", "host"),
        ("https://[::1]/", "host"),
        ("https://[::ffff:127.0.0.1]/", "host"),
        ("https://[fd00:ec2::254]/", "host"),
        ("https://2130706433/", "host"),
    ],
)
def test_others_are_not(url, part):
    with pytest.raises(BadWebhookAddress) as refusal:
        check_address(url, private=False)
    assert refusal.value.address_part == part


def test_an_intranet_has_its_own_where_the_installation_says_so(session):
    merchant_id = a_seller(session)
    for url in ("http://127.0.0.1:8001/hook", "http://till/", "https://10.0.0.1:80/"):
        with pytest.raises(BadWebhookAddress):
            made(session, new(merchant_id, url=url))
        assert made(session, new(merchant_id, url=url), private=True).url == url
    with pytest.raises(BadWebhookAddress):
        made(session, new(merchant_id, url="ftp://till/"), private=True)
