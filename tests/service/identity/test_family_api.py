"""Who acts for whom: guardians, delegates, their tokens, and where these open a door."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import select, update

from activities.models import Participant
from service.app import create_app
from service.auth import POWERS, may_act
from service.demo_shops import DEMO_PROGRAMME
from service.identity.errors import AccountClosed
from service.identity.family import delegations
from service.identity.family.ages import is_minor, minor_until
from service.identity.family.children import CHILDREN_MAX, NewChild, register_child
from service.identity.family.delegations import DELEGATES_MAX, children_of, end_all
from service.identity.family.errors import GuardianshipOver, OfferNotGood, UnknownDelegation
from service.identity.family.offers import ALPHABET, LIFETIME, Kept, Offers, plain
from service.identity.models import ActingFor, Delegation, Person, PersonalRead
from service.identity.vault import Value, add_people, write_values
from tests.makers import XIAYANG, a_resident, an_offer
from tests.service.answers import ENGLISH, nothing_written, refused, refused_in_both_languages
from tests.service.identity.signing import an_address
from tests.service.test_auth import routes

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


def a_person(services, name: str = "", *, points: int = 0) -> UUID:
    def made(session):
        holder_id = a_resident(session, points=points)
        add_people(session, services.keyring, [holder_id], now=NOW)
        if name:
            write_values(session, services.keyring, [Value(holder_id, "name", name)], now=NOW)
        return holder_id

    return services.database.transact(made)


@pytest.fixture
def me(services):
    return a_person(services, "张三")


@pytest.fixture
def parent(services):
    return a_person(services, "张大爷", points=300)


def a_birthday(years: int, days: int = 0) -> date:
    """Of somebody who is so old, and has been for so many days."""
    today = datetime.now(UTC).date()
    return today.replace(year=today.year - years, day=min(today.day, 28)) - timedelta(days=days + 3)


@pytest.fixture
def put_child(client, bearer):
    def put(guardian_id, child_id=None, *, headers=None, **more):
        body = {"name": "小宝", "birth_on": a_birthday(8).isoformat(), "division": XIAYANG} | more
        sent = bearer("resident", guardian_id) | (headers or {})
        return client.put(f"/v1/me/children/{child_id or uuid4()}", json=body, headers=sent)

    return put


@pytest.fixture
def offer(client, bearer):
    def made(holder_id, *, may_spend=False) -> str:
        answer = client.post(
            "/v1/me/delegate-offers",
            json={"may_spend": may_spend},
            headers=bearer("resident", holder_id),
        )
        assert answer.status_code == 201, answer.text
        assert answer.json["expires_in_s"] == 600
        return answer.json["code"]

    return made


@pytest.fixture
def enter(client, bearer):
    def sent(delegate_id, code, delegation_id=None, *, headers=None):
        return client.put(
            f"/v1/me/acting-for/{delegation_id or uuid4()}",
            json={"code": code},
            headers=bearer("resident", delegate_id) | (headers or {}),
            environ_overrides={"REMOTE_ADDR": an_address()},
        )

    return sent


@pytest.fixture
def act(client, bearer):
    def asked(delegate_id, delegation_id):
        return client.post(
            "/v1/auth/acting",
            json={"delegation_id": str(delegation_id)},
            headers=bearer("resident", delegate_id),
        )

    return asked


def rows(services, model, **values):
    query = select(model)
    for name, value in values.items():
        query = query.where(getattr(model, name) == value)
    return services.database.transact(lambda s: list(s.scalars(query)))


# Children.


def test_a_child_is_registered_in_the_guardians_programme(services, me, put_child, client, bearer):
    child_id = uuid4()

    answer = put_child(me, child_id)

    assert answer.status_code == 201, answer.text
    holder_id = UUID(answer.json["holder_id"])
    born = a_birthday(8)
    assert answer.json == {
        "id": str(child_id),
        "holder_id": str(holder_id),
        "name": "小宝",
        "birth_on": born.isoformat(),
        "division": XIAYANG,
        "minor_until": born.replace(year=born.year + 14).isoformat(),
    }
    (resident,) = rows(services, Participant, holder_id=holder_id)
    assert (resident.programme_code, resident.division_code) == (DEMO_PROGRAMME, XIAYANG)
    (delegation,) = rows(services, Delegation, holder_id=holder_id)
    assert (delegation.delegate_id, delegation.kind, delegation.id) == (me, "guardian", child_id)
    assert services.database.transact(lambda s: is_minor(s, holder_id, datetime.now(UTC)))
    listed = client.get("/v1/me/children", headers=bearer("resident", me)).json
    assert listed == {"children": [answer.json]}


def test_registering_again_is_the_same_child_and_other_data_are_refused(
    services, me, put_child, database
):
    child_id = uuid4()
    first = put_child(me, child_id)

    with nothing_written(database):
        again = put_child(me, child_id)
    assert (again.status_code, again.json) == (201, first.json)
    for change in (
        {"name": "大宝"},
        {"birth_on": a_birthday(9).isoformat()},
        {"division": "310118002"},
    ):
        refused_in_both_languages(
            database, lambda h, c=change: put_child(me, child_id, headers=h, **c), 409,
            "child-id-reused",
        )  # fmt: skip


def test_the_same_id_of_another_guardian_is_another_child(services, me, parent, put_child):
    child_id = uuid4()

    one, other = put_child(me, child_id), put_child(parent, child_id, name="别家")

    assert (one.status_code, other.status_code) == (201, 201)
    assert one.json["holder_id"] != other.json["holder_id"]


@pytest.mark.parametrize(
    ("years", "days", "status"), [(13, 300, 201), (14, 0, 422), (30, 0, 422), (-1, 0, 422)]
)
def test_who_is_no_child_is_not_registered(database, me, put_child, years, days, status):
    born = a_birthday(years, days).isoformat()

    if status == 201:
        assert put_child(me, birth_on=born).status_code == 201
    else:
        found = refused_in_both_languages(
            database, lambda h: put_child(me, headers=h, birth_on=born), 422, "not-a-child"
        )
        assert born not in str(found)


def test_a_town_that_is_none_and_a_body_that_does_not_fit(database, me, put_child):
    send = lambda h: put_child(me, headers=h, division="999999999")  # noqa: E731
    refused_in_both_languages(database, send, 404, "unknown-division")
    with nothing_written(database):
        for change in ({"name": ""}, {"birth_on": "1899-01-01"}, {"more": 1}):
            refused(put_child(me, **change), 422, "body-does-not-fit")


def test_a_guardian_who_takes_part_nowhere_registers_nobody(database, put_child):
    with nothing_written(database):
        refused(put_child(uuid4()), 404, "unknown-resident")


def test_ten_children_at_most_also_at_once(app, services, me, bearer):
    headers, start = bearer("resident", me), Barrier(12)

    def put(_: int) -> int:
        body = {"name": "小宝", "birth_on": a_birthday(8).isoformat(), "division": XIAYANG}
        client = app.test_client()
        start.wait(timeout=30)
        return client.put(f"/v1/me/children/{uuid4()}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(12) as threads:
        answers = sorted(threads.map(put, range(12)))

    assert answers == [201] * CHILDREN_MAX + [409] * 2
    assert len(rows(services, ActingFor, delegate_id=me)) == CHILDREN_MAX


def test_a_childs_data_are_sealed_and_a_look_is_recorded(services, me, put_child, client, bearer):
    holder_id = UUID(put_child(me).json["holder_id"])

    client.get("/v1/me/children", headers=bearer("resident", me))

    (read,) = rows(services, PersonalRead, holder_id=holder_id)
    assert (read.reader, read.role, read.fields) == (str(me), "guardian", ["birth_on", "name"])


def test_the_guardian_acts_for_the_child(services, me, put_child, act, client, database):
    child = put_child(me).json

    answer = act(me, child["id"])

    assert answer.status_code == 200, answer.text
    assert (answer.json["powers"], answer.json["holder_id"]) == ("guardian", child["holder_id"])
    assert "refresh_token" not in answer.json
    caller = services.tokens.check(answer.json["access_token"])
    assert (caller.subject, caller.actor, caller.powers) == (
        child["holder_id"],
        str(me),
        "guardian",
    )
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    profile = client.get("/v1/me", headers=headers)
    assert (profile.status_code, profile.json["name"]) == (200, "小宝")
    with nothing_written(database):
        for method, path in IN_PERSON:
            sent = client.open(path, method=method, headers=headers, json={})
            refused(sent, 403, "not-as-delegate")


IN_PERSON = [
    ("GET", "/v1/me/sessions"),
    ("DELETE", "/v1/me/sessions"),
    ("GET", "/v1/me/security-events"),
    ("GET", "/v1/me/children"),
    ("GET", "/v1/me/acting-for"),
    ("GET", "/v1/me/delegates"),
    ("POST", "/v1/me/delegate-offers"),
    ("POST", "/v1/auth/acting"),
]


def registered(services, guardian_id, birth_on: date, *, now: datetime):
    wanted = NewChild(uuid4(), guardian_id, "小宝", birth_on, XIAYANG)
    return services.database.transact(
        lambda s: register_child(s, services.keyring, wanted, now=now)
    )


@pytest.mark.parametrize(
    ("birth_on", "birthday"),
    [(date(2014, 6, 10), date(2028, 6, 10)), (date(2016, 2, 29), date(2030, 3, 1))],
)
def test_the_power_ends_as_the_fourteenth_birthday_begins_in_shanghai(
    services, me, birth_on, birthday
):
    child = registered(services, me, birth_on, now=NOW)
    turns = datetime(birthday.year, birthday.month, birthday.day, tzinfo=UTC) - timedelta(hours=8)

    def power(now):
        return services.database.transact(lambda s: delegations.power(s, child.id, me, now=now))

    last = power(turns - timedelta(seconds=1))
    assert (last.powers, last.until) == ("guardian", turns)
    with pytest.raises(GuardianshipOver):
        power(turns)

    def minor(now):
        return services.database.transact(lambda s: is_minor(s, child.holder_id, now))

    assert (minor(turns - timedelta(seconds=1)), minor(turns)) == (True, False)
    assert services.database.transact(lambda s: children_of(s, me, now=NOW)) == [child.holder_id]
    assert services.database.transact(lambda s: children_of(s, me, now=turns)) == []


def test_a_child_who_turned_fourteen_is_refused_over_http(
    services, me, act, client, bearer, put_child
):
    now = datetime.now(UTC)
    child = registered(services, me, a_birthday(14), now=now - timedelta(days=60))

    refused(act(me, child.id), 409, "guardianship-over")

    headers = bearer("resident", me)
    assert client.get("/v1/me/children", headers=headers).json == {"children": []}
    (listed,) = client.get("/v1/me/acting-for", headers=headers).json["acting_for"]
    assert (listed["id"], listed["powers"]) == (str(child.id), None)


def test_who_was_not_registered_as_a_child_is_none(services, me):
    def asked(session):
        return is_minor(session, me, NOW), minor_until(session, me), is_minor(session, uuid4(), NOW)

    assert services.database.transact(asked) == (False, None, False)


def test_a_child_is_not_left_without_a_guardian(services, me, put_child, client, bearer, database):
    child = put_child(me).json

    with nothing_written(database):
        refused(
            client.delete(f"/v1/me/acting-for/{child['id']}", headers=bearer("resident", me)),
            409,
            "guardian-stays",
        )
        refused(
            client.delete(
                f"/v1/me/delegates/{child['id']}", headers=bearer("resident", child["holder_id"])
            ),
            409,
            "guardian-stays",
        )


def test_a_child_lets_nobody_act_and_acts_for_nobody(services, me, parent, put_child, enter, offer):
    child_id = put_child(me).json["holder_id"]

    refused(enter(parent, offer(child_id)), 422, "offer-code-not-good")
    refused(enter(child_id, offer(parent)), 422, "offer-code-not-good")


# Delegates.


def test_a_relative_is_let_in_and_acts(services, me, parent, offer, enter, act, client, bearer):
    delegation_id = uuid4()

    answer = enter(me, offer(parent), delegation_id)

    assert answer.status_code == 201, answer.text
    assert answer.json == {
        "id": str(delegation_id),
        "holder_id": str(parent),
        "kind": "delegate",
        "powers": "read",
        "name": "张大爷",
        "began_at": answer.json["began_at"],
    }
    mine = client.get("/v1/me/acting-for", headers=bearer("resident", me)).json["acting_for"]
    assert mine == [answer.json]
    theirs = client.get("/v1/me/delegates", headers=bearer("resident", parent)).json["delegates"]
    assert [(each["name"], each["powers"]) for each in theirs] == [("张三", "read")]
    assert set(theirs[0]) == {"id", "kind", "powers", "name", "began_at"}
    token = act(me, delegation_id).json
    caller = services.tokens.check(token["access_token"])
    assert (caller.subject, caller.actor, caller.powers) == (str(parent), str(me), "read")
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert client.get("/v1/accounts", headers=headers).status_code == 200


def test_names_are_read_with_a_record(services, me, parent, offer, enter, client, bearer):
    enter(me, offer(parent))
    client.get("/v1/me/acting-for", headers=bearer("resident", me))
    client.get("/v1/me/delegates", headers=bearer("resident", parent))

    (of_parent,) = rows(services, PersonalRead, holder_id=parent)
    (of_me,) = rows(services, PersonalRead, holder_id=me)
    assert (of_parent.reader, of_parent.purpose) == (str(me), "acting-for")
    assert (of_me.reader, of_me.purpose) == (str(parent), "delegates")


def test_entering_again_is_the_same_and_needs_no_code(services, me, parent, offer, enter, database):
    delegation_id = uuid4()
    first = enter(me, offer(parent), delegation_id)

    with nothing_written(database):
        again = enter(me, "anything", delegation_id)

    assert (again.status_code, again.json) == (201, first.json)


def test_a_code_is_good_once_and_only_as_written(services, me, parent, offer, enter, database):
    code = offer(parent)
    assert len(code) == 10
    assert set(code) <= set(ALPHABET)

    typed = f" {code[:5].lower()}-{code[5:]} ".replace("0", "o").replace("1", "l")
    assert enter(me, typed).status_code == 201

    other = a_person(services)
    for wrong in (code, "0000000000", "碳惠", "*"):
        refused_in_both_languages(
            database, lambda h, c=wrong: enter(other, c, headers=h), 422, "offer-code-not-good"
        )


def test_of_those_who_enter_a_code_at_once_one_has_it(app, services, parent, offer, bearer):
    people = [a_person(services) for _ in range(4)]
    code, start = offer(parent), Barrier(4)

    def enter(person: UUID) -> int:
        client, headers = app.test_client(), bearer("resident", person)
        start.wait(timeout=30)
        url = f"/v1/me/acting-for/{uuid4()}"
        return client.put(url, json={"code": code}, headers=headers).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(enter, people)) == [201, 422, 422, 422]
    assert len(rows(services, Delegation, holder_id=parent)) == 1


def test_the_same_request_twice_at_once_is_one_delegation(app, services, me, parent, offer, bearer):
    """The slower one gets the same, or is told to ask again, and then gets the same."""
    code, url, start = offer(parent), f"/v1/me/acting-for/{uuid4()}", Barrier(6)
    headers = bearer("resident", me)

    def put(_: int):
        start.wait(timeout=30)
        return app.test_client().put(url, json={"code": code}, headers=headers)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(put, range(6)))

    for late in (answer for answer in answers if answer.status_code != 201):
        refused(late, 503, "too-busy")
        assert int(late.headers["Retry-After"]) > 0
    done = [answer.json for answer in answers if answer.status_code == 201]
    again = app.test_client().put(url, json={"code": code}, headers=headers)
    assert (again.status_code, done) == (201, [again.json] * len(done))
    assert len(done) > 0
    assert len(rows(services, Delegation, holder_id=parent)) == 1


def test_while_the_same_request_is_under_way_the_later_one_waits_and_the_code_stays_good(
    services, me, parent, offer, enter, database
):
    delegation_id, code = uuid4(), offer(parent)
    offers = Offers(services.cache, services.keyring.derived("delegate offers"))

    with offers.alone(delegation_id, me), nothing_written(database):
        refused(enter(me, code, delegation_id), 503, "too-busy")
    assert enter(me, code, delegation_id).status_code == 201


def test_lists_take_as_many_statements_for_many_as_for_one(
    services, me, parent, offer, enter, put_child, client, bearer, statements
):
    def cost(path, person):
        with statements() as seen:
            answer = client.get(f"/v1/me/{path}", headers=bearer("resident", person))
        assert answer.status_code == 200, answer.text
        (listed,) = answer.json.values()
        return len(listed), len(seen)

    put_child(me)
    enter(me, offer(parent))
    few = [cost("children", me), cost("acting-for", me), cost("delegates", parent)]
    for _ in range(3):
        put_child(me)
        enter(me, offer(a_person(services, "李四")))
        enter(a_person(services, "王五"), offer(parent))
    many = [cost("children", me), cost("acting-for", me), cost("delegates", parent)]

    assert [listed for listed, _ in few] == [1, 2, 1]
    assert [listed for listed, _ in many] == [4, 8, 4]
    assert [sent for _, sent in few] == [sent for _, sent in many]
    assert max(sent for _, sent in many) <= 7


def test_nobody_acts_for_themselves_and_the_code_stays_good(me, parent, offer, enter, database):
    code = offer(parent)

    with nothing_written(database):
        refused(enter(parent, code), 422, "offer-code-not-good")

    assert enter(me, code).status_code == 201


def test_a_code_ends_after_ten_minutes(services):
    offers = Offers(services.cache, b"key")
    code = offers.make(Kept(uuid4(), False, NOW + LIFETIME))

    with pytest.raises(OfferNotGood):
        offers.take(code, now=NOW + LIFETIME)


def test_redis_holds_no_code(services, parent, offer):
    code = offer(parent)
    server = redis.Redis.from_url(services.settings.redis_url)

    for key in server.scan_iter("tanhui:offer:*"):
        assert code.encode() not in key
        assert code.encode() not in (server.get(key) or b"")


def test_codes_are_as_meant():
    assert plain("o1-iL 2ab") == "01112AB"


def test_a_delegations_id_does_not_stand_for_a_child_too(me, parent, offer, enter, put_child):
    delegation_id, child_id = uuid4(), uuid4()
    enter(me, offer(parent), delegation_id)

    refused(put_child(me, delegation_id), 409, "child-id-reused")

    child = put_child(me, child_id).json
    assert enter(me, offer(parent), child_id).json["holder_id"] == child["holder_id"]


def test_too_many_tries_are_refused(me, parent, offer, enter):
    for _ in range(10):
        refused(enter(me, "0000000000"), 422, "offer-code-not-good")

    answer = enter(me, offer(parent))

    refused(answer, 429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("guessed", [1, 0, "true", "yes"])
def test_what_a_relative_may_is_nothing_to_be_guessed(parent, client, bearer, guessed):
    """1 is equal to true, and is none."""
    answer = client.post(
        "/v1/me/delegate-offers",
        json={"may_spend": guessed},
        headers=bearer("resident", parent),
    )

    refused(answer, 422, "body-does-not-fit")


def test_too_many_offers_are_refused(parent, offer, client, bearer):
    for _ in range(10):
        offer(parent)

    answer = client.post(
        "/v1/me/delegate-offers",
        json={"may_spend": False},
        headers=bearer("resident", parent),
    )

    refused(answer, 429, "too-many-requests")


def test_without_redis_no_code_is_made_or_believed(settings, services, me, parent, offer, bearer):
    code = offer(parent)
    app = create_app(replace(settings, redis_url="redis://127.0.0.1:1"))
    client = app.test_client()
    try:
        made = client.post(
            "/v1/me/delegate-offers",
            json={"may_spend": True},
            headers=bearer("resident", parent),
        )
        entered = client.put(
            f"/v1/me/acting-for/{uuid4()}", json={"code": code}, headers=bearer("resident", me)
        )
    finally:
        app.extensions["tanhui"].database.dispose()

    refused(made, 503, "codes-unavailable")
    refused(entered, 503, "codes-unavailable")
    assert rows(services, Delegation, holder_id=parent) == []


def test_five_delegates_at_most(services, parent, offer, enter):
    for _ in range(DELEGATES_MAX):
        assert enter(a_person(services), offer(parent)).status_code == 201

    found = refused(enter(a_person(services), offer(parent)), 409, "too-many-delegations")

    assert found["delegations_max"] == DELEGATES_MAX


def test_a_new_offer_takes_the_place_of_what_stood(services, me, parent, offer, enter, act):
    first, second = uuid4(), uuid4()
    enter(me, offer(parent), first)

    assert enter(me, offer(parent, may_spend=True), second).json["powers"] == "spend"

    refused(act(me, first), 404, "unknown-delegation")
    assert act(me, second).json["powers"] == "spend"
    ended = {each.id: each.ended_by for each in rows(services, Delegation, holder_id=parent)}
    assert ended == {first: "replaced", second: None}


@pytest.mark.parametrize("side", ["holder", "delegate"])
def test_either_side_ends_it_and_again_changes_nothing(
    services, me, parent, offer, enter, act, client, bearer, side
):
    delegation_id = uuid4()
    enter(me, offer(parent), delegation_id)
    path, who = ("delegates", parent) if side == "holder" else ("acting-for", me)

    for _ in range(2):
        answer = client.delete(f"/v1/me/{path}/{delegation_id}", headers=bearer("resident", who))
        assert answer.status_code == 204

    refused(act(me, delegation_id), 404, "unknown-delegation")
    (left,) = rows(services, Delegation, holder_id=parent)
    assert left.ended_by == side
    assert rows(services, ActingFor, delegate_id=me) == []
    for listed, person in (("acting-for", me), ("delegates", parent)):
        answer = client.get(f"/v1/me/{listed}", headers=bearer("resident", person)).json
        assert list(answer.values()) == [[]]
    refused(enter(me, offer(parent), delegation_id), 409, "delegation-id-reused")


def test_nobody_ends_what_is_anothers(services, me, parent, offer, enter, client, bearer):
    delegation_id = uuid4()
    enter(me, offer(parent), delegation_id)

    for path, who in (("delegates", me), ("acting-for", parent), ("delegates", uuid4())):
        answer = client.delete(f"/v1/me/{path}/{delegation_id}", headers=bearer("resident", who))
        assert answer.status_code == (204 if who in (me, parent) else 404)

    (left,) = rows(services, Delegation, holder_id=parent)
    assert left.ended_at is None


def test_nobody_acts_by_anothers_delegation(services, me, parent, offer, enter, act):
    delegation_id = uuid4()
    enter(me, offer(parent), delegation_id)

    for who in (parent, a_person(services), uuid4()):
        refused(act(who, delegation_id), 404, "unknown-delegation")


def test_closing_an_account_ends_both_sides(services, me, parent, offer, enter):
    child = a_person(services)
    mine, theirs = uuid4(), uuid4()
    enter(me, offer(parent), mine)
    enter(child, offer(me), theirs)

    ended = [services.database.transact(lambda s: end_all(s, me, now=NOW)) for _ in range(2)]

    assert ended == [2, 0]
    for delegation_id, delegate_id in ((mine, me), (theirs, child)):
        with pytest.raises(UnknownDelegation):
            services.database.transact(
                lambda s, i=delegation_id, d=delegate_id: delegations.power(s, i, d, now=NOW)
            )


# Where a delegate gets in.

ACTING = {
    ("GET", "/v1/accounts"): "read",
    ("GET", "/v1/accounts/<uuid:account_id>/statement"): "read",
    ("GET", "/v1/accounts/<uuid:account_id>/balance"): "read",
    ("GET", "/v1/accounts/<uuid:account_id>/lots"): "read",
    ("GET", "/v1/accounts/holds"): "read",
    ("GET", "/v1/activities"): "read",
    ("GET", "/v1/activities/days"): "read",
    ("GET", "/v1/activities/<uuid:activity_id>"): "read",
    ("GET", "/v1/activities/<uuid:activity_id>/review"): "read",
    ("GET", "/v1/activities/<uuid:activity_id>/appeal"): "read",
    ("GET", "/v1/catalogue/rules"): "read",
    ("GET", "/v1/consents"): "read",
    ("GET", "/v1/scenes/<string:code>/consent-texts/<int:version>"): "read",
    ("GET", "/v1/household"): "read",
    ("GET", "/v1/offers"): "read",
    ("GET", "/v1/offers/<uuid:offer_id>"): "read",
    ("GET", "/v1/redemptions"): "read",
    ("GET", "/v1/redemptions/<uuid:redemption_id>"): "read",
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher"): "spend",
    ("GET", "/v1/redemptions/<uuid:redemption_id>/voucher.svg"): "spend",
    ("GET", "/v1/scenes"): "read",
    ("GET", "/v1/scenes/<string:code>"): "read",
    ("GET", "/v1/transfers/<uuid:transfer_id>/proof"): "read",
    ("PUT", "/v1/activities/<uuid:activity_id>"): "spend",
    ("PUT", "/v1/activities/<uuid:activity_id>/answer"): "spend",
    ("PUT", "/v1/activities/<uuid:activity_id>/appeal"): "spend",
    ("PUT", "/v1/redemptions/<uuid:redemption_id>"): "spend",
    ("PUT", "/v1/redemptions/<uuid:redemption_id>/cancellation"): "spend",
}
"""Every other route of residents is for oneself or a child's guardian."""


