"""Reading the admin log: who may, what of it, page by page and as a whole."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.admin.log import Act, Actor, Done, record, record_many
from service.admin.reading import WALK_ROWS
from tests.service.answers import ENGLISH, refused, refused_in_both_languages

LOG, EXPORT = "/v1/admin-log", "/v1/admin-log/export"
AT = datetime(2024, 5, 1, 4, tzinfo=UTC)
FIELDS = {
    "id", "acted_at", "actor", "role", "programme", "what", "object_kind", "object_id", "holder_id",
    "before", "after", "withheld", "channel", "from_address", "request_id",
}  # fmt: skip


@pytest.fixture
def name() -> str:
    """Of somebody whose acts are a test's own."""
    return f"anna-{uuid4().hex}"


@pytest.fixture
def act(database, name):
    """Commits an act; ``minute`` after AT."""

    def do(what="x.do", *, minute=0, by="*", object_id="1", holder_id=None, programme=None):
        who = Actor(name, "operator", by, "api", "192.0.2.7", "req-1")
        about = Act(what, "thing", object_id, holder_id, programme)
        at = AT + timedelta(minutes=minute)
        database.transact(lambda s: record(s, who, about, before={"n": 1}, after={"n": 2}, now=at))

    return do


@pytest.fixture
def auditor(bearer):
    return bearer("auditor", "ada")


def whats(answer):
    assert answer.status_code == 200, answer.text
    return [act["what"] for act in answer.json["acts"]]


def lines(answer):
    assert answer.status_code == 200
    assert answer.content_type == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_acts_are_told_the_newest_first_page_by_page(client, auditor, act, name):
    for n in range(5):
        act(f"x.{n}", minute=n)
    found, cursor = [], None
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        answer = client.get(f"{LOG}?actor={name}&limit=2{more}", headers=auditor)
        found.append(whats(answer))
        if (cursor := answer.json["next_cursor"]) is None:
            break

    assert found == [["x.4", "x.3"], ["x.2", "x.1"], ["x.0"]]


def test_a_row_is_told_whole_to_an_auditor(client, auditor, act, name):
    holder_id = uuid4()
    act("x.do", holder_id=holder_id, programme="sh-2026")

    (found,) = client.get(f"{LOG}?actor={name}", headers=auditor).json["acts"]

    assert set(found) == FIELDS
    assert found.items() >= {
        "actor": name, "role": "operator", "programme": "sh-2026", "what": "x.do",
        "object_kind": "thing", "object_id": "1", "holder_id": str(holder_id),
        "before": {"n": 1}, "after": {"n": 2}, "withheld": False, "channel": "api",
        "from_address": "192.0.2.7", "request_id": "req-1",
    }.items()  # fmt: skip
    assert datetime.fromisoformat(found["acted_at"]) == AT


def test_an_administrator_sees_that_it_was_done_and_no_resident(client, bearer, act, name):
    act("x.about", holder_id=uuid4(), minute=1)
    act("x.other")
    admin = bearer("administrator", "root")

    about, other = client.get(f"{LOG}?actor={name}", headers=admin).json["acts"]

    hidden = (about["holder_id"], about["before"], about["after"], about["withheld"])
    assert hidden == (None, None, None, True)
    assert (about["what"], about["actor"]) == ("x.about", name)
    assert (other["before"], other["withheld"]) == ({"n": 1}, False)
    for line, told in zip(
        lines(client.get(f"{EXPORT}?actor={name}", headers=admin)), (other, about), strict=True
    ):
        at = {"acted_at": told["acted_at"].replace("+00:00", "Z")}
        assert line == told | at
    for path in (LOG, EXPORT):
        answer = client.get(f"{path}?holder_id={uuid4()}", headers=admin)
        refused(answer, 403, "wrong-role")


def test_an_administrator_is_not_told_of_a_resident_by_another_name(
    client, bearer, auditor, act, name
):
    holder_id = uuid4()
    act("resident.close", holder_id=holder_id, object_id=str(holder_id))
    admin = bearer("administrator", "root")

    answer = client.get(f"{LOG}?actor={name}", headers=admin)

    assert str(holder_id) not in answer.text
    assert str(holder_id) not in client.get(f"{EXPORT}?actor={name}", headers=admin).text
    by_object = f"{LOG}?object_kind=resident&object_id={holder_id}"
    refused(client.get(by_object, headers=admin), 403, "wrong-role")
    assert client.get(by_object, headers=auditor).status_code == 200


