"""Files of the log: the layout, the same bytes however they came about, and what is kept."""

import ctypes
import errno
import os
import shutil
from itertools import accumulate

import pytest
import tamperlog
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers.log import files
from ledgers.log.errors import LogInvalid
from ledgers.log.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, root_of, verify_inclusion
from ledgers.log.tiles import LogFolder, edge_root, split_bundle, tile_path
from tests.ledgers.log.logs import files_of

LEAVES = [number.to_bytes(4, "big") * (number % 5) for number in range(70_000)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def full_files_of(path):
    return {name: content for name, content in files_of(path).items() if ".p/" not in name}


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        ("entries", 1234067, 256, "tile/entries/x001/x234/067"),
        (1, 999, 17, "tile/1/999.p/17"),
        (0, 1000, 1, "tile/0/x001/000.p/1"),
        ("entries", 273, 112, "tile/entries/273.p/112"),
        (63, 1_000_000, 255, "tile/63/x001/x000/000.p/255"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(level, index, width, path):
    assert tile_path(level, index, width) == path


def test_a_tree_of_70000_has_the_tiles_of_the_specifications_example(tmp_path):
    root = LogFolder(tmp_path).append(0, LEAVES)

    expected = {tile_path(level, n) for level in (0, "entries") for n in range(273)}
    expected |= {"tile/0/273.p/112", "tile/entries/273.p/112"}
    expected |= {"tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"}
    assert set(files_of(tmp_path)) == expected
    assert root == root_of(HASHES)


def test_a_tree_of_256_has_one_full_tile_and_its_hash_above(tmp_path):
    LogFolder(tmp_path).append(0, LEAVES[:256])

    found = files_of(tmp_path)
    assert set(found) == {"tile/0/000", "tile/entries/000", "tile/1/000.p/1"}
    assert found["tile/0/000"] == b"".join(HASHES[:256])
    assert found["tile/1/000.p/1"] == root_of(HASHES[:256])
    assert split_bundle(found["tile/entries/000"]) == LEAVES[:256]


def test_an_empty_log_has_the_root_of_nothing(tmp_path):
    log = LogFolder(tmp_path)

    assert log.append(0, []) == log.root(0) == EMPTY_ROOT == edge_root([])
    assert log.append(0, LEAVES[:3]) == log.append(3, []) == root_of(HASHES[:3])


@settings(deadline=None, max_examples=50)  # It writes files.
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_many_appends_make_the_same_log_as_one(tmp_path_factory, counts):
    parts, whole = (LogFolder(tmp_path_factory.mktemp("log")) for _ in range(2))
    size = 0
    for count in counts:
        root = parts.append(size, LEAVES[size : size + count])
        size += count

    assert root == whole.append(0, LEAVES[:size]) == tamperlog.merkle_root(HASHES[:size])
    assert full_files_of(parts.path) == full_files_of(whole.path)
    assert files_of(parts.path).items() >= files_of(whole.path).items()
    for earlier in accumulate(counts):
        assert parts.root(earlier) == root_of(HASHES[:earlier])
    shutil.rmtree(parts.path)
    shutil.rmtree(whole.path)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_an_append_that_was_killed_is_repeated_to_the_same_bytes(tmp_path_factory, data):
    log = LogFolder(tmp_path_factory.mktemp("log"))
    size = data.draw(st.integers(0, 600))
    leaves = LEAVES[size : size + data.draw(st.integers(1, 900))]
    log.append(0, LEAVES[:size])
    before = files_of(log.path)
    root = log.append(size, leaves)
    done = files_of(log.path)

    for name in data.draw(st.lists(st.sampled_from(sorted(done.keys() - before.keys())))):
        file = log.path / name
        content = done[name]
        garbled = (content[: len(content) // 2], b"", content + b"more", bytes(len(content)))
        file.unlink(missing_ok=True)
        if damage := data.draw(st.sampled_from((None, *garbled))):
            file.write_bytes(damage)
    beyond = len(LEAVES) // 256
    (log.path / tile_path("entries", beyond)).write_bytes(b"of a run that never was")
    (log.path / ".unfinished").write_bytes(b"half")

    assert log.append(size, leaves) == root
    assert files_of(log.path).items() >= done.items()
    more = LEAVES[size + len(leaves) :][:300]
    assert log.append(size + len(leaves), more) == root_of(HASHES[: size + len(leaves) + len(more)])
    shutil.rmtree(log.path)


@pytest.mark.parametrize("stop", range(8))
def test_a_kill_between_two_files_leaves_the_older_tree_whole(tmp_path, monkeypatch, stop):
    log, other = LogFolder(tmp_path / "log"), LogFolder(tmp_path / "other")
    log.append(0, LEAVES[:300])
    other.append(0, LEAVES[:300])
    renames = iter(range(stop))
    rename = os.rename

    def die(*args):
        if next(renames, None) is None:
            raise KeyboardInterrupt
        rename(*args)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            log.append(300, LEAVES[300:1_300])
    assert log.root(300) == root_of(HASHES[:300])
    assert log.append(300, LEAVES[300:1_300]) == other.append(300, LEAVES[300:1_300])
    assert files_of(log.path) == files_of(other.path)


def test_a_run_that_was_never_published_may_be_replaced_by_another(tmp_path):
    log, other = LogFolder(tmp_path / "log"), LogFolder(tmp_path / "other")
    for one in (log, other):
        one.append(0, LEAVES[:300])
    log.append(300, [b"never published"] * 2_000)

    for start, end in ((300, 900), (900, 1_000), (1_000, 3_000), (3_000, 3_100)):
        assert log.append(start, LEAVES[start:end]) == other.append(start, LEAVES[start:end])
        assert log.root(start) == other.root(start)
    assert full_files_of(log.path) == full_files_of(other.path)


def test_what_is_there_and_right_is_not_written_again(tmp_path):
    log = LogFolder(tmp_path)
    log.append(0, LEAVES[:700])
    inodes = {file: file.stat().st_ino for file in tmp_path.rglob("*")}
    log.append(0, LEAVES[:700])

    assert inodes == {file: file.stat().st_ino for file in tmp_path.rglob("*")}


def test_partial_tiles_go_when_full_and_two_checkpoints_old(tmp_path):
    log = LogFolder(tmp_path)

    def partials():
        names = files_of(tmp_path)
        return sorted(name.removeprefix("tile/") for name in names if ".p/" in name)

    log.append(0, LEAVES[:10])
    log.append(10, LEAVES[10:20])
    assert partials() == ["0/000.p/10", "0/000.p/20", "entries/000.p/10", "entries/000.p/20"]
    log.append(20, LEAVES[20:30])
    assert "0/000.p/10" in partials()  # Not yet full: a checkpoint of 10 leaves can ask for it.
    log.append(30, LEAVES[30:300])
    assert partials() == [
        "0/000.p/30",
        "0/001.p/44",
        "1/000.p/1",
        "entries/000.p/30",
        "entries/001.p/44",
    ]
    log.append(300, LEAVES[300:310])
    assert partials() == [
        "0/001.p/44",
        "0/001.p/54",
        "1/000.p/1",
        "entries/001.p/44",
        "entries/001.p/54",
    ]
    log.append(310, LEAVES[310:512])
    log.append(512, LEAVES[512:768])
    assert partials() == ["1/000.p/1", "1/000.p/2", "1/000.p/3"]


def test_partial_tiles_go_in_the_folder_before_too(tmp_path):
    log = LogFolder(tmp_path)
    size = 999 * 256 + 5
    leaves = [b""] * (size + 600)
    log.append(0, leaves[:size])
    log.append(size, leaves[size : size + 500])
    assert (tmp_path / "tile/0/999.p/5").exists()
    log.append(size + 500, leaves[size + 500 :])

    assert not (tmp_path / "tile/0/999.p").exists()
    assert not (tmp_path / "tile/entries/999.p").exists()
    assert log.root(size) == root_of([leaf_hash(b"")] * size)  # The full tile does.


def test_a_dropped_partial_tile_is_read_from_the_full_one(tmp_path):
    log = LogFolder(tmp_path)
    log.append(0, LEAVES[:600])

    for size in (0, 1, 255, 256, 257, 511, 512, 600):
        assert log.root(size) == root_of(HASHES[:size])
    assert log.tiles(300).leaves(1) == LEAVES[256:300]
    with pytest.raises(LogInvalid, match=r"tile/0/002\.p/89 is missing"):
        log.root(601)


@pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"])
@pytest.mark.parametrize("damage", [None, b"", b"short", b"\x00" * 64])
def test_an_append_does_not_go_on_from_a_damaged_edge(tmp_path, name, damage):
    log = LogFolder(tmp_path)
    log.append(0, LEAVES[:300])
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_bytes(damage)

    with pytest.raises(LogInvalid):
        log.append(300, LEAVES[300:400])


def test_an_append_does_not_go_on_from_leaves_that_were_changed(tmp_path):
    log = LogFolder(tmp_path)
    log.append(0, LEAVES[:300])
    bundle = tmp_path / "tile/entries/001.p/44"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"\xff")

    with pytest.raises(LogInvalid, match="does not fit its tile"):
        log.append(300, LEAVES[300:400])


@pytest.mark.parametrize("bundle", [b"\x00", b"\x00\x02a", b"\x00\x01ab"])
def test_a_bundle_that_ends_within_a_leaf_is_refused(bundle):
    with pytest.raises(LogInvalid):
        split_bundle(bundle)


def test_proofs_are_made_from_tiles(tmp_path):
    log = LogFolder(tmp_path)
    root = log.append(0, LEAVES)
    tiles = log.tiles(len(LEAVES))

    for index in (0, 255, 256, 65_535, 65_536, 69_888, 69_999):
        proof = inclusion_proof(index, len(LEAVES), tiles.subtree)
        verify_inclusion(HASHES[index], index, len(LEAVES), proof, root)


@pytest.mark.parametrize("at_once", [True, False])
def test_every_file_and_folder_is_durable_before_an_append_returns(tmp_path, monkeypatch, at_once):
    synced = []
    real = os.fsync

    def record(file):
        path = os.readlink(f"/proc/self/fd/{file}")
        synced.append(os.path.relpath(path, tmp_path))
        real(file)

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(files, "_CAN_SYNC_AT_ONCE", at_once)
    if at_once:
        monkeypatch.setattr(files, "_syncfs", lambda _: synced.append("all"))
    LogFolder(tmp_path / "log").append(0, LEAVES[: 256 * 40])

    if at_once:
        assert synced == ["all"]
    else:
        assert synced.count("log/.unfinished") == len(files_of(tmp_path))
        folders = {"log/tile/0", "log/tile/1", "log/tile/entries", "log/tile", "log", "."}
        assert folders | {"1/000.p"} <= {name.replace("log/tile/1/", "1/") for name in synced}


def test_a_failed_sync_is_told(tmp_path, monkeypatch):
    def fail(folder):
        ctypes.set_errno(errno.EIO)
        return -1

    monkeypatch.setattr(files._libc, "syncfs", fail)
    with pytest.raises(OSError, match="Input/output"):
        LogFolder(tmp_path).append(0, LEAVES[: 256 * 40])


def test_a_checkpoint_is_replaced_whole(tmp_path):
    log = LogFolder(tmp_path)
    log.publish("one\n")
    log.publish("two, and longer\n")

    assert log.read("checkpoint") == b"two, and longer\n"
    assert set(files_of(tmp_path)) == {"checkpoint"}
