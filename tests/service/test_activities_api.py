"""The app's door: one activity by an id that the app makes, answered with its decision and why."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError
from sqlalchemy import select, text

from activities.catalogue.models import Scene
from activities.events import QUANTITY_MAX, Event
from activities.models import Activity
from service.api.acts import ActivityRequest, event_of
from service.app import create_app
from service.db import Database
from service.identity.tokens import Caller
from tests.makers import APRIL_12, a_resident
from tests.service.answers import (
    ENGLISH,
    books,
    nothing_written,
    points_of,
    refused,
    refused_in_both_languages,
)
from tests.service.test_joining import waiting

WALKING, RIDING, BY_STAFF = "test.walking.app", "test.bike.app", "test.walking.staff"


def with_scenes(database: Database) -> None:
    """The demo's behaviours through the app and the desk, on the open data's days."""
    wanted = {
        WALKING: ("demo.walking", "app", None),
        RIDING: ("demo.bike", "app", None),
        BY_STAFF: ("demo.walking", "staff", None),
        "test.consent.staff": ("demo.bike", "staff", 3),
    }

    def add(session: Any) -> None:
        for code, (model, channel, version) in wanted.items():
            demo = session.get_one(Scene, model)
            columns = {c.key: getattr(demo, c.key) for c in Scene.__table__.columns}
            own = {"code": code, "channel": channel, "consent_version": version}
            if session.get(Scene, code) is None:
                session.add(Scene(**columns | own))

    database.transact(add)


@pytest.fixture(autouse=True)
def _scenes(database):
    with_scenes(database)


@pytest.fixture
def resident(database, bearer):
    """A resident's headers."""
    return bearer("resident", database.transact(a_resident))


def a_day(day: int = 0, steps: int = 8_000, **change: Any) -> dict[str, Any]:
    """The body of a day's steps."""
    start = APRIL_12 + timedelta(days=day)
    return {
        "scene": WALKING,
        "started_at": start.isoformat(),
        "ended_at": (start + timedelta(days=1)).isoformat(),
        "quantity": steps,
    } | change


def url(id_: object = None) -> str:
    return f"/v1/activities/{id_ or uuid4()}"


def holder_of(database: Database, headers: dict[str, str]) -> UUID:
    token = headers["Authorization"].removeprefix("Bearer ")
    return UUID(jwt.decode(token, options={"verify_signature": False})["sub"])


def recorded(database: Database, headers: dict[str, str]) -> list[Activity]:
    query = select(Activity).where(Activity.holder_id == holder_of(database, headers))
    return database.transact(lambda s: list(s.scalars(query.order_by(Activity.id))))


# --- What is sent is recorded, decided and answered -----------------------------------------------


def test_an_act_is_answered_with_its_decision_what_it_saved_and_earned_and_why(
    client, database, resident
):
    id_ = uuid4()

    answer = client.put(url(id_), json=a_day(), headers=resident)

    assert answer.status_code == 201
    shown = answer.json
    (kept,) = recorded(database, resident)
    assert shown == {
        "id": str(kept.id),
        "event_id": str(id_),
        "scene": WALKING,
        "behaviour": "walking",
        "day": "2016-04-12",
        "started_at": "2016-04-11T16:00:00+00:00",
        "ended_at": "2016-04-12T16:00:00+00:00",
        "quantity": 8_000,
        "decision": "verified",
        "code": "verified",
        "reason": "已入账。",
        "saved_mg_co2e": kept.saved_mg_co2e,
        "points": kept.points,
        "trimmed_points": 0,
        "duplicate_of": None,
    }
    assert kept.points > 0
    assert points_of(client, resident) == kept.points
    assert client.get("/v1/activities", headers=resident).json["activities"] == [shown]


