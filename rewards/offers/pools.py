"""Pools: a merchant's own codes, loaded from a file whole or not at all.

A file is read twice: once to know its encoding, then line by line; its codes are sealed, hashed and
copied some thousand at a time, so memory grows with their hashes alone.
"""

import codecs
import csv
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count, islice
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, any_, cast, select
from sqlalchemy.orm import Session

from ledgers.bulk import NULL, copy_lines
from rewards.models import Offer, PoolCode, PoolFile
from rewards.offers.drafting import POOL, locked
from rewards.offers.errors import (
    OfferStateRefuses,
    PoolCodeKnown,
    PoolCodeRepeated,
    PoolCodeTooLong,
    PoolCodeUnprintable,
    PoolFileReused,
    PoolFileTooLong,
    PoolLineEmpty,
    StockOfPool,
)
from rewards.offers.putting import add_units
from rewards.voucher_codes import Codes

CODES_MAX = 200_000
LENGTH_MAX = 64
HEADER = "code"
_AT_ONCE = 5_000
_BLOCK_BYTES = 1 << 16
_COLUMNS = ("offer_id", "code_hash", "sealed", "file_id", "redemption_id")
_LINE_MAX_BYTES = 4_096  # Of a table with other columns beside the codes.


def load(
    session: Session,
    offer_id: UUID,
    file_id: UUID,
    file: BinaryIO,
    *,
    codes: Codes,
    loaded_by: str,
    now: datetime,
    merchant_id: UUID | None = None,
) -> PoolFile:
    """Load a file of codes, one a line, and raise the offer's stock by as many.

    UTF-8 (with or without a mark) or GB 18030; a table (CSV) whose header has ``code`` is read by
    that column. The same id and content again is a retry.

    Raises:
        UnknownOffer: none of ``merchant_id``, where that is given.
        StockOfPool: the offer is of another kind.
        PoolFileReused: the id stands for another file.
        OfferStateRefuses: the offer ended.
        PoolLineEmpty, PoolCodeTooLong, PoolCodeUnprintable, PoolCodeRepeated, PoolCodeKnown,
        PoolFileTooLong: with the line; nothing is loaded.

    Locks the merchant's offers of own codes, lowest id first, but not against redemptions.
    """
    pools = _lock_pools(session, offer_id)
    offer = locked(session, offer_id, merchant_id=merchant_id)
    digest = _digest(file)
    if (earlier := session.get(PoolFile, (offer_id, file_id))) is not None:
        if earlier.sha256 != digest:
            raise PoolFileReused(file_id)
        return earlier
    if offer.kind != POOL:
        raise StockOfPool(offer_id)
    if offer.state == "ended":
        raise OfferStateRefuses(offer_id, offer.state)
    lines: dict[bytes, int] = {}
    found = _codes(file)
    while batch := list(islice(found, _AT_ONCE)):
        _write(session, offer, file_id, batch, lines, pools, codes)
    if not lines:
        raise PoolLineEmpty(1)
    row = PoolFile(
        offer_id=offer_id,
        id=file_id,
        sha256=digest,
        codes=len(lines),
        loaded_by=loaded_by,
        loaded_at=now,
    )
    session.add(row)
    session.flush()
    add_units(session, offer_id, len(lines))
    return row


def _write(
    session: Session,
    offer: Offer,
    file_id: UUID,
    batch: list[tuple[int, str]],
    lines: dict[bytes, int],
    pools: list[UUID],
    codes: Codes,
) -> None:
    """Copy some codes, and note in ``lines`` on which line each stands."""
    new: dict[bytes, str] = {}
    for line, code in batch:
        hashed = codes.pool_hash(offer.merchant_id, code)
        if hashed in lines:
            raise PoolCodeRepeated(line, lines[hashed])
        lines[hashed], new[hashed] = line, code
    hashes = any_(cast(list(new), ARRAY(LargeBinary)))
    known = select(PoolCode.code_hash).where(
        PoolCode.offer_id.in_(pools), PoolCode.code_hash == hashes
    )
    if found := session.scalars(known).all():
        raise PoolCodeKnown(min(lines[hashed] for hashed in found))
    rows = (
        "\t".join((str(offer.id), _bytea(hashed), _bytea(sealed), str(file_id), NULL))
        for hashed, sealed in ((hashed, codes.seal(offer.id, code)) for hashed, code in new.items())
    )
    copy_lines(session, PoolCode.__tablename__, _COLUMNS, rows)


def _bytea(value: bytes) -> str:
    """As COPY's text format has it."""
    return f"\\\\x{value.hex()}"


def _lock_pools(session: Session, offer_id: UUID) -> list[UUID]:
    """The pools of the offer's merchant. Of two files at once the second sees what the first
    loaded.
    """
    merchant_id = session.scalar(select(Offer.merchant_id).where(Offer.id == offer_id))
    query = select(Offer.id).where(Offer.merchant_id == merchant_id, Offer.kind == POOL)
    return list(session.scalars(query.order_by(Offer.id).with_for_update(key_share=True)))


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    for block in _blocks(file):
        digest.update(block)
    return digest.digest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        yield block


def _codes(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Each code with its line."""
    rows = _rows(_text(file, _encoding(file)))
    empty = 0
    for n, (line, cell) in enumerate(rows, start=1):
        code = unicodedata.normalize("NFKC", cell).strip()
        if not code:
            empty = empty or line
            continue
        if empty:
            raise PoolLineEmpty(empty)
        if len(code) > LENGTH_MAX:
            raise PoolCodeTooLong(line, LENGTH_MAX)
        if not code.isprintable():
            raise PoolCodeUnprintable(line)
        if n > CODES_MAX:
            raise PoolFileTooLong(line, CODES_MAX)
        yield line, code


def _encoding(file: BinaryIO) -> str:
    """What the whole file is in: by its bytes, as its sender may not know it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(file):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


def _text(file: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines without their ends, each with its number."""
    file.seek(0)
    for number in count(1):
        if not (raw := file.readline(_LINE_MAX_BYTES)):
            return
        if len(raw) == _LINE_MAX_BYTES and not raw.endswith(b"\n"):
            raise PoolCodeTooLong(number, LENGTH_MAX)
        try:
            text = raw.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
        except UnicodeDecodeError as error:
            raise PoolCodeUnprintable(number) from error
        yield number, text.rstrip("\r\n")


def _rows(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The cell with the code of each line: the whole line, or the column that a header names."""
    column: int | None = None
    for number, text in lines:
        if number == 1:
            names = [name.strip().casefold() for name in next(csv.reader([text]), [])]
            if HEADER in names:
                column = names.index(HEADER)
                continue
        yield number, text if column is None else _cell(number, text, column)


def _cell(number: int, text: str, column: int) -> str:
    if '"' in text and text.count('"') % 2:  # A cell on several lines.
        raise PoolCodeUnprintable(number)
    cells = next(csv.reader([text]), [])
    return cells[column] if column < len(cells) else ""
