"""GET /v1/me/export: all that is held, of one moment, in a zip that says what is in it."""

import hashlib
import io
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zipfile import ZipFile

import pytest
from sqlalchemy import text

from activities.consents import give
from activities.households import Declared, declare
from ledgers.holds import NewHold, reserve
from ledgers.posting import post
from rewards.redeeming.redemption import redeem
from service.identity.archive import archive
from service.identity.exported import EXEMPT, FILES
from service.identity.exporting import Whose, open_values
from service.identity.logins import sessions
from service.identity.outside_ids import add_ids
from service.identity.vault import Reader, Value, write_values
from tests.catalogues import a_programme, an_act
from tests.makers import (
    CODES,
    NOW,
    a_buyer,
    a_resident,
    a_ride,
    a_walk,
    an_offer,
    balance,
    earning,
    recorded,
)

URL = "/v1/me/export"
NAMING = {"holder_id", "person_id", "delegate_id"}


@pytest.fixture
def holder_id(database):
    return database.transact(lambda s: a_resident(s, points=300))


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


def opened(data: bytes) -> dict[str, object]:
    """By file: its records; the manifest and the README as they are."""
    with ZipFile(io.BytesIO(data)) as zipped:
        assert zipped.testzip() is None
        found: dict[str, object] = {}
        for name in zipped.namelist():
            content = zipped.read(name).decode()
            if name.endswith(".ndjson"):
                found[name] = [json.loads(line) for line in content.splitlines()]
            else:
                found[name] = json.loads(content) if name.endswith(".json") else content
        return found