def residents_routes(app):
    return [
        route
        for route in routes(app)
        if "resident" in (route.view.authentication or ()) and route.method != "HEAD"
    ]


def test_delegates_are_let_in_where_this_table_says(app):
    found = {(r.method, r.rule): r.view.acting for r in residents_routes(app)}

    assert {key: level for key, level in found.items() if level in ("read", "spend")} == ACTING


@pytest.mark.parametrize("powers", POWERS)
def test_a_token_opens_each_route_as_far_as_it_is_meant_to(app, client, bearer, powers):
    headers = bearer("resident", uuid4(), actor=str(uuid4()), powers=powers)

    for route in residents_routes(app):
        answer = client.open(route.url, method=route.method, headers=headers)
        if may_act(powers, route.view.acting):
            assert answer.status_code not in (401, 403), route
        else:
            assert answer.status_code == 403, route
            refused(answer, 403, "not-as-delegate")


@pytest.mark.parametrize("powers", ["", "all", "Guardian", "spend "])
def test_powers_that_are_none_of_ours_open_nothing(client, bearer, powers):
    headers = bearer("resident", uuid4(), actor=str(uuid4()), powers=powers)

    refused(client.get("/v1/accounts", headers=headers), 403, "not-as-delegate")


def test_who_may_spend_spends_and_who_may_read_does_not(
    services, me, parent, offer, enter, act, client, database
):
    tea = services.database.transact(an_offer)
    url, body = f"/v1/redemptions/{uuid4()}", {"offer_id": str(tea.id)}

    def headers(may_spend):
        delegation_id = uuid4()
        enter(me, offer(parent, may_spend=may_spend), delegation_id)
        return {"Authorization": f"Bearer {act(me, delegation_id).json['access_token']}"}

    reading = headers(False)
    with nothing_written(database):
        refused(client.put(url, json=body, headers=reading | ENGLISH), 403, "not-as-delegate")
    assert client.put(url, json=body, headers=headers(True)).status_code == 201
    assert client.get(url, headers=reading).status_code == 200


def test_a_closed_childs_account_is_not_registered_again(services, me):
    wanted = NewChild(uuid4(), me, "小宝", date(2018, 1, 2), XIAYANG)

    def register():
        return services.database.transact(
            lambda s: register_child(s, services.keyring, wanted, now=NOW)
        )

    holder_id = register().holder_id
    services.database.transact(
        lambda s: s.execute(
            update(Person)
            .where(Person.holder_id == holder_id)
            .values(data_key=None, master_key_id=None, closed_at=NOW)
        )
    )

    with pytest.raises(AccountClosed):
        register()
    assert services.database.transact(lambda s: children_of(s, me, now=NOW)) == []
