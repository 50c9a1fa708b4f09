"""``tanhui merchants``: who gives goods for points, their shops and agreements."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import click
import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from activities.errors import UnknownDivision
from activities.programmes import get_programme
from rewards.merchants import agreements, merchants, shops
from rewards.models import Agreement, Merchant, Shop
from service import starting
from service.admin.log import Actor
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.commands.lines import line_of
from service.identity.staff.members import check_by
from service.merchants import objects
from service.merchants.programmes import codes_of, programme_of_merchant, zone_of_merchant
from service.merchants.steps import take_step
from service.printing import table
from service.settings import Settings

PAGE = 1_000
_HEADER = ("merchant", "programme", "name", "state", "credit code", "account")
_SHOPS = ("shop", "name", "address", "division", "closed")
_AGREEMENTS = ("agreement", "from", "to", "price", "document")


line = line_of(200)
_merchant = click.argument("merchant_id", type=click.UUID)
_by = click.option("--by", required=True, callback=line, help="Who does it, for the record.")
_reason = click.option("--reason", required=True, callback=line, help="Auditors read it.")
_id = click.option("--id", "id_", type=click.UUID, help="A known id; the same again is a retry.")
_day = click.DateTime(["%Y-%m-%d"])


@click.group("merchants")
def merchants_() -> None:
    """Merchants: entered, approved, suspended, ended; their shops and agreements."""


@merchants_.command(
    epilog="Example: tanhui merchants enter --programme sh-2026 --name-zh 便利店"
    " --name-en 'Corner shop' --credit-code 91110000600037341L --by li.na"
)
@_id
@click.option("--programme", required=True, help="Whose merchant it is, for good.")
@click.option("--name-zh", required=True, callback=line)
@click.option("--name-en", required=True, callback=line)
@click.option("--credit-code", help="统一社会信用代码; a draft may be without.")
@_by
def enter(
    id_: UUID | None, programme: str, name_zh: str, name_en: str, credit_code: str | None, by: str
) -> None:
    """Enter a draft, or change the one of --id."""
    merchant_id, now = id_ or uuid4(), datetime.now(UTC)

    def work(session: Session, who: Actor) -> str:
        holder_id = get_programme(session, programme).holder_id
        new = merchants.NewMerchant(merchant_id, holder_id, name_zh, name_en, credit_code)
        merchant = acting_on(
            session,
            who,
            "merchant.enter",
            objects.merchant(session, merchant_id, programme),
            lambda: merchants.enter(session, new, made_by=by, now=now),
            now=now,
        )
        return f"merchant {merchant.id} of {programme} is {merchant.state}"

    _done(by, work)


@merchants_.command(epilog="Example: tanhui merchants approve 4b1f… --by li.na --reason 资质齐全")
@_merchant
@_by
@_reason
def approve(merchant_id: UUID, by: str, reason: str) -> None:
    """Let a draft or a suspended merchant sell."""
    _step(merchant_id, merchants.APPROVED, by, reason)


@merchants_.command(epilog="Example: tanhui merchants suspend 4b1f… --by li.na --reason 投诉待查")
@_merchant
@_by
@_reason
def suspend(merchant_id: UUID, by: str, reason: str) -> None:
    """Let it sell nothing; vouchers that residents have are taken."""
    _step(merchant_id, merchants.SUSPENDED, by, reason)


@merchants_.command(epilog="Example: tanhui merchants end 4b1f… --by li.na --reason 合作期满")
@_merchant
@_by
@_reason
def end(merchant_id: UUID, by: str, reason: str) -> None:
    """End it for good, after its offers: with its people's grants, keys, scanners and webhooks."""
    _step(merchant_id, merchants.ENDED, by, reason)


