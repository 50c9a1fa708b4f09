"""What an audit looks at: one list for ``tanhui audit`` and for those asked for from a page."""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import audit as activities
from activities.catalogue.models import Programme
from ledgers import audit as ledger
from ledgers.audit import Drift, Progress, no_progress
from ledgers.folding import system_balances
from ledgers.log.tiles import LogFolder
from rewards import audit as rewards
from rewards.crosschecks import CROSSCHECKS
from service.districts.rollups import audit as rollup_audit

Totals = dict[str, dict[tuple[str, str], int]]  # By programme: by unit and kind of account.

# The checks in their order, by the names under which they tell their progress. One that has nothing
# to look at is passed over; one that is missing here is told without its place.
STEPS: tuple[str, ...] = (
    *ledger.CHECKS,
    *("snapshot", "transfers of a posting", "log"),
    *activities.CHECKS,
    *rewards.CHECKS,
    *CROSSCHECKS,
    *rollup_audit.CHECKS,
)


def drifts(
    session: Session, folder: LogFolder | None, *, progress: Progress = no_progress
) -> Iterator[Drift]:
    """Every drift there is, found while it is read; ``session`` is an unchanging snapshot.

    ``folder`` is the published log, compared leaf by leaf where it is given.
    """
    return chain(
        ledger.audit(session, folder, progress=progress),
        activities.audit(session, progress=progress),
        rewards.audit(session, progress=progress),
        rollup_audit.drifts(session, progress=progress),
    )


def totals(session: Session) -> Totals:
    """The programmes' own accounts by programme's code, each in its unit."""
    return {
        programme.code: system_balances(session, programme.holder_id)
        for programme in session.scalars(select(Programme).order_by(Programme.code))
    }
