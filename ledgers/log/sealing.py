"""Sealing: give postings their place in the log, and publish what has one. Outside the write path.

Two steps, each safe to repeat and to kill. ``sequence`` takes postings from the queue, which each
posting wrote in its own transaction: so none can be skipped, however transactions interleave, and
none is taken twice. ``seal`` writes the files of what has a place and signs a checkpoint; what it
writes follows from the places alone, so doing it again ends in the same bytes.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, copy_lines
from ledgers.log.checkpoints import Checkpoint
from ledgers.log.errors import LogInvalid
from ledgers.log.leaves import leaves, make_secrets, sealed_postings
from ledgers.log.merkle import EMPTY_ROOT
from ledgers.log.notes import sign
from ledgers.log.tiles import CHECKPOINT, LogFolder
from ledgers.models import LogCheckpoint, LogState

LEAVES_MAX = 50_000  # A run: some 10 MB, less than a second.
POSTINGS_MAX = 10_000

_NEXT = text("""
    SELECT q.posting_id, p.transfer_count
    FROM log_queue AS q JOIN posting AS p ON p.id = q.posting_id
    ORDER BY q.recorded_at, q.posting_id LIMIT :limit
""")
_TAKE = text("DELETE FROM log_queue WHERE posting_id = ANY(CAST(:postings AS uuid[]))")
_MISSED = text("""
    INSERT INTO log_queue (posting_id, recorded_at)
    SELECT p.id, p.recorded_at FROM posting AS p
    LEFT JOIN sealed_posting AS s ON s.posting_id = p.id
    WHERE p.recorded_at >= :since AND s.posting_id IS NULL
    ON CONFLICT DO NOTHING RETURNING posting_id
""")


def sequence(session: Session, origin: str, *, leaves_max: int = LEAVES_MAX) -> int:
    """Give the oldest postings of the queue their place; answers how many leaves got one.

    At least one posting, then as many as fit into ``leaves_max``. Locks the one row of the log's
    state, so that of two runs one waits.

    Raises:
        LogInvalid: the log was begun under another origin.
    """
    state = _lock_state(session, origin)
    waiting = session.execute(_NEXT, {"limit": POSTINGS_MAX}).all()
    taken: list[tuple[UUID, int, int]] = []
    size = state.size
    for posting_id, count in waiting:
        if taken and size + count - state.size > leaves_max:
            break
        taken.append((posting_id, size, count))
        size += count
    if not taken:
        return 0
    copy_lines(
        session,
        "sealed_posting",
        ("posting_id", "first_index", "transfer_count"),
        (f"{posting_id.hex}\t{first}\t{count}" for posting_id, first, count in taken),
    )
    session.execute(_TAKE, {"postings": array_of(posting_id.hex for posting_id, _, _ in taken)})
    added, state.size = size - state.size, size
    session.flush()
    return added


def queue_missed(session: Session, origin: str, *, since: datetime) -> int:
    """Queue postings recorded from ``since`` on that neither wait nor have a place.

    There are such only where a release without a log wrote beside this one. Locks the log's state:
    a posting that got its place meanwhile would be queued again, and stop the log for good.
    """
    _lock_state(session, origin)
    return len(session.execute(_MISSED, {"since": since}).all())


def seal(
    session: Session,
    folder: LogFolder,
    key: Ed25519PrivateKey,
    origin: str,
    *,
    now: datetime,
    leaves_max: int = LEAVES_MAX,
) -> int:
    """Write the files of up to ``leaves_max`` leaves that have a place, and sign a checkpoint.

    Answers how many leaves were added.

    ``publish`` shows the checkpoint, in a transaction of its own after this one's commit: files
    before checkpoint, checkpoint in the database before anybody sees it.

    Raises:
        LogInvalid: the folder is not this log's, is damaged, or was published further than this
            database knows (one of the two was restored from a backup).
    """
    state = _lock_state(session, origin)
    before = newest_checkpoint(session)
    size = before.size if before else 0
    _check_folder(folder, before)
    if size == state.size:
        return 0
    postings = sealed_postings(session, size, leaves_max=leaves_max)
    end = postings[-1].first_index + postings[-1].transfer_count
    make_secrets(session, postings)
    contents = [b""] * (end - size)
    totals = Counter(before.totals if before else {})
    for leaf in leaves(session, postings):
        contents[leaf.place - size] = leaf.content
        totals[leaf.total] += leaf.amount
    if not all(contents):
        missing = size + contents.index(b"")
        raise LogInvalid(f"the transfer of leaf {missing} is missing in the database")
    root = folder.append(size, contents)
    note = sign(_checkpoint(origin, end, root, totals).text(), origin, key)
    row = {"size": end, "root": root, "totals": dict(totals), "note": note, "sealed_at": now}
    session.execute(insert(LogCheckpoint).values(row))
    return end - size


def publish(session: Session, folder: LogFolder, origin: str) -> None:
    """Show the newest checkpoint, unless it is shown already. One writer at a time, by the lock."""
    _lock_state(session, origin)
    newest = newest_checkpoint(session)
    if newest is not None and folder.read(CHECKPOINT) != newest.note.encode():
        _check_folder(folder, newest)
        folder.publish(newest.note)


def newest_checkpoint(session: Session) -> LogCheckpoint | None:
    """The last checkpoint that was signed."""
    query = select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1)
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def _checkpoint(origin: str, size: int, root: bytes, totals: Counter[str]) -> Checkpoint:
    by_key = {}
    for name, total in totals.items():
        unit, debit, credit = name.split()
        by_key[unit, debit, credit] = total
    return Checkpoint(origin, size, root, by_key)


def _lock_state(session: Session, origin: str) -> LogState:
    begun = insert(LogState).values(id=1, origin=origin, size=0).on_conflict_do_nothing()
    session.execute(begun)
    fresh = {"populate_existing": True}
    state = session.scalars(select(LogState).with_for_update(), execution_options=fresh).one()
    if state.origin != origin:
        raise LogInvalid(f"this log is {state.origin}, and stays it; {origin} is another's name")
    return state


def _check_folder(folder: LogFolder, before: LogCheckpoint | None) -> None:
    published = _published_size(folder)
    size = before.size if before else 0
    if published > size:
        raise LogInvalid(
            f"{published} leaves are published, the database knows of {size}: one of them was"
            " restored from a backup"
        )
    if size and folder.root(size) != (before.root if before else EMPTY_ROOT):
        raise LogInvalid(f"the files do not lead to the root over {size} leaves")


def _published_size(folder: LogFolder) -> int:
    """What the checkpoint in the folder says, whoever signed it; 0 where there is none."""
    note = folder.read(CHECKPOINT)
    if note is None:
        return 0
    lines = note.decode(errors="replace").split("\n")
    if len(lines) < 2 or not lines[1].isdecimal():
        raise LogInvalid("what is published as the checkpoint is none")
    return int(lines[1])
