"""Access tokens: Ed25519-signed JWTs of ten minutes, and what they say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROLES = (
    *("resident", "merchant", "partner", "operator", "auditor", "district_officer"),
    "volunteer",  # Enters for residents without a phone what they did; sees no more than that.
)
LIFETIME = timedelta(minutes=10)
_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"  # RFC 9068: what the same key may sign for another purpose opens no door here.
_CLAIMS = ["exp", "iat", "nbf", "iss", "aud", "sub", "role", "jti"]


class InvalidToken(Exception):
    """No token, or one that cannot be believed; the text is safe to show."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``subject`` is a resident's holder id or a staff id.

    ``scope`` is the merchant's id, the partner's code or the officer's division; else "".
    """

    subject: str
    role: str
    scope: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and checks tokens with one key, for one issuer and audience."""

    key: Ed25519PrivateKey
    issuer: str
    audience: str

    def issue(self, caller: Caller, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
        """A signed token for the caller."""
        assert caller.role in ROLES
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
        return jwt.encode(claims, self.key, algorithm=_ALGORITHM, headers={"typ": _TYPE})

    def check(self, token: str) -> Caller:
        """Who the token speaks for; raises InvalidToken saying what is wrong with it."""
        try:
            decoded = jwt.decode_complete(
                token,
                self.key.public_key(),
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
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("the token has expired") from error
        except jwt.PyJWTError as error:
            raise InvalidToken("the token is not valid") from error
        claims: dict[str, Any] = decoded["payload"]
        if decoded["header"].get("typ") != _TYPE or claims["role"] not in ROLES:
            raise InvalidToken("the token is not valid")
        return Caller(claims["sub"], claims["role"], str(claims.get("scope", "")))
