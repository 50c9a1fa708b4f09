"""One message to one address: signed, in a short time, and to nobody else."""

import logging
import socket
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpcore
import pytest

from rewards.webhooks.deliveries import Claimed
from rewards.webhooks.endpoints import secret_of
from service.webhooks.sending import REFUSED, Sender
from tests.service.webhooks.receivers import receiving

KEY = b"k" * 32
AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
BODY = '{"type":"voucher.consumed","data":{"text":"示范"}}'


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def sender():
    found = Sender(private=True, timeout_s=0.5)
    yield found
    found.close()


def a_message(receiver, path="/hook", *, url=""):
    claimed = Claimed(
        uuid4(), uuid4(), url or receiver.url + path, BODY, 1, AT + timedelta(days=3), AT
    )
    receiver.secrets[path] = secret_of(KEY, claimed.endpoint_id)
    return claimed


def test_it_is_signed_as_standard_webhooks_says(receiver, sender):
    claimed = a_message(receiver)

    outcome = sender.send(claimed, KEY, at=AT)

    assert (outcome.good, outcome.answer) == (True, "204")
    (got,) = receiver.got
    assert got.good
    assert got.body == BODY.encode()
    assert got.headers["webhook-id"] == str(claimed.id)
    assert got.headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert got.headers["content-type"] == "application/json"


def test_another_endpoints_secret_does_not_fit(receiver, sender):
    claimed = a_message(receiver)
    receiver.secrets["/hook"] = secret_of(KEY, uuid4())

    sender.send(claimed, KEY, at=AT)

    assert not receiver.got[0].good


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_success_will_do(receiver, sender, status):
    receiver.reply = lambda _: status

    assert sender.send(a_message(receiver), KEY, at=AT)[1:] == (True, str(status))


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 503])
def test_any_other_is_a_failure_and_no_redirect_is_followed(receiver, sender, status):
    receiver.reply = lambda _: status

    assert sender.send(a_message(receiver), KEY, at=AT)[1:] == (False, str(status))
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("hang", "timeout"),
        ("drip headers", "timeout"),
        ("nonsense", "RemoteProtocolError"),
        ("hang up", "RemoteProtocolError"),
    ],
)
def test_who_gives_no_answer_is_not_waited_for(receiver, sender, reply, answer):
    receiver.reply = lambda _: reply

    assert sender.send(a_message(receiver), KEY, at=AT)[1:] == (False, answer)


@pytest.mark.parametrize("reply", ["drip body", "flood"])
def test_a_status_counts_whatever_comes_behind_it(receiver, sender, reply):
    receiver.reply = lambda _: reply

    assert sender.send(a_message(receiver), KEY, at=AT)[1:] == (True, "200")


def test_nobody_there(sender, receiver):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"

        assert sender.send(a_message(receiver, url=url), KEY, at=AT)[1:] == (False, "ConnectError")


def test_nothing_of_one_answer_goes_with_the_next_message(receiver, sender):
    for _ in range(2):
        sender.send(a_message(receiver), KEY, at=AT)

    assert "cookie" not in receiver.got[1].headers


def test_the_environments_proxy_is_not_asked(receiver, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sender = Sender(private=True)

    assert sender.send(a_message(receiver), KEY, at=AT).good
    sender.close()


def test_nothing_secret_is_logged(receiver, sender, caplog):
    caplog.set_level(logging.DEBUG)
    claimed = a_message(receiver, "/hook?token=hunter2")

    sender.send(claimed, KEY, at=AT)

    assert receiver.got
    assert "hunter2" not in caplog.text
    assert receiver.got[0].headers["webhook-signature"] not in caplog.text


# The open internet


@pytest.fixture
def outside():
    found = Sender(private=False, timeout_s=0.5)
    yield found
    found.close()


@pytest.fixture
def names(monkeypatch):
    """Names and what they lead to, one answer after the other; who asks for others is refused."""
    real, told = socket.getaddrinfo, {}

    def look_up(host, port, *args, **kwargs):
        if host not in told:
            return real(host, port, *args, **kwargs)
        addresses = told[host].pop(0)
        kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (each, port))
            for kind, each in zip(kinds, addresses, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return told


@pytest.fixture
def connections(monkeypatch):
    """Where connections would have gone to."""
    asked = []

    def connect(_, host, port, *__):
        asked.append((host, port))
        raise httpcore.ConnectError("not today")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return asked


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["100.100.100.200"], ["::1"],
     ["fe80::1%eth0"], ["fd00:ec2::254"], ["::ffff:127.0.0.1"], ["64:ff9b::a00:1"],
     ["1.1.1.1", "127.0.0.1"], ["2606:4700::1111", "192.168.0.1"]],
)  # fmt: skip
def test_a_name_that_leads_to_a_neighbour_is_not_followed(
    receiver, outside, names, connections, addresses
):
    names["till.example.cn"] = [addresses]
    claimed = a_message(receiver, url="https://till.example.cn/hook")

    assert outside.send(claimed, KEY, at=AT)[1:] == (False, REFUSED)
    assert connections == []


def test_what_was_checked_is_what_is_connected_to(receiver, outside, names, connections):
    """A name that leads elsewhere the next time it is asked for is not asked again."""
    names["till.example.cn"] = [["1.1.1.1", "2606:4700::1111"], ["127.0.0.1"]]
    claimed = a_message(receiver, url="https://till.example.cn:8443/hook")

    assert outside.send(claimed, KEY, at=AT)[1:] == (False, "ConnectError")
    assert connections == [("1.1.1.1", 8443), ("2606:4700::1111", 8443)]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433.", "0x7f.1", "127.1", "localhost.cn."])
def test_an_address_in_another_form_is_looked_up_too(receiver, outside, names, connections, host):
    names["localhost.cn."] = [["127.0.0.1"]]
    claimed = a_message(receiver, url=f"https://{host}/hook")

    assert not outside.send(claimed, KEY, at=AT).good
    assert connections == []


def test_what_was_made_where_neighbours_were_allowed_is_refused_elsewhere(receiver, outside):
    assert outside.send(a_message(receiver), KEY, at=AT)[1:] == (False, REFUSED)
    assert receiver.got == []


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 64 + ".example", "a..example"])
def test_a_name_that_leads_nowhere(receiver, outside, names, host):
    claimed = a_message(receiver, url=f"https://{host}/hook")

    assert not outside.send(claimed, KEY, at=AT).good
