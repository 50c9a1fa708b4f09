"""DELETE /v1/me, and the desk's way: what is open is refused, what is personal is gone for good."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from ledgers.accounts import is_closed
from ledgers.errors import AccountClosed
from ledgers.holds import NewHold, release, reserve
from rewards.models import Voucher
from rewards.redeeming.redemption import redeem
from service.admin.models import AdminAct
from service.identity.closing import Wish, close, erase_closed
from service.identity.family.delegations import begin
from service.identity.logins import sessions
from service.identity.logins.models import LoginSession, RefreshToken, SecurityEvent
from service.identity.models import ActingFor, Delegation, OutsideId, Person, PersonalValue
from service.identity.outside_ids import add_ids, find_holders
from service.identity.vault import Reader, Value, read_values, write_values
from service.jobs import work
from tests.makers import CODES, a_buyer, a_resident, an_offer, balance
from tests.service.answers import a_shop, refused, refused_in_both_languages
from tests.service.test_activities_api import a_day, with_scenes

ME = "/v1/me"
AT = datetime(2026, 11, 21, 4, tzinfo=UTC)
WISH = Wish("holder:test", "192.0.2.7")


@pytest.fixture
def holder_id(database):
    return database.transact(lambda s: a_resident(s, points=300))


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


def a_phone() -> str:
    return f"+86138{int(uuid4()) % 10**8:08}"


def known(database, keyring, holder_id, *, phone=None, **fields):
    """A person with a phone, a name, and a login on a device."""
    phone = phone or a_phone()

    def work(session):
        add_ids(session, keyring, "phone", {phone: holder_id}, now=AT)
        add_ids(session, keyring, "metro", {f"m-{phone}": holder_id}, now=AT)
        write_values(session, keyring, [Value(holder_id, "name", "欧阳娜娜")], now=AT)
        login = sessions.Login(holder_id, "resident", "phone", "娜娜的手机")
        sessions.begin(session, login, from_address="192.0.2.7", now=AT)

    database.transact(work)
    return phone


def redeemed(database, services, holder_id, offer):
    return database.transact(
        lambda s: redeem(
            s, uuid4(), buyer=a_buyer(s, holder_id), offer_id=offer.id, codes=services.codes,
            now=datetime.now(UTC),
        )
    )  # fmt: skip


def test_everything_personal_is_gone_and_the_ledger_stands(
    client, database, keyring, resident, holder_id
):
    phone = known(database, keyring, holder_id)

    answer = client.delete(ME, headers=resident | {"Accept-Language": "en"})

    assert answer.status_code == 200, answer.text
    figures = ("lapsed_points", "forgiven_points", "forfeited_vouchers")
    assert [answer.json[name] for name in figures] == [300, 0, 0]
    assert "closed for good" in answer.json["rule"]
    with database.snapshot() as session:
        person = session.get_one(Person, holder_id)
        assert (person.data_key, person.master_key_id) == (None, None)
        assert person.closed_at is not None
        for model, column in (
            (PersonalValue, PersonalValue.holder_id),
            (OutsideId, OutsideId.holder_id),
            (RefreshToken, RefreshToken.person_id),
        ):
            assert session.scalars(select(model).where(column == holder_id)).all() == []
        (login,) = session.scalars(
            select(LoginSession).where(LoginSession.person_id == holder_id)
        ).all()
        assert (login.ended_why, login.device_name) == ("closed", "")
        kinds = session.scalars(
            select(SecurityEvent.kind).where(SecurityEvent.person_id == holder_id)
        ).all()
        assert kinds.count("closed") == 1
        assert balance(session, holder_id) == 0
        assert find_holders(session, keyring, "phone", [phone]) == {}
        assert find_holders(session, keyring, "metro", [f"m-{phone}"]) == {}


def test_closing_again_answers_the_same(client, database, keyring, resident, holder_id):
    known(database, keyring, holder_id)

    first = client.delete(ME, headers=resident)
    again = client.delete(ME, headers=resident)

    assert first.status_code == again.status_code == 200
    assert first.json == again.json
    with database.snapshot() as session:
        query = select(SecurityEvent).where(SecurityEvent.person_id == holder_id)
        assert sum(event.kind == "closed" for event in session.scalars(query)) == 1


def test_who_is_no_person_is_closed_as_well(client, database, resident, holder_id):
    assert client.delete(ME, headers=resident).json["lapsed_points"] == 300
    assert client.delete(ME, headers=resident).json["lapsed_points"] == 300
    assert database.transact(lambda s: s.get_one(Person, holder_id)).closed_at


def test_the_same_phone_signs_up_anew_as_somebody_else(
    client, database, keyring, resident, holder_id
):
    phone = known(database, keyring, holder_id)
    client.delete(ME, headers=resident)
    other = database.transact(a_resident)

    now_theirs = database.transact(lambda s: add_ids(s, keyring, "phone", {phone: other}, now=AT))

    assert now_theirs == {phone: other}


def test_ids_of_the_release_before_are_free_too(client, database, resident, holder_id):
    row = {"subject": uuid4().hex, "h": holder_id}
    database.transact(
        lambda s: s.execute(
            text("INSERT INTO subject (subject, source, holder_id) VALUES (:subject, 'p', :h)"),
            row,
        )
    )

    client.delete(ME, headers=resident)

    left = text("SELECT count(*) FROM subject WHERE holder_id = :h")
    assert database.transact(lambda s: s.scalar(left, row)) == 0


def test_held_points_are_refused_with_what_and_until_when(client, database, resident, holder_id):
    now = datetime.now(UTC)
    hold = NewHold(uuid4(), holder_id, 20, uuid4(), "t", now + timedelta(days=1))
    database.transact(lambda s: reserve(s, hold, now=now))

    found = refused_in_both_languages(
        database,
        lambda headers: client.delete(ME, headers=resident | headers),
        409,
        "open-orders",
    )

    (told,) = found["holds"]
    assert (told["id"], told["held_points"]) == (str(hold.id), 20)
    assert datetime.fromisoformat(told["deadline_at"]) == hold.deadline_at
    database.transact(
        lambda s: release(s, holder_id=holder_id, hold_id=hold.id, actor="t", now=now)
    )
    assert client.delete(ME, headers=resident).json["lapsed_points"] == 300


def test_a_hold_past_its_deadline_is_no_open_order(client, database, resident, holder_id):
    then = datetime.now(UTC) - timedelta(days=3)
    hold = NewHold(uuid4(), holder_id, 20, uuid4(), "t", then + timedelta(days=1))
    database.transact(lambda s: reserve(s, hold, now=then))

    assert client.delete(ME, headers=resident).json["lapsed_points"] == 300


def test_unused_vouchers_are_refused_unless_given_up(client, bearer, database, services):
    holder_id, offer = a_shop(database)
    resident = bearer("resident", holder_id)
    done = redeemed(database, services, holder_id, offer)

    found = refused_in_both_languages(
        database,
        lambda headers: client.delete(ME, headers=resident | headers),
        409,
        "open-orders",
    )
    assert [each["redemption_id"] for each in found["vouchers"]] == [str(done.id)]
    assert found["holds"] == []

    for _ in range(2):
        answer = client.delete(f"{ME}?forfeit_vouchers=true", headers=resident)
        assert answer.status_code == 200, answer.text
        assert (answer.json["lapsed_points"], answer.json["forfeited_vouchers"]) == (180, 1)
    clerk = bearer("merchant", "clerk", offer.merchant_id)
    url = f"/v1/consumptions/{uuid4()}"
    refused_in_both_languages(
        database,
        lambda headers: client.put(url, json={"code": done.voucher_code}, headers=clerk | headers),
        410,
        "voucher-lapsed",
    )


def test_a_used_voucher_is_nothing_open(client, bearer, database, services):
    holder_id, offer = a_shop(database)
    done = redeemed(database, services, holder_id, offer)
    clerk = bearer("merchant", "clerk", offer.merchant_id)
    client.put(f"/v1/consumptions/{uuid4()}", json={"code": done.voucher_code}, headers=clerk)

    answer = client.delete(ME, headers=bearer("resident", holder_id))

    assert (answer.status_code, answer.json["forfeited_vouchers"]) == (200, 0)
    with database.snapshot() as session:
        (voucher,) = session.scalars(select(Voucher).where(Voucher.holder_id == holder_id))
        assert voucher.lapsed_at is None


@pytest.mark.parametrize("query", ["forfeit_vouchers=yes", "forfeit_vouchers=1"])
def test_an_odd_wish_is_refused(client, database, resident, query):
    refused_in_both_languages(
        database,
        lambda headers: client.delete(f"{ME}?{query}", headers=resident | headers),
        422,
        "body-does-not-fit",
    )


# --- A token outlives the account by ten minutes --------------------------------------------------


def test_writes_with_a_token_of_a_closed_account_are_gone(client, database, resident, services):
    with_scenes(database)
    offer = database.transact(an_offer)
    client.delete(ME, headers=resident)

    tries = [
        client.put(
            f"/v1/redemptions/{uuid4()}", json={"offer_id": str(offer.id)}, headers=resident
        ),
        client.put(
            f"/v1/activities/{uuid4()}", json=a_day(), headers=resident
        ),
        client.put(
            "/v1/household",
            json={
                "valid_from": datetime.now(UTC).date().isoformat(), "persons": 1,
                "moved_in_on": "2020-01-01", "solar": False, "tier": 1,
            },
            headers=resident,
        ),
        client.put("/v1/consents/test.consent.staff", json={"given": False}, headers=resident),
        client.put(ME, json={"name": "somebody"}, headers=resident),
        client.get(f"{ME}/export", headers=resident),
    ]  # fmt: skip

    for answer in tries:
        refused(answer, 410, "account-closed")


# --- Family ---------------------------------------------------------------------------------------


def a_delegation(database, holder_id, delegate_id, kind="delegate"):
    delegation_id = uuid4()

    def work(session):
        begin(session, delegation_id, holder_id, delegate_id, kind, True, now=AT)

    database.transact(work)
    return delegation_id


def a_child(database, keyring, guardian_id):
    child = database.transact(lambda s: a_resident(s, points=9))
    known(database, keyring, child)
    database.transact(
        lambda s: s.execute(
            update(Person).where(Person.holder_id == child).values(minor_until=date(2035, 1, 1))
        )
    )
    a_delegation(database, child, guardian_id, "guardian")
    return child


def test_delegations_end_both_ways(client, database, keyring, resident, holder_id):
    known(database, keyring, holder_id)
    mother, friend = (database.transact(a_resident) for _ in range(2))
    a_delegation(database, holder_id, friend)
    a_delegation(database, mother, holder_id)

    client.delete(ME, headers=resident)

    with database.snapshot() as session:
        everybody = (holder_id, mother)
        for each in session.scalars(select(Delegation).where(Delegation.holder_id.in_(everybody))):
            assert each.ended_at is not None
        for one in (friend, holder_id):
            query = select(ActingFor).where(ActingFor.delegate_id == one)
            assert session.scalars(query).all() == []


def test_a_guardian_closes_the_childs_account_first(
    client, bearer, database, keyring, resident, holder_id
):
    child = a_child(database, keyring, holder_id)

    found = refused_in_both_languages(
        database,
        lambda headers: client.delete(ME, headers=resident | headers),
        409,
        "children-left",
    )
    assert found["children"] == [str(child)]

    as_guardian = bearer("resident", child, actor=str(holder_id), powers="guardian")
    assert client.delete(ME, headers=as_guardian).json["lapsed_points"] == 9
    assert database.transact(lambda s: s.get_one(Person, child)).minor_until is None
    assert client.delete(ME, headers=resident).status_code == 200


@pytest.mark.parametrize("powers", ["read", "spend"])
def test_a_delegate_closes_nothing_and_takes_nothing_along(client, bearer, holder_id, powers):
    delegate = bearer("resident", holder_id, actor=str(uuid4()), powers=powers)

    refused(client.delete(ME, headers=delegate), 403, "not-as-delegate")
    refused(client.get(f"{ME}/export", headers=delegate), 403, "not-as-delegate")


# --- At the desk ----------------------------------------------------------------------------------


@pytest.fixture
def operator(bearer):
    return bearer("operator", "operator-9")


def a_card(database, keyring, holder_id):
    number = f"SH{uuid4().hex[:12].upper()}"
    database.transact(lambda s: add_ids(s, keyring, "card", {number: holder_id}, now=AT))
    return number


def desk(holder_id) -> str:
    return f"/v1/staff/residents/{holder_id}/closing"


def test_the_desk_closes_by_the_card_and_writes_it_down(
    client, database, keyring, operator, holder_id
):
    number = a_card(database, keyring, holder_id)
    body = {"card_number": number.lower()}

    first = client.put(desk(holder_id), json=body, headers=operator)
    again = client.put(desk(holder_id), json=body, headers=operator)

    assert first.status_code == 200, first.text
    assert first.json == again.json
    query = select(AdminAct).where(AdminAct.holder_id == holder_id)
    (act,) = database.transact(lambda s: s.scalars(query).all())
    assert (act.what, act.actor, act.before) == (
        "resident.close",
        "operator-9",
        {"closed_at": None},
    )
    assert act.after is not None
    assert act.after["closed_at"] is not None
    assert number not in str([act.before, act.after, act.object_id])


def test_the_desk_needs_this_residents_card(client, database, keyring, operator, holder_id):
    other = database.transact(a_resident)
    for number in (a_card(database, keyring, other), f"SH{uuid4().hex[:12].upper()}"):
        body = {"card_number": number}

        def send(headers, body=body):
            return client.put(desk(holder_id), json=body, headers=operator | headers)

        refused_in_both_languages(database, send, 404, "unknown-card")


def test_the_desk_of_another_district_knows_no_such_resident(
    client, bearer, database, keyring, holder_id
):
    number = a_card(database, keyring, holder_id)
    elsewhere = bearer("operator", "operator-2", "310101")

    answer = client.put(desk(holder_id), json={"card_number": number}, headers=elsewhere)

    refused(answer, 404, "unknown-resident")


# --- At once, and afterwards ----------------------------------------------------------------------


def test_redeeming_and_closing_at_once_leaves_no_open_voucher(database, services, keyring):
    for _ in range(3):
        holder_id, offer = a_shop(database, points=2_000, stock_units=50)
        known(database, keyring, holder_id)

        def buy(holder_id=holder_id, offer=offer):
            try:
                redeemed(database, services, holder_id, offer)
            except AccountClosed:
                return 0
            return 1

        def leave(holder_id=holder_id):
            wish = Wish("holder:x", "", forfeit_vouchers=True)
            return database.transact(
                lambda s: close(s, holder_id, wish, codes=services.codes, now=datetime.now(UTC))
            )

        with ThreadPoolExecutor(20) as pool:
            bought = [pool.submit(buy) for _ in range(15)]
            left = [pool.submit(leave) for _ in range(5)]
            count = sum(future.result() for future in bought)
            closures = {future.result() for future in left}
        (closure,) = closures
        assert closure.forfeited_vouchers == count
        assert closure.lapsed_points == 2_000 - 120 * count
        with database.snapshot() as session:
            vouchers = session.scalars(select(Voucher).where(Voucher.holder_id == holder_id)).all()
            assert all(voucher.lapsed_at for voucher in vouchers)
            assert len(vouchers) == count


def test_nobody_becomes_a_person_again_by_an_id_that_comes_late(database, keyring, holder_id):
    """A partner's number that is tied while the account closes opens nothing afterwards."""
    numbers = [f"n-{uuid4()}" for _ in range(12)]
    known(database, keyring, holder_id)

    def tie(number):
        try:
            database.transact(lambda s: add_ids(s, keyring, "bus", {number: holder_id}, now=AT))
        except AccountClosed:
            return

    with ThreadPoolExecutor(16) as pool:
        ties = [pool.submit(tie, number) for number in numbers]
        left = pool.submit(
            lambda: database.transact(lambda s: close(s, holder_id, WISH, codes=CODES, now=AT))
        )
        for future in [*ties, left]:
            future.result()
    with database.snapshot() as session:
        assert find_holders(session, keyring, "bus", numbers) == {}


