"""Attestation: the word of the device maker's service that an unmodified app on a real device sent
an activity.

The app has it made for one activity, by the service whose public key is configured, and sends it
along in the header ``Tanhui-Attestation``: a compact JWS with the claims ``aud``, ``iat``, ``exp``
(at most LIFETIME_MAX later), ``device`` (a UUID) and ``event`` (the activity's id). What the
client itself says of it is never believed; without a key nobody is attested.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.errors import InvalidAttestation

HEADER = "Tanhui-Attestation"
LIFETIME_MAX = timedelta(minutes=5)
LENGTH_MAX = 4_096
_TYPE = "tanhui-attestation+jwt"  # What the same key may sign for another purpose attests nothing.
_CLAIMS = ["exp", "iat", "aud", "device", "event"]


@dataclass(frozen=True, slots=True)
class Attestations:
    """Checks attestations by one key (Ed25519, or ECDSA on P-256), for one audience."""

    key: Ed25519PublicKey | EllipticCurvePublicKey | None
    audience: str

    def check(self, attestation: str | None, *, event_id: UUID, device: UUID | None) -> bool:
        """Whether ``device`` is attested to have sent this event; none sent, or no key: no.

        Raises InvalidAttestation for one that is for another event or device, too old or too
        young, or not signed by the key: the app should get a new one.
        """
        if attestation is None or self.key is None:
            return False
        if len(attestation) > LENGTH_MAX:
            raise InvalidAttestation("invalid")
        claims = self._claims(attestation)
        if _uuid(claims["event"]) != event_id:
            raise InvalidAttestation("other_activity")
        if device is None or _uuid(claims["device"]) != device:
            raise InvalidAttestation("other_device")
        return True

    def _claims(self, attestation: str) -> dict[str, Any]:
        assert self.key is not None
        try:
            decoded = jwt.decode_complete(
                attestation,
                self.key,
                algorithms=[self._algorithm],
                audience=self.audience,
                leeway=5,
                options={
                    "require": _CLAIMS,
                    "verify_signature": True,
                    "verify_exp": True,
                    "verify_nbf": True,
                    "verify_iat": True,
                    "verify_aud": True,
                    "verify_iss": False,  # The key is of one service alone.
                    "strict_aud": True,
                },
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidAttestation("expired") from error
        except jwt.PyJWTError as error:
            raise InvalidAttestation("invalid") from error
        claims: dict[str, Any] = decoded["payload"]
        if decoded["header"].get("typ") != _TYPE:
            raise InvalidAttestation("invalid")
        if not _lasts_as_it_should(claims["iat"], claims["exp"]):
            raise InvalidAttestation("invalid")
        return claims

    @property
    def _algorithm(self) -> Literal["EdDSA", "ES256"]:
        """By the key's kind, never by what the header asks for."""
        return "EdDSA" if isinstance(self.key, Ed25519PublicKey) else "ES256"


def _lasts_as_it_should(issued: object, expires: object) -> bool:
    if not (isinstance(issued, int) and isinstance(expires, int)):
        return False
    return 0 < expires - issued <= LIFETIME_MAX.total_seconds()


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
