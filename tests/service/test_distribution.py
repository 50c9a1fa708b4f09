"""tanhui db distribute: what it refuses, what it would run, and that it can be interrupted.

Citus is not there; a stand-in for its catalogue is enough for what is skipped and what is refused.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from service import distribution
from service.db import owner_engine
from service.distribution import LOCAL
from tests.growth import TABLES, rows
from tests.service.commanding import Run, in_process


@pytest.fixture(scope="module")
def migrated(copied_database: Callable[[], AbstractContextManager[str]]) -> Iterator[Engine]:
    """The owner of a migrated database, in which nobody commits."""
    with copied_database() as url:
        engine = owner_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def catalogue(migrated: Engine) -> Iterator[Connection]:
    """What is done here is rolled back."""
    with migrated.connect() as connection:
        yield connection
        connection.rollback()


def test_plain_postgresql_is_refused_and_nothing_changes(owner):
    said = []
    with pytest.raises(distribution.CannotDistribute, match="this is plain PostgreSQL"):
        distribution.distribute(owner, say=said.append)

    assert said == []
    with owner.connect() as connection:
        assert rows(connection, "SELECT 1 FROM pg_db_role_setting JOIN pg_database"
                    " ON oid = setdatabase WHERE datname = current_database()") == []  # fmt: skip


@pytest.fixture
def tanhui(migrated: Engine, tmp_path: Path) -> Run:
    environ = {
        "TANHUI_DATABASE_URL": migrated.url.render_as_string(hide_password=False),
        "TANHUI_REDIS_URL": "redis://localhost:1/0",  # Not asked.
        "TANHUI_VAR_DIR": str(tmp_path),
    }
    return in_process(environ)


def test_the_command_refuses_plain_postgresql_in_one_line(tanhui):
    done = tanhui("db", "distribute")

    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"tanhui: this is plain PostgreSQL: .*\n", done.stderr)


def test_a_dry_run_prints_the_statements_on_plain_postgresql_too(tanhui, migrated):
    done = tanhui("db", "distribute", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{line};" for line in distribution.planned(migrated)]


def test_the_plan_names_every_table_of_the_catalogue_once(migrated, catalogue):
    statements = distribution.planned(migrated)

    put = re.findall(r"create_(?:reference|distributed)_table\('(\w+)'", "\n".join(statements))
    tables = {row.relname for row in rows(catalogue, TABLES)}
    assert sorted(put) == sorted(tables - LOCAL.keys())
    assert len(put) == distribution.TABLES


def test_the_plan_comes_in_an_order_that_citus_takes(migrated, catalogue):
    """What is referred to first; a group's first table before those beside it."""
    put = [
        (found[1], found[2])
        for line in distribution.planned(migrated)
        if (found := re.search(r"create_\w+_table\('(\w+)'(?:.*colocate_with => '(\w+)')?", line))
    ]
    places = {table: place for place, (table, _) in enumerate(put)}
    query = """
        SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND conparentid = 0
    """
    links = rows(catalogue, query)
    assert [(a, b) for a, b in links if places[b] >= places[a]] == []
    for table, beside in put:
        assert beside in (None, "none") or places[beside] < places[table]


def test_a_table_that_nobody_placed_stops_the_plan(owner):
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE stray (id uuid PRIMARY KEY)"))

    with pytest.raises(distribution.CannotDistribute, match="nobody said where stray belongs"):
        distribution.planned(owner)


# A stand-in for what Citus keeps, enough for what is skipped and what is refused.
CATALOGUE_OF_CITUS = """
    CREATE TABLE pg_dist_partition
        (logicalrelid regclass, partmethod "char", partkey text, colocationid int, repmodel "char");
    CREATE FUNCTION column_to_column_name(regclass, text) RETURNS text LANGUAGE sql
        AS 'SELECT $2';
"""


