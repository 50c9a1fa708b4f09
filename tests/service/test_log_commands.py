"""``tanhui log``: tampering is found and named, with no database and no server."""

import base64
import json
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from ledgers.log.errors import LogError
from ledgers.log.notes import COSIGNATURE, VerifierKey, cosigned_message, open_note
from ledgers.log.receipts import Receipt
from ledgers.log.tiles import LogFolder, split_bundle
from service import starting
from service.admin.models import AdminAct
from service.cli import tanhui
from service.services import Services
from service.settings import Settings
from tests.service.published import Resident, a_spender, an_app, many_earnings, receipt_of, seal_all

AT = 1_795_219_200


class Cli:
    """The commands, with the settings of one installation."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    def __call__(self, *words: object, **more: str) -> str:
        """What it printed."""
        done = CliRunner().invoke(
            tanhui,
            ["log", *map(str, words)],
            env=self.environ | more,
            standalone_mode=False,
            catch_exceptions=False,
        )
        return done.stdout


class Site(NamedTuple):
    """An installation: ``resident`` earned and spent."""

    app: Flask
    services: Services
    resident: Resident
    cli: Cli
    folder: LogFolder


@pytest.fixture(scope="module")
def published(copied_database, urls, tmp_path_factory):
    """URL, folder and resident of an installation with a published log of 602 leaves."""
    folder = tmp_path_factory.mktemp("published") / "var"
    with copied_database() as url:
        with _installed(url, urls, folder) as (_, app, _):
            services = app.extensions["tanhui"]
            resident = a_spender(services.database)
            many_earnings(services.database, 600)
            seal_all(services)
        yield url, folder, resident


@contextmanager
def _installed(url, urls, folder):
    environ = {
        "TANHUI_VAR_DIR": str(folder),
        "TANHUI_DATABASE_URL": url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_PUBLIC_URL": "https://tanhui.example",
    }
    app = an_app(Settings.from_env(environ), url, folder)
    yield environ, app, app.extensions["tanhui"]
    app.extensions["tanhui"].database.dispose()


@pytest.fixture
def site(published, copy_of, urls, tmp_path):
    """A copy of it, the test's own."""
    url, folder, resident = published
    shutil.copytree(folder, tmp_path / "var")
    with copy_of(url) as own, _installed(own, urls, tmp_path / "var") as (environ, app, services):
        yield Site(app, services, resident, Cli(environ), services.log.folder)


@pytest.fixture
def alone(published, urls, tmp_path, monkeypatch):
    """A copy without its database and redis: whoever asks for them fails."""
    url, folder, resident = published
    shutil.copytree(folder, tmp_path / "var")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this command needs no servers")

    monkeypatch.setattr(starting, "servers", refuse)
    monkeypatch.setattr(starting, "connected", refuse)
    with _installed(url, urls, tmp_path / "var") as (environ, app, services):
        yield Site(app, services, resident, Cli(environ), services.log.folder)


