"""Keys of systems: who has one gets in where its scope says, for its owner, until it ends."""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from rewards.redeeming.redemption import redeem
from service.admin.models import AdminAct
from service.api_keys.errors import ApiKeyDoesNotFit, TooManyApiKeys
from service.api_keys.keys import NewKey, find_by_written, make
from service.api_keys.models import ApiKey, KeyUse
from service.identity.models import Person
from service.identity.vault import add_people
from tests.makers import a_buyer
from tests.service.answers import a_shop, refused, refused_in_both_languages
from tests.service.staffing import MACHINE, a_merchant

IN_A_YEAR = timedelta(days=365)


@pytest.fixture
def chief(bearer):
    return bearer("administrator", "chief")


@pytest.fixture
def merchant_id(services) -> UUID:
    return a_merchant(services)


def put(client, headers, id_, owner, **changes):
    body = {"owner_kind": "merchant", "owner": str(owner), "name": "till",
            "scopes": ["consumptions"]}  # fmt: skip
    return client.put(f"/v1/api-keys/{id_}", json=body | changes, headers=headers)


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def take(client, key: str, code: str = "AAAA-AAAA", id_: UUID | None = None):
    path = f"/v1/consumptions/{id_ or uuid4()}"
    return client.put(path, json={"code": code}, headers=bearing(key))


