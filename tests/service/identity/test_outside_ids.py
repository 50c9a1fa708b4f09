"""Outside ids: found by a keyed hash only, one person's for good, by the thousand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import text

from service.identity.errors import AccountClosed
from service.identity.outside_ids import add_ids, find_holders, move_subjects
from service.identity.vault import Reader, add_people, read_values

NOW = datetime(2026, 5, 1, tzinfo=UTC)
READER = Reader("tester", "operator", "test")


def a_source() -> str:
    return f"partner-{uuid4().hex[:8]}"


def old_ids(session, source, holders):
    """As the release before wrote them."""
    session.execute(
        text("INSERT INTO subject (subject, source, holder_id) VALUES (:value, :source, :holder)"),
        [{"value": v, "source": source, "holder": h} for v, h in holders.items()],
    )


def test_an_id_is_found_under_its_source_alone(session, keyring):
    source, holder = a_source(), uuid4()

    assert add_ids(session, keyring, source, {"卡 1": holder}, now=NOW) == {"卡 1": holder}

    assert find_holders(session, keyring, source, ["卡 1", "卡 2", "卡\0 1"]) == {"卡 1": holder}
    assert find_holders(session, keyring, a_source(), ["卡 1"]) == {}
    assert find_holders(session, keyring, source, []) == {}


def test_it_is_sealed_under_its_person_and_readable_there(session, keyring):
    source, holder = a_source(), uuid4()
    add_ids(session, keyring, source, {"customer-7": holder}, now=NOW)

    (value,) = read_values(session, keyring, holder, reader=READER, now=NOW)

    assert (value.field, value.value) == (source, "customer-7")
    assert value.value_key == keyring.value_key(source, "customer-7")


def test_a_known_id_keeps_its_holder_and_nobody_else_becomes_a_person(session, keyring):
    source, first, second = a_source(), uuid4(), uuid4()
    add_ids(session, keyring, source, {"a": first}, now=NOW)

    assert add_ids(session, keyring, source, {"a": second}, now=NOW) == {"a": first}

    with pytest.raises(AccountClosed):
        read_values(session, keyring, second, reader=READER, now=NOW)


def test_an_ended_id_finds_nobody_and_is_nobody_elses(session, keyring):
    source, holder = a_source(), uuid4()
    add_ids(session, keyring, source, {"a": holder}, now=NOW)
    session.execute(text("UPDATE outside_id SET ended_at = now() WHERE source = :s"), {"s": source})

    assert find_holders(session, keyring, source, ["a"]) == {}
    for who in (holder, uuid4()):
        assert add_ids(session, keyring, source, {"a": who}, now=NOW) == {}


def test_nobody_closed_gets_an_id(session, keyring):
    source, holder = a_source(), uuid4()
    add_people(session, keyring, [holder], now=NOW)
    session.execute(
        text(
            "UPDATE person SET data_key = NULL, master_key_id = NULL, closed_at = now()"
            " WHERE holder_id = :h"
        ),
        {"h": holder},
    )

    with pytest.raises(AccountClosed):
        add_ids(session, keyring, source, {"a": holder}, now=NOW)


def test_ten_thousand_take_as_many_statements_as_one(session, keyring, statements):
    session.connection()
    counts = []
    for many in (1, 10_000):
        source, holders = a_source(), {f"卡 {n}": uuid4() for n in range(many)}
        with statements() as sent:
            assert add_ids(session, keyring, source, holders, now=NOW) == holders
            assert find_holders(session, keyring, source, holders) == holders
        counts.append(len(sent))

    assert counts[0] == counts[1] <= 9


def test_what_the_release_before_kept_is_found_and_keeps_its_holder(fresh_database, keyring):
    holder, other = uuid4(), uuid4()

    def story(session):
        old_ids(session, "metro", {"a": holder})
        old_ids(session, "bus", {"a": other})
        found = find_holders(session, keyring, "metro", ["a", "b", "\0"])
        added = add_ids(session, keyring, "metro", {"a": other, "b": other}, now=NOW)
        return found, added

    found, added = fresh_database.transact(story)

    assert found == {"a": holder}
    assert added == {"a": holder, "b": other}


def test_what_the_release_before_kept_is_moved_step_by_step(fresh_database, keyring, monkeypatch):
    monkeypatch.setattr("service.identity.outside_ids.MOVED_AT_ONCE", 3)
    holders = {f"id '\"{{}},\\ {n}": uuid4() for n in range(7)}
    before, closed, other = uuid4(), uuid4(), uuid4()

    def settle(session):
        add_ids(session, keyring, "metro", {"known": before}, now=NOW)
        add_people(session, keyring, [closed], now=NOW)
        session.execute(
            text(
                "UPDATE person SET data_key = NULL, master_key_id = NULL, closed_at = now()"
                " WHERE holder_id = :h"
            ),
            {"h": closed},
        )
        old_ids(session, "metro", holders | {"known": other, "closed": closed})

    fresh_database.transact(settle)
    step = lambda s: move_subjects(s, keyring, now=NOW)  # noqa: E731 - said once, used thrice.

    moved = [fresh_database.transact(step) for _ in range(4)]

    assert moved[3] is None
    assert [sum(each) for each in zip(*moved[:3], strict=True)] == [7, 1, 1]
    wanted = [*holders, "known", "closed"]
    found = fresh_database.transact(lambda s: find_holders(s, keyring, "metro", wanted))
    assert found == holders | {"known": before}
    left = fresh_database.transact(lambda s: s.scalar(text("SELECT count(*) FROM subject")))
    assert left == 0


def test_a_look_up_during_the_move_misses_nobody(fresh_database, keyring, monkeypatch):
    monkeypatch.setattr("service.identity.outside_ids.MOVED_AT_ONCE", 20)
    holders = {f"a{n}": uuid4() for n in range(200)}
    fresh_database.transact(lambda s: old_ids(s, "metro", holders))

    def move():
        while fresh_database.transact(lambda s: move_subjects(s, keyring, now=NOW)):
            pass

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move)
        looked = 0
        while not moving.done() or not looked:
            found = fresh_database.transact(lambda s: find_holders(s, keyring, "metro", holders))
            assert found == holders
            looked += 1
        moving.result()


def test_many_who_add_the_same_ids_agree_whose_they_are(database, keyring):
    source, values = a_source(), [f"卡 {n}" for n in range(300)]
    start = Barrier(4)

    def add(turn: int):
        wanted = {value: uuid4() for value in values[turn:] + values[:turn]}
        start.wait()
        return database.transact(lambda s: add_ids(s, keyring, source, wanted, now=NOW))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(add, range(4)))

    assert all(answer == answers[0] for answer in answers)
    count = text("SELECT count(*) FROM personal_value WHERE field = :s")
    assert database.transact(lambda s: s.scalar(count, {"s": source})) == len(values)
