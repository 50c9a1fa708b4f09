"""The outsider's side: check a published log, with nothing but its files and its verifier key.

Nothing read is trusted before it fits what was signed. Leaves are read bundle by bundle, so memory
stays flat however long the log is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ledgers.log import merkle
from ledgers.log.checkpoints import Checkpoint, TotalKey
from ledgers.log.entries import decode
from ledgers.log.errors import CheckpointInvalid, LeafInvalid, LogInvalid, NoteInvalid
from ledgers.log.merkle import leaf_hash, root_of
from ledgers.log.notes import VerifierKey, open_note
from ledgers.log.sources import LogSource
from ledgers.log.sources import open_log as open_log
from ledgers.log.tiles import CHECKPOINT, TILE, Tiles, edge_root, tile_path

Progress = Callable[[int], None]


class Verified(NamedTuple):
    """A log that was found sound: its checkpoint, the note that signs it, and the older one."""

    checkpoint: Checkpoint
    note: str
    older: Checkpoint | None


def read_checkpoint(source: LogSource, verifier: VerifierKey) -> tuple[Checkpoint, str]:
    """The newest checkpoint, and the note that signs it.

    Raises:
        LogInvalid: there is none, or it is not this log's, or ``verifier`` did not sign it.
        LogUnreachable: see ``LogSource``.
    """
    content = source.read(CHECKPOINT)
    if content is None:
        raise LogInvalid("there is no checkpoint")
    try:
        note = content.decode()
    except UnicodeDecodeError:
        raise LogInvalid("the checkpoint is not UTF-8") from None
    return open_checkpoint(note, verifier), note


def open_checkpoint(note: str, verifier: VerifierKey) -> Checkpoint:
    """What a note says that ``verifier`` signed; its name is the log's origin.

    Raises:
        LogInvalid: the note is not one of this log.
    """
    try:
        checkpoint = Checkpoint.parse(open_note(note, [verifier]).text)
    except (NoteInvalid, CheckpointInvalid) as error:
        raise LogInvalid(f"checkpoint: {error.reason}") from error
    if checkpoint.origin != verifier.name:
        raise LogInvalid(f"the checkpoint is of {checkpoint.origin}, not of {verifier.name}")
    return checkpoint


def verify_log(
    source: LogSource,
    verifier: VerifierKey,
    *,
    older: str | None = None,
    progress: Progress = lambda leaves: None,
) -> Verified:
    """Check all that a log publishes: signature, leaves, tiles, root and totals.

    Args:
        older: the note of a checkpoint kept from before: the log must begin with what it signed.
        progress: called with the number of leaves checked so far, after each bundle.

    Raises:
        LogInvalid: which file or leaf does not fit what.
        LogUnreachable: see ``LogSource``.
    """
    before = open_checkpoint(older, verifier) if older is not None else None
    checkpoint, note = read_checkpoint(source, verifier)
    if before and before.size > checkpoint.size:
        raise LogInvalid(f"rolled back from {before.size} leaves to {checkpoint.size}")
    walk = _Walk(Tiles(source.read, checkpoint.size))
    for index in range(_bundles(checkpoint.size)):
        walk.step(index, before)
        progress(min((index + 1) * TILE, checkpoint.size))
    walk.check_edge()
    _check(walk.edge, walk.totals, checkpoint, "the checkpoint")
    return Verified(checkpoint, note, before)


def totals(
    source: LogSource, size: int, progress: Progress = lambda leaves: None
) -> dict[TotalKey, int]:
    """The sums of the amounts of the first ``size`` leaves, from the bundles alone.

    Raises:
        LogInvalid: a bundle is missing, or a leaf is malformed.
        LogUnreachable: see ``LogSource``.
    """
    tiles = Tiles(source.read, size)
    sums: Counter[TotalKey] = Counter()
    for index in range(_bundles(size)):
        _add(sums, tiles.leaves(index), index * TILE)
        progress(min((index + 1) * TILE, size))
    return dict(sums)


def inclusion_proof_from(source: LogSource, index: int, size: int) -> list[bytes]:
    """The proof that leaf ``index`` is in the tree of ``size``, from tiles alone; verify it.

    Raises:
        LogInvalid: there is no such leaf, or a tile is missing.
        LogUnreachable: see ``LogSource``.
    """
    _check_index(index, size)
    return merkle.inclusion_proof(index, size, Tiles(source.read, size).subtree)


def consistency_proof_from(source: LogSource, old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``new`` begins with that of ``old``; as above."""
    if not 0 <= old <= new:
        raise LogInvalid(f"a log of {new} leaves has no beginning of {old}")
    return merkle.consistency_proof(old, new, Tiles(source.read, new).subtree)


