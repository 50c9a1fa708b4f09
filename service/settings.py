"""Settings: the only place that reads the environment."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from redis.connection import parse_url
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ledgers.log.notes import is_key_name
from service.errors import CommandRefused
from service.identity.keyring import Keyring
from service.login_settings import LoginSettings, login_settings, needed_together, secure_url

PREFIX = "TANHUI_"
_DATABASE_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_REDIS_SCHEMES = {"redis", "rediss", "unix"}
_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?")


class SettingsError(CommandRefused):
    """What is wrong with the environment, all of it in one message."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``None`` for a URL means: the server of the default set-up (``service.embedded``).

    ``token_key_file`` set means production: development tokens are refused. Without
    ``attestation_key_file`` no device is attested. ``log_origin`` is the name of the transparency
    log; None: the one that it has, or will have (``default_log_origin``).
    """

    var_dir: Path
    database_url: str | None
    redis_url: str | None
    token_key_file: Path | None
    voucher_key_file: Path | None
    attestation_key_file: Path | None
    feed_key_file: Path | None
    identity_key_file: Path | None
    identity_keys: Keyring | None  # Of the environment, where there is no file.
    log_dir: Path
    log_key_file: Path | None
    log_origin: str | None
    token_issuer: str
    token_audience: str
    public_url: str
    host: str
    port: int
    workers: int
    review_two_persons_points: int  # What would earn more takes two persons.
    rate_limits: float  # Times the limits of service.limits; 0: none.
    cors_origins: tuple[str, ...]  # Web apps of other origins that may call the API.
    trusted_proxies: int  # How many stand before us and say whom they speak for.
    webhook_private: bool  # Webhooks may go to our own network, and by plain http.
    top_up_url: str | None  # The gateway that puts money onto cards; None: no top-ups.
    top_up_key_file: Path | None
    logins: LoginSettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read ``TANHUI_*``; raises SettingsError naming everything that is wrong at once."""
        return _Reader(os.environ if environ is None else environ).settings()

    @property
    def default_log_origin(self) -> str:
        """The log's public address without its scheme, as C2SP tlog-checkpoint recommends."""
        return _log_origin(self.public_url)


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.values = {
            name: value
            for name, value in environ.items()
            if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and value
        }
        self.problems: list[str] = []

    def settings(self) -> Settings:
        host, port = self.take("HOST", "127.0.0.1"), self.whole("PORT", 8000, 1, 65_535)
        var_dir = Path(self.take("VAR_DIR", "var")).absolute()
        public_url = self.public_url(f"http://{host}:{port}")
        settings = Settings(
            var_dir=var_dir,
            database_url=self.database_url(),
            redis_url=self.url("REDIS_URL", _REDIS_SCHEMES, parse_url),
            token_key_file=self.file("TOKEN_KEY_FILE"),
            voucher_key_file=self.file("VOUCHER_KEY_FILE"),
            attestation_key_file=self.file("ATTESTATION_KEY_FILE"),
            feed_key_file=self.file("FEED_KEY_FILE"),
            identity_key_file=self.file("IDENTITY_KEY_FILE"),
            identity_keys=self.identity_keys(),
            log_dir=Path(self.take("LOG_DIR", str(var_dir / "log"))).absolute(),
            log_key_file=self.file("LOG_KEY_FILE"),
            log_origin=self.log_origin(public_url),
            token_issuer=self.take("TOKEN_ISSUER", "tanhui"),
            token_audience=self.take("TOKEN_AUDIENCE", "tanhui-api"),
            public_url=public_url,
            host=host,
            port=port,
            workers=self.whole("WORKERS", 2, 1, 64),
            review_two_persons_points=self.whole("REVIEW_TWO_PERSONS_POINTS", 2_000, 0, 999_999),
            rate_limits=self.rate_limits(),
            cors_origins=self.cors_origins(),
            trusted_proxies=self.whole("TRUSTED_PROXIES", 0, 0, 9),
            webhook_private=self.switch("WEBHOOK_PRIVATE"),
            top_up_url=secure_url(self, "TOP_UP_URL"),
            top_up_key_file=self.file("TOP_UP_KEY_FILE"),
            logins=login_settings(self),
        )
        top_ups = {"TOP_UP_URL": settings.top_up_url, "TOP_UP_KEY_FILE": settings.top_up_key_file}
        needed_together(self, top_ups)
        self.problems += [f"{name} is not a setting" for name in sorted(self.values)]
        if self.problems:
            raise SettingsError("; ".join(self.problems))
        return settings

    def take(self, name: str, default: str) -> str:
        return self.values.pop(PREFIX + name, default)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.take(name, str(default))
        if re.fullmatch("[0-9]{1,6}", value) and low <= int(value) <= high:
            return int(value)
        self.problems.append(f"{PREFIX}{name} is {value!r}, not a number from {low} to {high}")
        return default

    def switch(self, name: str) -> bool:
        value = self.take(name, "off")
        if value not in ("on", "off"):
            self.problems.append(f"{PREFIX}{name} is {value!r}, neither on nor off")
        return value == "on"

    def rate_limits(self) -> float:
        value = self.take("RATE_LIMITS", "1")
        if value == "off":
            return 0.0
        if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", value) and float(value) > 0:
            return float(value)
        self.problems.append(f"{PREFIX}RATE_LIMITS is {value!r}, neither a factor nor off")
        return 1.0

    def cors_origins(self) -> tuple[str, ...]:
        """Exact origins: a pattern would let in more than was meant."""
        value = self.take("CORS_ORIGINS", "")
        origins = tuple(origin.strip() for origin in value.split(",")) if value else ()
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                self.problems.append(
                    f"{PREFIX}CORS_ORIGINS: {origin!r} is not scheme://host or scheme://host:port"
                )
        return origins

    def file(self, name: str) -> Path | None:
        value = self.take(name, "")
        if value and not Path(value).is_file():
            self.problems.append(f"{PREFIX}{name} names {value!r}, which is no file")
        return Path(value).absolute() if value else None

    def url(self, name: str, schemes: set[str], parse: Callable[[str], object]) -> str | None:
        value = self.take(name, "")
        if not value:
            return None
        scheme, separator, _ = value.partition("://")
        if scheme not in schemes or not separator:  # The value may hold a password: not shown.
            self.problems.append(f"{PREFIX}{name} must begin with one of {sorted(schemes)} and ://")
        else:
            try:
                parse(value)
            except (ArgumentError, ValueError):
                self.problems.append(f"{PREFIX}{name} cannot be read: look at its host and port")
        return value

    def public_url(self, default: str) -> str:
        value = self.url("PUBLIC_URL", {"http", "https"}, lambda value: urlsplit(value).port)
        return (value or default).rstrip("/")

    def log_origin(self, public_url: str) -> str | None:
        value = self.take("LOG_ORIGIN", "")
        if not is_key_name(value or _log_origin(public_url)):
            self.problems.append(
                f"{PREFIX}LOG_ORIGIN must name the log, without spaces and plus signs"
            )
        return value or None

    def identity_keys(self) -> Keyring | None:
        value = self.take("IDENTITY_KEYS", "")
        try:
            return Keyring.from_text(value) if value else None
        except ValueError as error:  # It says what is wrong and repeats no key.
            self.problems.append(f"{PREFIX}IDENTITY_KEYS: {error}")
            return None

    def database_url(self) -> str | None:
        value = self.url("DATABASE_URL", _DATABASE_SCHEMES, make_url)
        if value is None:
            return None
        return "postgresql+psycopg://" + value.partition("://")[2]


def _log_origin(public_url: str) -> str:
    address = public_url.partition("://")[2]
    host, slash, path = address.partition("/")
    return f"{host.rpartition('@')[2]}{slash}{path}/log"
