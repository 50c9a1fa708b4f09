"""What the jobs do: each a view without a request, one domain function in its own transactions."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import text

from activities.scene_steps import remind
from ledgers.folding import fold
from ledgers.holds import lapse_due_holds
from ledgers.lapsing import NOBODY, lapse_due
from ledgers.log import sealing
from ledgers.partitions import ensure_partitions
from ledgers.snapshots import next_month, take_slice
from rewards.redeeming.expiring import expire_due
from service import migrating
from service.audits import process, working
from service.db import owner_engine
from service.districts.reports import due as due_reports
from service.districts.rollups import summing
from service.gateway import settling
from service.identity import closing, ending, rewrapping
from service.jobs import records
from service.services import Services
from service.settling import drafts

log = logging.getLogger(__name__)

FORGET_BATCHES_MAX = 20
BUDGET_S = 20  # A run stops here, at the end of a batch; the next goes on.
REPORTS_S = 300  # A month's reports are due together.
MISSED_SINCE = timedelta(days=7)


def make_partitions(services: Services, now: datetime) -> dict[str, int]:
    """As the schema's owner; does nothing beside a migration, which makes them itself.

    It does not wait for the migrations' lock: an index made CONCURRENTLY would wait for it in turn.
    """
    assert services.settings.database_url
    engine = owner_engine(services.settings.database_url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            connection.execute(text("SET LOCAL statement_timeout = '30s'"))
            lock = {"lock": migrating._LOCK}
            if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), lock):
                return {"made": 0}
            return {"made": len(ensure_partitions(connection, now=now))}
    finally:
        engine.dispose()


def forget_runs(services: Services, now: datetime) -> dict[str, int]:
    """In batches, each a transaction; what is left after so many waits for the next run."""
    forgotten = 0
    for _ in range(FORGET_BATCHES_MAX):
        batch = services.database.transact(lambda session: records.forget(session, now=now))
        forgotten += batch
        if batch == 0:
            break
    return {"forgotten": forgotten}


def seal_log(services: Services, now: datetime) -> dict[str, int]:
    """Give waiting postings their place, write files, sign, publish; batch by batch."""
    log, transact = services.log, services.database.transact
    origin = transact(log.origin)

    def batch() -> int:
        transact(lambda session: sealing.sequence(session, origin))
        sealed = transact(
            lambda session: sealing.seal(session, log.folder, log.key, origin, now=now)
        )
        transact(lambda session: sealing.publish(session, log.folder, origin))
        return sealed

    return {"leaves": _until_done(batch)}


def queue_missed(services: Services, now: datetime) -> dict[str, int]:
    """What a release without a log posted beside this one."""
    transact, since = services.database.transact, now - MISSED_SINCE
    origin = transact(services.log.origin)
    missed = transact(lambda session: sealing.queue_missed(session, origin, since=since))
    return {"queued": missed}


def lapse_holds(services: Services, now: datetime) -> dict[str, int]:
    """Release what was held past its deadline."""
    transact = services.database.transact
    return {"holds": _until_done(lambda: transact(lambda s: lapse_due_holds(s, now=now)))}


def lapse_lots(services: Services, now: datetime) -> dict[str, int]:
    """Lapse the points whose day is over, holder by holder."""
    accounts, after = 0, NOBODY

    def batch() -> int:
        nonlocal accounts, after
        done = services.database.transact(lambda s: lapse_due(s, now=now, after=after))
        accounts, after = accounts + done.lapsed, done.after
        return done.accounts

    _until_done(batch)
    return {"accounts": accounts}


def expire_vouchers(services: Services, now: datetime) -> dict[str, int]:
    """End vouchers that nobody used in time; points come back where the offer says so."""
    transact = services.database.transact
    return {"vouchers": _until_done(lambda: transact(lambda s: expire_due(s, now=now)))}


def snapshot_balances(services: Services, now: datetime) -> dict[str, int]:
    """Sums at the beginning of each month that is over, slice by slice."""
    transact = services.database.transact

    def slice_() -> int:
        month = transact(lambda session: next_month(session, now=now))
        if month is None:
            return 0
        transact(lambda session: take_slice(session, month, now=now))
        return 1

    return {"slices": _until_done(slice_)}


def remind_scenes(services: Services, now: datetime) -> dict[str, int]:
    """Say once of each scene that its approval ends within three months."""
    due = services.database.transact(lambda session: remind(session, now=now))
    for each in due:
        log.warning(
            "scene %s is approved to %s: ask for its extension", each.scene.code, each.ends_on
        )
    return {"reminders": len(due)}


def erase_closed(services: Services, now: datetime) -> dict[str, int]:
    """Destroy the log's secrets of closed accounts whose last posting is sealed by now."""
    erased, after = 0, NOBODY

    def batch() -> int:
        nonlocal erased, after
        done = services.database.transact(
            lambda session: closing.erase_closed(session, now=now, after=after)
        )
        erased, after = erased + done.erased, done.after
        return done.looked

    _until_done(batch)
    return {"erased": erased}


