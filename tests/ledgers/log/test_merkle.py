"""Trees and proofs: the published vectors, an independent library, and proofs that were changed."""

import pytest
import tamperlog
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers.log.errors import ProofInvalid
from ledgers.log.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves of the certificate-transparency reference implementation, and what it makes of
# them.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
HASHES = [leaf_hash(number.to_bytes(4, "big")) for number in range(2_500)]
SIZES = st.integers(1, len(HASHES))


def subtree_of(hashes):
    return lambda level, index: root_of(hashes[index << level : (index + 1) << level])


def changed(proof):
    """Every proof that differs in one byte of one hash, in one hash more or in one less."""
    for place, found in enumerate(proof):
        for at in range(32):
            other = found[:at] + bytes([found[at] ^ 1]) + found[at + 1 :]
            yield [*proof[:place], other, *proof[place + 1 :]]
        yield [*proof[:place], *proof[place + 1 :]]
    for place in range(len(proof) + 1):
        yield [*proof[:place], bytes(32), *proof[place:]]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_reference(size):
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]) == ROOTS[size]


def test_an_empty_tree_has_the_hash_of_nothing():
    assert ROOTS[0] == EMPTY_ROOT


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference(index, size, proof):
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    made = inclusion_proof(index, size, subtree_of(hashes))

    assert [one.hex() for one in made] == proof
    verify_inclusion(hashes[index], index, size, made, ROOTS[size])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference(old, new, proof):
    made = consistency_proof(old, new, subtree_of([leaf_hash(leaf) for leaf in LEAVES]))

    assert [one.hex() for one in made] == proof
    verify_consistency(old, ROOTS[old], new, ROOTS[new], made)


@settings(deadline=None)
@given(st.data(), st.integers(1, 300))
def test_proofs_and_roots_agree_with_an_independent_library(data, size):
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    hashes = HASHES[:size]
    root, old_root = root_of(hashes), root_of(hashes[:old])
    included = inclusion_proof(index, size, subtree_of(hashes))
    consistent = consistency_proof(old, size, subtree_of(hashes))

    assert root == tamperlog.merkle_root(hashes)
    assert included == tamperlog.inclusion_proof(index, hashes)
    assert consistent == tamperlog.consistency_proof(old, hashes)
    tamperlog.verify_inclusion(index, size, hashes[index], included, root)
    tamperlog.verify_consistency(old, old_root, size, root, consistent)


@settings(deadline=None)
@given(st.data(), SIZES)
def test_every_leaf_can_be_proved_and_no_other_in_its_place(data, size):
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, subtree_of(HASHES))
    root = root_of(HASHES[:size])

    verify_inclusion(HASHES[index], index, size, proof, root)
    other = data.draw(st.integers(0, size))
    if other != index:
        with pytest.raises(ProofInvalid):
            verify_inclusion(HASHES[index], other, size, proof, root)
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf_hash(b"other"), index, size, proof, root)


@settings(deadline=None)
@given(st.data(), SIZES)
def test_every_older_tree_can_be_proved_and_no_other(data, size):
    old = data.draw(st.integers(0, size))
    proof = consistency_proof(old, size, subtree_of(HASHES))
    old_root, root = root_of(HASHES[:old]), root_of(HASHES[:size])

    verify_consistency(old, old_root, size, root, proof)
    with pytest.raises(ProofInvalid):
        verify_consistency(old, leaf_hash(b"other"), size, root, proof)
    with pytest.raises(ProofInvalid):
        verify_consistency(old, old_root, size, leaf_hash(b"other"), [*proof, bytes(32)])
    if old < size:
        with pytest.raises(ProofInvalid):
            verify_consistency(size, root, old, old_root, proof)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 8), (5, 7), (6, 7), (12, 13), (3, 300)])
def test_a_changed_inclusion_proof_is_refused(index, size):
    proof = inclusion_proof(index, size, subtree_of(HASHES))
    for other in changed(proof):
        with pytest.raises(ProofInvalid):
            verify_inclusion(HASHES[index], index, size, other, root_of(HASHES[:size]))


@pytest.mark.parametrize(
    ("old", "new"), [(0, 5), (4, 4), (1, 8), (4, 7), (6, 8), (7, 13), (3, 300)]
)
def test_a_changed_consistency_proof_is_refused(old, new):
    proof = consistency_proof(old, new, subtree_of(HASHES))
    roots = root_of(HASHES[:old]), root_of(HASHES[:new])
    for other in changed(proof):
        with pytest.raises(ProofInvalid):
            verify_consistency(old, roots[0], new, roots[1], other)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (9, 4)])
def test_a_leaf_outside_the_tree_is_refused(index, size):
    with pytest.raises(ProofInvalid, match="not in a tree"):
        verify_inclusion(HASHES[0], index, size, [], HASHES[0])


def test_a_node_does_not_pass_for_a_leaf_nor_a_longer_hash_for_two():
    left, right = HASHES[:2]
    root = node_hash(left, right)
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf_hash(left + right), 0, 1, [], root)
    with pytest.raises(ProofInvalid, match="32 bytes"):
        verify_inclusion(left + right[:1], 0, 2, [right[1:]], root)
