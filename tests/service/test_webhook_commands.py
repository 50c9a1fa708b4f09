"""`tanhui webhooks`: lists, dead letters, redelivery, pings; each in one line."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from click.testing import CliRunner

from rewards.models import WebhookEndpoint, WebhookMessage
from service.cli import tanhui
from tests import shopping
from tests.makers import programme_holder


@pytest.fixture
def run(database_url, urls, tmp_path, monkeypatch):
    monkeypatch.setenv("TANHUI_DATABASE_URL", database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", urls["redis"])
    monkeypatch.setenv("TANHUI_VAR_DIR", str(tmp_path / "var"))

    def invoke(*words, status=0):
        found = CliRunner().invoke(tanhui, ["webhooks", *map(str, words)])
        assert found.exit_code == status, found.output
        return found

    return invoke


@pytest.fixture
def hook(database):
    """A merchant, a webhook of theirs, and a dead message."""

    def put(session):
        merchant_id = shopping.a_merchant(session, programme_holder(session))
        return merchant_id, *shopping.a_webhook(session, merchant_id, dead=True)

    return database.transact(put)


def test_a_list_tells_where_and_what_of_and_no_secret(run, hook):
    merchant_id, endpoint_id, _ = hook

    text = run("list", merchant_id).output
    (row,) = json.loads(run("list", merchant_id, "--json").output)

    assert "https://till.example.cn/hook" in text
    assert (row["id"], row["kinds"]) == (str(endpoint_id), ["voucher.consumed"])
    assert "whsec" not in text
    assert json.loads(run("list", uuid4(), "--json").output) == []


def test_dead_letters_are_listed_and_one_is_sent_again(run, hook, database):
    merchant_id, endpoint_id, message_id = hook

    (row,) = json.loads(run("dead", merchant_id, endpoint_id, "--json").output)
    assert row["id"] == str(message_id)
    assert "voucher.consumed" in row["body"]
    assert str(message_id) in run("dead", merchant_id, endpoint_id).output
    said = run("redeliver", merchant_id, endpoint_id, message_id, "--by", "li.na").output
    assert said == f"message {message_id} is sent again within seconds\n"
    assert json.loads(run("dead", merchant_id, endpoint_id, "--json").output) == []
    found = database.transact(lambda s: s.get_one(WebhookMessage, message_id))
    assert found.state == "waiting"


@pytest.mark.parametrize(
    ("words", "count"),
    [(("--all",), 1), (("--since", "2016-01-01T00:00:00+00:00"), 1),
     (("--since", "2016-01-01T00:00:01+00:00"), 0)],
)  # fmt: skip
def test_dead_letters_are_sent_again_together(run, hook, words, count):
    said = run("redeliver", *hook[:2], *words, "--by", "li.na").output

    assert said == f"{count} messages are sent again, from now on\n"


def test_a_ping_waits_to_be_sent(run, hook, database):
    said = run("ping", *hook[:2], "--by", "li.na").output

    id_ = said.split()[1]
    found = database.transact(lambda s: s.get_one(WebhookMessage, id_))
    assert (found.kind, found.state) == ("ping", "waiting")


def test_what_does_not_fit_is_refused(run, hook, database):
    merchant_id, endpoint_id, message_id = hook
    by = ("--by", "li.na")

    run("redeliver", merchant_id, endpoint_id, *by, status=2)
    run("redeliver", merchant_id, endpoint_id, message_id, "--all", *by, status=2)
    for since in ("yesterday", "2026-11-20", "2026-11-20T08:00:00"):
        run("redeliver", merchant_id, endpoint_id, "--since", since, *by, status=2)
    for words in (("ping", uuid4()), ("redeliver", uuid4(), message_id), ("dead", uuid4())):
        named = () if words[0] == "dead" else by
        found = run(words[0], merchant_id, *words[1:], *named, status=1)
        assert "has no webhook" in str(found.exception)

    def end(session):
        session.get_one(WebhookEndpoint, endpoint_id).ended_at = datetime.now(UTC)

    database.transact(end)
    found = run("ping", merchant_id, endpoint_id, *by, status=1)
    assert "has ended" in str(found.exception)
