"""The staff's desk: residents without a phone are known by a card, entered by a volunteer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from activities.models import Activity, Consent, Participant
from ledgers.models import Posting
from service.demo_shops import DEMO_PROGRAMME
from service.identity import cards
from service.identity.errors import UnknownCard
from tests.makers import XIAYANG, a_resident
from tests.service.answers import ENGLISH, books, points_of, refused, refused_in_both_languages
from tests.service.test_activities_api import BY_STAFF, WALKING, a_day, with_scenes

CONSENT_SCENE = "test.consent.staff"


@pytest.fixture(autouse=True)
def _scenes(database):
    with_scenes(database)


@pytest.fixture
def volunteer(bearer):
    return bearer("volunteer", "volunteer-12")


@pytest.fixture
def operator(bearer):
    return bearer("operator", "operator-3")


def a_number() -> str:
    return f"SH{uuid4().hex[:12].upper()}"


@pytest.fixture
def card(database, keyring):
    """A resident with a card: the number and the holder."""
    number = a_number()
    holder_id = database.transact(a_resident)
    database.transact(
        lambda s: cards.give_card(s, keyring, number, holder_id, now=datetime.now(UTC))
    )
    return number, holder_id


def entry(id_: object = None) -> str:
    return f"/v1/staff/activities/{id_ or uuid4()}"


def registration(id_: object = None) -> str:
    return f"/v1/staff/residents/{id_ or uuid4()}"


def a_person(**change: Any) -> dict[str, Any]:
    """The body of a registration."""
    return {
        "card_number": a_number(),
        "programme": DEMO_PROGRAMME,
        "division": XIAYANG,
        "consents": [{"scene": CONSENT_SCENE, "text_version": 3}],
    } | change


# --- Entries --------------------------------------------------------------------------------------


def test_a_volunteer_enters_an_act_by_card_and_tells_the_person_what_was_earned(
    client, database, volunteer, card, bearer
):
    number, holder_id = card
    id_ = uuid4()

    answer = client.put(
        entry(id_), json=a_day(scene=BY_STAFF, card_number=number), headers=volunteer
    )

    assert answer.status_code == 201
    shown = answer.json
    assert (shown["holder_id"], shown["event_id"]) == (str(holder_id), str(id_))
    assert (shown["decision"], shown["reason"]) == ("verified", "已入账。")
    assert shown["points"] > 0
    assert points_of(client, bearer("resident", holder_id)) == shown["points"]
    assert number not in answer.text


def test_who_entered_it_stands_in_the_books(client, database, volunteer, card):
    number, holder_id = card
    client.put(entry(), json=a_day(scene=BY_STAFF, card_number=number), headers=volunteer)

    def actors(session: Any) -> Any:
        activity = session.scalars(select(Activity).filter_by(holder_id=holder_id)).one()
        return session.get_one(Posting, activity.posting_id).actor

    assert database.transact(actors) == "volunteer-12"


def test_the_same_entry_again_is_answered_the_same_and_booked_once(
    client, database, volunteer, operator, card
):
    number, _ = card
    id_ = uuid4()
    body = a_day(scene=BY_STAFF, card_number=number)
    first = client.put(entry(id_), json=body, headers=volunteer)
    before = books(database)
    spaced = f" {number[:4].lower()}-{number[4:8]} {number[8:].lower()}"

    again = [
        client.put(entry(id_), json=body, headers=volunteer),
        client.put(entry(id_), json=body | {"card_number": spaced}, headers=volunteer),
        client.put(entry(id_), json=body, headers=operator),
    ]

    assert [(answer.status_code, answer.json) for answer in again] == [(201, first.json)] * 3
    assert books(database) == before


def test_an_id_that_stands_for_another_act_is_refused(
    client, database, keyring, volunteer, card, bearer
):
    """Of another resident, of other content, of the resident's own app."""
    number, holder_id = card
    id_, other, other_number = uuid4(), database.transact(a_resident), a_number()
    database.transact(
        lambda s: cards.give_card(s, keyring, other_number, other, now=datetime.now(UTC))
    )
    body = a_day(scene=BY_STAFF, card_number=number)
    client.put(entry(id_), json=body, headers=volunteer)

    for change in ({"quantity": 1}, {"card_number": other_number}):

        def send(language: dict[str, str], change: Any = change) -> Any:
            return client.put(entry(id_), json=body | change, headers=volunteer | language)

        refused_in_both_languages(database, send, 409, "event-id-reused")

    def by_app(language: dict[str, str]) -> Any:
        headers = bearer("resident", holder_id) | language
        return client.put(f"/v1/activities/{id_}", json=a_day(scene=WALKING), headers=headers)

    refused_in_both_languages(database, by_app, 409, "event-id-reused")


