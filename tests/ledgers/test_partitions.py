"""Partitions are made ahead, by range of the id; there is none by default."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ledgers.partitions import MONTHS_AHEAD, ensure_partitions, partitions_until
from tests.makers import a_resident, a_walk, recorded


def test_making_them_again_makes_nothing(owner):
    now = datetime.now(UTC)
    with owner.begin() as connection:
        assert ensure_partitions(connection, now=now) == []


def test_time_going_on_makes_only_what_is_missing(owner):
    now = datetime.now(UTC)
    later = now.replace(year=now.year + 1, day=1)
    with owner.begin() as connection:
        before = partitions_until(connection)
        made = ensure_partitions(connection, now=later)
        after = partitions_until(connection)

    assert len(made) == 2 * 12
    assert before == f"{(now.year * 12 + now.month - 1 + MONTHS_AHEAD) // 12}_{now.month:02}"
    assert after > before


def test_a_month_without_partition_is_an_error_and_nothing_is_half_written(fresh_database):
    far = datetime(2090, 1, 1, tzinfo=UTC)
    holder_id = fresh_database.transact(a_resident)

    with pytest.raises(DBAPIError, match="no partition"):
        fresh_database.transact(lambda s: recorded(s, a_walk(holder_id), at=far))

    left = "SELECT (SELECT count(*) FROM received_event) + (SELECT count(*) FROM claim)"
    assert fresh_database.transact(lambda s: s.scalar(text(left))) == 0


def test_an_id_alone_finds_its_partition(fresh_database):
    def plan(session):
        holder_id = a_resident(session, points=5)
        transfer_id = session.scalar(
            text("SELECT id FROM transfer WHERE holder_id = :h"), {"h": holder_id}
        )
        query = "EXPLAIN SELECT * FROM transfer WHERE id = CAST(:id AS uuid)"
        return session.scalars(text(query), {"id": str(transfer_id)}).all()

    scans = [line for line in fresh_database.transact(plan) if " on transfer_" in line]
    assert len(scans) <= 2  # One partition; a bitmap scan names it twice.
