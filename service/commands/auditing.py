"""``tanhui audit``: everything recomputed."""

import sys

import click

from service import printing, starting
from service.audits import running
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
        drifts = list(running.drifts(session, services.log.folder, progress=progress))
        totals = running.totals(session)
    click.echo(printing.AUDIT_SHAPES["json" if as_json else "text"](drifts, totals))
    if drifts:
        sys.exit(1)
