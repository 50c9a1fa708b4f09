"""The parts that a request or a command needs, put together once."""

from dataclasses import dataclass

from flask import current_app

from service import keys
from service.attestation import Attestations
from service.cache import Cache
from service.db import Database
from service.entries import Entries
from service.identity.keyring import Keyring
from service.identity.tokens import Tokens
from service.settings import Settings
from service.transparency import Log, log_of


@dataclass(frozen=True, slots=True)
class Services:
    """What is connected to what."""

    settings: Settings
    database: Database
    cache: Cache
    tokens: Tokens
    voucher_key: bytes
    attestations: Attestations
    entries: Entries
    feed_key: bytes
    keyring: Keyring
    log: Log

    @classmethod
    def connect(cls, settings: Settings) -> "Services":
        """Nothing is contacted yet; key files are made when missing (KeyFileError if unusable)."""
        assert settings.database_url
        assert settings.redis_url
        database, attestation_file = Database(settings.database_url), settings.attestation_key_file
        return cls(
            settings=settings,
            database=database,
            entries=Entries(database),
            attestations=Attestations(
                keys.attestation_key(attestation_file) if attestation_file else None,
                settings.token_audience,
            ),
            cache=Cache(settings.redis_url),
            tokens=tokens(settings),
            voucher_key=keys.voucher_key(
                settings.voucher_key_file or settings.var_dir / "keys" / "voucher.key"
            ),
            feed_key=keys.feed_key(
                settings.feed_key_file or settings.var_dir / "keys" / "feed.key"
            ),
            keyring=keyring(settings),
            log=log_of(settings),
        )


def tokens(settings: Settings) -> Tokens:
    """Tokens by the production key, or by the development key in ``var``."""
    path = settings.token_key_file or settings.var_dir / "keys" / "development-token.pem"
    return Tokens.of(keys.token_keys(path), settings.token_issuer, settings.token_audience)


def keyring(settings: Settings) -> Keyring:
    """The master keys of personal data: from the environment, or from their file."""
    if settings.identity_keys is not None:
        return settings.identity_keys
    return Keyring.from_file(
        settings.identity_key_file or settings.var_dir / "keys" / "identity.keys"
    )


def services() -> Services:
    """The parts behind the current request."""
    found: Services = current_app.extensions["tanhui"]
    return found
