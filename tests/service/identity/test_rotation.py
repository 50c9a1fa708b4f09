"""Master keys change without a restart and without anybody noticing; the index key never does."""

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from service.identity import identity_keys, rewrapping
from service.identity.identity_keys import IdentityKeys
from service.identity.keyring import CannotOpen, Keyring
from service.identity.models import Person
from service.identity.outside_ids import add_ids, find_holders
from service.identity.staff.models import Staff
from service.identity.staff.second_factor import about
from service.identity.vault import Reader, Value, read_values, write_values
from service.jobs import work
from service.keys import KeyFileError
from service.merchants import bank
from service.merchants.bank import BankDetails
from tests import shopping
from tests.makers import a_resident, programme_holder
from tests.service.answers import refused
from tests.service.staffing import MACHINE

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(hours=1)
READER = Reader("tester", "operator", "test")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "identity.keys"
    Keyring.from_file(made)
    return made


def later():
    return datetime.now(UTC) + timedelta(hours=1)


def nothing_left():
    return 0


def test_a_key_is_added_then_wraps_then_goes(path):
    before = Keyring.from_file(path)

    assert identity_keys.add(path) == "k2"
    added = Keyring.from_file(path)
    identity_keys.promote(path, "k2", now=later())
    promoted = Keyring.from_file(path)
    identity_keys.retire(path, "k1", still_wraps=nothing_left, now=later())
    retired = Keyring.from_file(path)

    assert [each.current_id for each in (before, added, promoted, retired)] == [
        "k1",
        "k1",
        "k2",
        "k2",
    ]
    assert (list(promoted.master_keys), list(retired.master_keys)) == (["k2", "k1"], ["k2"])
    assert len({each.index_key for each in (before, added, promoted, retired)}) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_what_would_lose_data_is_refused(path):
    with pytest.raises(KeyFileError, match="no key k9"):
        identity_keys.promote(path, "k9", now=later())
    identity_keys.add(path)
    with pytest.raises(KeyFileError, match="when all have read it"):
        identity_keys.promote(path, "k2", now=datetime.now(UTC))
    with pytest.raises(KeyFileError, match="promote another"):
        identity_keys.retire(path, "k1", still_wraps=nothing_left, now=later())
    identity_keys.promote(path, "k2", now=later())
    with pytest.raises(KeyFileError, match="when all have read it"):
        identity_keys.retire(path, "k1", still_wraps=nothing_left, now=datetime.now(UTC))
    with pytest.raises(KeyFileError, match="still wraps 3"):
        identity_keys.retire(path, "k1", still_wraps=lambda: 3, now=later())

    assert list(Keyring.from_file(path).master_keys) == ["k2", "k1"]
    for _ in range(identity_keys.KEYS_MAX - 2):
        identity_keys.add(path)
    with pytest.raises(KeyFileError, match="retire one first"):
        identity_keys.add(path)


def test_two_who_add_at_once_both_did(path):
    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(lambda _: identity_keys.add(path), range(4)))

    assert made == {"k2", "k3", "k4", "k5"}
    assert set(Keyring.from_file(path).master_keys) == made | {"k1"}


def test_a_process_reads_the_file_anew_within_a_second(path):
    clock = Clock()
    held = IdentityKeys.of_file(path, clock=clock)
    assert list(held.keyring.master_keys) == ["k1"]

    identity_keys.add(path)
    unread = list(held.keyring.master_keys)
    clock.now += identity_keys.CHECK_S

    assert unread == ["k1"]
    assert list(held.keyring.master_keys) == ["k1", "k2"]


@pytest.mark.parametrize("fault", ["gone", "garbage", "index"])
def test_a_file_that_cannot_be_used_changes_nothing(path, fault, caplog):
    clock = Clock()
    held = IdentityKeys.of_file(path, clock=clock)
    before = held.keyring
    if fault == "gone":
        path.unlink()
    else:
        path.write_text("nonsense" if fault == "garbage" else f"k1:{'0' * 64}\nindex:{'1' * 64}\n")
    clock.now += 2

    with caplog.at_level(logging.ERROR):
        assert held.keyring == before

    assert "stay" in caplog.text
    assert all(key.hex() not in caplog.text for key in before.master_keys.values())


def people(database, keyring, count):
    source = f"partner-{uuid4().hex[:8]}"
    holders = {f"c{n}": uuid4() for n in range(count)}
    database.transact(lambda s: add_ids(s, keyring, source, holders, now=NOW))
    return source, holders


@pytest.fixture
def rings(path):
    """The keyring before and after a promotion."""
    before = Keyring.from_file(path)
    identity_keys.add(path)
    identity_keys.promote(path, "k2", now=later())
    return before, Keyring.from_file(path)


def with_keys(services, database, keyring):
    return replace(services, database=database, identity_keys=IdentityKeys.fixed(keyring))


