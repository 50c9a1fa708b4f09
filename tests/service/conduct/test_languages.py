"""Every sentence that a person reads is there in Chinese and in English, and in one at a time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import service
from service.field_messages import _CHINESE as FIELD_MESSAGES
from service.field_messages import field_message
from service.problems import ALL_TYPES
from tests.makers import a_resident, a_ride, a_walk, an_offer, recorded
from tests.service.answers import ENGLISH, a_shop
from tests.service.test_activities_api import RIDING, a_day, with_scenes

pytestmark = pytest.mark.once

CHINESE = re.compile("[\u4e00-\u9fff]")
# Three words in a row, none of them a code, a name of ours or a unit.
SENTENCE = re.compile(r"(?<![\w./-])[A-Za-z][a-z’']*(?: [a-z][a-z’']*){2,}")
# What is quoted as it was written: approvals, sources, names in both languages side by side.
AS_WRITTEN = {
    "exclusions",
    "document",
    "publisher",
    "page",
    "source",
    "statement",
    "url",
    "name",
    "materials",
}
SERVICE = Path(service.__file__).parent


def texts() -> Iterator[tuple[str, str, str]]:
    """(place, Chinese, English) of every text written in the code as a pair."""
    for path in sorted(SERVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "Text" and len(node.args) == 2:
                pair = [literal(each) for each in node.args]
                if None not in pair:
                    yield f"{path.name}:{node.lineno}", *pair


def literal(node: ast.expr) -> str | None:
    """The text of a plain string, or of the constant parts of an f-string."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return None


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of every text in an answer, but what is quoted as it was written."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in AS_WRITTEN and not name.endswith(("zh", "en", "zh-CN")):
                yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)
    elif isinstance(value, str):
        yield key, value


def foreign(chinese: Any, english: Any) -> list[tuple[str, str]]:
    """Chinese in the English answer, and English sentences in the Chinese one."""
    return [(key, text) for key, text in strings(english) if CHINESE.search(text)] + [
        (key, text) for key, text in strings(chinese) if SENTENCE.search(text)
    ]


def test_every_text_of_the_code_is_in_both_languages():
    found = list(texts())

    assert len(found) >= 50
    assert [each for each in found if CHINESE.search(each[2])] == []
    assert [each for each in found if SENTENCE.search(each[1])] == []
    assert [each for each in found if not CHINESE.search(each[1]) and " " in each[2]] == []


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.slug)
def test_a_problem_is_told_in_one_language(kind):
    for text in (kind.title, kind.detail):
        assert not SENTENCE.search(text.zh)
        assert not CHINESE.search(text.en)


def test_a_field_is_spoken_of_in_one_language():
    for message, chinese in FIELD_MESSAGES.items():
        assert CHINESE.search(chinese)
        assert not SENTENCE.search(chinese)
        assert not CHINESE.search(message)
    assert field_message("Not a valid UUID.").zh == "须为 UUID。"


@pytest.fixture
def both(client):
    """The answers in Chinese and in English."""

    def ask(path, headers):
        answers = [client.get(path, headers=headers | each) for each in ({}, ENGLISH)]
        assert [answer.status_code for answer in answers] == [200, 200], path
        return [answer.json for answer in answers]

    return ask


@pytest.fixture
def resident(database):
    """Who walked, walked too much, walked again, and rode for an instant."""
    holder_id = database.transact(a_resident)
    for event in (
        *[
            a_walk(holder_id, steps, day=day)
            for day, steps in enumerate((5_000, 40_000, 9, 99_999))
        ],
        a_walk(holder_id, 6_000),
        a_ride(holder_id, seconds=5),
        a_ride(holder_id, seconds=900),
        a_ride(holder_id, seconds=90_000),
    ):
        database.transact(lambda s, event=event: recorded(s, event))
    return holder_id


def test_a_residents_activities_and_their_why(both, bearer, resident):
    headers = bearer("resident", resident)
    chinese, english = both("/v1/activities?limit=200", headers)

    assert len({row["code"] for row in chinese["activities"]}) >= 3
    assert foreign(chinese, english) == []
    for row in chinese["activities"]:
        assert foreign(*both(f"/v1/activities/{row['id']}", headers)) == []


@pytest.mark.parametrize(
    "path", ["/v1/accounts", "/v1/offers", "/v1/scenes", "/v1/consents", "/v1/household"]
)
def test_what_a_resident_reads(database, both, bearer, path):
    holder_id, _ = a_shop(database)

    assert foreign(*both(path, bearer("resident", holder_id))) == []


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/reviews", "/v1/scenes", "/v1/appeals"])
def test_what_staff_read(both, bearer, path):
    assert foreign(*both(path, bearer("operator", "anna"))) == []


@pytest.mark.parametrize(
    "body",
    [
        a_day(),
        a_day(steps=999_999),
        a_day(steps=0),
        a_day(scene=RIDING),
        a_day(scene="no.such"),
        {},
    ],
    ids=["good", "too much", "nothing", "another unit", "no scene", "no body"],
)
def test_what_a_report_is_answered(client, database, bearer, body):
    with_scenes(database)
    answers = [
        client.put(
            f"/v1/activities/{uuid4()}",
            json=body,
            headers=bearer("resident", database.transact(a_resident)) | language,
        ).json
        for language in ({}, ENGLISH)
    ]

    assert foreign(*answers) == []


def test_what_a_redemption_and_its_refusal_are_answered(client, database, bearer):
    holder_id, _ = a_shop(database, points=120)
    broke = database.transact(lambda s: an_offer(s, price_points=9_999))
    headers = bearer("resident", holder_id)
    for body in ({"offer_id": str(broke.id)}, {"offer_id": str(uuid4())}, {"offer_id": 7}):
        answers = [
            client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=headers | each).json
            for each in ({}, ENGLISH)
        ]
        assert foreign(*answers) == []
        assert answers[0]["title"] != answers[1]["title"]
