"""Plain functions with valid defaults: leaves, a key, a published log."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ledgers.log.checkpoints import Checkpoint
from ledgers.log.entries import decode, encode
from ledgers.log.notes import SignerKey, sign
from ledgers.log.tiles import LogFolder

KEY = SignerKey("tanhui.example/log", bytes(range(32)))


def some_leaves(count: int, seed: int = 1) -> list[bytes]:
    """Leaves that a ledger could have written, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable, no secret
    made = []
    for _ in range(count):
        unit, debit, credit, kind = chance.choice(
            (
                ("point", "issued", "personal", "earn"),
                ("point", "personal", "redeemed", "spend"),
                ("mg_co2e", "issued", "personal", "earn"),
            )
        )
        commitments = chance.randbytes(32), chance.randbytes(32)
        made.append(encode(unit, debit, credit, chance.randint(1, 500), 20_000, *commitments, kind))
    return made


def totals_of(leaves: Sequence[bytes]) -> dict[tuple[str, str, str], int]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for leaf in leaves:
        entry = decode(leaf)
        sums[entry.unit, entry.debit_kind, entry.credit_kind] += entry.amount
    return dict(sums)


def a_log(path: Path, leaves: Sequence[bytes], *, sizes: Sequence[int] = ()) -> LogFolder:
    """A published log; ``sizes`` are those of earlier checkpoints, in rising order."""
    log = LogFolder(path)
    before = 0
    for size in (*sizes, len(leaves)):
        root = log.append(before, leaves[before:size])
        log.publish(a_note(leaves[:size], root))
        before = size
    return log


def a_note(leaves: Sequence[bytes], root: bytes, *, origin: str = KEY.name) -> str:
    checkpoint = Checkpoint(origin, len(leaves), root, totals_of(leaves))
    return sign(checkpoint.text(), KEY.name, KEY.private)


def files_of(path: Path) -> dict[str, bytes]:
    """Every published file, by its path below ``path``."""
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }
