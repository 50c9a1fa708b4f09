"""The simulation: the same for the same seed, labelled apart, and recorded by the real intake."""

import csv
import json
from collections import Counter
from datetime import date, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from activities.audit import audit as audit_activities
from activities.errors import UnknownProgramme
from activities.events import EVENTS_MAX, Answer, Event
from ledgers.audit import audit as audit_ledger
from service.feeds.bodies import read_line
from service.simulation import labels
from service.simulation.city import BIKE, CITIES, METRO, RIDES, read_city
from service.simulation.files import FolderNotUsable, line, write_all
from service.simulation.judging import Judge
from service.simulation.printed import judgement_text
from service.simulation.recording import CannotRecord, amend, check, record_all, settle
from service.simulation.stream import Plan, simulate
from tests.service.commanding import in_process

pytestmark = pytest.mark.once

MARCH = date(2026, 3, 2)
ALL_LABELS = {*labels.FRAUD, *labels.FAULTS}


@pytest.fixture(scope="module")
def city():
    return read_city("sh-2026")


@pytest.fixture(scope="module")
def month(city):
    """400 residents' 28 days: people and deliveries."""
    plan = Plan(city, 400, 28, 1, MARCH)
    people = plan.people()
    return people, list(simulate(plan, people))


def acts(deliveries):
    return [act for delivery in deliveries for act in delivery.acts]


def written(plan):
    people = plan.people()
    return [
        (delivery.received_at, msgspec.json.encode(act.event), act.label)
        for delivery in simulate(plan, people)
        for act in delivery.acts
    ]


def test_the_same_seed_gives_the_same_stream_and_another_one_another(city):
    assert written(Plan(city, 60, 5, 3, MARCH)) == written(Plan(city, 60, 5, 3, MARCH))
    ids = {event for _, event, _ in written(Plan(city, 60, 5, 3, MARCH))}
    assert ids.isdisjoint(event for _, event, _ in written(Plan(city, 60, 5, 4, MARCH)))


def test_every_kind_of_fraud_and_fault_occurs_and_most_acts_are_honest(month):
    counted = Counter(act.label for act in acts(month[1]))

    assert counted.keys() == ALL_LABELS | {None}
    assert counted[None] > 0.9 * counted.total()


def test_no_label_is_in_any_field_of_an_event(month):
    """Neither by name nor by what ids look like."""
    for event, _ in acts(month[1]):
        sent = line(event).decode()
        assert not any(label in sent for label in ALL_LABELS)
        assert len(event.event_id) == 16
        int(event.event_id, 16)


def test_deliveries_come_in_order_and_hold_nothing_that_has_not_happened(month):
    before = None
    for delivery in month[1]:
        assert before is None or delivery.received_at >= before
        before = delivery.received_at
        assert 0 < len(delivery.acts) <= EVENTS_MAX
        for event, _ in delivery.acts:
            assert event.scene == delivery.scene
            assert event.started_at <= event.ended_at <= delivery.received_at


def test_every_event_is_one_that_a_door_would_read(month):
    for event, _ in acts(month[1]):
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
        assert read_line(1, line(event).rstrip()).error is None


def test_residents_live_in_towns_of_the_city_and_report_from_it(city, month):
    people, deliveries = month
    assert {who.town for who in people} <= set(city.towns)
    honest = [event for event, label in acts(deliveries) if label is None]
    places = {event.details.place for event in honest} - {None}
    assert {place[:4] for place in places} == {"3101"}


@pytest.mark.parametrize("programme", sorted(CITIES))
def test_each_ready_programme_can_be_simulated(programme):
    found = read_city(programme)
    plan = Plan(found, 50, 3, 1, MARCH)

    assert {town[:4] for town in found.towns} == {CITIES[programme]}
    assert acts(simulate(plan, plan.people()))


def test_a_programme_that_is_not_ready_is_refused():
    with pytest.raises(UnknownProgramme):
        read_city("demo-2016")


