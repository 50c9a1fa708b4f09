"""The gateway calls back, late, twice, forged or against what it said before; operators look on."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from service.feeds.signatures import sign
from service.gateway.settling import settle
from tests.service.answers import refused
from tests.service.gateway.topping import (
    CARD,
    Shopper,
    a_shop,
    an_app,
    drifts,
    end_all,
    row_of,
    somebody,
)
from tests.service.gateways import SECRET, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("gateway")) as found:
        yield found


@pytest.fixture(scope="module")
def app(settings, copied_database, gateway, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    with copied_database() as url, an_app(settings, url, gateway, folder) as made:
        yield made


@pytest.fixture
def services(app, gateway):
    found = app.extensions["tanhui"]
    yield found
    end_all(found, gateway)


@pytest.fixture
def ordered(app, services, gateway, bearer):
    """A top-up that the gateway has, and has not done."""
    holder_id = somebody(services)
    found = Shopper(app, bearer("resident", holder_id), holder_id)
    gateway.plan("late")
    assert found.order(a_shop(services)).json["state"] == "pending"
    return found


@pytest.fixture
def call(app):
    """The gateway's call about an order: what it says, and what may be wrong with it."""

    def put(order_id, said, *, secret=SECRET, at=None, body=None, signed=None):
        at = at or datetime.now(UTC)
        body = json.dumps({"order_id": str(order_id), **said}).encode() if body is None else body
        id_ = f"call_{uuid4().hex}"
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": sign(secret, id_, at, body if signed is None else signed),
        }
        url = f"/v1/top-ups/{order_id}/outcome"
        return app.test_client().put(url, data=body, headers=headers)

    return put


DONE = {"state": "done", "reference": "R-7"}
REFUSED = {"state": "refused", "reason": "no such card"}


def test_a_late_answer_ends_it(services, ordered, call):
    answer = call(ordered.order_id, DONE)

    assert (answer.status_code, answer.json) == (
        200, {"id": str(ordered.order_id), "state": "done"},
    )  # fmt: skip
    assert (ordered.told["state"], ordered.points, ordered.cards_kept) == ("done", (200, 0), 0)


def test_a_late_refusal_gives_everything_back(services, ordered, call):
    assert call(ordered.order_id, REFUSED).json["state"] == "refused"

    assert (ordered.told["state"], ordered.points, ordered.cards_kept) == ("failed", (300, 0), 0)


def test_the_same_call_again_answers_the_same(services, ordered, call):
    answers = [call(ordered.order_id, DONE) for _ in range(3)]

    assert {(answer.status_code, answer.text) for answer in answers} == {
        (200, answers[0].text),
    }
    assert ordered.points == (200, 0)


@pytest.mark.parametrize(
    ("first", "second", "points"),
    [(DONE, REFUSED, 200), (REFUSED, DONE, 300), (DONE, DONE | {"reference": "R-8"}, 200)],
)
def test_a_call_against_the_first_is_refused_and_kept(
    app, services, ordered, call, bearer, first, second, points
):
    call(ordered.order_id, first)

    for _ in range(2):
        document = refused(call(ordered.order_id, second), 409, "top-up-contradicted")
        assert document["state"] == first["state"]

    assert ordered.points == (points, 0)
    assert contradictions(app, bearer, ordered) == [" ".join(second.values())]


def contradictions(app, bearer, ordered) -> list[str]:
    """What the gateway said against itself about this order, as operators see it."""
    url = "/v1/top-ups?which=contradicted&limit=200"
    listed = app.test_client().get(url, headers=bearer("operator")).json["top_ups"]
    return [each["answered"] for each in listed if each["id"] == str(ordered.order_id)]


