"""Published checkpoints, and that the log of one continues the log of an older one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.errors import LogBroken, UnknownCheckpoint
from ledgers.log.errors import LogError
from ledgers.log.merkle import consistency_proof, verify_consistency
from ledgers.log.tiles import LogFolder
from ledgers.models import LogCheckpoint


@dataclass(frozen=True, slots=True)
class Continuation:
    """Two checkpoints and the hashes (32 bytes each) that lead from one root to the other."""

    older: LogCheckpoint
    newer: LogCheckpoint
    hashes: Sequence[bytes]


def checkpoints(
    session: Session, published_size: int, *, below: int | None = None, limit: int
) -> Sequence[LogCheckpoint]:
    """Up to ``limit`` checkpoints, the largest first, below ``below`` leaves.

    Those beyond ``published_size`` leaves are left out: what they cover is not shown yet.
    """
    query = select(LogCheckpoint).where(LogCheckpoint.size <= published_size)
    if below is not None:
        query = query.where(LogCheckpoint.size < below)
    return session.scalars(query.order_by(LogCheckpoint.size.desc()).limit(limit)).all()


def continuation(
    session: Session, folder: LogFolder, published_size: int, *, older_size: int, newer_size: int
) -> Continuation:
    """A consistency proof (RFC 9162, 2.1.4) from the published files, checked before it goes out.

    Reads some tiles for each level of the tree, whatever the sizes. Locks nothing.

    Raises:
        UnknownCheckpoint: no checkpoint of such a size is published, or ``older_size`` is beyond
            ``newer_size``.
        LogBroken: the files are missing or damaged, or do not lead from one to the other.
    """
    if older_size > newer_size:
        raise UnknownCheckpoint(older_size)
    found = {}
    for size in (older_size, newer_size):
        one = session.get(LogCheckpoint, size)
        if one is None or size > published_size:
            raise UnknownCheckpoint(size)
        found[size] = one
    older, newer = found[older_size], found[newer_size]
    try:
        hashes = consistency_proof(older.size, newer.size, folder.tiles(newer.size).subtree)
        verify_consistency(older.size, older.root, newer.size, newer.root, hashes)
    except LogError as error:
        raise LogBroken(error.reason) from error
    return Continuation(older, newer, hashes)
