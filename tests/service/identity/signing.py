"""An app that offers every way to sign in, on servers out there that tests own."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.identity.logins.outside import Outside
from service.login_settings import LoginSettings
from service.services import Services
from service.settings import Settings
from tests.makers import XIAYANG
from tests.service.identity.outside_servers import Server, running

REDIRECT = "https://app.example.cn/back"
TOKEN, WECHAT_SECRET, OIDC_SECRET = "sms-token-of-tests", "wechat-secret", "oidc secret+of/tests"
DEVICE = "iPhone 17"


def a_phone() -> str:
    return f"+861{secrets.choice('3456789')}{secrets.randbelow(10**9):09}"


def an_address() -> str:
    """Of a test's own, so that no two tests share a limit."""
    return "10." + ".".join(str(byte) for byte in secrets.token_bytes(3))


@dataclass
class Signing:
    """The app, and the servers that it asks."""

    app: Flask
    gateway: Server
    wechat: Server
    oidc: Server

    @property
    def services(self) -> Services:
        found: Services = self.app.extensions["tanhui"]
        return found

    def client(self, address: str | None = None) -> FlaskClient:
        client = self.app.test_client()
        client.environ_base["REMOTE_ADDR"] = address or an_address()
        return client

    def code_of(self, phone: str) -> str:
        """The code that the gateway was last asked to send there."""
        found = [asked.json for asked in self.gateway.asked if asked.json["phone"] == phone]
        code: str = found[-1]["code"]
        return code

    def sent_code(self, client: FlaskClient, phone: str) -> str:
        answer = client.post("/v1/auth/phone-codes", json={"phone": phone})
        assert answer.status_code == 202, answer.text
        return self.code_of(phone)

    def code(self, phone: str) -> str:
        """A good code, past the limits of asking for one."""
        return self.services.logins.codes.issue(phone)

    def sign_up_token(self, client: FlaskClient, phone: str) -> str:
        token: str = signed_in(client, phone, self.code(phone)).json["sign_up_token"]
        return token

    def resident(self, phone: str | None = None) -> "Resident":
        """Somebody who signed up by phone."""
        phone, client = phone or a_phone(), self.client()
        answer = client.post(
            "/v1/auth/sign-up", json=sign_up_body(self.sign_up_token(client, phone))
        )
        assert answer.status_code == 201, answer.text
        token = answer.json["access_token"]
        holder_id = UUID(self.services.tokens.check(token).subject)
        return Resident(phone, holder_id, {"Authorization": f"Bearer {token}"}, answer.json)


@dataclass
class Resident:
    phone: str
    holder_id: UUID
    headers: dict[str, str]
    tokens: dict[str, Any]


def signed_in(client: FlaskClient, phone: str, code: str, **more: Any) -> TestResponse:
    body = {"phone": phone, "code": code, "device_name": DEVICE}
    return client.post("/v1/auth/phone", json=body, **more)


def sign_up_body(token: str, **changed: Any) -> dict[str, Any]:
    return {
        "sign_up_token": token,
        "programme": "demo-2016",
        "division": XIAYANG,
        "birth_on": "1990-05-17",
        "name": "王小明",
        "terms_version": 1,
        "device_name": DEVICE,
    } | changed


def close(app: Flask) -> None:
    """Leave no connection open."""
    parts: Services = app.extensions["tanhui"]
    parts.database.dispose()
    parts.logins.outside.close()


@contextmanager
def asking() -> Iterator[Callable[..., Outside]]:
    """Clients of a test's own, closed after it."""
    made: list[Outside] = []

    def make(timeout_s: float = 2.0) -> Outside:
        made.append(Outside(timeout_s=timeout_s))
        return made[-1]

    yield make
    for outside in made:
        outside.close()


@contextmanager
def offering(settings: Settings, folder: Path, **changed: Any) -> Iterator[Signing]:
    """``changed``: other settings of the app."""
    for name, secret in (("sms", TOKEN), ("wechat", WECHAT_SECRET), ("oidc", OIDC_SECRET)):
        (folder / name).write_text(f"{secret}\n")
    with running() as gateway, running() as wechat, running() as oidc:
        logins = LoginSettings(
            sms_url=f"{gateway.url}/send",
            sms_token_file=folder / "sms",
            wechat_url=wechat.url,
            wechat_app_id="wx0123456789abcdef",
            wechat_secret_file=folder / "wechat",
            oidc_issuer=oidc.url,
            oidc_client_id="tanhui",
            oidc_client_secret_file=folder / "oidc",
            oidc_redirect_urls=(REDIRECT, "cn.example.app:/back"),
        )
        app = create_app(replace(settings, **{"logins": logins, "rate_limits": 0.0} | changed))
        yield Signing(app, gateway, wechat, oidc)
        close(app)
