"""How long a login takes tells nobody whether they are known: the same work is done.

Counted, not timed: SQL statements by their text, commands to redis, hashes of argon2 and messages
sent. ``benchmarks/login_timing.py`` measures the times.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from redis import Redis

from service import embedded
from service.identity.staff.passwords import Passwords
from tests.service.identity.signing import Signing, a_phone, offering, signed_in
from tests.service.staffing import CHEAP, PASSWORD, Clerk, a_clerk, a_member

pytestmark = pytest.mark.once


class Work(NamedTuple):
    """What an answer cost, and what it said."""

    statements: tuple[str, ...]
    commands: tuple[tuple[str, int], ...]
    hashes: tuple[str, ...]  # argon2's parameters, without salt and hash.
    messages: int
    status: int
    body: bytes
    headers: tuple[str, ...]


@pytest.fixture(scope="module")
def signing(settings, copied_database, tmp_path_factory) -> Iterator[Signing]:
    """A redis of its own, so that nobody else's commands are counted; real limits."""
    folder = tmp_path_factory.mktemp("timing")
    with (
        copied_database() as url,
        embedded.redis(folder / "var") as redis_url,
        offering(settings, folder, database_url=url, redis_url=redis_url, rate_limits=1.0) as found,
    ):
        found.app.extensions["tanhui"] = replace(found.services, passwords=CHEAP)
        yield found


@pytest.fixture
def work(signing, statements, monkeypatch) -> Callable[[Callable[[], Any]], Work]:
    seen: list[str] = []
    hasher = type(signing.services.passwords.hasher)
    verify = hasher.verify

    def heard(self: Any, stored: str, password: str) -> bool:
        seen.append(stored.rpartition("$")[0].rpartition("$")[0])
        return bool(verify(self, stored, password))

    monkeypatch.setattr(hasher, "verify", heard)

    @contextmanager
    def counted() -> Iterator[dict[str, int]]:
        """What redis ran meanwhile, in scripts too."""
        with Redis.from_url(signing.services.settings.redis_url) as server:
            ran: dict[str, int] = {}
            server.config_resetstat()
            yield ran
            ran |= {
                name: each["calls"]
                for name, each in server.info("commandstats").items()
                if name not in ("cmdstat_info", "cmdstat_config|resetstat", "cmdstat_config")
            }

    def measured(ask: Callable[[], Any]) -> Work:
        seen.clear()
        before = len(signing.gateway.asked)
        with counted() as ran, statements() as sent:
            answer = ask()
        changing = ("X-Request-Id", "Date", "RateLimit", "Retry-After")
        return Work(
            tuple(sent),
            tuple(sorted(ran.items())),
            tuple(seen),
            len(signing.gateway.asked) - before,
            answer.status_code,
            answer.data,
            tuple(sorted(f"{k}: {v}" for k, v in answer.headers if k not in changing)),
        )

    return measured


@pytest.fixture
def phones(signing) -> dict[str, str]:
    """One that somebody has, one that nobody has."""
    return {"known": signing.resident().phone, "unknown": a_phone()}


@pytest.fixture(autouse=True)
def warm(signing) -> None:
    """Scripts are loaded and connections made at their first use."""
    client = signing.client()
    signed_in(client, phone := a_phone(), "123456")
    client.post("/v1/auth/phone-codes", json={"phone": phone})


def test_asking_for_a_code(signing, work, phones):
    def ask(phone: str) -> Work:
        client = signing.client()
        return work(lambda: client.post("/v1/auth/phone-codes", json={"phone": phone}))

    known, unknown = ask(phones["known"]), ask(phones["unknown"])

    assert known == unknown
    assert (known.status, known.statements, known.messages) == (202, (), 1)


@pytest.mark.parametrize("what", ["never sent", "wrong", "used up"])
def test_a_code_that_is_not_right(signing, work, phones, what):
    def ask(phone: str) -> Work:
        if what != "never sent":
            signing.code(phone)
        for _ in range(5 if what == "used up" else 0):
            signed_in(signing.client(), phone, "0000x0".replace("x", "1"))
        client = signing.client()
        return work(lambda: signed_in(client, phone, "999999"))

    known, unknown = ask(phones["known"]), ask(phones["unknown"])

    assert known == unknown
    assert (known.status, known.statements) == (401, ())


def _said(clerk: Clerk, what: str, known: bool, signing: Signing) -> dict[str, Any]:
    login = clerk.login if known else f"nobody-{uuid4().hex[:12]}"
    said = {"login": login, "password": PASSWORD + "!", "device_name": "till"}
    match what:
        case "a password":
            return said | {"totp": "000000"}
        case "a password with a good code":
            return said | {"totp": clerk.totp()}
        case "a recovery code":
            return said | {"recovery_code": clerk.recovery_codes[0]}
        case "a second factor":
            return said | {"password": PASSWORD, "totp": "00000x"}
        case "somebody who is only invited":
            return said | {"totp": "000000", "login": a_member(signing.services).staff.login}
    raise AssertionError(what)


@pytest.mark.parametrize(
    "what",
    [
        "a password",
        "a password with a good code",
        "a second factor",
        "somebody who is only invited",
    ],
)
def test_a_login_of_the_staff(signing, work, what):
    """The same of somebody and of nobody, whichever of it is wrong."""
    clerk = a_clerk(signing.services, signing.client(), "operator")

    def ask(known: bool, said: str) -> Work:
        body, client = _said(clerk, said, known, signing), signing.client()
        return work(lambda: client.post("/v1/auth/staff", json=body))

    known, unknown = ask(True, what), ask(False, "a password")

    # A wrong factor and a wrong one of nobody: the same two statements, whatever they look for.
    assert known == unknown
    assert known.status == 401
    assert len(known.hashes) == 1


def test_a_recovery_code_of_the_staff(signing, work):
    clerk = a_clerk(signing.services, signing.client(), "operator")
    found = []
    for known in (True, False):
        body, client = _said(clerk, "a recovery code", known, signing), signing.client()
        found.append(
            work(lambda body=body, client=client: client.post("/v1/auth/staff", json=body))
        )

    assert found[0] == found[1]
    assert (found[0].status, len(found[0].hashes)) == (401, 1)


def test_who_tries_too_often_is_refused_alike(signing, work):
    clerk = a_clerk(signing.services, signing.client(), "operator")
    found = []
    for known in (True, False):
        body = _said(clerk, "a password", known, signing)
        for _ in range(10):
            signing.client().post("/v1/auth/staff", json=body)
        client = signing.client()
        last = work(lambda body=body, client=client: client.post("/v1/auth/staff", json=body))
        found.append(last._replace(body=b""))  # With the seconds that are left.

    assert found[0] == found[1]
    assert (found[0].status, found[0].hashes, found[0].statements) == (429, (), ())


def test_what_costs_time_for_nobody_costs_what_it_does_for_somebody():
    """The dummy has the parameters of every hash that is made."""
    passwords = Passwords.of()
    made = passwords.hashed("x" * 12)

    assert (
        made.rpartition("$")[0].rpartition("$")[0]
        == (passwords.dummy.rpartition("$")[0].rpartition("$")[0])
    )
    assert [len(each) for each in made.split("$")] == [len(e) for e in passwords.dummy.split("$")]