@pytest.fixture
def cluster(catalogue: Connection) -> Connection:
    """A database that says of a few tables where they are."""
    catalogue.execute(text(CATALOGUE_OF_CITUS))
    return catalogue


def place(connection: Connection, table: str, method: str, column: str | None, group: int) -> None:
    kind = "t" if method == "n" else "s"
    values = {"table": table, "method": method, "column": column, "group": group, "kind": kind}
    statement = "INSERT INTO pg_dist_partition VALUES (:table, :method, :column, :group, :kind)"
    connection.execute(text(statement), values)


def test_what_is_in_place_is_skipped(cluster):
    everything = [step.statement for step in distribution.every_step()]
    assert [step.statement for step in distribution.missing(cluster)] == everything

    place(cluster, "unit", "n", None, 1)
    place(cluster, "account", "h", "holder_id", 2)
    place(cluster, "transfer", "h", "holder_id", 2)

    left = [step.statement for step in distribution.missing(cluster)]
    done = [line for line in everything if line not in left]
    assert [re.search(r"'(\w+)'", line)[1] for line in done] == ["unit", "account", "transfer"]


@pytest.mark.parametrize(
    ("placed", "why"),
    [
        ([("unit", "h", "code", 9)], "unit is distributed already; it belongs on every node"),
        ([("account", "h", "id", 2)], "account is distributed already, by id and not holder_id"),
        ([("account", "n", None, 2)], "account is distributed already, by no column"),
        (
            [("account", "h", "holder_id", 2), ("lot", "h", "holder_id", 3)],
            "lot is distributed already, but not beside account",
        ),
        ([("log_state", "n", None, 1)], "log_state is spread already"),
    ],
)
def test_what_is_kept_in_another_way_is_refused_by_name(cluster, placed, why):
    for facts in placed:
        place(cluster, *facts)

    with pytest.raises(distribution.CannotDistribute, match=why):
        list(distribution.missing(cluster))


# Citus' functions, as far as a run needs them; ``lot`` is refused until somebody allows it.
FUNCTIONS_OF_CITUS = """
    CREATE TABLE pg_dist_local_group (groupid int);
    CREATE FUNCTION create_reference_table(named text) RETURNS void LANGUAGE sql AS $$
        INSERT INTO pg_dist_partition VALUES (named::regclass, 'n', NULL, 1, 't') $$;
    CREATE FUNCTION create_distributed_table(named text, key text, colocate_with text)
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF named = 'lot' AND current_setting('tanhui.lot', true) IS NULL THEN
            RAISE EXCEPTION 'no room for a lot';
        END IF;
        INSERT INTO pg_dist_partition SELECT named::regclass, 'h', key, coalesce(
            (SELECT colocationid FROM pg_dist_partition
             WHERE logicalrelid = to_regclass(nullif(colocate_with, 'none'))),
            (SELECT coalesce(max(colocationid), 1) + 1 FROM pg_dist_partition)), 's';
    END $$;
"""


def test_interrupted_it_goes_on_where_it_was(owner, monkeypatch):
    monkeypatch.setattr(distribution, "refuse_unprepared", lambda connection: None)
    with owner.begin() as connection:
        connection.execute(text(CATALOGUE_OF_CITUS + FUNCTIONS_OF_CITUS))
    said: list[str] = []

    with pytest.raises(distribution.CannotDistribute, match="no room for a lot"):
        distribution.distribute(owner, say=said.append)
    assert said[-1] == "transfer: by holder_id, beside account"
    owner.dispose()
    with owner.begin() as connection:
        name = connection.scalar(text("SELECT quote_ident(current_database())"))
        connection.execute(text(f"ALTER DATABASE {name} SET tanhui.lot = 'now'"))
    owner.dispose()
    put = distribution.distribute(owner, say=said.append)

    assert len(said) == len(set(said)) == distribution.TABLES
    assert put == distribution.TABLES - said.index("lot: by holder_id, beside account")
    assert distribution.distribute(owner, say=said.append) == 0
