"""A batch in a new version: only the difference is booked, and both entries can be seen."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select

from activities.models import Activity, Adjustment, FeedBatch
from ledgers.models import Transfer
from tests.makers import APRIL_12, balance
from tests.service.answers import books, refused
from tests.service.feeding import a_sender, ndjson, told


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


@pytest.fixture
def walking(services, client):
    """A scene where the quantity counts: steps of a day."""
    return a_sender(services, client, behaviour="demo.walking")


def day_of(sender, subject: str, steps: int, **changes):
    """A day of steps."""
    day = {"ended_at": "2016-04-13T00:00:00+08:00", "quantity": steps}
    return sender.event(subject, **day | changes)


def points(sender, subject: str) -> int:
    return sender.services.database.transact(lambda s: balance(s, sender.residents[subject]))


def earned(sender, subject: str) -> list[int]:
    """What was given and taken back in points, in order."""
    query = (
        select(Transfer)
        .where(Transfer.holder_id == sender.residents[subject], Transfer.unit == "point")
        .order_by(Transfer.id)
    )
    rows = sender.services.database.transact(lambda session: session.scalars(query).all())
    return [-row.amount if row.reverses_id else row.amount for row in rows]


def adjustments(sender, subject: str) -> list[tuple[str, int]]:
    query = select(Adjustment).where(Adjustment.holder_id == sender.residents[subject])
    rows = sender.services.database.transact(lambda session: session.scalars(query).all())
    assert {row.actor for row in rows} <= {f"partner:{sender.partner}"}
    return sorted((row.kind, row.points) for row in rows)


def test_an_unchanged_batch_in_a_new_version_books_nothing(sender):
    one = sender.resident()
    events = [sender.event(one), sender.event("nobody"), sender.event(one)]
    first = sender.post(events)
    before = books(sender.services.database)

    second = sender.post(events, version=2)

    assert second.data == first.data
    assert books(sender.services.database) == before
    assert earned(sender, one) == [52]


def test_what_is_missing_is_withdrawn_what_is_new_recorded_the_rest_stays(sender):
    stays, gone, new = sender.resident(), sender.resident(), sender.resident()
    kept = sender.event(stays)
    first = told(sender.post([kept, sender.event(gone)]))

    answer = sender.post([kept, sender.event(new)], version=2)

    lines = told(answer)
    assert lines[0] == first[0]
    assert lines[1]["points"] == 52
    assert answer.headers["Tanhui-Withdrawn"] == "1"
    assert answer.headers["Tanhui-Changed"] == "0"
    assert [points(sender, each) for each in (stays, gone, new)] == [52, 0, 52]
    assert earned(sender, gone) == [52, -52]
    assert adjustments(sender, gone) == [("withdrawn", -52)]


def test_another_quantity_books_the_difference_alone(walking):
    one = walking.resident()
    event = day_of(walking, one, 5_000)
    (first,) = told(walking.post([event]))

    (more,) = told(walking.post([event | {"quantity": 6_000}], version=2))
    (less,) = told(walking.post([event | {"quantity": 3_000}], version=3))

    assert first["activity_id"] == more["activity_id"] == less["activity_id"]
    assert (more["code"], less["code"]) == ("changed", "changed")
    assert first["points"] < more["points"]
    assert less["points"] < first["points"]
    assert sum(earned(walking, one)) == points(walking, one) == less["points"]
    assert earned(walking, one)[:2] == [first["points"], more["points"] - first["points"]]


def test_another_time_is_recorded_anew_and_the_old_entry_withdrawn(sender):
    one = sender.resident()
    event = sender.event(one)
    (first,) = told(sender.post([event]))
    moved = event | {"ended_at": "2016-04-12T00:20:00+08:00"}

    answer = sender.post([moved], version=2)

    (line,) = told(answer)
    assert line["code"] == "verified"
    assert line["activity_id"] != first["activity_id"]
    assert answer.headers["Tanhui-Changed"] == "1"
    assert points(sender, one) == 52
    assert adjustments(sender, one) == [("withdrawn", -52)]


def test_an_event_given_to_the_wrong_resident_goes_to_the_right_one(sender):
    wrong, right = sender.resident(), sender.resident()
    event = sender.event(wrong)
    sender.post([event])

    (line,) = told(sender.post([event | {"subject": right}], version=2))

    assert line["code"] == "verified"
    assert (points(sender, wrong), points(sender, right)) == (0, 52)
    # The id stands for the new entry now.
    assert told(sender.post([event | {"subject": right}], "b2"))[0] == line
    assert told(sender.post([event], "b3"))[0]["code"] == "event_id_reused"


def test_what_was_refused_may_be_put_right(sender):
    one = sender.resident()
    event = sender.event(one, ended_at="2016-04-11T00:00:00+08:00")
    assert told(sender.post([event]))[0]["code"] == "bad_times"
    right = event | {"ended_at": "2016-04-12T00:10:00+08:00"}

    (line,) = told(sender.post([right], version=2))

    assert line["code"] == "verified"
    assert points(sender, one) == 52


def test_a_quantity_that_the_rules_refuse_withdraws_the_act_and_says_why(walking):
    one = walking.resident()
    event = day_of(walking, one, 5_000)
    sent = [event, day_of(walking, walking.resident(), 4_000)]
    walking.post(sent)

    lines = told(walking.post([event | {"quantity": 900_000}, sent[1] | {"quantity": 4_500}],
                              version=2))  # fmt: skip

    assert [line["code"] for line in lines] == ["quantity_out_of_range", "verified"]
    assert points(walking, one) == 0


def test_an_event_withdrawn_by_a_version_comes_back_with_a_later_one(sender):
    one = sender.resident()
    event = sender.event(one)
    (first,) = told(sender.post([event]))
    sender.post([], version=2)
    assert points(sender, one) == 0

    (line,) = told(sender.post([event], version=3))

    assert line["code"] == "verified"
    assert line["activity_id"] != first["activity_id"]
    assert points(sender, one) == 52
    sender.post([], version=4)
    assert points(sender, one) == 0
    assert told(sender.post([event], version=5))[0]["code"] == "verified"
    assert points(sender, one) == 52


def test_an_act_may_get_another_id_in_a_new_version(sender):
    one = sender.resident()
    sender.post([sender.event(one)])

    (line,) = told(sender.post([sender.event(one)], version=2))

    assert line["code"] == "verified"
    assert points(sender, one) == 52


def test_a_version_with_unreadable_lines_withdraws_nothing(sender):
    one = sender.resident()
    event = sender.event(one)
    sender.post([event])

    answer = sender.post(ndjson([event])[:-3], version=2)

    assert told(answer)[0]["error"]
    assert answer.headers["Tanhui-Withdrawn"] == "0"
    assert points(sender, one) == 52
    sender.post([], version=3)  # It is still the batch's.
    assert points(sender, one) == 0


def test_an_event_of_another_batch_is_not_withdrawn_by_this_one(sender):
    one = sender.resident()
    event = sender.event(one)
    sender.post([event])
    sender.post([event], "b2")

    sender.post([], "b2", version=2)

    assert points(sender, one) == 52


def test_a_version_sent_again_is_answered_the_same_and_books_nothing(walking):
    one, two, three = (walking.resident() for _ in range(3))
    events = [day_of(walking, each, 5_000) for each in (one, two, three)]
    first = walking.post(events)
    changed = [
        events[0] | {"quantity": 6_000},
        events[1] | {"ended_at": "2016-04-12T23:59:59+08:00"},
        day_of(walking, "nobody", 1_000),
    ]
    second = walking.post(changed, version=2)
    before = books(walking.services.database)

    again = walking.post(changed, version=2)

    assert told(again)
    assert again.data == second.data != first.data
    sums = [{k: v for k, v in each.headers.items() if k.startswith("Tanhui")}
            for each in (again, second)]  # fmt: skip
    assert sums[0] == sums[1]
    assert sums[0]["Tanhui-Changed"] == "2"
    assert sums[0]["Tanhui-Withdrawn"] == "1"
    assert books(walking.services.database) == before
    refused(walking.post(events), 409, "batch-outdated")
    refused(walking.post(events, version=2), 409, "batch-id-reused")


def test_an_id_twice_in_a_new_version_is_the_same_or_refused(walking):
    event = day_of(walking, walking.resident(), 5_000)
    walking.post([event])
    more = event | {"quantity": 6_000}

    lines = told(walking.post([more, more, event], version=2))

    assert [line["code"] for line in lines] == ["changed", "changed", "event_id_reused"]


def test_what_the_batch_holds_is_kept_with_it(sender):
    kept, gone = sender.event(sender.resident()), sender.event(sender.resident())
    sender.post([kept, gone])
    sender.post([kept, sender.event(sender.resident())], version=2)

    query = select(FeedBatch).where(FeedBatch.scene_code == sender.scene)
    (row,) = sender.services.database.transact(lambda session: session.scalars(query).all())

    assert (row.version, len(row.event_keys), len(row.totals["gone"])) == (2, 2, 1)
    assert row.totals["days"] == {"2016-04-12": 2}


def test_the_number_of_statements_does_not_grow_with_the_lines(walking, statements):
    def versions(number: int) -> int:
        events = [day_of(walking, walking.resident(), 5_000) for _ in range(4 * number)]
        later = [
            *events[:number],
            *(each | {"quantity": 6_000} for each in events[number : 2 * number]),
            *(each | {"ended_at": "2016-04-12T23:59:59+08:00"}
              for each in events[2 * number : 3 * number]),
            *(day_of(walking, walking.resident(), 5_000) for _ in range(number)),
        ]  # fmt: skip
        walking.post(events, f"n{number}")
        with statements() as seen:
            told(walking.post(later, f"n{number}", version=2))
        return len(seen)

    assert versions(2) == versions(8)


def test_nothing_recorded_is_overwritten(walking):
    one = walking.resident()
    event = day_of(walking, one, 5_000)
    walking.post([event])
    query = select(Activity).where(Activity.holder_id == walking.residents[one])

    def recorded():
        rows = walking.services.database.transact(lambda session: session.scalars(query).all())
        return {row.id: (row.quantity, row.points, row.code) for row in rows}

    before = recorded()
    walking.post([event | {"quantity": 6_000}], version=2)
    walking.post([event | {"ended_at": "2016-04-12T23:00:00+08:00"}], version=3)

    assert before.items() <= recorded().items()
    assert len(recorded()) == 2


event_kinds = st.tuples(
    st.integers(0, 3),  # Which event: of whom, on which day.
    st.sampled_from([3_000, 6_000, 60_000, 900_000]),  # Within the cap, over it, refused.
    st.booleans(),  # The day's last second is missing.
    st.booleans(),  # Given to the wrong resident.
)
versions = st.lists(
    st.lists(event_kinds, max_size=4, unique_by=lambda kind: kind[0]), min_size=1, max_size=4
)


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(versions)
def test_whatever_the_versions_the_last_one_is_what_counts(services, client, history):
    """As if it had been sent at once: per resident the points, per event the decision."""

    def sent(batches) -> tuple[list[int], list[tuple[str, int, int]]]:
        sender = a_sender(services, client, behaviour="demo.walking")
        people = [sender.resident() for _ in range(3)]

        def event(number: int, steps: int, short: bool, wrong: bool) -> dict[str, object]:
            end = APRIL_12 + timedelta(days=number + 1, seconds=-short)
            return {
                "event_id": str(number),
                "subject": people[2 if wrong else number % 2],
                "started_at": (APRIL_12 + timedelta(days=number)).isoformat(),
                "ended_at": end.isoformat(),
                "quantity": steps,
            }

        lines = []
        for version, kinds in batches:
            events = [event(*kind) for kind in kinds]
            answer = sender.post(events, version=version)
            lines = [
                (line["decision"], line["saved_mg_co2e"], line["points"]) for line in told(answer)
            ]
            assert sender.post(events, version=version).data == answer.data
        return [points(sender, each) for each in people], lines

    assert sent(list(enumerate(history, 1))) == sent([(1, history[-1])])
