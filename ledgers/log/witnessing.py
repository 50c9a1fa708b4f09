"""Witnesses: others who keep the newest checkpoint, and sign only what begins with it.

Their signatures (C2SP tlog-cosignature) stand under ours in the published note. How they get to us
is left to the operator; the next checkpoint starts without any.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.log.errors import LogInvalid
from ledgers.log.notes import Signature, VerifierKey, open_note, with_signature
from ledgers.models import LogCheckpoint


def add_cosignature(session: Session, line: str, witness: VerifierKey) -> Signature:
    """Put a witness's signature line under the newest checkpoint; the same line again is a retry.

    ``publish`` shows it, after the commit. Locks the checkpoint's row.

    Raises:
        LogInvalid: there is no checkpoint yet.
        NoteInvalid: the line is not this witness's signature of the newest checkpoint.
    """
    newest = session.scalars(
        select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1).with_for_update(),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if newest is None:
        raise LogInvalid("there is no checkpoint to sign yet")
    note = with_signature(newest.note, line)
    # By itself, or a line of this witness that is there already would vouch for any other.
    text, line = newest.note.rpartition("\n\n")[0], line.removesuffix("\n")
    (signature,) = open_note(f"{text}\n\n{line}\n", [witness]).signatures
    newest.note = note
    session.flush()
    return signature
