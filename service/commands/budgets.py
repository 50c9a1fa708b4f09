"""``tanhui budgets`` and ``tanhui liability``: the programmes' money for offers."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import click
import msgspec
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from rewards.models import Budget
from rewards.offers import budgets
from rewards.offers.liability import Liability, OfferLiability, liability
from service import starting
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.commands.merchants import line
from service.identity.staff.members import check_by
from service.merchants import objects
from service.merchants.programmes import codes_of
from service.printing import table
from service.settings import Settings

PAGE = 1_000
_HEADER = ("budget", "programme", "name", "from", "to", "total fen", "reserved", "spent", "left")
_OFFERS = ("offer", "title", "state", "stock", "stock fen", "open", "open fen", "points")
_SUMS = ("stock_fen", "open_fen", "unsettled_fen", "unpaid_fen", "total_fen")
_day = click.DateTime(["%Y-%m-%d"])


@click.group("budgets")
def budgets_() -> None:
    """Budgets: what a programme will pay merchants."""


@budgets_.command(
    "put",
    epilog="Example: tanhui budgets put --programme sh-2026 --name 四季度 --from 2026-10-01"
    " --to 2027-01-01 --total-fen 50000000 --by li.na",
)
@click.option("--id", "id_", type=click.UUID, help="A known budget's, to change it.")
@click.option("--programme", required=True, help="Whose it is, for good.")
@click.option("--name", required=True, callback=line)
@click.option("--from", "valid_from", required=True, type=_day)
@click.option("--to", "valid_to", required=True, type=_day, help="Exclusive.")
@click.option("--total-fen", required=True, type=click.IntRange(0, 2**53))
@click.option("--by", required=True, callback=line, help="Who does it, for the record.")
def put(
    id_: UUID | None,
    programme: str,
    name: str,
    valid_from: datetime,
    valid_to: datetime,
    total_fen: int,
    by: str,
) -> None:
    """Make a budget; or raise, lower, rename or prolong the one of --id."""
    budget_id, now = id_ or uuid4(), datetime.now(UTC)

    def work(session: Session) -> str:
        check_by(session, by)
        holder_id = get_programme(session, programme).holder_id
        days = (valid_from.date(), valid_to.date())
        new = budgets.NewBudget(budget_id, holder_id, name, *days, total_fen)
        done = acting_on(
            session,
            from_command(by),
            "budget.put",
            objects.budget(session, budget_id, programme),
            lambda: budgets.put(session, new, made_by=by, now=now),
            now=now,
        )
        return f"budget {done.id} of {programme}: {done.total_fen:,} fen, {done.drawn_fen:,} drawn"

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(work))


@budgets_.command("list", epilog="Example: tanhui budgets list --programme sh-2026")
@click.option("--programme", help="Only this programme's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(programme: str | None, as_json: bool) -> None:
    """List budgets and how they stand, those that are over too."""

    def told(session: Session) -> str:
        own = get_programme(session, programme).holder_id if programme else None
        found: list[Budget] = []
        while page := budgets.listed(
            session,
            programme_holder_id=own,
            after=found[-1].id if found else None,
            limit=PAGE,
        ):
            found += page
        codes = codes_of(session, {each.programme_holder_id for each in found})
        rows = [_facts(each, codes) for each in budgets.drawn(session, found)]
        if as_json:
            return _json(rows)
        return table(_HEADER, [tuple(_shown(value) for value in each.values()) for each in rows])

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


@click.command("liability", epilog="Example: tanhui liability sh-2026 --format json")
@click.argument("programme")
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table")
def liability_(programme: str, shape: str) -> None:
    """What a programme's offers could still cost: stock, open vouchers, what is owed."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        its = get_programme(session, programme)
        day = now.astimezone(ZoneInfo(its.zone)).date()
        found = liability(session, its.holder_id, day=day, now=now)
        return _json(_whole(found)) if shape == "json" else _text(found)

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


def _facts(each: budgets.Drawn, codes: dict[UUID | None, str]) -> dict[str, Any]:
    return {
        "id": each.budget.id,
        "programme": codes[each.budget.programme_holder_id],
        "name": each.budget.name,
        "valid_from": each.budget.valid_from,
        "valid_to": each.budget.valid_to,
        "total_fen": each.budget.total_fen,
        "reserved_fen": each.reserved_fen,
        "spent_fen": each.spent_fen,
        "left_fen": each.left_fen,
    }


def _text(found: Liability) -> str:
    rows = [
        (
            str(each.offer.id),
            each.version.title_zh,
            each.offer.state,
            f"{each.stock_units:,}",
            f"{each.stock_fen:,}",
            f"{each.open_units:,}",
            f"{each.open_fen:,}",
            f"{each.stock_points + each.open_points:,}",
        )
        for each in found.offers
    ]
    sums = [f"{name.removesuffix('_fen')}: {getattr(found, name):,} fen" for name in _SUMS]
    return "\n".join([table(_OFFERS, rows), *sums])


def _whole(found: Liability) -> dict[str, Any]:
    points = {"stock_points": found.stock_points, "open_points": found.open_points}
    sums = {name: getattr(found, name) for name in _SUMS}
    return {"offers": [_offer(each) for each in found.offers]} | sums | points


def _offer(each: OfferLiability) -> dict[str, Any]:
    names = ("stock_units", "stock_fen", "stock_points", "open_units", "open_fen", "open_points")
    return {
        "offer_id": each.offer.id,
        "title_zh": each.version.title_zh,
        "state": each.offer.state,
        "settlement_fen": each.settlement_fen,
    } | {name: getattr(each, name) for name in names}


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