def test_a_refused_entry_says_why(client, volunteer, card):
    number, _ = card
    body = a_day(scene=BY_STAFF, card_number=number, steps=0)

    chinese = client.put(entry(), json=body, headers=volunteer)
    english = client.put(entry(), json=body, headers=volunteer | ENGLISH)

    assert (chinese.status_code, chinese.json["code"]) == (201, "quantity_out_of_range")
    assert chinese.json["reason"] != english.json["reason"]


def test_a_card_that_nobody_has_is_refused_and_not_repeated(client, database, volunteer):
    number = a_number()

    def send(language: dict[str, str]) -> Any:
        body = a_day(scene=BY_STAFF, card_number=number)
        return client.put(entry(), json=body, headers=volunteer | language)

    found = refused_in_both_languages(database, send, 404, "unknown-card")
    assert number not in str(found)


@pytest.mark.parametrize(
    ("scene", "status", "slug"),
    [
        ("no.such.scene", 404, "unknown-scene"),
        (WALKING, 422, "wrong-channel"),
        ("demo.walking", 422, "wrong-channel"),
    ],
)
def test_a_scene_of_another_door_is_refused(client, database, volunteer, card, scene, status, slug):
    def send(language: dict[str, str]) -> Any:
        body = a_day(scene=scene, card_number=card[0])
        return client.put(entry(), json=body, headers=volunteer | language)

    refused_in_both_languages(database, send, status, slug)


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        *[("#/card_number", {"card_number": value})
          for value in ("", "12345", "1" * 33, "碳惠卡号码六位", "123456\n", 123456, None, [])],
        ("#/quantity", {"quantity": -1}),
        ("#/started_at", {"started_at": "2016-04-12T00:00:00"}),
        ("#/details/attested", {"details": {"attested": True}}),
        ("#/holder_id", {"holder_id": str(UUID(int=7))}),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)  # fmt: skip
def test_what_does_not_fit_is_named(client, database, volunteer, card, pointer, change):
    def send(language: dict[str, str]) -> Any:
        body = a_day(scene=BY_STAFF, card_number=card[0]) | change
        return client.put(entry(), json=body, headers=volunteer | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == [pointer]


@pytest.mark.parametrize("subject", ["", " "])
def test_somebody_without_a_name_enters_nothing(client, bearer, card, subject):
    """Who entered it is asked for later."""
    body = a_day(scene=BY_STAFF, card_number=card[0])

    answer = client.put(entry(), json=body, headers=bearer("volunteer", subject))

    refused(answer, 401, "invalid-token")


# --- Registration ---------------------------------------------------------------------------------


def test_a_registered_resident_has_card_accounts_and_consents_with_a_witness(
    client, database, operator, volunteer
):
    person = a_person()

    answer = client.put(registration(), json=person, headers=operator)

    assert answer.status_code == 201
    holder_id = UUID(answer.json["holder_id"])
    assert answer.json == {
        "holder_id": str(holder_id),
        "programme": DEMO_PROGRAMME,
        "division": XIAYANG,
        "joined_at": answer.json["joined_at"],
    }
    query = select(Consent).where(Consent.holder_id == holder_id)
    (consent,) = database.transact(lambda s: s.scalars(query).all())
    assert (consent.scene_code, consent.text_version) == (CONSENT_SCENE, 3)
    assert (consent.actor, consent.withdrawn_at) == ("operator-3", None)
    body = a_day(scene=BY_STAFF, card_number=person["card_number"])
    entered = client.put(entry(), json=body, headers=volunteer)
    assert (entered.json["decision"], entered.json["holder_id"]) == ("verified", str(holder_id))


def test_the_same_registration_again_is_answered_the_same(client, database, operator):
    id_, person = uuid4(), a_person()
    first = client.put(registration(id_), json=person, headers=operator)
    before = books(database)

    again = client.put(registration(id_), json=person, headers=operator)

    assert (again.status_code, again.json) == (201, first.json)
    assert books(database) == before


@pytest.mark.parametrize(
    "change",
    [
        {"card_number": "SH000000"},
        {"division": "310118002"},
        {"programme": "sh-2026"},
        {"consents": []},
        {"consents": [{"scene": CONSENT_SCENE, "text_version": 2}]},
    ],
    ids=str,
)
def test_an_id_that_stands_for_another_registration_is_refused(client, database, operator, change):
    id_, person = uuid4(), a_person()
    client.put(registration(id_), json=person, headers=operator)

    def send(language: dict[str, str]) -> Any:
        return client.put(registration(id_), json=person | change, headers=operator | language)

    refused_in_both_languages(database, send, 409, "resident-id-reused")


def test_a_card_is_one_residents_for_good(client, database, operator):
    person = a_person()
    client.put(registration(), json=person, headers=operator)

    def send(language: dict[str, str]) -> Any:
        return client.put(registration(), json=person, headers=operator | language)

    refused_in_both_languages(database, send, 409, "card-taken")


def test_of_two_registrations_with_one_card_at_once_one_is_kept(app, database, operator):
    person, start = a_person(consents=[]), threading.Barrier(6)

    def send(_: int) -> int:
        start.wait(20)
        return app.test_client().put(registration(), json=person, headers=operator).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(send, range(6)))

    assert statuses == [201] + [409] * 5