def rewrap_keys(services: Services, now: datetime) -> dict[str, int]:
    """Wrap by the current master key what older ones wrap; nothing to do but after a rotation."""
    keyring, transact = services.keyring, services.database.transact
    counts = {"people": 0, "staff": 0, "merchants": 0, "unopened": 0}
    deadline = time.monotonic() + BUDGET_S
    for key_id in rewrapping.old_keys(keyring):
        step = partial(rewrapping.rewrap_people, keyring=keyring, key_id=key_id)
        after, more = NOBODY, True
        while more and time.monotonic() < deadline:
            done = transact(partial(step, after=after))
            counts["people"] += done.rewrapped
            counts["unopened"] += done.unopened
            after, more = done.after, done.looked == rewrapping.AT_ONCE
    counts["staff"] = transact(partial(rewrapping.rewrap_staff, keyring=keyring))
    counts["merchants"] = transact(partial(rewrapping.rewrap_merchants, keyring=keyring))
    return counts


def apply_retention(services: Services, now: datetime) -> dict[str, int]:
    """Let records end whose time is over (docs/retention.md), each kind in its share of the time:
    all around, from this hour's first person on.
    """
    transact, walks = services.database.transact, list(ending.walks())
    ended = transact(partial(ending.end_small, now=now))
    for kind, walk in walks:
        deadline = time.monotonic() + BUDGET_S / len(walks)
        for after, end in ending.around(now):
            while after < end and time.monotonic() < deadline:
                step = partial(ending.end_next, kind=kind, walk=walk, after=after, end=end, now=now)
                rows, after = transact(step)
                ended += rows
    return {"ended": ended}


def settle_top_ups(services: Services, now: datetime) -> dict[str, int]:
    """Ask the gateway about the top-ups whose time has come, and book what it says."""
    return settling.settle_due(services, now, within_s=BUDGET_S)


def send_webhooks(services: Services, now: datetime) -> dict[str, int]:
    """Send merchants' systems what waits for them; what fails waits for its next try."""
    began, key = time.monotonic(), services.keyring.derived("webhooks")

    def clock() -> datetime:
        return now + timedelta(seconds=time.monotonic() - began)

    return services.courier.run(services.database, key, clock=clock, budget_s=BUDGET_S)


def draft_settlements(services: Services, now: datetime) -> dict[str, int]:
    """Go on with settlements that a request began, or a killed process left."""
    return {"settlements": drafts.finish_all(services.database, now=now, seconds=BUDGET_S)}


def run_audits(services: Services, now: datetime) -> dict[str, int]:
    """Have what was asked for audited, in a process of its own: its statements may last."""
    if not services.database.transact(working.is_needed):
        return {"begun": 0}
    return {"begun": int(process.begin(services.settings))}


def fold_system_accounts(services: Services, now: datetime) -> dict[str, int]:
    """Add what was sealed to the programmes' own accounts."""
    transact = services.database.transact
    return {"postings": _until_done(lambda: transact(fold))}


def roll_up_districts(services: Services, now: datetime) -> dict[str, int]:
    """Add what was sealed to the districts' figures."""
    transact = services.database.transact
    return {"leaves": _until_done(lambda: transact(summing.fold))}


def issue_reports(services: Services, now: datetime) -> dict[str, int]:
    """Issue what is due of districts' reports, each in a transaction of its own."""
    transact, log = services.database.transact, services.log
    deadline, issued = time.monotonic() + REPORTS_S, 0
    for division_code, period in transact(partial(due_reports.due, now=now)):
        if time.monotonic() > deadline:
            break
        step = partial(
            due_reports.issue_due, log=log, division_code=division_code, period=period, now=now
        )
        issued += transact(step)
    return {"issued": issued}


def _until_done(batch: Callable[[], int]) -> int:
    """Batches, each a transaction or some, until one has nothing to do or the budget is spent."""
    done, deadline = 0, time.monotonic() + BUDGET_S
    while time.monotonic() < deadline:
        count = batch()
        done += count
        if count == 0:
            break
    return done
