"""``tanhui report``: a district's month, as it was issued."""

import sys
from datetime import UTC, datetime

import click

from service import printing, starting
from service.districts.published.month import latest, told
from service.districts.rendering import formats as rendering
from service.districts.reports.contents import decoded
from service.settings import Settings


@click.command("report", epilog="Example: tanhui report 310118 --month 2016-04 --format csv")
@click.argument("division")
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json", "csv", "xlsx"]), default="table"
)
def report_(division: str, month: datetime, shape: str) -> None:
    """A district's month by town and behaviour, as its report says that was issued last.

    A workbook goes to standard output, with all tables; cells that could show a resident are
    withheld everywhere.
    """
    now, period = datetime.now(UTC), f"{month:%Y-%m}"
    if shape == "xlsx" and sys.stdout.isatty():
        raise click.UsageError("a workbook is not for the terminal: write > report.xlsx after it")
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: latest(session, division, period, now=now)
        )
    if shape == "xlsx":
        sys.stdout.buffer.write(rendering.render(rendering.Issued.of(found), "xlsx", "zh-CN"))
        return
    report = told(decoded(found.content))
    click.echo(printing.REPORT_SHAPES[shape](report), nl=shape != "csv")
