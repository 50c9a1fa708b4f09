"""Receipts: whose they are, what they say, and that no changed byte passes."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.errors import HolderErased, NotSealedYet, UnknownTransfer
from ledgers.log.errors import LogError, LogInvalid, ReceiptInvalid
from ledgers.log.issuing import receipt
from ledgers.log.leaves import Leaf, erase_secret, leaves, sealed_postings
from ledgers.log.notes import SignerKey
from ledgers.log.reading import open_checkpoint, open_log, read_checkpoint
from ledgers.log.receipts import Proof, Receipt, check_receipt, find_in_log
from ledgers.log.sealing import newest_checkpoint, publish, seal, sequence
from ledgers.log.tiles import LogFolder
from ledgers.models import Transfer
from ledgers.posting import post
from service.db import Database
from tests.makers import NOW, a_resident, a_walk, earning, recorded, spending

KEY = SignerKey("tanhui.example/log", bytes(range(32)))


class Sealed:
    """A database of the test's own, and its log."""

    def __init__(self, database, path):
        self.database, self.folder = database, LogFolder(path)
        self.source = open_log(path)

    def write(self):
        """A resident who walked, earned and spent: transfers of both units, of several kinds."""

        def make(session):
            holder_id = a_resident(session, points=300)
            recorded(session, a_walk(holder_id))
            post(session, spending(session, holder_id, 120), now=NOW)
            return holder_id

        return self.database.transact(make)

    def seal(self, leaves_max=50_000):
        transact = self.database.transact
        transact(lambda s: sequence(s, KEY.name))
        transact(
            lambda s: seal(s, self.folder, KEY.private, KEY.name, now=NOW, leaves_max=leaves_max)
        )
        transact(lambda s: publish(s, self.folder, KEY.name))

    def transfers(self, holder_id):
        query = select(Transfer.id).where(Transfer.holder_id == holder_id).order_by(Transfer.id)
        return self.database.transact(lambda s: s.scalars(query).all())

    def receipt(self, transfer_id, holder_id=None) -> Receipt:
        return self.database.transact(
            lambda s: receipt(s, self.folder, transfer_id, holder_id=holder_id)
        )

    def published(self):
        return read_checkpoint(self.source, KEY.verifier)[0]


def a_receipt(log):
    """One receipt, of a log with more in it."""
    log.write()
    holder_id = log.write()
    log.write()
    log.seal()
    return log.receipt(log.transfers(holder_id)[0], holder_id)


@pytest.fixture
def own(fresh_database, tmp_path):
    """A log that the test may change."""
    return Sealed(fresh_database, tmp_path / "log")


@pytest.fixture(scope="module")
def log(copied_database, tmp_path_factory):
    """A log that stays as it is."""
    with copied_database() as url:
        database = Database(url)
        yield Sealed(database, tmp_path_factory.mktemp("log"))
        database.dispose()


@pytest.fixture(scope="module")
def made(log):
    return a_receipt(log)


def test_every_transfer_has_a_receipt_that_leads_to_the_published_root(own):
    holders = [own.write() for _ in range(3)]
    own.seal()

    found = [
        (own.receipt(transfer_id, holder_id), transfer_id, holder_id)
        for holder_id in holders
        for transfer_id in own.transfers(holder_id)
    ]

    assert {made.index for made, _, _ in found} == set(range(own.published().size))
    for made, transfer_id, holder_id in found:
        assert (made.transfer_id, made.holder_id) == (transfer_id, holder_id)
        _, checkpoint = check_receipt(made, KEY.verifier)
        assert checkpoint == own.published()
        find_in_log(made, own.source, own.published(), checkpoint)
        assert own.receipt(transfer_id) == made  # An auditor's is the same.


def test_a_receipt_has_the_very_bytes_that_were_sealed(log, made):
    def sealed(session) -> dict[int, Leaf]:
        postings = sealed_postings(session, 0, leaves_max=1_000)
        return {leaf.place: leaf for leaf in leaves(session, postings)}

    assert log.database.transact(sealed)[made.index].content == made.leaf


