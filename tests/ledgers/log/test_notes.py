"""Signed notes: the published examples, and whatever differs from them in a byte."""

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledgers.log.errors import KeyInvalid, NoteInvalid
from ledgers.log.notes import (
    COSIGNATURE,
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    SignerKey,
    VerifierKey,
    cosigned_message,
    key_id,
    open_note,
    sign,
    with_signature,
)

# The key and note of the reference implementation (golang.org/x/mod/sumdb/note).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SIGNS = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM="
)
PETER_NOTE = f"{PETER_TEXT}\n{PETER_LINE}\n"

# The examples of C2SP signed-note and tlog-cosignature; of the second there is no key.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi"
    "2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SOFA_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SOFA_NOTE = (
    f"{SOFA_TEXT}\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4"
    "URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSR"
    "aJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)

OWN = SignerKey("tanhui.example/log", bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
WITNESS_KEY = VerifierKey("witness.example/w", COSIGNATURE, WITNESS.public_key().public_bytes_raw())


def a_cosignature(text, at):
    """What the witness would answer, written out here from the specification."""
    message = b"cosignature/v1\ntime " + str(at).encode() + b"\n" + text.encode()
    signature = WITNESS_KEY.id + struct.pack(">Q", at) + WITNESS.sign(message)
    return f"— {WITNESS_KEY.name} {base64.b64encode(signature).decode()}\n"


def test_the_reference_note_is_opened():
    opened = open_note(PETER_NOTE, [VerifierKey.parse(PETER)])

    assert opened.text == PETER_TEXT
    assert opened.signatures == (("PeterNeumann", bytes.fromhex("c74f20a3"), None),)


def test_the_reference_note_is_signed_again_byte_for_byte():
    key = SignerKey.parse(PETER_SIGNS)

    assert sign(PETER_TEXT, key.name, key.private) == PETER_NOTE
    assert str(key.verifier) == PETER
    assert str(key) == PETER_SIGNS


def test_the_note_of_the_specification_is_opened():
    assert open_note(FOO_NOTE, [VerifierKey.parse(FOO)]).text == "This is an example message.\n"


def test_the_message_of_a_cosignature_is_that_of_the_specification():
    assert cosigned_message(SOFA_TEXT, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\n" + SOFA_TEXT.encode()
    )


def test_the_cosigned_note_of_the_specification_is_read_but_no_key_known():
    with pytest.raises(NoteInvalid, match="no known key"):
        open_note(SOFA_NOTE, [WITNESS_KEY, OWN.verifier])


@pytest.mark.parametrize("place", range(len(PETER_NOTE.encode())))
def test_a_change_of_any_byte_is_found(place):
    note = bytearray(PETER_NOTE.encode())
    for bit in (0x01, 0x20, 0x80):
        note[place] ^= bit
        try:
            changed = note.decode()
        except UnicodeDecodeError:
            changed = note.decode(errors="surrogateescape")
        with pytest.raises(NoteInvalid):
            open_note(changed, [VerifierKey.parse(PETER)])
        note[place] ^= bit


@pytest.mark.parametrize("place", range(len(PETER)))
def test_a_key_with_any_letter_changed_is_refused(place):
    with pytest.raises(KeyInvalid):
        VerifierKey.parse(PETER[:place] + chr(ord(PETER[place]) + 1) + PETER[place + 1 :])
    with pytest.raises(KeyInvalid):
        VerifierKey.parse(PETER[:place])


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER + "\n",
        PETER_SIGNS,
    ],
)
def test_a_key_written_otherwise_is_refused(written):
    with pytest.raises(KeyInvalid):
        VerifierKey.parse(written)


@pytest.mark.parametrize("algorithm", [0, 2, 5, 6, 255])
def test_a_key_of_another_algorithm_is_refused(algorithm):
    key = VerifierKey("example.com/foo", algorithm, bytes(32))
    with pytest.raises(KeyInvalid, match=f"algorithm {algorithm}"):
        VerifierKey.parse(str(key))


@pytest.mark.parametrize(
    "written",
    [
        PETER,
        PETER_SIGNS.replace("c74f20a3", "c74f20a4"),
        PETER_SIGNS[:-1],
        PETER_SIGNS.replace("AYEK", "BIEK"),
    ],
)
def test_a_signers_key_written_otherwise_is_refused(written):
    with pytest.raises(KeyInvalid):
        SignerKey.parse(written)


def test_a_signers_key_does_not_show_its_seed():
    assert OWN.seed.hex() not in repr(OWN)
    assert repr(OWN.seed) not in repr(OWN)


@given(st.text(st.characters(exclude_categories=("Cs",), min_codepoint=32)))
def test_any_text_can_be_signed_and_opened(content):
    text = f"{content}\n"
    note = sign(text, OWN.name, OWN.private)

    assert open_note(note, [OWN.verifier]).text == text


def test_a_text_may_have_empty_lines_and_what_looks_like_a_signature():
    text = f"one\n\ntwo\n\n{PETER_LINE}\n"

    assert open_note(sign(text, OWN.name, OWN.private), [OWN.verifier]).text == text


