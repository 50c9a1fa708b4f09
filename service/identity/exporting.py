"""Export: what is held about a resident, row by row, as files for machines will have it.

Everything streams: memory does not grow with what there is. What names staff is left out, and so is
what would open something: hashes, secrets. Which files there are: ``service.identity.exported``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import DeclarativeBase, Session

from activities import history
from activities.explanations import explain
from activities.history import Standing
from activities.models import (
    Activity,
    DeviceHolder,
    Participant,
    ReviewStep,
)
from ledgers.accounts import is_closed
from ledgers.statements import whole_ledger
from rewards.redeeming.closing import bought
from rewards.voucher_codes import Codes
from service.identity.keyring import Keyring
from service.identity.models import Person
from service.identity.vault import Reader, Value, read_values

ROWS_AT_ONCE = 1_000
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Whose:
    """The resident, the personal values as they were opened, and what tells whose a voucher is."""

    holder_id: UUID
    values: Sequence[Value]
    codes: Codes


def open_values(
    session: Session, keyring: Keyring, holder_id: UUID, *, reader: Reader, now: datetime
) -> Sequence[Value]:
    """A resident's personal values for the export, which leaves a record of the read: so in a
    transaction before the snapshot, which writes nothing. Raises AccountClosed.
    """
    person = session.get(Person, holder_id)
    if person is None and not is_closed(session, holder_id):
        return []  # Who never gave any.
    return read_values(session, keyring, holder_id, reader=reader, now=now)


Rows = Callable[[Session, Whose], Iterator[Row]]


def rows_of(
    model: type[DeclarativeBase], *leave_out: str, by: str = "holder_id", where: Any = None
) -> Rows:
    """The resident's rows of a table, column by column, in the order of its key."""
    columns = [c for c in model.__table__.columns if c.key not in (*leave_out, by)]
    own: ColumnElement[Any] = model.__table__.columns[by]
    key = list(model.__table__.primary_key.columns)  # type: ignore[attr-defined]

    def rows(session: Session, whose: Whose) -> Iterator[Row]:
        query = select(*columns).where(own == whose.holder_id).order_by(*key)
        if where is not None:
            query = query.where(where)
        found = session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
        for row in found.mappings():
            yield dict(row)

    return rows


def profile(session: Session, whose: Whose) -> Iterator[Row]:
    values = [
        {"field": one.field, "value": one.value} for one in sorted(whose.values, key=lambda v: v[1])
    ]
    for person in rows_of(Person, "data_key", "master_key_id")(session, whose):
        yield {"kind": "person", "holder_id": whose.holder_id, **person}
    for resident in rows_of(Participant, "turns")(session, whose):
        yield {"kind": "resident", **resident}
    yield from ({"kind": "personal_value", **value} for value in values)


def activities(session: Session, whose: Whose) -> Iterator[Row]:
    """The newest first, a page at a time, each with what became of it and why."""
    before: UUID | None = None
    while True:
        page = history.page(session, whose.holder_id, before=before, limit=history.PAGE_MAX)
        for standing in history.standings(session, page.activities):
            yield _activity(standing)
        session.expunge_all()
        if (before := page.next_before) is None:
            return


def _activity(standing: Standing) -> Row:
    activity, state = standing.activity, standing.state
    columns = [
        c.key for c in Activity.__table__.columns if c.key not in ("holder_id", "posting_id")
    ]
    row = {name: getattr(activity, name) for name in columns}
    facts = msgspec.json.decode(activity.facts or "{}")
    facts.pop("entered_by", None)
    row |= {"details": msgspec.json.decode(activity.details or "{}"), "facts": facts}
    staff = ("holder_id", "activity_id", "actor", "approved_by", "posting_id", "reversal_id")
    row["adjustments"] = [
        {c.key: getattr(one, c.key) for c in one.__table__.columns if c.key not in staff}
        for one in standing.adjustments
    ]
    row["stands"] = {
        "decision": state.decision,
        "code": state.code,
        "quantity": state.quantity,
        "saved_mg_co2e": state.saved_mg_co2e,
        "points": state.points,
        "trimmed_points": state.trimmed_points,
        "why": explain(
            state.code,
            quantity=state.quantity,
            duration_s=int((activity.ended_at - activity.started_at).total_seconds()),
            trimmed_points=state.trimmed_points,
        ),
    }
    return row


def steps(session: Session, whose: Whose) -> Iterator[Row]:
    """Who said it: the resident, or who acted for them ("delegate:ID"), or one of the staff, whose
    name is not theirs to take along.
    """
    for row in rows_of(ReviewStep)(session, whose):
        who = "staff"
        if row["action"] in ("answer", "appeal"):  # Nobody of the staff does these.
            who = "resident" if row["actor"] == str(whose.holder_id) else row["actor"]
        yield {**row, "actor": who}


def ledger(session: Session, whose: Whose) -> Iterator[Row]:
    for account, entry in whole_ledger(session, whose.holder_id):
        yield {"account_id": account.id, "unit": account.unit} | msgspec.to_builtins(entry)


def redemptions(session: Session, whose: Whose) -> Iterator[Row]:
    """By the terms of then, with the state of the voucher; its code is told to nobody but by asking
    for it again.
    """
    for one in bought(session, whose.holder_id, codes=whose.codes):
        redemption, voucher = one.redemption, one.voucher
        yield {
            "id": redemption.id,
            "offer_id": one.offer.id,
            "offer_kind": one.offer.kind,
            "version": redemption.version,
            "title_zh": one.version.title_zh,
            "title_en": one.version.title_en,
            "merchant_id": one.offer.merchant_id,
            "units": redemption.units,
            "spent_points": redemption.spent_points,
            "redeemed_at": redemption.redeemed_at,
            "state": redemption.state,
            "ended_at": redemption.ended_at,
            "returned_points": redemption.returned_points,
            "voucher_state": one.voucher_state,
            **{name: getattr(voucher, name) if voucher else None for name in _VOUCHER_INSTANTS},
        }


_VOUCHER_INSTANTS = (
    *("expires_at", "consumed_at", "lapsed_at", "cancelled_at", "expired_at", "refunded_at"),
)


def devices(session: Session, whose: Whose) -> Iterator[Row]:
    """A device is looked up by its own id, which the resident's activities name."""
    device = Activity.details
    query = select(device).where(Activity.holder_id == whose.holder_id, device.like('%"device"%'))
    known: set[UUID] = set()
    for details in session.scalars(query, execution_options={"yield_per": ROWS_AT_ONCE}):
        told = msgspec.json.decode(details or "{}").get("device")
        if told is not None and (found := UUID(told)) not in known:
            known.add(found)
            row = session.get(DeviceHolder, (found, whose.holder_id))
            yield {"device": found, "first_seen_on": row.first_seen_on if row else None}