def leaf_from(source: LogSource, index: int, size: int) -> bytes:
    """Leaf ``index`` of the tree of ``size``, from its bundle; not trusted before it is proved.

    Raises:
        LogInvalid: there is no such leaf, or its bundle is missing.
        LogUnreachable: see ``LogSource``.
    """
    _check_index(index, size)
    bundle, place = divmod(index, TILE)
    return Tiles(source.read, size).leaves(bundle)[place]


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise LogInvalid(f"a log of {size} leaves has no leaf {index}")


def _bundles(size: int) -> int:
    return -(-size // TILE)


class _Walk:
    """A log computed anew from its leaves, and compared with its tiles on the way."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self.totals: Counter[TotalKey] = Counter()
        self.edge: list[list[bytes]] = [[]]

    def step(self, index: int, before: Checkpoint | None) -> None:
        """Take the next bundle; ``before`` is compared when its size is reached."""
        start = index * TILE
        leaves = self._tiles.leaves(index)
        self.edge[0] = [leaf_hash(leaf) for leaf in leaves]
        self._compare(0, index)
        if before and start < before.size <= start + len(leaves):
            older = leaves[: before.size - start]
            sums = self.totals.copy()
            _add(sums, older, start)
            _check([self.edge[0][: len(older)], *self.edge[1:]], sums, before, "the older one")
        _add(self.totals, leaves, start)
        self._carry(index)

    def _carry(self, index: int) -> None:
        """Put the roots of full tiles on the level above, and compare what is full there."""
        level = 0
        while len(self.edge[level]) == TILE:
            if level:
                self._compare(level, index)
            if len(self.edge) == level + 1:
                self.edge.append([])
            self.edge[level + 1].append(root_of(self.edge[level]))
            self.edge[level] = []
            level, index = level + 1, index // TILE

    def check_edge(self) -> None:
        """Compare the partial tiles above the leaves."""
        for level in range(1, len(self.edge)):
            if self.edge[level]:
                self._compare(level, self._tiles.size >> 8 * (level + 1))

    def _compare(self, level: int, index: int) -> None:
        published = self._tiles.hashes(level, index)
        if published == self.edge[level]:
            return
        place = next(n for n, one in enumerate(self.edge[level]) if published[n] != one)
        path = tile_path(level, index, len(published))
        if level == 0:
            raise LogInvalid(f"leaf {index * TILE + place} does not fit its hash in {path}")
        raise LogInvalid(f"hash {place} in {path} does not fit the tile under it")


def _add(sums: Counter[TotalKey], leaves: Iterable[bytes], start: int) -> None:
    for index, leaf in enumerate(leaves, start):
        try:
            entry = decode(leaf)
        except LeafInvalid as error:
            raise LogInvalid(f"leaf {index}: {error.reason}") from error
        sums[entry.unit, entry.debit_kind, entry.credit_kind] += entry.amount


def _check(
    edge: list[list[bytes]], sums: Mapping[TotalKey, int], signed: Checkpoint, which: str
) -> None:
    if edge_root(edge) != signed.root:
        raise LogInvalid(f"the root of {signed.size} leaves is not that of {which}")
    for key in sorted(sums.keys() | signed.totals.keys()):
        if sums.get(key) != signed.totals.get(key):
            raise LogInvalid(
                f"total {' '.join(key)} is {sums.get(key, 0)} at {signed.size} leaves, "
                f"in {which} {signed.totals.get(key, 0)}"
            )
