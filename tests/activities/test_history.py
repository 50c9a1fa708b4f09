"""The read side: as decided, as it stands, by our id and by the client's own."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from activities import own_ids
from activities.changes.corrections import Cause, withdraw
from activities.errors import EventIdReused, UnknownActivity
from activities.history import get_activity, page, standings
from activities.own_ids import Tie
from tests.makers import NOW, a_resident, a_walk, recorded


def walked(session, holder_id, *, day=0, own_id=None):
    """An activity that a client named, if ``own_id`` is given: its id."""
    event = a_walk(holder_id, day=day, event_id=str(own_id or uuid4()))
    (answer,) = recorded(session, event, at=NOW + timedelta(seconds=day))
    if own_id is not None:
        own_ids.tie(session, [Tie(str(own_id), event.key(), holder_id, answer.activity_id)])
    return answer.activity_id


def test_an_activity_is_found_by_our_id_and_by_the_clients(session):
    holder_id, own_id = a_resident(session), uuid4()
    activity_id = walked(session, holder_id, own_id=own_id)

    for each in (activity_id, own_id):
        assert get_activity(session, holder_id, each).id == activity_id


def test_it_is_found_for_its_holder_alone(session):
    holder_id, other, own_id = a_resident(session), a_resident(session), uuid4()
    activity_id = walked(session, holder_id, own_id=own_id)

    for each in (activity_id, own_id, uuid4()):
        with pytest.raises(UnknownActivity):
            get_activity(session, other, each)


def test_an_event_id_that_no_client_of_ours_made_leads_nowhere(session):
    """A partner's ids are its own within a scene: two partners may use one."""
    holder_id, event_id = a_resident(session), uuid4()
    event = a_walk(holder_id, event_id=str(event_id))
    recorded(session, event)

    assert own_ids.find(session, event_id) is None


def test_an_id_stands_for_one_event_whatever_its_scene(session):
    holder_id, own_id = a_resident(session), uuid4()
    activity_id = walked(session, holder_id, own_id=own_id)
    other = Tie(str(own_id), uuid4().hex, holder_id, uuid4())

    with pytest.raises(EventIdReused) as refusal:
        own_ids.tie(session, [other])

    assert refusal.value.event_id == str(own_id)
    assert own_ids.find(session, own_id) == (holder_id, activity_id)


def test_of_one_id_twice_in_a_list_both_must_be_the_same_event(session):
    first = Tie(str(uuid4()), uuid4().hex, uuid4(), uuid4())

    own_ids.tie(session, [first, first])
    with pytest.raises(EventIdReused):
        own_ids.tie(
            session, [first._replace(own_id="x"), first._replace(own_id="x", event_key="0")]
        )


def test_tying_takes_one_statement_however_many_and_none_for_none(session, statements):
    ties = [Tie(str(uuid4()), uuid4().hex, uuid4(), uuid4()) for _ in range(40)]

    session.connection()  # The savepoint of the test's own session is none of ours.
    with statements() as sent:
        own_ids.tie(session, [])
    assert sent == []
    with statements() as sent:
        own_ids.tie(session, ties)
    assert len(sent) == 1


def test_how_activities_stand_takes_one_read_however_many(session, statements):
    holder_id = a_resident(session)
    ids = [walked(session, holder_id, day=day) for day in range(6)]
    cause = Cause(uuid4(), "operator-1", "told wrongly", "operator-2")
    withdraw(session, [(holder_id, ids[2])], cause, now=datetime.now(UTC))
    found = page(session, holder_id, limit=10).activities

    with statements() as sent:
        standing = standings(session, found)

    assert len(sent) == 1
    assert [each.activity.id for each in standing] == ids[::-1]
    assert [each.state.decision for each in standing] == ["verified"] * 3 + ["rejected"] + [
        "verified"
    ] * 2
    (withdrawn,) = [each for each in standing if each.adjustments]
    assert (withdrawn.activity.id, withdrawn.state.points) == (ids[2], 0)
    assert withdrawn.activity.points > 0
    assert standings(session, []) == []


def test_a_page_ends_where_the_next_begins(session):
    holder_id = a_resident(session)
    ids = [walked(session, holder_id, day=day) for day in range(5)]

    first = page(session, holder_id, limit=5)
    second = page(session, holder_id, limit=2)

    assert ([each.id for each in first.activities], first.next_before) == (ids[::-1], None)
    assert second.next_before == second.activities[-1].id == ids[3]