def test_the_same_again_is_answered_the_same_and_booked_once(client, database, resident):
    id_ = uuid4()
    first = client.put(url(id_), json=a_day(), headers=resident)
    points = points_of(client, resident)
    before = books(database)
    body = a_day()
    # The same instants, written otherwise; and the id in capitals.
    body["started_at"] = APRIL_12.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    again = [
        client.put(url(id_), json=a_day(), headers=resident),
        client.put(url(str(id_).upper()), json=body, headers=resident),
        client.put(url(id_), json=a_day(details={}), headers=resident),
    ]

    assert [(answer.status_code, answer.json) for answer in again] == [(201, first.json)] * 3
    assert books(database) == before
    assert points_of(client, resident) == points


def test_the_reason_comes_in_the_language_asked_for(client, resident):
    id_ = uuid4()
    chinese = client.put(url(id_), json=a_day(steps=30_000), headers=resident)
    english = client.put(url(id_), json=a_day(steps=30_000), headers=resident | ENGLISH)

    assert {**chinese.json, "reason": ""} == {**english.json, "reason": ""}
    assert chinese.json["trimmed_points"] > 0
    assert "未发放" in chinese.json["reason"]
    assert "withheld" in english.json["reason"]
    assert "Accept-Language" in chinese.headers["Vary"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 0}, "quantity_out_of_range"),
        ({"quantity": QUANTITY_MAX}, "quantity_out_of_range"),
        ({"ended_at": (APRIL_12 - timedelta(seconds=1)).isoformat()}, "bad_times"),
        ({"started_at": "2199-01-01T00:00:00Z", "ended_at": "2199-01-02T00:00:00Z"}, "in_future"),
        ({"started_at": "2015-04-12T00:00:00Z", "ended_at": "2015-04-13T00:00:00Z"},
         "scene_not_approved"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_refused_act_is_recorded_with_its_reason_and_is_no_http_error(
    client, database, resident, change, code
):
    id_ = uuid4()
    answer = client.put(url(id_), json=a_day(**change), headers=resident)
    again = client.put(url(id_), json=a_day(**change), headers=resident)

    assert answer.status_code == 201
    assert (answer.json["decision"], answer.json["code"]) == ("rejected", code)
    assert (answer.json["saved_mg_co2e"], answer.json["points"]) == (0, 0)
    assert answer.json["reason"]
    assert again.json == answer.json
    assert [kept.code for kept in recorded(database, resident)] == [code]


def test_who_takes_no_part_is_told_so(client, bearer):
    answer = client.put(url(), json=a_day(), headers=bearer("resident", uuid4()))

    assert (answer.status_code, answer.json["code"]) == (201, "unknown_resident")


def test_an_act_that_was_counted_already_names_the_one_that_has_it(client, database, resident):
    first = client.put(url(), json=a_day(), headers=resident).json
    second = client.put(url(), json=a_day(steps=9_000), headers=resident).json

    assert (second["code"], second["duplicate_of"]) == ("already_claimed", first["id"])
    assert points_of(client, resident) == first["points"]


def test_what_else_is_known_is_kept_word_for_word(client, database, resident):
    device = uuid4()
    details = {
        "distance_m": 5_600,
        "active_s": 4_000,
        "material": "pet",
        "object_id": "bin-7",
        "place": "310118001",
        "device": str(device),
        "photo_sha256": "0" * 63 + "f",
        "odometer_m": [1, 2],
    }

    answer = client.put(url(), json=a_day(details=details), headers=resident)

    assert answer.status_code == 201
    (kept,) = recorded(database, resident)
    assert msgspec.json.decode(kept.details) == details


# --- One id stands for one activity ---------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 8_001},
        {"started_at": (APRIL_12 + timedelta(seconds=1)).isoformat()},
        {"ended_at": (APRIL_12 + timedelta(hours=23)).isoformat()},
        {"details": {"place": "310118"}},
        {"scene": RIDING, "quantity": 1},
        {"scene": RIDING},
    ],
    ids=str,
)
def test_an_id_that_stands_for_other_content_is_refused(client, database, resident, change):
    id_ = uuid4()
    first = client.put(url(id_), json=a_day(), headers=resident).json

    def send(language: dict[str, str]) -> Any:
        return client.put(url(id_), json=a_day(**change), headers=resident | language)

    found = refused_in_both_languages(database, send, 409, "event-id-reused")
    assert found["event_id"] == str(id_)
    assert client.put(url(id_), json=a_day(), headers=resident).json == first


