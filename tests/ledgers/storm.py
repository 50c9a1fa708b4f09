"""Threads let go together, and a storm of them: anything at random to a few residents at once.

Nothing is tried again here, so a deadlock is an error that ends the test.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier, Event
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from ledgers.accounts import (
    ISSUED,
    PERSONAL,
    REDEEMED,
    account_key,
    open_personal,
    open_system,
)
from ledgers.audit import audit
from ledgers.errors import DomainError
from ledgers.folding import fold
from ledgers.holds import NewHold, capture, lapse_due_holds, release, reserve
from ledgers.lapsing import lapse_due
from ledgers.log import sealing
from ledgers.log.notes import SignerKey
from ledgers.log.reading import verify_log
from ledgers.log.tiles import LogFolder
from ledgers.models import ExpiryPolicy
from ledgers.partitions import ensure_partitions
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.reversal import reverse
from ledgers.snapshots import next_month, take_slice
from service.db import Database

THREADS = 20
START = datetime(2030, 1, 15, 4, tzinfo=UTC)
ORIGIN = "test.example/log"
SIGNER = SignerKey(ORIGIN, b"s" * 32)
_KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
_LEAVES_MAX = 20

Act = Callable[[Session], object]


class Unretried(Database):
    """A deadlock fails, where the service would begin again."""

    def transact(self, work):
        with self._sessions.begin() as session:
            return work(session)


@contextmanager
def unretried(url: str):
    database = Unretried(url)
    try:
        yield database
    finally:
        database.dispose()


def at_once(database: Unretried, acts: Sequence[Act]) -> list[object]:
    """Each act in a thread, a connection and a transaction of its own, all let go together.

    Answers what each answered once it was committed, or how it was refused.
    """
    barrier = Barrier(len(acts), timeout=30)

    def run(act: Act) -> object:
        def work(session: Session) -> object:
            session.connection()
            barrier.wait()
            return act(session)

        try:
            return database.transact(work)
        except DomainError as refusal:
            return refusal

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


class Storm:
    """A programme whose points lapse each month, its residents, and what befalls them."""

    def __init__(self, database: Unretried, owner: Engine, *, residents: int, seed: int) -> None:
        self.database, self.seed = database, seed
        self.programme = uuid4()
        self.holders = [uuid4() for _ in range(residents)]
        self.holds: list[tuple[UUID, UUID, int]] = []
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.now = START
        self._owner, self._rounds = owner, 0
        policy = ExpiryPolicy(
            issuer_id=self.programme,
            valid_from=date(2030, 1, 1),
            zone="Asia/Shanghai",
            ends="month",
            periods=0,
            grace_days=30,
            document="test",
        )

        def open_accounts(session: Session) -> None:
            open_system(session, self.programme, now=START)
            open_personal(session, self.holders, now=START)
            session.add(policy)

        database.transact(open_accounts)

    def blow(self, *, steps: int, beside: Sequence[Callable[[datetime], object]] = ()) -> None:
        """A month of it: THREADS threads of ``steps`` acts each, a second apart.

        ``beside``: jobs, each done again and again in a thread of its own meanwhile.
        """
        base = START + timedelta(days=30.44 * self._rounds)
        self.now = base + timedelta(seconds=steps)
        self._rounds += 1
        with self._owner.begin() as connection:
            ensure_partitions(connection, now=base)
        barrier, over = Barrier(THREADS + len(beside), timeout=30), Event()

        def act(number: int) -> Counter[tuple[str, str]]:
            source = random.Random(f"{self.seed}/{self._rounds}/{number}")  # noqa: S311
            outcomes: Counter[tuple[str, str]] = Counter()
            barrier.wait()
            for step in range(steps):
                name = source.choice(_ACTS)
                make: Callable[[random.Random, datetime], Act] = getattr(self, f"_{name}")
                try:
                    self.database.transact(make(source, base + timedelta(seconds=step)))
                except DomainError as refusal:
                    outcomes[name, type(refusal).__name__] += 1
                else:
                    outcomes[name, "done"] += 1
            return outcomes

        def work(job: Callable[[datetime], object]) -> None:
            barrier.wait()
            while not over.is_set():
                job(base + timedelta(seconds=steps // 2))

        with ThreadPoolExecutor(THREADS + len(beside)) as pool:
            working = [pool.submit(work, job) for job in beside]
            acting = [pool.submit(act, number) for number in range(THREADS)]
            try:
                for future in acting:
                    self.outcomes += future.result()
            finally:
                over.set()
            for future in working:
                future.result()

    def drifts(self, folder: LogFolder | None = None) -> list[object]:
        with self.database.snapshot() as session:
            return list(audit(session, folder))

    # --- What may befall a resident -------------------------------------------------------------

    def _earn(self, source: random.Random, now: datetime) -> Act:
        transfer = self._transfer(source.choice(self.holders), ISSUED, source.randint(1, 60), now)
        posting = NewPosting(uuid4(), "intake", "test", [transfer])
        return lambda s: post(s, posting, now=now)

    def _earn_together(self, source: random.Random, now: datetime) -> Act:
        """A batch over some residents, in any order."""
        some = source.sample(self.holders, source.randint(2, len(self.holders)))
        transfers = [self._transfer(h, ISSUED, source.randint(1, 60), now) for h in some]
        posting = NewPosting(uuid4(), "intake", "test", transfers)
        return lambda s: post(s, posting, now=now)

    def _spend(self, source: random.Random, now: datetime) -> Act:
        transfer = self._transfer(source.choice(self.holders), REDEEMED, source.randint(1, 60), now)
        posting = NewPosting(uuid4(), "redemption", "test", [transfer])
        return lambda s: post(s, posting, now=now)

    def _hold(self, source: random.Random, now: datetime) -> Act:
        points = source.randint(1, 40)
        deadline = now + timedelta(seconds=source.randint(1, 8))
        new = NewHold(uuid4(), source.choice(self.holders), points, uuid4(), "test", deadline)
        self.holds.append((new.holder_id, new.id, points))
        return lambda s: reserve(s, new, now=now)

    def _capture(self, source: random.Random, now: datetime) -> Act:
        holder_id, hold_id, held = self._some_hold(source)
        return lambda s: capture(
            s,
            uuid4(),
            holder_id=holder_id,
            hold_id=hold_id,
            points=source.randint(1, held),
            credit=account_key(self.programme, "point", REDEEMED),
            actor="test",
            now=now,
        )

    def _release(self, source: random.Random, now: datetime) -> Act:
        holder_id, hold_id, _ = self._some_hold(source)
        return lambda s: release(s, holder_id=holder_id, hold_id=hold_id, actor="test", now=now)

    def _refund(self, source: random.Random, now: datetime) -> Act:
        return self._reversal("spend", source, now)

    def _claw_back(self, source: random.Random, now: datetime) -> Act:
        return self._reversal("earn", source, now)

    def _reversal(self, kind: str, source: random.Random, now: datetime) -> Act:
        holder_id = source.choice(self.holders)
        points = source.choice([None, source.randint(1, 30)])

        def act(session: Session) -> object:
            known = session.execute(_TRANSFERS, {"holder": holder_id, "kind": kind}).scalars().all()
            return reverse(
                session,
                uuid4(),
                holder_id=holder_id,
                amounts={source.choice(known) if known else uuid4(): points},
                actor="test",
                reason="test",
                now=now,
            )

        return act

    def _lapse_lots(self, source: random.Random, now: datetime) -> Act:
        return lambda s: lapse_due(s, now=now, limit=source.randint(1, len(self.holders)))

    def _lapse_holds(self, source: random.Random, now: datetime) -> Act:
        return lambda s: lapse_due_holds(s, now=now, limit=source.randint(1, 10))

    def _some_hold(self, source: random.Random) -> tuple[UUID, UUID, int]:
        """One of the latest, which may be held; or none that anybody has."""
        return source.choice([*self.holds[-10:], (self.holders[0], uuid4(), 1)])

    def _transfer(self, holder_id: UUID, other: str, points: int, now: datetime) -> NewTransfer:
        mine = account_key(holder_id, "point", PERSONAL)
        theirs = account_key(self.programme, "point", other)
        debit, credit, kind = (mine, theirs, "spend")
        if other == ISSUED:
            debit, credit, kind = theirs, mine, "earn"
        return NewTransfer(holder_id, debit, credit, points, kind, uuid4(), now)


_ACTS = (
    *("earn", "earn_together", "spend", "hold", "hold", "capture", "capture"),
    *("release", "refund", "claw_back", "lapse_lots", "lapse_holds"),
)
_TRANSFERS = text("""
    SELECT id FROM transfer WHERE holder_id = :holder AND kind = :kind ORDER BY id DESC LIMIT 10
