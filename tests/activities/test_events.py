"""The wire struct refuses what does not fit, and its keys tell content from message."""

import msgspec
import pytest

from activities.events import Event

GOOD = {
    "event_id": "e-1",
    "scene": "demo.bike",
    "holder_id": "7a0b9f1e-5d6c-5c57-9a77-2b5f0f1f2016",
    "started_at": "2016-04-12T08:00:00+08:00",
    "ended_at": "2016-04-12T08:10:00+08:00",
    "quantity": 1,
}


def decoded(**changes) -> Event:
    return msgspec.json.decode(msgspec.json.encode({**GOOD, **changes}), type=Event)


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": ""},
        {"event_id": "x" * 65},
        {"event_id": "tab\there"},
        {"event_id": "空格"},
        {"scene": "a b"},
        {"holder_id": "somebody"},
        {"started_at": "2016-04-12T08:00:00"},  # No offset.
        {"started_at": 1460419200},
        {"quantity": -1},
        {"quantity": 1.5},
        {"quantity": "1"},
        {"quantity": 1_000_000_001},
        {"extra": 1},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(msgspec.ValidationError):
        decoded(**changes)


@pytest.mark.parametrize("name", GOOD)
def test_no_field_may_be_missing(name):
    some = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.json.decode(msgspec.json.encode(some), type=Event)


def test_the_key_is_the_message_and_the_content_is_the_rest():
    event = decoded()
    same_instant = decoded(started_at="2016-04-12T00:00:00Z")

    assert decoded(quantity=0).key() == event.key()
    assert decoded(event_id="e-2").key() != event.key()
    assert decoded(scene="demo.walking").key() != event.key()
    assert same_instant.content() == event.content()
    for change in (
        {"quantity": 0},
        {"ended_at": "2016-04-12T08:10:01+08:00"},
        {"holder_id": "7a0b9f1e-5d6c-5c57-9a77-2b5f0f1f2017"},
    ):
        assert decoded(**change).content() != event.content()


def test_a_field_cannot_be_shifted_into_its_neighbour():
    """A line end parts the fields of a key, and no field can hold one."""
    assert decoded(scene="a", event_id="b.c").key() != decoded(scene="a.b", event_id="c").key()
