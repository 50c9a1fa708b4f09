"""The second factor: codes of an authenticator (RFC 6238) and, for when it is lost, recovery codes.

Kept here: a code opens once. An authenticator's by its step, which only rises; a recovery code by
the instant it was used at. Both are one UPDATE that only one of two at the same time wins.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.identity.keyring import Keyring
from service.identity.staff.models import Staff, StaffRecoveryCode

STEP_S = 30
WINDOW_STEPS = 1  # A clock may be so far off, either way.
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 bits: nothing that is found by trying, so a plain hash keeps it.
_DIGITS = re.compile("[0-9]{6}")
_ISSUER = "碳惠 Tanhui"
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown: a step of the authenticator, or a recovery code's hash. Of ``staff_id``,
    whose password hash was ``password_hash``; of nobody where something was wrong.
    """

    staff_id: UUID
    password_hash: str
    step: int | None
    code_sha256: bytes | None


def new_secret(keyring: Keyring, staff_id: UUID) -> tuple[str, bytes]:
    """The id of the master key, and an authenticator's secret sealed by it: 160 bits."""
    return keyring.wrap(pyotp.random_base32().encode(), about=about(staff_id))


def opened(keyring: Keyring, staff: Staff | None) -> str:
    """The secret in base32. Where there is none: another one, for the same work."""
    if staff is None or staff.totp_secret is None or staff.totp_key_id is None:
        key_id, sealed = new_secret(keyring, _NOBODY)
        return keyring.unwrap(key_id, sealed, about=about(_NOBODY)).decode()
    return keyring.unwrap(staff.totp_key_id, staff.totp_secret, about=about(staff.id)).decode()


def about(staff_id: UUID) -> bytes:
    """What a sealed secret is bound to."""
    return staff_id.bytes


def otpauth_uri(secret: str, login: str) -> str:
    """What an authenticator scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step that a code is of, or None; the whole window is compared, so time tells nothing."""
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_S
    sent = code if _DIGITS.fullmatch(code) else "000000x"
    found = None
    for step in range(current - WINDOW_STEPS, current + WINDOW_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), sent.encode()):
            found = step
    return found


def proof(
    keyring: Keyring,
    staff: Staff | None,
    *,
    totp: str | None = None,
    recovery_code: str | None = None,
    now: datetime,
) -> Proof:
    """What somebody shows whose password was right (``staff``), or nobody; not used up yet."""
    step = step_of(opened(keyring, staff), totp or "", now)
    code_sha256 = None if recovery_code is None else recovery_sha256(recovery_code)
    if staff is None or staff.password_hash is None or (step is None and code_sha256 is None):
        return Proof(_NOBODY, "", None if code_sha256 else 0, code_sha256)
    return Proof(staff.id, staff.password_hash, step, code_sha256)


def spend(session: Session, shown: Proof, *, now: datetime) -> bool:
    """Use the factor up: False where it is wrong, was used, or the person is blocked or changed
    meanwhile. One statement either way.
    """
    unchanged = (
        Staff.id == shown.staff_id,
        Staff.password_hash == shown.password_hash,
        Staff.invitation_sha256.is_(None),
        Staff.blocked_at.is_(None),
    )
    if shown.step is not None:
        stepped = (
            update(Staff)
            .where(*unchanged, Staff.totp_last_step < shown.step)
            .values(totp_last_step=shown.step)
            .returning(Staff.id)
            .execution_options(synchronize_session=False)
        )
        return session.scalar(stepped) is not None
    used = (
        update(StaffRecoveryCode)
        .where(
            StaffRecoveryCode.staff_id == shown.staff_id,
            StaffRecoveryCode.code_sha256 == shown.code_sha256,
            StaffRecoveryCode.used_at.is_(None),
            exists().where(*unchanged),
        )
        .values(used_at=now)
        .returning(StaffRecoveryCode.staff_id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(used) is not None


def renew_recovery_codes(session: Session, staff_id: UUID) -> Sequence[str]:
    """Ten new codes, told here and never again; those before are gone."""
    session.execute(delete(StaffRecoveryCode).where(StaffRecoveryCode.staff_id == staff_id))
    codes = [_written(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    rows = [{"staff_id": staff_id, "code_sha256": recovery_sha256(code)} for code in codes]
    session.execute(insert(StaffRecoveryCode), rows)
    return codes


def forget(session: Session, staff_id: UUID) -> None:
    """Let no recovery code of a person be good."""
    session.execute(delete(StaffRecoveryCode).where(StaffRecoveryCode.staff_id == staff_id))


def recovery_codes_left(session: Session, staff_id: UUID) -> int:
    """How many are not used yet."""
    query = select(func.count()).where(
        StaffRecoveryCode.staff_id == staff_id, StaffRecoveryCode.used_at.is_(None)
    )
    return session.scalar(query) or 0


def recovery_sha256(code: str) -> bytes:
    """As a code is kept; case, spaces and dashes do not matter."""
    plain = re.sub(r"[\s-]", "", code.upper())
    return hashlib.sha256(plain.encode()).digest()


def _written(raw: bytes) -> str:
    plain = b32encode(raw).decode()
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))
