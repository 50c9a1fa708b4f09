"""Granting: what was decided goes to the ledger, all of a batch in one posting."""

import hashlib
from collections.abc import Iterable
from operator import attrgetter
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.orm import Session

from activities.deciding.decisions import CAPPED, Item
from activities.deciding.tallies import Tallies
from activities.events import Batch
from ledgers.accounts import ISSUED, PERSONAL, AccountKey, account_key
from ledgers.posting import NewPosting, NewTransfer, post

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/intake")


def grant(item: Item, tallies: Tallies) -> None:
    """Count a verified item and trim its points by the caps of its day."""
    assert item.policy is not None
    assert item.today is not None
    assert item.day is not None
    granted = tallies.grant(
        item.holder,
        item.policy.behaviour_code,
        item.day,
        item.today.caps,
        saved_mg_co2e=item.saved_mg_co2e,
        points=item.points,
    )
    item.points, item.trimmed_points = granted.points, granted.trimmed
    if granted.left_before:
        item.facts["caps"] = {cap.rule: left for cap, left in granted.left_before}
    if granted.by is not None:
        item.code = CAPPED[granted.by.per]


def post_granted(session: Session, items: Iterable[Item], batch: Batch) -> UUID | None:
    """Post what was granted, all in one posting named by the events behind it."""
    granted = [item for item in items if item.verified]
    # By holder, as the index has them: measured, 7 % less time a batch.
    transfers = _transfers(sorted(granted, key=attrgetter("holder")))
    if not transfers:
        return None
    cause = hashlib.sha256("".join(item.key for item in granted).encode()).hexdigest()
    posting = NewPosting(uuid5(_NAMESPACE, cause), "intake", batch.actor, transfers)
    return post(session, posting, now=batch.received_at).id


def _transfers(items: Iterable[Item]) -> list[NewTransfer]:
    """From the programme's issued account to the resident's own: CO2e, then points."""
    keys: dict[str, tuple[AccountKey, AccountKey]] = {}  # By who and kind: of CO2e, of points.

    def both(holder: str, holder_id: UUID, kind: str) -> tuple[AccountKey, AccountKey]:
        if (found := keys.get(holder + kind)) is None:
            found = keys[holder + kind] = (
                account_key(holder_id, "mg_co2e", kind),
                account_key(holder_id, "point", kind),
            )
        return found

    transfers = []
    for item in items:
        assert item.policy is not None
        event, cause, policy = item.event, item.activity_id, item.policy
        issued = both(policy.programme_code, policy.programme_holder_id, ISSUED)
        personal = both(item.holder, event.holder_id, PERSONAL)
        for amount, source, target in zip(
            (item.saved_mg_co2e, item.points), issued, personal, strict=True
        ):
            if amount:
                transfers.append(
                    NewTransfer(
                        event.holder_id, source, target, amount, "earn", cause, event.started_at
                    )
                )
    return transfers
