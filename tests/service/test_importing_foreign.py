"""Foreign files by a mapping, packed files, and files that are something else."""

import gzip
import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from activities.events import Details
from activities.models import Activity, FeedBatch
from service.feeds.files import ALWAYS_BYTES, LINE_MAX_BYTES, EventFile, UnreadableFile
from service.feeds.importing import Summary, import_file
from service.feeds.mapping import read_mapping
from tests.service.answers import books
from tests.service.feeding import a_sender, ndjson

SHANGHAI = ZoneInfo("Asia/Shanghai")
MAPPING = """
encoding = "gb18030"
delimiter = ";"
zone = "Asia/Shanghai"

[fields]
resident = { column = "卡号" }
event_id = { columns = ["线路", "订单号"] }
started_at = { column = "进站时间", format = "%Y/%m/%d %H:%M" }
ended_at = { column = "时长秒", after = "started_at" }
quantity = { constant = 1 }
distance_m = { column = "里程公里", factor = "1000" }
material = { column = "品类", map = { "纸" = "paper", "塑料" = "plastic" } }
place = { constant = "310118" }
"""
HEAD = "卡号;线路;订单号;进站时间;时长秒;里程公里;品类"


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


@pytest.fixture
def mapped(tmp_path):
    def read(written: str = MAPPING):
        path = tmp_path / "map.toml"
        path.write_text(written, encoding="utf-8")
        return read_mapping(path)

    return read


def row(**changes: str) -> dict[str, str]:
    return {
        "卡号": "31", "线路": "17", "订单号": "A9", "进站时间": "2016/04/12 08:05",
        "时长秒": "600", "里程公里": "3.217", "品类": "纸",
    } | changes  # fmt: skip


def test_each_field_is_read_as_the_mapping_says(mapped):
    event = mapped().format.parse(row(), SHANGHAI)

    assert (event.subject, event.event_id, event.quantity) == ("31", "17:A9", 1)
    assert event.started_at == datetime(2016, 4, 12, 0, 5, tzinfo=UTC)
    assert event.ended_at == datetime(2016, 4, 12, 0, 15, tzinfo=UTC)
    assert event.details == Details(distance_m=3217, material="paper", place="310118")


@pytest.mark.parametrize(
    ("written", "factor", "metres"),
    [("0.1", "1000", 100), ("3.217", "1000", 3217), ("2", "1609.344", 3218), ("7", "1", 7),
     ("0.29", "100", 29), ("1000000", "0.001", 1000), ("0", "1000", 0)],
)  # fmt: skip
def test_a_unit_is_converted_exactly(mapped, written, factor, metres):
    read = mapped(MAPPING.replace('"1000"', f'"{factor}", round = "down"'))

    assert read.format.parse(row(里程公里=written), SHANGHAI).details.distance_m == metres


@pytest.mark.parametrize(
    ("format_", "written"),
    [("iso", "2016-04-12T08:05:00+08:00"), ("iso", "2016-04-12 08:05"), ("epoch_s", "1460419500"),
     ("epoch_ms", "1460419500000"), ("%d.%m.%Y %H:%M", "12.04.2016 08:05"),
     ("%Y-%m-%dT%H:%M%z", "2016-04-12T00:05+0000")],
)  # fmt: skip
def test_an_instant_is_read_in_its_format_and_zone(mapped, format_, written):
    read = mapped(MAPPING.replace("%Y/%m/%d %H:%M", format_))

    event = read.format.parse(row(进站时间=written), ZoneInfo("Europe/London"))

    assert event.started_at == datetime(2016, 4, 12, 0, 5, tzinfo=UTC)


def test_without_a_zone_it_is_the_programmes(mapped):
    read = mapped(MAPPING.replace('zone = "Asia/Shanghai"', ""))

    event = read.format.parse(row(), ZoneInfo("Europe/London"))

    assert event.started_at == datetime(2016, 4, 12, 7, 5, tzinfo=UTC)


