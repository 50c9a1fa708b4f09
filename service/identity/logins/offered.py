"""The ways in which residents sign in here, put together from settings."""

from dataclasses import dataclass
from pathlib import Path

from service.cache import Cache
from service.identity.keyring import Keyring
from service.identity.logins.errors import LoginMethodNotOffered
from service.identity.logins.oidc import Client, Oidc
from service.identity.logins.oidc_provider import Provider
from service.identity.logins.outside import Outside
from service.identity.logins.phone_codes import PhoneCodes
from service.identity.logins.signing_up import SignUpSlip, sign_ups
from service.identity.logins.slips import Slips
from service.identity.logins.sms import ConsoleSender, HttpSender, Sender
from service.identity.logins.wechat import WeChat
from service.keys import KeyFileError
from service.login_settings import LoginSettings


@dataclass(frozen=True, slots=True)
class Logins:
    """None for a way that is not offered."""

    terms_version: int
    outside: Outside
    codes: PhoneCodes
    sign_ups: Slips[SignUpSlip]
    offered_sender: Sender | None
    offered_wechat: WeChat | None
    offered_oidc: Oidc | None

    @classmethod
    def of(
        cls,
        settings: LoginSettings,
        keyring: Keyring,
        cache: Cache,
        *,
        production: bool,
    ) -> "Logins":
        """Nobody is asked yet; raises KeyFileError where a secret cannot be read."""
        outside = Outside()
        return cls(
            terms_version=settings.terms_version,
            outside=outside,
            codes=PhoneCodes(cache, keyring.derived("phone code")),
            sign_ups=sign_ups(keyring.derived("sign up")),
            offered_sender=_sender(settings, outside, production=production),
            offered_wechat=_wechat(settings, outside),
            offered_oidc=_oidc(settings, outside, keyring.derived("oidc state"), cache),
        )

    @property
    def sender(self) -> Sender:
        """Raises LoginMethodNotOffered; so do those below."""
        if self.offered_sender is None:
            raise LoginMethodNotOffered("phone")
        return self.offered_sender

    def check_phone(self) -> None:
        """Raises LoginMethodNotOffered where no codes are sent."""
        if self.offered_sender is None:
            raise LoginMethodNotOffered("phone")

    @property
    def wechat(self) -> WeChat:
        if self.offered_wechat is None:
            raise LoginMethodNotOffered("wechat")
        return self.offered_wechat

    @property
    def oidc(self) -> Oidc:
        if self.offered_oidc is None:
            raise LoginMethodNotOffered("oidc")
        return self.offered_oidc


def _sender(settings: LoginSettings, outside: Outside, *, production: bool) -> Sender | None:
    if settings.sms_url is None or settings.sms_token_file is None:
        return None if production else ConsoleSender()
    token = _secret(settings.sms_token_file)
    return HttpSender(settings.sms_url, token, settings.sms_template, outside)


def _wechat(settings: LoginSettings, outside: Outside) -> WeChat | None:
    if settings.wechat_app_id is None or settings.wechat_secret_file is None:
        return None
    secret = _secret(settings.wechat_secret_file)
    return WeChat(settings.wechat_url, settings.wechat_app_id, secret, outside)


def _oidc(settings: LoginSettings, outside: Outside, key: bytes, cache: Cache) -> Oidc | None:
    issuer, client_id = settings.oidc_issuer, settings.oidc_client_id
    if issuer is None or client_id is None or settings.oidc_client_secret_file is None:
        return None
    secret = _secret(settings.oidc_client_secret_file)
    client = Client(client_id, secret, settings.oidc_redirect_urls)
    return Oidc(Provider(issuer, outside), client, key, outside, cache)


def _secret(path: Path) -> str:
    """The one line of a secret's file."""
    try:
        found = path.read_text("ascii").strip()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} does not hold plain ASCII") from error
    if not found or not found.isprintable():
        raise KeyFileError(f"{path} does not hold one line with a secret")
    return found
