"""``tanhui reports``: issue districts' reports, list them, write them as files, verify them."""

import sys
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec
from sqlalchemy.orm import Session

from service import starting
from service.admin.origin import from_command
from service.commands.lines import line
from service.districts.models import DistrictReport
from service.districts.rendering import formats as rendering
from service.districts.rendering.model import LANGUAGES, Language
from service.districts.reports import acts as report_acts
from service.districts.reports import issued, verifying
from service.districts.reports import issuing as publishing
from service.districts.reports.periods import Period, period_of
from service.identity.staff.members import check_by
from service.printing import table
from service.services import Services
from service.settings import Settings

_HEADER = ("period", "version", "as of", "issued at", "by", "sha256", "reason")
_PAGE = 1_000


def _period(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return period_of(value).name
    except ValueError as error:
        raise click.BadParameter("write 2026, 2026-Q3 or 2026-10") from error


_division = click.argument("division")
_of_period = click.argument("period", callback=_period)


@click.group()
def reports() -> None:
    """District reports: what is published of a month, a quarter or a year, for ever."""


@reports.command(
    "issue",
    epilog="Example: tanhui reports issue 310118 2026-Q3 --with-months --by li.na",
)
@_division
@_of_period
@click.option("--with-months", is_flag=True, help="Issue months that are missing first.")
@click.option("--reason", callback=line, help="Why there is to be another version.")
@click.option("--by", required=True, callback=line, help="Who issues it, for the record.")
def issue(division: str, period: str, with_months: bool, reason: str | None, by: str) -> None:
    """Issue the report of a period that is over; what is issued already stays as it is.

    With --reason: another version, where anything changed that may be told.
    """
    with starting.connected(Settings.from_env()) as services:
        services.database.transact(lambda session: check_by(session, by))
        span = period_of(period)
        if with_months and span.kind != "month":
            for month in span.months():
                if services.database.transact(partial(_is_reported, division, month)):
                    click.echo(_told(_issue(services, division, month.name, None, by)))
        click.echo(_told(_issue(services, division, period, reason, by)))


def _is_reported(division: str, month: Period, session: Session) -> bool:
    return publishing.is_reported(session, division, month)


def _issue(
    services: Services, division: str, period: str, reason: str | None, by: str
) -> DistrictReport:
    now, who, log = datetime.now(UTC), from_command(by), services.log
    return services.database.transact(
        lambda session: report_acts.issue(
            session, who, log, division, period, now=now, reason=reason
        )
    )


@reports.command("list", epilog="Example: tanhui reports list 310118")
@_division
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(division: str, as_json: bool) -> None:
    """List a district's reports, the latest version of each, the latest period first."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: issued.listed(session, division, limit=_PAGE)
        )
    rows = [
        {
            "period": one.period,
            "version": one.version,
            "as_of": one.as_of.isoformat(),
            "issued_at": one.issued_at.isoformat(),
            "issued_by": one.issued_by,
            "sha256": one.content_sha256.hex(),
            "reason": one.reason,
        }
        for one in found
    ]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    else:
        click.echo(table(_HEADER, [tuple(_cell(value) for value in row.values()) for row in rows]))


@reports.command(
    "show", epilog="Example: tanhui reports show 310118 2026-10 --format pdf --output 2026-10.pdf"
)
@_division
@_of_period
@click.option("--version", type=click.IntRange(min=1), help="The latest without it.")
@click.option("--format", "shape", type=click.Choice(rendering.SHAPES), default="csv")
@click.option("--language", type=click.Choice(LANGUAGES), default="zh-CN")
@click.option("--output", type=click.Path(path_type=Path), help="Standard output without it.")
def show(
    division: str,
    period: str,
    version: int | None,
    shape: rendering.Shape,
    language: Language,
    output: Path | None,
) -> None:
    """Write a report in a format: the same bytes whenever and wherever."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: issued.get(session, division, period, version)
        )
    content = rendering.render(rendering.Issued.of(found), shape, language)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    output.write_bytes(content)
    click.echo(f"{output}: {len(content):,} bytes of {_told(found)}")


@reports.command("verify", epilog="Example: tanhui reports verify 310118 2026-10")
@_division
@_of_period
@click.option("--version", type=click.IntRange(min=1), help="The latest without it.")
def verify_(division: str, period: str, version: int | None) -> None:
    """Check a report's hash and signature, make its formats, and its figures again from the books.

    What does not verify is said, with exit status 1.
    """
    with starting.connected(Settings.from_env()) as services:
        log = services.log
        found = services.database.transact(
            lambda session: verifying.verify(
                session, log.signer(session).verifier, division, period, version=version
            )
        )
    report = rendering.Issued.of(found.report)
    click.echo(f"{_told(found.report)}: hash and signature are right")
    if found.recomputed:
        click.echo("its figures recompute from the books to the same bytes")
    else:
        click.echo("its figures were not made again: the books or a later version say more by now")
    for shape, language in rendering.all_of():
        digest = sha256(rendering.render(report, shape, language)).hexdigest()
        click.echo(f"{shape} {language}: sha256 {digest}")


def _told(found: DistrictReport) -> str:
    digest = found.content_sha256.hex()
    return f"report {found.division_code} {found.period} v{found.version}: sha256 {digest}"


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
