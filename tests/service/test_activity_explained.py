"""One activity with its whole why, in both languages at once; and what became of it later."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from flask import Flask

from activities import rules, tracing
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.tracing import STEPS
from ledgers.ids import instant_of
from service.api.explained import _rule
from service.rule_words import RESULTS, RULES
from tests.makers import APRIL_12, a_resident, a_ride, a_walk, recorded
from tests.service.answers import ENGLISH, nothing_written, refused, refused_in_both_languages
from tests.service.test_activities_api import a_day, with_scenes


@pytest.fixture(autouse=True)
def _scenes(database):
    with_scenes(database)


@pytest.fixture
def holder_id(database):
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


def url(id_: object, holder_id: object = None) -> str:
    return f"/v1/activities/{id_}" + (f"?holder_id={holder_id}" if holder_id else "")


@pytest.fixture
def walk(client, resident):
    """A capped walk that the app sent: the app's id, and the answer."""
    id_ = uuid4()
    answer = client.put(url(id_), json=a_day(steps=30_000), headers=resident)
    return id_, answer.json


def corrected(database: Any, holder_id: UUID, activity_id: object, quantity: int | None) -> None:
    cause = Cause(uuid4(), "operator-1", "told wrongly", "operator-2")
    key, now = (holder_id, UUID(str(activity_id))), datetime.now(UTC)

    def work(session: Any) -> None:
        if quantity is None:
            withdraw(session, [key], cause, now=now)
        else:
            change(session, [Told(*key, quantity)], cause, now=now)

    database.transact(work)


# --- The why --------------------------------------------------------------------------------------


def test_every_rule_is_told_with_version_parameters_inputs_and_result(client, resident, walk):
    _, put = walk

    shown = client.get(url(put["id"]), headers=resident).json

    assert {name: shown[name] for name in put} == put
    steps = [rule for rule in shown["rules"] if rule["version"] is None]
    assert [rule["rule"] for rule in steps][:5] == [name for name, _ in STEPS]
    rules = {rule["rule"]: rule for rule in shown["rules"] if rule["version"] is not None}
    cap = rules["walking.cap"]
    assert (cap["kind"], cap["version"], cap["result"]) == ("daily_cap", 1, "trimmed")
    assert cap["parameters"] == {"max": 10_000}
    assert cap["document"]
    assert cap["inputs"] == {
        "points": put["points"] + put["trimmed_points"],
        "left_points": put["points"],
    }
    ranges = [rule for rule in rules.values() if rule["kind"] == "quantity_range"]
    assert [rule["inputs"]["quantity"] for rule in ranges] == [30_000] * len(ranges)
    assert {rule["result"] for rule in shown["rules"]} == {"passed", "trimmed"}


def test_the_figure_can_be_recomputed_from_what_is_shown(client, resident, walk):
    _, put = walk

    found = client.get(url(put["id"]), headers=resident).json["quantified"]

    (factor,) = found["factors"]
    exact_ug = found["quantity"] * factor["ug_co2e_per_unit"] * factor["share_permille"] // 1000
    assert found["exact_ug_co2e"] == str(exact_ug)
    assert found["saved_mg_co2e"] == exact_ug // 1000 == put["saved_mg_co2e"]
    assert found["tariff_points"] == found["saved_mg_co2e"] // found["tariff"]["mg_co2e_per_point"]
    assert found["tariff_points"] == put["points"] + put["trimmed_points"]
    assert (factor["part"], found["base_unit"]) == ("saved", "step")
    assert found["method"]["form"] == "per_unit"
    assert found["method"]["document"]
    sources = ("publisher", "document", "year", "source_address", "published_value")
    assert all(factor[name] for name in sources)
    assert found["baseline"] is None


def test_texts_come_in_both_languages_whichever_is_asked_for(client, resident, walk):
    id_, _ = walk

    chinese = client.get(url(id_), headers=resident).json
    english = client.get(url(id_), headers=resident | ENGLISH).json

    assert chinese | {"reason": ""} == english | {"reason": ""}
    assert chinese["reasons"] == {"zh-CN": chinese["reason"], "en": english["reason"]}
    assert chinese["first"]["reasons"] == chinese["reasons"]
    for rule in chinese["rules"]:
        assert set(rule["title"]) == set(rule["result_text"]) == {"zh-CN", "en"}
    assert chinese["quantified"]["factors"][0]["name"].keys() == {"zh-CN", "en"}


