"""Every record has its time, and ends when it is over: no sooner, and no table forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from ledgers.ids import uuid7s
from rewards.models import Scan, WebhookMessage
from service.commands.identity import markdown
from service.db import Database
from service.identity import ending
from service.identity.logins.models import LoginSession, RefreshToken, SecurityEvent
from service.identity.models import Delegation, PersonalRead
from service.identity.retention import KINDS
from service.identity.staff.models import Staff, StaffRecoveryCode
from service.jobs import work

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def days(number: float) -> datetime:
    """So long ago."""
    return NOW - timedelta(days=number)


def an_id(at: datetime) -> UUID:
    return UUID(uuid7s(1, at)[0])


def a_session(person, *, began, ended=None, ends_in=180):
    return LoginSession(
        person_id=person,
        id=an_id(began),
        role="resident",
        method="phone",
        device_name="x",
        began_at=began,
        used_at=began,
        ends_at=began + timedelta(days=ends_in),
        ended_at=ended,
        ended_why=ended and "logout",
    )


def a_token(held, *, used=None):
    return RefreshToken(
        person_id=held.person_id,
        token_sha256=uuid4().bytes * 2,
        session_id=held.id,
        issued_at=held.began_at,
        used_at=used,
        used_request_id=used and uuid4(),
    )


def a_read(person, at):
    facts = {"reader": "x", "role": "operator", "fields": ["name"], "purpose": "test"}
    return PersonalRead(holder_id=person, id=an_id(at), read_at=at, **facts)


def an_event(person, at):
    facts = {"kind": "login", "from_network": ""}
    return SecurityEvent(person_id=person, id=an_id(at), happened_at=at, **facts)


def a_delegation(person, ended):
    return Delegation(
        holder_id=person,
        id=uuid4(),
        delegate_id=uuid4(),
        kind="delegate",
        may_spend=False,
        began_at=days(2_000),
        ended_at=ended,
        ended_by=ended and "x",
    )


def a_scan(ends):
    facts = {"merchant_id": uuid4(), "holder_id": uuid4(), "code_device_id": uuid4(), "step": 1}
    return Scan(id=uuid4(), opened_by="till", opened_at=ends, ends_at=ends, **facts)


def a_message(ended):
    state = {"state": "waiting", "next_at": NOW}
    if ended is not None:
        state = {"state": "delivered", "ended_at": ended}
    facts = {"endpoint_id": uuid4(), "merchant_id": uuid4(), "kind": "voucher.consumed"}
    made = days(200)
    return WebhookMessage(
        id=an_id(made), body="{}", made_at=made, give_up_at=made, **facts, **state
    )


def counts(database: Database) -> dict[str, int]:
    models = (
        *(LoginSession, RefreshToken, SecurityEvent, PersonalRead, Delegation),
        *(Scan, WebhookMessage),
    )
    return database.transact(
        lambda s: {
            each.__tablename__: s.scalar(select(func.count()).select_from(each)) for each in models
        }
    )


def running(services, database):
    return replace(services, database=database)


def test_every_table_is_in_one_row_and_every_row_is_of_tables_there_are(session):
    listed = [table for kind in KINDS for table in kind.tables]
    there = session.scalars(
        text(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
    ).all()

    assert sorted(listed) == sorted(there)
    assert all(kind.kept is None or kind.walk or kind.once for kind in KINDS)
    assert all(kind.kept for kind in KINDS if kind.walk or kind.once)


def test_what_is_over_ends_and_the_rest_stays(fresh_database, services):
    person = uuid4()

    def settle(session):
        over = a_session(person, began=days(200), ended=days(90.1))
        ran_out = a_session(person, began=days(280), ends_in=180)
        recent = a_session(person, began=days(200), ended=days(89.9))
        alive = a_session(person, began=days(100))
        session.add_all([over, ran_out, recent, alive])
        session.add_all([a_token(over), a_token(ran_out), a_token(recent), a_token(alive)])
        session.add_all([a_token(alive, used=days(30.1)), a_token(alive, used=days(29.9))])
        session.add_all([an_event(person, days(365.1)), an_event(person, days(364.9))])
        session.add_all([a_read(person, days(1_095.1)), a_read(person, days(1_094.9))])
        session.add_all([a_delegation(person, days(1_095.1)), a_delegation(person, days(1_094.9))])
        session.add(a_delegation(person, None))
        session.add_all([a_scan(days(30.1)), a_scan(days(29.9))])
        session.add_all([a_message(days(90.1)), a_message(days(89.9)), a_message(None)])

    fresh_database.transact(settle)

    first, second = (work.apply_retention(running(services, fresh_database), NOW) for _ in range(2))

    assert first == {"ended": 2 + 2 + 1 + 1 + 1 + 1 + 1 + 1}
    assert second == {"ended": 0}
    assert counts(fresh_database) == {
        "login_session": 2,
        "refresh_token": 3,
        "security_event": 1,
        "personal_read": 1,
        "delegation": 2,
        "scan": 1,
        "webhook_message": 2,
    }


def test_invitations_and_used_codes_of_staff_end(fresh_database, services):
    def staff(login, ends_at):
        return Staff(
            id=uuid4(),
            login=login,
            display_name="x",
            invitation_sha256=uuid4().bytes * 2,
            invitation_ends_at=ends_at,
            made_at=days(100),
            made_by="x",
        )

    old, new = staff("old", days(30.1)), staff("new", days(29.9))
    codes = [
        StaffRecoveryCode(staff_id=new.id, code_sha256=uuid4().bytes, used_at=at)
        for at in (None, days(89), days(91))
    ]
    fresh_database.transact(lambda s: s.add_all([old, new, *codes]))

    assert work.apply_retention(running(services, fresh_database), NOW) == {"ended": 2}

    open_ = select(Staff.login).where(Staff.invitation_sha256.is_not(None))
    assert fresh_database.transact(lambda s: s.scalars(open_).all()) == ["new"]


@pytest.mark.parametrize("hour", [0, 5, 167])
def test_many_people_come_round_whoever_is_first(fresh_database, services, monkeypatch, hour):
    """In steps of some rows; all of a person's rows are in one step."""
    monkeypatch.setattr(ending, "ROWS_AT_ONCE", 7)
    people = [uuid4() for _ in range(30)]

    def settle(session):
        for number, person in enumerate(people):
            session.add_all([an_event(person, days(366 + n)) for n in range(number % 4)])
            session.add(an_event(person, days(1)))

    fresh_database.transact(settle)
    at = NOW + timedelta(hours=hour)

    ended = work.apply_retention(running(services, fresh_database), at)["ended"]

    assert ended == sum(number % 4 for number in range(30))
    assert counts(fresh_database)["security_event"] == 30


def test_each_hour_of_a_week_begins_with_others():
    firsts = {ending.first_of(NOW + timedelta(hours=hour)) for hour in range(2 * ending.SLICES)}

    assert len(firsts) == ending.SLICES
    assert UUID(int=0) in firsts


def test_docs_retention_says_what_the_table_says():
    said = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")

    assert said.endswith(markdown() + "\n"), "tanhui identity retention --markdown"
