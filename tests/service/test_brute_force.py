"""Guessing stops at a limit, whatever is guessed: over HTTP, with the limits of production.

One table of what somebody could guess. Each guesser keeps guessing until the answer is 429, and
then also the right value opens nothing; in how many tries is at most what the table says.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pyotp
import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from rewards.redeeming.redemption import redeem
from rewards.voucher_codes import Codes
from service.identity.family.offers import TRIES
from service.identity.logins.phone_codes import WRONG_PER_ADDRESS
from service.identity.staff import signing_in
from service.identity.staff.errors import SignInRefused
from service.identity.tokens import Caller
from service.limits import RATES, Limit
from service.services import Services
from service.tills import guesses
from tests.makers import a_buyer, a_resident, an_offer
from tests.service.answers import refused
from tests.service.identity.signing import (
    Signing,
    a_phone,
    an_address,
    offering,
    sign_up_body,
    signed_in,
)
from tests.service.staffing import CHEAP, PASSWORD, a_clerk, a_member, a_merchant

SIGN_IN, REFUSED = RATES["sign-in"], RATES["refused"]


@dataclass
class Guesser:
    """Who guesses: the ``nth`` guess, sent."""

    guess: Callable[[int], TestResponse]
    right: Callable[[], TestResponse] | None = None  # What is guessed at; None: of no one thing.


class World:
    def __init__(self, signing: Signing) -> None:
        self.signing = signing
        self.services: Services = signing.services

    def client(self) -> FlaskClient:
        return self.signing.client(an_address())

    def bearer(self, role: str, subject: object, scope: object = "") -> dict[str, str]:
        programme = "" if role == "resident" else "*"
        caller = Caller(str(subject), role, str(scope), programme)
        token = self.services.tokens.issue(caller, now=datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def world(settings, copied_database, tmp_path_factory) -> Iterator[World]:
    """The limits of production, on a database of its own: there are staff in it."""
    folder = tmp_path_factory.mktemp("guessing")
    with (
        copied_database() as url,
        offering(settings, folder, database_url=url, rate_limits=1.0) as found,
    ):
        found.app.extensions["tanhui"] = replace(found.services, passwords=CHEAP)
        yield World(found)


def phone_codes(world: World) -> Guesser:
    """Of one phone five tries; of many phones as many as an address has."""
    client = world.client()
    return Guesser(
        lambda n: signed_in(client, a_phone(), f"{n:06}"),
        lambda: signed_in(client, phone := a_phone(), world.signing.code(phone)),
    )


def sign_up_tokens(world: World) -> Guesser:
    client = world.client()
    return Guesser(lambda n: client.post("/v1/auth/sign-up", json=sign_up_body(f"{n:0200}")))


def staff_passwords(world: World) -> Guesser:
    """From another address each time: the login itself has a limit."""
    clerk = a_clerk(world.services, world.client(), "operator")

    def guess(n: int) -> TestResponse:
        clerk.client = world.client()
        return clerk.sign_in(password=f"{PASSWORD}{n}", totp="000000")

    return Guesser(guess, clerk.sign_in)


def authenticator_codes(world: World) -> Guesser:
    clerk = a_clerk(world.services, world.client(), "operator")

    def guess(n: int) -> TestResponse:
        clerk.client = world.client()
        return clerk.sign_in(totp=f"{n:05}x")

    return Guesser(guess, clerk.sign_in)


def recovery_codes(world: World) -> Guesser:
    clerk = a_clerk(world.services, world.client(), "operator")

    def guess(n: int) -> TestResponse:
        clerk.client = world.client()
        return clerk.sign_in(recovery_code=f"AAAA-AAAA-AAAA-{n:04}")

    return Guesser(guess, lambda: clerk.sign_in(recovery_code=clerk.recovery_codes[0]))


def own_password(world: World) -> Guesser:
    """With somebody's access token: what it takes to change the password."""
    clerk = a_clerk(world.services, world.client(), "operator")
    headers, client = world.bearer("operator", clerk.login), world.client()

    def change(password: str, totp: str) -> TestResponse:
        body = {"password": password, "new_password": "another-horse-9", "totp": totp}
        return client.put("/v1/me/password", json=body, headers=headers)

    return Guesser(
        lambda n: change(f"{PASSWORD}{n}", "000000"), lambda: change(PASSWORD, clerk.totp())
    )


def logins(world: World) -> Guesser:
    """One password for many logins."""
    client = world.client()
    body = {"password": PASSWORD, "totp": "000000", "device_name": "till"}
    return Guesser(lambda n: client.post("/v1/auth/staff", json=body | {"login": f"clerk-{n}"}))


