"""A file of codes is loaded whole or not at all, and refused with its line."""

import io
from uuid import uuid4

import pytest

from rewards.errors import UnknownOffer
from rewards.models import OfferStock, PoolCode, PoolFile
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
from rewards.offers.pools import load
from rewards.offers.publishing import end
from rewards.redeeming.redemption import redeem
from tests.makers import CODES, NOW, a_buyer, a_resident
from tests.rewards.offers.drafted import a_draft, a_merchant, published


@pytest.fixture
def free(session):
    return a_merchant(session, price_rule="free", fixed_fen=None)


@pytest.fixture
def offer(session, free):
    return published(session, a_draft(session, free, kind="pool_code"))


def loaded(session, offer_id, content, file_id=None, **more):
    content = content.encode() if isinstance(content, str) else content
    return load(
        session, offer_id, file_id or uuid4(), io.BytesIO(content),
        codes=CODES, loaded_by="anna", now=NOW, **more,
    )  # fmt: skip


def opened(session, offer_id):
    rows = session.query(PoolCode).filter_by(offer_id=offer_id)
    return sorted(CODES.open(offer_id, row.sealed) for row in rows)


def units(session, offer_id):
    return session.get_one(OfferStock, offer_id, populate_existing=True).stock_units


@pytest.mark.parametrize(
    "content",
    [
        "A-1\nA-2\n券三\n",
        "A-1\r\nA-2\r\n券三",
        "\ufeffA-1\nA-2\n券三\n\n \n",
        "A-1\nA-2\n券三\n".encode("gb18030"),
        "code\nA-1\nA-2\n券三\n",
        'no,Code,till\n1,"A-1",x\n2,A-2,"y, z"\n3, 券三 ,\n',
        "\ufeffcode,no\nA-1,1\nA-2,2\n券三,3\n",
        "编号,code\n一,A-1\n二,A-2\n三,券三\n".encode("gb18030"),
        "  A-1\nＡ－２\n券三\n",
    ],
)
def test_a_file_of_codes_is_the_stock(session, offer, content):
    row = loaded(session, offer.id, content)

    assert (row.codes, row.loaded_by) == (3, "anna")
    assert opened(session, offer.id) == ["A-1", "A-2", "券三"]
    assert units(session, offer.id) == 3


def test_codes_are_sealed_and_found_by_a_keyed_hash(session, free, offer):
    loaded(session, offer.id, "SECRET-7\n")

    (row,) = session.query(PoolCode).filter_by(offer_id=offer.id)
    assert row.code_hash == CODES.pool_hash(free, "SECRET-7")
    assert b"SECRET" not in row.sealed
    assert row.redemption_id is None


