"""The worked example of docs/log.md, section 4, says what the code does, and holds by itself."""

import hashlib
import hmac
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ledgers.log.checkpoints import Checkpoint
from ledgers.log.entries import (
    NO_COMMITMENT,
    commitment,
    day_number,
    decode,
    encode,
    microseconds,
    posting_head,
    record_bytes,
    salts,
)
from ledgers.log.merkle import inclusion_proof, leaf_hash, node_hash, root_of
from ledgers.log.notes import SignerKey, open_note, sign
from ledgers.log.reading import open_log, verify_log
from ledgers.log.tiles import LogFolder
from tests.ledgers.log.logs import files_of, totals_of

PAGE = Path(__file__).parents[3] / "docs/log.md"
ROW = re.compile(r"^    (\S.*?) {2,}([0-9a-f]+)$((?:\n {24}[0-9a-f]+)*)", re.MULTILINE)
SECTION = PAGE.read_text("utf-8").partition("\n## 4. ")[2].partition("\n## 5. ")[0]
NOTE = "".join(
    line.removeprefix("    ")
    for line in SECTION.partition("The note:\n\n")[2].partition("\nThe files")[0].splitlines(True)
)


@pytest.fixture(scope="module")
def page():
    """Bytes by the name that the page gives them."""
    return {
        name: bytes.fromhex(first + "".join(rest.split()))
        for name, first, rest in ROW.findall(SECTION)
    }


@pytest.fixture(scope="module")
def key(page):
    return SignerKey("tanhui.example/log", page["seed"])


def test_the_head_is_as_the_page_has_it(page):
    head = page["head"]
    made = posting_head(
        posting_id=head[:16],
        recorded_at_us=microseconds(datetime(2026, 11, 21, tzinfo=UTC)),
        content_sha256=head[24:56],
        kind="earn",
        actor="partner:bikes",
        reason=None,
        request_id="req-1",
        approver=None,
    )

    assert made == page["head's hash"] == hashlib.sha256(head).digest()


def test_the_record_is_as_the_page_has_it(page):
    record = page["record"]
    made = record_bytes(
        transfer_id=page["transfer's id"],
        posting_id=page["head"][:16],
        position=0,
        debit_account_id=record[36:52],
        credit_account_id=record[52:68],
        reference=record[68:84],
        occurred_at_us=microseconds(datetime(2026, 11, 20, 23, 30, 0, 250_000, tzinfo=UTC)),
        last_day=day_number(date(2027, 12, 31)),
        reverses_id=None,
        head=page["head's hash"],
    )

    assert made == record


def test_salts_and_commitments_are_as_the_page_has_them(page):
    made = salts(page["holder's secret"], page["transfer's id"])

    assert made == (page["holder salt"], page["record salt"])
    assert commitment(made[0], page["holder's id"]) == page["holder commitment"]
    assert commitment(made[1], page["record"]) == page["record commitment"]


def test_the_leaves_are_as_the_page_has_them(page):
    other = decode(page["leaf 1"])

    assert page["leaf 0"] == encode(
        "point",
        "issued",
        "personal",
        12,
        day_number(date(2026, 11, 21)),
        page["holder commitment"],
        page["record commitment"],
        "earn",
    )
    assert (other.unit, other.debit_kind, other.amount) == ("mg_co2e", "issued", 240_000)
    assert page["leaf 2"] == encode(
        "point",
        "personal",
        "redeemed",
        5,
        day_number(date(2026, 11, 22)),
        NO_COMMITMENT,
        NO_COMMITMENT,
        "spend",
    )


def test_the_tree_is_as_the_page_has_it(page):
    hashes = [leaf_hash(page[f"leaf {number}"]) for number in range(3)]

    assert hashes == [page[f"leaf {number}'s hash"] for number in range(3)]
    assert node_hash(*hashes[:2]) == page["node over 0 and 1"]
    assert root_of(hashes) == page["root"]
    beside = [
        inclusion_proof(index, 3, lambda level, at: root_of(hashes[at << level :][: 1 << level]))
        for index in (0, 2)
    ]
    assert beside == [hashes[1:], [page["node over 0 and 1"]]]


def test_the_checkpoint_is_as_the_page_has_it(page, key):
    leaves = [page[f"leaf {number}"] for number in range(3)]
    checkpoint = Checkpoint(key.name, 3, page["root"], totals_of(leaves))

    assert key.verifier.public == page["public key"]
    assert key.verifier.id == page["key id"]
    assert f"\n    {key.verifier}\n" in SECTION
    assert sign(checkpoint.text(), key.name, key.private) == NOTE
    assert Checkpoint.parse(open_note(NOTE, [key.verifier]).text) == checkpoint


def test_the_files_are_as_the_page_has_them(page, key, tmp_path):
    leaves = [page[f"leaf {number}"] for number in range(3)]
    log = LogFolder(tmp_path)
    log.append(0, leaves)
    log.publish(NOTE)

    found = files_of(tmp_path)
    named = re.findall(r"`((?:checkpoint|tile/)\S*)`", SECTION)
    lengths = [bytes.fromhex(one) for one in re.findall(r"`(00[0-9a-f]{2})`", SECTION)]
    assert set(found) == set(named)
    assert found["tile/0/000.p/3"] == b"".join(map(leaf_hash, leaves))
    assert found["tile/entries/000.p/3"] == b"".join(
        length + leaf for length, leaf in zip(lengths, leaves, strict=True)
    )
    assert verify_log(open_log(tmp_path), key.verifier).checkpoint.size == 3


def test_the_page_holds_by_itself_without_the_code(page):
    def sha256(*parts):
        return hashlib.sha256(b"".join(parts)).digest()

    both = hmac.new(page["holder's secret"], page["transfer's id"], "sha256").digest()
    assert both == page["HMAC"] == page["holder salt"] + page["record salt"]
    assert page["record"][112:] == sha256(page["head"])
    assert page["leaf 0"][16:48] == sha256(page["holder salt"], page["holder's id"])
    assert page["leaf 0"][48:80] == sha256(page["record salt"], page["record"])
    hashes = [sha256(b"\x00", page[f"leaf {number}"]) for number in range(3)]
    assert page["root"] == sha256(b"\x01", sha256(b"\x01", *hashes[:2]), hashes[2])
