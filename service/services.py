"""The parts that a request or a command needs, put together once."""

from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from rewards.voucher_codes import Codes
from service import keys
from service.api_keys.uses import KeyUses
from service.attestation import Attestations
from service.cache import Cache
from service.db import Database
from service.entries import Entries
from service.gateway.asking import HttpGateway, gateway_at
from service.identity.identity_keys import IdentityKeys
from service.identity.keyring import Keyring
from service.identity.logins.offered import Logins
from service.identity.staff.passwords import Passwords
from service.identity.token_file import TokenFile
from service.limits import Attempts
from service.settings import Settings
from service.terms.texts import Terms
from service.transparency import Log, log_of
from service.webhooks.courier import Courier


@dataclass(frozen=True, slots=True)
class Services:
    """What is connected to what."""

    settings: Settings
    database: Database
    cache: Cache
    tokens: TokenFile
    voucher_key: bytes
    attestations: Attestations
    entries: Entries
    feed_key: bytes
    identity_keys: IdentityKeys
    log: Log
    attempts: Attempts
    passwords: Passwords
    key_uses: KeyUses
    logins: Logins
    terms: Terms
    top_ups: HttpGateway | None
    courier: Courier

    @classmethod
    def connect(cls, settings: Settings, *, statement_timeout_ms: int = 30_000) -> "Services":
        """Nothing is contacted yet; key files are made when missing (KeyFileError if unusable).

        Raises TermsNotReadable where a text that residents agree to is not there.
        """
        assert settings.database_url
        assert settings.redis_url
        database = Database(settings.database_url, statement_timeout_ms=statement_timeout_ms)
        attestation_file = settings.attestation_key_file
        cache, identity_keys = Cache(settings.redis_url), keyring(settings)
        return cls(
            settings=settings,
            database=database,
            entries=Entries(database),
            attestations=Attestations(
                keys.attestation_key(attestation_file) if attestation_file else None,
                settings.token_audience,
            ),
            cache=cache,
            tokens=tokens(settings),
            voucher_key=keys.voucher_key(
                settings.voucher_key_file or settings.var_dir / "keys" / "voucher.key"
            ),
            feed_key=keys.feed_key(
                settings.feed_key_file or settings.var_dir / "keys" / "feed.key"
            ),
            identity_keys=identity_keys,
            log=log_of(settings),
            attempts=Attempts(settings.redis_url),
            passwords=Passwords.of(),
            key_uses=KeyUses(),
            courier=Courier(private=settings.webhook_private),
            logins=Logins.of(
                settings.logins,
                identity_keys.keyring,
                cache,
                production=settings.token_key_file is not None,
            ),
            terms=Terms.of(settings.logins),
            top_ups=gateway_at(settings.top_up_url, settings.top_up_key_file),
        )

    @property
    def keyring(self) -> Keyring:
        """The master keys of personal data as they are now."""
        return self.identity_keys.keyring

    @property
    def codes(self) -> Codes:
        """The keys behind vouchers' codes."""
        return Codes(self.voucher_key, self.keyring.derived("pool codes"))


def tokens(settings: Settings) -> TokenFile:
    """Tokens by the production key, or by the development key in ``var``."""
    return TokenFile(token_key_path(settings), settings.token_issuer, settings.token_audience)


def token_key_path(settings: Settings) -> Path:
    """The file of the keys that sign tokens."""
    return settings.token_key_file or settings.var_dir / "keys" / "development-token.pem"


def keyring(settings: Settings) -> IdentityKeys:
    """The master keys of personal data: from the environment, or from their file."""
    if settings.identity_keys is not None:
        return IdentityKeys.fixed(settings.identity_keys)
    return IdentityKeys.of_file(identity_key_path(settings))


def identity_key_path(settings: Settings) -> Path:
    """The file of the master keys, where they are not in the environment."""
    return settings.identity_key_file or settings.var_dir / "keys" / "identity.keys"


def services() -> Services:
    """The parts behind the current request."""
    found: Services = current_app.extensions["tanhui"]
    return found
