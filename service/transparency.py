"""The transparency log as this service runs it: its folder, its key, its name.

A log that has begun keeps its name, whatever host and port the settings say today.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.log.errors import NoteInvalid
from ledgers.log.notes import SignerKey, VerifierKey, open_note
from ledgers.log.tiles import CHECKPOINT, LogFolder
from ledgers.models import LogState
from service import keys
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Log:
    """``chosen_origin`` is the operator's choice, if any; ``default_origin`` is what a new log is
    called without one.
    """

    folder: LogFolder
    key: Ed25519PrivateKey
    chosen_origin: str | None
    default_origin: str

    def origin(self, session: Session) -> str:
        """What to seal under. Sealing refuses a chosen name that is not the log's."""
        begun = session.scalar(select(LogState.origin))
        return self.chosen_origin or begun or self.default_origin

    def signer(self, session: Session) -> SignerKey:
        """The key with the log's name, by which more than checkpoints is signed."""
        return SignerKey(self.origin(session), self.key.private_bytes_raw())

    def verifier(self) -> VerifierKey:
        """The key that readers check with, by what is published; asks no database."""
        return self._verifier(self.published_origin() or self.chosen_origin or self.default_origin)

    def published_origin(self) -> str | None:
        """The name under which something is published that our key signed; None: nothing is."""
        note = (self.folder.read(CHECKPOINT) or b"").decode(errors="replace")
        origin = note.partition("\n")[0]
        try:
            open_note(note, [self._verifier(origin)])
        except NoteInvalid:
            return None
        return origin

    def published_size(self) -> int:
        """How many leaves are under what is published; 0: nothing is."""
        lines = (self.folder.read(CHECKPOINT) or b"").split(b"\n", 2)
        return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else 0

    def _verifier(self, origin: str) -> VerifierKey:
        return SignerKey(origin, self.key.private_bytes_raw()).verifier


def log_of(settings: Settings) -> Log:
    """The log of these settings; its key file is made when missing (KeyFileError if unusable)."""
    return Log(
        LogFolder(settings.log_dir),
        keys.log_key(log_key_path(settings)),
        settings.log_origin,
        settings.default_log_origin,
    )


def log_key_path(settings: Settings) -> Path:
    """Where the key is, or will be made."""
    return settings.log_key_file or settings.var_dir / "keys" / "log.pem"
