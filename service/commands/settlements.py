"""``tanhui settlements``: what the programme owes merchants, drafted, approved, paid, exported."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import click
import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.errors import UnknownProgramme
from rewards.models import Merchant, Settlement
from rewards.settling.drafting import DRAFTING, Key, get_settlement
from rewards.settling.errors import (
    LinesBeingFreed,
    NothingToSettle,
    SettlementNegative,
    SettlementPeriodClosed,
    UnknownSettlement,
)
from rewards.settling.periods import month_of
from rewards.settling.reconciling import KINDS, Ours, Summary, of_settlement
from rewards.settling.settlements import STATES, find_keys, listed_by_programme
from service import printing, starting
from service.admin.log import Actor
from service.admin.origin import from_command
from service.commands.failing import fail
from service.db import Database
from service.identity.staff.members import check_by
from service.services import Services
from service.settings import Settings
from service.settling import as_csv, as_workbook, exporting, files, steps
from service.settling.drafts import zone_of

_LONG_S = 24 * 3600.0  # A command ends what it began.
_HEADER = ("settlement", "merchant", "from", "to", "state", "lines", "payable yuan", "drafted by")
_SKIPPED = {
    NothingToSettle: "had nothing to settle",
    SettlementPeriodClosed: "settled already",
    SettlementNegative: "below zero, left for the next",
    LinesBeingFreed: "being voided, try again",
}
_SKIPPING = (NothingToSettle, SettlementPeriodClosed, SettlementNegative, LinesBeingFreed)
_by = click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_settlement = click.argument("settlement_id", metavar="SETTLEMENT", type=click.UUID)
_MONTH = click.DateTime(["%Y-%m"])
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def settlements() -> None:
    """Settlements with merchants: a period's lines, confirmed, approved by another, paid."""


@settlements.command(
    "draft",
    epilog="Example: tanhui settlements draft --all --programme sh-2026 --month 2026-10 --by anna",
)
@click.argument("merchant_id", metavar="[MERCHANT]", type=click.UUID, required=False)
@click.option("--all", "all_of_them", is_flag=True, help="Every merchant of --programme.")
@click.option("--programme", help="Code of the programme, with --all.")
@click.option("--month", type=_MONTH, metavar="YYYY-MM", help="The calendar month.")
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day, with --to.")
@click.option("--to", type=_DAY, metavar="DAY", help="The day after the last.")
@_by
def draft(
    merchant_id: UUID | None,
    all_of_them: bool,
    programme: str | None,
    month: datetime | None,
    first: datetime | None,
    to: datetime | None,
    by: str,
) -> None:
    """Close a period that is over, for one merchant or for all. Safe to stop and to repeat."""
    days, now = _days(month, first, to), datetime.now(UTC)
    if all_of_them is (merchant_id is not None) or all_of_them is (programme is None):
        raise click.UsageError("name a MERCHANT, or --all with --programme")
    with starting.connected(Settings.from_env()) as services:
        database, who = services.database, from_command(by)
        database.transact(lambda session: check_by(session, by))
        if merchant_id is not None:
            found = _draft(database, who, merchant_id, days, now)
            click.echo(f"{found.id} is {found.state}: {_told(found)}")
            return
        assert programme is not None
        click.echo(_draft_all(database, who, programme, days, now))


def _days(month: datetime | None, first: datetime | None, to: datetime | None) -> tuple[date, date]:
    if month is not None and first is None and to is None:
        period = month_of(month.date(), ZoneInfo("UTC"))
        return period.since, period.to
    if month is None and first is not None and to is not None and first < to:
        return first.date(), to.date()
    raise click.UsageError("name a --month, or --from and a later --to")


def _draft(
    database: Database, who: Actor, merchant_id: UUID, days: tuple[date, date], now: datetime
) -> Settlement:
    key = Key(merchant_id, uuid4())
    return steps.draft(database, who, key, days, now=now, seconds=_LONG_S)


