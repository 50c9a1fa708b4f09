"""Monthly partitions of the tables that grow, by range of their UUIDv7 id.

There is no default partition: a row with no month to go to is an error, not a surprise later.
Runs as the owner of the schema, beside traffic: making a partition ahead locks no row.
"""

from datetime import UTC, datetime
from itertools import pairwise

from sqlalchemy import Connection, text

from ledgers.ids import uuid7_floor

PARTITIONED = ("transfer", "activity")
MONTHS_AHEAD = 12


def ensure_partitions(connection: Connection, *, now: datetime) -> list[str]:
    """Make what is missing from last month to MONTHS_AHEAD months ahead; returns what was made.

    Safe to repeat. Last month is there for rows whose id was made just before midnight UTC.
    """
    made = []
    months = [_month(now, offset) for offset in range(-1, MONTHS_AHEAD + 2)]
    for table in PARTITIONED:
        for start, end in pairwise(months):
            name = f"{table}_{start:%Y_%m}"
            if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
                _make(connection, table, name, start, end)
                made.append(name)
    return made


def partitions_until(connection: Connection) -> str:
    """The last month for which every growing table has a place, as YYYY_MM; '' for none."""
    names = connection.scalars(
        text(
            "SELECT max(c.relname) FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
            " WHERE p.relname = ANY(:tables) AND c.relkind = 'r' GROUP BY p.relname"
        ),
        {"tables": list(PARTITIONED)},
    ).all()
    return min((name[-7:] for name in names), default="")


def _month(now: datetime, offset: int) -> datetime:
    years, month = divmod(now.year * 12 + now.month - 1 + offset, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)


def _make(connection: Connection, table: str, name: str, start: datetime, end: datetime) -> None:
    """Make and attach: unlike PARTITION OF, attaching does not wait for readers and writers."""
    bounds = f"FROM ('{uuid7_floor(start)}') TO ('{uuid7_floor(end)}')"
    connection.execute(
        text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    )
    connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}"))
    if table == "transfer":  # Row triggers are inherited, those on TRUNCATE are not.
        connection.execute(
            text(
                f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {name}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        )
