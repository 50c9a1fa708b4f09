"""Cards at the desk: one more for a resident, a lost one blocked for good."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from service.admin.models import AdminAct
from tests.makers import a_resident
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.test_activities_api import BY_STAFF, a_day, with_scenes


@pytest.fixture(autouse=True)
def _scenes(database):
    with_scenes(database)


@pytest.fixture
def operator(bearer):
    return bearer("operator", "operator-3")


@pytest.fixture
def holder_id(database):
    return database.transact(a_resident)


def a_number() -> str:
    return f"SH{uuid4().hex[:12].upper()}"


def one_more(holder_id, request_id=None) -> str:
    return f"/v1/staff/residents/{holder_id}/cards/{request_id or uuid4()}"


def a_block(block_id=None) -> str:
    return f"/v1/staff/card-blocks/{block_id or uuid4()}"


def shown(client, headers, number):
    """What the desk is told of a card."""
    body = a_day(scene=BY_STAFF, card_number=number)
    return client.put(f"/v1/staff/activities/{uuid4()}", json=body, headers=headers)


def acts(database, request_id):
    query = select(AdminAct).where(AdminAct.object_id == str(request_id)).order_by(AdminAct.id)
    return database.transact(lambda session: session.scalars(query).all())


def test_a_resident_has_two_cards_and_both_find_them(client, operator, holder_id):
    numbers = [a_number(), a_number()]
    for number in numbers:
        given = client.put(one_more(holder_id), json={"card_number": number}, headers=operator)
        assert (given.status_code, given.json) == (201, {"holder_id": str(holder_id)})

    for number in numbers:
        assert shown(client, operator, number.lower()).json["holder_id"] == str(holder_id)


def test_the_same_request_again_changes_nothing(client, database, operator, holder_id):
    url, body = one_more(holder_id), {"card_number": a_number()}
    first = client.put(url, json=body, headers=operator)

    with nothing_written(database):
        again = client.put(url, json=body, headers=operator)

    assert (again.status_code, again.json) == (201, first.json)


def test_a_blocked_card_is_unknown_everywhere_and_nobodys_ever(
    client, database, operator, holder_id
):
    number, block_id = a_number(), uuid4()
    client.put(one_more(holder_id), json={"card_number": number}, headers=operator)

    blocked = client.put(a_block(block_id), json={"card_number": number}, headers=operator)

    assert blocked.status_code == 201
    assert blocked.json["holder_id"] == str(holder_id)
    refused(shown(client, operator, number), 404, "unknown-card")
    other = database.transact(a_resident)
    for who in (holder_id, other):
        url = one_more(who)
        refused_in_both_languages(
            database,
            lambda more, url=url: client.put(
                url, json={"card_number": number}, headers=operator | more
            ),
            409,
            "card-taken",
        )
    # Again, and again under another id: as it stands.
    for url in (a_block(block_id), a_block()):
        with nothing_written(database):
            again = client.put(url, json={"card_number": number}, headers=operator)
        assert (again.status_code, again.json) == (201, blocked.json)


def test_a_card_of_the_release_before_can_be_blocked(client, database, operator, holder_id):
    number = a_number()
    old = text("INSERT INTO subject (subject, source, holder_id) VALUES (:number, 'card', :holder)")
    database.transact(lambda s: s.execute(old, {"number": number, "holder": holder_id}))
    assert shown(client, operator, number).status_code == 201

    assert client.put(a_block(), json={"card_number": number}, headers=operator).status_code == 201

    refused(shown(client, operator, number), 404, "unknown-card")
    rest = text("DELETE FROM subject WHERE subject = :number")
    database.transact(lambda s: s.execute(rest, {"number": number}))


def test_an_id_stands_for_one_card_and_one_act(client, database, operator, holder_id):
    number, id_ = a_number(), uuid4()
    client.put(one_more(holder_id, id_), json={"card_number": number}, headers=operator)
    other = database.transact(a_resident)

    for url, card in (
        (one_more(holder_id, id_), a_number()),
        (one_more(other, id_), number),
        (a_block(id_), number),
    ):
        found = refused_in_both_languages(
            database,
            lambda more, url=url, card=card: client.put(
                url, json={"card_number": card}, headers=operator | more
            ),
            409,
            "card-request-id-reused",
        )
        assert found["request_id"] == str(id_)


def test_the_admin_log_has_both_acts_and_not_the_number(client, database, operator, holder_id):
    number, given, blocked = a_number(), uuid4(), uuid4()
    client.put(one_more(holder_id, given), json={"card_number": number}, headers=operator)
    client.put(a_block(blocked), json={"card_number": number}, headers=operator)

    (give,), (block,) = acts(database, given), acts(database, blocked)

    assert (give.what, give.before, give.actor) == ("card.give", None, "operator-3")
    assert (block.what, block.holder_id) == ("card.block", holder_id)
    assert block.before == give.after
    assert block.before["blocked_at"] is None
    assert block.after["blocked_at"]
    assert number not in f"{give.before}{give.after}{block.before}{block.after}"


def test_nobody_blocks_or_gives_out_of_their_reach(client, database, bearer, operator, holder_id):
    number = a_number()
    client.put(one_more(holder_id), json={"card_number": number}, headers=operator)
    elsewhere = bearer("operator", "far-away", programme="no-such-programme")

    with nothing_written(database):
        answer = client.put(a_block(), json={"card_number": number}, headers=elsewhere)
        unknown = client.put(a_block(), json={"card_number": a_number()}, headers=elsewhere)
        refused(answer, 404, "unknown-card")
        assert answer.json == unknown.json | {"instance": answer.json["instance"]}
        for headers, who in ((elsewhere, holder_id), (operator, uuid4())):
            body = {"card_number": a_number()}
            answer = client.put(one_more(who), json=body, headers=headers)
            refused(answer, 404, "unknown-resident")


def test_of_many_who_get_the_same_card_at_once_one_has_it(client, app, database, operator):
    number = a_number()
    holders = [database.transact(a_resident) for _ in range(4)]

    def give(who):
        body = {"card_number": number}
        return app.test_client().put(one_more(who), json=body, headers=operator).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(give, holders)) == [201, 409, 409, 409]
