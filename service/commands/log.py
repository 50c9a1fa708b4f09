"""``tanhui log``: the transparency log, for its operator and for whoever checks it.

``key``, ``checkpoint``, ``verify`` and ``totals`` read files or an address, and no database.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click
import segno

from ledgers.accounts import EXPIRED, ISSUED, REDEEMED, RETIRED
from ledgers.log.checkpoints import Checkpoint, TotalKey
from ledgers.log.entries import Entry
from ledgers.log.errors import LogError, LogInvalid
from ledgers.log.issuing import receipt
from ledgers.log.notes import Signature, VerifierKey, open_note
from ledgers.log.reading import open_log, read_checkpoint, totals, verify_log
from ledgers.log.receipts import Receipt, check_receipt, find_in_log
from ledgers.log.sealing import publish
from ledgers.log.tiles import CHECKPOINT
from ledgers.log.witnessing import add_cosignature
from service import starting
from service.admin import objects
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.settings import Settings
from service.transparency import log_key_path, log_of

READ_BYTES_MAX = 1_000_000

# What counts as which: an account's kind, and whether coming out of it counts, or going in.
_COLUMNS = {"issued": (ISSUED, 1), "spent": (REDEEMED, -1), "lapsed": (EXPIRED, -1)}
_ALSO = {"retired": (RETIRED, -1)}

_place = click.argument("place", required=False)
_key = click.option("--key", "written_key", metavar="VKEY", help="Verifier key of the log.")


@click.group()
def log() -> None:
    """The transparency log: its key, its checkpoint, receipts, checks from the files alone."""


@log.command(epilog="Example: tanhui log key")
def key() -> None:
    """Print the verifier key, which those who check should get from you, not from the log."""
    own = log_of(Settings.from_env())
    click.echo(own.verifier())
    if own.published_origin() is None:
        click.echo("nothing is published yet: the name is fixed with the first leaf", err=True)


@log.command(epilog="Example: tanhui log checkpoint > kept.txt")
def checkpoint() -> None:
    """Print the published checkpoint; who keeps it can prove later that nothing was changed."""
    note = log_of(Settings.from_env()).folder.read(CHECKPOINT)
    if note is None:
        raise LogInvalid("nothing is published yet")
    click.echo(note.decode(errors="replace"), nl=False)


@log.command(epilog="Example: tanhui log prove 019aa3a5-1a80-7000-8000-000000000002 --qr qr.svg")
@click.argument("transfer_id", type=click.UUID)
@click.option("--output", type=click.Path(path_type=Path), help="Write the receipt here.")
@click.option("--qr", type=click.Path(path_type=Path), help="Write a QR code here, as SVG.")
def prove(transfer_id: UUID, output: Path | None, qr: Path | None) -> None:
    """Give out the receipt of a transfer: JSON, or a QR code that opens the page /verify."""
    settings = Settings.from_env()
    with starting.connected(settings) as services:
        made = services.database.transact(
            lambda session: receipt(session, services.log.folder, transfer_id, holder_id=None)
        )
    written = json.dumps(made.as_json(), indent=2, ensure_ascii=False)
    if output:
        output.write_text(written + "\n", encoding="utf-8")
        click.echo(f"receipt of entry {made.index} in {output}")
    if qr:
        link = f"{settings.public_url}/verify#{made.qr_text()}"
        segno.make(link, error="m", micro=False).save(str(qr), kind="svg", border=4, scale=4)
        click.echo(f"QR code of entry {made.index} in {qr}")
    if not output and not qr:
        click.echo(written)


@log.command(epilog="Example: tanhui log verify https://example.cn/log --key VKEY --older kept.txt")
@_place
@_key
@click.option("--older", type=click.Path(path_type=Path), help="A checkpoint kept from before.")
@click.option("--receipt", "kept", type=click.Path(path_type=Path), help="JSON, or a QR's text.")
@click.option("--witness", "witnesses", multiple=True, metavar="VKEY", help="Must have signed.")
def verify(
    place: str | None,
    written_key: str | None,
    older: Path | None,
    kept: Path | None,
    witnesses: tuple[str, ...],
) -> None:
    """Check everything a log publishes (default: your own): signature, leaves, tiles, totals.

    PLACE is a folder or an address. Exit 1 names the first thing that does not fit.
    """
    where, verifier = _log_to_check(place, written_key)
    known = [VerifierKey.parse(written) for written in witnesses]
    before = _read(older) if older else None
    own = Receipt.parse(_read(kept)) if kept else None
    entry, proved = check_receipt(own, verifier) if own else (None, None)
    source = open_log(where)
    published, _ = read_checkpoint(source, verifier)
    if own:
        find_in_log(own, source, published, proved)
    with _bar(published.size, "entries") as progress:
        found = verify_log(source, verifier, older=before, progress=progress)
    signed = [_witnessed(found.note, witness) for witness in known]
    size = found.checkpoint.size
    click.echo(f"{size:,} entries of {verifier.name} fit the checkpoint {_short(found.checkpoint)}")
    if found.older:
        click.echo(f"it begins with the {found.older.size:,} entries of the older checkpoint")
    for signature in signed:
        at = datetime.fromtimestamp(signature.at, UTC).isoformat() if signature.at else ""
        click.echo(f"{signature.name} signed it {at}".rstrip())
    if own and entry:
        click.echo(f"entry {own.index} is the receipt's: {_told(entry)}")


@log.command("totals", epilog="Example: tanhui log totals https://example.cn/log --key VKEY")
@_place
@_key
def totals_(place: str | None, written_key: str | None) -> None:
    """Add up what was issued, spent and lapsed from the entries; exit 1 unless it is signed.

    PLACE is a folder or an address (default: your own log). Reversals are taken off.
    """
    where, verifier = _log_to_check(place, written_key)
    source = open_log(where)
    signed, _ = read_checkpoint(source, verifier)
    with _bar(signed.size, "entries") as progress:
        sums = totals(source, signed.size, progress)
    for line in _table(sums):
        click.echo(line)
    wrong = [
        f"{' '.join(which)} is {sums.get(which, 0)}, signed {signed.totals.get(which, 0)}"
        for which in sorted(sums.keys() | signed.totals.keys())
        if sums.get(which) != signed.totals.get(which)
    ]
    if wrong:
        raise LogInvalid(f"the totals of {signed.size} entries differ: {'; '.join(wrong)}")
    click.echo(f"the totals of {signed.size:,} entries are those of the checkpoint")


@log.command(epilog="Example: tanhui log cosign line.txt --witness VKEY")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--witness", "written_key", metavar="VKEY", required=True, help="Its key.")
def cosign(file: Path, written_key: str) -> None:
    """Publish a witness's signature of the current checkpoint; FILE has its line."""
    line, witness = _read(file), VerifierKey.parse(written_key)
    now, who = datetime.now(UTC), from_command()
    with starting.connected(Settings.from_env()) as services:
        transact, own = services.database.transact, services.log
        signature = transact(
            lambda session: acting_on(
                session,
                who,
                "log.cosign",
                objects.checkpoint(session),
                lambda: add_cosignature(session, line, witness),
                now=now,
            )
        )
        transact(lambda session: publish(session, own.folder, own.origin(session)))
    click.echo(f"the checkpoint is signed by {signature.name}")