def test_a_grant_of_one_programme_sees_what_anybody_did_in_it(client, bearer, act, name):
    act("x.by-all", by="*", programme="sh-2026")
    act("x.by-own", by="sh-2026", minute=1)
    act("x.elsewhere", by="sh-2026", programme="demo-2016", minute=2)
    act("x.of-every-one", by="*", minute=3)
    for role in ("auditor", "administrator"):
        own = bearer(role, "ada", programme="sh-2026")
        assert whats(client.get(f"{LOG}?actor={name}", headers=own)) == ["x.by-own", "x.by-all"]
        exported = lines(client.get(f"{EXPORT}?actor={name}", headers=own))
        assert [each["what"] for each in exported] == ["x.by-all", "x.by-own"]


def test_a_grant_of_a_division_sees_none_of_it(client, database, bearer):
    bound = bearer("auditor", "ada", "310118")
    for path in (LOG, EXPORT):
        refused_in_both_languages(
            database, lambda x, path=path: client.get(path, headers=bound | x), 403, "out-of-reach"
        )


def test_it_is_filtered(client, auditor, act, name):
    holder_id, object_id = uuid4(), uuid4().hex
    act("x.one", object_id=object_id)
    act("x.two", minute=10, holder_id=holder_id)
    act("x.three", minute=20)
    since = (AT + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    until = (AT + timedelta(minutes=20)).isoformat().replace("+00:00", "Z")
    for query, wanted in (
        (f"actor={name}&what=x.one", ["x.one"]),
        (f"object_kind=thing&object_id={object_id}", ["x.one"]),
        (f"object_kind=other&object_id={object_id}", []),
        (f"holder_id={holder_id}", ["x.two"]),
        (f"actor={name}&since={since}", ["x.three", "x.two"]),
        (f"actor={name}&until={until}", ["x.two", "x.one"]),
        (f"actor={name}&since={since}&until={until}", ["x.two"]),
        ("actor=nobody", []),
    ):
        assert whats(client.get(f"{LOG}?{query}", headers=auditor)) == wanted, query
        exported = lines(client.get(f"{EXPORT}?{query}", headers=auditor))
        assert [each["what"] for each in exported] == wanted[::-1]


@pytest.mark.parametrize(
    "query",
    ["object_id=1", "holder_id=x", "since=2024-05-01", "limit=0", "limit=201", "cursor=x",
     "actor=%00", "unknown=1"],
)  # fmt: skip
def test_an_odd_question_is_refused(client, auditor, query):
    for path in (LOG, EXPORT):
        answer = client.get(f"{path}?{query}", headers=auditor | ENGLISH)
        assert answer.status_code == 422, (path, query)


def test_the_whole_log_is_exported_piece_by_piece_and_once(
    client, database, auditor, name, statements
):
    who = Actor(name, "operator", "*", "command", "anna@here", "")
    count = WALK_ROWS + 3
    acts = [Done(Act("x.do", "thing", str(n)), None, {"n": n}) for n in range(count)]
    for first in range(0, count, 500):
        at = AT + timedelta(seconds=first)
        database.transact(lambda s, f=first, at=at: record_many(s, who, acts[f : f + 500], now=at))

    with statements() as seen:
        found = lines(client.get(f"{EXPORT}?actor={name}", headers=auditor))

    assert [each["after"]["n"] for each in found] == list(range(count))
    assert set(found[0]) == FIELDS
    assert sum("FROM admin_act" in statement for statement in seen) == 2


def test_reading_is_no_act(client, database, auditor, name, act):
    act()
    for path in (LOG, EXPORT):
        headers = auditor | {"X-Request-Id": (request_id := uuid4().hex)}
        client.get(f"{path}?actor={name}", headers=headers)
        found = client.get(f"{LOG}?actor=ada", headers=auditor).json["acts"]
        assert request_id not in {each["request_id"] for each in found}
