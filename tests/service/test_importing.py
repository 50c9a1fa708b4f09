"""Files: every oddity of the bundled data survived, every unreadable row named."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from activities.catalogue.models import Scene
from activities.errors import UnknownScene
from activities.models import Activity, ReceivedEvent
from service.demo import FEEDS
from service.feeds.formats import FORMATS
from service.feeds.importing import UnreadableFile, import_file
from service.identity.outside_ids import add_ids
from tests.makers import a_resident, balance

SHANGHAI = ZoneInfo("Asia/Shanghai")
HEAD = "Rental.Id,Duration,Bike.Id,End.Date,EndStation.Id,EndStation.Name,Start.Date,S,N"


def a_rider(database, keyring, rental: str):
    def work(session):
        holder_id = a_resident(session)
        add_ids(session, keyring, "tfl-sample", {rental: holder_id}, now=datetime.now(UTC))
        return holder_id

    return database.transact(work)


def rental(number: str, *, duration="600", start="10/01/2016 00:04", station="Baylis Road") -> str:
    return f'{number},{duration},1,10/01/2016 00:14,2,"{station}",{start},3,"Soho, London"'


@pytest.fixture
def native_scene(database):
    """A scene whose partner sends Tanhui's own format."""
    code = f"test.{uuid4().hex[:8]}"

    def add(session):
        demo = session.get_one(Scene, "demo.bike")
        columns = {c.key: getattr(demo, c.key) for c in Scene.__table__.columns}
        session.add(Scene(**{**columns, "code": code, "feed_format": "native"}))

    database.transact(add)
    return code


def native_row(holder_id, event_id: str, **changes) -> dict[str, object]:
    return {
        "event_id": event_id,
        "holder_id": str(holder_id),
        "started_at": "2016-04-12T08:00:00+08:00",
        "ended_at": "2016-04-12T08:10:00+08:00",
        "quantity": 1,
        **changes,
    }


def test_a_date_without_a_zone_is_the_programmes_day():
    row = {"Id": "7", "ActivityDate": "4/12/16", "TotalSteps": "0"}

    event = FORMATS["fitbit_daily"].parse(row, SHANGHAI)

    assert event.started_at == datetime(2016, 4, 11, 16, tzinfo=UTC)
    assert event.ended_at - event.started_at == timedelta(days=1)
    assert (event.subject, event.event_id, event.quantity) == ("7", "7:2016-04-12", 0)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("10/01/2016 00:04", datetime(2016, 1, 10, 0, 4, tzinfo=UTC)),  # Day before month.
        ("01/07/2016 12:00", datetime(2016, 7, 1, 11, 0, tzinfo=UTC)),  # Summer time.
    ],
)
def test_a_rental_is_in_london_time(written, utc):
    row = {"Rental.Id": "1", "Duration": "90", "Start.Date": written}

    event = FORMATS["tfl_rentals"].parse(row, SHANGHAI)

    assert event.started_at == utc
    assert event.ended_at == utc + timedelta(seconds=90)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.scene)
def test_every_row_of_the_bundled_files_can_be_read(database, keyring, feed, tmp_path):
    """No resident is enrolled here: each row is read and reported as an unknown resident."""
    summary = import_file(database, keyring, feed.file, feed.scene, dry_run=True)

    rows = len(feed.file.read_text(encoding="utf-8").splitlines()) - 1
    assert summary.rows == summary.unreadable == rows
    assert {why.split("'")[0] for _, why in summary.problems} == {"unknown resident "}


def test_a_comma_in_a_name_does_not_shift_the_columns(database, keyring, tmp_path):
    number = uuid4().hex
    holder_id = a_rider(database, keyring, number)
    file = tmp_path / "trips.csv"
    file.write_text(f"{HEAD}\n{rental(number, station='Frith Street, Soho')}\n", encoding="utf-8")

    summary = import_file(database, keyring, file, "demo.bike")

    assert (summary.rows, summary.verified, summary.points) == (1, 1, 52)
    assert database.transact(lambda s: balance(s, holder_id)) == 52


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_imported(
    database, keyring, tmp_path
):
    good = [uuid4().hex for _ in range(3)]
    for number in good:
        a_rider(database, keyring, number)
    rows = [
        HEAD,
        rental(good[0]),
        rental("x1", duration="ten"),
        rental("x2", start="2016-01-10 00:04"),
        rental("x3", duration="-5"),
        "x4,600",
        rental("nobody-knows-me"),
        rental(good[1], station="North\nSouth"),
        rental("x5") + ",one,two",
        rental(good[2]),
    ]
    file = tmp_path / "trips.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")

    summary = import_file(database, keyring, file, "demo.bike")

    assert (summary.rows, summary.verified, summary.unreadable) == (9, 3, 6)
    assert sorted(line for line, _ in summary.problems) == [3, 4, 5, 6, 7, 10]
    assert all(why for _, why in summary.problems)


