"""A merchant's file against our lines: what differs is found, each thing once."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from rewards.models import Redemption, SettlementLine, Voucher
from rewards.settling.drafting import Key
from rewards.settling.errors import UnreadableStatement
from rewards.settling.reconciling import Finding, Ours, of_period, of_settlement, reconcile
from rewards.settling.statements import Taken, read_statement
from rewards.voucher_codes import Codes, code_sha256
from tests.makers import programme_holder
from tests.settlements import FIRST, SHANGHAI, a_drafted, lines_for, taken_back
from tests.shopping import a_merchant, an_offer

CODES = Codes(b"v" * 32, b"p" * 32)


@pytest.fixture
def merchant_id(session: Session) -> UUID:
    return a_merchant(session, programme_holder(session))


def hashes_for(merchant_id: UUID):
    def hashes(code: str) -> Sequence[bytes]:
        own = code_sha256(code)
        return [*([own] if own else []), CODES.pool_hash(merchant_id, code)]

    return hashes


def compared(
    session: Session, merchant_id: UUID, ours: Ours, taken: Sequence[Taken]
) -> tuple[list[Finding], object]:
    found: list[Finding] = []
    summary = reconcile(session, ours, taken, hashes=hashes_for(merchant_id), tell=found.append)
    return found, summary


def the_line(session: Session, merchant_id: UUID, id_: UUID) -> SettlementLine:
    return session.get_one(SettlementLine, (merchant_id, id_))


def as_theirs(line: SettlementLine, number: int = 2, **other: object) -> Taken:
    assert line.consumption_id
    same = Taken(number, line.consumption_id, "", line.occurred_at, line.amount_fen)
    return same._replace(**other)


def test_a_file_that_says_the_same_has_no_difference(session: Session, merchant_id: UUID) -> None:
    ids = lines_for(session, merchant_id, [500, 700, 0])
    key = a_drafted(session, merchant_id)
    taken = [as_theirs(the_line(session, merchant_id, id_), n) for n, id_ in enumerate(ids, 2)]
    for ours in (of_settlement(key), of_period(merchant_id, FIRST)):
        found, summary = compared(session, merchant_id, ours, taken)
        assert found == []
        assert (summary.lines, summary.alike) == (3, 3)
        assert (summary.theirs_fen, summary.ours_fen) == (1200, 1200)


def test_each_difference_is_found(session: Session, merchant_id: UUID) -> None:
    ids = lines_for(session, merchant_id, [500, 501, 502, 503, 504])
    key = a_drafted(session, merchant_id)
    same, missing, amount, late, twice = (the_line(session, merchant_id, id_) for id_ in ids)
    more = Taken(9, uuid4(), "", FIRST.begins_at, 900)
    taken = [
        as_theirs(same, 2),
        as_theirs(amount, 3, amount_fen=1),
        as_theirs(late, 4, consumed_at=late.occurred_at + timedelta(minutes=2, seconds=1)),
        as_theirs(twice, 5),
        as_theirs(twice, 6),
        more,
    ]
    found, summary = compared(session, merchant_id, of_settlement(key), taken)
    assert {(one.kind, one.consumption_id, one.line) for one in found} == {
        ("only_ours", missing.consumption_id, None),
        ("amount_differs", amount.consumption_id, 3),
        ("time_differs", late.consumption_id, 4),
        ("duplicate", twice.consumption_id, 5),
        ("only_theirs", more.consumption_id, 9),
    }
    assert summary.alike == 1
    differing = next(one for one in found if one.kind == "amount_differs")
    assert (differing.theirs_fen, differing.ours_fen) == (1, 502)


def test_clocks_may_differ_by_two_minutes(session: Session, merchant_id: UUID) -> None:
    (id_,) = lines_for(session, merchant_id, [500])
    key, line = a_drafted(session, merchant_id), the_line(session, merchant_id, id_)
    for minutes in (-2, 2):
        at = line.occurred_at + timedelta(minutes=minutes)
        taken = [as_theirs(line, consumed_at=at)]
        assert compared(session, merchant_id, of_settlement(key), taken)[0] == []


def test_what_was_taken_back_need_not_be_in_the_file(session: Session, merchant_id: UUID) -> None:
    ids = lines_for(session, merchant_id, [500, 700])
    taken_back(session, merchant_id, ids[0], at=FIRST.begins_at, kind="reversal")
    key = a_drafted(session, merchant_id)
    back, stays = (the_line(session, merchant_id, id_) for id_ in ids)
    without = [as_theirs(stays)]
    with_both = [*without, as_theirs(back, 3), as_theirs(back, 4, amount_fen=-500)]
    for taken in (without, with_both):
        assert compared(session, merchant_id, of_settlement(key), taken)[0] == []
    found, _ = compared(session, merchant_id, of_settlement(key), [*without, as_theirs(back, 3)])
    assert [(one.kind, one.theirs_fen, one.ours_fen) for one in found] == [
        ("amount_differs", 500, 0)
    ]


def a_voucher(session: Session, merchant_id: UUID, line: SettlementLine, hashed: bytes) -> None:
    holder_id = uuid4()
    session.add(
        Redemption(
            id=line.redemption_id,
            holder_id=holder_id,
            offer_id=line.offer_id,
            spent_points=1,
            redeemed_at=line.occurred_at,
        )
    )
    session.add(
        Voucher(
            code_sha256=hashed,
            redemption_id=line.redemption_id,
            holder_id=holder_id,
            offer_id=line.offer_id,
            merchant_id=merchant_id,
            consumed_at=line.occurred_at,
            consumption_id=line.consumption_id,
        )
    )
    session.flush()


def test_codes_are_found_by_their_hash_however_they_are_typed(
    session: Session, merchant_id: UUID
) -> None:
    offer_id = an_offer(session, programme_holder(session), merchant_id)
    ids = lines_for(session, merchant_id, [500, 700], offer_id=offer_id)
    key = a_drafted(session, merchant_id)
    ours, pool = (the_line(session, merchant_id, id_) for id_ in ids)
    code = CODES.of_redemption(ours.redemption_id)
    hashed = code_sha256(code)
    assert hashed
    a_voucher(session, merchant_id, ours, hashed)
    a_voucher(session, merchant_id, pool, CODES.pool_hash(merchant_id, "POOL-1"))
    taken = [
        Taken(2, None, code.lower().replace("-", " "), ours.occurred_at, 500),
        Taken(3, None, " POOL-1 ", pool.occurred_at, 700),
        Taken(4, None, "POOL-2", pool.occurred_at, 1),
        Taken(5, None, "POOL-2", pool.occurred_at, 1),
    ]
    found, summary = compared(session, merchant_id, of_settlement(key), taken)
    assert [(one.kind, one.line, one.consumption_id) for one in found] == [
        ("duplicate", 4, None),
        ("only_theirs", 4, None),
    ]
    assert summary.alike == 2


def test_a_code_of_another_merchant_or_one_not_taken_yet_is_only_theirs(
    session: Session, merchant_id: UUID
) -> None:
    other = a_merchant(session, programme_holder(session))
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    offer_id = an_offer(session, programme_holder(session), other)
    (id_,) = lines_for(session, other, [500], offer_id=offer_id)
    line = the_line(session, other, id_)
    code = CODES.of_redemption(line.redemption_id)
    hashed = code_sha256(code)
    assert hashed
    a_voucher(session, other, line, hashed)
    taken = [Taken(2, None, code, line.occurred_at, 500)]
    found, _ = compared(session, merchant_id, of_settlement(key), taken)
    assert {(one.kind, one.consumption_id) for one in found if one.line} == {("only_theirs", None)}


# --- Reading --------------------------------------------------------------------------------------

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
AT = datetime(2026, 4, 1, 2, tzinfo=UTC)


def read(content: str | bytes) -> list[Taken]:
    content = content.encode() if isinstance(content, str) else content
    return list(read_statement(io.BytesIO(content), SHANGHAI))


@pytest.mark.parametrize(
    "content",
    [
        f"consumption_id,consumed_at,amount_fen\n{ID},2026-04-01T10:00:00+08:00,1250\n",
        f"\ufeffcode,consumption_id,consumed_at,amount_yuan\r\n,{ID},2026-04-01 10:00:00,12.5\r\n",
        f"核销编号,核销时间,金额（元）,备注\n{ID},2026/4/1 10:00,12.50,好\n\n".encode("gb18030"),
        f"amount_yuan,consumed_at,consumption_id\n+12.50,2026-04-01T02:00:00Z,{ID.upper()}",
    ],
)
def test_a_merchants_file_is_read_as_spreadsheets_write_it(content: str | bytes) -> None:
    assert read(content) == [Taken(2, UUID(ID), "", AT, 1250)]


HEAD = "consumption_id,code,consumed_at,amount_yuan\n"
GOOD = f"{ID},,2026-04-01T10:00:00+08:00,1.00\n"


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("", 1, "no column consumption_id"),
        ("consumption_id,amount_fen\n", 1, "consumed_at"),
        ("code,consumed_at\n", 1, "amount"),
        ("code,consumed_at,amount_fen,amount_yuan\n", 1, "amount"),
        ("code,code,consumed_at,amount_fen\n", 1, "two columns"),
        (HEAD + GOOD + "x,,2026-04-01T10:00:00+08:00,1\n", 3, "consumption_id"),
        (HEAD + GOOD + ",,2026-04-01T10:00:00+08:00,1\n", 3, "neither"),
        (HEAD + f"{ID},,yesterday,1\n", 2, "consumed_at"),
        (HEAD + f"{ID},,2026-02-30 10:00,1\n", 2, "consumed_at"),
        (HEAD + f"{ID},,2026-04-01T10:00:00Z,1.005\n", 2, "amount_yuan"),
        (HEAD + f"{ID},,2026-04-01T10:00:00Z,99999999999\n", 2, "amount_yuan"),
        (HEAD + f"{ID},,2026-04-01T10:00:00Z,一元\n", 2, "amount_yuan"),
        (HEAD + f"{ID},,2026-04-01T10:00:00Z,١\n", 2, "amount_yuan"),
        (HEAD + f"{ID},,2026-04-01T10:00:00Z\n", 2, "amount_yuan"),
        (HEAD + f",{'x' * 501},2026-04-01T10:00:00Z,1\n", 2, "too long"),
        (HEAD + GOOD + '"open\n', 3, "CSV"),
        (HEAD.encode() + GOOD.encode() + b"\xff\xff\xff\n", 3, "UTF-8"),
        (HEAD.encode() + b"a\x00b\n", 2, "NUL"),
    ],
)
def test_a_line_that_cannot_be_read_refuses_the_file_with_its_number(
    content: str | bytes, line: int, why: str
) -> None:
    with pytest.raises(UnreadableStatement, match=why) as refused:
        read(content)
    assert refused.value.line == line


def test_many_of_the_largest_amounts_add_up(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [500])
    settled = of_settlement(a_drafted(session, merchant_id))
    content = HEAD + f"{ID},,2026-04-01T10:00:00Z,-9999999999.99\n" * 10_000

    _, summary = compared(session, merchant_id, settled, read(content))

    assert summary.theirs_fen == -9_999_999_999_990_000


def test_nothing_is_told_of_a_file_that_cannot_be_read(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [500])
    key: Key = a_drafted(session, merchant_id)
    found: list[Finding] = []
    taken = read_statement(io.BytesIO((HEAD + GOOD * 6_000 + "x\n").encode()), SHANGHAI)
    with pytest.raises(UnreadableStatement):
        reconcile(
            session,
            of_settlement(key),
            taken,
            hashes=hashes_for(merchant_id),
            tell=found.append,
        )
    assert found == []