@pytest.mark.parametrize("text", ["", "no line end", "tab\t\n", "return\r\n", "\ud800\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text):
    with pytest.raises(NoteInvalid):
        sign(text, OWN.name, OWN.private)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u2003b", "a\nb"])
def test_a_name_that_no_key_can_have_does_not_sign(name):
    with pytest.raises(NoteInvalid):
        sign("text\n", name, OWN.private)


@pytest.mark.parametrize(
    "note",
    [
        "",
        PETER_TEXT,
        PETER_TEXT + "\n",
        PETER_TEXT + PETER_LINE + "\n",
        PETER_NOTE[:-1],
        PETER_NOTE + "\n",
        PETER_NOTE + "garbage\n",
        PETER_NOTE.replace("— ", "- "),
        PETER_NOTE + "— justonetoken\n",
        PETER_NOTE + "—  AAAAAAAA\n",
        PETER_NOTE + "— two words AAAAAAAA\n",
        PETER_NOTE + "— a+b AAAAAAAA\n",
        PETER_NOTE + "— four AAAAAA==\n",
        PETER_NOTE + "— pad AAAAAAB=\n",
        PETER_NOTE + "— none \n",
        PETER_NOTE + "\t",
        PETER_NOTE.replace("\n", "\r\n"),
    ],
)
def test_a_malformed_note_is_refused_whoever_signed_it(note):
    with pytest.raises(NoteInvalid):
        open_note(note, [VerifierKey.parse(PETER)])


def test_lines_of_unknown_keys_are_passed_over():
    same_name = VerifierKey("PeterNeumann", 1, bytes(32))
    note = PETER_NOTE
    for name, found_id in (
        ("PeterNeumann", same_name.id),
        ("other", bytes.fromhex("c74f20a3")),
        ("other", b"\xff\x00\x00\x01"),
    ):
        note += f"— {name} {base64.b64encode(found_id + b'signature').decode()}\n"

    assert [one.name for one in open_note(note, [VerifierKey.parse(PETER)]).signatures] == [
        "PeterNeumann"
    ]


def test_a_known_keys_wrong_signature_spoils_the_note():
    wrong = base64.b64encode(OWN.verifier.id + bytes(64)).decode()
    note = with_signature(PETER_NOTE, f"— {OWN.name} {wrong}")

    assert open_note(note, [VerifierKey.parse(PETER)]).text == PETER_TEXT
    with pytest.raises(NoteInvalid, match=r"tanhui\.example/log is wrong"):
        open_note(note, [VerifierKey.parse(PETER), OWN.verifier])


def test_two_keys_that_cannot_be_told_apart_are_refused():
    one = VerifierKey.parse(PETER)

    class Twin(VerifierKey):
        id = one.id

    with pytest.raises(NoteInvalid, match="same id"):
        open_note(PETER_NOTE, [one, Twin(one.name, 1, bytes(32))])
    assert open_note(PETER_NOTE, [one, one]).text == PETER_TEXT


def test_the_number_of_signatures_has_a_bound():
    note = PETER_NOTE
    for number in range(SIGNATURES_MAX - 1):
        note = with_signature(note, f"— other{number} AAAAAAAA")
    assert open_note(note, [VerifierKey.parse(PETER)]).text == PETER_TEXT

    with pytest.raises(NoteInvalid, match="at most 100"):
        with_signature(note, "— one-more AAAAAAAA")


def test_the_size_of_a_note_has_a_bound():
    with pytest.raises(NoteInvalid, match="at most"):
        sign("x" * NOTE_BYTES_MAX + "\n", OWN.name, OWN.private)
    with pytest.raises(NoteInvalid, match="at most"):
        open_note("x" * NOTE_BYTES_MAX + PETER_NOTE, [VerifierKey.parse(PETER)])


def test_a_witness_says_when_it_saw_the_checkpoint():
    key = VerifierKey.parse(str(WITNESS_KEY))
    note = sign(SOFA_TEXT, OWN.name, OWN.private)
    note = with_signature(note, a_cosignature(SOFA_TEXT, 1_700_000_000))

    assert open_note(note, [OWN.verifier, key]).signatures == (
        (OWN.name, OWN.verifier.id, None),
        (WITNESS_KEY.name, WITNESS_KEY.id, 1_700_000_000),
    )


def test_a_cosignature_of_another_text_or_time_is_refused():
    note = sign(SOFA_TEXT, OWN.name, OWN.private)
    other_text = a_cosignature("other\n", 5)
    name, written = a_cosignature(SOFA_TEXT, 5).removeprefix("— ").split(" ")
    signature = bytearray(base64.b64decode(written))
    signature[11] ^= 1
    other_time = f"— {name} {base64.b64encode(signature).decode()}"
    for line in (other_text, other_time):
        with pytest.raises(NoteInvalid, match=r"witness\.example/w is wrong"):
            open_note(with_signature(note, line), [OWN.verifier, WITNESS_KEY])


@pytest.mark.parametrize("body", [bytes(8), b"\xff" * 8 + bytes(64)])
def test_a_cosignature_with_no_possible_time_is_refused(body):
    line = f"— {WITNESS_KEY.name} {base64.b64encode(WITNESS_KEY.id + body).decode()}"
    note = with_signature(sign(SOFA_TEXT, OWN.name, OWN.private), line)
    with pytest.raises(NoteInvalid, match="time"):
        open_note(note, [WITNESS_KEY])


def test_one_key_has_another_id_for_another_use():
    public = OWN.verifier.public
    assert key_id(OWN.name, 1, public) != key_id(OWN.name, COSIGNATURE, public)


def test_a_line_is_added_once():
    line = a_cosignature(SOFA_TEXT, 5)
    note = with_signature(sign(SOFA_TEXT, OWN.name, OWN.private), line)

    assert with_signature(note, line) == note
    assert with_signature(note, line.removesuffix("\n")) == note


@pytest.mark.parametrize("line", ["", "garbage", "— a AAAAAAAA\n— b AAAAAAAA", "\n— a AAAAAAAA"])
def test_what_is_not_one_signature_line_is_not_added(line):
    with pytest.raises(NoteInvalid):
        with_signature(PETER_NOTE, line)