def test_the_job_destroys_the_salt_when_all_is_sealed(services, database, keyring, holder_id):
    known(database, keyring, holder_id)
    now = datetime.now(UTC)
    database.transact(lambda s: close(s, holder_id, WISH, codes=services.codes, now=now))

    work.seal_log(services, now)
    work.erase_closed(services, now)

    person = database.transact(lambda s: s.get_one(Person, holder_id))
    secret = text("SELECT secret FROM commitment_secret WHERE holder_id = :holder")
    assert person.erased_at == now
    assert database.transact(lambda s: s.execute(secret, {"holder": holder_id}).one()) == (None,)
    later = now + timedelta(hours=1)
    done = database.transact(
        lambda s: erase_closed(s, now=later, after=UUID(int=holder_id.int - 1), limit=1)
    )
    assert done.after != holder_id


def test_what_is_not_sealed_waits(database, keyring, services, holder_id):
    database.transact(lambda s: close(s, holder_id, WISH, codes=CODES, now=AT))

    before = UUID(int=holder_id.int - 1)
    done = database.transact(lambda s: erase_closed(s, now=AT, after=before, limit=1))

    assert (done.looked, done.erased, done.after) == (1, 0, holder_id)
    assert database.transact(lambda s: is_closed(s, holder_id))
    with pytest.raises(AccountClosed):
        database.transact(
            lambda s: read_values(
                s, keyring, holder_id, reader=Reader("x", "operator", "test"), now=AT
            )
        )
