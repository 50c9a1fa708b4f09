"""Staff sign in: a password, a second factor, and one of the grants.

Kept here: whatever is wrong is answered alike, after the same work: one argon2 verification and two
statements, also for a login that nobody has. No transaction is open while argon2 works.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from service.identity.logins import sessions
from service.identity.staff import grants, second_factor
from service.identity.staff.errors import GrantNotChosen, NoGrant, SignInRefused
from service.identity.staff.members import enrolled, find_by_login
from service.identity.staff.models import Staff, StaffGrant
from service.identity.staff.passwords import check_new
from service.identity.tokens import Caller
from service.limits import Limit, subscriber

if TYPE_CHECKING:
    from service.services import Services

PER_LOGIN = Limit(times=10, per_s=900)
# Of a password that is right: whoever has it tries codes, three of a million good at a time, and
# finds one in 23 years' mean time. Bound to the password, so that a new one begins anew.
PER_FACTOR = Limit(times=40, per_s=86_400)
PER_ADDRESS = Limit(times=100, per_s=900)  # A shop's or an office's clerks share one.


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody shows: a password, and a code of the authenticator or a recovery code."""

    login: str
    password: str = field(repr=False)
    totp: str | None = field(repr=False, default=None)
    recovery_code: str | None = field(repr=False, default=None)


