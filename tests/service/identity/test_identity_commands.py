"""The commands for master keys, retention and the move out of plain text."""

import json
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from service.admin.models import AdminAct
from service.cli import tanhui
from service.identity import identity_keys
from service.identity.keyring import Keyring
from service.identity.outside_ids import add_ids, find_holders
from service.identity.retention import KINDS
from service.keys import KeyFileError
from service.starting import NotReady

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def var_dir(tmp_path):
    return tmp_path / "var"


@pytest.fixture
def path(var_dir):
    made = var_dir / "keys" / "identity.keys"
    Keyring.from_file(made)
    return made


@pytest.fixture
def run(fresh_database_url, urls, var_dir):
    """Run a command in this process, on a database and keys of the test's own."""

    def run(*words: str, **more: str):
        environ = {
            "TANHUI_DATABASE_URL": fresh_database_url,
            "TANHUI_REDIS_URL": urls["redis"],
            "TANHUI_VAR_DIR": str(var_dir),
        }
        group = () if words[0] == "jobs" else ("identity",)
        return CliRunner().invoke(tanhui, [*group, *words], env=environ | more)

    return run


def told(done) -> str:
    assert done.exit_code == 0, done.output
    return done.stdout


def long_ago(path):
    then = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
    os.utime(path, (then, then))


def listed(run):
    found = json.loads(told(run("keys", "--json")))
    return [(each["id"], each["state"], each["wraps"]) for each in found]


def acts(database):
    query = select(AdminAct).order_by(AdminAct.id)
    return database.transact(lambda s: s.scalars(query).all())


def test_a_rotation_from_the_first_command_to_the_last(run, path, fresh_database):
    holders = {"a": uuid4(), "b": uuid4()}
    ring = Keyring.from_file(path)
    fresh_database.transact(lambda s: add_ids(s, ring, "metro", holders, now=NOW))
    assert listed(run) == [("k1", "wraps", 2)]

    assert told(run("new-key", "--by", "li.na")) == "k2\n"
    assert listed(run) == [("k1", "wraps", 2), ("k2", "opens", 0)]
    too_soon = run("promote-key", "k2", "--by", "li.na")
    assert isinstance(too_soon.exception, KeyFileError)
    long_ago(path)
    told(run("promote-key", "k2", "--by", "li.na"))
    long_ago(path)
    told(run("promote-key", "k2", "--by", "li.na"))  # Again: as it is.
    still = run("retire-key", "k1", "--by", "li.na")
    assert "k1 still wraps 2" in str(still.exception)
    told(run("jobs", "once", "rewrap_keys"))
    assert listed(run) == [("k2", "wraps", 2), ("k1", "opens", 0)]
    told(run("retire-key", "k1", "--by", "li.na"))

    assert listed(run) == [("k2", "wraps", 2)]
    ring = Keyring.from_file(path)
    found = fresh_database.transact(lambda s: find_holders(s, ring, "metro", holders))
    assert found == holders
    done = [(act.what, act.object_id) for act in acts(fresh_database) if act.what != "job.run"]
    assert done == [
        ("identity_key.add", "k2"),
        ("identity_key.promote", "k2"),
        ("identity_key.retire", "k1"),
    ]


def test_a_lost_key_is_shown_as_missing(run, path, fresh_database):
    lost = Keyring("k9", {"k9": bytes(32)}, bytes(32))
    fresh_database.transact(lambda s: add_ids(s, lost, "metro", {"a": uuid4()}, now=NOW))

    assert listed(run) == [("k1", "wraps", 0), ("k9", "missing", 1)]
    assert "missing" in told(run("keys"))


def test_no_command_prints_a_key(run, path):
    printed = "".join(
        run(*words).output for words in (("keys",), ("keys", "--json"), ("new-key", "--by", "x"))
    )

    ring = Keyring.from_file(path)
    for key in (*ring.master_keys.values(), ring.index_key):
        assert key.hex() not in printed


def test_keys_of_the_environment_are_changed_there(run, path):
    ring = f"k1:{'0' * 64},index:{'1' * 64}"

    for words in (("new-key",), ("promote-key", "k1"), ("retire-key", "k1")):
        done = run(*words, "--by", "x", TANHUI_IDENTITY_KEYS=ring)
        assert isinstance(done.exception, NotReady)
        assert "0000" not in str(done.exception)


def test_retention_is_printed_for_people_and_for_the_docs(run):
    for_people, for_docs = told(run("retention")), told(run("retention", "--markdown"))

    for kind in KINDS:
        assert f"{kind.name}\n" in for_people
        assert f"| {kind.name} |" in for_docs


def test_what_was_in_plain_text_is_moved_once(run, path, fresh_database):
    holders = {f"customer-{n}": uuid4() for n in range(5)}
    ring = Keyring.from_file(path)

    def settle(session):
        session.execute(
            text("INSERT INTO subject (subject, source, holder_id) VALUES (:v, 'metro', :h)"),
            [{"v": value, "h": holder} for value, holder in holders.items()],
        )

    fresh_database.transact(settle)

    first = told(run("move-subjects", "--by", "li.na"))
    second = told(run("move-subjects", "--by", "li.na"))

    assert first.startswith("5 ids were moved and sealed; 0 ")
    assert second.startswith("0 ids were moved")
    found = fresh_database.transact(lambda s: find_holders(s, ring, "metro", holders))
    assert found == holders
    (act,) = acts(fresh_database)
    assert (act.what, act.after) == ("subjects.move", {"moved": 5, "others": 0, "closed": 0})


def test_the_waits_are_longer_than_a_process_takes_to_read():
    assert identity_keys.WAIT.total_seconds() > 5 * identity_keys.CHECK_S
