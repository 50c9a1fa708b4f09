"""Growing past one machine: where Citus keeps each table, and what puts it there.

This is the one place that says it. Every table of the schema is in exactly one of the lists below;
``tests/test_growth.py`` holds that against the database's catalogue, with all that Citus asks of a
table's shape, so that no migration can forget it. The program connects to the coordinator.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service import migrating
from service.errors import CommandRefused

# Tables that grow, by the first table of their group, with the column that decides the shard. In a
# group the same value is on the same node: what one resident does is one transaction on one shard.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "account": {
        "account": "holder_id",
        "transfer": "holder_id",
        "lot": "holder_id",
        "hold": "holder_id",
        "activity": "holder_id",
        "tally": "holder_id",
        "participant": "holder_id",
        "redemption": "holder_id",
        "balance_snapshot": "holder_id",
        "commitment_secret": "holder_id",
        "correction": "holder_id",
        "system_bucket": "holder_id",
        "system_fold": "holder_id",
        "adjustment": "holder_id",
        "activity_correction": "holder_id",
        "period_tally": "holder_id",
        "occupied": "holder_id",
        "consent": "holder_id",
        "household": "holder_id",
        "reading": "holder_id",
        "review_case": "holder_id",
        "review_step": "holder_id",
        "appeal": "holder_id",
        "person": "holder_id",
        "personal_value": "holder_id",
        "personal_read": "holder_id",
        "delegation": "holder_id",
        # A person is a resident's holder or one of the staff: by the same hash on the same node.
        "login_session": "person_id",
        "refresh_token": "person_id",
        "security_event": "person_id",
        "acting_for": "delegate_id",
        "top_up": "holder_id",
        # A merchant is a holder of the ledger: its lines are beside their transfers.
        "settlement": "merchant_id",
        "settlement_line": "merchant_id",
        "district_resident": "holder_id",
        "district_late": "holder_id",
    },
    # What must be unique across residents is keyed, and distributed, by that value.
    "posting": {"posting": "id", "log_queue": "posting_id", "sealed_posting": "posting_id"},
    "received_event": {"received_event": "key"},
    "claim": {"claim": "fingerprint"},
    "subject": {"subject": "subject"},
    "outside_id": {"outside_id": "value_key"},
    "device_holder": {"device_holder": "device"},
    "feed_batch": {"feed_batch": "id"},
    # Written once a combination and read by an explanation: beside nothing, on one node.
    "policy": {"policy": "id"},
    # Written by every redemption of an offer, so no reference table: one row, on one node.
    "offer_stock": {
        "offer_stock": "offer_id",
        "stock_change": "offer_id",
        "pool_file": "offer_id",
        "pool_code": "offer_id",
    },
    "budget": {"budget": "id"},  # Written when an offer draws of it.
    "voucher": {"voucher": "code_sha256"},
    "consumption": {"consumption": "id", "double_use": "id"},
    "code_device": {"code_device": "id"},
    "scan": {"scan": "id"},
    "webhook_message": {"webhook_message": "id"},
    # What a dashboard asks is of one division, so on one node.
    "district_day": {
        "district_day": "division_code",
        "district_month": "division_code",
        "district_report": "division_code",
        "reported_value": "division_code",
    },
}

DISTRIBUTED: Mapping[str, str] = {
    table: column for group in GROUPS.values() for table, column in group.items()
}

# A copy on every node, written by operators and never by what residents do. In the order in which
# they refer to each other.
REFERENCE: tuple[str, ...] = (
    "unit",
    "expiry_policy",
    "division",
    "division_merge",
    "programme",
    "partner",
    "behaviour",
    "factor",
    "method",
    "method_material",
    "city_baseline",
    "tariff",
    "rule",
    "scene",
    "scene_change",
    "consent_text",
    "feed_key",
    "merchant",
    "shop",
    "scanner",
    "agreement",
    "donation_project",
    "offer",
    "offer_version",
    "webhook_endpoint",
    "plan_target",
    # Written by the log's readers alone: so one waits on each node until what the one before wrote
    # is to be seen there, which a row of the coordinator would not see to.
    "log_reader",
)

# Plain tables of the coordinator, each with its reason. A write to a reference table takes a lock
# and a commit on every node, which a lease renewed every few seconds should not cost.
LOCAL: Mapping[str, str] = {
    "alembic_version": "Alembic's own row",
    "job_lease": "one row, renewed every few seconds by the runner",
    "job_run": "some thousand rows of the job runner",
    "job_state": "a row a job",
    "log_state": "one row, the lock of the one who seals",
    "log_checkpoint": "a row a checkpoint, written and read by the one who seals",
    "snapshot_month": "a row a month",
    "staff": "some thousand rows, written at logins",
    "staff_recovery_code": "ten a person",
    "staff_grant": "some thousand rows",
    "admin_act": "a row an act of staff, which is one person's work",
    "api_key": "some hundred rows",
    "key_use": "a row a key, written once a minute at most",
    "scene_reminder": "a row a scene and end of its approval, written by a job",
    "picture": "some thousand pictures, read by their hash",
    "audit_run": "a row an audit that somebody asked for",
    "feed_total": "a row a scene and day, written by partners once a day",
}

TABLES = len(DISTRIBUTED) + len(REFERENCE)  # All that Citus keeps.

# Of the database, so that they hold for the program, its jobs and later migrations alike; Citus
# sets them on every node.
SETTINGS: Mapping[str, str] = {
    # The append-only triggers look at nothing but their own row, so they are safe on shards.
    "citus.enable_unsafe_triggers": "on",
    # Otherwise a batch locks whole shards, so that all batches go one after another; and who may
    # only add rows to a reference table may not add them ON CONFLICT. Row locks decide instead, as
    # on one machine; a deadlock between nodes is found by Citus and retried here.
    "citus.all_modifications_commutative": "on",
    # One connection a node in a transaction: its shards are changed in one order, all it reads of a
    # node is of one snapshot, and reference tables may be written after others.
    "citus.multi_shard_modify_mode": "sequential",
    # SET LOCAL of a transaction reaches the workers as well.
    "citus.propagate_set_commands": "local",
    # As the program's own connections have it (service.db), on the workers too.
    "jit": "off",
}


class CannotDistribute(CommandRefused):
    """The database cannot be spread over nodes as it is; one line says why and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement, and what it does in one line."""

    does: str
    statement: str


@dataclass(frozen=True, slots=True)
class Placement:
    """How Citus keeps a table: by a column and in a group of its own number, or everywhere."""

    column: str | None
    group: int


def distribute(engine: Engine, *, say: Callable[[str], None]) -> int:
    """Put every table where it belongs; answers how many were put, each told to ``say``.

    ``engine`` logs in, on the coordinator, as the owner of schema and database. A table a
    transaction: safe to kill and to repeat, and what is in place stays. Rows that are there already
    are copied to their shards, and who writes waits meanwhile. Run it again after each upgrade.

    Raises:
        CannotDistribute: plain PostgreSQL, nodes missing, an old schema, a table that is in no list
            above or is kept in another way by now: nothing was changed. Or Citus refused a table.
    """
    with migrating._only_runner(engine) as connection:
        refuse_unprepared(connection)
        todo = list(missing(connection))
        connection.rollback()
        for step in settings(connection):
            connection.execute(text(step.statement))
        connection.commit()
        for step in todo:
            _put(connection, step)
            say(step.does)
        return len(todo)


def _put(connection: Connection, step: Step) -> None:
    for name, value in SETTINGS.items():  # Those of the database are for new connections.
        connection.execute(text(f"SET LOCAL {name} = '{value}'"))
    try:
        connection.execute(text(step.statement))
        connection.commit()
    except DBAPIError as error:
        why = str(error.orig).splitlines()[0]
        raise CannotDistribute(f"{step.does}: {why}; what was put before stays") from error


def planned(engine: Engine) -> list[str]:
    """The statements that ``distribute`` would run; on plain PostgreSQL, all there are."""
    with engine.connect() as connection:
        refuse_unlisted(connection)
        steps = missing(connection) if _has_citus(connection) else every_step()
        return [step.statement for step in (*settings(connection), *steps)]


def settings(connection: Connection) -> Iterator[Step]:
    """What the database has to be set to."""
    quoted = connection.scalar(text("SELECT quote_ident(current_database())"))
    for name, value in SETTINGS.items():
        yield Step(f"{name} is {value}", f"ALTER DATABASE {quoted} SET {name} = '{value}'")


def every_step() -> Iterator[Step]:
    """All tables, those first to which others refer."""
    for table in REFERENCE:
        yield Step(f"{table}: on every node", f"SELECT create_reference_table('{table}')")
    for first, group in GROUPS.items():
        for table, column in group.items():
            beside = "none" if table == first else first
            yield Step(
                f"{table}: by {column}" + ("" if table == first else f", beside {first}"),
                f"SELECT create_distributed_table('{table}', '{column}',"
                f" colocate_with => '{beside}')",
            )


def missing(connection: Connection) -> Iterator[Step]:
    """The steps not yet done, in a database with Citus.

    Raises:
        CannotDistribute: a table is kept in another way than here.
    """
    found = placements(connection)
    for table in LOCAL:
        if table in found:
            raise CannotDistribute(f"{table} is spread already; it belongs on the coordinator")
    steps = every_step()
    for table in REFERENCE:
        step = next(steps)
        if table not in found:
            yield step
        elif found[table].column is not None:
            raise CannotDistribute(f"{table} is distributed already; it belongs on every node")
    for first, group in GROUPS.items():
        for table, column in group.items():
            step = next(steps)
            if table not in found:
                yield step
            elif found[table].column != column:
                by = found[table].column or "no column, a reference table"
                raise CannotDistribute(f"{table} is distributed already, by {by} and not {column}")
            elif first not in found or found[table].group != found[first].group:
                raise CannotDistribute(f"{table} is distributed already, but not beside {first}")


_PLACED = text("""
    SELECT c.relname, CASE WHEN p.partmethod = 'h'
                           THEN column_to_column_name(p.logicalrelid, p.partkey) END, p.colocationid
    FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid
    WHERE NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
      AND (p.partmethod = 'h' OR p.repmodel = 't')
