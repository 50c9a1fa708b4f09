"""An OpenID provider as it describes itself: its addresses, its keys, and what its tokens say.

Kept here: a token counts only when the issuer that settings name signed it, by an asymmetric
algorithm, for us alone, in answer to our question, and not too long ago.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from service.identity.logins.outside import Outside, OutsideAway

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
ALGORITHMS += ["EdDSA", "Ed25519"]  # A shared secret signs nothing here, and neither does nobody.
LEEWAY_S = 30
SUBJECT_MAX = 255  # OpenID Connect Core, section 2.
CACHED_S = 3_600
REFETCH_AFTER_S = 60
AWAY_S = 3  # So long a provider that failed is left alone: not every caller waits for it anew.


class BadIdToken(Exception):
    """An id token that proves nobody; the text says what is wrong and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What discovery says, as far as it matters."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    takes_basic: bool


class Provider:
    """Asked at first use and then once an hour; keys also when a token names one that is new."""

    def __init__(
        self,
        issuer: str,
        outside: Outside,
        *,
        refetch_after_s: float = REFETCH_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._outside, self._refetch_after_s, self._clock = outside, refetch_after_s, clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._away: tuple[float, str] | None = None

    def metadata(self) -> Metadata:
        """Raises OutsideAway."""
        with self._lock:
            if self._metadata is None or self._clock() - self._metadata[0] > CACHED_S:
                self._metadata = self._clock(), self._discovered()
            return self._metadata[1]

    def subject(self, id_token: str, *, client_id: str, nonce: str, now: datetime) -> str:
        """Whom the token is about; raises BadIdToken, OutsideAway."""
        algorithms = self.metadata().algorithms
        try:
            try:
                token = jwt.decode(id_token, self._key_set(CACHED_S), algorithms)
            except InvalidKeyIdError:
                token = jwt.decode(id_token, self._key_set(self._refetch_after_s), algorithms)
            registry = jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(token.claims)
        except (JoseError, ValueError) as error:
            raise BadIdToken(type(error).__name__) from None
        return _subject(token.claims, client_id=client_id, nonce=nonce)

    def _discovered(self) -> Metadata:
        said = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != self.issuer:
            raise OutsideAway("discovery names another issuer")
        methods = _listed(said, "token_endpoint_auth_methods_supported", "client_secret_basic")
        listed = _listed(said, "id_token_signing_alg_values_supported", "RS256")
        return Metadata(
            self._address(said, "authorization_endpoint"),
            self._address(said, "token_endpoint"),
            self._address(said, "jwks_uri"),
            tuple(each for each in ALGORITHMS if each in listed),
            "client_secret_basic" in methods,
        )

    def _address(self, said: dict[str, Any], name: str) -> str:
        """As safe as the issuer's own: whoever is told to use https stays there."""
        value = said.get(name)
        if not isinstance(value, str) or _scheme(value) != _scheme(self.issuer):
            raise OutsideAway(f"discovery names no {name} that can be used")
        return value

    def _key_set(self, cached_s: float) -> KeySet:
        address = self.metadata().jwks_uri
        with self._lock:
            if self._keys is None or self._clock() - self._keys[0] >= cached_s:
                said = self._get(address)
                try:
                    keys = KeySet.import_key_set(said)  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError, AttributeError):
                    raise OutsideAway("keys that cannot be read") from None
                self._keys = self._clock(), keys
            return self._keys[1]

    def _get(self, address: str) -> dict[str, Any]:
        if self._away is not None and self._clock() - self._away[0] < AWAY_S:
            raise OutsideAway(self._away[1])
        try:
            answer = self._outside.ask("GET", address)
            if answer.status != 200:
                raise OutsideAway(f"status {answer.status}")
            return answer.json()
        except OutsideAway as error:
            self._away = self._clock(), str(error)
            raise


def _listed(said: dict[str, Any], name: str, default: str) -> list[Any]:
    """What is said of a name as a list; anything else is none of what we understand."""
    value = said.get(name, [default])
    return value if isinstance(value, list) else []


def _scheme(address: str) -> str:
    """None of ours ("") where the address cannot be read."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""


def _subject(claims: dict[str, Any], *, client_id: str, nonce: str) -> str:
    """What the registry leaves open: it takes a list where one value is meant."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise BadIdToken("azp")
    if claims["nonce"] != nonce:
        raise BadIdToken("nonce")
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.isprintable():
        raise BadIdToken("sub")
    if not 1 <= len(subject) <= SUBJECT_MAX:
        raise BadIdToken("sub")
    return subject
