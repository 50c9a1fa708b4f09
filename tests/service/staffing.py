"""Staff who can sign in, as tests need them; with an argon2 that costs nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.admin.log import Actor
from service.app import create_app
from service.demo_shops import DEMO_PROGRAMME
from service.identity.staff import grants, invitations, members
from service.identity.staff.passwords import Passwords
from service.services import Services
from service.settings import Settings
from tests import shopping
from tests.makers import programme_holder

CHEAP = Passwords.of(memory_kib=8, passes=1)
PASSWORD = "horse-battery-staple"
MACHINE = Actor("tester", "operator", "*", "command", "tester@here", "")


def cheap_app(
    settings: Settings, copied_database: Callable[[], AbstractContextManager[str]]
) -> Iterator[Flask]:
    """The application, with passwords of low cost, on a database of its own: where staff can sign
    in, a command's ``--by`` must name one of them, which other tests do not.
    """
    with copied_database() as url:
        made = create_app(replace(settings, database_url=url))
        made.extensions["tanhui"] = replace(made.extensions["tanhui"], passwords=CHEAP)
        yield made
        made.extensions["tanhui"].database.dispose()


def client_elsewhere(app: Flask) -> FlaskClient:
    """A client of an address of its own: attempts are counted by address."""
    client = app.test_client()
    part = uuid4().hex
    client.environ_base["REMOTE_ADDR"] = f"2001:db8:{part[:4]}:{part[4:8]}::1"
    return client


@dataclass
class Clerk:
    """One of the staff, enrolled; each code of the authenticator is of another step."""

    services: Services
    client: FlaskClient
    id: UUID
    login: str
    secret: str
    recovery_codes: list[str] = field(default_factory=list)
    password: str = PASSWORD
    _steps: Iterator[int] = field(default_factory=lambda: iter((0, 1)))

    def totp(self) -> str:
        """The next code that is good now: of this step, then of the one to come, no more."""
        at = datetime.now(UTC) + timedelta(seconds=30 * next(self._steps))
        return pyotp.TOTP(self.secret).at(at)

    def sign_in(self, **changes: Any) -> TestResponse:
        """Changes to the request; None leaves a field out."""
        body = {"login": self.login, "password": self.password, "device_name": "till"}
        if not {"totp", "recovery_code"} & changes.keys():
            body["totp"] = self.totp()
        body |= changes
        sent = {name: value for name, value in body.items() if value is not None}
        return self.client.post("/v1/auth/staff", json=sent)


def a_member(services: Services, *, actor: Actor = MACHINE, login: str = "") -> members.Invited:
    """Somebody who was invited."""
    new = members.NewMember(uuid4(), login or f"clerk-{uuid4().hex[:12]}", "李娜")
    now = datetime.now(UTC)
    return services.database.transact(
        lambda session: members.add(session, services.keyring, new, actor=actor, now=now)
    )


def a_grant(
    services: Services,
    staff_id: UUID,
    role: str = "operator",
    *,
    programme: str = DEMO_PROGRAMME,
    scope: str = "",
) -> UUID:
    """A grant given by the machine's operator."""
    new = grants.NewGrant(uuid4(), staff_id, role, programme, scope)
    now = datetime.now(UTC)
    services.database.transact(lambda s: grants.give(s, new, actor=MACHINE, now=now))
    return new.id


def a_clerk(
    services: Services, client: FlaskClient, *roles: str, programme: str = DEMO_PROGRAMME
) -> Clerk:
    """Somebody enrolled a while ago, with grants."""
    invited = a_member(services)
    assert invited.invitation is not None
    enrolled_at = datetime.now(UTC) - timedelta(minutes=5)
    begun = invitations.begin(services, invited.invitation, PASSWORD, now=enrolled_at)
    code = pyotp.TOTP(begun.secret).at(enrolled_at)
    codes = invitations.confirm(services, invited.invitation, PASSWORD, code, now=enrolled_at)
    for role in roles:
        a_grant(services, invited.staff.id, role, programme=programme)
    return Clerk(services, client, invited.staff.id, invited.staff.login, begun.secret, list(codes))


def a_merchant(services: Services) -> UUID:
    id_ = uuid4()
    services.database.transact(
        lambda s: shopping.a_merchant(s, programme_holder(s), merchant_id=id_)
    )
    return id_