""")


def placements(connection: Connection) -> dict[str, Placement]:
    """What Citus keeps by now. What it only knows of, as a reference table is referred to from
    there, is not in place.
    """
    rows = connection.execute(_PLACED)
    return {table: Placement(column, group) for table, column, group in rows}


_TABLES = text("""
    SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
    ORDER BY relname
""")


def unlisted(connection: Connection) -> list[str]:
    """Tables of the database about which the lists above say nothing."""
    listed = {*DISTRIBUTED, *REFERENCE, *LOCAL}
    return [table for table in connection.scalars(_TABLES) if table not in listed]


def refuse_unlisted(connection: Connection) -> None:
    """Raises CannotDistribute when nobody decided where a table belongs."""
    if tables := unlisted(connection):
        raise CannotDistribute(f"nobody said where {', '.join(tables)} belongs")


def refuse_unprepared(connection: Connection) -> None:
    """Raises CannotDistribute where this is not the coordinator of a cluster, or the schema is not
    this program's.
    """
    if not _has_citus(connection):
        raise CannotDistribute(
            "this is plain PostgreSQL: Citus must be installed and preloaded on every node, then"
            " CREATE EXTENSION citus in this database (docs/operators.md)"
        )
    if connection.scalar(text("SELECT groupid FROM pg_dist_local_group")) != 0:
        raise CannotDistribute("this is a worker: connect to the coordinator")
    nodes = connection.execute(
        text("SELECT groupid, shouldhaveshards FROM pg_dist_node WHERE isactive")
    ).all()
    if not any(group == 0 for group, _ in nodes):
        raise CannotDistribute(
            "the coordinator does not know its own address: SELECT citus_set_coordinator_host(…)"
        )
    if not any(has_shards for _, has_shards in nodes):
        raise CannotDistribute("there is no worker yet: SELECT citus_add_node(…) for each")
    found = migrating.status(connection)
    if not found.current:
        raise CannotDistribute(
            f"the schema is at {found.revision}, not {found.head}: tanhui db upgrade"
        )
    refuse_unlisted(connection)


def _has_citus(connection: Connection) -> bool:
    query = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
    return bool(connection.scalar(query))
