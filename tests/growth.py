"""The rules of design section 7, read from PostgreSQL's own catalogue.

A rule is a function that answers what breaks it, as (table, why), in a migrated database.
"""

import re
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, text

from ledgers.partitions import PARTITIONED
from service.db import SERVICE_ROLE
from service.distribution import DISTRIBUTED, GROUPS, LOCAL, REFERENCE

Finding = tuple[str, str]
Rule = Callable[[Connection], Iterator[Finding]]

HOLDERS = GROUPS["account"]
RETRY_KEYS = ("posting", "received_event", "claim", "redemption", "consumption", "hold")

# Indexes of the holders' tables that are not led by the holder, each for work over everybody, which
# asks all shards anyway.
NOT_LED = {
    "ix_transfer_posting_id_position": "sealing reads whole postings, of many holders",
    "ix_person_master_key_id": "a rotation's: who is still wrapped by an old master key, of all",
    "ix_transfer_id": "a range of time, of all holders; a BRIN index of some pages",
    "ix_district_resident_day": "reports read a month of all; a BRIN index of some pages",
    "ix_lot_lapses_at": "the job looks for whatever is due",
    "ix_hold_deadline_at": "the job looks for whatever is due",
    "ix_correction_proposed_at": "the queue of all proposals",
    "ix_activity_correction_proposed_at": "the queue of all proposals",
    "ix_review_case_open": "the queue of all cases",
    "ix_appeal_open": "the queue of all appeals",
    "ix_redemption_offer_id": "what an offer sold: a project's progress, an audit",
    "ix_top_up_next_at": "the job looks for whatever is due",
    "ix_top_up_order_id": "the gateway and operators know an order by its own id",
    "ix_settlement_unfinished": "the job takes up whatever was left half made; nearly nothing",
    "ix_top_up_contradicted_at": "what operators look at: nearly nothing",
}

# Only what is hashed and sorted alike on every node: no floats, no collated or own types.
COLUMN_TYPES = {
    *("bigint[]", "text[]", "uuid[]"),
    *("bigint", "boolean", "bytea", "date", "integer", "jsonb", "text", "uuid"),
    "timestamp with time zone",
}

TABLES = """
    SELECT c.oid, c.relname, c.relkind, c.relpersistence FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
      AND c.relnamespace = 'public'::regnamespace
"""


def rows(connection: Connection, query: str, **parameters: object) -> list:
    return list(connection.execute(text(query), parameters))


def columns(connection: Connection) -> dict[str, dict[str, tuple]]:
    """By table and column: (number, type, not null, default, identity, generated)."""
    found: dict[str, dict[str, tuple]] = {}
    query = f"""
        SELECT t.relname, a.attname, a.attnum, format_type(a.atttypid, NULL), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated
        FROM ({TABLES}) AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped
    """
    for table, column, *facts in rows(connection, query):
        found.setdefault(table, {})[column] = tuple(facts)
    return found


def indexes(connection: Connection) -> list:
    """(table, index, unique, primary, its key columns in order; None for an expression)."""
    return rows(
        connection,
        f"""
        SELECT t.relname, i.relname, x.indisunique, x.indisprimary,
               ARRAY(SELECT a.attname::text
                     FROM unnest(x.indkey) WITH ORDINALITY AS k (number, place)
                     LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = k.number
                     WHERE k.place <= x.indnkeyatts ORDER BY k.place)
        FROM ({TABLES}) AS t JOIN pg_index AS x ON x.indrelid = t.oid
        JOIN pg_class AS i ON i.oid = x.indexrelid
        """,
    )


def in_exactly_one_list(connection: Connection) -> Iterator[Finding]:
    lists = [*DISTRIBUTED, *REFERENCE, *LOCAL]
    found = {row.relname: row for row in rows(connection, TABLES)}
    for table, row in found.items():
        if row.relkind not in "rp":
            yield table, "is a view or a foreign table, which nobody spreads"
        elif lists.count(table) != 1:
            yield table, f"stands in {lists.count(table)} lists of service/distribution.py"
        elif row.relpersistence != "p":
            yield table, "is unlogged or temporary"
    for table in lists:
        if table not in found:
            yield table, "stands in service/distribution.py and does not exist"


