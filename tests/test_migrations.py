"""Migrations: one line, numbered, agreeing with the models, up and down and up again."""

from datetime import UTC, datetime

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import activities.catalogue.models
import activities.models
import ledgers.models
import rewards.models
import service.admin.models
import service.api_keys.models
import service.audits.models
import service.districts.models
import service.identity.logins.models
import service.identity.models
import service.identity.staff.models
import service.jobs.models
from ledgers.base import Base
from ledgers.partitions import PARTITIONED
from service import migrating


def scripts():
    return list(ScriptDirectory.from_config(migrating._config()).walk_revisions())[::-1]


def test_revisions_are_numbered_in_one_line():
    numbers = [script.revision[:4] for script in scripts()]

    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    assert [script.down_revision for script in scripts()[1:]] == [
        script.revision for script in scripts()[:-1]
    ]


def test_models_and_migrations_agree(owner):
    assert activities.catalogue.models
    assert activities.models
    assert ledgers.models
    assert rewards.models
    assert service.admin.models
    assert service.api_keys.models
    assert service.identity.logins.models
    assert service.identity.models
    assert service.identity.staff.models
    assert service.jobs.models

    def ours(_object, name, kind, reflected, compare_to) -> bool:
        partition = kind == "table" and name.startswith(tuple(f"{t}_2" for t in PARTITIONED))
        return not partition

    with owner.connect() as connection:
        options = {"include_object": ours, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_down_to_nothing_and_up_again(owner):
    before = shape(owner)

    for script in scripts()[::-1]:
        migrating.downgrade(owner, script.down_revision or "base")
    assert shape(owner) == [("alembic_version",)]
    status = migrating.upgrade(owner, now=datetime.now(UTC))

    assert status.current
    assert shape(owner) == before


def shape(engine):
    with engine.connect() as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return sorted(tuple(row) for row in connection.execute(text(query)))


def test_two_programs_may_upgrade_at_once(owner):
    from concurrent.futures import ThreadPoolExecutor

    migrating.downgrade(owner, "0002_activities")
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: migrating.upgrade(owner, now=datetime.now(UTC)), range(3)))

    assert [status.current for status in found] == [True] * 3


def test_an_owner_that_is_no_superuser_takes_on_the_services_role(owner):
    """Who makes a role may administer it since PostgreSQL 16, and not yet take it on."""
    role = next(s.module.ROLE for s in scripts() if s.revision == "0001_ledger")
    with owner.connect() as connection, connection.begin() as undone:
        newer = connection.dialect.server_version_info >= (16,)
        how, privilege = ("ADMIN TRUE, SET FALSE", "SET") if newer else ("ADMIN OPTION", "MEMBER")
        for statement in (
            "CREATE ROLE tanhui_test_owner CREATEROLE",
            f"GRANT tanhui_service TO tanhui_test_owner WITH {how}",
            "SET LOCAL ROLE tanhui_test_owner",
            role,
        ):
            connection.execute(text(statement))
        may = text("SELECT pg_has_role('tanhui_test_owner', 'tanhui_service', :privilege)")
        assert connection.scalar(may, {"privilege": privilege})
        undone.rollback()
