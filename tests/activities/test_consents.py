"""Consent per scene and text version: for acts that start after it, history kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from activities.consents import covered, give, history, open_consents, withdraw
from activities.errors import ConsentNotAsked, ConsentTextOutdated, UnknownResident, UnknownScene
from activities.models import Consent
from tests.makers import NOW, a_resident
from tests.scenes import ELSEWHERE, a_scene

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
def holder_id(session) -> UUID:
    return a_resident(session)


@pytest.fixture
def scene(session) -> str:
    return a_scene(session, consent_version=2).code


def given(session, holder_id: UUID, scene: str, at=NOW) -> Consent:
    return give(session, holder_id, scene, 2, now=at, actor="resident")


def rows(session, holder_id: UUID) -> list[tuple]:
    session.expire_all()
    query = select(Consent).where(Consent.holder_id == holder_id).order_by(Consent.given_at)
    return [(c.given_at, c.withdrawn_at, c.text_version, c.actor) for c in session.scalars(query)]


def asked(holder_id: UUID, scene: str, at=NOW) -> tuple[str, str, str, int]:
    return holder_id.hex, scene, at.isoformat(), 2


@pytest.mark.parametrize(
    ("consents", "started_at", "is_covered"),
    [
        ([], NOW, False),
        ([(NOW, None, 2)], NOW - TICK, False),
        ([(NOW, None, 2)], NOW, True),
        ([(NOW, None, 2)], NOW + SECOND, True),
        ([(NOW, NOW + SECOND, 2)], NOW + SECOND - TICK, True),
        ([(NOW, NOW + SECOND, 2)], NOW + SECOND, False),
        ([(NOW, NOW, 2)], NOW, False),
        ([(NOW, None, 1)], NOW, False),
        ([(NOW, None, 3)], NOW, False),
        ([(NOW - SECOND, NOW, 2), (NOW + SECOND, None, 2)], NOW, False),
        ([(NOW - SECOND, NOW, 2), (NOW, None, 2)], NOW, True),
        ([(NOW - SECOND, NOW, 1), (NOW, None, 2)], NOW - SECOND, False),
    ],
)
def test_which_acts_a_consent_covers(session, consents, started_at, is_covered):
    holder_id, scene = uuid4(), a_scene(session, consent_version=2).code
    for given_at, withdrawn_at, version in consents:
        session.add(
            Consent(
                holder_id=holder_id,
                scene_code=scene,
                given_at=given_at,
                text_version=version,
                withdrawn_at=withdrawn_at,
                actor="resident",
            )
        )
    session.flush()

    assert covered(session, [asked(holder_id, scene, started_at)]) == ({0} if is_covered else set())


def test_given_once_however_often_it_is_sent(session, holder_id, scene):
    first = given(session, holder_id, scene)
    again = given(session, holder_id, scene, NOW + SECOND)

    assert (first.given_at, again.given_at) == (NOW, NOW)
    assert rows(session, holder_id) == [(NOW, None, 2, "resident")]


def test_withdrawn_it_stays_in_the_history_and_may_be_given_anew(session, holder_id, scene):
    given(session, holder_id, scene)
    later, even_later = NOW + SECOND, NOW + 2 * SECOND

    closed = withdraw(session, holder_id, scene, now=later)
    assert (closed.given_at, closed.withdrawn_at) == (NOW, later)
    again = withdraw(session, holder_id, scene, now=even_later)
    assert again.withdrawn_at == later
    assert open_consents(session, holder_id) == {}

    give(session, holder_id, scene, 2, now=even_later, actor="staff wang")

    assert rows(session, holder_id) == [
        (NOW, later, 2, "resident"),
        (even_later, None, 2, "staff wang"),
    ]
    assert [each.given_at for each in history(session, holder_id)] == [even_later, NOW]
    assert set(open_consents(session, holder_id)) == {scene}


def test_nothing_to_withdraw_is_no_error(session, holder_id, scene):
    assert withdraw(session, holder_id, scene, now=NOW) is None
    assert rows(session, holder_id) == []


def test_a_new_text_needs_a_new_consent_and_ends_the_old(session, holder_id):
    scene = a_scene(session, consent_version=1)
    give(session, holder_id, scene.code, 1, now=NOW, actor="resident")
    newer = NOW + SECOND
    session.add(
        Consent(
            holder_id=holder_id,
            scene_code=a_scene(session, consent_version=2).code,
            given_at=NOW,
            text_version=1,
            actor="resident",
        )
    )
    session.flush()
    other = next(code for code in open_consents(session, holder_id) if code != scene.code)

    give(session, holder_id, other, 2, now=newer, actor="resident")

    found = {(c.scene_code, c.given_at, c.withdrawn_at) for c in history(session, holder_id)}
    assert found == {(scene.code, NOW, None), (other, NOW, newer), (other, newer, None)}


@pytest.mark.parametrize("behind", [timedelta(0), SECOND])
def test_a_clock_that_stands_still_or_lags_makes_no_two_at_once(session, holder_id, scene, behind):
    given(session, holder_id, scene)
    withdraw(session, holder_id, scene, now=NOW - behind)
    given(session, holder_id, scene, NOW - behind)
    withdraw(session, holder_id, scene, now=NOW - behind)

    assert rows(session, holder_id) == [
        (NOW, NOW, 2, "resident"),
        (NOW + TICK, NOW + TICK, 2, "resident"),
    ]


@pytest.mark.parametrize("version", [1, 3])
def test_consent_is_to_the_text_that_the_scene_shows(session, holder_id, scene, version):
    with pytest.raises(ConsentTextOutdated) as refusal:
        give(session, holder_id, scene, version, now=NOW, actor="resident")

    assert (refusal.value.text_version, refusal.value.current_text_version) == (version, 2)
    assert rows(session, holder_id) == []


def test_who_or_what_is_unknown(session, holder_id, scene):
    with pytest.raises(UnknownResident):
        given(session, uuid4(), scene)
    with pytest.raises(UnknownResident):
        withdraw(session, uuid4(), scene, now=NOW)
    elsewhere = a_scene(session, programme_code=ELSEWHERE, consent_version=2)
    for code in ("no.such.scene", elsewhere.code):
        with pytest.raises(UnknownScene):
            given(session, holder_id, code)
        with pytest.raises(UnknownScene):
            withdraw(session, holder_id, code, now=NOW)
    with pytest.raises(ConsentNotAsked):
        given(session, holder_id, a_scene(session).code)


def test_a_batch_s_consents_are_one_statement(session, scene, statements):
    holders = [a_resident(session) for _ in range(3)]
    for holder_id in holders[:2]:
        given(session, holder_id, scene)
    withdraw(session, holders[1], scene, now=NOW + SECOND)
    many = [asked(uuid4(), scene) for _ in range(9_996)]
    mine = [asked(holder, scene) for holder in holders]

    with statements() as sent:
        found = covered(session, [*many, *mine, asked(holders[1], scene, NOW + SECOND)])

    assert len(sent) == 1
    assert found == {9_996, 9_997}
    with statements() as sent:
        assert covered(session, []) == set()
    assert sent == []


def test_given_by_many_at_once_it_is_one_consent(database):
    def prepared(session) -> tuple[UUID, str]:
        return a_resident(session), a_scene(session, consent_version=2).code

    holder_id, scene = database.transact(prepared)

    def one(n: int) -> None:
        at = NOW + n * SECOND
        database.transact(lambda s: give(s, holder_id, scene, 2, now=at, actor="resident"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(8)))

    assert len(database.transact(lambda s: rows(s, holder_id))) == 1