def distribution_columns(connection: Connection) -> Iterator[Finding]:
    found = columns(connection)
    for first, group in GROUPS.items():
        wanted = found.get(first, {}).get(group[first], (None, None))[1]
        for table, column in group.items():
            facts = found.get(table, {}).get(column)
            if facts is None:
                yield table, f"has no column {column}"
                continue
            _, kind, not_null, default, identity, generated = facts
            if not not_null:
                yield table, f"{column} may be null"
            if kind != wanted:
                yield table, f"{column} is {kind}, that of {first} is {wanted}"
            if default is not None or identity or generated:
                yield table, f"{column} is filled in by the database"


def keys_lead_with_the_column(connection: Connection) -> Iterator[Finding]:
    """For residents' tables every index does, unless it is excused by name."""
    leads = {
        table: [
            (name, key, primary) for of, name, _, primary, key in indexes(connection) if of == table
        ]
        for table in DISTRIBUTED
    }
    for table, column in DISTRIBUTED.items():
        if not any(primary for _, _, primary in leads[table]):
            yield table, "has no primary key"
        for name, key, primary in leads[table]:
            if key[0] != column and (primary or (table in HOLDERS and name not in NOT_LED)):
                yield table, f"{name} is led by {key[0]}, not by {column}"


def unique_keys_hold_the_column(connection: Connection) -> Iterator[Finding]:
    for table, name, unique, _, key in indexes(connection):
        if unique and table in DISTRIBUTED and DISTRIBUTED[table] not in key:
            yield table, f"{name} is unique without {DISTRIBUTED[table]}"


def no_exclusion_or_deferrable_constraint(connection: Connection) -> Iterator[Finding]:
    query = f"""
        SELECT t.relname, c.conname, c.contype, c.condeferrable
        FROM ({TABLES}) AS t JOIN pg_constraint AS c ON c.conrelid = t.oid
    """
    for table, name, kind, deferrable in rows(connection, query):
        if kind == "x":
            yield table, f"{name} is an exclusion constraint"
        if deferrable:
            yield table, f"{name} is deferrable"


def foreign_keys(connection: Connection) -> Iterator[Finding]:
    """To a reference table, or beside: in one group, by the distribution columns."""
    query = f"""
        SELECT t.relname, o.relname, c.conname, c.confdeltype, c.confupdtype,
               ARRAY(SELECT (a.attname, b.attname)::text FROM unnest(c.conkey, c.confkey)
                     AS k (here, there)
                     JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.here
                     JOIN pg_attribute AS b ON b.attrelid = c.confrelid AND b.attnum = k.there)
        FROM ({TABLES}) AS t JOIN pg_constraint AS c ON c.conrelid = t.oid AND c.contype = 'f'
        JOIN pg_class AS o ON o.oid = c.confrelid
    """
    group_of = {table: first for first, group in GROUPS.items() for table in group}
    for table, other, name, on_delete, on_update, pairs in rows(connection, query):
        if {on_delete, on_update} - {"a", "r"}:
            yield table, f"{name} changes rows by itself"
        if table in LOCAL or other in LOCAL:
            yield table, f"{name} ties a table of the coordinator to {other}"
        elif other in REFERENCE:
            continue
        elif table in REFERENCE:
            yield table, f"{name} leads from a reference table to the distributed {other}"
        elif group_of.get(table) != group_of.get(other):
            yield table, f"{name} leads to {other}, which is not kept beside it"
        elif f"({DISTRIBUTED[table]},{DISTRIBUTED[other]})" not in pairs:
            yield table, f"{name} to {other} leaves the distribution column out"


def growing_tables_are_partitioned(connection: Connection) -> Iterator[Finding]:
    """By range of the id alone, which is in the key; no default partition."""
    query = f"""
        SELECT t.relname, p.partstrat, p.partdefid <> 0 AS has_default,
               ARRAY(SELECT a.attname::text FROM unnest(p.partattrs) AS number
                     LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = number)
        FROM ({TABLES}) AS t JOIN pg_partitioned_table AS p ON p.partrelid = t.oid
    """
    found = {row[0]: row[1:] for row in rows(connection, query)}
    for table in PARTITIONED:
        if table not in found:
            yield table, "is not partitioned"
    for table, (strategy, has_default, by) in found.items():
        if table not in PARTITIONED:
            yield table, "is partitioned, and ledgers.partitions does not know it"
        if strategy != "r" or by != ["id"]:
            yield table, f"is partitioned by {by}, not by range of id"
        if has_default:
            yield table, "has a default partition"
        if table in RETRY_KEYS:
            yield table, "holds retry keys and is partitioned"