def test_an_id_is_nobody_elses_too(client, database, resident, bearer):
    """Also where the other says the very same, and whichever scene."""
    id_ = uuid4()
    client.put(url(id_), json=a_day(), headers=resident)
    other = bearer("resident", database.transact(a_resident))

    for scene in (WALKING, RIDING):
        body = a_day(scene=scene)

        def send(language: dict[str, str], body: Any = body) -> Any:
            return client.put(url(id_), json=body, headers=other | language)

        refused_in_both_languages(database, send, 409, "event-id-reused")


def test_of_two_contents_under_one_id_at_once_one_is_kept(app, database, resident):
    """In one joined batch, in two, or one after the other: the other is a 409."""
    for scenes in ((WALKING, WALKING), (WALKING, RIDING)):
        id_, start = uuid4(), threading.Barrier(8)

        def send(n: int, id_: UUID = id_, start: Any = start, scenes: Any = scenes) -> int:
            body = a_day(scene=scenes[n % 2], steps=5_000 + n % 2, day=1)
            start.wait(20)
            return app.test_client().put(url(id_), json=body, headers=resident).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, range(8)))
        assert sorted([statuses[0::2], statuses[1::2]]) == [[201] * 4, [409] * 4]
        kept = [each for each in recorded(database, resident) if each.event_id == str(id_)]
        assert len(kept) == 1


# --- Many at once ---------------------------------------------------------------------------------


def test_twenty_residents_at_once_each_have_their_own_answer(app, database, bearer, services):
    holders = [database.transact(a_resident) for _ in range(20)]
    start = threading.Barrier(20)

    def send(n: int) -> tuple[int, Any]:
        headers = bearer("resident", holders[n])
        start.wait(20)
        answer = app.test_client().put(url(), json=a_day(steps=4_000 + n), headers=headers)
        return answer.status_code, answer.json

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))

    assert [status for status, _ in answers] == [201] * 20
    assert [shown["quantity"] for _, shown in answers] == [4_000 + n for n in range(20)]
    for holder_id, (_, shown) in zip(holders, answers, strict=True):
        headers = bearer("resident", holder_id)
        assert app.test_client().get("/v1/activities", headers=headers).json["activities"] == [
            shown
        ]
        assert points_of(app.test_client(), headers) == shown["points"]


def test_one_resident_at_once_keeps_within_the_days_cap(app, database, resident, client):
    """Rides of one day from eight threads: the cap holds, whoever comes with whom."""
    start = threading.Barrier(8)

    def send(n: int) -> Any:
        at = APRIL_12 + timedelta(hours=2 * n)
        body = a_day(scene=RIDING, steps=1, started_at=at.isoformat(),
                     ended_at=(at + timedelta(minutes=10)).isoformat())  # fmt: skip
        start.wait(20)
        return app.test_client().put(url(), json=body, headers=resident).json

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert {shown["decision"] for shown in answers} == {"verified"}
    assert points_of(client, resident) == sum(shown["points"] for shown in answers)