class Wanted(NamedTuple):
    """What for: which grant (None: the only one), on which device, from which address."""

    grant_id: UUID | None
    device_name: str
    from_address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun, for this caller; and what else there is to know."""

    caller: Caller
    begun: sessions.Begun
    grants: Sequence[StaffGrant]
    recovery_codes_left: int


def count_attempt(parts: "Services", login: str, address: str, *, now: datetime) -> None:
    """Count before anything is looked at; unknown logins alike. Raises TooManyRequests."""
    count_address(parts, address, now=now)
    parts.attempts.count("staff-login", _counted(parts, login), PER_LOGIN, now=now)


def count_address(parts: "Services", address: str, *, now: datetime) -> None:
    """Count an attempt of an address. Raises TooManyRequests."""
    parts.attempts.count("staff-address", _subscriber(parts, address), PER_ADDRESS, now=now)


def sign_in(parts: "Services", shown: Shown, wanted: Wanted, *, now: datetime) -> SignedIn:
    """Begin a session.

    A code is used up only when a session begins: after GrantNotChosen the same request with a grant
    goes through. A retry after that is refused, like every code that is shown again.

    Raises:
        TooManyRequests: too many attempts for this login, or from this address.
        SignInRefused: something was wrong; or blocked, or not enrolled yet.
        GrantNotChosen, NoGrant: everything was right.
        TooBusy: too many sign in just now.
    """
    count_attempt(parts, shown.login, wanted.from_address, now=now)
    proof = prove(parts, shown, now=now)

    def work(session: Session) -> SignedIn:
        spend(session, proof, now=now)
        staff = session.get_one(Staff, proof.staff_id)
        offered = grants.in_force(session, staff.id)
        grant = _chosen(offered, wanted.grant_id)
        login = sessions.Login(staff.id, grant.role, "password", wanted.device_name, grant.id)
        begun = sessions.begin(session, login, from_address=wanted.from_address, now=now)
        left = second_factor.recovery_codes_left(session, staff.id)
        caller = Caller(
            staff.login, grant.role, grant.scope, grant.programme_code, str(begun.session_id)
        )
        return SignedIn(caller, begun, offered, left)

    signed_in = parts.database.transact(work)
    _keep_up(parts, proof, shown.password)
    _begin_anew(parts, shown.login, proof)
    return signed_in


def prove(parts: "Services", shown: Shown, *, now: datetime) -> second_factor.Proof:
    """Look at what is shown; ``spend`` says whether it is right. One statement, one argon2, one
    count: somebody who has the password and tries codes is refused like whoever has not.
    """
    staff = parts.database.transact(lambda session: find_by_login(session, shown.login))
    ready = staff if staff is not None and enrolled(staff) else None
    fits = parts.passwords.fits(None if ready is None else ready.password_hash, shown.password)
    right = ready if fits else None
    counted = _counted_factor(parts, shown.login, right.password_hash if right else None)
    tried = parts.attempts.window("staff-factor", counted, PER_FACTOR, now=now, times=1)
    return second_factor.proof(
        parts.keyring,
        right if tried.count <= tried.limit.times else None,
        totp=shown.totp,
        recovery_code=shown.recovery_code,
        now=now,
    )


def spend(session: Session, proof: second_factor.Proof, *, now: datetime) -> None:
    """Use the second factor up; raises SignInRefused."""
    if not second_factor.spend(session, proof, now=now):
        raise SignInRefused


def _keep_up(parts: "Services", proof: second_factor.Proof, password: str) -> None:
    """Hash a password anew that was hashed by other parameters than now; once all was right."""
    if parts.passwords.outdated(proof.password_hash):
        hashed = parts.passwords.hashed(password)
        parts.database.transact(lambda session: _set_password(session, proof, hashed))


@dataclass(frozen=True, slots=True)
class Here:
    """The session somebody acts from ("" for none), and the address."""

    session_id: str
    from_address: str


def change_password(
    parts: "Services", shown: Shown, new_password: str, here: Here, *, now: datetime
) -> None:
    """Change one's password; every session but this one ends.

    The same again is refused, as the old password is none any more, and changes nothing.

    Raises TooManyRequests, SignInRefused, PasswordNotGood, TooBusy.
    """
    count_attempt(parts, shown.login, here.from_address, now=now)
    check_new(new_password, shown.login)
    proof = prove(parts, shown, now=now)
    hashed = parts.passwords.hashed(new_password) if proof.password_hash else ""

    def work(session: Session) -> None:
        spend(session, proof, now=now)
        _set_password(session, proof, hashed)
        but = UUID(here.session_id) if here.session_id else None
        sessions.end(session, proof.staff_id, "revoked", now=now, but=but)
        _record(session, proof.staff_id, "password_changed", here, now)

    parts.database.transact(work)
    _begin_anew(parts, shown.login, proof)


def renew_recovery_codes(
    parts: "Services", shown: Shown, here: Here, *, now: datetime
) -> Sequence[str]:
    """Ten new codes, told once; those before are gone. A retry takes another code of the
    authenticator and makes others.

    Raises TooManyRequests, SignInRefused, TooBusy.
    """
    count_attempt(parts, shown.login, here.from_address, now=now)
    proof = prove(parts, shown, now=now)

    def work(session: Session) -> Sequence[str]:
        spend(session, proof, now=now)
        _record(session, proof.staff_id, "recovery_codes_renewed", here, now)
        return second_factor.renew_recovery_codes(session, proof.staff_id)

    codes = parts.database.transact(work)
    _begin_anew(parts, shown.login, proof)
    return codes


def _record(session: Session, staff_id: UUID, kind: str, here: Here, now: datetime) -> None:
    session_id = UUID(here.session_id) if here.session_id else None
    sessions.record_event(
        session, staff_id, kind, session_id=session_id, from_address=here.from_address, now=now
    )


def _set_password(session: Session, proof: second_factor.Proof, hashed: str) -> None:
    session.execute(
        update(Staff)
        .where(Staff.id == proof.staff_id, Staff.password_hash == proof.password_hash)
        .values(password_hash=hashed)
        .execution_options(synchronize_session=False)
    )


def _chosen(offered: Sequence[StaffGrant], grant_id: UUID | None) -> StaffGrant:
    if not offered:
        raise NoGrant
    if grant_id is None and len(offered) == 1:
        return offered[0]
    for grant in offered:
        if grant.id == grant_id:
            return grant
    raise GrantNotChosen([grant_told(each) for each in offered])


def grant_told(grant: StaffGrant) -> dict[str, str]:
    """A grant as its holder is told of it."""
    return {
        "id": str(grant.id),
        "role": grant.role,
        "programme": grant.programme_code,
        "scope": grant.scope,
    }


def _subscriber(parts: "Services", address: str) -> bytes:
    """Whose address it is, is nobody's business in Redis."""
    return parts.keyring.value_key("address", subscriber(address))


def _begin_anew(parts: "Services", login: str, proof: second_factor.Proof) -> None:
    """Everything was right: what was tried before was no abuse."""
    parts.attempts.forget("staff-login", _counted(parts, login))
    parts.attempts.forget("staff-factor", _counted_factor(parts, login, proof.password_hash))


def _counted_factor(parts: "Services", login: str, password_hash: str | None) -> bytes:
    """Of a password that was wrong a count of its own, which nothing looks at: the same work."""
    return parts.keyring.value_key("staff factor", f"{login}\n{password_hash or ''}")


def _counted(parts: "Services", login: str) -> bytes:
    """Somebody may type a phone number there: only its hash goes to Redis."""
    return parts.keyring.value_key("staff login", login)