def test_a_missing_column_is_named_and_nothing_is_imported(database, keyring, tmp_path):
    number = uuid4().hex
    holder_id = a_rider(database, keyring, number)
    file = tmp_path / "trips.csv"
    file.write_text(f"{HEAD.replace('Start.Date', 'Begin')}\n{rental(number)}\n", encoding="utf-8")

    with pytest.raises(UnreadableFile, match=r"column Start\.Date is missing"):
        import_file(database, keyring, file, "demo.bike")

    assert database.transact(lambda s: balance(s, holder_id)) == 0


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"\xff\xfe\x00a", b'"' + b"x" * 300_000])
def test_what_is_no_csv_is_refused_in_one_line(database, keyring, tmp_path, content):
    file = tmp_path / "trips.csv"
    file.write_bytes(content)

    with pytest.raises(UnreadableFile) as refusal:
        import_file(database, keyring, file, "demo.bike")

    assert "\n" not in str(refusal.value)


def test_an_unknown_scene(database, keyring, tmp_path):
    with pytest.raises(UnknownScene):
        import_file(database, keyring, tmp_path / "x.csv", "no.such")


def test_importing_twice_changes_nothing(database, keyring, tmp_path):
    number = uuid4().hex
    holder_id = a_rider(database, keyring, number)
    file = tmp_path / "trips.csv"
    file.write_text(f"{HEAD}\n{rental(number)}\n", encoding="utf-8")

    first, second = (import_file(database, keyring, file, "demo.bike") for _ in range(2))

    assert (first.already_known, second.already_known) == (0, 1)
    assert (second.by_code, second.points) == (first.by_code, first.points)
    assert database.transact(lambda s: balance(s, holder_id)) == 52


def test_a_dry_run_answers_and_writes_nothing(database, keyring, tmp_path):
    number = uuid4().hex
    holder_id = a_rider(database, keyring, number)
    file = tmp_path / "trips.csv"
    file.write_text(f"{HEAD}\n{rental(number)}\n", encoding="utf-8")

    summary = import_file(database, keyring, file, "demo.bike", dry_run=True)

    assert (summary.verified, summary.points) == (1, 52)

    def kept(session) -> int:
        query = select(func.count()).select_from(Activity).where(Activity.holder_id == holder_id)
        received = select(func.count()).select_from(ReceivedEvent)
        of_holder = received.where(ReceivedEvent.holder_id == holder_id)
        return session.scalar(query) + session.scalar(of_holder) + balance(session, holder_id)

    assert database.transact(kept) == 0


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_the_native_format_comes_as_csv_or_ndjson(
    database, keyring, native_scene, tmp_path, suffix
):
    holder_id = database.transact(a_resident)
    row = native_row(holder_id, uuid4().hex)
    text = (
        f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"
        if suffix == "csv"
        else json.dumps(row) + "\n\n"
    )
    file = tmp_path / f"events.{suffix}"
    file.write_text("\ufeff" + text if suffix == "csv" else text, encoding="utf-8")

    summary = import_file(database, keyring, file, native_scene)

    assert (summary.rows, summary.verified, summary.unreadable) == (1, 1, 0)


def test_bad_lines_of_ndjson_are_named(database, keyring, native_scene, tmp_path):
    holder_id = database.transact(a_resident)
    lines = [
        json.dumps(native_row(holder_id, uuid4().hex)),
        "{",
        "[1, 2]",
        json.dumps({"event_id": "x"}),
        json.dumps(native_row(holder_id, "y", started_at="2016-04-12T08:00:00")),
        json.dumps(native_row("nobody", "z")),
        json.dumps(native_row(holder_id, "w", quantity=-1)),
        json.dumps(native_row(holder_id, "v", quantity=2.5)),
        json.dumps(native_row(holder_id, "v" * 65)),
        json.dumps(native_row(holder_id, "u", quantity=10**20)),
    ]
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(lines), encoding="utf-8")

    summary = import_file(database, keyring, file, native_scene)

    assert (summary.rows, summary.verified, summary.unreadable) == (10, 1, 9)
    assert sorted(line for line, _ in summary.problems) == list(range(2, 11))
