"""Audit of the log: each posting has its place or waits for one, and each published leaf is the
transfer that the database has there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.log.errors import LogError
from ledgers.log.leaves import Sealed, leaves, sealed_postings
from ledgers.log.sealing import newest_checkpoint
from ledgers.log.tiles import TILE, LogFolder, Tiles

LEAVES_AT_ONCE = 50_000
_CLEAR = 16  # Version, unit, kinds of account, amount and day: what needs no secret.
_COMMITMENTS_END = 80
Progress = Callable[[str, int, int], None]


class LogDrift(NamedTuple):
    """Which check, about what, and the two figures."""

    check: str
    subject: str
    expected: str
    found: str


_LOST = text("""
    SELECT p.id, p.recorded_at FROM posting AS p
    LEFT JOIN sealed_posting AS s ON s.posting_id = p.id
    LEFT JOIN log_queue AS q ON q.posting_id = p.id
    WHERE s.posting_id IS NULL AND q.posting_id IS NULL
""")
_TWICE = text("""
    SELECT s.posting_id, s.first_index FROM sealed_posting AS s
    JOIN log_queue AS q ON q.posting_id = s.posting_id
""")


def audit_log(session: Session, folder: LogFolder | None, progress: Progress) -> Iterator[LogDrift]:
    """Every drift between transfers, places and the published files (left out without a folder)."""
    for posting_id, _ in session.execute(_LOST):
        yield LogDrift("log", f"posting {posting_id}", "a place, or in the queue", "neither")
    for posting_id, index in session.execute(_TWICE):
        yield LogDrift("log", f"posting {posting_id}", "a place, or in the queue", f"both: {index}")
    newest = newest_checkpoint(session)
    size = newest.size if newest else 0
    tiles = None
    if folder is not None and newest is not None:
        try:
            tiles = folder.tiles(size)
            if tiles.root() != newest.root:
                yield LogDrift("log", f"root over {size} leaves", newest.root.hex(), "another")
        except LogError as error:
            yield LogDrift("log", f"files over {size} leaves", "complete", error.reason)
            tiles = None
    yield from _check_leaves(session, tiles, size, progress)


def _check_leaves(
    session: Session, tiles: Tiles | None, size: int, progress: Progress
) -> Iterator[LogDrift]:
    start = 0
    while postings := sealed_postings(session, start, leaves_max=LEAVES_AT_ONCE):
        for posting in postings:
            if posting.first_index != start:
                subject = f"posting {posting.posting_id}"
                yield LogDrift("log", subject, f"leaf {start}", f"leaf {posting.first_index}")
            start = posting.first_index + posting.transfer_count
        if tiles is not None:
            yield from _compare(session, tiles, size, postings)
        progress("log", min(start, size), size)
    if start < size:
        yield LogDrift("log", "sealed postings", f"{size} leaves", f"{start} leaves")


def _compare(
    session: Session, tiles: Tiles, size: int, postings: list[Sealed]
) -> Iterator[LogDrift]:
    """Published leaves beside those of the database: names the transfer where they differ."""
    first = postings[0].first_index
    end = min(postings[-1].first_index + postings[-1].transfer_count, size)
    ours = {leaf.place: leaf for leaf in leaves(session, postings) if leaf.place < size}
    try:
        for bundle in range(first // TILE, (end + TILE - 1) // TILE):
            for place, published in enumerate(tiles.leaves(bundle), bundle * TILE):
                if not first <= place < end:
                    continue
                leaf = ours.pop(place, None)
                if leaf is None:
                    yield LogDrift("log", f"leaf {place}", "a transfer", "none in the database")
                elif published != leaf.content and not (
                    leaf.blind and _clear(published) == _clear(leaf.content)
                ):
                    subject = f"transfer {UUID(bytes=leaf.transfer_id)}"
                    expected = f"as published in leaf {place}"
                    yield LogDrift("log", subject, expected, "changed since")
    except LogError as error:
        yield LogDrift("log", f"files over {size} leaves", "complete", error.reason)
        return
    for place, leaf in sorted(ours.items()):
        subject = f"transfer {UUID(bytes=leaf.transfer_id)}"
        yield LogDrift("log", subject, "a place of its own", f"leaf {place}")


def _clear(leaf: bytes) -> tuple[bytes, bytes]:
    return leaf[:_CLEAR], leaf[_COMMITMENTS_END:]
