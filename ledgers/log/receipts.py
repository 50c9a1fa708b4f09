"""Receipts: what a holder keeps of one transfer, to check the published log by it for ever.

A receipt opens the two commitments of one leaf and says where the leaf is (docs/log.md, section 6).
In full it carries a proof up to a signed checkpoint; short enough for a QR code, it leaves the
proof to the published tiles. Both are checked here with no database, and by the page /verify.
"""

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self
from uuid import UUID

from ledgers.log.checkpoints import Checkpoint
from ledgers.log.entries import ID_BYTES, RECORD_BYTES, SALT_BYTES, Entry, commitment, decode
from ledgers.log.errors import LeafInvalid, LogInvalid, ProofInvalid, ReceiptInvalid
from ledgers.log.merkle import HASH_BYTES, leaf_hash, verify_consistency, verify_inclusion
from ledgers.log.notes import VerifierKey
from ledgers.log.reading import (
    consistency_proof_from,
    inclusion_proof_from,
    leaf_from,
    open_checkpoint,
)
from ledgers.log.sources import LogSource

FORMAT = "tanhui1"
RECEIPT_BYTES_MAX = 100_000

_HEAD = struct.Struct(f">Q{SALT_BYTES}s{ID_BYTES}s{SALT_BYTES}s{RECORD_BYTES}s")
_INDEX_MAX = 2**53  # JSON's numbers.


class Proof(NamedTuple):
    """The hashes from the leaf up to the root of ``checkpoint``, a signed note."""

    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One transfer's leaf, its place, and what its commitments hide. ``proof`` is None in what came
    from a QR code. Nothing of it is trusted before ``check_receipt``.
    """

    index: int
    holder_id: UUID
    holder_salt: bytes
    record_salt: bytes
    record: bytes
    leaf: bytes
    proof: Proof | None = None

    @property
    def transfer_id(self) -> UUID:
        return UUID(bytes=self.record[:ID_BYTES])

    def proved(self, proof: Proof) -> Self:
        """The same, with its proof."""
        return replace(self, proof=proof)

    def qr_text(self) -> str:
        """All but the proof, in at most 426 characters."""
        packed = _HEAD.pack(
            self.index, self.holder_salt, self.holder_id.bytes, self.record_salt, self.record
        )
        written = base64.urlsafe_b64encode(packed + self.leaf).decode().rstrip("=")
        return f"{FORMAT}:{written}"

    def as_json(self) -> dict[str, Any]:
        """The full form; bytes are in hexadecimal."""
        fields: dict[str, Any] = {
            "format": FORMAT,
            "transfer_id": str(self.transfer_id),
            "index": self.index,
            "holder_id": str(self.holder_id),
            "holder_salt": self.holder_salt.hex(),
            "record_salt": self.record_salt.hex(),
            "record": self.record.hex(),
            "leaf": self.leaf.hex(),
        }
        if self.proof:
            fields["proof"] = [one.hex() for one in self.proof.hashes]
            fields["checkpoint"] = self.proof.checkpoint
        return fields | {"qr_text": self.qr_text()}

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read either form; a link that ends in the short one will do.

        Raises:
            ReceiptInvalid: it is neither.
        """
        if len(written) > RECEIPT_BYTES_MAX:
            raise ReceiptInvalid(f"a receipt has at most {RECEIPT_BYTES_MAX} characters")
        written = written.strip()
        if written.startswith("{"):
            return cls._from_json(written)
        _, mark, packed = written.rpartition(f"{FORMAT}:")
        if not mark:
            raise ReceiptInvalid(f"a receipt is JSON, or a text that begins with {FORMAT}:")
        return cls._unpack(packed)

    @classmethod
    def _unpack(cls, written: str) -> Self:
        try:
            packed = base64.b64decode(written + "=" * (-len(written) % 4), b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise ReceiptInvalid("the short form is not base64url") from None
        if base64.urlsafe_b64encode(packed).decode().rstrip("=") != written:
            raise ReceiptInvalid("the short form is not base64url")
        if len(packed) <= _HEAD.size:
            raise ReceiptInvalid("the short form has no leaf")
        index, holder_salt, holder_id, record_salt, record = _HEAD.unpack_from(packed)
        if index > _INDEX_MAX:
            raise ReceiptInvalid("no log has such an index")
        leaf = packed[_HEAD.size :]
        return cls(index, UUID(bytes=holder_id), holder_salt, record_salt, record, leaf)

    @classmethod
    def _from_json(cls, written: str) -> Self:
        try:
            fields = json.loads(written)
            found = cls._from_fields(fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ReceiptInvalid("this JSON is not a receipt") from None
        # One writing for each receipt: what nobody reads cannot say something else.
        if found.as_json() != fields:
            raise ReceiptInvalid("the receipt's fields do not fit each other")
        return found

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any]) -> Self:
        index = fields["index"]
        if type(index) is not int or not 0 <= index <= _INDEX_MAX:
            raise ValueError("an index is a whole number")
        opening = cls(
            index,
            UUID(fields["holder_id"]),
            _unhex(fields["holder_salt"], SALT_BYTES),
            _unhex(fields["record_salt"], SALT_BYTES),
            _unhex(fields["record"], RECORD_BYTES),
            bytes.fromhex(fields["leaf"]),
        )
        if "checkpoint" not in fields:
            return opening
        hashes = tuple(_unhex(one, HASH_BYTES) for one in fields["proof"])
        if not isinstance(fields["checkpoint"], str):
            raise TypeError("a checkpoint is a text")
        return opening.proved(Proof(hashes, fields["checkpoint"]))


