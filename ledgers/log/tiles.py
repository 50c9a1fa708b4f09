"""The tree and its leaves as files, laid out as C2SP tlog-tiles says (docs/log.md, section 1).

A tile of level L has 256 hashes, each over 256**L leaves; an entry bundle has the 256 leaves under
a tile of level 0. Only the right edge is partial. Files follow from size and leaves alone, so
writing them again, after a kill at any point, ends in the same bytes.
"""

import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ledgers.log.errors import LogInvalid
from ledgers.log.files import Files, read_file
from ledgers.log.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, root_of

TILE = 256
TILE_LEVELS = 8  # A tile is as high as this many levels of the tree.
CHECKPOINT = "checkpoint"

Level = int | Literal["entries"]
Read = Callable[[str], bytes | None]

_LENGTH = struct.Struct(">H")


def tile_path(level: Level, index: int, width: int = TILE) -> str:
    """Where a tile is, or an entry bundle; ``width`` below 256 is a partial one's."""
    assert 0 < width <= TILE, "an empty tile is no file"
    above, last = divmod(index, 1000)
    path = f"{last:03d}"
    while above:
        above, group = divmod(above, 1000)
        path = f"x{group:03d}/{path}"
    suffix = f".p/{width}" if width < TILE else ""
    return f"tile/{level}/{path}{suffix}"


def split_bundle(bundle: bytes) -> list[bytes]:
    """The leaves of an entry bundle.

    Raises:
        LogInvalid: it ends within a leaf.
    """
    leaves = []
    place, end = 0, len(bundle)
    while place < end:
        start = place + _LENGTH.size
        if start > end:
            raise LogInvalid("a bundle ends within the length of a leaf")
        place = start + (bundle[start - 2] << 8 | bundle[start - 1])
        leaves.append(bundle[start:place])
    if place != end:
        raise LogInvalid("a bundle ends within a leaf")
    return leaves


def edge_root(edge: Sequence[Sequence[bytes]]) -> bytes:
    """The root over the right edge: for each level of tiles the hashes that are not yet in a full
    tile, the lowest level first.
    """
    below: list[bytes] = []
    for hashes in edge:
        if nodes := [*hashes, *below]:
            below = [root_of(nodes)]
    return below[0] if below else EMPTY_ROOT