def fails(cli: Cli, *words: object) -> str:
    """The one line of a refusal."""
    with pytest.raises(LogError) as refusal:
        cli(*words)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def garble(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_the_key_is_made_for_its_owner_and_stays_the_same(tmp_path):
    cli = Cli({"TANHUI_VAR_DIR": str(tmp_path), "TANHUI_PUBLIC_URL": "https://tanhui.example"})

    first, second = cli("key"), cli("key")

    assert first == second
    assert VerifierKey.parse(first.strip()).name == "tanhui.example/log"
    assert (tmp_path / "keys" / "log.pem").stat().st_mode & 0o777 == 0o600


def test_a_log_that_has_begun_keeps_its_name_on_another_port(alone):
    before = alone.cli("key")

    after = alone.cli("key", TANHUI_PUBLIC_URL="http://127.0.0.1:8080")

    assert before == after
    assert before.startswith("tanhui.example/log+")


def test_the_checkpoint_is_printed_as_it_is_published(alone):
    assert alone.cli("checkpoint").encode() == alone.folder.read("checkpoint")


def test_without_a_log_there_is_nothing_to_print(tmp_path):
    assert fails(Cli({"TANHUI_VAR_DIR": str(tmp_path)}), "checkpoint") == "nothing is published yet"


def test_a_sound_log_is_verified_with_no_server(alone):
    told = alone.cli("verify")

    assert told.startswith("602 entries of tanhui.example/log fit the checkpoint ")
    assert len(told.splitlines()) == 1


def test_it_is_verified_from_an_address_by_a_stranger(alone, tmp_path):
    key = alone.cli("key").strip()
    server = make_server("127.0.0.1", 0, alone.app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        stranger = Cli({"TANHUI_VAR_DIR": str(tmp_path / "elsewhere")})
        place = f"http://127.0.0.1:{server.port}/log"
        assert stranger("verify", place, "--key", key).startswith("602 entries ")
        assert "the totals of 602 entries are those" in stranger("totals", place, "--key", key)
        with pytest.raises(click.UsageError, match="--key is needed"):
            stranger("verify", place)
        assert not (tmp_path / "elsewhere").exists()  # No key is made for nothing.
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_key_signed_nothing(alone):
    other = "tanhui.example/log+235ceadc+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"

    assert "no known key signed" in fails(alone.cli, "verify", "--key", other)


@pytest.mark.parametrize(
    ("path", "at", "named"),
    [
        ("tile/0/001", 40, "leaf 257 does not fit its hash in tile/0/001"),
        ("tile/entries/000", 40, "leaf 0 does not fit its hash in tile/0/000"),
        ("tile/entries/002.p/90", 12, "leaf 512 does not fit its hash in tile/0/002.p/90"),
        ("tile/1/000.p/2", 33, "hash 1 in tile/1/000.p/2 does not fit the tile under it"),
        ("checkpoint", 30, "checkpoint: "),
    ],
)
def test_a_garbled_file_is_named(alone, path, at, named):
    garble(alone.folder.path / path, at)

    assert named in fails(alone.cli, "verify")


def test_a_missing_file_is_named(alone):
    (alone.folder.path / "tile" / "entries" / "001").unlink()

    assert fails(alone.cli, "verify") == "tile/entries/001 is missing"
    assert fails(alone.cli, "totals") == "tile/entries/001 is missing"


def test_a_log_that_was_rolled_back_fails_against_an_older_checkpoint(site, tmp_path):
    shutil.copytree(site.folder.path, tmp_path / "copy")
    many_earnings(site.services.database, 10)
    seal_all(site.services)
    (tmp_path / "kept").write_text(site.cli("checkpoint"), encoding="utf-8")
    assert "612 entries of the older" in site.cli("verify", "--older", tmp_path / "kept")
    shutil.rmtree(site.folder.path)
    shutil.copytree(tmp_path / "copy", site.folder.path)

    assert site.cli("verify").startswith("602 entries")  # By itself it looks sound.
    refusal = fails(site.cli, "verify", "--older", tmp_path / "kept")
    assert refusal == "rolled back from 612 leaves to 602"


def test_another_history_under_the_same_key_fails_against_an_older_checkpoint(
    site, copied_database, tmp_path
):
    (tmp_path / "kept").write_text(site.cli("checkpoint"), encoding="utf-8")
    with copied_database() as url:
        other = an_app(site.services.settings, url, tmp_path / "other").extensions["tanhui"]
        many_earnings(other.database, 700)
        seal_all(other)
        other.database.dispose()

    assert site.cli("verify", tmp_path / "other" / "log").startswith("700 entries")
    refusal = fails(site.cli, "verify", tmp_path / "other" / "log", "--older", tmp_path / "kept")
    assert refusal == "the root of 602 leaves is not that of the older one"


def test_a_log_that_grew_begins_with_what_was_kept(site, tmp_path):
    (tmp_path / "kept").write_text(site.cli("checkpoint"), encoding="utf-8")
    many_earnings(site.services.database, 300)
    seal_all(site.services)

    told = site.cli("verify", "--older", tmp_path / "kept")

    assert "it begins with the 602 entries of the older checkpoint" in told


def test_the_totals_are_those_of_a_hand_count(alone):
    sums: Counter[str] = Counter()
    for bundle in alone.folder.path.glob("tile/entries/**/*"):
        if bundle.is_file():
            for leaf in split_bundle(bundle.read_bytes()):
                sums[f"{leaf[2]}{leaf[3]}"] += int.from_bytes(leaf[4:12])
    assert dict(sums) == {"21": 300 + 600 * 601 // 2, "13": 120}

    lines = alone.cli("totals").splitlines()

    assert lines[0].split() == ["unit", "issued", "spent", "lapsed"]
    assert lines[1].split() == ["point", "180,600", "120", "0"]
    assert lines[2:] == ["the totals of 602 entries are those of the checkpoint"]


def test_totals_that_differ_are_named(alone):
    bundle = alone.folder.path / "tile" / "entries" / "000"
    garble(bundle, 2 + 4 + 5)  # An amount, by 65,536.

    refusal = fails(alone.cli, "totals")

    assert re.fullmatch(
        r"the totals of 602 entries differ: point \w+ \w+ is \d+, signed \d+", refusal
    )


def test_a_receipt_is_proved_and_checked_again(site, tmp_path, monkeypatch):
    transfer_id = site.resident.transfers[1]

    printed = site.cli("prove", transfer_id)
    told = site.cli(
        "prove", transfer_id, "--output", tmp_path / "r.json", "--qr", tmp_path / "q.svg"
    )

    found = Receipt.parse(printed)
    assert found.transfer_id == transfer_id
    assert Receipt.parse((tmp_path / "r.json").read_text(encoding="utf-8")) == found
    assert told.splitlines() == [
        f"receipt of entry {found.index} in {tmp_path / 'r.json'}",
        f"QR code of entry {found.index} in {tmp_path / 'q.svg'}",
    ]
    assert (tmp_path / "q.svg").read_text(encoding="utf-8").startswith("<?xml")
    (tmp_path / "text").write_text(found.qr_text(), encoding="utf-8")
    many_earnings(site.services.database, 10)
    seal_all(site.services)
    monkeypatch.setattr(starting, "connected", None)
    for kept in ("r.json", "text"):
        told = site.cli("verify", "--receipt", tmp_path / kept)
        assert f"entry {found.index} is the receipt's: 120 point from personal to redeemed" in told


def test_a_changed_receipt_is_refused(alone, tmp_path):
    changed = receipt_of(alone.services, alone.resident).as_json() | {"record_salt": "00" * 16}
    (tmp_path / "r.json").write_text(json.dumps(changed), encoding="utf-8")
    assert "do not fit each other" in fails(alone.cli, "verify", "--receipt", tmp_path / "r.json")
    assert "r2.json: No such file" in fails(alone.cli, "verify", "--receipt", tmp_path / "r2.json")


class Witness:
    """Somebody who signs checkpoints (C2SP tlog-cosignature)."""

    def __init__(self, name: str = "witness.example") -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
        public = self.private.public_key().public_bytes_raw()
        self.key = VerifierKey(name, COSIGNATURE, public)

    def line(self, note: str) -> str:
        signed = note.rpartition("\n\n")[0] + "\n"
        signature = self.key.id + AT.to_bytes(8) + self.private.sign(cosigned_message(signed, AT))
        return f"— {self.key.name} {base64.b64encode(signature).decode()}\n"


def test_a_witness_signature_is_published_and_asked_for(site, tmp_path):
    witness = Witness()
    line = tmp_path / "line"
    assert "witness.example" in fails(site.cli, "verify", "--witness", witness.key)
    line.write_text(witness.line(site.cli("checkpoint")), encoding="utf-8")

    for _ in range(2):  # The second time is a retry.
        told = site.cli("cosign", line, "--witness", witness.key)
        assert told == "the checkpoint is signed by witness.example\n"

    note = site.cli("checkpoint")
    assert len(open_note(note, [witness.key, site.services.log.verifier()]).signatures) == 2
    at = datetime.fromtimestamp(AT, UTC).isoformat()
    assert f"witness.example signed it {at}" in site.cli("verify", "--witness", witness.key)
    made = Receipt.parse(site.cli("prove", site.resident.transfers[0]))
    assert made.proof.checkpoint == note
    query = select(AdminAct).where(AdminAct.what == "log.cosign")
    (act,) = site.services.database.transact(lambda s: s.scalars(query).all())
    assert len(act.after["signatures"]) - len(act.before["signatures"]) == 1


def test_a_signature_of_something_else_is_not_published(site, tmp_path):
    witness, line = Witness(), tmp_path / "line"
    before = site.cli("checkpoint")
    signed = witness.line(before)
    line.write_text(signed, encoding="utf-8")
    site.cli("cosign", line, "--witness", witness.key)
    foreign = "— other.example " + "A" * 96 + "\n"  # Under the witness's own, which is good.
    for wrong in (witness.line(before.replace("point", "fen")), foreign, "x", signed * 2):
        line.write_text(wrong, encoding="utf-8")
        fails(site.cli, "cosign", line, "--witness", witness.key)

    assert site.cli("checkpoint") == before + signed