def test_an_empty_cell_of_the_details_says_nothing(mapped):
    read = mapped(MAPPING.replace('"纸" = "paper"', '"" = "", "纸" = "paper"'))

    assert read.format.parse(row(里程公里="", 品类=""), SHANGHAI).details == Details(place="310118")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"里程公里": "3.2175"}, "not whole"),
        ({"里程公里": "-1"}, "not a number"),
        ({"里程公里": "1e9"}, "not a number"),
        ({"里程公里": "٣"}, "not a number"),
        ({"里程公里": "9" * 19}, "not a number"),
        ({"里程公里": "9" * 18}, "distance_m"),
        ({"时长秒": "9" * 18}, ""),
        ({"时长秒": ""}, "not a number"),
        ({"进站时间": "12.4.2016"}, "does not match"),
        ({"品类": "铁"}, "does not name"),
    ],
)
def test_a_cell_that_does_not_fit_is_refused(mapped, changes, why):
    with pytest.raises((ValueError, ArithmeticError), match=why or None):
        mapped().format.parse(row(**changes), SHANGHAI)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[fields]", "[fields", "Expected"),
        ('encoding = "gb18030"', 'encoding = "latin-1"', "encoding"),
        ('delimiter = ";"', 'delimiter = ";;"', "delimiter"),
        ('delimiter = ";"', 'delimiter = "\\n"', "delimiter"),
        ("Asia/Shanghai", "Asia/Atlantis", "no zone 'Asia/Atlantis'"),
        ("Asia/Shanghai", "../etc/passwd", "map.toml"),
        ("resident =", "rider =", "fields.resident is missing"),
        ("place =", "places =", "there is no field places"),
        ("{ constant = 1 }", "{ }", "fields.quantity needs one of"),
        ("{ constant = 1 }", '{ column = "a", constant = 1 }', "fields.quantity needs one of"),
        ("{ constant = 1 }", '{ columns = ["a", "b"] }', "wrong number of columns"),
        ('factor = "1000"', 'factor = "a"', "factor"),
        ('factor = "1000"', "factor = 1000.0", "factor"),
        ('factor = "1000"', 'factors = "1"', "factors"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_in_one_line(mapped, old, new, why):
    assert old in MAPPING
    with pytest.raises(UnreadableFile, match=why) as refusal:
        mapped(MAPPING.replace(old, new))
    assert "map.toml: " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_mapping_of_the_documentation_is_one(mapped):
    page = (Path(__file__).parents[2] / "docs" / "partners.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    event = mapped(written).format.parse(row(), SHANGHAI)

    assert (event.quantity, event.details) == (3217, Details(material="paper", place="310118"))


def test_a_missing_mapping_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match=r"none\.toml: No such file"):
        read_mapping(tmp_path / "none.toml")


def written(sender, *rows: dict[str, str]) -> str:
    lines = [";".join(each.values()) for each in rows]
    return "\n".join([HEAD, *lines]) + "\n"


@pytest.mark.parametrize("packed", ["csv", "csv.gz", "zip"])
def test_a_foreign_file_in_gb18030_is_imported_packed_or_not(
    database, keyring, sender, mapped, tmp_path, packed
):
    subject = sender.resident()
    text = written(
        sender,
        row(卡号=subject),
        row(卡号=subject, 订单号="A10", 进站时间="2016/04/12 10:05"),
        row(卡号="谁也不是"),
        row(卡号=subject, 里程公里="x"),
    ).encode("gb18030")
    file = tmp_path / f"行程.{packed}"
    file.write_bytes({"csv": text, "csv.gz": gzip.compress(text), "zip": zipped(text)}[packed])

    summary = import_file(database, keyring, file, sender.scene, mapping=mapped())

    assert (summary.rows, summary.unreadable) == (4, 2)
    assert [line for line, _ in summary.problems] == [5, 4]
    assert sum(summary.by_decision.values()) == 2
    query = select(Activity.details).where(Activity.scene_code == sender.scene)
    details = database.transact(lambda session: session.scalars(query).all())
    assert details == ['{"distance_m":3217,"material":"paper","place":"310118"}'] * 2


def zipped(text: bytes, *names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("trips.csv",):
            archive.writestr(name, text)
    return out.getvalue()


def test_what_a_file_brought_is_kept_for_the_reconciliation(database, keyring, sender, tmp_path):
    events = [sender.event(sender.resident()) for _ in range(3)]
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson(events))
    query = select(FeedBatch).where(FeedBatch.scene_code == sender.scene)

    for _ in range(2):  # Again nothing is new, and nothing is kept.
        import_file(database, keyring, file, sender.scene)
        (kept,) = database.transact(lambda session: session.scalars(query).all())

    assert kept.batch_id == "file events.ndjson, line 1"
    assert len(kept.event_keys) == 3
    assert kept.totals["days"] == {"2016-04-12": 3}


def test_ndjson_takes_what_a_batch_takes(database, keyring, sender, tmp_path):
    subject = sender.resident()
    events = [
        sender.event(subject, details={"place": "310118"}),
        sender.event(subject, minute=60, quantity="1"),
        sender.event(subject, minute=90, details={"attested": True}),
    ]
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress(ndjson(events) + b"[" * 3_000))

    summary = import_file(database, keyring, file, sender.scene)

    assert (summary.rows, summary.verified) == (4, 1)
    assert dict(summary.problems) == {
        2: "quantity is not a whole number",
        3: "there is no field details.attested",
        4: "not a JSON object",
    }


NOT_UTF_8 = b"a,b\n1,2\n\xd6\xd0,3\n"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", NOT_UTF_8, "line 3: not utf-8"),
        ("a.csv.gz", gzip.compress(NOT_UTF_8, mtime=0), "line 3: not utf-8"),
        ("a.csv", b"a,b\n1,\x002\n", "line 2: a NUL byte"),
        ("a.csv", b"a,b\n" + b"x" * (LINE_MAX_BYTES + 1), "line 2: longer than"),
        ("a.csv", b"\xff\xfea\x00", "line 1: a NUL byte"),
        ("a.csv.gz", b"no gzip", "damaged"),
        ("a.csv.gz", gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], "cut short"),
        ("a.csv.gz", gzip.compress(b"a,b\n" * 5_000_000, mtime=0), "unpacks to more than"),
        ("a.zip", b"PK no zip", "damaged"),
        ("a.zip", zipped(b"a,b\n")[:-9], "damaged"),
        ("a.zip", zipped(b"x", "one.csv", "two.csv"), "holds 2 files"),
        ("a.zip", zipped(b"a,b\n" * 5_000_000), "unpacks to more than"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_file_of_events_is_refused_and_nothing_imported(
    database, keyring, sender, tmp_path, name, content, why
):
    file = tmp_path / name
    file.write_bytes(content)
    before = books(database)

    with pytest.raises(UnreadableFile, match=why) as refusal:
        import_file(database, keyring, file, sender.scene)

    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert books(database) == before


def test_a_late_fault_of_the_encoding_keeps_the_rows_before_it_out_too(
    database, keyring, sender, tmp_path
):
    subject = sender.resident()
    file = tmp_path / "events.ndjson"
    rows = ndjson([sender.event(subject, minute=n) for n in range(0, 600, 20)])
    file.write_bytes(rows + b'{"event_id":"\xff"}\n')

    with pytest.raises(UnreadableFile, match="line 31: not utf-8"):
        import_file(database, keyring, file, sender.scene)

    query = select(func.count()).where(Activity.scene_code == sender.scene)
    assert database.transact(lambda session: session.scalar(query)) == 0


def test_a_file_of_repetitive_rows_is_no_bomb(tmp_path):
    line = b"r%09d,310118,2016-04-12T08:00:00+08:00,2016-04-12T08:10:00+08:00,1\n"
    text = b"".join(line % n for n in range(2 * ALWAYS_BYTES // len(line)))
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(text))
    assert len(text) > ALWAYS_BYTES

    EventFile(file).check()


def imported(*args, **kwargs) -> Summary | None:
    """What came of a file; None where it is refused."""
    try:
        return import_file(*args, **kwargs)
    except UnreadableFile:
        return None


fuzzed = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzed
@given(
    content=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.ndjson", "a.gz", "a.zip"])
)
def test_random_bytes_are_refused_or_reported_line_by_line(
    database, keyring, sender, tmp_path, content, name
):
    file = tmp_path / name
    file.write_bytes(content)
    summary = imported(database, keyring, file, sender.scene)

    assert summary is None or summary.rows == summary.unreadable


@fuzzed
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    kind=st.sampled_from(["csv", "ndjson", "gz"]),
)
def test_a_file_with_some_bytes_changed_is_refused_whole_or_row_by_row(
    database, keyring, sender, mapped, tmp_path, changes, kind
):
    """Every row is an answer or a problem, or the file is refused and nothing of it is there."""
    if not sender.residents:
        sender.resident()
    subject, tag = next(iter(sender.residents)), uuid4().hex
    if kind in ("ndjson", "gz"):
        events = [sender.event(subject, minute=n, event_id=f"{tag}{n}") for n in range(0, 60, 20)]
        content, name = ndjson(events), "a.ndjson"
    else:
        rows = (row(卡号=subject, 订单号=f"{tag}{n}") for n in range(3))
        content, name = written(sender, *rows).encode("gb18030"), "a.csv"
    if kind == "gz":
        content, name = gzip.compress(content), "a.ndjson.gz"
    mutated = bytearray(content)
    for at, byte in changes:
        mutated[at % len(mutated)] = byte
    file = tmp_path / name
    file.write_bytes(mutated)
    mapping = mapped() if name == "a.csv" else None

    def kept() -> int:
        query = select(func.count()).where(
            Activity.scene_code == sender.scene, Activity.event_id.contains(tag)
        )
        return database.transact(lambda session: session.scalar(query))

    summary = imported(database, keyring, file, sender.scene, mapping=mapping)

    if summary is None:
        assert kept() == 0
    else:
        assert sum(summary.by_decision.values()) + summary.unreadable == summary.rows


def test_a_dry_run_keeps_no_batch_either(database, keyring, sender, tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson([sender.event(sender.resident())]))

    summary = import_file(database, keyring, file, sender.scene, dry_run=True)

    assert summary.verified == 1
    query = select(func.count()).where(FeedBatch.scene_code == sender.scene)
    assert database.transact(lambda session: session.scalar(query)) == 0
