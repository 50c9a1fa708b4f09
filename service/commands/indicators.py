"""``tanhui indicators``: plan targets with their progress, and the values that are reported."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4, uuid5

import click
import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from activities.errors import UnknownDivision
from service import starting
from service.admin.origin import from_command
from service.commands.lines import line, line_of
from service.districts.plans import acts as reported_acts
from service.districts.plans import indicators as plans
from service.districts.plans import reported
from service.districts.plans.files import FILE_BYTES_MAX
from service.districts.plans.progress import COMPARISONS, STATES, amount
from service.districts.plans.reported import SOURCE_MAX, NewValue
from service.districts.plans.thousandths import thousandths
from service.districts.spans import span_of
from service.errors import CommandRefused
from service.identity.staff.members import check_by
from service.printing import table
from service.settings import Settings

T = TypeVar("T")
_HEADER = ("indicator", "name", "year", "target", "last reported", "progress")
_UNITS = ("indicator", "name", "unit")
_DAY = click.DateTime(["%Y-%m-%d"])
_OF_FILES = UUID("5a7c6a0e-5d0b-5c0f-9a57-2f5d1f0c8e41")  # Apart from all other ids made of names.


@click.group("indicators")
def indicators_() -> None:
    """Indicators: what plans want of a division, and what its staff report."""


@indicators_.command("list", epilog="Example: tanhui indicators list 310118")
@click.argument("division", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(division: str | None, as_json: bool) -> None:
    """List a division's targets with their progress; without one, what can be reported."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        if division is None:
            known = list(reported.indicators(session).values())
            if as_json:
                return _json([each._asdict() for each in known])
            return table(_UNITS, [(each.code, each.name_zh, each.unit) for each in known])
        _check_division(session, division)
        found = plans.targets(session, division, as_of=now)
        if as_json:
            return _json(found)
        rows = [
            (
                each["indicator"],
                each["name_zh"],
                each["year"],
                f"{COMPARISONS[each['comparison']].en} "
                f"{amount(each['target_thousandths'], each['unit']).en}",
                _latest(each),
                STATES[each["state"]].en,
            )
            for each in found
        ]
        return table(_HEADER, rows) if rows else f"no plan has targets of {division}"

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


@indicators_.command(
    "enter",
    epilog="Example: tanhui indicators enter 310118 waste_recycling_rate 2026-Q3 44.6"
    " --source '区绿化市容局 2026 年三季度统计' --source-date 2026-10-15 --by li.na",
)
@click.argument("division")
@click.argument("indicator", callback=line_of(64))
@click.argument("period")
@click.argument("value")
@click.option("--unit", help="As a check; the indicator's own without it.")
@click.option("--source", required=True, callback=line_of(SOURCE_MAX), help="Where it is from.")
@click.option("--source-date", required=True, type=_DAY, help="The source's date.")
@click.option("--id", "value_id", type=click.UUID, help="Made here without one; a retry names it.")
@click.option("--by", required=True, callback=line, help="Who enters it, for the record.")
def enter(
    division: str,
    indicator: str,
    period: str,
    value: str,
    unit: str | None,
    source: str,
    source_date: datetime,
    value_id: UUID | None,
    by: str,
) -> None:
    """Enter one value of an indicator, of a year (2026), quarter (2026-Q3) or month (2026-10)."""
    now = datetime.now(UTC)
    number, _ = _read("value", thousandths, value), _read("period", span_of, period)

    def work(session: Session) -> str:
        check_by(session, by)
        known = reported.indicators(session).get(indicator)
        new = NewValue(
            value_id or uuid4(),
            division,
            indicator,
            period,
            number,
            unit or (known.unit if known else ""),
            source,
            source_date.date(),
        )
        done = reported_acts.enter_one(session, from_command(by), new, now=now)
        told = amount(done.value_thousandths, done.unit).en
        return f"reported value {done.id}: {indicator} of {division} in {period}: {told}"

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(work))


@indicators_.command(
    "upload", epilog="Example: tanhui indicators upload 310118 2026-q3.csv --by li.na"
)
@click.argument("division")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--by", required=True, callback=line, help="Who uploads it, for the record.")
def upload(division: str, file: Path, by: str) -> None:
    """Enter the values of a CSV file, all or none; the same file again changes nothing.

    Columns: indicator, period, value, unit, source, source_date, and division_code if wanted. Each
    row that cannot be taken is named.
    """
    now = datetime.now(UTC)
    if file.stat().st_size > FILE_BYTES_MAX:
        raise CommandRefused(f"{file.name} holds more than {FILE_BYTES_MAX:,} bytes")
    content = file.read_bytes()
    file_id = uuid5(_OF_FILES, f"{division}\n{content.hex()}")

    def work(session: Session) -> int:
        check_by(session, by)
        _check_division(session, division)
        who = from_command(by)
        return len(reported_acts.upload(session, who, division, file_id, content, now=now))

    with starting.connected(Settings.from_env()) as services:
        entered = services.database.transact(work)
    click.echo(f"file {file_id}: {entered:,} values of {division}")


def _read(name: str, reads: Callable[[str], T], value: str) -> T:
    try:
        return reads(value)
    except ValueError as error:
        raise click.BadParameter(f"{name} {value!r}: {error}") from error


def _check_division(session: Session, code: str) -> None:
    if session.get(Division, code) is None:
        raise UnknownDivision(code)


def _latest(target: dict[str, Any]) -> str:
    latest = target["latest"]
    if latest is None:
        return "-"
    return f"{amount(latest['value_thousandths'], target['unit']).en} ({latest['period']})"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