def test_it_says_what_happened(own):
    holder_id = own.database.transact(lambda s: a_resident(s, points=12))
    own.seal()

    entry, _ = check_receipt(own.receipt(own.transfers(holder_id)[0]), KEY.verifier)

    assert (entry.amount, entry.unit, entry.kind) == (12, "point", "grant")
    assert (entry.debit_kind, entry.credit_kind) == ("issued", "personal")


def test_somebody_elses_transfer_is_as_unknown_as_none(log, made):
    for transfer_id, holder_id in ((made.transfer_id, uuid4()), (uuid4(), None)):
        with pytest.raises(UnknownTransfer):
            log.receipt(transfer_id, holder_id)


def test_there_is_no_receipt_before_the_checkpoint_is_shown(own):
    holder_id = own.write()
    (transfer_id, *_) = own.transfers(holder_id)
    transact = own.database.transact

    with pytest.raises(NotSealedYet):
        own.receipt(transfer_id)
    transact(lambda s: sequence(s, KEY.name))
    with pytest.raises(NotSealedYet):
        own.receipt(transfer_id)
    transact(lambda s: seal(s, own.folder, KEY.private, KEY.name, now=NOW))
    with pytest.raises(NotSealedYet):  # Signed, but nobody could check it yet.
        own.receipt(transfer_id)
    transact(lambda s: publish(s, own.folder, KEY.name))
    assert own.receipt(transfer_id).transfer_id == transfer_id


def test_a_later_leaf_waits_though_earlier_ones_are_published(own):
    a_receipt(own)
    (transfer_id, *_) = own.transfers(own.write())
    own.database.transact(lambda s: sequence(s, KEY.name))

    with pytest.raises(NotSealedYet):
        own.receipt(transfer_id)


def test_who_was_erased_has_none_and_receipts_given_before_still_hold(own):
    made = a_receipt(own)
    own.database.transact(lambda s: erase_secret(s, made.holder_id))

    with pytest.raises(HolderErased):
        own.receipt(made.transfer_id)
    find_in_log(made, own.source, own.published(), None)
    check_receipt(made, KEY.verifier)


def test_nothing_is_given_out_that_the_tiles_do_not_bear(own):
    made = a_receipt(own)
    tile = own.folder.path / "tile" / "0" / "000.p" / str(own.published().size)
    garbled = bytearray(tile.read_bytes())
    garbled[32 * (made.index ^ 1)] ^= 1
    tile.write_bytes(garbled)

    with pytest.raises(LogError):
        own.receipt(made.transfer_id)


def test_a_folder_of_another_database_is_refused(own):
    made = a_receipt(own)
    transact = own.database.transact
    note = transact(newest_checkpoint).note
    other = note.replace(f"\n{own.published().size}\n", "\n1\n")
    own.folder.publish(other)

    with pytest.raises(LogInvalid, match="does not know"):
        own.receipt(made.transfer_id)


def test_both_forms_are_read_as_they_were_written(made):
    assert Receipt.parse(json.dumps(made.as_json())) == made
    short = Receipt.parse(made.qr_text())
    assert short.proved(made.proof) == made
    assert Receipt.parse(f"https://example.cn/verify#{made.qr_text()}\n") == short
    assert Receipt.parse(json.dumps(short.as_json())) == short
    assert len(made.qr_text()) <= 426


def accepted(written: str, log: Sealed) -> bool:
    """Whether a receipt is taken for good, by itself and in the published log."""
    try:
        found = Receipt.parse(written)
        _, proved = check_receipt(found, KEY.verifier)
        find_in_log(found, log.source, log.published(), proved)
    except LogError:
        return False
    return True


def test_each_flipped_byte_of_the_short_form_is_found(log, made):
    text = made.qr_text()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert accepted(text, log)

    for at in range(len("tanhui1:"), len(text)):
        other = alphabet[alphabet.index(text[at]) ^ 1]
        assert not accepted(text[:at] + other + text[at + 1 :], log), at


