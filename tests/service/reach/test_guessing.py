"""No object is readable, and none is changed, by guessing its id: route by route."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from service.api import openapi
from tests.service.answers import refused
from tests.service.reach.guesses import GUESSES, NOTHING_TO_GUESS, TAKEN, Guess
from tests.service.reach.world import Side, everything, nobody
from tests.service.test_auth import routes

pytestmark = pytest.mark.once

PLACES = {"mine", "theirs"}


def cases(table: dict[tuple[str, str], list[Guess]]) -> list[Any]:
    """Each guess by each caller."""
    return [
        pytest.param(method, rule, guess, role, grant, id=f"{method} {rule} {n} {role} {grant}")
        for (method, rule), guesses in table.items()
        for n, guess in enumerate(guesses)
        for role in guess.roles
        for grant in guess.grants
    ]


def resolved(value: Any, sides: dict[str, Side]) -> Any:
    """``theirs.card`` and the like, wherever they stand, as what they stand for."""
    if isinstance(value, dict):
        return {name: resolved(each, sides) for name, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, sides) for each in value]
    if value == "fresh":
        return str(uuid4())
    place, dot, name = str(value).partition(".")
    return str(getattr(sides[place], name)) if dot and place in PLACES else value


def path_of(rule: str, values: dict[str, Any]) -> str:
    for name, value in values.items():
        start = rule.index(f":{name}>")
        opening = rule.rindex("<", 0, start)
        rule = rule[:opening] + quote(str(value), safe="") + rule[start + len(name) + 2 :]
    assert "<" not in rule
    return rule


@pytest.fixture
def guessing(client, asking):
    """The answer to a guess, and the same in words that do not depend on the ids."""

    def ask(method, rule, guess, role, grant, sides):
        path = path_of(rule, resolved(guess.path, sides))
        body = b"" if guess.body is None else json.dumps(resolved(guess.body, sides)).encode()
        answer = client.open(
            path,
            method=method,
            query_string=resolved(guess.query, sides),
            data=body,
            content_type="application/json" if body else None,
            headers=asking(role, grant, body),
        )
        assert answer.status_code == guess.status, answer.text
        if guess.slug:
            refused(answer, guess.status, guess.slug)
        told = (answer.get_json(silent=True) or {}) | {"instance": ""}
        return answer, json.dumps(told, sort_keys=True, ensure_ascii=False)

    return ask


@pytest.mark.parametrize(("method", "rule", "guess", "role", "grant"), cases(GUESSES))
def test_a_guess_at_what_is_there_is_answered_like_one_at_nothing(
    world, database, guessing, method, rule, guess, role, grant
):
    mine, theirs, none = world.mine, world.theirs, nobody()
    before = everything(database)

    _, real = guessing(method, rule, guess, role, grant, {"mine": mine, "theirs": theirs})
    _, empty = guessing(method, rule, guess, role, grant, {"mine": mine, "theirs": none})

    assert theirs.masked(real) == none.masked(empty)
    assert everything(database) == before


@pytest.mark.parametrize(("method", "rule", "guess", "role", "grant"), cases(TAKEN))
def test_an_id_that_is_taken_is_refused_and_tells_nothing_of_whose_it_is(
    world, database, guessing, method, rule, guess, role, grant
):
    sides = {"mine": world.mine, "theirs": world.theirs}
    before = everything(database)

    answer, _ = guessing(method, rule, guess, role, grant, sides)

    asked = {str(value) for value in resolved(guess.path, sides).values()}
    for name in ("resident", "activity", "offer", "merchant", "programme", "scene", "card"):
        assert (value := str(getattr(world.theirs, name))) not in answer.text or value in asked
    assert everything(database) == before


def test_the_guesses_are_at_things_that_are_there(world, client, bearer):
    """Else they would prove nothing: who may see them does."""
    theirs = world.theirs
    me = bearer("resident", theirs.resident)
    staff = {
        role: bearer(role, "s", theirs.district, programme=theirs.programme)
        for role in ("operator", "auditor", "district_officer", "volunteer")
    }
    holder = f"/v1/holders/{theirs.resident}"
    seen = [
        (me, f"/v1/accounts/{theirs.account}/statement"),
        (me, f"/v1/accounts/{theirs.account}/lots"),
        (me, f"/v1/activities/{theirs.activity}"),
        (me, f"/v1/activities/{theirs.app_activity}"),
        (me, f"/v1/activities/{theirs.held}/review"),
        (me, f"/v1/activities/{theirs.refused}/appeal"),
        (me, f"/v1/redemptions/{theirs.redemption}"),
        (me, f"/v1/scenes/{theirs.scene}"),
        *((staff[role], path) for role in ("operator", "auditor") for path in (
            f"/v1/activities/{theirs.app_activity}",
            f"/v1/activities/{theirs.activity}?holder_id={theirs.resident}",
            f"{holder}/activity-corrections/{theirs.activity_correction}",
            f"{holder}/corrections/{theirs.correction}",
            f"{holder}/reviews/{theirs.held}",
            f"{holder}/appeals/{theirs.refused}",
            f"/v1/programmes/{theirs.programme}/liability",
            f"/v1/merchants/{theirs.merchant}",
            f"/v1/scenes/{theirs.scene}",
            f"/v1/scenes/{theirs.scene}/changes",
            f"/v1/districts/{theirs.district}/dashboard?period=2016-04",
        )),
        (staff["auditor"], f"/v1/audit/accounts/{theirs.resident}"),
        (staff["volunteer"], f"/v1/scenes/{theirs.scene}"),
        (staff["district_officer"], f"/v1/districts/{theirs.district}/dashboard?period=2016-04"),
    ]  # fmt: skip
    for headers, path in seen:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
    for role in ("operator", "auditor", "district_officer"):  # Nothing is issued here.
        report = f"/v1/districts/{theirs.district}/report?month=2016-04"
        refused(client.get(report, headers=staff[role]), 404, "report-not-issued")
    receipt = client.get(f"/v1/transfers/{theirs.transfer}/proof", headers=staff["auditor"])
    refused(receipt, 409, "not-sealed-yet")  # Known, but nothing publishes the log here.


def with_ids(app) -> Iterator[tuple[str, str]]:
    """Routes under /v1 whose path or query carries an id or a code of something."""
    operations = openapi()["paths"]
    for route in routes(app):
        if not route.rule.startswith("/v1/") or route.method == "HEAD":
            continue
        path = re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", route.rule)
        query = {
            each["name"]
            for each in operations[path][route.method.lower()].get("parameters", ())
            if each["in"] == "query" and each["name"] != "cursor"
            if each["schema"].get("format") == "uuid" or each["name"] in ("programme", "scene")
        }
        if "<" in route.rule or query:
            yield route.method, route.rule


def test_every_route_with_an_id_has_its_guesses(app):
    """A new one cannot forget: it is in GUESSES or TAKEN, or the reason is written down."""
    known = {*GUESSES, *TAKEN, *NOTHING_TO_GUESS}
    found = set(with_ids(app))

    assert found - known == set(), "say in tests/service/reach/guesses.py what guessing gets"
    assert known <= {(route.method, route.rule) for route in routes(app)}, "no such route any more"


def test_every_staff_role_of_a_route_makes_its_guesses(app):
    """And residents, and merchants: whoever may call it."""
    for route in routes(app):
        key = (route.method, route.rule)
        tried = {
            role for guess in (*GUESSES.get(key, ()), *TAKEN.get(key, ())) for role in guess.roles
        }
        if tried and route.method != "HEAD":
            missing = set(route.view.authentication) - tried
            assert not missing or route.rule.startswith("/v1/me/"), (key, missing)
