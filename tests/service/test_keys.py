"""Key files: made once, whole, for their owner's eyes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from service.keys import KeyFileError, feed_key, log_key, token_keys, voucher_key


def raw(key: object) -> bytes:
    """A key as something that can be compared."""
    if isinstance(key, bytes):
        return key
    if isinstance(key, tuple):
        return b"".join(map(raw, key))
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def pem(key, password: bytes | None = None) -> bytes:
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


both = pytest.mark.parametrize("read", [token_keys, log_key, voucher_key, feed_key])


@both
def test_a_missing_key_is_made_for_its_owner_only(tmp_path, read):
    path = tmp_path / "keys" / "a.key"

    read(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["a.key"]  # No draft is left.


@both
def test_the_same_key_is_read_again_and_the_file_left_alone(tmp_path, read):
    path = tmp_path / "a.key"
    first = read(path)
    before = path.read_bytes(), path.stat().st_mtime_ns

    assert raw(read(path)) == raw(first)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@both
def test_no_two_keys_are_the_same(tmp_path, read):
    assert raw(read(tmp_path / "a")) != raw(read(tmp_path / "b"))


@both
def test_threads_that_start_at_once_end_with_one_key(tmp_path, read):
    for n in range(5):
        path, start = tmp_path / f"keys-{n}" / "a.key", Barrier(8)

        def use(_: int, path=path, start=start) -> bytes:
            start.wait(timeout=30)
            return raw(read(path))

        with ThreadPoolExecutor(8) as threads:
            found = set(threads.map(use, range(8)))

        assert found == {raw(read(path))}
        assert [each.name for each in path.parent.iterdir()] == ["a.key"]


@both
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o777])
def test_a_key_that_others_may_use_is_refused(tmp_path, read, mode):
    path = tmp_path / "a.key"
    read(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="can be read by others; run: chmod 600"):
        read(path)

    assert path.stat().st_mode & 0o777 == mode  # Whose file it is decides.


def ours(path, content: bytes):
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff" * 64,
        b"ab" * 32,
        pem(Ed25519PrivateKey.generate())[:60],
        pem(Ed25519PrivateKey.generate(), b"password"),
        pem(rsa.generate_private_key(65_537, 2_048)),
        pem(ec.generate_private_key(ec.SECP256R1())),
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["empty", "word", "bytes", "hex", "half", "locked", "rsa", "ec", "public"],
)
def test_what_is_no_ed25519_key_is_refused_and_kept(tmp_path, content):
    path = ours(tmp_path / "token.pem", content)

    with pytest.raises(KeyFileError, match=r"token\.pem holds"):
        token_keys(path)

    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\xff" * 64, b"ab" * 31, b"zz" * 32, b"ab" * 32 + b"c"]
)
def test_what_is_no_voucher_key_is_refused_and_kept(tmp_path, content):
    path = ours(tmp_path / "voucher.key", content)

    with pytest.raises(KeyFileError, match=r"voucher\.key"):
        voucher_key(path)

    assert path.read_bytes() == content


def test_a_key_that_was_brought_along_is_used(tmp_path):
    key = Ed25519PrivateKey.generate()

    assert raw(token_keys(ours(tmp_path / "token.pem", pem(key)))[0]) == raw(key)
    assert voucher_key(ours(tmp_path / "voucher.key", b"0F" * 40 + b"\n")) == b"\x0f" * 40


@both
def test_a_place_where_no_file_can_be_is_refused_in_one_line(tmp_path, read):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for path in (tmp_path / "file" / "a.key", tmp_path / "link"):
        with pytest.raises(KeyFileError) as refusal:
            read(path)
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert not (tmp_path / "nothing").exists()


@both
def test_a_refusal_shows_nothing_of_the_key(tmp_path, read):
    path = ours(tmp_path / "a.key", b"5ecre7" * 9)

    with pytest.raises(KeyFileError) as refusal:
        read(path)

    assert "5ecre7" not in str(refusal.value)
