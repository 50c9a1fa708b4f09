"""Partners' keys from the command line, and foreign files."""

import json
import re
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import DBAPIError

from activities.catalogue.models import FeedKey
from service.cli import REFUSALS, tanhui
from service.feeds.errors import TooManyKeys, UnknownFeedKey, UnknownPartner
from service.feeds.keys import LIVE_MAX, SCOPES, listed, live_keys, make, retire, secret_of
from service.feeds.signatures import PREFIX
from tests.makers import NOW
from tests.service.feeding import a_sender


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


@pytest.fixture
def run(settings, database_url, urls):
    """Run a command in this process, on this worker's servers."""

    def run(*words: object):
        environ = {
            "TANHUI_DATABASE_URL": database_url,
            "TANHUI_REDIS_URL": urls["redis"],
            "TANHUI_VAR_DIR": str(settings.var_dir),
        }
        return CliRunner().invoke(tanhui, [str(word) for word in words], env=environ)

    return run


def test_a_new_key_opens_the_door_and_is_shown_once(run, sender, services):
    done = run("feeds", "key", "new", sender.partner, "--by", "li.na")

    assert done.exit_code == 0, done.output
    secret = done.stdout.strip()
    assert re.fullmatch(re.escape(PREFIX) + "[A-Za-z0-9+/]{43}=", secret)
    assert sender.post([], secret=b64decode(secret.removeprefix(PREFIX))).status_code == 200
    (id_,) = re.findall(r"key (\S+) of", done.stderr)
    assert b64decode(secret.removeprefix(PREFIX)) == secret_of(services.feed_key, UUID(id_))
    listing = run("feeds", "key", "list", sender.partner)
    assert id_ in listing.output
    assert "li.na" in listing.output
    assert secret not in listing.output


def test_nothing_that_is_stored_gives_a_secret_away(sender, services):
    stored = services.database.transact(
        lambda session: [dict(vars(key)) for key in listed(session, sender.partner)]
    )

    assert set(stored[0]) - {"_sa_instance_state"} == {
        "id", "partner_code", "made_by", "made_at", "retired_at", "scopes", "expires_at"
    }  # fmt: skip
    assert secret_of(b"another key file" * 2, sender.keys[0]) != sender.secret()


def test_a_retired_key_opens_nothing(run, sender):
    done = run("feeds", "key", "retire", sender.keys[0])

    assert done.exit_code == 0, done.output
    assert sender.partner in done.output
    assert sender.post([]).status_code == 401
    assert run("feeds", "key", "retire", sender.keys[0]).output == done.output  # The end stays.
    found = json.loads(run("feeds", "key", "list", sender.partner, "--json").output)
    assert found[0]["retired_at"]


def test_a_key_may_end_at_an_instant_to_come(run, sender, services):
    then = datetime.now(UTC) + timedelta(days=3)

    assert run("feeds", "key", "retire", sender.keys[0], "--at", then.isoformat()).exit_code == 0

    def live(at):
        return services.database.transact(lambda s: live_keys(s, sender.scene, now=at))

    assert sender.post([]).status_code == 200
    assert [key.id for key in live(then - timedelta(seconds=1))] == sender.keys
    assert live(then) == []


@pytest.mark.parametrize("at", ["yesterday", "2999-01-01T00:00:00", "2020-01-01T00:00:00Z"])
def test_an_odd_end_is_refused(run, sender, at):
    done = run("feeds", "key", "retire", sender.keys[0], "--at", at)

    assert done.exit_code == 2
    assert sender.post([]).status_code == 200


def test_an_unknown_partner_or_key_is_refused(run):
    done = run("feeds", "key", "new", "nobody", "--by", "x")
    assert isinstance(done.exception, UnknownPartner)
    done = run("feeds", "key", "retire", uuid4())
    assert isinstance(done.exception, UnknownFeedKey)
    assert issubclass(UnknownPartner, REFUSALS)


def test_a_partner_has_some_live_keys_at_most(sender, services):
    now = datetime.now(UTC)

    def new() -> FeedKey:
        return services.database.transact(
            lambda session: make(session, sender.partner, made_by="x", now=now)
        )

    made = [new() for _ in range(LIVE_MAX - 1)]
    with pytest.raises(TooManyKeys):
        new()

    services.database.transact(lambda session: retire(session, made[0].id, at=now))
    assert new().retired_at is None


def test_of_keys_made_at_once_no_more_live_than_may(sender, services):
    now, barrier = datetime.now(UTC), Barrier(3)

    def one(_: int) -> bool:
        barrier.wait()
        try:
            services.database.transact(
                lambda session: make(session, sender.partner, made_by="x", now=now)
            )
        except TooManyKeys:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(one, range(3))) == LIVE_MAX - 1


def test_more_keys_of_before_stay_as_they_are(sender, services):
    def settle(session):
        for _ in range(3):
            session.add(FeedKey(id=uuid4(), partner_code=sender.partner, made_by="x", made_at=NOW))

    services.database.transact(settle)
    now = datetime.now(UTC)

    assert sender.post([]).status_code == 200
    live = services.database.transact(lambda s: live_keys(s, sender.scene, now=now))
    assert len(live) == 4
    assert {tuple(key.scopes) for key in live} == {SCOPES}


def test_a_key_is_made_for_some_things_and_some_days(run, sender):
    done = run("feeds", "key", "new", sender.partner, "--by", "li.na", "--scope", "totals",
               "--scope", "events", "--days", "30")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert sender.post([]).status_code == 200

    (first, second) = json.loads(run("feeds", "key", "list", sender.partner, "--json").stdout)

    assert first["last_used_at"] is not None
    assert second["last_used_at"] is None
    assert second["scopes"] == ["events", "totals"]
    good_for = datetime.fromisoformat(second["expires_at"]) - datetime.fromisoformat(
        second["made_at"]
    )
    assert good_for == timedelta(days=30)
    assert second["expires_at"][:10] in run("feeds", "key", "list", sender.partner).stdout


def test_the_service_may_not_change_whose_a_key_is(sender, services):
    def steal(session):
        session.get_one(FeedKey, sender.keys[0]).partner_code = "tfl-sample"

    with pytest.raises(DBAPIError, match="permission denied"):
        services.database.transact(steal)


def test_a_foreign_file_is_imported_by_its_mapping(run, sender, tmp_path):
    subject = sender.resident()
    (tmp_path / "map.toml").write_text(
        """
        [fields]
        resident = { column = "card" }
        event_id = { column = "order" }
        started_at = { column = "from", format = "%d.%m.%Y %H:%M" }
        ended_at = { column = "to", format = "%d.%m.%Y %H:%M" }
        quantity = { constant = 1 }
        """,
        encoding="utf-8",
    )
    (tmp_path / "rides.csv").write_text(
        f"order,card,from,to\n1,{subject},12.04.2016 08:00,12.04.2016 08:15\n", encoding="utf-8"
    )

    done = run(
        "import", tmp_path / "rides.csv", "--scene", sender.scene, "--mapping",
        tmp_path / "map.toml", "--json",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["verified"] == 1