def test_each_flipped_byte_of_the_full_form_is_found(log, made):
    assert accepted(json.dumps(made.as_json()), log)
    parts = ("holder_salt", "record_salt", "record", "leaf")
    for name in parts:
        field = getattr(made, name)
        for at in range(len(field)):
            changed = {part: getattr(made, part) for part in parts}
            changed[name] = field[:at] + bytes([field[at] ^ 1]) + field[at + 1 :]
            other = Receipt(made.index, made.holder_id, **changed, proof=made.proof)
            assert not accepted(json.dumps(other.as_json()), log), (name, at)
    hashes, note = made.proof
    for at in range(len(note)):
        other = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
        written = json.dumps(made.proved(Proof(hashes, other)).as_json())
        assert not accepted(written, log), at


@pytest.mark.parametrize("at", range(4))
def test_a_proof_of_other_hashes_is_refused(log, made, at):
    hashes, note = made.proof
    changes = [
        hashes[1:],
        hashes[:-1],
        (*hashes, bytes(32)),
        (bytes([hashes[0][0] ^ 1]) + hashes[0][1:], *hashes[1:]),
    ]

    with pytest.raises(ReceiptInvalid):
        check_receipt(made.proved(Proof(changes[at], note)), KEY.verifier)


def test_a_receipt_of_another_leaf_of_the_log_is_refused(log, made):
    other = log.receipt(log.transfers(made.holder_id)[1])
    borrowed = Receipt(
        other.index, made.holder_id, made.holder_salt, made.record_salt, made.record, made.leaf
    )

    with pytest.raises(ReceiptInvalid, match="is another"):
        find_in_log(borrowed, log.source, log.published(), None)


def test_another_logs_signature_is_no_proof(made):
    with pytest.raises(ReceiptInvalid, match="no known key"):
        check_receipt(made, SignerKey(KEY.name, bytes(32)).verifier)


def test_a_receipt_ahead_of_the_published_log_says_rolled_back(own):
    made = a_receipt(own)
    note = own.folder.read("checkpoint").decode()
    before = open_checkpoint(note, KEY.verifier)
    own.write()
    own.seal()
    later = own.receipt(made.transfer_id)
    _, proved = check_receipt(later, KEY.verifier)

    with pytest.raises(LogInvalid, match=f"rolled back from {proved.size} leaves to {before.size}"):
        find_in_log(later, own.source, before, proved)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "hello",
        "tanhui1:",
        "tanhui1:AAAA",
        "tanhui1:" + "A" * 300 + "+",
        "tanhui1:" + "_" * 300,
        "{}",
        "{",
        "[" * 50_000,
        "{" + '"a":{' * 20_000,
        '{"index": 0, "holder_id": 5}',
        "x" * 100_001,
    ],
)
def test_what_is_no_receipt_is_refused(written):
    with pytest.raises(ReceiptInvalid):
        Receipt.parse(written)


@pytest.mark.parametrize(
    "change",
    [
        {"index": -1},
        {"index": True},
        {"index": "0"},
        {"index": 2**60},
        {"format": "tanhui2"},
        {"transfer_id": "019aa3a5-1a80-7000-8000-000000000002"},
        {"qr_text": ""},
        {"checkpoint": 5},
        {"checkpoint": None},
        {"proof": ["00"]},
        {"proof": "00" * 32},
        {"leaf": "0"},
        {"holder_salt": "00"},
        {"more": 1},
    ],
    ids=str,
)
def test_json_that_does_not_fit_itself_is_refused(made, change):
    with pytest.raises(ReceiptInvalid):
        Receipt.parse(json.dumps(made.as_json() | change))


def test_a_posting_of_many_has_a_receipt_for_each(own):
    def much(session):
        first, *more = [earning(session, a_resident(session), 1) for _ in range(60)]
        whole = replace(first, transfers=[each.transfers[0] for each in (first, *more)])
        post(session, whole, now=NOW)
        return [transfer.holder_id for transfer in whole.transfers]

    holders = own.database.transact(much)
    own.seal()

    for holder_id in holders[::9]:
        (transfer_id,) = own.transfers(holder_id)
        check_receipt(own.receipt(transfer_id, holder_id), KEY.verifier)