def test_what_a_person_settled_is_listed_again_only_by_another_answer(
    app, services, ordered, call, bearer
):
    call(ordered.order_id, DONE)
    call(ordered.order_id, REFUSED)
    assert contradictions(app, bearer, ordered) == ["refused no such card"]
    url, body = f"/v1/top-ups/{ordered.order_id}/settled", {"reason": "网关已冲正"}
    for _ in range(2):
        settled = app.test_client().put(url, json=body, headers=bearer("operator"))
        assert (settled.status_code, settled.json["contradicted_at"]) == (200, None)
    refused(call(ordered.order_id, REFUSED), 409, "top-up-contradicted")
    assert contradictions(app, bearer, ordered) == []
    refused(call(ordered.order_id, DONE | {"reference": "R-8"}), 409, "top-up-contradicted")
    assert contradictions(app, bearer, ordered) == ["done R-8"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": b"another secret of 32 bytes.....!"},
        {"at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"signed": b"{}"},
    ],
    ids=["another secret", "an old message", "another body"],
)
def test_what_the_gateway_did_not_sign_just_now_is_nobodys(services, ordered, call, wrong):
    answer = call(ordered.order_id, DONE, **wrong)

    assert answer.status_code == 401
    assert row_of(services, ordered.order_id).state == "ordered"


@pytest.mark.parametrize(
    "said",
    [
        {"state": "done"},
        {"state": "done", "reference": ""},
        {"state": "done", "reference": "R 7"},
        {"state": "done", "reference": "R-7", "more": 1},
        {"state": "refused"},
        {"state": "refused", "reason": "a\nb"},
        {"state": "cancelled"},
        {"state": "pending"},
        {"state": "unknown"},
        {},
    ],
    ids=str,
)
def test_a_call_that_is_no_outcome_changes_nothing(services, ordered, call, said):
    refused(call(ordered.order_id, said), 422, "invalid-outcome")

    assert row_of(services, ordered.order_id).answered == "pending"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{", b"null", b"[" * 5_000])
def test_a_call_of_no_json_changes_nothing(services, ordered, call, body):
    refused(call(ordered.order_id, {}, body=body), 422, "invalid-outcome")

    assert row_of(services, ordered.order_id).state == "ordered"


def test_a_call_about_one_order_is_none_about_another(services, ordered, call):
    body = json.dumps({"order_id": str(uuid4()), **DONE}).encode()

    refused(call(ordered.order_id, {}, body=body), 422, "invalid-outcome")


def test_an_order_that_nobody_made_is_unknown(call, app):
    refused(call(uuid4(), DONE), 404, "unknown-top-up")


def test_the_service_s_own_question_sent_back_is_no_outcome(services, ordered, call):
    """Both sides sign by one secret: what one says must be nothing that the other could."""
    question = {"card_number": "6210940001234567", "amount_fen": 1_000}

    refused(call(ordered.order_id, question), 422, "invalid-outcome")


def test_a_call_and_the_job_at_once_charge_once(services, gateway, ordered, call):
    reference = f"R-{str(ordered.order_id)[:8]}"
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(settle, services, ordered.order_id) for _ in range(3)]
        said = DONE | {"reference": reference}
        called = [pool.submit(call, ordered.order_id, said) for _ in range(3)]
        assert {each.result().state for each in asked} == {"done"}
        assert {each.result().status_code for each in called} == {200}

    assert (ordered.told["state"], ordered.points) == ("done", (200, 0))
    assert gateway.delivered[str(ordered.order_id)] == (CARD, 1_000)
    assert drifts(services) == []


def test_operators_see_what_hangs_and_have_it_asked_about(app, services, ordered, bearer):
    client, url = app.test_client(), f"/v1/top-ups/{ordered.order_id}"
    operator = bearer("operator", "ann")
    assert client.get("/v1/top-ups", headers=operator).json["top_ups"] == []
    ordered.age("11 minutes")
    later = datetime.now(UTC) + timedelta(hours=1)
    postpone(services, ordered.order_id, later)

    listed = client.get("/v1/top-ups", headers=operator).json["top_ups"]
    assert [(each["id"], each["state"]) for each in listed] == [(str(ordered.order_id), "ordered")]
    shown = client.get(url, headers=operator).json
    assert "6210940001234567" not in json.dumps(shown)
    assert (shown["answered"], shown["redemption_id"]) == ("pending", str(ordered.redemption_id))

    answer = client.put(f"{url}/check", headers=operator)

    assert answer.status_code == 200
    assert datetime.fromisoformat(answer.json["next_at"]) <= datetime.now(UTC)


def postpone(services, order_id, at):
    sql = text("UPDATE top_up SET next_at = :at WHERE order_id = :o")
    services.database.transact(lambda session: session.execute(sql, {"at": at, "o": order_id}))
