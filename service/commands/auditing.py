"""``tanhui audit``: everything recomputed."""

import sys

import click
from sqlalchemy import select

from activities.audit import audit as audit_activities
from activities.catalogue.models import Programme
from ledgers.audit import audit as audit_ledger
from ledgers.folding import system_balances
from rewards.audit import audit as audit_rewards
from service import printing, starting
from service.settings import Settings


@click.command(epilog="Example: tanhui audit --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(as_json: bool) -> None:
    """Recompute everything from transfers; exit 1 on any drift, each named.

    Balances, lots, holds, snapshots, the programmes' own accounts, activities, redemptions, and
    the published log leaf by leaf. Shows what each programme issued, redeemed and so on.
    """
    with (
        starting.connected(Settings.from_env()) as services,
        services.database.snapshot(unhurried=True) as session,
        printing.audit_progress() as progress,
    ):
        drifts = [
            *audit_ledger(session, services.log.folder, progress=progress),
            *audit_activities(session, progress=progress),
            *audit_rewards(session, progress=progress),
        ]
        totals = {
            programme.code: system_balances(session, programme.holder_id)
            for programme in session.scalars(select(Programme).order_by(Programme.code))
        }
    click.echo(printing.AUDIT_SHAPES["json" if as_json else "text"](drifts, totals))
    if drifts:
        sys.exit(1)