class Tiles:
    """The tree of the first ``size`` leaves as its files have it.

    What is read is not trusted for being there: a proof made from it must be verified, the root
    compared. Every method raises LogInvalid where a file is missing or has the wrong length.
    Remembers some tiles and subtrees, a bounded number, since proofs of neighbours share them.
    """

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self.size = size
        self.hashes = lru_cache(64)(self._hashes)
        self.subtree = lru_cache(4096)(self._subtree)

    def _hashes(self, level: int, index: int) -> Sequence[bytes]:
        """The hashes of one tile, at most 256."""
        path, tile, has = self._find(level, index)
        if len(tile) != has * HASH_BYTES:
            raise LogInvalid(f"{path} has {len(tile)} bytes, not {has * HASH_BYTES}")
        end = self._width(level, index) * HASH_BYTES
        return [tile[at : at + HASH_BYTES] for at in range(0, end, HASH_BYTES)]

    def _subtree(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree of 2**level leaves, for proofs."""
        tile_level, height = divmod(level, TILE_LEVELS)
        tile, place = divmod(index << height, TILE)
        return root_of(self.hashes(tile_level, tile)[place : place + (1 << height)])

    def leaves(self, index: int) -> list[bytes]:
        """The leaves of one entry bundle, at most 256."""
        path, bundle, has = self._find("entries", index)
        try:
            leaves = split_bundle(bundle)
        except LogInvalid as error:
            raise LogInvalid(f"{path}: {error.reason}") from None
        if len(leaves) != has:
            raise LogInvalid(f"{path} has {len(leaves)} leaves, not {has}")
        return leaves[: self._width(0, index)]

    def _find(self, level: Level, index: int) -> tuple[str, bytes, int]:
        """A tile's or bundle's path, its content, and how many hashes or leaves are to be in it."""
        width = self._width(0 if level == "entries" else level, index)
        for has in (width, *self._wider(level, index, width)):
            path = tile_path(level, index, has)
            if (content := self._read(path)) is not None:
                return path, content, has
        raise LogInvalid(f"{tile_path(level, index, width)} is missing")

    def _wider(self, level: Level, index: int, width: int) -> Iterable[int]:
        """Widths that do as well: a log may drop the partial tile once the full one is there."""
        return (TILE,)

    def _width(self, level: int, index: int) -> int:
        there = (self.size >> TILE_LEVELS * level) - index * TILE
        assert there > 0, "the tile is in the tree"
        return min(there, TILE)

    def edge(self) -> list[list[bytes]]:
        """The hashes of the partial tile of each level, the lowest first; see ``edge_root``."""
        edge: list[list[bytes]] = []
        there = self.size
        while there:
            level, tile = len(edge), there // TILE
            edge.append(list(self.hashes(level, tile)) if there % TILE else [])
            there //= TILE
        return edge

    def root(self) -> bytes:
        """The root, from the tiles of the right edge."""
        return edge_root(self.edge())


class _FolderTiles(Tiles):
    """Of any size, also one that no checkpoint had: a wider partial tile does for a narrower."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(partial(read_file, folder), size)
        self._folder = folder

    def _wider(self, level: Level, index: int, width: int) -> Iterable[int]:
        beside = (self._folder / tile_path(level, index, 1)).parent
        there = (int(file.name) for file in beside.glob("*") if file.name.isdecimal())
        return *sorted(wider for wider in there if width < wider < TILE), TILE


class LogFolder:
    """The folder that is published. One process writes to it at a time; anyone may read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: str) -> bytes | None:
        """A file as it was published, or None."""
        return read_file(self.path, path)

    def tiles(self, size: int) -> Tiles:
        """The tree of the first ``size`` leaves."""
        return _FolderTiles(self.path, size)

    def root(self, size: int) -> bytes:
        """The root over the first ``size`` leaves, from the tiles; reads one for each level.

        Any size up to what was appended. LogInvalid where a tile of it is missing or damaged.
        """
        return self.tiles(size).root()

    def append(self, size: int, leaves: Sequence[bytes]) -> bytes:
        """Write the files of the tree in which ``leaves`` follow the ``size`` leaves already there.

        Reads the right edge of ``size`` and nothing else. All is durable on return, and may be
        published. The same again, with the same leaves, is a retry and ends in the same bytes,
        whatever a run that was killed left behind; files past the new size are left alone, since
        no checkpoint leads to them and the run that gets there writes them anew.

        Args:
            size: of the tree before; compare ``root(size)`` with its checkpoint first.
            leaves: each of at most 65,535 bytes; 200,000 a call are 20 MB and 1,600 files.

        Returns:
            The root over ``size + len(leaves)`` leaves.

        Raises:
            LogInvalid: the edge of ``size`` is missing or does not fit its leaves.
            OSError: a file could not be written; repeat.
        """
        edge, bundle = self._open_edge(size)
        files = Files(self.path, expected=len(leaves) // (TILE // 2))
        start = 0
        while start < len(leaves):
            room = TILE - (size + start) % TILE
            chunk = leaves[start : start + room]
            start += len(chunk)
            end = size + start
            bundle += b"".join([_LENGTH.pack(len(leaf)) + leaf for leaf in chunk])
            edge[0] += [sha256(b"\x00" + leaf).digest() for leaf in chunk]
            files.write(tile_path("entries", (end - 1) // TILE, (end - 1) % TILE + 1), bundle)
            if end % TILE == 0:
                _carry(files, edge, end)
                bundle = b""
        for level, hashes in enumerate(edge):
            if hashes:
                index = size + start >> TILE_LEVELS * (level + 1)
                files.write(tile_path(level, index, len(hashes)), b"".join(hashes))
        files.settle()
        self._drop_partials(size, size + start)
        return edge_root(edge)

    def _open_edge(self, size: int) -> tuple[list[list[bytes]], bytes]:
        """The edge of ``size`` and the bundle that is to be continued."""
        tiles = self.tiles(size)
        edge = tiles.edge() or [[]]
        leaves = tiles.leaves(size // TILE) if size % TILE else []
        if [leaf_hash(leaf) for leaf in leaves] != edge[0]:
            raise LogInvalid(f"bundle {size // TILE} does not fit its tile at size {size}")
        return edge, b"".join(_LENGTH.pack(len(leaf)) + leaf for leaf in leaves)

    def _drop_partials(self, size: int, new_size: int) -> None:
        """Remove partial tiles that neither checkpoint, of ``size`` or ``new_size``, leads to.

        Only where the full tile is there: until then every checkpoint ever made may ask for its
        own. What cannot be removed does no harm.
        """
        for level, span in _spans(new_size):
            edge = size // span
            for index, folder in self._partials(level, edge):
                kept = size % span // (span // TILE) if index == edge else 0
                if (index + 1) * span > new_size:
                    continue
                if not kept:
                    shutil.rmtree(folder, ignore_errors=True)
                    continue
                for narrower in folder.iterdir():
                    if narrower.name != str(kept):
                        narrower.unlink(missing_ok=True)

    def _partials(self, level: Level, edge: int) -> Iterator[tuple[int, Path]]:
        """The folders of partial tiles, with their index, up to ``edge``.

        Looks where the last append can have left some: among the thousand neighbours in the same
        folder and in the one before.
        """
        for group in range(max(edge // 1000 - 1, 0), edge // 1000 + 1):
            beside = (self.path / tile_path(level, group * 1000)).parent
            for folder in sorted(beside.glob("[0-9][0-9][0-9].p")):
                if (index := group * 1000 + int(folder.stem)) <= edge:
                    yield index, folder

    def publish(self, note: str) -> None:
        """Make ``note`` the checkpoint that readers see; what it leads to is appended before."""
        files = Files(self.path, expected=1)
        files.write(CHECKPOINT, note.encode())
        files.settle()


def _carry(files: Files, edge: list[list[bytes]], size: int) -> None:
    """Write the tiles that are full at ``size`` and put their roots on the level above."""
    level = 0
    while len(edge[level]) == TILE:
        size //= TILE
        files.write(tile_path(level, size - 1), b"".join(edge[level]))
        if len(edge) == level + 1:
            edge.append([])
        edge[level + 1].append(root_of(edge[level]))
        edge[level] = []
        level += 1


def _spans(size: int) -> Iterator[tuple[Level, int]]:
    """The levels that have a full tile at ``size``, with the leaves under one."""
    if size >= TILE:
        yield "entries", TILE
    level, span = 0, TILE
    while size >= span:
        yield level, span
        level, span = level + 1, span * TILE
