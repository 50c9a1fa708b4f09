"""City single sign-on: OpenID Connect, authorization code with PKCE (S256) and a nonce.

The app opens the provider's page, is called back with ``code`` and ``state``, and hands both in.
Nothing is kept here between the two: ``state`` is a sealed slip. It is bound to the app that began
by a challenge of the app's own, so that nobody else's way back is finished by it; and it is good
once.
"""

import hashlib
import hmac
import logging
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec

from service.cache import Cache, CacheAway
from service.identity.logins.errors import (
    CodesAway,
    LoginNotProven,
    LoginProviderAway,
    RedirectNotAllowed,
)
from service.identity.logins.oidc_provider import BadIdToken, Provider
from service.identity.logins.outside import Outside, OutsideAway
from service.identity.logins.signing_in import Proof
from service.identity.logins.slips import BadSlip, Slips

log = logging.getLogger(__name__)
SOURCE: Final = "oidc"
LIFETIME = timedelta(minutes=10)
CHALLENGE = r"^[A-Za-z0-9_-]{43}\Z"  # RFC 7636: of a SHA-256, and what it is a hash of.
VERIFIER = r"^[A-Za-z0-9._~-]{43,128}\Z"


class OidcSlip(msgspec.Struct, frozen=True):
    """What is needed on the way back."""

    nonce: str
    code_verifier: str
    app_challenge: str
    redirect_url: str


@dataclass(frozen=True, slots=True)
class Client:
    """How the provider knows us, and where it may send people back to."""

    client_id: str
    client_secret: str
    redirect_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """The page to open, and what to hand in with the code."""

    authorization_url: str
    state: str


class Oidc:
    """One provider, known by its issuer."""

    def __init__(
        self, provider: Provider, client: Client, key: bytes, outside: Outside, cache: Cache
    ) -> None:
        self._provider, self._client = provider, client
        self._slips = Slips(key, "oidc state", OidcSlip, lifetime=LIFETIME)
        self._outside, self._cache = outside, cache

    @property
    def lifetime_s(self) -> int:
        """How long somebody may take at the provider, in seconds."""
        return self._slips.lifetime_s

    def start(self, redirect_url: str, app_challenge: str, *, now: datetime) -> Started:
        """Begin; a retry begins another.

        Raises:
            RedirectNotAllowed, LoginProviderAway.
        """
        if redirect_url not in self._client.redirect_urls:
            raise RedirectNotAllowed
        slip = OidcSlip(
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(48),
            app_challenge=app_challenge,
            redirect_url=redirect_url,
        )
        state = self._slips.write(slip, now=now)
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect_url,
            "scope": "openid",  # Who it is; no more is wanted.
            "state": state,
            "nonce": slip.nonce,
            "code_challenge": s256(slip.code_verifier),
            "code_challenge_method": "S256",
        }
        try:
            page = self._provider.metadata().authorization_endpoint
        except OutsideAway as error:
            raise self._away(error) from None
        return Started(f"{page}{'&' if '?' in page else '?'}{urlencode(asked)}", state)

    def finish(self, code: str, state: str, app_verifier: str, *, now: datetime) -> Proof:
        """Who came back. Used up by the first who asks, unless the provider did not answer.

        Raises:
            LoginNotProven, LoginProviderAway. CodesAway: redis is away, nothing is used up.
        """
        try:
            slip = self._slips.read(state, now=now)
        except BadSlip:
            raise LoginNotProven(SOURCE) from None
        if not hmac.compare_digest(s256(app_verifier), slip.app_challenge):
            raise LoginNotProven(SOURCE)
        used = f"oidc-state:{hashlib.sha256(slip.nonce.encode()).hexdigest()}"
        try:
            if not self._cache.first_use(used, self.lifetime_s + 60):
                raise LoginNotProven(SOURCE)
        except CacheAway:
            raise CodesAway from None
        try:
            id_token = self._exchange(code, slip)
            subject = self._provider.subject(
                id_token, client_id=self._client.client_id, nonce=slip.nonce, now=now
            )
        except OutsideAway as error:
            self._cache.forget(used)
            raise self._away(error) from None
        except BadIdToken as error:
            log.warning("an id token was refused: %s", error)
            raise LoginNotProven(SOURCE) from None
        return Proof(SOURCE, (f"{self._provider.issuer}\n{subject}",))

    def _exchange(self, code: str, slip: OidcSlip) -> str:
        """The id token for a code; raises OutsideAway, LoginNotProven."""
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": slip.redirect_url,
            "code_verifier": slip.code_verifier,
        }
        found, headers = self._provider.metadata(), {}
        if found.takes_basic:
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._client.client_secret)}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            body |= {
                "client_id": self._client.client_id,
                "client_secret": self._client.client_secret,
            }
        answer = self._outside.ask("POST", found.token_endpoint, data=body, headers=headers)
        said = answer.json()
        if answer.good:
            if isinstance(token := said.get("id_token"), str):
                return token
            raise OutsideAway("no id token")
        if answer.status == 400 and said.get("error") == "invalid_grant":
            raise LoginNotProven(SOURCE)
        error = said.get("error")
        plain = isinstance(error, str) and re.fullmatch("[a-z_]{1,40}", error)
        raise OutsideAway(f"status {answer.status}, {error if plain else 'no reason'}")

    def _away(self, error: OutsideAway) -> LoginProviderAway:
        log.warning("the OpenID provider does not answer: %s", error)
        return LoginProviderAway(SOURCE)


def s256(verifier: str) -> str:
    """The challenge of a verifier (RFC 7636)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