def test_one_poisoned_event_in_a_joined_batch_hurts_no_other(
    app, client, database, bearer, services
):
    """A resident's row, locked from outside, holds the first round up until all the others wait."""
    holders = [database.transact(a_resident) for _ in range(6)]
    taken = uuid4()
    client.put(url(taken), json=a_day(), headers=bearer("resident", holders[1]))
    ids = [uuid4(), uuid4(), taken, uuid4(), uuid4(), uuid4()]

    def send(n: int) -> tuple[int, Any]:
        body = a_day(1, scene=RIDING if n == 2 else WALKING)
        answer = app.test_client().put(
            url(ids[n]), json=body, headers=bearer("resident", holders[n])
        )
        return answer.status_code, answer.json

    lock = text("SELECT 1 FROM participant WHERE holder_id = :h FOR UPDATE")
    with ThreadPoolExecutor(6) as pool:
        with database.engine.connect() as outside, outside.begin():
            outside.execute(lock, {"h": holders[0]})
            futures = []
            for n in range(6):
                futures.append(pool.submit(send, n))
                waiting(services.entries.joining, n)
        answers = [future.result(20) for future in futures]

    assert [status for status, _ in answers] == [201, 201, 409, 201, 201, 201]
    assert {shown["event_id"] for status, shown in answers if status == 201} == {
        str(id_) for id_ in ids if id_ != taken
    }
    assert recorded(database, bearer("resident", holders[2])) == []


def test_too_many_at_once_are_told_when_to_come_again(client, database, resident, services):
    joining = services.entries.joining
    before, joining._waiting_max = joining._waiting_max, 0
    try:
        answer = client.put(url(), json=a_day(), headers=resident)
    finally:
        joining._waiting_max = before

    refused(answer, 503, "too-busy")
    assert answer.headers["Retry-After"] == "2"
    assert recorded(database, resident) == []


# --- What does not fit ----------------------------------------------------------------------------