def _draft_all(
    database: Database, who: Actor, programme: str, days: tuple[date, date], now: datetime
) -> str:
    """Merchant by merchant; those that cannot be settled are counted by why."""

    def merchants(session: Session) -> list[UUID]:
        found = session.get(Programme, programme)
        if found is None:
            raise UnknownProgramme(programme)
        query = select(Merchant.id).where(Merchant.programme_holder_id == found.holder_id)
        return list(session.scalars(query.order_by(Merchant.id)))

    said: Counter[str] = Counter()
    payable_fen = drafted = 0
    for merchant_id in database.transact(merchants):
        try:
            one = _draft(database, who, merchant_id, days, now)
        except _SKIPPING as error:
            said[_SKIPPED[type(error)]] += 1
        else:
            drafted += 1
            payable_fen += one.owed_fen - one.returned_fen
    rest = "".join(f"; {count} {why}" for why, count in sorted(said.items()))
    return f"drafted {drafted} settlements, {exporting.yuan(payable_fen):,} yuan{rest}"


@settlements.command("list", epilog="Example: tanhui settlements list --state confirmed")
@click.option("--programme", help="Only this programme's.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many.")
@_json
def list_(programme: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List settlements, the latest period first."""

    def work(session: Session) -> list[Settlement]:
        holder_id = None
        if programme is not None:
            if (found := session.get(Programme, programme)) is None:
                raise UnknownProgramme(programme)
            holder_id = found.holder_id
        return listed_by_programme(session, holder_id, state=state, limit=limit)

    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(work)
    if as_json:
        click.echo(_as_json([_facts(one) for one in found]))
    else:
        click.echo(printing.table(_HEADER, [_row(one) for one in found]))


@settlements.command("show", epilog="Example: tanhui settlements show 4b1f…")
@_settlement
@_json
def show(settlement_id: UUID, as_json: bool) -> None:
    """Show one settlement."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(lambda s: get_settlement(s, _key(s, settlement_id)))
    facts = _facts(found)
    if as_json:
        click.echo(_as_json(facts))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in facts.items()))


@settlements.command("approve", epilog="Example: tanhui settlements approve 4b1f… --by ben")
@_settlement
@_by
def approve(settlement_id: UUID, by: str) -> None:
    """Agree to pay: somebody who has neither drafted nor confirmed it."""
    _step(settlement_id, by, lambda d, who, key, now: steps.approve(d, who, key, now=now))


@settlements.command(
    "pay", epilog="Example: tanhui settlements pay 4b1f… --reference ICBC-20261105-17 --by eva"
)
@_settlement
@click.option("--reference", required=True, help="The bank's, for the record.")
@_by
def pay(settlement_id: UUID, reference: str, by: str) -> None:
    """Put down that it was paid, and post it."""
    if not reference.strip() or not reference.isprintable() or len(reference) > 100:
        raise click.BadParameter("one line of text, at most 100 characters")
    words = reference.strip()
    _step(
        settlement_id,
        by,
        lambda d, who, key, now: steps.pay(d, who, key, payment_reference=words, now=now),
    )


@settlements.command("void", epilog="Example: tanhui settlements void 4b1f… --by anna")
@_settlement
@_by
def void(settlement_id: UUID, by: str) -> None:
    """Take it back before it is paid; its lines are free for another."""
    _step(
        settlement_id,
        by,
        lambda d, who, key, now: steps.void(d, who, key, now=now, seconds=_LONG_S),
    )


@settlements.command(
    "export", epilog="Example: tanhui settlements export 4b1f… --output october.xlsx"
)
@_settlement
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="A file that ends in .csv or .xlsx; it is overwritten.",
)  # fmt: skip
@click.option("--english", is_flag=True, help="Headings of a workbook in English.")
def export(settlement_id: UUID, output: Path, english: bool) -> None:
    """Write every line to a file, as CSV or as a workbook."""
    shape = output.suffix.lower()
    if shape not in (".csv", ".xlsx"):
        raise click.BadParameter("ends in .csv or .xlsx", param_hint="--output")
    with starting.connected(Settings.from_env()) as services:
        database = services.database
        about = database.transact(lambda s: exporting.read(s, _key(s, settlement_id)))
        pieces = (
            as_csv.csv_of(database, about)
            if shape == ".csv"
            else files.chunks(as_workbook.workbook_of(database, about, english=english))
        )
        _write(output, pieces)
    click.echo(f"wrote {about.settlement.lines:,} lines to {output}")