@merchants_.command("list", epilog="Example: tanhui merchants list --programme sh-2026")
@click.option("--programme", help="Only this programme's.")
@click.option("--state", type=click.Choice(merchants.STATES), help="Only those in this state.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(programme: str | None, state: str | None, as_json: bool) -> None:
    """List merchants, those that have ended too."""

    def told(session: Session) -> str:
        own = get_programme(session, programme).holder_id if programme else None
        found: list[Merchant] = []
        while page := merchants.listed(
            session,
            programme_holder_id=own,
            state=state,
            after=found[-1].id if found else None,
            limit=PAGE,
        ):
            found += page
        rows = _facts(session, found)
        return _json(rows) if as_json else table(_HEADER, [_row(each) for each in rows])

    _read(told)


@merchants_.command(epilog="Example: tanhui merchants show 4b1f…")
@_merchant
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(merchant_id: UUID, as_json: bool) -> None:
    """Show a merchant with its shops and agreements, the first 1,000 of each."""

    def told(session: Session) -> str:
        (fact,) = _facts(session, [merchants.get(session, merchant_id)])
        shops_ = [_shop(each) for each in shops.listed(session, merchant_id, limit=PAGE)]
        agreed = agreements.listed(session, merchant_id, limit=PAGE)
        agreements_ = [_agreement(each) for each in agreed]
        if as_json:
            return _json(fact | {"shops": shops_, "agreements": agreements_})
        parts = [table(_HEADER, [_row(fact)])]
        parts += [table(_SHOPS, [_row(each) for each in shops_])] if shops_ else []
        parts += [table(_AGREEMENTS, [_row(each) for each in agreements_])] if agreements_ else []
        return "\n\n".join(parts)

    _read(told)


@merchants_.command(
    epilog="Example: tanhui merchants shop 4b1f… --name-zh 公园路店 --name-en 'Park Road'"
    " --address '青浦区公园路 1 号' --by li.na"
)
@_merchant
@_id
@click.option("--name-zh", required=True, callback=line)
@click.option("--name-en", required=True, callback=line)
@click.option("--address", required=True, callback=line)
@click.option("--division", help="Code of the town it is in.")
@click.option("--closed", is_flag=True, help="Close the shop of --id.")
@_by
def shop(
    merchant_id: UUID,
    id_: UUID | None,
    name_zh: str,
    name_en: str,
    address: str,
    division: str | None,
    closed: bool,
    by: str,
) -> None:
    """Open a shop, or change or close the one of --id."""
    shop_id, now = id_ or uuid4(), datetime.now(UTC)
    new = shops.NewShop(shop_id, merchant_id, name_zh, name_en, address, division)

    def work(session: Session, who: Actor) -> str:
        if division is not None and session.get(Division, division) is None:
            raise UnknownDivision(division)
        done = acting_on(
            session,
            who,
            "shop.put",
            objects.shop(session, merchant_id, shop_id),
            lambda: shops.put(session, new, closed=closed, made_by=by, now=now),
            now=now,
        )
        return f"shop {done.id} of {merchant_id} is {'closed' if done.closed_at else 'open'}"

    _done(by, work)


@merchants_.command(
    epilog="Example: tanhui merchants agreement 4b1f… --from 2026-10-01 --to 2027-10-01"
    " --share-bp 8000 --document '商户协议 2026-031' --by li.na"
)
@_merchant
@_id
@click.option("--from", "valid_from", required=True, type=_day)
@click.option("--to", "valid_to", required=True, type=_day, help="Exclusive.")
@click.option(
    "--fixed-fen",
    type=click.IntRange(1, agreements.FIXED_FEN_MAX),
    help="What each unit costs.",
)
@click.option("--share-bp", type=click.IntRange(1, 10_000), help="Of the face value.")
@click.option("--document", required=True, callback=line, help="Where it is filed.")
@_by
def agreement(
    merchant_id: UUID,
    id_: UUID | None,
    valid_from: datetime,
    valid_to: datetime,
    fixed_fen: int | None,
    share_bp: int | None,
    document: str,
    by: str,
) -> None:
    """Write an agreement down, or end the one of --id earlier; free without a price."""
    rule = "fixed" if fixed_fen else "share" if share_bp else "free"
    new = agreements.NewAgreement(
        id_ or uuid4(),
        merchant_id,
        valid_from.date(),
        valid_to.date(),
        rule,
        fixed_fen,
        share_bp,
        document,
    )
    now = datetime.now(UTC)

    def work(session: Session, who: Actor) -> str:
        zone = zone_of_merchant(session, merchant_id)
        done = acting_on(
            session,
            who,
            "agreement.put",
            objects.agreement(session, merchant_id, new.id),
            lambda: agreements.put(session, new, zone=zone, made_by=by, now=now),
            now=now,
        )
        return f"agreement {done.id} of {merchant_id} holds to {done.valid_to}: {_price(done)}"

    _done(by, work)


def _step(merchant_id: UUID, state: str, by: str, reason: str) -> None:
    now = datetime.now(UTC)

    def work(session: Session, who: Actor) -> str:
        merchant = take_step(session, who, merchant_id, state, reason=reason, now=now)
        programme = programme_of_merchant(session, merchant_id)
        return f"merchant {merchant.id} of {programme} is {merchant.state}"

    _done(by, work)


def _done(by: str, work: Callable[[Session, Actor], str]) -> None:
    def told(session: Session) -> str:
        check_by(session, by)
        return work(session, from_command(by))

    _read(told)


def _read(work: Callable[[Session], str]) -> None:
    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(work))


def _facts(session: Session, found: list[Merchant]) -> list[dict[str, Any]]:
    codes = codes_of(session, {each.programme_holder_id for each in found})
    return [
        {
            "id": each.id,
            "programme": codes.get(each.programme_holder_id),
            "name_zh": each.name_zh,
            "state": each.state,
            "credit_code": each.credit_code,
            "bank_last4": each.bank_last4,
        }
        for each in found
    ]


def _shop(each: Shop) -> dict[str, Any]:
    return {
        "id": each.id,
        "name_zh": each.name_zh,
        "address": each.address,
        "division": each.division_code,
        "closed_at": each.closed_at,
    }


def _agreement(each: Agreement) -> dict[str, Any]:
    return {
        "id": each.id,
        "valid_from": each.valid_from,
        "valid_to": each.valid_to,
        "price": _price(each),
        "document": each.document,
    }


def _price(each: Agreement) -> str:
    if each.fixed_fen is not None:
        return f"{each.fixed_fen:,} fen a unit"
    return "free" if each.share_bp is None else f"{each.share_bp / 100:g} % of the face value"


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    return tuple("-" if value is None else str(value) for value in facts.values())


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
