"""Signing up: one person for one proof, children by their guardians, nothing on refusals."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from activities.catalogue.models import Programme
from activities.errors import UnknownDivision
from activities.models import Participant
from ledgers.accounts import of_holder
from service.identity.logins.errors import GuardianNeeded
from service.identity.logins.models import LoginSession
from service.identity.logins.signing_in import Proof
from service.identity.logins.signing_up import (
    NewPerson,
    SignUpSlip,
    check_age,
    grown_up_on,
    new_slip,
    sign_up,
    sign_ups,
)
from service.identity.logins.slips import BadSlip, Slips
from service.identity.models import OutsideId, Person
from service.identity.vault import Reader, read_values
from tests.makers import XIAYANG
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.identity.signing import (
    DEVICE,
    a_phone,
    offering,
    sign_up_body,
    signed_in,
)

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
READER = Reader("test", "auditor", "test")


@pytest.fixture(scope="module")
def signing(settings, tmp_path_factory):
    with offering(settings, tmp_path_factory.mktemp("signing-up")) as found:
        yield found


@pytest.fixture
def client(signing):
    return signing.client()


def post(client, token, **changed):
    headers = changed.pop("headers", {})
    return client.post("/v1/auth/sign-up", json=sign_up_body(token, **changed), headers=headers)


def holder_of(signing, answer) -> UUID:
    return UUID(signing.services.tokens.check(answer.json["access_token"]).subject)


def test_a_person_takes_part_and_their_data_are_sealed(signing, client):
    phone = a_phone()
    answer = post(client, signing.sign_up_token(client, phone))

    assert answer.status_code == 201
    assert set(answer.json) == {
        "access_token", "token_type", "expires_in_s", "refresh_token", "session_id",
    }  # fmt: skip
    holder_id = holder_of(signing, answer)

    def look(session):
        person, part = session.get(Person, holder_id), session.get(Participant, holder_id)
        values = read_values(
            session, signing.services.keyring, holder_id, reader=READER, now=datetime.now(UTC)
        )
        return person, part, values, of_holder(session, holder_id)

    person, part, values, accounts = signing.services.database.transact(look)
    assert (part.programme_code, part.division_code) == ("demo-2016", XIAYANG)
    assert (person.terms_version, person.closed_at, person.minor_until) == (1, None, None)
    assert {value.field: value.value for value in values} == {
        "phone": phone,
        "name": "王小明",
        "birth_on": "1990-05-17",
    }
    assert len(accounts) == 2


def test_a_name_may_be_left_out(signing, client):
    body = sign_up_body(signing.sign_up_token(client, a_phone()))
    del body["name"]
    holder_id = holder_of(signing, client.post("/v1/auth/sign-up", json=body))

    values = signing.services.database.transact(
        lambda s: read_values(s, signing.services.keyring, holder_id, reader=READER, now=NOW)
    )
    assert sorted(value.field for value in values) == ["birth_on", "phone"]


def test_sent_again_it_is_the_same_person_and_a_new_session(signing, client):
    token = signing.sign_up_token(client, a_phone())
    answers = [post(client, token), post(client, token, name="Somebody else")]

    assert [answer.status_code for answer in answers] == [201, 201]
    holders = {holder_of(signing, answer) for answer in answers}
    assert len(holders) == 1
    assert len({answer.json["session_id"] for answer in answers}) == 2
    (holder_id,) = holders
    names = signing.services.database.transact(
        lambda s: read_values(
            s, signing.services.keyring, holder_id, ["name"], reader=READER, now=NOW
        )
    )
    assert [value.value for value in names] == ["王小明"]


def test_a_second_token_of_the_same_phone_is_the_same_person(signing, client):
    phone = a_phone()
    tokens = [signing.sign_up_token(client, phone) for _ in range(2)]

    assert len({holder_of(signing, post(client, token)) for token in tokens}) == 1


@pytest.mark.parametrize("same_token", [True, False])
def test_two_at_once_are_one_person(signing, client, same_token):
    phone, together = a_phone(), Barrier(2)
    first = signing.sign_up_token(client, phone)
    tokens = [first, first if same_token else signing.sign_up_token(client, phone)]

    def send(token):
        own = signing.client()
        together.wait()
        return post(own, token)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(send, tokens))

    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    holders = {holder_of(signing, answer) for answer in answers}
    assert len(holders) == 1
    names = signing.services.keyring.value_key("phone", phone)

    def look(session):
        (holder_id,) = holders
        return (
            session.scalars(select(OutsideId.holder_id).where(OutsideId.value_key == names)).all(),
            session.scalar(
                select(func.count()).where(LoginSession.person_id == holder_id)
            ),
        )  # fmt: skip

    assert signing.services.database.transact(look) == ([*holders], 2)


def test_the_slower_of_two_leaves_nothing_of_its_own(signing):
    keyring, database, phone = signing.services.keyring, signing.services.database, a_phone()
    slips = [new_slip(Proof("phone", (phone,))) for _ in range(4)]
    together = Barrier(4)

    def send(slip):
        together.wait()
        return database.transact(lambda s: _signed_up(s, keyring, slip)).holder_id

    with ThreadPoolExecutor(4) as threads:
        holders = set(threads.map(send, slips))
    assert len(holders) == 1
    ids = [slip.holder_id for slip in slips]
    people, parts = database.transact(
        lambda s: [
            s.scalars(select(column).where(column.in_(ids))).all()
            for column in (Person.holder_id, Participant.holder_id)
        ]
    )
    assert set(people) == set(parts) == holders


def _signed_up(session, keyring, slip, **changed):
    said = {
        "programme": "demo-2016",
        "division": XIAYANG,
        "birth_on": date(1990, 5, 17),
        "name": "",
        "terms_version": 1,
    } | changed
    return sign_up(
        session, keyring, slip, NewPerson(**said),
        terms_version=1, device_name=DEVICE, from_address="", now=NOW,
    )  # fmt: skip


def test_a_phone_of_a_closed_account_signs_up_anew(signing, client):
    gone = signing.resident()

    def close(session):
        person = session.get_one(Person, gone.holder_id)
        person.data_key = person.master_key_id = None
        person.closed_at = NOW

    signing.services.database.transact(close)

    assert signing.resident(gone.phone).holder_id != gone.holder_id
    assert "tokens" in signed_in(client, gone.phone, signing.code(gone.phone)).json


def test_a_token_whose_person_closed_the_account_since_makes_nobody(signing, client):
    phone = a_phone()
    token = signing.sign_up_token(client, phone)
    holder_id = holder_of(signing, post(client, token))

    def close(session):
        person = session.get_one(Person, holder_id)
        person.data_key = person.master_key_id = None
        person.closed_at = NOW
        key = signing.services.keyring.value_key("phone", phone)
        session.delete(session.get_one(OutsideId, key))

    signing.services.database.transact(close)
    with nothing_written(signing.services.database):
        refused(post(client, token), 410, "account-closed")


@pytest.mark.parametrize(
    ("changed", "status", "slug"),
    [
        ({"programme": "nowhere"}, 404, "unknown-programme"),
        ({"division": "999999999"}, 404, "unknown-division"),
        ({"terms_version": 2}, 409, "terms-outdated"),
        ({"birth_on": "2020-01-01"}, 403, "guardian-needed"),
        ({"sign_up_token": "x" * 80}, 401, "sign-up-token-not-right"),
        ({"sign_up_token": "é"}, 401, "sign-up-token-not-right"),
        ({"birth_on": "1899-12-31"}, 422, "body-does-not-fit"),
        ({"birth_on": "2200-01-01"}, 422, "body-does-not-fit"),
        ({"device_name": "a\nb"}, 422, "body-does-not-fit"),
        ({"terms_version": "1"}, 422, "body-does-not-fit"),
        ({"holder_id": "x"}, 422, "body-does-not-fit"),
        ({"programme": "demo\u0000"}, 422, "body-does-not-fit"),
    ],
)
def test_a_refusal_writes_nothing_and_the_token_stays_good(signing, client, changed, status, slug):
    phone = a_phone()
    token = signing.sign_up_token(client, phone)
    body = {"sign_up_token": token} | changed

    refused_in_both_languages(
        signing.services.database,
        lambda headers: post(client, body["sign_up_token"], headers=headers, **{
            name: value for name, value in body.items() if name != "sign_up_token"
        }),
        status,
        slug,
    )  # fmt: skip
    assert post(client, token).status_code == 201


def test_a_refusal_of_the_domain_rolls_back(signing):
    slip = new_slip(Proof("phone", (a_phone(),)))
    with nothing_written(signing.services.database), pytest.raises(UnknownDivision):
        signing.services.database.transact(
            lambda s: _signed_up(s, signing.services.keyring, slip, division="999")
        )


@pytest.mark.parametrize(
    ("birth_on", "grown_up"),
    [
        (date(2012, 11, 21), date(2026, 11, 21)),
        (date(2012, 2, 29), date(2026, 3, 1)),
        (date(2010, 2, 28), date(2024, 2, 28)),
    ],
)
def test_fourteen_years_end_on_the_birthday(birth_on, grown_up):
    assert grown_up_on(birth_on) == grown_up


@pytest.mark.parametrize(
    ("at", "birth_on", "needed"),
    [
        # In Shanghai it is the day after.
        (datetime(2026, 11, 20, 15, 59, tzinfo=UTC), date(2012, 11, 21), True),
        (datetime(2026, 11, 20, 16, 0, tzinfo=UTC), date(2012, 11, 21), False),
        (datetime(2026, 2, 28, 4, tzinfo=UTC), date(2012, 2, 29), True),
    ],
)
def test_the_programmes_day_decides(session, at, birth_on, needed):
    wanted = NewPerson(_shanghai(session), XIAYANG, birth_on, "", 1)
    if needed:
        with pytest.raises(GuardianNeeded):
            check_age(session, wanted, now=at)
    else:
        check_age(session, wanted, now=at)


def _shanghai(session) -> str:
    code: str = session.scalars(
        select(Programme.code).where(Programme.zone == "Asia/Shanghai").order_by(Programme.code)
    ).first()
    return code


def test_a_slip_ends_and_is_nobody_elses():
    slips, other_key = sign_ups(b"k" * 32), sign_ups(b"o" * 32)
    other_purpose = Slips(b"k" * 32, "other", SignUpSlip, lifetime=timedelta(minutes=15))
    facts = SignUpSlip("phone", "+8613800138000", uuid4())
    text = slips.write(facts, now=NOW)

    assert slips.read(text, now=NOW + timedelta(minutes=15, seconds=-1)) == facts
    assert "13800138000" not in text
    for reader, slip, at in (
        (slips, text, NOW + timedelta(minutes=15)),
        (other_key, text, NOW),
        (other_purpose, text, NOW),
        (slips, text[:-4] + "AAAA", NOW),
        (slips, text[:20], NOW),
        (slips, "", NOW),
        (slips, "码", NOW),
        (slips, "a", NOW),
    ):
        with pytest.raises(BadSlip):
            reader.read(slip, now=at)