def invitations(world: World) -> Guesser:
    client, invited = world.client(), a_member(world.services)

    def enrol(invitation: str | None) -> TestResponse:
        body = {"invitation": invitation, "password": PASSWORD}
        return client.post("/v1/auth/staff/enrolment", json=body)

    return Guesser(lambda n: enrol(f"{n:043}"), lambda: enrol(invited.invitation))


def refresh_tokens(world: World) -> Guesser:
    client, resident = world.client(), world.signing.resident()

    def refresh(token: str) -> TestResponse:
        body = {"refresh_token": token, "request_id": str(uuid4())}
        return client.post("/v1/auth/refresh", json=body)

    real = resident.tokens["refresh_token"]
    return Guesser(lambda n: refresh(real[:-8] + f"{n:08}"), lambda: refresh(real))


def access_tokens(world: World) -> Guesser:
    client = world.client()

    def look(n: int) -> TestResponse:
        return client.get("/v1/accounts", headers={"Authorization": f"Bearer a.b.{n}"})

    return Guesser(look)


def delegate_codes(world: World) -> Guesser:
    """From another address each time: the person has a limit."""
    me = world.services.database.transact(a_resident)
    headers, holder = world.bearer("resident", me), world.services.database.transact(a_resident)

    def enter(code: str) -> TestResponse:
        path = f"/v1/me/acting-for/{uuid4()}"
        return world.client().put(path, json={"code": code}, headers=headers)

    def right() -> TestResponse:
        offer = world.client().post(
            "/v1/me/delegate-offers",
            json={"may_spend": True},
            headers=world.bearer("resident", holder),
        )
        return enter(offer.json["code"])

    return Guesser(lambda n: enter(f"{n:010}"), right)


def api_keys(world: World) -> Guesser:
    client = world.client()

    def take(n: int) -> TestResponse:
        headers = {"Authorization": f"Bearer tk_{uuid4().hex}_{n:043}"}
        path = f"/v1/consumptions/{uuid4()}"
        return client.put(path, json={"code": "AAAA"}, headers=headers)

    return Guesser(take)


def signatures(world: World) -> Guesser:
    client, now = world.client(), str(int(datetime.now(UTC).timestamp()))

    def post(n: int) -> TestResponse:
        signed = {"webhook-id": f"m{n}", "webhook-timestamp": now, "webhook-signature": "v1,AAAA"}
        return client.post("/v1/feeds/demo.bike/batches/b", data=b"", headers=signed)

    return Guesser(post)


def vouchers(world: World) -> Guesser:
    """At the scanner, by a clerk who is known: 80 bits, and still no more than typing needs. A
    right code is not looked at either, for a minute at most.
    """
    client, clerk = world.client(), f"clerk-{uuid4()}"
    services = world.services
    merchant_id, code = services.database.transact(lambda s: _a_voucher(s, services.codes))
    headers = world.bearer("merchant", clerk, merchant_id)

    def take(code: str) -> TestResponse:
        path = f"/v1/consumptions/{uuid4()}"
        return client.put(path, json={"code": code}, headers=headers)

    return Guesser(lambda n: take(f"{n:017}"), lambda: take(code))


def _a_voucher(session: Session, codes: Codes) -> tuple[UUID, str]:
    offer, holder_id = an_offer(session), a_resident(session, points=500)
    bought = redeem(
        session,
        uuid4(),
        buyer=a_buyer(session, holder_id),
        offer_id=offer.id,
        codes=codes,
        now=datetime.now(UTC),
    )
    assert bought.voucher_code is not None
    return offer.merchant_id, bought.voucher_code


def live_codes(world: World) -> Guesser:
    """At the scanner, with codes that no phone made."""
    client, clerk = world.client(), f"clerk-{uuid4()}"
    headers = world.bearer("merchant", clerk, a_merchant(world.services))

    def read(n: int) -> TestResponse:
        path, code = f"/v1/scans/{uuid4()}", f"TH1.{n:026}.59317920.{n:016}"
        return client.put(path, json={"live_code": code}, headers=headers)

    return Guesser(read)


def scanners(world: World) -> Guesser:
    """In lists of one, as if a scanner had signed them."""
    client, clerk = world.client(), f"clerk-{uuid4()}"
    headers = world.bearer("merchant", clerk, a_merchant(world.services))

    def send(n: int) -> TestResponse:
        scan = {"id": str(uuid4()), "code": "A", "scanned_at": datetime.now(UTC).isoformat()}
        scan |= {"scanner_id": str(uuid4()), "signature": f"{n:064}"}
        return client.post("/v1/consumptions", json={"consumptions": [scan]}, headers=headers)

    return Guesser(send)


def cards(world: World) -> Guesser:
    """At a desk."""
    client, headers = world.client(), world.bearer("operator", f"desk-{uuid4()}")

    def block(n: int) -> TestResponse:
        path = f"/v1/staff/card-blocks/{uuid4()}"
        return client.put(path, json={"card_number": f"{n:012}"}, headers=headers)

    return Guesser(block)


