"""A full run of the real server: of what was secret in it nothing is in any log.

Logs are what the server and the commands say on standard error and output, and every file that the
default set-up leaves in ``var`` (PostgreSQL's log and its data among them), but for the keys
themselves. The messages go to a real gateway, since the console's sender shows codes on purpose.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pyotp
import pytest
from sqlalchemy import text

from activities.catalogue.loading import load
from service import embedded, migrating
from service.db import Database, owner_engine
from service.demo_shops import DEMO_PROGRAMME
from service.feeds.signatures import PREFIX, sign
from tests.makers import XIAYANG
from tests.service.answers import a_shop
from tests.service.feeding import ndjson
from tests.service.identity.outside_servers import Server, running
from tests.service.identity.signing import a_phone, sign_up_body

pytestmark = pytest.mark.once

TANHUI = Path(sys.executable).with_name("tanhui")
PASSWORD, NEW_PASSWORD = "correct-horse-battery", "another-horse-battery"
SMS_TOKEN, WECHAT_SECRET, OIDC_SECRET = "sms-gateway-bearer", "wechat-app-secret", "oidc-secret-7q"
DEVICE = "设备-13911112222"  # Somebody's phone in it; a constraint will refuse it.


@dataclass
class Story:
    """The server with what belongs to it, and everything that nobody may read in a log."""

    folder: Path
    url: str
    gateway: Server
    wechat: Server
    oidc: Server
    secret: dict[str, str] = field(default_factory=dict)  # By what it is.
    brief: dict[str, str] = field(default_factory=dict)  # Six digits: found as a whole number only.
    said: list[str] = field(default_factory=list)  # By commands, on standard error.

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name, value in (("sms", SMS_TOKEN), ("wechat", WECHAT_SECRET), ("oidc", OIDC_SECRET)):
            (self.folder / name).write_text(value)
            self.secret[f"{name} secret"] = value
        own = {
            "DATABASE_URL": self.url,
            "REDIS_URL": f"unix://{self.folder}/var/redis/redis.sock",
            "VAR_DIR": str(self.folder / "var"),
            "PORT": str(self.port),
            "WORKERS": "1",
            "SMS_URL": f"{self.gateway.url}/send",
            "SMS_TOKEN_FILE": str(self.folder / "sms"),
            "WECHAT_URL": self.wechat.url,
            "WECHAT_APP_ID": "wx0123456789abcdef",
            "WECHAT_SECRET_FILE": str(self.folder / "wechat"),
            "OIDC_ISSUER": self.oidc.url,
            "OIDC_CLIENT_ID": "tanhui",
            "OIDC_CLIENT_SECRET_FILE": str(self.folder / "oidc"),
            "OIDC_REDIRECT_URLS": "https://app.example.cn/back",
        }
        outside = {name: v for name, v in os.environ.items() if not name.startswith("TANHUI_")}
        self.environ = outside | {f"TANHUI_{name}": value for name, value in own.items()}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}/v1", timeout=30)

    def keep(self, what: str, value: str) -> str:
        """Remember a secret under what it is, and go on with it."""
        (self.brief if re.fullmatch("[0-9]{6}", value) else self.secret)[what] = value
        return value

    def run(self, *words: str) -> str:
        """A command's standard output, which is where secrets are handed over."""
        done = subprocess.run(
            [TANHUI, *words], env=self.environ, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.said.append(done.stderr)
        return done.stdout.strip()

    def send(
        self, method: str, path: str, body: Any = None, token: str = "", status: int = 200
    ) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def tokens(self, who: str, answer: dict[str, Any]) -> tuple[str, str]:
        access = self.keep(f"{who} access token {uuid4()}", answer["access_token"])
        self.secret[f"signature of {access[:9]}{uuid4()}"] = access.rpartition(".")[2]
        return access, self.keep(f"{who} refresh token {uuid4()}", answer["refresh_token"])

    def code(self, who: str, phone: str) -> str:
        """The code that the gateway was asked to send, once it was."""
        self.send("POST", "/auth/phone-codes", {"phone": phone}, status=202)
        found = [each.json for each in self.gateway.asked if each.json["phone"] == phone]
        return self.keep(f"{who} phone code {len(found)}", found[-1]["code"])


@pytest.fixture
def story() -> Iterator[Story]:
    """A PostgreSQL and a redis of its own, so that their logs are this run's too."""
    folder = Path(tempfile.mkdtemp(prefix="tanhui-logs-"))
    folder.chmod(0o711)  # The server's user must pass through, when we are root.
    with ExitStack() as stack:
        for made in (folder, embedded.fallback(folder / "var")):
            stack.callback(shutil.rmtree, made, ignore_errors=True)
        url = stack.enter_context(embedded.postgres(folder / "var"))
        redis_url = stack.enter_context(embedded.redis(folder / "var"))
        engine = owner_engine(url)
        migrating.upgrade(engine, now=datetime.now(UTC))
        engine.dispose()
        servers = [stack.enter_context(running()) for _ in range(3)]
        made = Story(folder, url, *servers)
        made.environ["TANHUI_REDIS_URL"] = redis_url
        stack.callback(made.client.close)
        yield made


@pytest.fixture
def database(story: Story) -> Iterator[Database]:
    found = Database(story.url)
    found.transact(lambda session: load(session, now=datetime.now(UTC)))
    yield found
    found.dispose()


def a_residents_day(story: Story) -> str:
    """Signs up, looks around, comes back, is copied; answers with an access token."""
    phone, name = story.keep("phone", a_phone()), story.keep("name", "欧阳清荷")
    story.secret["phone as typed"] = phone.removeprefix("+86")
    code = story.code("resident", phone)
    entering = {"phone": phone, "code": code, "device_name": "iPhone 17"}
    wrong = story.keep("wrong code", f"{(int(code) + 1) % 10**6:06}")
    story.send("POST", "/auth/phone", entering | {"code": wrong}, status=401)
    found = story.send("POST", "/auth/phone", entering)
    slip = story.keep("sign-up token", found["sign_up_token"])
    story.send("POST", "/auth/sign-up", sign_up_body(slip, terms_version=99, name=name), status=409)
    story.send("POST", "/auth/sign-up", sign_up_body(slip[:-2] + "xx", name=name), status=401)
    done = story.send("POST", "/auth/sign-up", sign_up_body(slip, name=name), status=201)
    access, refresh = story.tokens("resident", done)
    story.secret["birth date"] = "1990-05-17"
    story.send("GET", "/me", token=access)
    story.send("PUT", "/me", {"name": story.keep("new name", "欧阳清莲")}, access)
    story.client.get("/me/export", headers={"Authorization": f"Bearer {access}"}).read()
    again = {"refresh_token": refresh, "request_id": str(uuid4())}
    story.tokens("refreshed", story.send("POST", "/auth/refresh", again))
    story.send("POST", "/auth/refresh", again | {"request_id": str(uuid4())}, status=401)
    story.send("POST", "/auth/refresh", again | {"refresh_token": phone}, status=401)
    story.send("POST", "/auth/phone", entering | {"phone": phone + "x"}, status=422)
    story.client.put("/me", content=f'{{"name": "{name}"', headers={"Authorization": "Bearer x"})
    story.client.get("/accounts", headers={"Authorization": f"Bearer {access[:-2]}xx"})
    return access


def outside_logins(story: Story) -> None:
    """WeChat that works, fails and talks nonsense; a provider that is away."""
    body = {"code": story.keep("wx.login code", "wx-code-0a1b2c3d"), "device_name": "微信"}
    key = story.keep("WeChat session key", "c2Vzc2lvbi1rZXkgb2Ygd3g=")
    story.wechat.reply = lambda _: (200, {"openid": story.secret["openid"], "session_key": key})
    story.keep("openid", "oOpenid-of-somebody-77")
    slip = story.send("POST", "/auth/wechat", body)["sign_up_token"]
    story.keep("WeChat sign-up token", slip)
    for reply in ((200, {"errcode": 40029, "errmsg": body["code"]}), (500, b"wx-code-0a1b2c3d")):
        story.wechat.reply = lambda _, reply=reply: reply
        answer = story.client.post("/auth/wechat", json=body)
        assert answer.status_code in (401, 503)
    story.oidc.reply = lambda _: (500, {"error": OIDC_SECRET})
    asked = {"redirect_url": "https://app.example.cn/back", "app_challenge": "x" * 43}
    story.send("POST", "/auth/oidc/start", asked, status=503)


def a_family(story: Story, access: str) -> None:
    """A relative gets a code, mistypes it, and acts."""
    offer = story.send("POST", "/me/delegate-offers", {"may_spend": True}, access, status=201)
    code = story.keep("delegate code", offer["code"])
    phone = story.keep("relative's phone", a_phone())
    entering = {"phone": phone, "code": story.code("relative", phone), "device_name": "Mate 70"}
    slip = story.keep("second slip", story.send("POST", "/auth/phone", entering)["sign_up_token"])
    name = story.keep("relative's name", "司马长风")
    done = story.send("POST", "/auth/sign-up", sign_up_body(slip, name=name), status=201)
    other, refresh = story.tokens("relative", done)
    acting = f"/me/acting-for/{uuid4()}"
    story.send("PUT", acting, {"code": story.keep("wrong offer", "ZZZZZZZZZ7")}, other, 422)
    begun = story.send("PUT", acting, {"code": code}, other, status=201)
    found = story.send("POST", "/auth/acting", {"delegation_id": begun["id"]}, other)
    story.keep("acting token", found["access_token"])
    child = {"name": story.keep("child", "欧阳小满"), "division": XIAYANG}
    born = story.keep("child's birth date", f"{datetime.now(UTC).year - 5}-03-07")
    story.send("PUT", f"/me/children/{uuid4()}", child | {"birth_on": born}, other, status=201)
    story.send("POST", "/auth/logout", {"refresh_token": refresh}, status=204)


def staff(story: Story) -> tuple[str, str]:
    """Somebody of the staff from the invitation on; access tokens as administrator, operator."""
    login = "li.na.of.logs"
    address = story.run("staff", "add", login, "--name", "李", "--by", "w")
    invitation = story.keep("invitation", address.rpartition("/")[2])
    story.run("staff", "grant", login, "administrator", "--by", "w")
    story.run("staff", "grant", login, "operator", "--by", "w")
    enrolling = {"invitation": invitation, "password": story.keep("password", PASSWORD)}
    short = {"password": story.keep("short password", "sh0rt-Secret")[:11]}
    story.send("POST", "/auth/staff/enrolment", enrolling | short, status=422)
    begun = story.send("POST", "/auth/staff/enrolment", enrolling)
    authenticator = pyotp.TOTP(story.keep("TOTP secret", begun["secret"]))

    def totp(steps: int) -> str:
        at = datetime.now(UTC) + timedelta(seconds=30 * steps)
        return story.keep(f"TOTP {steps}", authenticator.at(at))

    confirming = enrolling | {"totp": totp(-1)}
    path = "/auth/staff/enrolment/confirmation"
    codes = story.send("PUT", path, confirming)["recovery_codes"]
    for number, code in enumerate(codes):
        story.keep(f"recovery code {number}", code)
        story.keep(f"recovery code {number}, plain", code.replace("-", ""))
    entering = {"login": login, "password": PASSWORD, "device_name": "till"}
    wrong = {"password": story.keep("wrong password", "wr0ng-horse-battery")}
    story.send("POST", "/auth/staff", entering | wrong | {"totp": totp(0)}, status=401)
    chosen = story.client.post("/auth/staff", json=entering | {"totp": totp(0)})
    grants = {each["role"]: each["id"] for each in chosen.json()["grants"]}
    as_one = entering | {"grant_id": grants["administrator"]}
    by_totp = story.send("POST", "/auth/staff", as_one | {"totp": totp(0)})
    admin, _ = story.tokens("administrator", by_totp)
    as_other = entering | {"grant_id": grants["operator"], "recovery_code": codes[0]}
    operator, _ = story.tokens("operator", story.send("POST", "/auth/staff", as_other))
    story.send("POST", "/auth/staff", as_other, status=401)  # It is good once.
    story.keep("new password", NEW_PASSWORD)
    change = {"password": PASSWORD, "new_password": NEW_PASSWORD, "totp": totp(1)}
    story.send("PUT", "/me/password", change, operator, status=204)
    return admin, operator


def a_shops_day(story: Story, database: Database, admin: str) -> None:
    """A voucher, taken by a key; and keys and codes that are none."""
    holder_id, offer = a_shop(database)
    buyer = story.keep(
        "development token", story.run("token", "resident", "--subject", str(holder_id))
    )
    body = {"offer_id": str(offer.id)}
    bought = story.send("PUT", f"/redemptions/{uuid4()}", body, buyer, status=201)
    voucher = story.keep("voucher", bought["voucher_code"])
    story.keep("voucher, plain", voucher.replace("-", ""))
    owner = {"owner_kind": "merchant", "owner": str(offer.merchant_id), "name": "till"}
    made = story.send("PUT", f"/api-keys/{uuid4()}", owner | {"scopes": ["consumptions"]}, admin)
    key = story.keep("API key", made["key"])
    story.keep("secret of the API key", key.rpartition("_")[2] or key[36:])
    guess = story.keep("guessed voucher", "7K3M-9Q2W-5T8X-4V6Y-Z")
    story.send("PUT", f"/consumptions/{uuid4()}", {"code": guess}, key, status=404)
    story.send("PUT", f"/consumptions/{uuid4()}", {"code": voucher}, key[:-2] + "xx", status=401)
    story.send("PUT", f"/consumptions/{uuid4()}", {"code": voucher}, key, status=201)


def a_desks_day(story: Story, operator: str) -> None:
    """Cards: given, blocked, unknown."""
    number, url = story.keep("card", f"SH{secrets.token_hex(6).upper()}"), "/staff/residents"
    person = {"card_number": number, "programme": DEMO_PROGRAMME, "division": XIAYANG}
    story.send("PUT", f"{url}/{uuid4()}", person | {"consents": []}, operator, status=201)
    story.send(
        "PUT", f"/staff/card-blocks/{uuid4()}", {"card_number": number}, operator, status=201
    )
    unknown = story.keep("unknown card", f"SH{secrets.token_hex(6).upper()}")
    story.send("PUT", f"/staff/card-blocks/{uuid4()}", {"card_number": unknown}, operator, 404)


def a_partners_day(story: Story, database: Database) -> None:
    """A batch that is signed, and one that is not."""
    scene = "demo.bike"
    query = text("SELECT partner_code FROM scene WHERE code = :code")
    partner = database.transact(lambda s: s.scalar(query, {"code": scene}))
    written = story.keep(
        "feed key", story.run("feeds", "key", "new", partner, "--by", "li.na.of.logs")
    )
    story.keep("feed key, bare", written.removeprefix(PREFIX))
    customer = story.keep("customer number", f"8801{secrets.randbelow(10**9):09}")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    event = {"event_id": "e1", "subject": customer, "quantity": 1}
    event |= {"started_at": start.isoformat(), "ended_at": (start + timedelta(hours=1)).isoformat()}
    body, now = ndjson([event, event | {"event_id": ""}]), datetime.now(UTC)
    secret = b64decode(written.removeprefix(PREFIX))
    for key, status in ((secret, 200), (b"x" * 32, 401)):
        id_ = uuid4().hex
        signature = story.keep(f"signature {status}", sign(key, id_, now, body))
        headers = {"webhook-id": id_, "webhook-timestamp": str(int(now.timestamp()))}
        headers["webhook-signature"] = signature
        path = f"/feeds/{scene}/batches/{id_}"
        assert story.client.post(path, content=body, headers=headers).status_code == status


def failures(story: Story, access: str) -> None:
    """What nobody foresaw: rows that the database refuses with their content, a lost table."""
    info = story.url.replace("+psycopg", "")
    with psycopg.connect(info, autocommit=True) as owner:
        owner.execute(
            "ALTER TABLE login_session ADD CONSTRAINT broken CHECK (length(device_name) <> 14)"
            " NOT VALID"
        )
        assert len(story.keep("device", DEVICE)) == 14
        phone = story.keep("third phone", a_phone())
        body = {"phone": phone, "code": story.code("third", phone), "device_name": DEVICE}
        slip = story.keep("third slip", story.send("POST", "/auth/phone", body)["sign_up_token"])
        name = story.keep("third name", "诸葛静远")
        signing = sign_up_body(slip, name=name) | {"device_name": DEVICE}
        story.send("POST", "/auth/sign-up", signing, status=500)
        owner.execute("ALTER TABLE personal_value RENAME TO personal_values")
        story.send("PUT", "/me", {"name": story.keep("fourth name", "慕容雪松")}, access, 500)
        owner.execute("ALTER TABLE personal_values RENAME TO personal_value")
        story.send("GET", "/me", token=access)


def without_redis(story: Story) -> None:
    """Codes cannot be checked: 503, and still nothing is said."""
    os.kill(int((story.folder / "var" / ".redis.pid").read_text()), signal.SIGKILL)
    phone = story.keep("fifth phone", a_phone())
    story.send("POST", "/auth/phone-codes", {"phone": phone}, status=503)
    code = story.keep("fifth code", "904713")
    body = {"phone": phone, "code": code, "device_name": "x"}
    story.send("POST", "/auth/phone", body, status=503)
    entering = {"login": story.keep("typed into login", "13922223333"), "device_name": "till"}
    entering["password"] = story.keep("fifth password", "fifth-horse-battery")
    story.send("POST", "/auth/staff", entering | {"totp": "904713"}, status=401)


def test_of_a_full_run_no_secret_is_in_any_log(story, database):
    out = story.folder / "said"
    with out.open("w") as said:
        server = subprocess.Popen(
            [TANHUI, "serve"], env=story.environ, stdout=said, stderr=said, start_new_session=True
        )
    try:
        _wait(story, server)
        access = a_residents_day(story)
        outside_logins(story)
        a_family(story, access)
        admin, operator = staff(story)
        a_shops_day(story, database, admin)
        a_desks_day(story, operator)
        a_partners_day(story, database)
        failures(story, access)
        without_redis(story)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)

    logs = out.read_text() + "".join(story.said)
    assert "CheckViolation at POST /v1/auth/sign-up" in logs, "the failures are there to be read"
    assert "the SMS gateway" in logs or "does not answer" in logs
    assert "a refresh token was used twice" in logs
    assert len(story.secret) > 50
    empty = bytes(64)  # Most of a database's files.
    kept = _kept(story.folder / "var")
    files = {each: each.read_bytes().replace(empty, b"") for each in kept}
    assert any(b"violates check constraint" in content for content in files.values())
    texts = [logs, *(content.decode(errors="replace") for content in _logs(files))]
    found = {
        what for what, value in story.brief.items()
        for text_ in texts if re.search(rf"(?<![0-9]){value}(?![0-9])", text_)
    }  # fmt: skip
    for what, value in story.secret.items():
        sought = (value.encode(), json.dumps(value)[1:-1].encode())
        # A device's name, and a login, are kept to be shown to their owner: not in logs.
        places = _logs(files) if what in ("device", "typed into login") else files.values()
        found |= {what for each in [logs.encode(), *places] for s in sought if s in each}
    assert found == set()


def _wait(story: Story, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{story.port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, (story.folder / "said").read_text()
        assert time.monotonic() < deadline


def _kept(var: Path) -> Iterator[Path]:
    """Every file but the keys."""
    for folder in (var, embedded.fallback(var)):
        for each in folder.rglob("*"):
            if each.is_file() and not each.is_symlink() and "keys" not in each.parts:
                yield each


def _logs(files: dict[Path, bytes]) -> list[bytes]:
    return [content for path, content in files.items() if "log" in path.name]