def test_after_the_rule_that_refused_nothing_is_reached(client, resident):
    id_ = uuid4()
    client.put(url(id_), json=a_day(steps=0), headers=resident)

    shown = client.get(url(id_), headers=resident).json

    results = [rule["result"] for rule in shown["rules"]]
    assert shown["code"] == "quantity_out_of_range"
    assert results.count("refused") == 1
    place = results.index("refused")
    assert shown["rules"][place]["kind"] == "quantity_range"
    assert shown["rules"][place]["inputs"]["quantity"] == 0
    assert set(results[:place]) <= {"passed", "not_applicable"}
    assert set(results[place + 1 :]) == {"not_reached"}
    assert shown["quantified"] is None


def test_one_refused_at_the_door_is_told_too(client, bearer):
    """Who takes no part has no policy, and still an answer."""
    stranger, id_ = bearer("resident", uuid4()), uuid4()
    client.put(url(id_), json=a_day(), headers=stranger)

    shown = client.get(url(id_), headers=stranger).json

    assert (shown["code"], shown["rules"][0]["result"]) == ("unknown_resident", "refused")
    assert shown["quantified"] is None


def test_what_was_said_besides_is_shown_and_when_it_came(client, resident, holder_id):
    id_, device = uuid4(), str(uuid4())
    details = {"device": device, "distance_m": 5_000, "odometer_m": [1, 2], "place": "310118"}
    put = client.put(url(id_), json=a_day(details=details), headers=resident).json

    shown = client.get(url(id_), headers=resident).json

    assert shown["details"] == details
    assert shown["holder_id"] == str(holder_id)
    assert datetime.fromisoformat(shown["received_at"]) == instant_of(UUID(put["id"]))


def test_every_kind_of_rule_and_result_has_its_words():
    kinds = {kind.__struct_config__.tag for kind in get_args(rules.RuleKind)}
    steps = {name for name, _ in STEPS} | {"claimed_once", "own_baseline"}
    results = {
        *(tracing.PASSED, tracing.REFUSED, tracing.HELD, tracing.TRIMMED),
        *(tracing.NOT_REACHED, tracing.NOTHING_TO_SEE),
    }

    assert kinds | steps == RULES.keys()
    assert results == RESULTS.keys()


# --- Whose it is ----------------------------------------------------------------------------------


def test_it_is_found_by_our_id_and_by_the_apps(client, resident, walk):
    id_, put = walk

    by_ours, by_the_apps = (
        client.get(url(each), headers=resident) for each in (put["id"], str(id_).upper())
    )

    assert by_ours.json == by_the_apps.json
    assert by_ours.json["event_id"] == str(id_)


def test_a_partners_is_found_by_our_id(client, database, resident, holder_id):
    (answer,) = database.transact(lambda s: recorded(s, a_walk(holder_id)))

    shown = client.get(url(answer.activity_id), headers=resident).json

    assert (shown["scene"], shown["decision"]) == ("demo.walking", "verified")


def test_nobody_sees_anothers(client, database, bearer, walk, holder_id):
    id_, put = walk
    stranger = bearer("resident", database.transact(a_resident))

    for each in (url(id_), url(put["id"]), url(uuid4()), url(put["id"], holder_id)):

        def look(language: dict[str, str], each: str = each) -> Any:
            return client.get(each, headers=stranger | language)

        refused_in_both_languages(database, look, 404, "unknown-activity")


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_operators_and_auditors_see_anybodys(client, resident, bearer, walk, holder_id, role):
    id_, put = walk
    headers = bearer(role, "auditor-1")
    own = client.get(url(id_), headers=resident).json

    assert client.get(url(put["id"], holder_id), headers=headers).json == own
    assert client.get(url(id_, holder_id), headers=headers).json == own
    assert client.get(url(id_), headers=headers).json == own
    refused(client.get(url(put["id"]), headers=headers), 404, "unknown-activity")
    refused(client.get(url(put["id"], uuid4()), headers=headers), 404, "unknown-activity")
    refused(client.get(url(put["id"], "x"), headers=headers), 422, "body-does-not-fit")


# --- What became of it ----------------------------------------------------------------------------