def test_an_honest_residents_rides_seldom_overlap(city):
    """Only where two clocks differ, or where somebody unlocks a second bicycle for a friend."""
    plan = Plan(city, 200, 14, 5, MARCH, crime=False)
    rides = {s.code for s in city.scenes.values() if s.behaviour in RIDES}
    ends: dict[object, datetime] = {}
    stream = sorted(acts(simulate(plan, plan.people())), key=lambda act: act.event.started_at)
    assert {label for _, label in stream} == {None}
    ridden = [event for event, _ in stream if event.scene in rides]
    overlapping = 0
    for event in ridden:
        assert event.started_at.microsecond == event.ended_at.microsecond == 0
        overlapping += ends.get(event.holder_id, event.started_at) > event.started_at
        ends[event.holder_id] = event.ended_at
    assert overlapping < len(ridden) / 200


def test_people_commute_at_the_peaks_of_working_days_and_ride_less_in_rain(city):
    plan = Plan(city, 600, 28, 2, MARCH, crime=False)
    metro = {s.code for s in city.scenes.values() if s.behaviour == METRO}
    bikes = {s.code for s in city.scenes.values() if s.behaviour == BIKE}
    hours: Counter[int] = Counter()
    by_day: Counter[date] = Counter()
    for event, _ in acts(simulate(plan, plan.people())):
        local = event.started_at.astimezone(city.zone)
        if event.scene in metro and local.weekday() < 5:
            hours[local.hour] += 1
        if event.scene in bikes and local.weekday() < 5:
            by_day[local.date()] += 1

    assert hours[7] + hours[8] > 5 * (hours[12] + hours[13])
    assert min(by_day.values()) < 0.6 * max(by_day.values())


def test_the_extremes_of_honest_days_lie_among_the_frauds(city, month):
    """Families share devices and some ride fast: a rule that ignored them would cost precision."""
    people, deliveries = month
    honest_devices = Counter(
        who.device for who in people if who.cheat not in (labels.SHARED_DEVICE,)
    )
    assert max(honest_devices.values()) in (3, 4)
    walks = [event for event, label in acts(deliveries) if event.details.active_s and not label]
    assert max(walk.quantity * 60 / walk.details.active_s for walk in walks) > 140


# --- Judging --------------------------------------------------------------------------------------


def an_event(city) -> Event:
    scene = city.scene(METRO, "operator")
    start = datetime(2026, 3, 2, 8, tzinfo=city.zone)
    return Event(uuid4().hex[:16], scene.code, uuid4(), start, start + timedelta(minutes=30), 9_000)


def heard(judge: Judge, city, label: str | None, decision: str, code: str) -> Answer:
    event = an_event(city)
    answer = Answer(event.event_id, uuid4(), decision, code)
    judge.hear(event, label, answer)
    return answer


def test_precision_and_recall_are_counted_from_final_decisions(city):
    judge = Judge.of(city)
    heard(judge, city, None, "verified", "verified")
    heard(judge, city, None, "rejected", "overlaps")
    heard(judge, city, labels.REPLAY, "rejected", "already_claimed")
    heard(judge, city, labels.REPLAY, "verified", "capped")
    late = heard(judge, city, labels.DOUBLE_CLAIM, "verified", "verified")
    judge.amend(late.activity_id, "rejected", "superseded", an_event(city))

    found = judge.judge()

    assert found.by_kind[labels.REPLAY].recall == 0.5
    assert found.by_kind[labels.DOUBLE_CLAIM].recall == 1.0
    assert found.by_kind[labels.DOUBLE_CLAIM].precision == 0.5  # By the honest act that overlaps.
    assert found.by_kind[labels.OVERWEIGHT].recall is None
    assert (found.recall, found.precision) == (2 / 3, 2 / 3)
    assert [miss.code for miss in found.misses] == ["capped"]
    assert found.false_alarms_in_10_000 == 5_000


