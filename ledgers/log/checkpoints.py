"""Checkpoints: what the log says of itself at one size, the text of a signed note.

The form is C2SP tlog-checkpoint with one extension line for each total (docs/log.md, section 2).
There is one way to write a checkpoint, so reading takes no other.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ledgers.log.entries import ACCOUNT_KINDS, UNITS
from ledgers.log.errors import CheckpointInvalid
from ledgers.log.merkle import EMPTY_ROOT, HASH_BYTES
from ledgers.log.notes import is_key_name

# Unit, debit account's kind, credit account's kind.
TotalKey = tuple[str, str, str]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SUM = re.compile(r"0|[1-9][0-9]{0,38}")
_SIZE_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log ``origin`` when it had ``size`` leaves: root hash, and the sum of the amounts by
    unit (in which it is), debit and credit account's kind, for all that occur.
    """

    origin: str
    size: int
    root: bytes
    totals: Mapping[TotalKey, int]

    def text(self) -> str:
        """As it is signed."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode()]
        lines += sorted(f"total {' '.join(key)} {total}" for key, total in self.totals.items())
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``text`` writes; every other spelling is refused.

        Raises:
            CheckpointInvalid: which line is wrong, and how.
        """
        origin, size, root, *totals = [*text.split("\n"), *[""] * 3]
        if not is_key_name(origin):
            raise CheckpointInvalid("the first line is the log's origin, a key's name")
        if not _SIZE.fullmatch(size) or int(size) > _SIZE_MAX:
            raise CheckpointInvalid("the second line is the number of leaves")
        parsed = [_parse_total(line) for line in totals if line]
        checkpoint = cls(origin, int(size), _parse_root(root), dict(parsed))
        if checkpoint.text() != text:
            raise CheckpointInvalid("totals are sorted and written once, with no line between them")
        if not checkpoint.size and (checkpoint.totals or checkpoint.root != EMPTY_ROOT):
            raise CheckpointInvalid("an empty log has no totals, and the root of an empty tree")
        return checkpoint


def _parse_root(line: str) -> bytes:
    try:
        root = binascii.a2b_base64(line, strict_mode=True)
    except (ValueError, binascii.Error):
        root = b""
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != line:
        raise CheckpointInvalid(f"the third line is the root, {HASH_BYTES} bytes in base64")
    return root


def _parse_total(line: str) -> tuple[TotalKey, int]:
    match line.split(" "):
        case ["total", unit, debit_kind, credit_kind, total] if (
            unit in UNITS
            and debit_kind in ACCOUNT_KINDS
            and credit_kind in ACCOUNT_KINDS
            and _SUM.fullmatch(total)
        ):
            return (unit, debit_kind, credit_kind), int(total)
    raise CheckpointInvalid("a further line is total, unit, two kinds of account and a sum")