@pytest.mark.parametrize(
    ("content", "refusal", "line"),
    [
        ("", PoolLineEmpty, 1),
        ("\n\n", PoolLineEmpty, 1),
        ("code\n", PoolLineEmpty, 1),
        ("A\n\nB\n", PoolLineEmpty, 2),
        ("code,no\nA,1\n,2\nB,3\n", PoolLineEmpty, 3),
        ("A\n" + "x" * 65 + "\n", PoolCodeTooLong, 2),
        ("A\n" + "x" * 10_000 + "\n", PoolCodeTooLong, 2),
        ("A\nB\tC\n", PoolCodeUnprintable, 2),
        ("A\nB\x00\n", PoolCodeUnprintable, 2),
        ("A\nB\u200bC\n", PoolCodeUnprintable, 2),
        (b"A\nB\n\xff\n", PoolCodeUnprintable, 3),
        ('code\nA\n"B\nC"\n', PoolCodeUnprintable, 3),
        ("A\nB\nC\nB\n", PoolCodeRepeated, 4),
        ("A\nB\nB \n", PoolCodeRepeated, 3),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(session, offer, content, refusal, line):
    with session.begin_nested() as savepoint:
        with pytest.raises(refusal) as refused:
            loaded(session, offer.id, content)
        savepoint.rollback()

    assert refused.value.line == line
    assert units(session, offer.id) == 0
    assert opened(session, offer.id) == []


def test_a_repeated_code_is_told_with_both_lines_however_far_apart(session, offer):
    content = "".join(f"C-{n}\n" for n in range(12_000)) + "C-3\n"

    with pytest.raises(PoolCodeRepeated) as refused:
        loaded(session, offer.id, content)

    assert (refused.value.first_line, refused.value.line) == (4, 12_001)


def test_a_bad_line_far_behind_leaves_nothing_half_loaded(database):
    content = "".join(f"C-{n}\n" for n in range(12_000)) + "\nlast\n"
    offer_id = database.transact(
        lambda s: (
            published(
                s, a_draft(s, a_merchant(s, price_rule="free", fixed_fen=None), kind="pool_code")
            ).id
        )
    )

    with pytest.raises(PoolLineEmpty):
        database.transact(lambda session: loaded(session, offer_id, content))

    assert database.transact(lambda session: opened(session, offer_id)) == []
    assert database.transact(lambda session: units(session, offer_id)) == 0


def test_a_code_of_a_pool_of_the_merchant_is_known(session, free, offer):
    other = published(session, a_draft(session, free, kind="pool_code"))
    loaded(session, offer.id, "A\nB\n")

    for offer_id in (offer.id, other.id):
        with session.begin_nested() as savepoint:
            with pytest.raises(PoolCodeKnown) as refused:
                loaded(session, offer_id, "X\nY\nB\nA\n")
            savepoint.rollback()
        assert refused.value.line == 3


def test_another_merchant_may_have_the_same_code(session, offer):
    loaded(session, offer.id, "A\n")
    merchant_id = a_merchant(session, price_rule="free", fixed_fen=None)
    theirs = published(session, a_draft(session, merchant_id, kind="pool_code"))

    assert loaded(session, theirs.id, "A\n").codes == 1


def test_the_same_file_again_is_a_retry(session, offer):
    file_id = uuid4()
    first = loaded(session, offer.id, "A\nB\n", file_id)

    again = loaded(session, offer.id, "A\nB\n", file_id)

    assert (first.id, again.codes) == (again.id, 2)
    assert units(session, offer.id) == 2
    with pytest.raises(PoolFileReused):
        loaded(session, offer.id, "A\nC\n", file_id)


def test_further_files_add_to_the_stock(session, offer):
    loaded(session, offer.id, "A\nB\n")
    loaded(session, offer.id, "C\n")

    assert units(session, offer.id) == 3
    assert session.query(PoolFile).filter_by(offer_id=offer.id).count() == 2


def test_codes_of_a_draft_are_there_when_it_is_published(session, free):
    row = a_draft(session, free, kind="pool_code")
    loaded(session, row.offer_id, "A\nB\n")
    assert session.get(OfferStock, row.offer_id) is None

    published(session, row)

    assert units(session, row.offer_id) == 2


def test_a_resident_gets_a_code_of_the_pool(session, offer):
    loaded(session, offer.id, "A\nB\n")
    buyer = a_buyer(session, a_resident(session, points=500))

    redeemed = redeem(session, uuid4(), buyer=buyer, offer_id=offer.id, codes=CODES, now=NOW)

    assert redeemed.voucher_code in ("A", "B")


def test_only_an_open_pool_of_ones_own_takes_files(session, free, offer):
    voucher = published(session, a_draft(session, free))

    with pytest.raises(StockOfPool):
        loaded(session, voucher.id, "A\n")
    with pytest.raises(UnknownOffer):
        loaded(session, offer.id, "A\n", merchant_id=uuid4())
    with pytest.raises(UnknownOffer):
        loaded(session, uuid4(), "A\n")
    end(session, offer.id, now=NOW)
    with pytest.raises(OfferStateRefuses):
        loaded(session, offer.id, "A\n")


def test_a_file_has_its_bounds(session, offer, monkeypatch):
    monkeypatch.setattr("rewards.offers.pools.CODES_MAX", 3)
    loaded(session, offer.id, "A\nB\nC\n\n")

    with pytest.raises(PoolFileTooLong) as refused:
        loaded(session, offer.id, "code\nD\nE\nF\nG\n")
    assert (refused.value.line, refused.value.codes_max) == (5, 3)


def test_a_hundred_thousand_codes_are_some_dozens_of_statements(session, offer, statements):
    content = "".join(f"CINEMA-{n:08}\n" for n in range(100_000)).encode()

    with statements() as sent:
        row = loaded(session, offer.id, content)

    assert row.codes == units(session, offer.id) == 100_000
    assert len([each for each in sent if each.startswith("b'COPY") or "COPY" in each]) == 20
    assert len(sent) < 60