def test_sampling_a_month_without_saving_and_operators_faults_are_no_flags(city):
    judge = Judge.of(city)
    heard(judge, city, None, "held", "sampled")
    heard(judge, city, None, "rejected", "no_saving")
    heard(judge, city, labels.LATE_FILE, "rejected", "too_late")
    heard(judge, city, labels.REPLAY, "held", "sampled")
    again = Answer("x", uuid4(), "verified", "verified", written=False)
    judge.hear(an_event(city), labels.DUPLICATE, again)

    found = judge.judge()

    assert found.precision is None
    assert found.recall == 0
    assert (found.sampled, found.not_eligible) == (2, 1)
    assert found.faults[labels.LATE_FILE] == {"too_late": 1}
    assert found.faults[labels.DUPLICATE] == {"known": 1}
    assert "missed: 1" in judgement_text(found)


# --- Files, and the intake ------------------------------------------------------------------------


def test_files_hold_what_partners_send_and_labels_stand_apart(city, month, tmp_path):
    people, deliveries = month

    counts = write_all(tmp_path / "out", people, deliveries, lambda _: None)

    lines = (tmp_path / "out" / f"{city.scene(METRO, 'operator').code}.ndjson").read_text()
    first = json.loads(lines.splitlines()[0])
    assert first.keys() >= {"event_id", "holder_id", "started_at", "ended_at", "quantity"}
    assert first.keys().isdisjoint({"scene", "label"})
    assert "attested" not in first.get("details", {})
    with (tmp_path / "out" / "labels.csv").open(encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == ALL_LABELS
    assert sum(counts.values()) == len(acts(deliveries))
    with pytest.raises(FolderNotUsable, match="is not empty"):
        write_all(tmp_path / "out", people, deliveries, lambda _: None)


def yesterday(plan_days: int) -> date:
    return datetime.now().astimezone().date() - timedelta(days=plan_days + 1)


def test_a_small_city_is_recorded_by_the_intake_and_the_audit_is_clean(fresh_database, city):
    plan = Plan(city, 120, 4, 1, yesterday(4))
    people, judge = plan.people(), Judge.of(city)
    check(fresh_database, plan)
    settle(fresh_database, plan, people)
    record_all(fresh_database, simulate(plan, people), judge, lambda _: None)
    amend(fresh_database, people, judge)

    found = judge.judge()

    assert found.events == judge.events > 500
    assert judge.by_code["verified"] > 0.7 * judge.events
    assert found.recall > 0.6  # Few events; the marks are the benchmark's.
    with fresh_database.snapshot() as session:
        drifts = [*audit_ledger(session), *audit_activities(session)]
    assert drifts == []

    again = Judge.of(city)
    settle(fresh_database, plan, people)
    record_all(fresh_database, simulate(plan, people), again, lambda _: None)

    assert again.by_code == {"known": judge.events}


def test_a_time_before_the_databases_first_month_is_refused(database, city):
    with pytest.raises(CannotRecord, match="not for 2016-04-01"):
        check(database, Plan(city, 10, 3, 1, date(2016, 4, 1)))


@pytest.fixture
def run(database_url, urls, tmp_path):
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }
    return in_process(environ, "simulate")


SMALL = ("--residents", 30, "--days", 2, "--seed", 4)


def test_the_command_writes_files_and_says_how_many(run, tmp_path):
    done = run(*SMALL, "--out", tmp_path / "days")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert " events of " in done.stdout
    refused = run(*SMALL, "--out", tmp_path / "days")
    assert refused.returncode == 1
    assert refused.stderr == f"tanhui: {tmp_path / 'days'} is not empty\n"


def test_the_command_records_and_says_what_the_rules_found(run):
    done = run(*SMALL, "--record")

    assert done.returncode == 0, done.stderr
    assert "false alarms in 10,000 honest events" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give --out FOLDER or --record"),
        (("--out", "x", "--record"), "give --out FOLDER or --record"),
        (("--record", "--from", "2016-04-01"), "not for 2016-04-01"),
        (("--out", __file__), "File exists"),
    ],
)
def test_the_command_refuses_in_one_line(run, words, why):
    done = run(*SMALL, *words)

    assert done.returncode != 0
    assert why in done.stderr.splitlines()[-1]
