"""``tanhui offers``: what merchants offer, from the draft to the end, its stock and its codes."""

import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import click
import msgspec
from sqlalchemy.orm import Session

from rewards.models import Offer, OfferVersion
from rewards.offers import listing
from rewards.offers.drafting import NewTerms
from service import starting
from service.admin.log import Actor
from service.admin.origin import from_command
from service.commands.lines import line
from service.errors import CommandRefused
from service.identity.staff.members import check_by
from service.offers import acts
from service.printing import table
from service.services import Services
from service.settings import Settings

PAGE = 200
_HEADER = ("offer", "kind", "title", "state", "version", "newest", "points", "left", "sale ends")
_by = click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
_reason = click.option("--reason", required=True, callback=line, help="Auditors read it.")
_offer = click.argument("offer_id", type=click.UUID)


class DraftFile(msgspec.Struct, forbid_unknown_fields=True):
    """A draft as it is written down: ``terms`` as the API has them."""

    merchant_id: UUID
    kind: Literal["pool_code", "voucher", "top_up", "goods", "donation"]
    terms: NewTerms
    budget_id: UUID | None = None
    project_id: UUID | None = None


@click.group()
def offers() -> None:
    """Offers of merchants: drafts, versions, publication, stock and codes."""


@offers.command("list", epilog="Example: tanhui offers list --merchant 4b1f…")
@click.option("--merchant", "merchant_id", type=click.UUID, help="Only this merchant's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(merchant_id: UUID | None, as_json: bool) -> None:
    """List offers by their newest version, drafts and ended ones too."""

    def told(session: Session) -> str:
        found: list[listing.Listed] = []
        while page := _page(session, merchant_id, found[-1].offer.id if found else None):
            found += page
        if as_json:
            return _json([_facts(each) for each in found])
        return table(_HEADER, map(_row, found))

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


@offers.command(epilog="Example: tanhui offers show 4b1f…")
@_offer
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(offer_id: UUID, as_json: bool) -> None:
    """Show an offer and its versions."""

    def told(session: Session) -> str:
        found = listing.get_listed(session, None, offer_id)
        rows = listing.versions(session, found.offer.merchant_id, offer_id)
        if as_json:
            return _json(_facts(found) | {"versions": [_terms(each) for each in rows]})
        lines = [f"{name}: {value}" for name, value in _facts(found).items()]
        for each in rows:
            state = "published" if each.published_at else "draft"
            lines.append(f"version {each.version} ({state}), made by {each.made_by}")
            lines += [f"  {name}: {value}" for name, value in _terms(each).items() if value]
        return "\n".join(lines)

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


@offers.command(epilog="Example: tanhui offers draft 4b1f… coffee.toml --by li.na")
@_offer
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_by
def draft(offer_id: UUID, file: Path, by: str) -> None:
    """Draft an offer's next version from a TOML or JSON FILE: merchant_id, kind, budget_id,
    project_id, and the terms under [terms].
    """
    read = _read(file)
    new = acts.NewDraft(
        offer_id, read.merchant_id, read.kind, read.terms, read.budget_id, read.project_id
    )

    def work(session: Session, who: Actor, now: datetime) -> str:
        row = acts.draft(session, who, new, now=now)
        return f"offer {offer_id}: version {row.version}, {row.settlement_fen} fen a unit"

    _act(by, work)


@offers.command(epilog="Example: tanhui offers publish 4b1f… --version 2 --by li.na")
@_offer
@click.option("--version", type=click.IntRange(1), required=True, help="Which version holds.")
@_by
def publish(offer_id: UUID, version: int, by: str) -> None:
    """Put a version on sale; what was redeemed before keeps its own."""
    with starting.connected(Settings.from_env()) as services:
        top_ups = services.top_ups is not None

        def work(session: Session, who: Actor, now: datetime) -> str:
            merchant_id = _merchant(session, offer_id)
            return _said(
                acts.publish(session, who, merchant_id, offer_id, version, top_ups=top_ups, now=now)
            )

        click.echo(_done(services, by, work))


@offers.command(epilog="Example: tanhui offers pause 4b1f… --by li.na --reason 补货")
@_offer
@_by
@_reason
def pause(offer_id: UUID, by: str, reason: str) -> None:
    """Take an offer off sale for a while; its vouchers stay good."""
    _step(offer_id, "paused", by, reason)


@offers.command(epilog="Example: tanhui offers resume 4b1f… --by li.na --reason 到货")
@_offer
@_by
@_reason
def resume(offer_id: UUID, by: str, reason: str) -> None:
    """Put a paused offer on sale again."""
    _step(offer_id, "published", by, reason)


@offers.command(epilog="Example: tanhui offers end 4b1f… --by li.na --reason 合作期满")
@_offer
@_by
@_reason
def end(offer_id: UUID, by: str, reason: str) -> None:
    """End an offer for good; its vouchers stay good, what it reserves goes back to its budget."""
    _step(offer_id, "ended", by, reason)


@offers.command(epilog="Example: tanhui offers stock 4b1f… 100 --by li.na")
@_offer
@click.argument("units", type=int)
@click.option("--id", "change_id", type=click.UUID, help="Of this change: sent again, it is one.")
@_by
def stock(offer_id: UUID, units: int, change_id: UUID | None, by: str) -> None:
    """Put UNITS in; withdraw them with `-- -5`."""
    if not units or abs(units) > 1_000_000_000:
        raise click.BadParameter("a number of units, not 0, at most a thousand million")
    id_ = change_id or uuid4()

    def work(session: Session, who: Actor, now: datetime) -> str:
        merchant_id = _merchant(session, offer_id)
        acts.put_stock(session, who, merchant_id, offer_id, id_, units, now=now)
        found = listing.get_listed(session, merchant_id, offer_id)
        left = "a draft yet" if found.stock is None else f"{found.stock.stock_units} units left"
        return f"offer {offer_id}: {units:+} units, {left}"

    _act(by, work)


@offers.command("load-codes", epilog="Example: tanhui offers load-codes 4b1f… codes.csv --by li.na")
@_offer
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "file_id", type=click.UUID, help="Of this file: loaded again, it is one.")
@_by
def load_codes(offer_id: UUID, file: Path, file_id: UUID | None, by: str) -> None:
    """Load a FILE of the merchant's own codes, one a line; all of it or nothing."""
    id_ = file_id or uuid4()
    with file.open("rb") as opened, starting.connected(Settings.from_env()) as services:

        def work(session: Session, who: Actor, now: datetime) -> str:
            merchant_id = _merchant(session, offer_id)
            row = acts.load_codes(
                session, who, merchant_id, offer_id, id_, opened, codes=services.codes, now=now
            )
            return f"offer {offer_id}: {row.codes} codes of file {row.id}"

        click.echo(_done(services, by, work))


