"""``tanhui double-uses``: what offline tills took after the voucher had ended."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner

from rewards.merchants.scanners import key_of
from rewards.tills.offline import Scanned, Sender, receive, signature
from service.cli import tanhui
from tests.makers import CODES, NOW
from tests.rewards.tills.tilling import a_counter

ROOT = b"s" * 32


@pytest.fixture
def run(settings, monkeypatch):
    monkeypatch.setenv("TANHUI_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("TANHUI_VAR_DIR", str(settings.var_dir))

    def call(*words):
        done = CliRunner().invoke(tanhui, ["double-uses", "list", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.output

    return call


@pytest.fixture
def taken_twice(database):
    """A merchant one of whose vouchers was taken online, and by an offline till a minute before."""

    def work(session):
        counter = a_counter(session)
        code, scanner, id_ = counter.code(), counter.scanner(shop_id=counter.shop_id), uuid4()
        first = counter.take(code, shop_id=counter.shop_id)
        at = NOW - timedelta(minutes=1)
        signed = signature(key_of(ROOT, scanner), id_, code, at.isoformat())
        scan = Scanned(id_, code, at, at.isoformat(), scanner, signed)
        sender = Sender(counter.merchant_id, "xiao.wang", CODES, lambda each: key_of(ROOT, each))
        receive(session, [scan], sender, now=NOW)
        return counter.merchant_id, scanner, id_, first.id

    return database.transact(work)


def test_it_says_who_took_it_and_which_was_first(run, taken_twice):
    merchant_id, scanner, id_, first_id = taken_twice

    (one,) = json.loads(run("--merchant", merchant_id, "--json"))["double_uses"]

    assert (one["id"], one["first_id"], one["scanner_id"]) == (
        str(id_), str(first_id), str(scanner)
    )  # fmt: skip
    assert (one["why"], one["recorded_by"], one["first_recorded_by"]) == (
        "consumed", "xiao.wang", "clerk"
    )  # fmt: skip
    assert (one["earlier"], one["clocks_may_differ"]) == ("this", True)
    told = run("--merchant", merchant_id)
    assert "xiao.wang" in told
    assert str(merchant_id) in run("--limit", 10_000)


def test_another_merchant_has_none(run, taken_twice):
    assert run("--merchant", uuid4()) == "no double uses\n"
