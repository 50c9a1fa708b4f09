"""Access tokens: Ed25519-signed JWTs of ten minutes, and what they say."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

STAFF_ROLES = (
    "merchant",  # A clerk, who takes vouchers.
    "merchant_manager",  # Who also drafts offers, confirms settlements, sees to shops and systems.
    *("partner", "operator", "auditor", "district_officer"),
    "volunteer",  # Enters for residents without a phone what they did; sees no more than that.
    "administrator",  # Staff, grants, keys and the admin log; sees no resident.
)
ROLES = ("resident", *STAFF_ROLES)
LIFETIME = timedelta(minutes=10)
_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"  # RFC 9068: what the same key may sign for another purpose opens no door here.
_CLAIMS = ["exp", "iat", "nbf", "iss", "aud", "sub", "role", "jti"]


class InvalidToken(Exception):
    """No token, or one that cannot be believed; the text is safe to show."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``subject`` is a resident's holder id or a staff id.

    ``scope`` is the merchant's id, the partner's code, or for other staff the division within which
    they see anything, "" for all of it; ``programme`` is their programme's code, or ``*`` for every
    one. ``session_id`` is the login's. ``actor`` is the resident who acts for ``subject``, with the
    ``powers`` of a ``guardian``, to ``spend`` or only to ``read``; both "" for oneself.
    """

    subject: str
    role: str
    scope: str = ""
    programme: str = ""
    session_id: str = ""
    actor: str = ""
    powers: str = ""


class SigningKey:
    """A key with its id, the RFC 7638 thumbprint of its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.private = key
        self.public = key.public_key()
        raw = self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
        plain = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
        self.id = _base64url(hashlib.sha256(plain).digest())
        self.jwk = members | {"kid": self.id, "use": "sig", "alg": _ALGORITHM}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens by the first of its keys and checks them by each, for one issuer and audience.

    A key is added last, so that all who ask for the keys have it before it signs; then it is put
    first; and the old one leaves when its last token has ended.
    """

    keys: tuple[SigningKey, ...]
    issuer: str
    audience: str

    @classmethod
    def of(cls, keys: Sequence[Ed25519PrivateKey], issuer: str, audience: str) -> "Tokens":
        """From bare keys; the first signs."""
        assert keys
        return cls(tuple(SigningKey(key) for key in keys), issuer, audience)

    def issue(self, caller: Caller, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
        """A signed token for the caller."""
        assert caller.role in ROLES
        signing = self.keys[0]
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": caller.subject,
            "role": caller.role,
            "scope": caller.scope,
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
        }
        more = {
            "programme": caller.programme,
            "sid": caller.session_id,
            "act": {"sub": caller.actor} if caller.actor else None,  # RFC 8693, section 4.1.
            "powers": caller.powers,
        }
        claims |= {name: value for name, value in more.items() if value}
        headers = {"typ": _TYPE, "kid": signing.id}
        return jwt.encode(claims, signing.private, algorithm=_ALGORITHM, headers=headers)

    def check(self, token: str) -> Caller:
        """Who the token speaks for; raises InvalidToken saying what is wrong with it."""
        try:
            header = jwt.get_unverified_header(token)
            claims = self._claims(token, header)
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("the token has expired") from error
        except jwt.PyJWTError as error:
            raise InvalidToken("the token is not valid") from error
        if header.get("typ") != _TYPE or claims["role"] not in ROLES:
            raise InvalidToken("the token is not valid")
        return _caller(claims)

    def _claims(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        """The id of a key is compared with ours and leads nowhere else."""
        for signing in self.keys:
            if signing.id == header.get("kid"):
                return jwt.decode(
                    token,
                    signing.public,
                    algorithms=[_ALGORITHM],
                    audience=self.audience,
                    issuer=self.issuer,
                    leeway=5,
                    options={
                        "require": _CLAIMS,
                        "verify_signature": True,
                        "verify_exp": True,
                        "verify_nbf": True,
                        "verify_iat": True,
                        "verify_aud": True,
                        "verify_iss": True,
                        "strict_aud": True,
                    },
                )
        raise jwt.InvalidKeyError("signed by no key of ours")

    def jwks(self) -> dict[str, Any]:
        """The public keys by which anybody checks our tokens (RFC 7517)."""
        return {"keys": [signing.jwk for signing in self.keys]}


def _caller(claims: dict[str, Any]) -> Caller:
    act = claims.get("act")
    said = {
        "scope": claims.get("scope", ""),
        "programme": claims.get("programme", ""),
        "session_id": claims.get("sid", ""),
        "actor": act.get("sub") if isinstance(act, dict) else "" if act is None else None,
        "powers": claims.get("powers", ""),
    }
    if not all(isinstance(value, str) for value in said.values()):
        raise InvalidToken("the token is not valid")
    return Caller(claims["sub"], claims["role"], **said)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
