"""The admin log is added to and never changed; an act and its row are one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from activities.reviewing.errors import CaseClosed
from activities.reviewing.review import Decision
from ledgers.corrections import Grant, approve, propose
from ledgers.models import Correction, Posting
from service.admin import objects
from service.admin.batches import decide
from service.admin.log import Act, Actor, acting, plain, record, record_many
from service.admin.models import AdminAct
from service.admin.objects import acting_on
from tests.makers import NOW, a_resident, programme_holder
from tests.reviewing import LIMIT, a_place

ANNA = Actor("anna", "operator", "*", "api", "192.0.2.7", "request-1")
BEN = Actor("ben", "operator", "*", "api", "192.0.2.8", "request-2")
CHANGES = ["UPDATE admin_act SET actor = 'x'", "DELETE FROM admin_act", "TRUNCATE admin_act"]


def rows(database, **equal):
    query = select(AdminAct).filter_by(**equal).order_by(AdminAct.id)
    return database.transact(lambda session: session.scalars(query).all())


def proposed(session, holder_id, correction_id, *, who=ANNA, points=5):
    return acting_on(
        session,
        who,
        "correction.propose",
        objects.correction(session, holder_id, correction_id),
        lambda: propose(
            session,
            correction_id,
            holder_id=holder_id,
            reversals={},
            grant=Grant(programme_holder(session), "point", points),
            reason="漏记",
            proposed_by=who.name,
            now=NOW,
        ),
        now=datetime.now(UTC),
    )


def approved(session, holder_id, correction_id, *, who=BEN):
    return acting_on(
        session,
        who,
        "correction.approve",
        objects.correction(session, holder_id, correction_id),
        lambda: approve(session, correction_id, holder_id=holder_id, approved_by=who.name, now=NOW),
        now=datetime.now(UTC),
    )


# --- Append-only ----------------------------------------------------------------------------------


@pytest.fixture
def written(fresh_database):
    def work(session):
        record(session, ANNA, Act("x.do", "x", "1"), before=None, after={"n": 1}, now=NOW)

    fresh_database.transact(work)
    return fresh_database


@pytest.mark.parametrize("change", CHANGES)
def test_the_service_has_no_privilege_to_change_it(written, change):
    with pytest.raises(DBAPIError, match="permission denied"):
        written.transact(lambda session: session.execute(text(change)))


def test_even_the_owner_is_refused_by_triggers(written, owner):
    for change in CHANGES:
        with pytest.raises(DBAPIError, match="append-only"), owner.begin() as connection:
            connection.execute(text(change))
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM admin_act")) == 1


# --- One transaction ------------------------------------------------------------------------------


def test_a_commit_that_fails_leaves_neither_act_nor_row(fresh_database, owner):
    holder_id = fresh_database.transact(a_resident)
    with owner.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'the disk is full'; END $$;"
                "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON admin_act"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
            )
        )

    with pytest.raises(DBAPIError, match="the disk is full"):
        fresh_database.transact(lambda s: proposed(s, holder_id, uuid4()))

    assert rows(fresh_database) == []
    count = select(func.count()).select_from(Correction)
    assert fresh_database.transact(lambda s: s.scalar(count)) == 0


def test_what_cannot_be_written_down_is_not_done(fresh_database, owner):
    holder_id, id_ = fresh_database.transact(a_resident), uuid4()
    fresh_database.transact(lambda s: proposed(s, holder_id, id_))
    with owner.begin() as connection:
        connection.execute(text("REVOKE INSERT ON admin_act FROM tanhui_service"))

    with pytest.raises(DBAPIError, match="permission denied"):
        fresh_database.transact(lambda s: approved(s, holder_id, id_))

    assert fresh_database.transact(lambda s: s.get(Posting, id_)) is None


def test_of_the_same_act_at_once_one_is_written_down(database):
    holder_id, id_ = database.transact(a_resident), uuid4()
    for act in (proposed, approved):
        start = Barrier(4)

        def do(_, act=act, start=start):
            start.wait()
            return database.transact(lambda s: act(s, holder_id, id_).state)

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(do, range(4)))) == 1
    assert [row.what for row in rows(database, object_id=str(id_))] == [
        "correction.propose", "correction.approve",
    ]  # fmt: skip


def test_a_row_says_how_it_was_before_and_after(database):
    holder_id, id_ = database.transact(a_resident), uuid4()
    database.transact(lambda s: proposed(s, holder_id, id_))
    database.transact(lambda s: approved(s, holder_id, id_))

    made, done = rows(database, object_id=str(id_))

    assert made.before is None
    assert made.after == done.before
    assert done.before["state"], done.after["state"] == ("proposed", "approved")
    assert done.after["decided_by"] == "ben"
    assert done.after["grant"]["amount"] == 5
    assert (done.actor, done.from_address, done.request_id) == ("ben", "192.0.2.8", "request-2")
    assert (done.programme_code, done.holder_id) == ("demo-2016", holder_id)


def test_what_is_nobodys_programme_is_under_the_actors(session):
    for programme in ("demo-2016", "*"):
        who = Actor("anna", "operator", programme, "command", "anna@here", "")
        kind = uuid4().hex
        record(session, who, Act("x.do", kind, "1"), before=None, after={}, now=NOW)
        (row,) = session.scalars(select(AdminAct).filter_by(object_kind=kind))
        assert row.programme_code == programme


def test_what_changed_nothing_is_not_written_down(session):
    kind = uuid4().hex
    now = datetime.now(UTC)

    done = acting(
        session, ANNA, Act("x.do", kind, "1"), state=lambda: {"at": now}, work=lambda: 7, now=now
    )

    assert done == 7
    assert session.scalars(select(AdminAct).filter_by(object_kind=kind)).all() == []


def test_a_state_holds_facts_and_no_objects(session):
    with pytest.raises(TypeError):
        plain({"row": AdminAct()})
    with pytest.raises(TypeError):
        plain({"secret": b"bytes"})
    record_many(session, ANNA, [], now=NOW)


# --- Many at once ---------------------------------------------------------------------------------


@pytest.fixture
def held(database):
    """Keys of so many held acts of different residents."""

    def make(count):
        def work(session):
            place = a_place(session)
            return [place.held() for _ in range(count)]

        return database.transact(work)

    return make


def rejecting(keys, **more):
    return [Decision(uuid4(), *key, "reject", "anna", "照片不符", **more) for key in keys]


def test_many_decisions_have_a_row_each_in_a_fixed_number_of_statements(session, held, statements):
    session.connection()  # Its savepoint is not ours to count.
    counts = []
    for size in (2, 40):
        decisions = rejecting(held(size))
        with statements() as seen:
            decide(session, ANNA, decisions, two_persons_above_points=LIMIT, now=NOW)
        counts.append(len(seen))
        for one in decisions:
            query = select(AdminAct).filter_by(object_id=str(one.activity_id))
            (row,) = session.scalars(query)
            assert (row.what, row.holder_id) == ("review.reject", one.holder_id)
            assert (row.before["state"], row.after["state"]) == ("open", "closed")
    assert counts[0] == counts[1]


def test_of_many_the_retries_have_no_second_row(database, held):
    first, second = (rejecting([key]) for key in held(2))
    for decisions in (first, first + second):
        database.transact(
            lambda s, d=decisions: decide(s, ANNA, d, two_persons_above_points=LIMIT, now=NOW)
        )

    for one in first + second:
        assert len(rows(database, object_id=str(one.activity_id))) == 1


def test_where_one_of_many_is_refused_nothing_is_written_down(database, held):
    done, waiting = held(2)
    database.transact(
        lambda s: decide(s, ANNA, rejecting([done]), two_persons_above_points=LIMIT, now=NOW)
    )

    with pytest.raises(CaseClosed):
        database.transact(
            lambda s: decide(
                s, ANNA, rejecting([waiting, done]), two_persons_above_points=LIMIT, now=NOW
            )
        )

    assert rows(database, object_id=str(waiting[1])) == []
