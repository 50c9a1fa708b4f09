"""``tanhui top-ups``: what the gateway left open, or has said two things about."""

from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec
from sqlalchemy.orm import Session

from rewards.models import TopUp
from rewards.redeeming import top_up_queue
from service import starting
from service.admin.origin import from_command
from service.admin.top_ups import hurry, tick_off
from service.commands.lines import line
from service.gateway.settling import settle
from service.identity.staff.members import check_by
from service.printing import table
from service.settings import Settings

_COLUMNS = ("order_id", "state", "answered", "amount_fen", "tries", "ordered_at", "next_at")
_FACTS = (
    *("order_id", "redemption_id", "holder_id", "offer_id", "amount_fen", "state", "answered"),
    *("gateway_reference", "tries", "ordered_at", "next_at", "ended_at", "contradicted_at"),
)
_id = click.argument("order_id", metavar="ID", type=click.UUID)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("top-ups")
def top_ups() -> None:
    """Top-ups of cards through the outside gateway: those that hang, and what to do about them."""


@top_ups.command("list", epilog="Example: tanhui top-ups list --contradicted")
@click.option("--contradicted", is_flag=True, help="Those about which the gateway said two things.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, help="At most so many.")
@_json
def list_(contradicted: bool, limit: int, as_json: bool) -> None:
    """List orders that have been open for ten minutes and more, the oldest first."""
    now, every = datetime.now(UTC), TopUp.holder_id.is_not(None)
    with starting.connected(Settings.from_env()) as services:
        page = services.database.transact(
            lambda session: (
                top_up_queue.contradicted(session, every, limit=limit)
                if contradicted
                else top_up_queue.hanging(session, every, now=now, limit=limit)
            )
        )
    if as_json:
        click.echo(_json_of({"top_ups": [_told(each) for each in page.top_ups]}))
    else:
        rows = [[_cell(getattr(each, name)) for name in _COLUMNS] for each in page.top_ups]
        click.echo(table(_COLUMNS, rows) if rows else "no such top-ups")


@top_ups.command("show", epilog="Example: tanhui top-ups show 0f8fad5b-d9cb-469f-a165-70867728950e")
@_id
@_json
def show(order_id: UUID, as_json: bool) -> None:
    """Show one top-up, by the id that the gateway knows; never the card."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(lambda session: top_up_queue.get(session, order_id))
    rows = ((name, _cell(value)) for name, value in _told(found).items())
    click.echo(_json_of(_told(found)) if as_json else table(("what", ""), rows))


@top_ups.command("settle", epilog="Example: tanhui top-ups settle 0f8fad5b-… --by wang")
@_id
@click.option("--by", required=True, metavar="NAME", help="Who asks, for the record.")
def settle_(order_id: UUID, by: str) -> None:
    """Ask the gateway about a top-up now, and book what it says."""
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:

        def note(session: Session) -> TopUp:
            check_by(session, by)
            return hurry(session, from_command(by), order_id, now=now)

        found = services.database.transact(note)
        if services.top_ups is None:
            click.echo(f"{order_id} is due now; no gateway is set up here that could be asked")
            return
        found = settle(services, order_id)
    click.echo(f"{order_id} is {found.state}; the gateway says: {found.answered}")


@top_ups.command(
    "settled", epilog="Example: tanhui top-ups settled 0f8fad5b-… --by wang --reason 网关已冲正"
)
@_id
@click.option("--by", required=True, metavar="NAME", help="Who settled it, for the record.")
@click.option("--reason", required=True, callback=line, help="How; auditors read it.")
def settled(order_id: UUID, by: str, reason: str) -> None:
    """Tick off what the gateway said against the outcome that stands; it is no longer listed."""
    now = datetime.now(UTC)

    def work(session: Session) -> TopUp:
        check_by(session, by)
        return tick_off(session, from_command(by), order_id, reason=reason, now=now)

    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(work)
    click.echo(f"{order_id} is {found.state}, and nothing is left to settle")


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _told(top_up: TopUp) -> dict[str, object]:
    return {name: getattr(top_up, name) for name in _FACTS}


def _json_of(what: object) -> str:
    return msgspec.json.format(msgspec.json.encode(what)).decode()
