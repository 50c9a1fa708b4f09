"""Settings of residents' logins; those that are not set up are not offered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

PREFIX = "TANHUI_"
WECHAT_URL = "https://api.weixin.qq.com"
VERSION_MAX = 999_999
LINE_LENGTH_MAX = 200
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """``terms_dir`` is None: the bundled texts (``service.terms``), in which the operating body's
    name and contact stand. ``sms_url`` is None: codes are printed in development, and no phone
    login is offered in production. ``oidc_redirect_urls`` are where the provider may send people
    back to.
    """

    terms_version: int = 1  # Of the privacy text and terms in force.
    terms_dir: Path | None = None
    operator_name: str | None = None
    operator_contact: str | None = None
    sms_url: str | None = None
    sms_token_file: Path | None = None
    sms_template: str | None = None
    wechat_url: str = WECHAT_URL
    wechat_app_id: str | None = None
    wechat_secret_file: Path | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_redirect_urls: tuple[str, ...] = ()


class Reader(Protocol):
    """The part of ``service.settings`` that reads one value after the other."""

    problems: list[str]

    def take(self, name: str, default: str) -> str: ...
    def whole(self, name: str, default: int, low: int, high: int) -> int: ...
    def file(self, name: str) -> Path | None: ...


def login_settings(reader: Reader) -> LoginSettings:
    """What is wrong is added to the reader's problems."""
    found = LoginSettings(
        terms_version=reader.whole("TERMS_VERSION", 1, 1, VERSION_MAX),
        terms_dir=_folder(reader, "TERMS_DIR"),
        operator_name=_line(reader, "OPERATOR_NAME"),
        operator_contact=_line(reader, "OPERATOR_CONTACT"),
        sms_url=secure_url(reader, "SMS_URL"),
        sms_token_file=reader.file("SMS_TOKEN_FILE"),
        sms_template=reader.take("SMS_TEMPLATE", "") or None,
        wechat_url=(secure_url(reader, "WECHAT_URL") or WECHAT_URL).rstrip("/"),
        wechat_app_id=reader.take("WECHAT_APP_ID", "") or None,
        wechat_secret_file=reader.file("WECHAT_SECRET_FILE"),
        oidc_issuer=secure_url(reader, "OIDC_ISSUER"),
        oidc_client_id=reader.take("OIDC_CLIENT_ID", "") or None,
        oidc_client_secret_file=reader.file("OIDC_CLIENT_SECRET_FILE"),
        oidc_redirect_urls=_redirects(reader),
    )
    needed_together(reader, {"SMS_URL": found.sms_url, "SMS_TOKEN_FILE": found.sms_token_file})
    needed_together(
        reader,
        {"WECHAT_APP_ID": found.wechat_app_id, "WECHAT_SECRET_FILE": found.wechat_secret_file},
    )
    needed_together(
        reader,
        {
            "OIDC_ISSUER": found.oidc_issuer,
            "OIDC_CLIENT_ID": found.oidc_client_id,
            "OIDC_CLIENT_SECRET_FILE": found.oidc_client_secret_file,
            "OIDC_REDIRECT_URLS": found.oidc_redirect_urls,
        },
    )
    return found


def needed_together(reader: Reader, values: Mapping[str, object]) -> None:
    """Settings of which one makes no sense without the others."""
    named = {PREFIX + name for name, value in values.items() if value}
    for missing in sorted({PREFIX + name for name in values} - named) if named else ():
        # One that was set and is wrong has its own line already.
        if not any(problem.startswith(missing + " ") for problem in reader.problems):
            reader.problems.append(f"{missing} is missing, which {min(named)} needs")


def secure_url(reader: Reader, name: str) -> str | None:
    """An address to which secrets are sent: https, or this machine."""
    value = reader.take(name, "")
    if value and not _readable(value, _is_secure):
        reader.problems.append(
            f"{PREFIX}{name} must be an address of https, or of http on this machine"
        )
        return None
    return value or None


def _folder(reader: Reader, name: str) -> Path | None:
    value = reader.take(name, "")
    if value and not Path(value).is_dir():
        reader.problems.append(f"{PREFIX}{name} names {value!r}, which is no folder")
    return Path(value).absolute() if value else None


def _line(reader: Reader, name: str) -> str | None:
    value = reader.take(name, "").strip()
    if len(value) > LINE_LENGTH_MAX or not value.isprintable():
        reader.problems.append(
            f"{PREFIX}{name} must be one line of {LINE_LENGTH_MAX} characters at most"
        )
    return value or None


def _redirects(reader: Reader) -> tuple[str, ...]:
    """Addresses of the apps: of https, of this machine, or of a scheme of the app's own."""
    values = tuple(each.strip() for each in reader.take("OIDC_REDIRECT_URLS", "").split(","))
    for each in filter(None, values):
        if not _readable(each, _is_redirect):
            reader.problems.append(
                f"{PREFIX}OIDC_REDIRECT_URLS must be addresses of https or of an app's own scheme,"
                " with commas between them and without fragments"
            )
            return ()
    return tuple(filter(None, values))


def _readable(value: str, test: Callable[[str], bool]) -> bool:
    try:
        return test(value)
    except ValueError:  # A port or a host that cannot be read.
        return False


def _is_secure(value: str) -> bool:
    parts = urlsplit(value)
    here = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or here) and parts.port != 0


def _is_redirect(value: str) -> bool:
    parts = urlsplit(value)
    if "#" in value or " " in value or not parts.scheme:
        return False
    if parts.scheme in ("http", "https"):
        return _is_secure(value)
    own = "." in parts.scheme or bool(parts.netloc)
    return own and parts.scheme not in ("javascript", "data", "file", "vbscript", "about")