def no_time_in_a_partitioned_key(connection: Connection) -> Iterator[Finding]:
    found = columns(connection)
    for table, name, _, primary, key in indexes(connection):
        if table in PARTITIONED and primary:
            for column in key:
                kind = found[table][column][1] if column else "an expression"
                if kind.startswith(("timestamp", "date", "an ")):
                    yield table, f"{name} has {column}, which is {kind}"


def no_partition_differs(connection: Connection) -> Iterator[Finding]:
    """One level, and no index or constraint of a partition's own."""
    query = """
        SELECT c.relname, c.relkind, array_remove(array_agg(i.relname::text), NULL) AS own
        FROM pg_class AS c LEFT JOIN pg_index AS x ON x.indrelid = c.oid
        LEFT JOIN pg_class AS i ON i.oid = x.indexrelid AND NOT i.relispartition
        WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') GROUP BY c.relname, c.relkind
    """
    for table, kind, own in rows(connection, query):
        if kind != "r":
            yield table, "is partitioned again, or elsewhere"
        for name in own:
            yield table, f"{name} is an index of this partition alone"


CONSTANT = re.compile(r"-?\d+|'[^']*'::\w+(\[\])?|true|false")


def defaults_are_constants(connection: Connection) -> Iterator[Finding]:
    """Instants and ids are passed in; nothing is counted by the database; nothing is generated."""
    for table, of_table in columns(connection).items():
        for column, (_, _, _, default, identity, generated) in of_table.items():
            if identity:
                yield table, f"{column} is an identity column"
            elif generated:
                yield table, f"{column} is generated"
            elif default is not None and not CONSTANT.fullmatch(default):
                yield table, f"{column} defaults to {default}"


def types_are_plain(connection: Connection) -> Iterator[Finding]:
    for table, of_table in columns(connection).items():
        for column, (_, kind, *_) in of_table.items():
            if kind not in COLUMN_TYPES and table != "alembic_version":
                yield table, f"{column} is {kind}"


def triggers_only_append_only(connection: Connection) -> Iterator[Finding]:
    query = """
        SELECT c.relname, t.tgname, p.proname FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal OR t.tgparentid <> 0
    """
    for table, name, function in rows(connection, query):
        if not name.startswith("append_only") or function != "refuse_change":
            yield table, f"{name} is a trigger that does something"


def no_rules_policies_or_inheritance(connection: Connection) -> Iterator[Finding]:
    query = f"""
        SELECT relname, 'has row level security' FROM pg_class
        WHERE relrowsecurity AND relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT t.relname, 'has a rewrite rule' FROM ({TABLES}) AS t
        JOIN pg_rewrite AS r ON r.ev_class = t.oid AND t.relkind IN ('r', 'p')
        UNION ALL
        SELECT c.relname, 'inherits' FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE NOT c.relispartition AND c.relkind = 'r'
    """
    yield from ((table, why) for table, why in rows(connection, query))


def reference_tables_are_loaded_only(connection: Connection) -> Iterator[Finding]:
    """What residents do changes no row of theirs: the program may add rows, and read. But that of
    the log's readers, whom each node must let pass one by one.
    """
    for table in sorted({*REFERENCE} - {"log_reader"}):
        for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
            may = "SELECT has_table_privilege(:role, CAST(:table AS regclass), :privilege)"
            facts = {"role": SERVICE_ROLE, "table": table, "privilege": privilege}
            if connection.scalar(text(may), facts):
                yield table, f"the program may {privilege} it, and it is a reference table"


RULES: list[Rule] = [
    in_exactly_one_list,
    distribution_columns,
    keys_lead_with_the_column,
    unique_keys_hold_the_column,
    no_exclusion_or_deferrable_constraint,
    foreign_keys,
    growing_tables_are_partitioned,
    no_time_in_a_partitioned_key,
    no_partition_differs,
    defaults_are_constants,
    types_are_plain,
    triggers_only_append_only,
    no_rules_policies_or_inheritance,
    reference_tables_are_loaded_only,
]