""")


class Jobs:
    """What a runner does meanwhile, in batches small enough to come often."""

    def __init__(self, database: Unretried, path: Path) -> None:
        self.database, self.folder = database, LogFolder(path)
        self.done: Counter[str] = Counter()

    @property
    def all(self) -> list[Callable[[datetime], object]]:
        """Two seal, as when a runner has lost its lease and does not know it yet."""
        return [self.seal, self.seal, self.fold, self.lapse, self.lapse_holds, self.snapshot]

    def seal(self, now: datetime) -> int:
        transact = self.database.transact
        transact(lambda s: sealing.sequence(s, ORIGIN, leaves_max=_LEAVES_MAX))
        leaves = transact(
            lambda s: sealing.seal(s, self.folder, _KEY, ORIGIN, now=now, leaves_max=_LEAVES_MAX)
        )
        transact(lambda s: sealing.publish(s, self.folder, ORIGIN))
        self.done["leaves"] += leaves
        return leaves

    def fold(self, now: datetime) -> int:
        postings = self.database.transact(lambda s: fold(s, postings_max=10))
        self.done["folded"] += postings
        return postings

    def lapse(self, now: datetime) -> int:
        done = self.database.transact(lambda s: lapse_due(s, now=now, limit=2))
        self.done["lapsed"] += done.lapsed
        return done.lapsed

    def lapse_holds(self, now: datetime) -> int:
        holds = self.database.transact(lambda s: lapse_due_holds(s, now=now, limit=5))
        self.done["holds"] += holds
        return holds

    def snapshot(self, now: datetime) -> bool:
        def work(session: Session) -> bool:
            month = next_month(session, now=now)
            if month is not None:
                take_slice(session, month, now=now)
            return month is not None

        taken = self.database.transact(work)
        self.done["slices"] += taken
        return taken

    def finish(self, now: datetime) -> None:
        """Nothing is left to be done, and the log is sound to an outsider."""
        for job in (self.lapse, self.lapse_holds, self.seal, self.fold, self.snapshot):
            while job(now):
                pass
        with self.database.snapshot() as session:
            waiting, leaves, transfers, next_index = session.execute(_LEFT).one()
            nets = {tuple(row) for row in session.execute(_NETS)}
            folded = {tuple(row) for row in session.execute(_FOLDED)}
        checkpoint = verify_log(self.folder, SIGNER.verifier).checkpoint
        assert (waiting, checkpoint.size, leaves, next_index) == (0, *[transfers] * 3)
        assert folded == nets


_LEFT = text("""
    SELECT (SELECT count(*) FROM log_queue), (SELECT sum(transfer_count) FROM sealed_posting),
           (SELECT count(*) FROM transfer),
           (SELECT next_index FROM log_reader WHERE name = 'system_accounts')
""")
_NETS = text("""
    SELECT id, day, sum(amount) FROM (
        SELECT credit_account_id AS id, expires_on AS day, amount FROM transfer
        UNION ALL SELECT debit_account_id, expires_on, -amount FROM transfer
    ) AS moved JOIN account USING (id) WHERE NOT guarded GROUP BY id, day HAVING sum(amount) <> 0
""")
_FOLDED = text("""
    SELECT account_id, nullif(expires_on, '9999-12-31'), net FROM system_bucket WHERE net <> 0
""")
