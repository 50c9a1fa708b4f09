"""Reconciliation: the partner's count beside ours, and each event that makes the difference."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from activities.changes.corrections import Cause, withdraw
from service.feeds.batches import get_feed
from service.feeds.importing import import_file
from service.feeds.reconciliation import reconcile
from tests.service.answers import ENGLISH, refused
from tests.service.feeding import a_sender, ndjson, told

DAY = "2016-04-12"


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


def say(sender, day: str = DAY, **totals: object):
    body = json.dumps(totals).encode()
    return sender.client.put(
        f"/v1/feeds/{sender.scene}/totals/{day}",
        data=body,
        headers=sender.signed(body),
        content_type="application/json",
    )


def asked(sender, *, headers=None, **query: object):
    return sender.client.get(
        f"/v1/feeds/{sender.scene}/reconciliation",
        query_string={"day": DAY, **query},
        headers=sender.signed(b"") | ENGLISH if headers is None else headers,
    )


def found(sender, **query: object):
    answer = asked(sender, **query)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_both_counts_stand_side_by_side(sender):
    one, two = sender.resident(), sender.resident()
    bad = sender.event(two, ended_at="2016-04-11T00:00:00+08:00", quantity=3)
    sender.post(ndjson([sender.event(one), bad, sender.event(one), sender.event("nobody")]) + b"{")
    sender.post([sender.event(one, minute=60 * 24)], "b2")  # Of the next day.
    assert say(sender, events=7, quantity=9).json["events"] == 7

    told_ = found(sender)

    assert told_["partner"]["quantity"] == 9
    ours = told_["ours"]
    saved = ours.pop("saved_mg_co2e")
    assert saved > 0
    assert ours == {
        "events": 4, "verified": 1, "held": 0, "rejected": 3, "quantity": 6,
        "verified_quantity": 1, "points": 52, "unreadable": 1,
        "by_code": {"already_claimed": 1, "bad_times": 1, "unknown_resident": 1},
    }  # fmt: skip
    assert {each["code"] for each in told_["differing"]} == set(ours["by_code"])
    (times,) = [each for each in told_["differing"] if each["code"] == "bad_times"]
    assert times["event_id"] == bad["event_id"]
    assert times["batch_id"] == "b1"
    assert times["reason"] == "It ends before it starts."
    (nobody,) = [each for each in told_["differing"] if each["code"] == "unknown_resident"]
    assert nobody["activity_id"] is None
    assert told_["next_cursor"] is None


def test_before_anything_is_said_or_sent_there_is_nothing(sender):
    told_ = found(sender)

    assert told_["partner"] is None
    assert told_["ours"]["events"] == 0
    assert told_["differing"] == []


def test_the_last_word_counts(sender):
    first = say(sender, events=7, quantity=9).json
    assert say(sender, events=7, quantity=9).json == first

    say(sender, events=8, quantity=9)

    assert found(sender)["partner"]["events"] == 8


@pytest.mark.parametrize("totals", [{}, {"events": 1}, {"events": -1, "quantity": 1},
                                    {"events": 1.5, "quantity": 1},
                                    {"events": 1, "quantity": 2**53 + 1},
                                    {"events": 1, "quantity": 1, "x": 1}])  # fmt: skip
def test_totals_that_cannot_be_are_refused(sender, totals):
    refused(say(sender, **totals), 422, "body-does-not-fit")


def test_a_day_that_has_not_begun_has_no_totals(sender):
    tomorrow = str((datetime.now(UTC) + timedelta(days=2)).date())

    refused(say(sender, tomorrow, events=1, quantity=1), 422, "totals-of-the-future")


@pytest.mark.parametrize(
    "day", ["x", "2016-4-12", "20160412", "2016-W15-2", "2016-04-31", "0001-01-01"]
)
def test_a_day_that_is_none_is_nowhere(sender, day):
    refused(say(sender, day, events=1, quantity=1), 404)


@pytest.mark.parametrize("day", ["x", "2016-04-31", "0001-01-01", "9999-12-31", ""])
def test_a_reconciliation_is_of_a_day(sender, day):
    refused(asked(sender, day=day), 422, "body-does-not-fit")
    refused(asked(sender, day=day, headers=sender.signed(b"")), 422, "body-does-not-fit")


def test_what_was_withdrawn_later_is_counted_as_it_stands(sender):
    one, two = sender.resident(), sender.resident()
    events = [sender.event(one), sender.event(two)]
    lines = told(sender.post(events))
    key = sender.residents[one], UUID(lines[0]["activity_id"])
    cause = Cause(key[1], "operator", "test")
    sender.services.database.transact(
        lambda session: withdraw(session, [key], cause, now=datetime.now(UTC))
    )

    told_ = found(sender)

    assert told_["ours"]["by_code"] == {"withdrawn": 1}
    assert (told_["ours"]["verified"], told_["ours"]["points"]) == (1, 52)
    assert told_["ours"]["saved_mg_co2e"] == lines[1]["saved_mg_co2e"]
    (gone,) = told_["differing"]
    assert (gone["event_id"], gone["code"]) == (events[0]["event_id"], "withdrawn")


def test_what_a_later_version_left_out_is_in_neither_count(sender):
    kept = sender.event(sender.resident())
    sender.post([kept, sender.event(sender.resident())])
    sender.post([kept], version=2)

    told_ = found(sender)

    assert (told_["ours"]["events"], told_["ours"]["verified"]) == (1, 1)
    assert told_["differing"] == []


def test_another_quantity_counts_as_it_stands(services, client):
    walking = a_sender(services, client, behaviour="demo.walking")
    day = {"ended_at": "2016-04-13T00:00:00+08:00", "quantity": 5_000}
    event = walking.event(walking.resident(), **day)
    walking.post([event])
    (line,) = told(walking.post([event | {"quantity": 6_000}], version=2))

    ours = found(walking)["ours"]

    assert (ours["quantity"], ours["verified_quantity"]) == (6_000, 6_000)
    assert ours["points"] == line["points"]
    assert ours["saved_mg_co2e"] == line["saved_mg_co2e"]


def test_what_came_by_file_counts_too(sender, tmp_path):
    file = tmp_path / "events.ndjson"
    one = sender.resident()
    file.write_bytes(ndjson([sender.event(one), sender.event(one)]))
    import_file(sender.services.database, sender.services.keyring, file, sender.scene)

    told_ = found(sender)

    assert (told_["ours"]["verified"], told_["ours"]["rejected"]) == (1, 1)
    assert told_["differing"][0]["batch_id"] == "file events.ndjson, line 1"


def test_the_list_is_paged_and_complete(sender):
    sent = set()
    for batch in range(4):
        events = [sender.event("nobody", event_id=f"{batch}.{n}") for n in range(5)]
        sender.post(events, f"b{batch}")
        sent |= {event["event_id"] for event in events}
    for limit in (1, 2, 3, 5, 7, 50):
        seen, query, pages = [], {}, 0
        while query is not None:
            page = found(sender, limit=limit, **query)
            assert len(page["differing"]) <= limit
            assert (page["ours"] is None) is (pages > 0)
            seen += [each["event_id"] for each in page["differing"]]
            pages += 1
            query = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        assert len(seen) == len(sent)
        assert set(seen) == sent


def test_a_page_looks_at_some_batches_only(sender, statements):
    for batch in range(25):
        sender.post([sender.event("nobody")], f"b{batch}")
    first = found(sender)
    assert len(first["differing"]) == 20

    second = found(sender, cursor=first["next_cursor"])

    assert len(second["differing"]) == 5
    assert second["next_cursor"] is None


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_operators_and_auditors_read_it_with_their_token(sender, bearer, role):
    sender.post([sender.event("nobody")])

    answer = asked(sender, headers=bearer(role))

    assert answer.json["ours"]["rejected"] == 1


def test_others_do_not_read_it(services, client, sender, bearer):
    other = a_sender(services, client)

    refused(asked(sender, headers=other.signed(b"")), 401, "bad-signature")
    refused(asked(sender, headers=bearer("resident")), 403, "wrong-role")
    refused(asked(sender, headers=bearer("partner", scope=sender.partner)), 403, "wrong-role")
    refused(asked(sender, headers={}), 401, "invalid-token")


def test_an_operator_asks_for_a_scene_that_is_not_there(sender, bearer):
    sender.scene = "no.such"

    refused(asked(sender, headers=bearer("operator")), 404, "unknown-scene")


def test_the_number_of_statements_does_not_grow_with_the_events(sender, statements):
    day = datetime(2016, 4, 12, tzinfo=UTC).date()
    counts, keyring = [], sender.services.keyring
    for number in (2, 40):
        sender.post([sender.event(sender.resident()) for _ in range(number)], f"n{number}")
        with statements() as seen:
            sender.services.database.transact(
                lambda session: reconcile(session, get_feed(session, keyring, sender.scene), day)
            )
        counts.append(len(seen))

    batch = counts[1] - counts[0]
    assert 0 < batch <= 8  # A further batch, twenty times the events.