@settlements.command(
    "reconcile", epilog="Example: tanhui settlements reconcile 4b1f… theirs.csv --output diff.csv"
)
@_settlement
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Where all that differs is written, as CSV.",
)  # fmt: skip
@_json
def reconcile(settlement_id: UUID, file: Path, output: Path | None, as_json: bool) -> None:
    """Hold a merchant's file against a settlement; exit status 1 where they differ."""

    def ours(session: Session) -> tuple[Ours, ZoneInfo]:
        found = get_settlement(session, _key(session, settlement_id))
        key = Key(found.merchant_id, found.id)
        return of_settlement(key), zone_of(session, found.programme_holder_id)

    with starting.connected(Settings.from_env()) as services:
        found = _compared(services, file, ours, output)
    differing = {kind: found.differing[kind] for kind in KINDS}
    if as_json:
        facts = {"lines": found.lines, "alike": found.alike, "differing": differing}
        sums = {"theirs_fen": found.theirs_fen, "ours_fen": found.ours_fen}
        click.echo(_as_json(facts | sums))
    else:
        words = ", ".join(f"{count} {kind}" for kind, count in differing.items() if count)
        click.echo(f"{found.lines:,} lines, {found.alike:,} alike" + (f"; {words}" * bool(words)))
    if any(differing.values()):
        raise SystemExit(1)


def _compared(
    services: Services,
    file: Path,
    ours: Callable[[Session], tuple[Ours, ZoneInfo]],
    output: Path | None,
) -> Summary:
    with file.open("rb") as content:
        found = files.report(services.database, content, ours, codes=services.codes)
    with found.file:
        if output is not None:
            _write(output, files.chunks(found.file))
    return found.summary


def _write(output: Path, pieces: Iterator[bytes]) -> None:
    """Whole or not at all: what is written first is beside it, and takes its place at the end."""
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        part.replace(output)
    except OSError as error:
        fail(f"{output}: {error.strerror}")
    finally:
        part.unlink(missing_ok=True)


def _step(
    settlement_id: UUID, by: str, step: Callable[[Database, Actor, Key, datetime], Settlement]
) -> None:
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:

        def prepared(session: Session) -> Key:
            check_by(session, by)
            return _key(session, settlement_id)

        key = services.database.transact(prepared)
        found = step(services.database, from_command(by), key, now)
    click.echo(f"{found.id} is {found.state}: {_told(found)}")


def _key(session: Session, settlement_id: UUID) -> Key:
    keys = find_keys(session, settlement_id)
    if not keys:
        raise UnknownSettlement(settlement_id)
    if len(keys) > 1:
        fail(f"{len(keys)} merchants have a settlement {settlement_id}: use the API")
    return keys[0]


def _told(one: Settlement) -> str:
    if one.state == DRAFTING:
        return f"{one.lines:,} lines so far"
    yuan = exporting.yuan(one.owed_fen - one.returned_fen)
    return f"{one.lines:,} lines, {yuan:,} yuan"


def _row(one: Settlement) -> tuple[object, ...]:
    yuan = exporting.yuan(one.owed_fen - one.returned_fen)
    days = (one.period_from, one.period_to)
    return (one.id, one.merchant_id, *days, one.state, one.lines, f"{yuan:.2f}", one.drafted_by)


def _facts(one: Settlement) -> dict[str, object]:
    names = [column.key for column in Settlement.__table__.columns]
    found = {name: getattr(one, name) for name in names}
    return found | {"payable_fen": one.owed_fen - one.returned_fen}


def _as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
