"""``tanhui report``: a district's month."""

from datetime import UTC, date, datetime

import click

from service import printing, starting
from service.districts.reporting import report
from service.settings import Settings


@click.command("report", epilog="Example: tanhui report 310118 --month 2016-04 --format csv")
@click.argument("division")
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM")
@click.option("--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table")
def report_(division: str, month: datetime, shape: str) -> None:
    """A district's month by town and behaviour; cells that could show a resident are withheld."""
    now = datetime.now(UTC)
    first = date(month.year, month.month, 1)
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: report(session, division, first, now=now)
        )
    click.echo(printing.REPORT_SHAPES[shape](found), nl=shape != "csv")