def _unhex(written: str, length: int) -> bytes:
    found = bytes.fromhex(written)
    if len(found) != length:
        raise ValueError(f"{length} bytes are needed")
    return found


def check_receipt(receipt: Receipt, verifier: VerifierKey) -> tuple[Entry, Checkpoint | None]:
    """What the receipt's leaf says, and the checkpoint that its own proof leads to, if it has one.

    Raises:
        ReceiptInvalid: a commitment, the proof or the checkpoint's signature does not fit.
    """
    try:
        entry = decode(receipt.leaf)
    except LeafInvalid as error:
        raise ReceiptInvalid(f"the leaf: {error.reason}") from error
    if commitment(receipt.holder_salt, receipt.holder_id.bytes) != entry.holder_commitment:
        raise ReceiptInvalid("the leaf does not name this holder")
    if commitment(receipt.record_salt, receipt.record) != entry.record_commitment:
        raise ReceiptInvalid("the leaf is not of this record")
    if receipt.proof is None:
        return entry, None
    try:
        checkpoint = open_checkpoint(receipt.proof.checkpoint, verifier)
        verify_inclusion(
            leaf_hash(receipt.leaf),
            receipt.index,
            checkpoint.size,
            receipt.proof.hashes,
            checkpoint.root,
        )
    except (LogInvalid, ProofInvalid) as error:
        raise ReceiptInvalid(f"the receipt's own {error.reason}") from error
    return entry, checkpoint


def find_in_log(
    receipt: Receipt, source: LogSource, published: Checkpoint, proved: Checkpoint | None
) -> None:
    """Check that the published log has the receipt's leaf at its place, and begins with ``proved``,
    the receipt's own checkpoint (see ``check_receipt``).

    Raises:
        ReceiptInvalid: it has another leaf there.
        LogInvalid: it has none there, was rolled back, or its tiles do not lead to the root.
        LogUnreachable: see ``LogSource``.
    """
    if proved and proved.size > published.size:
        raise LogInvalid(f"rolled back from {proved.size} leaves to {published.size}")
    if leaf_from(source, receipt.index, published.size) != receipt.leaf:
        raise ReceiptInvalid(f"leaf {receipt.index} of the published log is another")
    leaf, size, root = leaf_hash(receipt.leaf), published.size, published.root
    proof = inclusion_proof_from(source, receipt.index, size)
    try:
        verify_inclusion(leaf, receipt.index, size, proof, root)
        if proved:
            grown = consistency_proof_from(source, proved.size, size)
            verify_consistency(proved.size, proved.root, size, root, grown)
    except ProofInvalid as error:
        raise LogInvalid(f"the tiles do not fit the checkpoint: {error.reason}") from error