TABLE: dict[str, tuple[Callable[[World], Guesser], Limit, set[int]]] = {
    "phone codes": (phone_codes, min(SIGN_IN, WRONG_PER_ADDRESS, key=lambda x: x.times), {401}),
    "sign-up tokens": (sign_up_tokens, SIGN_IN, {401}),
    "staff passwords": (staff_passwords, signing_in.PER_LOGIN, {401}),
    "authenticator codes": (authenticator_codes, signing_in.PER_LOGIN, {401}),
    "recovery codes": (recovery_codes, signing_in.PER_LOGIN, {401}),
    "one's own password": (own_password, signing_in.PER_LOGIN, {401}),
    "logins": (logins, SIGN_IN, {401}),
    "invitations": (invitations, SIGN_IN, {404}),
    "refresh tokens": (refresh_tokens, RATES["refresh"], {401}),
    "access tokens": (access_tokens, REFUSED, {401}),
    "delegate codes": (delegate_codes, TRIES, {422}),
    "API keys": (api_keys, REFUSED, {401}),
    "partners' signatures": (signatures, REFUSED, {401}),
    "vouchers": (vouchers, guesses.PER_CALLER, {404}),
    "live codes": (live_codes, guesses.PER_CALLER, {404}),
    "scanners' signatures": (scanners, guesses.PER_CALLER, {200}),
    "cards": (cards, RATES["staff"], {404}),
}


@pytest.mark.parametrize("what", TABLE)
def test_guessing_stops_at_the_limit(world, what):
    """The windows are minutes at least: of one that ends meanwhile there are two."""
    make, limit, wrong = TABLE[what]
    guesser = make(world)
    for number in range(2 * limit.times + 1):
        answer = guesser.guess(number)
        if answer.status_code == 429:
            break
        assert answer.status_code in wrong, answer.text
        answer.close()
    told = refused(answer, 429, "too-many-requests")
    assert 0 < told["retry_after_s"] == int(answer.headers["Retry-After"]) <= limit.per_s
    if guesser.right is not None:
        refused(guesser.right(), 429, "too-many-requests")


def test_a_code_of_one_phone_has_five_tries_wherever_they_come_from(world):
    phone = a_phone()
    code = world.signing.code(phone)
    for number in range(5):
        wrong = f"{(int(code) + 1 + number) % 10**6:06}"
        refused(signed_in(world.client(), phone, wrong), 401, "code-not-right")

    refused(signed_in(world.client(), phone, code), 401, "code-not-right")


def test_who_has_the_password_finds_no_code_of_the_authenticator(world):
    """A day's tries however they are spread; the refusal does not tell that the password is right;
    and a new password begins anew.
    """
    clerk = a_clerk(world.services, world.client(), "operator")
    parts, now = world.services, datetime.now(UTC)
    where = signing_in.Wanted(None, "till", "192.0.2.1")

    def sign_in(at: datetime, password: str = PASSWORD, totp: str | None = None) -> None:
        code = pyotp.TOTP(clerk.secret).at(at) if totp is None else totp
        shown = signing_in.Shown(clerk.login, password, code)
        signing_in.sign_in(parts, shown, where, now=at)

    for _ in range(signing_in.PER_FACTOR.times):
        with pytest.raises(SignInRefused):
            sign_in(now, totp="00000x")
        now += timedelta(seconds=signing_in.PER_LOGIN.per_s)
    with pytest.raises(SignInRefused):
        sign_in(now)
    with pytest.raises(SignInRefused):
        sign_in(now, password=f"{PASSWORD}!")
    later = now + timedelta(seconds=signing_in.PER_FACTOR.per_s)
    sign_in(later)
    sign_in(later + timedelta(minutes=1))  # And who gets in begins anew.


@pytest.mark.parametrize("what", ["staff passwords", "logins", "access tokens", "API keys"])
def test_without_redis_guessing_stops_sooner(settings, tmp_path, copied_database, what):
    """Each process alone, at half. Codes of phones and of relatives are kept in redis: without it
    nobody can guess at them at all.
    """
    nowhere = f"unix://{tmp_path}/nobody.sock"
    with (
        copied_database() as url,
        offering(settings, tmp_path, database_url=url, redis_url=nowhere, rate_limits=1.0) as found,
    ):
        found.app.extensions["tanhui"] = replace(found.services, passwords=CHEAP)
        make, limit, _ = TABLE[what]
        guesser = make(World(found))
        statuses = [guesser.guess(n).status_code for n in range(limit.times + 1)]
        assert statuses.index(429) <= limit.without_redis.times