def test_a_changed_one_stands_as_changed_and_shows_both_entries(
    client, database, resident, bearer, walk, holder_id
):
    id_, put = walk
    corrected(database, holder_id, put["id"], 5_000)

    shown = client.get(url(id_), headers=resident).json

    assert (shown["decision"], shown["quantity"], shown["trimmed_points"]) == ("verified", 5_000, 0)
    assert shown["first"]["quantity"] == 30_000
    assert shown["first"]["points"] == put["points"]
    (adjustment,) = shown["adjustments"]
    assert (adjustment["kind"], adjustment["note"]) == ("changed", "told wrongly")
    assert shown["points"] == put["points"] + adjustment["points"]
    assert shown["saved_mg_co2e"] == put["saved_mg_co2e"] + adjustment["saved_mg_co2e"]
    assert adjustment["points"] < 0
    assert adjustment["reasons"].keys() == {"zh-CN", "en"}
    assert "actor" not in adjustment
    staff = client.get(url(id_), headers=bearer("auditor", "a")).json["adjustments"]
    assert [(each["actor"], each["approved_by"]) for each in staff] == [
        ("operator-1", "operator-2")
    ]


def test_the_list_shows_how_each_stands(client, database, resident, holder_id):
    """Paged as before; one statement more, however many there are."""
    ids = []
    for day in range(4):
        answer = client.put(url(uuid4()), json=a_day(day), headers=resident)
        ids.append(answer.json["id"])
    corrected(database, holder_id, ids[1], None)
    corrected(database, holder_id, ids[2], 1_000)

    shown, cursor = [], ""
    while cursor is not None:
        page = f"/v1/activities?limit=3{cursor and f'&cursor={cursor}'}"
        answer = client.get(page, headers=resident).json
        shown += answer["activities"]
        cursor = answer["next_cursor"]

    assert [(each["id"], each["code"], each["quantity"]) for each in shown] == [
        (ids[3], "verified", 8_000),
        (ids[2], "changed", 1_000),
        (ids[1], "withdrawn", 8_000),
        (ids[0], "verified", 8_000),
    ]
    assert [each["points"] for each in shown if each["code"] == "withdrawn"] == [0]


def test_a_retry_of_the_put_is_answered_as_it_was_first_decided(
    client, database, resident, walk, holder_id
):
    id_, put = walk
    corrected(database, holder_id, put["id"], None)

    again = client.put(url(id_), json=a_day(steps=30_000), headers=resident)

    assert (again.status_code, again.json) == (201, put)


# --- What phones poll -----------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(client, database, resident, walk, holder_id):
    id_, put = walk
    for address in (url(id_), "/v1/activities"):
        first = client.get(address, headers=resident)
        tag = {"If-None-Match": first.headers["ETag"]}

        again = client.get(address, headers=resident | tag)
        english = client.get(address, headers=resident | tag | ENGLISH)

        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert english.status_code == 200
        assert "Accept-Language" in again.headers["Vary"]
        assert "private" in first.headers["Cache-Control"]
    corrected(database, holder_id, put["id"], None)
    assert client.get(address, headers=resident | tag).status_code == 200


def test_looking_writes_nothing(client, database, resident, walk):
    id_, _ = walk
    with nothing_written(database):
        assert client.get(url(id_), headers=resident).status_code == 200


def test_what_is_written_down_fits_the_openapi_document(app: Flask, client, resident, walk):
    """Every field that is answered is described, two levels down."""
    id_, _ = walk
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    shown = client.get(url(id_), headers=resident).json

    assert shown.keys() == schemas["ExplainedResponse"]["properties"].keys()
    (rule, *_) = shown["rules"]
    assert rule.keys() == schemas["RuleResponse"]["properties"].keys()
    assert shown["quantified"].keys() == schemas["QuantifiedResponse"]["properties"].keys()
    (factor,) = shown["quantified"]["factors"]
    assert factor.keys() == schemas["FactorResponse"]["properties"].keys()


def test_a_ride_shows_what_it_displaced(client, database, resident, holder_id):
    ride = a_ride(holder_id, at=APRIL_12 + timedelta(hours=9))
    (answer,) = database.transact(lambda s: recorded(s, ride))

    found = client.get(url(answer.activity_id), headers=resident).json["quantified"]

    assert found["saved_mg_co2e"] == answer.saved_mg_co2e
    assert found["quantity"] == 1


def test_instants_among_inputs_are_written_as_everywhere():
    looked_at = {"ended_at": APRIL_12, "pair": (1, 2)}
    finding = tracing.Finding("f", 1, "freshness", {"max_days": 7}, "d", looked_at, "passed")

    (inputs,) = [_rule(finding)["inputs"]]

    assert inputs == {"ended_at": "2016-04-11T16:00:00Z", "pair": (1, 2)}