def test_all_is_wrapped_anew_and_opens_as_before(fresh_database, services, rings, monkeypatch):
    before, now = rings
    monkeypatch.setattr(rewrapping, "AT_ONCE", 3)
    source, holders = people(fresh_database, before, 10)
    staff_id = uuid4()
    key_id, sealed = before.wrap(b"SECRET", about=about(staff_id))
    staff = {"login": "li.na", "display_name": "李娜", "made_at": NOW, "made_by": "x"}
    row = Staff(id=staff_id, totp_secret=sealed, totp_key_id=key_id, **staff)
    fresh_database.transact(lambda s: s.add(row))
    merchant_id, details = uuid4(), BankDetails("便利店", "6222020200112230011", "示范银行")

    def a_merchant(session):
        shopping.a_merchant(session, programme_holder(session), merchant_id=merchant_id)
        bank.put(session, before, merchant_id, details, actor=MACHINE, now=NOW)

    fresh_database.transact(a_merchant)
    running = with_keys(services, fresh_database, now)

    first, second = (work.rewrap_keys(running, NOW) for _ in range(2))

    assert first == {"people": 10, "staff": 1, "merchants": 1, "unopened": 0}
    assert second == {"people": 0, "staff": 0, "merchants": 0, "unopened": 0}
    assert fresh_database.transact(rewrapping.wrapped_by) == {"k2": 12}
    only_new = Keyring("k2", {"k2": now.master_keys["k2"]}, now.index_key)
    assert fresh_database.transact(lambda s: find_holders(s, only_new, source, holders)) == holders
    for value, holder in holders.items():
        (opened,) = fresh_database.transact(
            lambda s, h=holder: read_values(s, only_new, h, reader=READER, now=NOW)
        )
        assert opened.value == value
    found = fresh_database.transact(lambda s: s.get(Staff, staff_id))
    assert only_new.unwrap("k2", found.totp_secret, about=about(staff_id)) == b"SECRET"
    asked = {"purpose": "test", "actor": MACHINE, "now": NOW}
    assert details == fresh_database.transact(
        lambda s: bank.opened(s, only_new, merchant_id, **asked)
    )


def test_readers_and_writers_meanwhile_are_not_in_the_way(
    fresh_database, services, rings, monkeypatch
):
    before, now = rings
    monkeypatch.setattr(rewrapping, "AT_ONCE", 5)
    _, holders = people(fresh_database, before, 60)
    running, stop = with_keys(services, fresh_database, now), threading.Event()

    def use(keyring):
        """A process that has read the file, and one that has not yet."""
        turns = 0
        while not stop.is_set() or not turns:
            for value, holder in holders.items():
                name = Value(holder, "name", f"name of {value}")
                fresh_database.transact(lambda s, n=name: write_values(s, keyring, [n], now=NOW))
                fresh_database.transact(
                    lambda s, h=holder: read_values(s, keyring, h, reader=READER, now=NOW)
                )
            turns += 1

    old = Keyring("k1", now.master_keys, now.index_key)
    with ThreadPoolExecutor(2) as pool:
        users = [pool.submit(use, keyring) for keyring in (old, now)]
        try:
            assert work.rewrap_keys(running, NOW)["people"] == 60
        finally:
            stop.set()
        for user in users:
            user.result()

    only_new = Keyring("k2", {"k2": now.master_keys["k2"]}, now.index_key)
    for value, holder in holders.items():
        found = fresh_database.transact(
            lambda s, h=holder: read_values(s, only_new, h, ["name"], reader=READER, now=NOW)
        )
        assert [each.value for each in found] == [f"name of {value}"]


def test_who_no_key_opens_is_left_and_said(fresh_database, services, rings, caplog):
    before, now = rings
    _, holders = people(fresh_database, before, 3)
    broken = next(iter(holders.values()))

    def spoil(session):
        person = session.get(Person, broken)
        person.data_key = person.data_key[:-1] + bytes([person.data_key[-1] ^ 1])

    fresh_database.transact(spoil)
    with caplog.at_level(logging.ERROR):
        done = work.rewrap_keys(with_keys(services, fresh_database, now), NOW)

    assert done == {"people": 2, "staff": 0, "merchants": 0, "unopened": 1}
    assert "k1" in caplog.text
    left = select(Person.holder_id).where(Person.master_key_id == "k1")
    assert fresh_database.transact(lambda s: s.scalars(left).all()) == [broken]


def test_a_wrong_master_key_is_our_fault_and_the_log_names_the_key_alone(
    client, database, bearer, services, caplog
):
    holder = database.transact(a_resident)
    wrong = Keyring("k1", {"k1": bytes(32)}, services.keyring.index_key)
    database.transact(lambda s: add_ids(s, wrong, "card", {f"X{uuid4().hex}": holder}, now=NOW))

    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        with caplog.at_level(logging.INFO):
            answer = client.get("/v1/me", headers=bearer("resident", holder))
    finally:
        client.application.config["PROPAGATE_EXCEPTIONS"] = None

    refused(answer, 500)
    said = caplog.records[-1].exc_info[1]
    assert isinstance(said, CannotOpen)
    assert str(said) == "not what the master key k1 sealed"
    unknown = Keyring("k7", {"k7": bytes(32)}, bytes(32))
    with pytest.raises(CannotOpen, match=r"^the master key k1 is not in the key file$"):
        unknown.unwrap("k1", b"", about=b"")
