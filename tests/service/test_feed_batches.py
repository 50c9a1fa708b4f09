"""Batches of partners: every line answered, the same again the same, bad lines alone refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from activities.models import Activity, FeedBatch
from service.feeds.bodies import LINE_MAX_BYTES, lines_of
from service.feeds.line_messages import line_message
from service.identity.outside_ids import add_ids
from tests.makers import balance
from tests.service.answers import ENGLISH, books, refused
from tests.service.feeding import a_sender, ndjson, told


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


def activities_of(sender) -> int:
    query = select(func.count()).select_from(Activity).where(Activity.scene_code == sender.scene)
    return sender.services.database.transact(lambda session: session.scalar(query))


def points(sender, subject: str) -> int:
    return sender.services.database.transact(lambda s: balance(s, sender.residents[subject]))


def test_each_event_gets_its_own_answer_in_order(sender):
    one, two = sender.resident(), sender.resident()
    sent = [
        sender.event(one),
        sender.event(two, ended_at="2016-04-11T00:00:00+08:00"),
        sender.event(one),  # The same act under another id.
        sender.event(two, minute=60),
    ]

    lines = told(sender.post(sent))

    assert [line["line"] for line in lines] == [1, 2, 3, 4]
    assert [line["event_id"] for line in lines] == [event["event_id"] for event in sent]
    assert [line["code"] for line in lines] == [
        "verified", "bad_times", "already_claimed", "verified"
    ]  # fmt: skip
    assert lines[2]["duplicate_of"] == lines[0]["activity_id"]
    assert set(lines[0]) == {
        *("line", "event_id", "activity_id", "decision", "code", "reason"),
        *("saved_mg_co2e", "points", "trimmed_points"),
    }
    assert (points(sender, one), points(sender, two)) == (52, 52)


def test_sums_come_in_headers(sender):
    one = sender.resident()
    answer = sender.post([sender.event(one), sender.event("nobody"), {"event_id": 1}])

    found = {k: v for k, v in answer.headers.items() if k.startswith("Tanhui-")}
    saved = told(answer)[0]["saved_mg_co2e"]
    assert found == {
        "Tanhui-Lines": "3", "Tanhui-Unreadable": "1", "Tanhui-Verified": "1",
        "Tanhui-Held": "0", "Tanhui-Rejected": "1", "Tanhui-Changed": "0",
        "Tanhui-Withdrawn": "0", "Tanhui-Saved-Mg-CO2e": str(saved), "Tanhui-Points": "52",
    }  # fmt: skip


def test_a_resident_may_be_named_by_our_own_id(sender):
    holder_id = sender.residents[one := sender.resident()]
    event = sender.event(one, holder_id=str(holder_id))
    del event["subject"]

    (line,) = told(sender.post([event]))

    assert line["code"] == "verified"


def test_an_unknown_resident_is_that_lines_answer_and_nothing_is_kept(sender):
    lines = told(sender.post([sender.event("nobody"), sender.event(sender.resident())]))

    assert (lines[0]["decision"], lines[0]["code"]) == ("rejected", "unknown_resident")
    assert lines[0]["activity_id"] is None
    assert lines[0]["reason"]
    assert lines[1]["code"] == "verified"
    assert activities_of(sender) == 1


def test_another_partners_subject_is_nobody_here(services, client, sender):
    other = a_sender(services, client)

    (line,) = told(sender.post([sender.event(other.resident())]))

    assert line["code"] == "unknown_resident"


def test_a_bad_line_is_named_and_the_rest_processed(sender):
    one = sender.resident()
    good = sender.event(one)
    body = ndjson([good]) + b"{\r\n\n \n" + ndjson([sender.event(one, minute=60)])

    lines = told(sender.post(body))

    assert [line["line"] for line in lines] == [1, 2, 5]
    assert lines[1] == {"line": 2, "error": "不是有效的 JSON"}
    assert [lines[0]["code"], lines[2]["code"]] == ["verified", "verified"]


BAD = {
    "no JSON": (b"{", "not valid JSON"),
    "an array": (b"[1]", "not a JSON object"),
    "not UTF-8": (b'{"event_id":"\xff"}', "not UTF-8"),
    "a NUL": (b"\x00", "not valid JSON"),
    "too long": (b'{"event_id":"' + b"a" * LINE_MAX_BYTES, "the line has more than 4096 bytes"),
    "deep": (b"[" * LINE_MAX_BYTES, "not a JSON object"),
    "a mark": (b"\xef\xbb\xbf{}", "not valid JSON"),
}
BAD_FIELDS = {
    "event_id": [
        (1, "event_id is not a text"),
        ("", "event_id is empty"),
        ("a" * 65, "event_id has more than 64 characters"),
        ("编号", "event_id has characters not allowed"),
        ("a\n", "event_id has characters not allowed"),
        (None, "event_id is not a text"),
    ],
    "quantity": [
        (-1, "quantity is below 0"),
        (10**9 + 1, "quantity is above 1000000000"),
        (10**30, "quantity is above 1000000000"),
        (1.5, "quantity is not a whole number"),
        ("1", "quantity is not a whole number"),
    ],
    "started_at": [
        ("2016-04-12T08:00:00", "started_at has no offset, as +08:00"),
        ("12.4.2016", "started_at is no RFC 3339 instant"),
        (1, "started_at is not an instant"),
        ("0001-01-01T00:00:00+14:00",
         "started_at and ended_at lie between the years 2000 and 2200"),
        ("9999-12-31T23:59:59-14:00",
         "started_at and ended_at lie between the years 2000 and 2200"),
    ],
    "subject": [
        ("", "subject is empty"),
        ("a" * 65, "subject has more than 64 characters"),
        ("a\x00", "subject has a control character in it"),
        (None, "send either subject or holder_id"),
        ([], "subject is not a text"),
    ],
    "holder_id": [
        ("7", "holder_id is no UUID"),
        ("019aa3a5-1a80-7000-8000-000000000002", "send either subject or holder_id"),
    ],
    "details": [
        (None, "details is not an object"),
        ({"distance": 1}, "there is no field details.distance"),
        ({"attested": True}, "there is no field details.attested"),
        ({"distance_m": -1}, "details.distance_m is below 0"),
        ({"odometer_m": [1]}, "details.odometer_m has 2 items"),
        ({"device": "x"}, "details.device is no UUID"),
        ({"place": "Qingpu"}, "details.place has characters not allowed"),
    ],
    "scene": [("demo.bike", "there is no field scene")],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_event_is_answered_with_its_error(sender, kind):
    line, error = BAD[kind]

    assert told(sender.post(line, headers=ENGLISH)) == [{"line": 1, "error": error}]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [(name, value, error) for name, rows in BAD_FIELDS.items() for value, error in rows],
)
def test_a_field_that_cannot_be_is_named_in_both_languages(name, value, error):
    event = {
        "event_id": "1", "subject": "x", "started_at": "2016-04-12T08:00:00+08:00",
        "ended_at": "2016-04-12T08:10:00+08:00", "quantity": 1,
    }  # fmt: skip

    (line,) = lines_of(json.dumps(event | {name: value}).encode())

    assert line.event is None
    assert line.error.en == error
    assert any("\u4e00" <= letter <= "\u9fff" for letter in line.error.zh)


def test_a_missing_field_is_named():
    (line,) = lines_of(b'{"event_id":"1"}')

    assert line.error == ("缺少 started_at", "started_at is missing")


def test_reasons_and_errors_come_in_the_callers_language(sender):
    event = sender.event(sender.resident(), ended_at="2016-04-11T00:00:00+08:00")
    body = ndjson([event]) + b"{"

    chinese, english = told(sender.post(body)), told(sender.post(body, headers=ENGLISH))

    assert chinese[0]["reason"] == "结束时间早于开始时间。"
    assert english[0]["reason"] == "It ends before it starts."
    assert english[1]["error"] == "not valid JSON"


def test_the_same_again_is_answered_byte_for_byte_and_writes_nothing(sender):
    one = sender.resident()
    body = ndjson(
        [sender.event(one), sender.event("nobody"), sender.event(one), sender.event(one, minute=90)]
    ) + b"{\n"  # fmt: skip
    first = sender.post(body)
    before = books(sender.services.database)

    again = sender.post(body)

    assert told(again)
    assert again.data == first.data
    assert again.headers.get("Tanhui-Points") == first.headers.get("Tanhui-Points") == "104"
    assert books(sender.services.database) == before


def test_who_became_known_later_changes_nothing_of_the_answer(sender):
    late = sender.resident()
    body = ndjson([sender.event("late"), sender.event(late)])
    first = sender.post(body)
    ids, keyring = {"late": sender.residents[late]}, sender.services.keyring
    sender.services.database.transact(
        lambda s: add_ids(s, keyring, sender.partner, ids, now=datetime.now(UTC))
    )

    assert sender.post(body).data == first.data
    # In another batch it is recorded.
    (line,) = told(sender.post([sender.event("late", minute=30)], "b2"))
    assert line["code"] == "verified"


def test_other_content_under_the_same_id_and_version_is_refused(sender):
    one = sender.resident()
    sender.post([sender.event(one)])

    found = refused(sender.post([sender.event(one)]), 409, "batch-id-reused")

    assert (found["batch_id"], found["version"]) == ("b1", 1)
    assert activities_of(sender) == 1


def test_an_older_version_is_refused(sender):
    one = sender.resident()
    sender.post([sender.event(one)], version=3)

    found = refused(sender.post([sender.event(one)], version=2), 409, "batch-outdated")

    assert found["latest_version"] == 3
    assert activities_of(sender) == 1


def test_batches_of_two_scenes_have_nothing_to_do_with_each_other(services, client, sender):
    other = a_sender(services, client)

    for each in (sender, other):
        (line,) = told(each.post([each.event(each.resident())]))
        assert line["code"] == "verified"


def test_an_id_twice_in_a_batch_is_the_same_event_or_refused(sender):
    event = sender.event(sender.resident())

    lines = told(sender.post([event, event, event | {"quantity": 2}]))

    assert [line["code"] for line in lines] == ["verified", "verified", "event_id_reused"]
    assert lines[0]["activity_id"] == lines[1]["activity_id"]
    assert activities_of(sender) == 1


def test_an_event_of_another_batch_is_answered_and_stays_theirs(sender):
    event = sender.event(sender.resident())
    first = told(sender.post([event]))

    second = told(sender.post([event], "b2"))

    assert second == first
    query = select(FeedBatch).where(FeedBatch.scene_code == sender.scene)
    kept = sender.services.database.transact(lambda session: session.scalars(query).all())
    assert {row.batch_id: len(row.event_keys) for row in kept} == {"b1": 1, "b2": 0}


def test_empty_details_are_none(sender):
    event = sender.event(sender.resident())
    first = told(sender.post([event]))

    assert told(sender.post([event | {"details": {}}], "b2")) == first


def test_of_two_who_send_a_batch_at_once_one_writes_it(sender):
    body = ndjson([sender.event(sender.resident()) for _ in range(20)])
    start = Barrier(4)

    def send(_: int):
        start.wait(timeout=30)
        return sender.post(body)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(send, range(4)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert activities_of(sender) == 20


def test_the_number_of_statements_does_not_grow_with_the_lines(sender, statements):
    told(sender.post([sender.event(sender.resident())]))  # The first keeps the scene's policy.
    counts = []
    for number in (2, 40):
        events = [sender.event(sender.resident(), minute=n) for n in range(number)]
        with statements() as seen:
            told(sender.post(events, f"n{number}"))
        counts.append(len(seen))

    assert counts[0] == counts[1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=5,
)
named = st.dictionaries(
    st.sampled_from(
        ["event_id", "subject", "holder_id", "started_at", "ended_at", "quantity", "details", "x"]
    ),
    values,
)
instants = st.datetimes().map(lambda at: at.isoformat() + "+14:00")
likely = st.fixed_dictionaries(
    {
        "event_id": st.text(max_size=5),
        "started_at": instants,
        "ended_at": instants,
        "quantity": st.integers(-2, 2**70),
    },
    optional={"subject": st.text(max_size=4), "details": named},
)


@given(st.binary(max_size=2_000))
def test_random_bytes_are_read_line_by_line_or_refused_by_line(body):
    for line in lines_of(body):
        assert line.event is None
        assert line.error.zh
        assert line.error.en


@given(st.lists(named | likely, max_size=5))
def test_random_objects_are_read_or_say_why_not(objects):
    lines = lines_of("\n".join(json.dumps(each) for each in objects).encode())

    assert len(lines) == len(objects)
    for line in lines:
        assert (line.event is None) is (line.error is not None)
        assert line.error is None or ("\n" not in line.error.en and line.error.en.isprintable())


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 255).filter(lambda byte: byte != 10)),
        min_size=1,
        max_size=4,
    ),
    minute=st.integers(0, 1_400),
)
def test_a_batch_with_mutated_lines_is_answered_line_by_line(sender, changes, minute):
    """A valid line with some bytes changed: never a fault, each line one answer."""
    subject = next(iter(sender.residents), None) or sender.resident()
    mutated = bytearray(json.dumps(sender.event(subject)).encode())
    for at, byte in changes:
        mutated[at % len(mutated)] = byte
    good = json.dumps(sender.event(subject, minute=minute)).encode()

    lines = told(sender.post(b"\n".join([bytes(mutated), good]), uuid4().hex))

    assert [line["line"] for line in lines if line["line"] == 2] == [2]
    assert "decision" in lines[-1]


def test_what_msgspec_says_otherwise_is_still_an_answer():
    assert line_message(ValueError("something new")).en == "not valid JSON"