def test_a_key_is_shown_to_the_request_that_made_it(client, chief, merchant_id, services):
    id_ = uuid4()
    first, again = put(client, chief, id_, merchant_id), put(client, chief, id_, merchant_id)

    assert first.status_code == 200
    assert first.json == again.json
    assert first.json["key"].startswith(f"tk_{id_.hex}_")
    listed = client.get("/v1/api-keys", query_string={"limit": 200}, headers=chief)
    assert first.json["key"][36:] not in listed.text
    key = services.database.transact(lambda s: s.get_one(ApiKey, id_))
    assert key.secret_sha256 == hashlib.sha256(first.json["key"][36:].encode()).digest()
    ends = datetime.fromisoformat(first.json["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=364) < ends <= IN_A_YEAR


def test_after_ten_minutes_a_key_is_told_no_more(services, merchant_id):
    new = NewKey(uuid4(), "merchant", str(merchant_id), "till", ("consumptions",))
    now = datetime.now(UTC)

    def written(at):
        return services.database.transact(
            lambda s: make(s, services.keyring, new, actor=MACHINE, now=at).written
        )

    first = written(now)
    assert first is not None
    assert written(now + timedelta(minutes=9)) == first
    assert written(now + timedelta(minutes=10)) is None


def test_the_id_of_a_key_is_that_keys(client, chief, merchant_id, services):
    id_ = uuid4()
    put(client, chief, id_, merchant_id)

    refused_in_both_languages(
        services.database,
        lambda headers: put(client, chief | headers, id_, merchant_id, name="other"),
        409, "api-key-id-reused",
    )  # fmt: skip


def test_what_a_merchants_system_does_with_a_key(client, chief, services, database):
    holder_id, offer = a_shop(database)
    redeemed = database.transact(
        lambda s: redeem(s, uuid4(), buyer=a_buyer(s, holder_id), offer_id=offer.id,
                         codes=services.codes, now=datetime.now(UTC))
    )  # fmt: skip
    key = put(client, chief, uuid4(), offer.merchant_id).json["key"]
    other = put(client, chief, uuid4(), a_merchant(services)).json["key"]

    refused(take(client, other, redeemed.voucher_code), 404, "unknown-voucher")
    id_ = uuid4()
    assert take(client, key, redeemed.voucher_code, id_).status_code == 201
    assert take(client, key, redeemed.voucher_code, id_).status_code == 201


def test_a_key_opens_no_other_route(app, client, chief, merchant_id):
    key = put(client, chief, uuid4(), merchant_id).json["key"]
    for path in ("/v1/offers", "/v1/accounts", "/v1/members", "/v1/api-keys", "/v1/jobs"):
        refused(client.get(path, headers=bearing(key)), 401, "invalid-token")


def test_a_key_of_another_scope_may_not(client, chief, merchant_id):
    key = put(client, chief, uuid4(), "real-name.test", owner_kind="verifier",
              scopes=["real_names"]).json["key"]  # fmt: skip

    refused(take(client, key), 403, "wrong-role")


@pytest.mark.parametrize("what", ["unknown", "wrong secret", "retired", "expired", "malformed"])
def test_every_key_that_is_not_good_is_answered_alike(
    client, chief, merchant_id, services, statements, what
):
    id_ = uuid4()
    key = put(client, chief, id_, merchant_id).json["key"]
    now = datetime.now(UTC)
    if what == "unknown":
        key = f"tk_{uuid4().hex}_{key[36:]}"
    elif what == "wrong secret":
        key = key[:-2] + ("AA" if key[-2:] != "AA" else "BB")
    elif what == "retired":
        for _ in range(2):
            assert client.delete(f"/v1/api-keys/{id_}", headers=chief).json["retired_at"]
    elif what == "expired":
        services.database.transact(lambda s: setattr(s.get_one(ApiKey, id_), "expires_at", now))
    else:
        key = "tk_"

    with statements() as sent:
        answer = take(client, key)

    found = refused(answer, 401, "invalid-token")
    assert found.keys() == {"type", "title", "status", "detail", "instance"}
    assert answer.headers["WWW-Authenticate"].endswith('error_description="the key is not valid"')
    assert len(sent) == 1


def test_an_owner_has_two_keys_in_force(client, chief, merchant_id):
    ids = [uuid4() for _ in range(3)]
    for id_ in ids[:2]:
        assert put(client, chief, id_, merchant_id).status_code == 200

    found = refused(put(client, chief, ids[2], merchant_id), 409, "too-many-api-keys")
    assert found["live_max"] == 2
    client.delete(f"/v1/api-keys/{ids[0]}", headers=chief)
    assert put(client, chief, ids[2], merchant_id).status_code == 200


def test_of_three_keys_made_at_once_two_are(services, merchant_id):
    barrier = Barrier(3)

    def one(id_: UUID) -> bool:
        new = NewKey(id_, "merchant", str(merchant_id), "till", ("consumptions",))
        barrier.wait()
        try:
            now = datetime.now(UTC)
            services.database.transact(
                lambda s: make(s, services.keyring, new, actor=MACHINE, now=now)
            )
        except TooManyApiKeys:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(one, [uuid4() for _ in range(3)])) == 2


@pytest.mark.parametrize(
    ("changes", "unfit"),
    [
        ({"owner": str(UUID(int=7))}, "owner"),
        ({"owner": "x"}, "owner"),
        ({"scopes": ("real_names",)}, "scopes"),
        ({"scopes": ()}, "scopes"),
        ({"days": 732}, "expires_at"),
        ({"days": 0}, "expires_at"),
    ],
)
def test_a_key_fits_its_owner_and_ends(services, merchant_id, changes, unfit):
    now = datetime.now(UTC)
    ends = now + timedelta(days=changes.get("days", 1))
    new = NewKey(uuid4(), "merchant", str(merchant_id), "till", ("consumptions",), ends)
    changed = new._replace(**{name: value for name, value in changes.items() if name != "days"})

    with pytest.raises(ApiKeyDoesNotFit) as refusal:
        services.database.transact(
            lambda s: make(s, services.keyring, changed, actor=MACHINE, now=now)
        )
    assert refusal.value.unfit == unfit


def test_when_a_key_was_used_is_written_once_a_minute(client, chief, merchant_id, services):
    id_ = uuid4()
    key = put(client, chief, id_, merchant_id).json["key"]

    def used_at() -> datetime | None:
        return services.database.transact(
            lambda s: s.scalar(select(KeyUse.used_at).where(KeyUse.key_id == id_))
        )

    assert used_at() is None
    for _ in range(2):
        refused(take(client, key), 404, "unknown-voucher")
    first = used_at()
    assert first is not None
    for later, known in (
        (timedelta(seconds=59), first),
        (timedelta(seconds=60), first + timedelta(seconds=60)),
    ):
        services.key_uses.note(services.database, id_, now=first + later)
        assert used_at() == known
    listed = client.get("/v1/api-keys", query_string={"limit": 200}, headers=chief).json["keys"]
    assert {each["id"]: each["last_used_at"] for each in listed}[str(id_)]


def test_a_busy_key_costs_one_statement(client, chief, merchant_id, statements):
    key = put(client, chief, uuid4(), merchant_id).json["key"]
    take(client, key)

    with statements() as sent:
        take(client, key)

    assert not [each for each in sent if "key_use" in each]


def test_only_administrators_of_everything_keep_keys(client, bearer, merchant_id):
    refused(put(client, bearer("operator"), uuid4(), merchant_id), 403, "wrong-role")
    local = bearer("administrator", "local", programme="demo")
    refused(put(client, local, uuid4(), merchant_id), 403, "out-of-reach")
    refused(client.get("/v1/api-keys", headers=local), 403, "out-of-reach")


def test_what_administrators_do_to_keys_is_in_their_log(client, chief, merchant_id, services):
    id_ = uuid4()
    key = put(client, chief, id_, merchant_id).json["key"]
    client.delete(f"/v1/api-keys/{id_}", headers=chief)

    acts = services.database.transact(
        lambda s: s.scalars(
            select(AdminAct).where(AdminAct.object_id == str(id_)).order_by(AdminAct.id)
        ).all()
    )
    assert [act.what for act in acts] == ["api_key.make", "api_key.retire"]
    assert key[36:] not in str([(act.before, act.after) for act in acts])


def test_no_key_is_logged(client, chief, merchant_id, caplog):
    caplog.set_level(logging.DEBUG)
    key = put(client, chief, uuid4(), merchant_id).json["key"]
    take(client, key)
    take(client, key[:-2] + "__")

    assert key[36:-2] not in caplog.text


def test_unknown_keys_are_not_retired(client, chief):
    refused(client.delete(f"/v1/api-keys/{uuid4()}", headers=chief), 404, "unknown-api-key")


def test_a_key_without_a_row_is_compared_all_the_same(services, statements):
    now = datetime.now(UTC)
    for written in ("tk_", f"tk_{uuid4().hex}_{'A' * 43}", "x" * 500):
        with statements() as sent:
            assert (
                services.database.transact(lambda s, w=written: find_by_written(s, w, now=now))
                is None
            )
        assert len(sent) == 1


# Real names


@pytest.fixture
def verifier(client, chief):
    def made(owner: str):
        key = put(client, chief, uuid4(), owner, owner_kind="verifier", scopes=["real_names"])
        return bearing(key.json["key"])

    return made


@pytest.fixture
def resident(services) -> UUID:
    holder_id = uuid4()
    services.database.transact(
        lambda s: add_people(s, services.keyring, [holder_id], now=datetime.now(UTC))
    )
    return holder_id


def say(client, headers, holder_id, at, **more):
    body = {"holder_id": str(holder_id), "verified_at": at.isoformat()} | more
    return client.put(f"/v1/verifications/{uuid4()}", json=body, headers=headers)


def status(services, holder_id):
    person = services.database.transact(lambda s: s.get_one(Person, holder_id))
    return person.real_name_at, person.real_name_by


def test_a_verifier_sets_and_withdraws_a_real_name(client, verifier, resident, services):
    name = f"v-{uuid4().hex[:8]}"
    headers, at = verifier(name), datetime.now(UTC) - timedelta(hours=1)

    for _ in range(2):
        assert say(client, headers, resident, at).json == {
            "holder_id": str(resident),
            "verified": True,
        }
    assert status(services, resident) == (at, name)
    later = at + timedelta(minutes=1)
    for _ in range(2):
        assert not say(client, headers, resident, later, verified=False).json["verified"]
    assert status(services, resident) == (None, None)
    for word in ({}, {"verified": False}):
        refused(say(client, headers, resident, at, **word), 409, "verification-outdated")
    refused(say(client, headers, resident, later), 409, "verification-outdated")
    assert status(services, resident) == (None, None)


@pytest.mark.parametrize("guessed", ["yes", "off", 1, 0])
def test_a_verifiers_word_is_nothing_to_be_guessed(client, verifier, resident, guessed):
    headers, at = verifier(f"v-{uuid4().hex[:8]}"), datetime.now(UTC) - timedelta(hours=1)

    refused(say(client, headers, resident, at, verified=guessed), 422, "body-does-not-fit")


def test_a_verifier_does_not_withdraw_anothers_word(client, verifier, resident, services):
    name = f"v-{uuid4().hex[:8]}"
    at = datetime.now(UTC) - timedelta(hours=1)
    say(client, verifier(name), resident, at)

    other = verifier(f"w-{uuid4().hex[:8]}")
    answer = say(client, other, resident, at + timedelta(minutes=1), verified=False)

    assert answer.json["verified"]
    assert status(services, resident) == (at, name)


def test_only_a_verifiers_key_says_so(client, verifier, resident, bearer, chief, merchant_id):
    now = datetime.now(UTC)
    refused(say(client, {}, resident, now), 401, "invalid-token")
    refused(say(client, bearer("administrator"), resident, now), 403, "wrong-role")
    till = put(client, chief, uuid4(), merchant_id).json["key"]
    refused(say(client, bearing(till), resident, now), 403, "wrong-role")


def test_nobody_and_the_future_are_not_verified(client, verifier, resident, services):
    headers, now = verifier(f"v-{uuid4().hex[:8]}"), datetime.now(UTC)

    refused(say(client, headers, uuid4(), now), 404, "unknown-resident")
    late = now + timedelta(hours=1)
    refused(say(client, headers, resident, late), 422, "verification-from-the-future")
    services.database.transact(
        lambda s: s.execute(
            text("UPDATE person SET data_key = NULL, master_key_id = NULL, closed_at = now()"
                 " WHERE holder_id = :id"), {"id": resident}
        )
    )  # fmt: skip
    refused(say(client, headers, resident, now), 404, "unknown-resident")
