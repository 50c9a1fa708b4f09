"""Transfers and postings are never changed: refused by privilege, and by trigger for the owner."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.db import Database, owner_engine
from tests.makers import a_resident

CHANGES = [
    "UPDATE {table} SET kind = 'x'",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
]


@pytest.fixture(scope="module")
def url(copied_database):
    """One for all: whatever is tried here is refused."""
    with copied_database() as found:
        yield found


@pytest.fixture(scope="module")
def written(url):
    database = Database(url)
    database.transact(lambda session: a_resident(session, points=9))
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def owner(url):
    engine = owner_engine(url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("table", ["transfer", "posting"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_service_has_no_privilege_to_change(written, table, change):
    with pytest.raises(DBAPIError, match="permission denied"):
        written.transact(lambda session: session.execute(text(change.format(table=table))))


def test_even_the_owner_is_refused_by_triggers(written, owner):
    with owner.connect() as connection:
        partition = connection.scalar(text("SELECT tableoid::regclass::text FROM transfer"))
    for table in ("transfer", "posting", partition):
        for change in CHANGES:
            with pytest.raises(DBAPIError, match="append-only"), owner.begin() as connection:
                connection.execute(text(change.format(table=table)))
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM transfer")) == 1


@pytest.mark.parametrize(
    "table", ["activity", "adjustment", "received_event", "policy", "redemption"]
)
def test_what_was_recorded_is_not_the_services_to_change(written, table):
    with pytest.raises(DBAPIError, match="permission denied"):
        written.transact(lambda session: session.execute(text(f"DELETE FROM {table}")))


def test_the_database_itself_refuses_a_negative_balance(written, owner):
    with pytest.raises(DBAPIError, match="ck_account_guarded_balance"), owner.begin() as connection:
        connection.execute(text("UPDATE account SET balance = -1 WHERE guarded"))


def test_the_database_itself_refuses_an_amount_of_nothing(written, owner):
    with pytest.raises(DBAPIError, match="ck_transfer_amount"), owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO transfer SELECT holder_id, id, posting_id, 7, unit, debit_account_id,"
                " credit_account_id, 0, kind, reference, occurred_at, reverses_id FROM transfer"
            )
        )
