"""``tanhui double-uses``: vouchers that an offline till took after they had ended."""

from uuid import UUID

import click
import msgspec
from sqlalchemy import true

from rewards.models import DoubleUse, Shop
from rewards.tills.double_uses import Listed, listed
from service import starting
from service.printing import table
from service.settings import Settings

_COLUMNS = (
    *("merchant_id", "redemption_id", "why", "scanned_at", "shop", "recorded_by"),
    *("first_at", "first_shop", "first_recorded_by", "earlier", "clocks_may_differ"),
)
_FACTS = (
    *("id", "merchant_id", "offer_id", "redemption_id", "why", "scanned_at", "shop_id"),
    *("scanner_id", "recorded_at", "recorded_by", "first_id", "first_at", "first_shop_id"),
    "first_scanner_id",
)


@click.group("double-uses")
def double_uses() -> None:
    """Double uses: goods that were handed out twice for one voucher, and by whom."""


@double_uses.command("list", epilog="Example: tanhui double-uses list --merchant 4b1f…")
@click.option("--merchant", "merchant_id", type=click.UUID, help="Only this merchant's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the scanners.")
def list_(merchant_id: UUID | None, limit: int, as_json: bool) -> None:
    """List double uses, the newest first; ``earlier`` says which was first, by the two clocks."""
    reach = true() if merchant_id is None else DoubleUse.merchant_id == merchant_id
    with starting.connected(Settings.from_env()) as services:
        rows = services.database.transact(
            lambda session: [_told(e) for e in listed(session, reach, before=None, limit=limit)]
        )
    if as_json:
        click.echo(msgspec.json.encode({"double_uses": rows}).decode())
    else:
        cells = [[_cell(each[name]) for name in _COLUMNS] for each in rows]
        click.echo(table(_COLUMNS, cells) if cells else "no double uses")


def _told(each: Listed) -> dict[str, object]:
    return {name: getattr(each.row, name) for name in _FACTS} | {
        "shop": _name(each.shop),
        "first_shop": _name(each.first_shop),
        "first_recorded_by": each.first_recorded_by,
        "earlier": each.earlier,
        "clocks_may_differ": each.clocks_may_differ,
    }


def _name(shop: Shop | None) -> str | None:
    return None if shop is None else shop.name_zh


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
