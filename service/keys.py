"""Key files: made on first start, readable by their owner only."""

import os
import re
import secrets
from base64 import b64decode
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.errors import CommandRefused

_PEM = re.compile(b"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----\n?", re.DOTALL)


class KeyFileError(CommandRefused):
    """A key file that cannot be used, in one line."""


def token_keys(path: Path) -> tuple[Ed25519PrivateKey, ...]:
    """The Ed25519 keys of tokens: the file's first signs, each checks. Made with one if missing."""
    parts = _PEM.findall(read_or_make(path, pem_of(Ed25519PrivateKey.generate())))
    if not parts:
        raise KeyFileError(f"{path} holds no plain private key in PEM form")
    return tuple(_ed25519_key(path, part) for part in parts)


def log_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key that signs the log's checkpoints; made when the file is missing."""
    return _ed25519_key(path, read_or_make(path, pem_of(Ed25519PrivateKey.generate())))


def pem_of(key: Ed25519PrivateKey) -> bytes:
    """A key as key files hold it (PKCS 8, PEM)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _ed25519_key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm, ValueError) as error:  # TypeError: it has a password.
        raise KeyFileError(f"{path} holds no plain private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} holds a key of another kind; Ed25519 is needed")
    return key


def attestation_key(path: Path) -> Ed25519PublicKey | EllipticCurvePublicKey:
    """The attestation service's public key, Ed25519 or P-256 (SubjectPublicKeyInfo, PEM)."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except (UnsupportedAlgorithm, ValueError) as error:
        raise KeyFileError(f"{path} holds no public key in PEM form") from error
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path} holds a key of another kind; Ed25519 or P-256 is needed")
    return key


def voucher_key(path: Path) -> bytes:
    """The 32 secret bytes behind voucher codes; made when the file is missing (hex)."""
    return _secret_bytes(path)


def feed_key(path: Path) -> bytes:
    """The 32 secret bytes behind the secrets by which partners sign; made likewise."""
    return _secret_bytes(path)


def gateway_secret(path: Path) -> bytes:
    """The secret shared with the gateway of top-ups, as Standard Webhooks writes it: ``whsec_`` and
    24 to 64 bytes in base64.
    """
    try:
        written = path.read_text(encoding="ascii").strip()
        secret = b64decode(written.removeprefix("whsec_"), validate=True)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyFileError(f"{path} holds no whsec_ and base64") from error
    if not written.startswith("whsec_") or not 24 <= len(secret) <= 64:
        raise KeyFileError(f"{path} holds no whsec_ and 24 to 64 bytes in base64")
    return secret


def _secret_bytes(path: Path) -> bytes:
    try:
        key = bytes.fromhex(read_or_make(path, secrets.token_hex(32).encode()).decode())
    except ValueError as error:
        raise KeyFileError(f"{path} does not hold hexadecimal digits") from error
    if len(key) < 32:
        raise KeyFileError(f"{path} holds {len(key)} bytes; at least 32 are needed")
    return key


def read_or_make(path: Path, content: bytes) -> bytes:
    """A key file's bytes; written with ``content`` when it is missing. Raises KeyFileError."""
    try:
        return _read(path, content)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def _read(path: Path, content: bytes) -> bytes:
    """Of two programs starting at once one makes the file, whole, and both read it."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        raise KeyFileError(f"{path} can be read by others; run: chmod 600 {path}")
    return path.read_bytes()