def test_the_same_registration_from_six_desks_at_once_is_one(app, database, operator):
    id_, person, start = uuid4(), a_person(), threading.Barrier(6)

    def send(_: int) -> Any:
        start.wait(20)
        return app.test_client().put(registration(id_), json=person, headers=operator)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1


def test_nobody_is_registered_over_a_holder_who_is_there(client, database, operator):
    """The holder is derived from the id: not the programme's own, nor another resident."""
    holder_id = database.transact(a_resident)

    answer = client.put(registration(holder_id), json=a_person(), headers=operator)

    assert answer.json["holder_id"] != str(holder_id)
    query = text("SELECT count(*) FROM person WHERE holder_id = :h")
    assert database.transact(lambda s: s.scalar(query, {"h": holder_id})) == 0


@pytest.mark.parametrize(
    ("change", "status", "slug"),
    [
        ({"programme": "no-such"}, 404, "unknown-programme"),
        ({"division": "999999999"}, 404, "unknown-division"),
        ({"consents": [{"scene": "no.such", "text_version": 1}]}, 404, "unknown-scene"),
        ({"consents": [{"scene": CONSENT_SCENE, "text_version": 2}]}, 409,
         "consent-text-outdated"),
        ({"consents": [{"scene": "demo.walking", "text_version": 1}]}, 409, "consent-not-asked"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_not_there_registers_nobody(
    client, database, keyring, operator, change, status, slug
):
    person = a_person(**change)

    def send(language: dict[str, str]) -> Any:
        return client.put(registration(), json=person, headers=operator | language)

    refused_in_both_languages(database, send, status, slug)
    with pytest.raises(UnknownCard):
        database.transact(lambda s: cards.get_holder(s, keyring, person["card_number"]))


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("#/card_number", {"card_number": "x"}),
        ("#/consents", {"consents": None}),
        ("#/consents", {"consents": [{"scene": "a", "text_version": 1}] * 2}),
        ("#/consents", {"consents": [{"scene": str(n), "text_version": 1} for n in range(51)]}),
        ("#/consents/0/text_version", {"consents": [{"scene": "a", "text_version": 0}]}),
        ("#/consents/0/scene", {"consents": [{"text_version": 1}]}),
        ("#/name", {"name": "李四"}),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_a_registration_that_does_not_fit_is_refused(client, database, operator, pointer, change):
    def send(language: dict[str, str]) -> Any:
        return client.put(registration(), json=a_person(**change), headers=operator | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == [pointer]


def test_a_volunteer_registers_nobody(client, database, volunteer):
    def send(language: dict[str, str]) -> Any:
        return client.put(registration(), json=a_person(), headers=volunteer | language)

    refused_in_both_languages(database, send, 403, "wrong-role")


def test_a_registration_leaves_no_resident_behind_when_it_is_refused(client, database, operator):
    id_ = uuid4()
    bad = a_person(consents=[{"scene": CONSENT_SCENE, "text_version": 2}])
    client.put(registration(id_), json=bad, headers=operator)
    good = client.put(registration(id_), json=a_person(), headers=operator)

    assert good.status_code == 201
    query = select(Participant).where(Participant.holder_id == UUID(good.json["holder_id"]))
    assert len(database.transact(lambda s: s.scalars(query).all())) == 1
