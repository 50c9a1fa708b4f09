"""``tanhui vouchers``: the operator's desk."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec
from sqlalchemy.orm import Session

from rewards.redeeming.desk import OnDesk, look_up
from rewards.redeeming.refunding import Refunded
from service import refunds, starting
from service.admin.origin import from_command
from service.commands.lines import line
from service.identity.staff.members import check_by
from service.printing import table
from service.settings import Settings


@click.group()
def vouchers() -> None:
    """Vouchers: how one stands, and the refund of one that was used."""


@vouchers.command("show", epilog="Example: tanhui vouchers show, then type or paste the code")
@click.option("--merchant", type=click.UUID, metavar="ID", help="Whose own code it is, if it is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(merchant: UUID | None, as_json: bool) -> None:
    """Show how a voucher stands: what it is for, until when, when and where it was used.

    The code is asked for, or read from standard input: whoever has it has the voucher, and what is
    typed after a command stays in the shell's history.
    """
    code: str = click.prompt("code", err=True)
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: look_up(session, code, codes=services.codes, merchant_id=merchant)
        )
    click.echo(msgspec.json.encode(asdict(found)).decode() if as_json else _text(found))


def _text(found: OnDesk) -> str:
    rows = [(name, _cell(value)) for name, value in asdict(found).items() if value is not None]
    return table(("what", ""), rows)


def _cell(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@vouchers.command(
    "refund",
    epilog="Example: tanhui vouchers refund 0f8fad5b-d9cb-469f-a165-70867728950e"
    " --reason 'goods were spoilt' --by wang",
)
@click.argument("consumption_id", type=click.UUID)
@click.option("--reason", required=True, callback=line, help="Why; the resident reads it.")
@click.option("--by", required=True, callback=line, metavar="NAME", help="Who refunds.")
def refund_(consumption_id: UUID, reason: str, by: str) -> None:
    """Give back what a resident paid for a voucher that was used. Safe to repeat.

    The points go back to their lots; the merchant's pay comes back with the next settlement.
    """
    now = datetime.now(UTC)

    def work(session: Session) -> Refunded:
        check_by(session, by)
        who = from_command(by)
        return refunds.give(
            session, who, consumption_id, reason=reason, reaches=lambda *_: True, now=now
        )

    with starting.connected(Settings.from_env()) as services:
        done = services.database.transact(work)
    click.echo(
        f"refunded {done.consumption_id}: {done.returned_points} points back to the resident,"
        f" {done.returned_fen} fen back from the merchant"
    )