_TIMES = [
    "2016-04-12",
    "2016-04-12T00:00:00",
    "2016-13-12T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2201-01-01T00:00:00Z",
    "yesterday",
    "",
    0,
    1460419200,
    None,
    True,
    [],
]
_WHOLE = [-1, QUANTITY_MAX + 1, 10**30, 1.5, 8_000.0, "8000", None, True, [], {}]


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        *[("#/started_at", {"started_at": value}) for value in _TIMES],
        *[("#/ended_at", {"ended_at": value}) for value in _TIMES],
        *[("#/quantity", {"quantity": value}) for value in _WHOLE],
        *[("#/scene", {"scene": value})
          for value in ("", "x" * 65, "a b", "a\n", "碳", "\x00", 7, None, [])],
        ("#/details", {"details": None}),
        ("#/details", {"details": []}),
        ("#/details/attested", {"details": {"attested": True}}),
        ("#/details/attested", {"details": {"attested": False}}),
        ("#/details/track", {"details": {"track": []}}),
        *[("#/details/distance_m", {"details": {"distance_m": value}}) for value in _WHOLE],
        *[("#/details/active_s", {"details": {"active_s": value}})
          for value in (0, 86_401, *_WHOLE)],
        *[("#/details/device", {"details": {"device": value}})
          for value in ("", "phone", 7, None, "0" * 33)],
        *[("#/details/place", {"details": {"place": value}})
          for value in ("", "3", "31x", "3" * 13, "310118\n", "３１", 310118, None)],
        *[("#/details/photo_sha256", {"details": {"photo_sha256": value}})
          for value in ("", "0" * 63, "0" * 65, "F" * 64, "g" * 64, "0" * 64 + "\n", 0, None)],
        *[("#/details/odometer_m", {"details": {"odometer_m": value}})
          for value in ([], [1], [1, 2, 3], "12", 12, None)],
        ("#/details/odometer_m/1", {"details": {"odometer_m": [1, -2]}}),
        ("#/details/material", {"details": {"material": "a b"}}),
        ("#/details/object_id", {"details": {"object_id": "x" * 65}}),
        ("#/holder_id", {"holder_id": str(UUID(int=7))}),
        ("#/event_id", {"event_id": "x"}),
        ("#/points", {"points": 5}),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_kept(
    client, database, resident, pointer, change
):
    def send(language: dict[str, str]) -> Any:
        return client.put(url(), json=a_day(**change), headers=resident | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == [pointer]


def test_everything_that_is_missing_is_named_at_once(client, database, resident):
    def send(language: dict[str, str]) -> Any:
        return client.put(url(), json={}, headers=resident | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert {error["pointer"] for error in found["errors"]} == {
        "#/scene", "#/started_at", "#/ended_at", "#/quantity",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scene", "status", "slug", "facts"),
    [
        ("no.such.scene", 404, "unknown-scene", {"code": "no.such.scene"}),
        ("demo.walking", 422, "wrong-channel", {"code": "demo.walking", "channel": "operator"}),
        (BY_STAFF, 422, "wrong-channel", {"code": BY_STAFF, "channel": "staff"}),
    ],
)
def test_a_scene_of_another_door_is_refused(client, database, resident, scene, status, slug, facts):
    def send(language: dict[str, str]) -> Any:
        return client.put(url(), json=a_day(scene=scene), headers=resident | language)

    found = refused_in_both_languages(database, send, status, slug)
    assert facts.items() <= found.items()


def test_an_address_that_is_no_uuid_leads_nowhere(client, database, resident):
    with nothing_written(database):
        answer = client.put("/v1/activities/one", json=a_day(), headers=resident)

    refused(answer, 404)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = {
    "scene": st.just(WALKING) | st.text() | _JSON,
    "started_at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.text() | _JSON,
    "ended_at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | _JSON,
    "quantity": st.integers(-1, 2 * QUANTITY_MAX) | _JSON,
}
_DETAILS = {
    "distance_m": st.integers(0, QUANTITY_MAX) | _JSON,
    "active_s": st.integers(1, 86_400) | _JSON,
    "material": st.text("abc~! \n", max_size=70) | _JSON,
    "object_id": st.text(max_size=70),
    "place": st.text("0123456789\n３", max_size=14),
    "device": st.uuids().map(str) | _JSON,
    "photo_sha256": st.text("0f", min_size=64, max_size=64) | _JSON,
    "odometer_m": st.lists(st.integers(0, 9), max_size=3) | _JSON,
}


@settings(deadline=None, max_examples=150, database=None,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    st.fixed_dictionaries(
        _FIELDS, optional={"details": st.fixed_dictionaries({}, optional=_DETAILS) | _JSON}
    )
)
def test_what_the_schema_lets_in_is_an_event_by_its_own_bounds(body):
    """The struct is made without its checks, which the schema repeats."""
    try:
        loaded = ActivityRequest().load(body)
    except ValidationError:
        return
    event = event_of(uuid4(), uuid4(), loaded, attested=False)

    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


@settings(
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries(
        {}, optional=_FIELDS | {"details": st.fixed_dictionaries({}, optional=_DETAILS)}
    ).map(json.dumps),
    st.none() | st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])),
)
def test_whatever_comes_is_answered_and_nothing_worse(client, resident, body, attestation):
    headers = resident | ({"Tanhui-Attestation": attestation} if attestation else {})

    answer = client.put(url(), data=body, content_type="application/json", headers=headers)

    assert answer.status_code in (201, 400, 404, 422), answer.text
    if answer.status_code == 201:
        assert answer.json["code"]


# --- Attested devices -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attester() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def attesting(settings, attester, tmp_path):
    """An app that has the attestation service's key."""
    pem = attester.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "attestation.pem").write_bytes(pem)
    changed = {"attestation_key_file": tmp_path / "attestation.pem"}
    app = create_app(type(settings)(**_fields(settings) | changed))
    yield app.test_client()
    app.extensions["tanhui"].database.dispose()


def _fields(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in type(settings).__slots__}


def attestation(
    attester: Ed25519PrivateKey, event_id: object, device: object, *, age_s: int = 0
) -> dict[str, str]:
    now = int(datetime.now(UTC).timestamp()) - age_s
    claims = {"aud": "tanhui-api", "iat": now, "exp": now + 300}
    sent = jwt.encode(
        claims | {"event": str(event_id), "device": str(device)},
        attester,
        "EdDSA",
        headers={"typ": "tanhui-attestation+jwt"},
    )
    return {"Tanhui-Attestation": sent}


