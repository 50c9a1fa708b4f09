"""Growth: every table keeps the rules of design section 7, and each rule is known to look.

The rules are in ``tests.growth``. A later migration that adds a table and says nowhere where it
belongs fails here.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from service.db import SERVICE_ROLE, owner_engine
from tests.growth import (
    NOT_LED,
    RULES,
    Rule,
    defaults_are_constants,
    distribution_columns,
    foreign_keys,
    growing_tables_are_partitioned,
    in_exactly_one_list,
    indexes,
    keys_lead_with_the_column,
    no_exclusion_or_deferrable_constraint,
    no_partition_differs,
    no_rules_policies_or_inheritance,
    no_time_in_a_partitioned_key,
    reference_tables_are_loaded_only,
    triggers_only_append_only,
    types_are_plain,
    unique_keys_hold_the_column,
)

ROOT = Path(__file__).resolve().parent.parent


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


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_table_keeps_the_rules_of_growth(catalogue, rule):
    assert sorted(set(rule(catalogue))) == []


# --- Each rule finds what breaks it ---------------------------------------------------------------

NEW = "CREATE TABLE stray (holder_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (holder_id, id))"
PART = "CREATE TABLE part PARTITION OF transfer"

BROKEN: list[tuple[Rule, str, str, str]] = [
    (in_exactly_one_list, NEW, "stray", "0 lists"),
    (in_exactly_one_list, "ALTER TABLE tariff RENAME TO price", "tariff", "does not exist"),
    (in_exactly_one_list, "ALTER TABLE job_run SET UNLOGGED", "job_run", "unlogged"),
    (in_exactly_one_list, "CREATE VIEW rich AS SELECT 1 AS n", "rich", "is a view"),
    (distribution_columns, "ALTER TABLE tally RENAME holder_id TO who", "tally", "has no column"),
    (
        distribution_columns,
        "ALTER TABLE lot DROP CONSTRAINT pk_lot, ALTER holder_id DROP NOT NULL",
        "lot",
        "may be null",
    ),
    (
        distribution_columns,
        "ALTER TABLE hold ALTER holder_id TYPE text USING holder_id::text",
        "hold",
        "is text, that of account is uuid",
    ),
    (
        distribution_columns,
        "ALTER TABLE claim ALTER fingerprint SET DEFAULT gen_random_uuid()",
        "claim",
        "filled in",
    ),
    (
        keys_lead_with_the_column,
        "ALTER TABLE hold DROP CONSTRAINT pk_hold,"
        " ADD CONSTRAINT pk_hold PRIMARY KEY (id, holder_id)",
        "hold",
        "pk_hold is led by id",
    ),
    (
        keys_lead_with_the_column,
        "ALTER TABLE consumption DROP CONSTRAINT pk_consumption",
        "consumption",
        "no primary key",
    ),
    (
        keys_lead_with_the_column,
        "CREATE INDEX ix_new ON activity (scene_code, holder_id)",
        "activity",
        "ix_new is led by scene_code",
    ),
    (
        keys_lead_with_the_column,
        "CREATE INDEX ix_new ON activity (lower(event_id))",
        "activity",
        "ix_new is led by None",
    ),
    (
        unique_keys_hold_the_column,
        "CREATE UNIQUE INDEX uq_new ON redemption (id)",
        "redemption",
        "unique without holder_id",
    ),
    (
        unique_keys_hold_the_column,
        "CREATE UNIQUE INDEX uq_new ON voucher (redemption_id) INCLUDE (code_sha256)",
        "voucher",
        "unique without code_sha256",
    ),
    (
        no_exclusion_or_deferrable_constraint,
        "ALTER TABLE tariff ADD CONSTRAINT ex_new"
        " EXCLUDE USING gist (daterange(valid_from, valid_to) WITH &&) WHERE (false)",
        "tariff",
        "exclusion",
    ),
    (
        no_exclusion_or_deferrable_constraint,
        "ALTER TABLE tally ADD CONSTRAINT uq_new"
        " UNIQUE (holder_id, day, behaviour_code) DEFERRABLE",
        "tally",
        "deferrable",
    ),
    (
        foreign_keys,
        "ALTER TABLE voucher ADD UNIQUE (redemption_id);"
        "ALTER TABLE offer ADD CONSTRAINT fk_new"
        " FOREIGN KEY (id) REFERENCES voucher (redemption_id)",
        "offer",
        "from a reference table to the distributed voucher",
    ),
    (
        foreign_keys,
        "ALTER TABLE transfer ADD CONSTRAINT fk_new"
        " FOREIGN KEY (posting_id) REFERENCES posting (id)",
        "transfer",
        "not kept beside it",
    ),
    (
        foreign_keys,
        "ALTER TABLE account ADD UNIQUE (id);"
        "ALTER TABLE lot ADD CONSTRAINT fk_new FOREIGN KEY (account_id) REFERENCES account (id)",
        "lot",
        "leaves the distribution column out",
    ),
    (
        foreign_keys,
        "ALTER TABLE job_run ADD CONSTRAINT fk_new FOREIGN KEY (job) REFERENCES job_state (job)",
        "job_run",
        "table of the coordinator",
    ),
    (
        foreign_keys,
        "ALTER TABLE lot ADD CONSTRAINT fk_new FOREIGN KEY (holder_id, account_id)"
        " REFERENCES account (holder_id, id) ON DELETE CASCADE",
        "lot",
        "changes rows by itself",
    ),
    (
        growing_tables_are_partitioned,
        "DROP TABLE activity; CREATE TABLE activity (holder_id uuid, id uuid)",
        "activity",
        "is not partitioned",
    ),
    (growing_tables_are_partitioned, f"{PART} DEFAULT", "transfer", "default partition"),
    (
        growing_tables_are_partitioned,
        "CREATE TABLE stray (id uuid, at date) PARTITION BY RANGE (at)",
        "stray",
        "does not know it",
    ),
    (
        growing_tables_are_partitioned,
        "DROP TABLE transfer; CREATE TABLE transfer (id uuid, occurred_at timestamptz)"
        " PARTITION BY RANGE (occurred_at)",
        "transfer",
        "by ['occurred_at'], not by range of id",
    ),
    (
        growing_tables_are_partitioned,
        "DROP TABLE claim; CREATE TABLE claim (id uuid) PARTITION BY RANGE (id)",
        "claim",
        "holds retry keys",
    ),
    (
        no_time_in_a_partitioned_key,
        "ALTER TABLE transfer DROP CONSTRAINT pk_transfer,"
        " ADD CONSTRAINT pk_transfer PRIMARY KEY (holder_id, id, occurred_at)",
        "transfer",
        "pk_transfer has occurred_at",
    ),
    (
        no_partition_differs,
        "CREATE TABLE part PARTITION OF activity"
        " FOR VALUES FROM ('00000000-0000-0000-0000-000000000000')"
        " TO ('00000000-0000-0000-0000-000000000001');"
        "CREATE INDEX ix_part ON part (day)",
        "part",
        "ix_part is an index of this partition alone",
    ),
    (
        no_partition_differs,
        "CREATE TABLE part PARTITION OF activity"
        " FOR VALUES FROM ('00000000-0000-0000-0000-000000000000')"
        " TO ('00000000-0000-0000-0000-000000000001') PARTITION BY HASH (id)",
        "part",
        "partitioned again",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE posting ALTER recorded_at SET DEFAULT now()",
        "posting",
        "defaults to now()",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE hold ALTER reserved_at SET DEFAULT clock_timestamp()",
        "hold",
        "defaults to clock_timestamp()",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE consumption ALTER id SET DEFAULT gen_random_uuid()",
        "consumption",
        "defaults to gen_random_uuid()",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE lot ADD COLUMN number bigserial",
        "lot",
        "defaults to nextval(",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE lot ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
        "lot",
        "identity column",
    ),
    (
        defaults_are_constants,
        "ALTER TABLE lot ADD COLUMN twice bigint GENERATED ALWAYS AS (remaining * 2) STORED",
        "lot",
        "twice is generated",
    ),
    (types_are_plain, "ALTER TABLE tally ADD COLUMN kg float8", "tally", "kg is double precision"),
    (
        types_are_plain,
        "CREATE TYPE mood AS ENUM ('good'); ALTER TABLE tally ADD COLUMN mood mood",
        "tally",
        "mood is mood",
    ),
    (
        types_are_plain,
        "ALTER TABLE hold ADD COLUMN until timestamp",
        "hold",
        "until is timestamp without time zone",
    ),
    (
        triggers_only_append_only,
        "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER busy BEFORE INSERT ON activity FOR EACH ROW EXECUTE FUNCTION busy()",
        "activity",
        "busy is a trigger that does something",
    ),
    (
        no_rules_policies_or_inheritance,
        "ALTER TABLE account ENABLE ROW LEVEL SECURITY",
        "account",
        "row level security",
    ),
    (
        no_rules_policies_or_inheritance,
        "CREATE RULE keep AS ON DELETE TO account DO INSTEAD NOTHING",
        "account",
        "rewrite rule",
    ),
    (no_rules_policies_or_inheritance, "CREATE TABLE heir () INHERITS (lot)", "heir", "inherits"),
    (
        reference_tables_are_loaded_only,
        f"GRANT UPDATE ON offer TO {SERVICE_ROLE}",
        "offer",
        "may UPDATE it",
    ),
]


@pytest.mark.parametrize(("rule", "change", "table", "why"), BROKEN)
def test_a_broken_rule_is_found_and_named(catalogue, rule, change, table, why):
    catalogue.execute(text(change))

    found = [reason for name, reason in rule(catalogue) if name == table]
    assert any(why in reason for reason in found), found


def test_every_rule_has_been_seen_to_find_something():
    assert {rule for rule, *_ in BROKEN} == set(RULES)


def test_an_excused_index_exists(catalogue):
    assert {name for _, name, *_ in indexes(catalogue)} >= NOT_LED.keys()


# --- Instants are passed in -----------------------------------------------------------------------

CLOCKS = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(\s*\)"
    r"|\b(CURRENT_TIMESTAMP|CURRENT_DATE|CURRENT_TIME|LOCALTIMESTAMP|LOCALTIME)\b"
    r"|\bfunc\.(now|clock_timestamp|current_timestamp|current_date|localtimestamp)\b"
)
DOMAINS = ("ledgers", "activities", "rewards", "service/districts", "migrations/versions")


def clocks(source: str) -> list[str]:
    """The database's clocks in a source; Python's own is always given a zone."""
    return [found[0] for found in CLOCKS.finditer(source)]


def test_no_statement_of_the_domains_asks_the_databases_clock():
    asked = {
        str(path.relative_to(ROOT)): found
        for folder in DOMAINS
        for path in (ROOT / folder).rglob("*.py")
        if (found := clocks(path.read_text()))
    }
    assert asked == {}


@pytest.mark.parametrize(
    "source",
    ['text("UPDATE hold SET ended_at = now()")', "DEFAULT CURRENT_TIMESTAMP", "func.now()"],
)
def test_a_clock_in_a_statement_is_found(source):
    assert clocks(source)
    assert not clocks("datetime.now(UTC)")


# --- What Citus refuses in an UPDATE --------------------------------------------------------------

# A column and an interval added (stable, as it depends on the zone), and a row by its place.
REFUSED = re.compile(r"\binterval\s*'|\bAS interval\b|\bmake_interval\b|\bctid\b", re.IGNORECASE)
STATEMENTS = ("ledgers", "activities", "rewards", "service", "migrations")


def test_no_statement_reckons_with_intervals_or_names_a_row_by_its_place():
    """Instants are worked out here and passed in; rows have keys."""
    refused = {
        str(path.relative_to(ROOT)): found
        for folder in STATEMENTS
        for path in (ROOT / folder).rglob("*.py")
        if (found := REFUSED.findall(path.read_text()))
    }
    assert refused == {}


@pytest.mark.parametrize(
    "source",
    [
        "SET next_at = next_at + interval '1 hour'",
        "next_at + CAST(:wait AS interval)",
        "WHERE ctid = :place",
    ],
)
def test_what_is_refused_in_a_statement_is_found(source):
    assert REFUSED.search(source)
    assert not REFUSED.search("min_interval_s")