def _log_to_check(place: str | None, written_key: str | None) -> tuple[str | Path, VerifierKey]:
    """Where the log is, and the key to check it with: without a place or a key, one's own."""
    settings = Settings.from_env()
    where = place or settings.log_dir
    if written_key:
        return where, VerifierKey.parse(written_key)
    if not log_key_path(settings).exists():  # It would be made, and nothing signed with it.
        raise click.UsageError("--key is needed: this installation has no log of its own")
    return where, log_of(settings).verifier()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(READ_BYTES_MAX + 1)
        if len(content) > READ_BYTES_MAX:
            raise LogInvalid(f"{path} has more than {READ_BYTES_MAX} bytes")
        return content.decode()
    except OSError as error:
        raise LogInvalid(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LogInvalid(f"{path} is not UTF-8") from error


@contextmanager
def _bar(size: int, label: str) -> Iterator[Callable[[int], None]]:
    with click.progressbar(
        length=size, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield lambda done: bar.update(done - bar.pos)


def _witnessed(note: str, witness: VerifierKey) -> Signature:
    try:
        return open_note(note, [witness]).signatures[0]
    except LogError as error:
        raise LogInvalid(f"witness {witness.name}: {error.reason}") from error


def _short(signed: Checkpoint) -> str:
    return signed.root.hex()[:16]


def _told(entry: Entry) -> str:
    day = datetime.fromtimestamp(entry.day * 86_400, UTC).date()
    return f"{entry.amount:,} {entry.unit} from {entry.debit_kind} to {entry.credit_kind} on {day}"


def _table(sums: Mapping[TotalKey, int]) -> Iterator[str]:
    """A line for each unit; columns of the rarer kind only where there is something in them."""
    flows: Counter[tuple[str, str]] = Counter()
    for (unit, debit, credit), amount in sums.items():
        flows[unit, debit] += amount
        flows[unit, credit] -= amount
    kinds = {kind for _, kind in flows}
    columns = _COLUMNS | {name: also for name, also in _ALSO.items() if also[0] in kinds}
    yield "unit".ljust(10) + "".join(name.rjust(22) for name in columns)
    for unit in sorted({unit for unit, _ in flows}):
        figures = (sign * flows[unit, kind] for kind, sign in columns.values())
        yield unit.ljust(10) + "".join(f"{figure:,}".rjust(22) for figure in figures)