def attested(database: Database, headers: dict[str, str]) -> list[bool]:
    return [
        msgspec.json.decode(kept.details or "{}").get("attested", False)
        for kept in recorded(database, headers)
    ]


def test_what_an_attested_device_sent_is_kept_as_such(attesting, attester, database, resident):
    id_, device = uuid4(), uuid4()
    body = a_day(details={"device": str(device)})

    answer = attesting.put(
        url(id_), json=body, headers=resident | attestation(attester, id_, device)
    )
    attesting.put(url(), json=a_day(1, details={"device": str(device)}), headers=resident)

    assert answer.status_code == 201
    assert attested(database, resident) == [True, False]


def test_a_retry_is_one_whether_or_not_its_attestation_still_holds(
    attesting, attester, database, resident
):
    id_, device = uuid4(), uuid4()
    body = a_day(details={"device": str(device)})
    first = attesting.put(
        url(id_), json=body, headers=resident | attestation(attester, id_, device)
    )

    again = [
        attesting.put(url(id_), json=body, headers=resident | sent)
        for sent in (
            {},
            attestation(attester, id_, device),
            attestation(attester, id_, device, age_s=3_600),
            {"Tanhui-Attestation": "garbage"},
        )
    ]
    other = attesting.put(
        url(id_),
        json=body | {"quantity": 1},
        headers=resident | attestation(attester, id_, device, age_s=3_600),
    )

    assert [(answer.status_code, answer.json) for answer in again] == [(201, first.json)] * 4
    refused(other, 409, "event-id-reused")
    assert attested(database, resident) == [True]


def test_one_recorded_without_stays_unattested(attesting, attester, database, resident):
    """Else a retry with a later attestation would be other content under the same id."""
    id_, device = uuid4(), uuid4()
    body = a_day(details={"device": str(device)})
    first = attesting.put(url(id_), json=body, headers=resident)
    again = attesting.put(
        url(id_), json=body, headers=resident | attestation(attester, id_, device)
    )

    assert (again.status_code, again.json) == (201, first.json)
    assert attested(database, resident) == [False]


def test_one_that_does_not_hold_is_refused_before_anything_is_kept(
    attesting, attester, database, resident
):
    id_, device = uuid4(), uuid4()
    wrong = {
        "expired": attestation(attester, id_, device, age_s=3_600),
        "other_activity": attestation(attester, uuid4(), device),
        "other_device": attestation(attester, id_, uuid4()),
        "invalid": attestation(Ed25519PrivateKey.generate(), id_, device),
    }

    for why, header in wrong.items():

        def send(language: dict[str, str], header: Any = header) -> Any:
            body = a_day(details={"device": str(device)})
            return attesting.put(url(id_), json=body, headers=resident | header | language)

        assert refused_in_both_languages(database, send, 422, "invalid-attestation")["why"] == why
    without_device = attesting.put(
        url(id_), json=a_day(), headers=resident | attestation(attester, id_, device)
    )
    assert refused(without_device, 422, "invalid-attestation")["why"] == "other_device"


def test_without_the_services_key_nobody_is_attested(client, attester, database, resident):
    id_, device = uuid4(), uuid4()
    headers = resident | attestation(attester, id_, device)

    answer = client.put(url(id_), json=a_day(details={"device": str(device)}), headers=headers)

    assert answer.status_code == 201
    assert attested(database, resident) == [False]


def test_the_token_of_one_resident_reports_for_no_other(client, services, database):
    """There is no field for whose act it is: it is the token's holder's."""
    holder_id = database.transact(a_resident)
    token = services.tokens.issue(Caller(str(holder_id), "resident", ""), now=datetime.now(UTC))

    client.put(url(), json=a_day(), headers={"Authorization": f"Bearer {token}"})

    query = select(Activity.holder_id).where(Activity.holder_id == holder_id)
    assert database.transact(lambda s: s.scalars(query).all()) == [holder_id]