def _page(session: Session, merchant_id: UUID | None, after: UUID | None) -> list[listing.Listed]:
    if merchant_id is None:
        return list(listing.of_everybody(session, after=after, limit=PAGE))
    return list(listing.of_merchant(session, merchant_id, after=after, limit=PAGE))


def _step(offer_id: UUID, state: str, by: str, reason: str) -> None:
    def work(session: Session, who: Actor, now: datetime) -> str:
        merchant_id = _merchant(session, offer_id)
        return _said(
            acts.take_step(session, who, merchant_id, offer_id, state, reason=reason, now=now)
        )

    _act(by, work)


def _act(by: str, work: Callable[[Session, Actor, datetime], str]) -> None:
    with starting.connected(Settings.from_env()) as services:
        click.echo(_done(services, by, work))


def _done(services: Services, by: str, work: Callable[[Session, Actor, datetime], str]) -> str:
    now = datetime.now(UTC)

    def whole(session: Session) -> str:
        check_by(session, by)
        return work(session, from_command(by), now)

    return services.database.transact(whole)


def _merchant(session: Session, offer_id: UUID) -> UUID:
    return listing.get_listed(session, None, offer_id).offer.merchant_id


def _read(file: Path) -> DraftFile:
    """Raises CommandRefused with what is wrong in the file."""
    try:
        read = tomllib.loads if file.suffix == ".toml" else msgspec.json.decode
        plain: Any = read(file.read_text(encoding="utf-8"))
        unknown = set(plain.get("terms", {})) - {each.name for each in fields(NewTerms)}
        found = msgspec.convert(plain, DraftFile)
    except (ValueError, AttributeError, TypeError) as error:
        raise CommandRefused(f"{file.name}: {error}") from error
    if unknown:
        raise CommandRefused(f"{file.name}: no such terms: {', '.join(sorted(unknown))}")
    for name in ("on_sale_from", "on_sale_to", "valid_until"):
        at = getattr(found.terms, name)
        if at is not None and at.tzinfo is None:
            raise CommandRefused(f"{file.name}: {name} has no offset")
    return found


def _said(offer: Offer) -> str:
    return f"offer {offer.id} is {offer.state}, version {offer.version}"


def _row(found: listing.Listed) -> tuple[str, ...]:
    offer, newest = found.offer, found.newest
    return (
        str(offer.id),
        offer.kind,
        newest.title_zh,
        offer.state,
        str(offer.version),
        str(newest.version),
        f"{newest.price_points:,}",
        "-" if found.stock is None else f"{found.stock.stock_units:,}",
        f"{newest.on_sale_to.astimezone(UTC):%Y-%m-%d}",
    )


def _facts(found: listing.Listed) -> dict[str, Any]:
    offer, stock = found.offer, found.stock
    return {
        "id": offer.id,
        "merchant_id": offer.merchant_id,
        "kind": offer.kind,
        "state": offer.state,
        "version": offer.version,
        "newest_version": found.newest.version,
        "title_zh": found.newest.title_zh,
        "price_points": found.newest.price_points,
        "budget_id": offer.budget_id,
        "project_id": offer.project_id,
        "stock_units": stock and stock.stock_units,
        "put_units": stock and stock.put_units,
        "reserved_fen": stock and stock.reserved_fen,
    }


def _terms(row: OfferVersion) -> dict[str, Any]:
    return {
        column.key: getattr(row, column.key)
        for column in OfferVersion.__table__.columns
        if column.key != "offer_id"
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
