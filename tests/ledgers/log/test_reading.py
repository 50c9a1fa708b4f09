"""The outsider's check: a sound log passes, and whatever was changed is found and named."""

import gzip
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers.log import sources
from ledgers.log.checkpoints import Checkpoint
from ledgers.log.errors import LogInvalid, LogUnreachable
from ledgers.log.files import READ_BYTES_MAX
from ledgers.log.merkle import EMPTY_ROOT, leaf_hash, root_of, verify_consistency, verify_inclusion
from ledgers.log.notes import SignerKey, sign
from ledgers.log.reading import (
    consistency_proof_from,
    inclusion_proof_from,
    leaf_from,
    open_log,
    read_checkpoint,
    totals,
    verify_log,
)
from ledgers.log.tiles import LogFolder
from tests.ledgers.log.logs import KEY, a_log, a_note, files_of, some_leaves, totals_of

LEAVES = some_leaves(1_500)
VERIFIER = KEY.verifier


def note_of(size, leaves=LEAVES):
    return a_note(leaves[:size], root_of([leaf_hash(leaf) for leaf in leaves[:size]]))


def verify(path, older=None):
    return verify_log(open_log(path), VERIFIER, older=older)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 1_500])
def test_a_sound_log_passes(tmp_path, size):
    a_log(tmp_path, LEAVES[:size], sizes=[size // 3])
    steps = []
    verified = verify_log(open_log(tmp_path), VERIFIER, progress=steps.append)

    assert verified.note == note_of(size)
    assert verified.checkpoint == Checkpoint.parse(verified.note.rpartition("\n\n")[0] + "\n")
    assert (verified.checkpoint.size, verified.older) == (size, None)
    assert steps == [min(done, size) for done in range(256, size + 256, 256)]


def test_a_log_of_three_levels_passes_in_flat_memory(tmp_path):
    leaves = some_leaves(70_000)
    a_log(tmp_path, leaves, sizes=[40_000])
    published = sum(map(len, files_of(tmp_path).values()))
    older = note_of(40_000, leaves)
    tracemalloc.start()
    verify(tmp_path, older)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < published / 3


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600, 1_024, 1_499, 1_500])
def test_the_log_begins_with_any_older_checkpoint(tmp_path, size):
    a_log(tmp_path, LEAVES)

    older = verify(tmp_path, note_of(size)).older
    assert older is not None
    assert older.size == size


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_change_of_any_byte_of_any_file_is_found(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any-byte"
    if not path.exists():
        a_log(path, LEAVES[:700])
    file = path / data.draw(st.sampled_from(sorted(files_of(path))))
    sound = file.read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    changed = bytearray(sound)
    changed[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(changed)
    try:
        with pytest.raises(LogInvalid):
            verify(path)
    finally:
        file.write_bytes(sound)


def test_every_file_is_needed(tmp_path):
    a_log(tmp_path, LEAVES[:700])
    for name, content in files_of(tmp_path).items():
        (tmp_path / name).unlink()
        with pytest.raises(LogInvalid, match=r"missing|no checkpoint"):
            verify(tmp_path)
        (tmp_path / name).write_bytes(content)
    verify(tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "why"),
    [
        ("tile/entries/001", 2 + 94 + 2 + 11, "leaf 257 does not fit its hash in tile/0/001"),
        ("tile/0/001", 5 * 32, "leaf 261 does not fit its hash in tile/0/001"),
        ("tile/0/002.p/188", 0, r"leaf 512 does not fit its hash in tile/0/002\.p/188"),
        ("tile/1/000.p/2", 33, r"hash 1 in tile/1/000\.p/2 does not fit the tile under it"),
    ],
)
def test_what_was_changed_is_named(tmp_path, name, place, why):
    a_log(tmp_path, LEAVES[:700])
    content = bytearray((tmp_path / name).read_bytes())
    content[place] ^= 1
    (tmp_path / name).write_bytes(content)

    with pytest.raises(LogInvalid, match=why):
        verify(tmp_path)


def test_leaves_rewritten_with_all_their_tiles_do_not_fit_the_root(tmp_path):
    forged = [*LEAVES[:100], *some_leaves(1, seed=2), *LEAVES[101:700]]
    a_log(tmp_path, forged).publish(note_of(700))

    with pytest.raises(LogInvalid, match="root of 700 leaves is not that of the checkpoint"):
        verify(tmp_path)


@pytest.mark.parametrize("change", ["more", "missing", "another"])
def test_totals_that_were_signed_wrong_are_found(tmp_path, change):
    log = a_log(tmp_path, LEAVES[:700])
    sums = totals_of(LEAVES[:700])
    if change == "more":
        sums["point", "issued", "personal"] += 1
    elif change == "missing":
        del sums["point", "issued", "personal"]
    else:
        sums["fen", "issued", "personal"] = 1
    checkpoint = Checkpoint(KEY.name, 700, log.root(700), sums)
    log.publish(sign(checkpoint.text(), KEY.name, KEY.private))

    with pytest.raises(LogInvalid, match=r"total (point|fen) issued personal is"):
        verify(tmp_path)


def test_a_signed_leaf_of_no_known_form_is_named(tmp_path):
    leaves = [*LEAVES[:300], b"\x02" + LEAVES[300][1:]]
    log = LogFolder(tmp_path)
    checkpoint = Checkpoint(KEY.name, 301, log.append(0, leaves), totals_of(LEAVES[:300]))
    log.publish(sign(checkpoint.text(), KEY.name, KEY.private))

    with pytest.raises(LogInvalid, match="leaf 300: version 2"):
        verify(tmp_path)
    with pytest.raises(LogInvalid, match="leaf 300: version 2"):
        totals(open_log(tmp_path), 301)


def test_a_checkpoint_of_another_key_or_log_is_refused(tmp_path):
    log = a_log(tmp_path, LEAVES[:5])
    other = SignerKey(KEY.name, bytes([9]) * 32)
    with pytest.raises(LogInvalid, match="no known key"):
        verify_log(open_log(tmp_path), other.verifier)

    log.publish(a_note(LEAVES[:5], log.root(5), origin="other.example/log"))
    with pytest.raises(LogInvalid, match=r"of other\.example/log, not of tanhui\.example/log"):
        verify(tmp_path)


def test_a_note_that_is_no_checkpoint_is_refused(tmp_path):
    log = LogFolder(tmp_path)
    for note, why in (
        (sign("hello\n", KEY.name, KEY.private), "second line"),
        ("nothing", "a note is"),
        (note_of(5).replace("=", "", 1), "signature"),
    ):
        log.publish(note)
        with pytest.raises(LogInvalid, match=f"checkpoint: .*{why}"):
            read_checkpoint(open_log(tmp_path), VERIFIER)
    (tmp_path / "checkpoint").write_bytes(b"\xff\n")
    with pytest.raises(LogInvalid, match="UTF-8"):
        read_checkpoint(open_log(tmp_path), VERIFIER)


def test_a_log_that_was_rolled_back_is_found(tmp_path):
    a_log(tmp_path, LEAVES[:600])

    with pytest.raises(LogInvalid, match="rolled back from 700 leaves to 600"):
        verify(tmp_path, note_of(700))


@pytest.mark.parametrize("size", [1, 256, 600, 700])
def test_a_log_that_was_rewritten_is_found_by_who_kept_an_older_checkpoint(tmp_path, size):
    a_log(tmp_path, [*some_leaves(1, seed=2), *LEAVES[1:700]])

    verify(tmp_path)
    with pytest.raises(LogInvalid, match=f"root of {size} leaves is not that of the older one"):
        verify(tmp_path, note_of(size))


def test_the_totals_of_the_older_checkpoint_are_checked_too(tmp_path):
    a_log(tmp_path, LEAVES[:700])
    sums = totals_of(LEAVES[:301])
    root = root_of([leaf_hash(leaf) for leaf in LEAVES[:300]])
    older = sign(Checkpoint(KEY.name, 300, root, sums).text(), KEY.name, KEY.private)

    with pytest.raises(LogInvalid, match="at 300 leaves, in the older one"):
        verify(tmp_path, older)


def test_an_older_checkpoint_of_another_key_is_refused(tmp_path):
    a_log(tmp_path, LEAVES[:5])
    other = SignerKey(KEY.name, bytes([9]) * 32)
    older = sign(Checkpoint(KEY.name, 0, EMPTY_ROOT, {}).text(), other.name, other.private)

    with pytest.raises(LogInvalid, match="no known key"):
        verify(tmp_path, older)


def test_totals_are_summed_from_the_bundles_alone(tmp_path):
    a_log(tmp_path, LEAVES, sizes=[900])
    for file in [*tmp_path.glob("tile/[0-9]"), tmp_path / "checkpoint"]:
        file.rename(tmp_path / f"away-{file.name}")

    assert totals(open_log(tmp_path), 900) == totals_of(LEAVES[:900])
    assert totals(open_log(tmp_path), 0) == {}


@pytest.mark.parametrize("index", [0, 255, 256, 899])
def test_a_leaf_is_read_and_proved_from_the_files(tmp_path, index):
    a_log(tmp_path, LEAVES, sizes=[900])
    source = open_log(tmp_path)
    root = root_of([leaf_hash(leaf) for leaf in LEAVES[:900]])

    leaf = leaf_from(source, index, 900)
    assert leaf == LEAVES[index]
    proof = inclusion_proof_from(source, index, 900)
    verify_inclusion(leaf_hash(leaf), index, 900, proof, root)


def test_older_sizes_are_proved_from_the_files(tmp_path):
    sizes = [0, 1, 256, 700, 1_500]
    a_log(tmp_path, LEAVES, sizes=sizes[:-1])
    roots = {size: root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]) for size in sizes}
    for old, new in pairwise(sizes):
        proof = consistency_proof_from(open_log(tmp_path), old, new)
        verify_consistency(old, roots[old], new, roots[new], proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_a_leaf_that_is_not_there_is_refused(tmp_path, index, size):
    for read in (leaf_from, inclusion_proof_from):
        with pytest.raises(LogInvalid, match=f"has no leaf {index}"):
            read(open_log(tmp_path), index, size)
    with pytest.raises(LogInvalid, match="no beginning"):
        consistency_proof_from(open_log(tmp_path), 6, 5)


class Site(BaseHTTPRequestHandler):
    """A static site whose answers a test decides."""

    files: dict[str, bytes] = {}  # noqa: RUF012 -- set for each test
    failures: list[int] = []  # noqa: RUF012

    def do_GET(self) -> None:
        if self.failures:
            self.send_error(self.failures.pop())
            return
        content = self.files.get(self.path.removeprefix("/log/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        zipped = "/entries/" in self.path and "gzip" in self.headers["Accept-Encoding"]
        body = gzip.compress(content) if zipped else content
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        cut = self.path.endswith("cut")
        self.send_header("Content-Length", str(len(body) + cut))
        self.end_headers()
        self.wfile.write(body[: -10 if self.path.endswith("unfinished") else None])

    def log_message(self, *args: object) -> None:
        """Not in the output of the tests."""


@contextmanager
def a_site(files: dict[str, bytes]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Site.files, Site.failures = files, []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/log"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def no_pause(monkeypatch):
    """A pause between attempts would only make the tests slow."""
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)


def test_a_log_is_verified_at_its_address(tmp_path):
    a_log(tmp_path, LEAVES[:700], sizes=[300])
    with a_site(files_of(tmp_path)) as address:
        for base in (address, address + "/"):
            assert verify_log(open_log(base), VERIFIER).checkpoint.size == 700
        assert open_log(address).read("tile/0/099") is None


@pytest.mark.usefixtures("no_pause")
def test_a_failure_that_passes_does_not_matter(tmp_path):
    a_log(tmp_path, LEAVES[:5])
    with a_site(files_of(tmp_path)) as address:
        Site.failures = [503, 500]
        assert read_checkpoint(open_log(address), VERIFIER)[0].size == 5


@pytest.mark.usefixtures("no_pause")
def test_a_log_that_does_not_answer_is_not_called_unsound():
    with a_site({}) as address:
        Site.failures = [503] * sources.ATTEMPTS
        with pytest.raises(LogUnreachable, match="status 503"):
            open_log(address).read("checkpoint")
    with pytest.raises(LogUnreachable, match="refused"):
        open_log(address).read("checkpoint")


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    ("path", "size", "why"),
    [
        ("large", READ_BYTES_MAX + 1, "more than 1000000 bytes"),
        ("tile/entries/large", READ_BYTES_MAX + 1, "more than 1000000 bytes"),
        ("cut", 100, "cut short"),
        ("tile/entries/cut", 100, "cut short"),
        ("tile/entries/unfinished", 100, "cut short"),
    ],
)
def test_an_answer_has_bounds(path, size, why):
    with a_site({path: bytes(size)}) as address, pytest.raises(LogUnreachable, match=why):
        open_log(address).read(path)


def test_a_file_has_bounds(tmp_path):
    (tmp_path / "checkpoint").write_bytes(bytes(READ_BYTES_MAX + 1))
    with pytest.raises(LogUnreachable, match="more than"):
        open_log(tmp_path).read("checkpoint")


def test_what_cannot_be_read_is_not_called_missing(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(LogUnreachable, match="directory"):
        open_log(str(tmp_path)).read("checkpoint")


@pytest.mark.parametrize("place", ["file:///etc", "ftp://example.com/log"])
def test_no_other_scheme_is_opened(place):
    assert open_log(place).read("hosts") is None  # A folder of that name, which is not there.
