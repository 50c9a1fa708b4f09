"""Signed notes (C2SP signed-note): a text, and under it the signatures of those who vouch for it.

Two kinds of Ed25519 keys: a log's own, which signs the text, and a witness's (C2SP
tlog-cosignature, version 1), which signs the text and the time at which it saw it. Nothing of a
note is given out before a signature of a known key has been verified.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledgers.log.errors import KeyInvalid, NoteInvalid

NOTE_BYTES_MAX = 1_000_000
SIGNATURES_MAX = 100
ED25519 = 0x01
COSIGNATURE = 0x04  # Ed25519 with a time stamp, cosignature/v1.

_KEY_BYTES = 32
_ID_BYTES = 4
_MARK = "— "
_SIGNER_MARK = "PRIVATE+KEY+"
_TIME = struct.Struct(">Q")
_TIME_MAX = 2**63 - 1
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_HEX_ID = re.compile(r"[0-9a-f]{8}")


class Signature(NamedTuple):
    """A verified signature: whose, and when it was made where that is signed too (a witness's),
    in seconds from 1970-01-01 UTC.
    """

    name: str
    key_id: bytes
    at: int | None


class OpenNote(NamedTuple):
    """A note that at least one known key signed; ``text`` ends with a line end."""

    text: str
    signatures: tuple[Signature, ...]


def is_key_name(name: str) -> bool:
    """Whether ``name`` can name a key: not empty, no space, plus sign or control character."""
    return bool(name) and not any(
        letter.isspace() or letter == "+" or letter < " " for letter in name
    )


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """Four bytes that with the name say which key signed; a short name, not a safeguard."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:_ID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who signs: name, algorithm (ED25519 or COSIGNATURE) and public key of 32 bytes."""

    name: str
    algorithm: int
    public: bytes

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read ``<name>+<key id>+<key>``, as the key's owner published it.

        Raises:
            KeyInvalid: malformed, of another algorithm, or the key id is another key's.
        """
        name, algorithm, public = _parse_key(written)
        if algorithm not in (ED25519, COSIGNATURE):
            raise KeyInvalid(f"algorithm {algorithm} is unknown")
        key = cls(name, algorithm, public)
        if str(key) != written:
            raise KeyInvalid("the key id belongs to another key")
        return key

    def __str__(self) -> str:
        key = base64.b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.algorithm, self.public)

    def verify(self, text: str, signature: bytes) -> Signature:
        """Check one signature of this key, given without its key id.

        Raises:
            NoteInvalid: it is not this key's signature of ``text``.
        """
        at, message = None, text.encode()
        if self.algorithm == COSIGNATURE:
            if len(signature) <= _TIME.size:
                raise NoteInvalid(f"the signature of {self.name} has no time")
            (at,) = _TIME.unpack_from(signature)
            if at > _TIME_MAX:
                raise NoteInvalid(f"the signature of {self.name} has a time beyond all bounds")
            message = cosigned_message(text, at)
            signature = signature[_TIME.size :]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise NoteInvalid(f"the signature of {self.name} is wrong") from None
        return Signature(self.name, self.id, at)


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A log's own key: name and secret seed of 32 bytes. Only ``str`` gives the seed out."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read ``PRIVATE+KEY+<name>+<key id>+<seed>``, the form that other tools write.

        Raises:
            KeyInvalid: malformed, not Ed25519, or the key id is another key's.
        """
        if not written.startswith(_SIGNER_MARK):
            raise KeyInvalid(f"a signer's key begins with {_SIGNER_MARK}")
        name, algorithm, seed = _parse_key(written.removeprefix(_SIGNER_MARK))
        if algorithm != ED25519:
            raise KeyInvalid(f"algorithm {algorithm} is not one to sign with")
        key = cls(name, seed)
        if str(key) != written:
            raise KeyInvalid("the key id belongs to another key")
        return key

    def __str__(self) -> str:
        seed = base64.b64encode(bytes([ED25519]) + self.seed).decode()
        return f"{_SIGNER_MARK}{self.name}+{self.verifier.id.hex()}+{seed}"

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def verifier(self) -> VerifierKey:
        """What is given to those who check."""
        return VerifierKey(self.name, ED25519, self.private.public_key().public_bytes_raw())


def _parse_key(written: str) -> tuple[str, int, bytes]:
    """Name, algorithm and 32 bytes of ``<name>+<key id>+<base64>``."""
    name, _, rest = written.partition("+")
    written_id, _, key = rest.partition("+")
    if not is_key_name(name) or not _HEX_ID.fullmatch(written_id):
        raise KeyInvalid("a key is written <name>+<8 hexadecimal digits>+<base64>")
    material = _decoded(key)
    if material is None or len(material) != 1 + _KEY_BYTES:
        raise KeyInvalid(f"a key is an algorithm and {_KEY_BYTES} bytes, in base64")
    return name, material[0], material[1:]


def sign(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """A note: ``text``, which ends with a line end, and one signature under it.

    The same text and key give the same note.

    Raises:
        NoteInvalid: the text or the name is not one that a note can have.
    """
    if not is_key_name(name):
        raise NoteInvalid("a key's name has neither spaces nor plus signs")
    if not text.endswith("\n"):
        raise NoteInvalid("a text ends with a line end")
    public = private_key.public_key().public_bytes_raw()
    signature = key_id(name, ED25519, public) + private_key.sign(_encoded(text))
    return f"{text}\n{_MARK}{name} {base64.b64encode(signature).decode()}\n"


def with_signature(note: str, line: str) -> str:
    """The note with one more signature line, as a witness sends it; a line it has stays one.

    The signature is not verified: open the outcome with the witness's key.

    Raises:
        NoteInvalid: the note or the line is malformed, or there are too many.
    """
    line = line.removesuffix("\n")
    if "\n" in line:
        raise NoteInvalid("one line is added at a time")
    added, (_, lines) = _parse_line(line), _split(note)
    if added in lines:
        return note
    note += line + "\n"
    _split(note)  # For the bounds, which another line may pass.
    return note


def open_note(note: str, verifiers: Iterable[VerifierKey]) -> OpenNote:
    """The text of a note, and which of the ``verifiers`` signed it.

    Lines of keys that are not among them are passed over.

    Raises:
        NoteInvalid: malformed or too large; a known key's signature is wrong; no known key signed.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in verifiers:
        if known.setdefault((key.name, key.id), key) != key:
            raise NoteInvalid(f"two keys of {key.name} have the same id")
    text, lines = _split(note)
    signatures = tuple(
        known[name, found_id].verify(text, signature)
        for name, found_id, signature in lines
        if (name, found_id) in known
    )
    if not signatures:
        raise NoteInvalid("no known key signed this note")
    return OpenNote(text, signatures)


def cosigned_message(text: str, at: int) -> bytes:
    """What a witness signs who saw the checkpoint ``text`` at ``at`` seconds from 1970-01-01."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text, unverified, and of each signature line the name, key id and signature."""
    _encoded(note)
    head, divider, tail = note.rpartition("\n\n")
    if not divider or not tail.endswith("\n"):
        raise NoteInvalid("a note is a text, an empty line and lines of signatures")
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteInvalid(f"a note has at most {SIGNATURES_MAX} signatures")
    return head + "\n", [_parse_line(line) for line in lines]


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    name, space, written = line.removeprefix(_MARK).partition(" ")
    signature = _decoded(written)
    if (
        not line.startswith(_MARK)
        or not space
        or not is_key_name(name)
        or signature is None
        or len(signature) <= _ID_BYTES
    ):
        raise NoteInvalid("a signature line is a dash, a name and base64")
    return name, signature[:_ID_BYTES], signature[_ID_BYTES:]


def _encoded(text: str) -> bytes:
    """``text`` in UTF-8, if a note may have it."""
    if _CONTROL.search(text):
        raise NoteInvalid("a note has no control characters but line ends")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise NoteInvalid("a note is UTF-8") from None
    if len(encoded) > NOTE_BYTES_MAX:
        raise NoteInvalid(f"a note has at most {NOTE_BYTES_MAX} bytes")
    return encoded


def _decoded(written: str) -> bytes | None:
    """Standard base64 in its only form: bits that mean nothing are zero, so none can be changed."""
    try:
        found = binascii.a2b_base64(written, strict_mode=True)
    except (ValueError, binascii.Error):
        return None
    return found if base64.b64encode(found).decode() == written else None
