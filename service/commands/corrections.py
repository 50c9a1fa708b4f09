"""``tanhui corrections``: what a wrong factor granted is put right, batch by batch."""

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import click
from sqlalchemy.orm import Session

from activities.changes.adjusting import Key
from activities.changes.corrections import Cause
from activities.changes.recomputing import ACTS_MAX, START, Period, Recomputed, count_of, recompute
from service import starting
from service.admin.log import Act, Actor, record
from service.admin.origin import from_command
from service.commands.lines import line
from service.db import Database
from service.identity.staff.members import check_by
from service.printing import grams
from service.settings import Settings

_DAY = click.DateTime(["%Y-%m-%d"])


class _DryRun(Exception):
    """Takes back what a batch wrote."""


@dataclass(slots=True)
class Totals:
    """What a whole run came to; differences with their sign."""

    activities: int = 0
    changed: int = 0
    saved_mg_co2e: int = 0
    points: int = 0
    without_method: int = 0

    def add(self, batch: Recomputed) -> None:
        self.activities += batch.activities
        self.changed += batch.changed
        self.saved_mg_co2e += batch.saved_mg_co2e
        self.points += batch.points
        self.without_method += batch.without_method


@click.group()
def corrections() -> None:
    """Corrections of what many were granted: a factor found wrong, a period recomputed."""


@corrections.command(
    "recompute",
    epilog="Example: tanhui corrections recompute --programme sh-2026 --behaviour walking"
    " --from 2026-07-01 --to 2026-09-30 --by anna --approved-by ben --reason 'factor of 2025'",
)
@click.option("--programme", required=True, help="Code of the programme.")
@click.option("--behaviour", help="Only this behaviour's acts.")
@click.option("--from", "first", required=True, type=_DAY, metavar="DAY", help="The first day.")
@click.option("--to", "last", required=True, type=_DAY, metavar="DAY", help="The last day.")
@click.option("--by", required=True, callback=line, help="Who corrects.")
@click.option("--approved-by", required=True, callback=line, help="Who approves: somebody else.")
@click.option("--reason", required=True, callback=line, help="Residents and auditors read it.")
@click.option("--dry-run", is_flag=True, help="Say what would change, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recompute_(
    programme: str,
    behaviour: str | None,
    first: datetime,
    last: datetime,
    by: str,
    approved_by: str,
    reason: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Quantify a period's acts anew by what is in force for their days now; book the differences.

    Nothing is overwritten and no decision changes. Safe to stop and to repeat: what comes out as it
    stands is left alone.
    """
    if last < first:
        raise click.BadParameter("the last day is before the first", param_hint="--to")
    period = Period(programme, behaviour, first.date(), last.date())
    cause = Cause(uuid4(), by, reason, approved_by)
    with starting.connected(Settings.from_env()) as services:
        totals = _run(services.database, period, cause, from_command(by), dry_run=dry_run)
    click.echo(_json(totals, dry_run) if as_json else _text(totals, dry_run))


def _run(database: Database, period: Period, cause: Cause, who: Actor, *, dry_run: bool) -> Totals:
    """Batch by batch, each a transaction."""
    totals, after = Totals(), START
    database.transact(lambda session: check_by(session, who.name, cause.approved_by))
    count = database.transact(lambda session: count_of(session, period))
    with click.progressbar(
        length=count, label="recomputing", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        while True:
            batch = _batch(database, period, cause, who, after, dry_run=dry_run)
            totals.add(batch)
            bar.update(batch.activities)
            if batch.activities < ACTS_MAX:
                return totals
            after = batch.after


def _batch(
    database: Database, period: Period, cause: Cause, who: Actor, after: Key, *, dry_run: bool
) -> Recomputed:
    done: list[Recomputed] = []
    now = datetime.now(UTC)

    def work(session: Session) -> None:
        done[:] = [recompute(session, period, cause, now=now, after=after)]  # A retry starts over.
        if dry_run:
            raise _DryRun
        if done[0].changed:
            _record(session, period, cause, who, done[0], now)

    with suppress(_DryRun):
        database.transact(work)
    return done[0]


def _record(
    session: Session, period: Period, cause: Cause, who: Actor, batch: Recomputed, now: datetime
) -> None:
    """A row a batch, as each is committed by itself; those of a run share its id."""
    about = Act(
        "activities.recompute", "recomputation", str(cause.id), programme=period.programme_code
    )
    after = {
        "behaviour": period.behaviour_code,
        "from": period.first,
        "to": period.last,
        "approved_by": cause.approved_by,
        "reason": cause.reason,
        "activities": batch.activities,
        "changed": batch.changed,
        "saved_mg_co2e": batch.saved_mg_co2e,
        "points": batch.points,
    }
    record(session, who, about, before=None, after=after, now=now)


def _text(totals: Totals, dry_run: bool) -> str:
    sign = "-" if totals.saved_mg_co2e < 0 else "+"
    said = (
        f"looked at {totals.activities} activities, {'would change' if dry_run else 'changed'}"
        f" {totals.changed}: {sign}{grams(abs(totals.saved_mg_co2e))} g CO2e,"
        f" {totals.points:+} points"
    )
    if totals.without_method:
        said += f"; {totals.without_method} fit no method any more and stay as they are"
    return said


def _json(totals: Totals, dry_run: bool) -> str:
    facts = {
        "dry_run": dry_run,
        "activities": totals.activities,
        "changed": totals.changed,
        "saved_mg_co2e": totals.saved_mg_co2e,
        "points": totals.points,
        "without_method": totals.without_method,
    }
    return json.dumps(facts)
