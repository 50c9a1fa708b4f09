"""Merkle trees of RFC 6962: hashes, proofs and their verification (RFC 9162, section 2.1).

Pure functions. A verifier trusts nothing but the root it was given: length and order of a proof
follow from the sizes, and whatever is left over or missing is refused.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from ledgers.log.errors import ProofInvalid

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

# Hash of the complete subtree of 2**level leaves that is the index-th of its level from the left.
Subtree = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """A leaf's hash in the tree; the prefix keeps a leaf from passing for a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes that stand side by side, any number of them.

    All but the last stand for complete subtrees of one height; the last may stand for a smaller
    one, since a node without a right neighbour goes up unchanged.
    """
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        # Written out, not node_hash: this is half of what sealing a leaf costs.
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        if len(hashes) % 2:
            above.append(hashes[-1])
        hashes = above
    return hashes[0]


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The hashes beside the path from leaf ``index`` up to the root of the first ``size`` leaves.

    ``0 <= index < size``. Asks ``subtree`` for some log2(size)**2 / 2 hashes at most.
    """
    assert 0 <= index < size, "the leaf is in the tree"
    start, end = 0, size
    beside = []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    return [_range_hash(*part, subtree) for part in reversed(beside)]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """What shows that the first ``old`` of ``new`` leaves are as they were; ``0 <= old <= new``.

    Empty where nothing needs showing: an empty old tree, or the same one.
    """
    assert 0 <= old <= new, "a tree only grows"
    if old == 0:
        return []
    start, end = 0, new
    parts = []
    while end != old:
        middle = _middle(start, end)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start = middle
    if start:  # Else it is the old tree itself, whose root the verifier has.
        parts.append((start, end))
    return [_range_hash(*part, subtree) for part in reversed(parts)]


def _middle(start: int, end: int) -> int:
    """Where RFC 6962 divides a range: after the most leaves that make a complete subtree."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """The hash over leaves ``start`` to ``end``, which is a node of a tree that ends at ``end``."""
    complete = []
    while start < end:
        level = (end - start).bit_length() - 1
        complete.append(subtree(level, start >> level))
        start += 1 << level
    folded = complete.pop()
    while complete:
        folded = node_hash(complete.pop(), folded)
    return folded


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf of ``leaf_hash`` is the ``index``-th of the tree (RFC 9162, 2.1.3.2).

    Raises:
        ProofInvalid: it is not, or the proof has too few or too many hashes.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"leaf {index} is not in a tree of {size}")
    _check_hashes(leaf_hash, root, *proof)
    place, last, folded = index, size - 1, leaf_hash
    for beside in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if place & 1 or place == last:
            folded = node_hash(beside, folded)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            folded = node_hash(folded, beside)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    if folded != root:
        raise ProofInvalid(f"leaf {index} is not what the root of {size} leaves stands for")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the older tree is the beginning of the newer one (RFC 9162, 2.1.4.2).

    Raises:
        ProofInvalid: it is not, the older is larger, or the proof has the wrong length.
    """
    if not 0 <= old_size <= new_size:
        raise ProofInvalid(f"a tree of {new_size} does not begin with one of {old_size}")
    _check_hashes(old_root, new_root, *proof)
    if old_size in (0, new_size):
        known = EMPTY_ROOT if old_size == 0 else new_root
        if proof:
            raise ProofInvalid("the proof is too long")
        if old_root != known:
            raise ProofInvalid(f"another tree of {old_size} leaves")
        return
    from_old, from_new = _fold_consistency(old_size, old_root, new_size, proof)
    if from_old != old_root:
        raise ProofInvalid(f"the proof is not about the older tree of {old_size}")
    if from_new != new_root:
        raise ProofInvalid(f"the tree of {new_size} does not begin with the one of {old_size}")


def _fold_consistency(
    old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The two roots that a proof leads to, for ``0 < old_size < new_size``."""
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # A complete old tree is itself the first node.
        path.insert(0, old_root)
    if not path:
        raise ProofInvalid("the proof is too short")
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    from_old = from_new = path[0]
    for beside in path[1:]:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if place & 1 or place == last:
            from_old = node_hash(beside, from_old)
            from_new = node_hash(beside, from_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            from_new = node_hash(from_new, beside)
        place, last = place >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    return from_old, from_new


def _check_hashes(*hashes: bytes) -> None:
    """A node's hash is of two hashes of fixed length; other lengths would move the border."""
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofInvalid(f"a hash has {HASH_BYTES} bytes")