def exported(client, headers):
    answer = client.get(URL, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="tanhui-')
    return answer.data


def test_all_that_is_known_of_a_resident_is_in_it(
    client, database, services, keyring, resident, holder_id
):
    phone = f"+86138{int(uuid4()) % 10**8:08}"

    def live(session):
        add_ids(session, keyring, "phone", {phone: holder_id}, now=NOW)
        write_values(session, keyring, [Value(holder_id, "name", "欧阳娜娜")], now=NOW)
        login = sessions.Login(holder_id, "resident", "phone", "a phone")
        begun = sessions.begin(session, login, from_address="192.0.2.7", now=NOW)
        recorded(session, a_walk(holder_id, 12_000), a_ride(holder_id))
        offer = an_offer(session)
        done = redeem(
            session, uuid4(), buyer=a_buyer(session, holder_id), offer_id=offer.id,
            codes=services.codes, now=NOW,
        )  # fmt: skip
        hold = NewHold(uuid4(), holder_id, 20, uuid4(), "t", NOW + timedelta(days=1))
        reserve(session, hold, now=NOW)
        home = Declared(NOW.date(), 2, NOW.date(), False, 1)
        declare(session, holder_id, home, now=NOW, actor="resident")
        return begun, done, balance(session, holder_id)

    begun, done, points = database.transact(live)

    data = exported(client, resident)
    found = opened(data)

    values = {row["field"]: row["value"] for row in found["profile.json"] if "field" in row}
    assert values == {"phone": phone, "name": "欧阳娜娜"}
    walk = next(row for row in found["activities.ndjson"] if row["scene_code"] == "demo.walking")
    assert walk["stands"]["saved_mg_co2e"] == walk["saved_mg_co2e"] == 240_000
    assert set(walk["stands"]["why"]) == {"zh-CN", "en"}
    of_points = [row for row in found["ledger.ndjson"] if row["unit"] == "point"]
    assert of_points[-1]["balance"] == points
    (order,) = found["redemptions.json"]
    assert (order["id"], order["voucher_state"]) == (str(done.id), "unused")
    assert len(found["holds.json"]) == len(found["household.json"]) == 1
    assert len(found["sessions.json"]) == len(found["security_events.ndjson"]) == 1
    assert {row["unit"] for row in found["accounts.json"]} == {"point", "mg_co2e"}
    assert sum(row["remaining"] for row in found["lots.json"]) == points
    text_of_all = "".join(json.dumps(each) for each in found.values())
    assert done.voucher_code not in text_of_all
    assert begun.refresh_token not in text_of_all


def test_the_manifest_counts_and_hashes_each_file_and_the_readme_names_it(client, resident):
    data = exported(client, resident)
    found = opened(data)
    manifest = found["manifest.json"]

    assert manifest["format"] == "tanhui-export-1"
    with ZipFile(io.BytesIO(data)) as zipped:
        names = {"README.txt", "manifest.json", *(each["name"] for each in manifest["files"])}
        assert set(zipped.namelist()) == names
        for each in manifest["files"]:
            content = zipped.read(each["name"])
            assert hashlib.sha256(content).hexdigest() == each["sha256"]
            assert (len(content), len(found[each["name"]])) == (each["bytes"], each["records"])
            assert f"{each['name']}\n    " in found["README.txt"]


def test_the_read_is_on_record_and_in_the_next_export(
    client, database, keyring, resident, holder_id
):
    number = {uuid4().hex: holder_id}
    database.transact(lambda s: add_ids(s, keyring, "metro", number, now=NOW))

    reads = opened(exported(client, resident))["reads.ndjson"]

    (read,) = reads
    assert (read["reader"], read["purpose"]) == (str(holder_id), "export")
    assert read["fields"] == ["metro"]


def test_a_guardian_takes_a_childs_data_along(client, bearer, database, keyring, holder_id):
    number = {uuid4().hex: holder_id}
    database.transact(lambda s: add_ids(s, keyring, "metro", number, now=NOW))
    guardian = str(uuid4())

    found = opened(
        exported(client, bearer("resident", holder_id, actor=guardian, powers="guardian"))
    )

    assert found["manifest.json"]["holder_id"] == str(holder_id)
    assert found["reads.ndjson"][0]["reader"] == guardian


def test_nobody_elses_rows_are_in_it(client, database, resident):
    other = database.transact(lambda s: a_resident(s, points=77))
    database.transact(lambda s: recorded(s, a_walk(other)))

    assert str(other) not in json.dumps(opened(exported(client, resident)))


def test_staff_are_not_named(client, bearer, database):
    def work(session):
        trial = a_programme(session)
        trial.behaviour("ride")
        holder_id = trial.resident()
        scene = trial.scene("ride", consent_version=1)
        give(session, holder_id, scene, 1, now=NOW, actor="volunteer-77")
        desk = trial.scene("ride", channel="staff")
        trial.record(an_act(desk, holder_id, 60))
        return holder_id

    holder_id = database.transact(work)

    found = opened(exported(client, bearer("resident", holder_id)))

    assert len(found["consents.json"]) == len(found["activities.ndjson"]) == 1
    assert "volunteer-77" not in json.dumps(found)
    assert "entered_by" not in json.dumps(found)


def test_every_table_that_names_a_resident_is_exported_or_exempt_for_a_reason(database):
    query = text("""
        SELECT DISTINCT c.table_name FROM information_schema.columns AS c
        JOIN pg_class AS t ON t.relname = c.table_name
        WHERE c.table_schema = 'public' AND c.column_name = ANY(:naming)
          AND t.relnamespace = 'public'::regnamespace AND NOT t.relispartition
    """)
    with database.snapshot() as session:
        naming = set(session.scalars(query, {"naming": sorted(NAMING)}))
    told = [table for file in FILES for table in file.tables]

    assert len(set(told)) == len(told)
    assert naming - set(told) - EXEMPT.keys() == set()
    assert EXEMPT.keys().isdisjoint(told)
    assert all(EXEMPT.values())
    assert set(told) - naming == {"outside_id", "subject"} - naming


def test_memory_does_not_grow_with_the_ledger(fresh_database):
    """The zip of a long ledger is sent while it is made; parts are no larger than for a short."""
    holder_id = fresh_database.transact(a_resident)
    whose = Whose(holder_id, [], CODES)

    def peak(transfers: int) -> int:
        def grow(session):
            one = earning(session, holder_id, 1)
            posting = replace(one, transfers=[*one.transfers] * transfers)
            post(session, posting, now=NOW)

        fresh_database.transact(grow)
        tracemalloc.start()
        try:
            parts = [len(part) for part in archive(fresh_database.snapshot, whose, now=NOW)]
            assert max(parts) < 200_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(2_000), peak(6_000)

    assert long < short + 500_000


def test_the_values_of_who_gave_none_are_none(database, keyring):
    holder_id = database.transact(a_resident)
    reader = Reader("x", "resident", "export")
    at = datetime.now(UTC)

    assert (
        database.transact(lambda s: open_values(s, keyring, holder_id, reader=reader, now=at)) == []
    )
