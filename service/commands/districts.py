"""``tanhui districts``: the roll-ups of districts."""

import click

from service import printing, starting
from service.districts.rollups import rebuilding, summing
from service.districts.rollups.reading import log_size
from service.settings import Settings


@click.group()
def districts() -> None:
    """Districts' figures, as they are summed."""


@districts.command(epilog="Example: tanhui districts rebuild")
def rebuild() -> None:
    """Sum the districts' figures once more, from the log's beginning.

    For after `tanhui audit` has named a drift in them. Until it is done they are those of an
    earlier instant, and no report is issued. Safe to stop: the job goes on where it was.
    """
    with (
        starting.connected(Settings.from_env()) as services,
        printing.audit_progress() as progress,
    ):
        transact = services.database.transact
        transact(rebuilding.forget)
        size, leaves = transact(log_size), 0
        while added := transact(summing.fold):
            leaves += added
            progress("districts", min(leaves, size), size)
    click.echo(f"summed {leaves:,} transfers of the log")
