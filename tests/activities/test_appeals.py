"""A refusal is appealed once and answered once, in writing, by somebody else."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from activities.catalogue.models import CityBaseline
from activities.changes.adjusting import current, history_of
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.errors import UnknownActivity, UnknownResident
from activities.models import Household, ReviewStep
from activities.reviewing.appeal_queue import appeals, get_appeal
from activities.reviewing.appeals import open_appeal
from activities.reviewing.errors import (
    ActTaken,
    AlreadyAppealed,
    AppealAnswered,
    NotAppealable,
    NotOverturnable,
    OwnActivity,
    OwnRefusal,
    ReviewStepReused,
    SecondReviewerNeeded,
    UnknownAppeal,
)
from ledgers.audit import audit as audit_ledger
from tests.catalogues import MONDAY, NOW, a_programme, an_act
from tests.makers import balance
from tests.reviewing import LIMIT, Key, Place, a_place, answered, decided, decision, verdict

RANGE = {"kind": "quantity_range", "min": 1, "max": 100}
NO_OVERLAP = {"kind": "no_overlap"}


def state_of(session: Session, key: Key):
    return current(session, [key])[key[1]]


def appealed(session: Session, key: Key, words: str = "It was a tandem.") -> Key:
    open_appeal(session, *key, words=words, now=NOW)
    return key


def refused(session: Session, *rules, quantity: int = 520, **behaviour) -> tuple[Place, Key]:
    """An act beyond the range, of a resident of their own."""
    place = a_place(session, RANGE, *rules, held=False, **behaviour)
    key = place.act(place.trial.resident(), quantity=quantity)
    assert state_of(session, key).decision == "rejected"
    return place, key


# --- Appealing -----------------------------------------------------------------------------------


def test_a_refusal_is_appealed_and_waits(session):
    place, key = refused(session)

    found = open_appeal(session, *key, words="It was a tandem.", now=NOW)

    assert (found.state, found.appeal.text, found.appeal.answer) == (
        "pending", "It was a tandem.", None,
    )  # fmt: skip
    (listed,) = appeals(session, programme_code=place.trial.code).appeals
    assert (listed.appeal.activity_id, listed.activity.code) == (key[1], "quantity_out_of_range")
    assert appeals(session, programme_code=place.trial.code, answered=True).appeals == []


def test_the_same_words_again_are_a_retry_and_others_a_second_appeal(session):
    _, key = refused(session)
    first = open_appeal(session, *key, words="Tandem.", now=NOW)

    again = open_appeal(session, *key, words="Tandem.", now=NOW + timedelta(days=9))

    assert again == first
    with pytest.raises(AlreadyAppealed):
        open_appeal(session, *key, words="Trandem.", now=NOW)
    answered(session, verdict(key, "uphold"))
    assert open_appeal(session, *key, words="Tandem.", now=NOW).state == "upheld"
    with pytest.raises(AlreadyAppealed):
        open_appeal(session, *key, words="Once more.", now=NOW)


def test_only_a_refusal_can_be_appealed(session):
    held = a_place(session).held()
    place = a_place(session, held=False)
    verified = place.act(place.trial.resident())

    for key in (held, verified):
        with pytest.raises(NotAppealable):
            open_appeal(session, *key, words="?", now=NOW)
    for key, refusal in (
        ((held[0], verified[1]), UnknownActivity),
        ((held[0], uuid4()), UnknownActivity),
        ((uuid4(), held[1]), UnknownResident),
    ):
        with pytest.raises(refusal):
            open_appeal(session, *key, words="?", now=NOW)


def test_a_reviewers_refusal_can_be_appealed(session):
    key = a_place(session).held(quantity=52)
    decided(session, decision(key, "reject", "anna"))
    appealed(session, key)
    with pytest.raises(OwnRefusal):
        answered(session, verdict(key, "overturn", "anna"))
    with pytest.raises(OwnRefusal):
        answered(session, verdict(key, "uphold", "anna"))

    (found,) = answered(session, verdict(key, "overturn", "ben", text="It was yours."))

    assert (found.state, found.appeal.answer, found.appeal.answered_by) == (
        "overturned", "It was yours.", "ben",
    )  # fmt: skip
    assert state_of(session, key).code == "overturned"
    assert balance(session, key[0]) == 52
    assert [one.kind for one in history_of(session, *key)] == ["review", "appeal"]


# --- Answering -----------------------------------------------------------------------------------


def test_upheld_it_stays_refused_and_the_resident_reads_why(session):
    _, key = refused(session)
    appealed(session, key)

    (found,) = answered(session, verdict(key, "uphold", "olga", text="No tandem.\nSorry."))

    assert (found.state, found.appeal.answer, found.appeal.answered_at) == (
        "upheld", "No tandem.\nSorry.", NOW,
    )  # fmt: skip
    assert history_of(session, *key) == []
    assert balance(session, key[0]) == 0


def test_overturned_it_counts_by_the_method_of_its_day(session):
    place, key = refused(session, quantity=520)
    appealed(session, key)

    (found,) = answered(session, verdict(key, "overturn", "olga"))

    assert found.state == "overturned"
    state = state_of(session, key)
    assert (state.decision, state.code, state.quantity) == ("verified", "overturned", 520)
    assert (state.saved_mg_co2e, state.points) == (520_000, 520)
    assert (state.method_code, state.method_version) == (place.trial.behaviours["ride"], 1)
    (one,) = history_of(session, *key)
    assert (one.kind, one.actor, one.approved_by, one.reason) == (
        "appeal", "olga", None, "olga: overturn",
    )  # fmt: skip
    assert balance(session, key[0]) == 520
    assert place.act(key[0]) != key
    assert state_of(session, place.act(key[0], quantity=7)).code == "already_claimed"


def test_caps_apply_to_what_is_overturned(session):
    place, key = refused(session, {"kind": "cap", "per": "week", "points": 100}, quantity=520)
    place.act(key[0], 60, quantity=30)
    appealed(session, key)

    answered(session, verdict(key, "overturn"))

    state = state_of(session, key)
    assert (state.code, state.points, state.trimmed_points) == ("overturned", 70, 450)
    assert balance(session, key[0]) == 100


def test_an_overturned_act_takes_its_time(session):
    place, key = refused(session, NO_OVERLAP)
    appealed(session, key)
    answered(session, verdict(key, "overturn"))

    assert state_of(session, place.act(key[0], 5)).code == "already_claimed"
    assert state_of(session, place.act(key[0], 10)).code == "verified"


@pytest.mark.parametrize("minute", [0, 5])
def test_what_belongs_to_another_activity_is_not_overturned(session, minute):
    place, key = refused(session, NO_OVERLAP)
    other = place.act(key[0], minute)
    appealed(session, key)

    with pytest.raises(ActTaken) as refusal:
        answered(session, verdict(key, "overturn"))
    assert refusal.value.taken_by == other[1]

    withdraw(session, [other], Cause(uuid4(), "partner:p", "wrong"), now=NOW)
    assert answered(session, verdict(key, "overturn"))[0].state == "overturned"


def test_of_two_appeals_about_one_act_one_is_overturned(session):
    place, key = refused(session)
    same = place.act(key[0], quantity=600)
    appealed(session, key)
    appealed(session, same)

    with pytest.raises(ActTaken) as refusal:
        answered(session, verdict(key, "overturn"), verdict(same, "overturn"))
    assert refusal.value.taken_by == key[1]

    assert history_of(session, *key) == history_of(session, *same) == []


def test_a_withdrawn_act_may_come_back(session):
    place = a_place(session, NO_OVERLAP, held=False)
    key = place.act(place.trial.resident())
    withdraw(session, [key], Cause(uuid4(), "partner:p", "wrong"), now=NOW)
    appealed(session, key)

    answered(session, verdict(key, "overturn"))

    assert balance(session, key[0]) == 52
    assert [one.points for one in history_of(session, *key)] == [-52, 52]


UNKNOWN = {
    "unknown_scene": {"scene": "no.such.scene"},
    "unknown_resident": {"programme": "another"},
    "no_method": {"days": -4_000},
    "unknown_material": {"form": "mass", "factor_code": None},
    "bad_times": {"minutes": -5},
    "in_future": {"minute": 60 * 24 * 365},
    "duration_out_of_range": {"minutes": 60 * 25},
}


@pytest.mark.parametrize("code", UNKNOWN)
def test_what_cannot_be_quantified_is_not_overturned(session, code):
    how = dict(UNKNOWN[code])
    method = {name: how.pop(name) for name in ("form", "factor_code") if name in how}
    place = a_place(session, NO_OVERLAP, held=False, **method)
    holder_id = place.trial.resident()
    if how.pop("programme", None):
        holder_id = a_programme(session).resident()
    minute = how.pop("minute", 0) + 24 * 60 * how.pop("days", 0)
    scene = how.pop("scene", place.scene)
    (answer,) = place.trial.record(an_act(scene, holder_id, minute, **how))
    assert answer.decision == "rejected"
    key = appealed(session, (holder_id, answer.activity_id))

    with pytest.raises(NotOverturnable) as refusal:
        answered(session, verdict(key, "overturn"))

    assert refusal.value.refusal_code == code
    assert answered(session, verdict(key, "uphold"))[0].state == "upheld"


@pytest.mark.parametrize(("persons", "outcome"), [(0, "no_household"), (1, "no_saving"), (2, 50)])
def test_a_households_month_by_what_is_known_of_it_now(session, persons, outcome):
    place = a_place(session, held=False, unit="Wh", claimed_by="month", form="own_baseline")
    holder_id = place.trial.resident()
    sourced = {"publisher": "test", "document": "a test", "source_address": "here"}
    session.execute(
        insert(CityBaseline).values(
            programme_code=place.trial.code, behaviour_code=place.trial.behaviours["ride"],
            month=10, valid_from=date(2020, 1, 1), quantity_per_person=100, **sourced,
        )
    )  # fmt: skip
    october = (MONDAY.replace(month=10, day=1) - MONDAY) / timedelta(minutes=1) - 24 * 60
    event = an_act(place.scene, holder_id, october, minutes=31 * 24 * 60, quantity=150)
    (answer,) = place.trial.record(event)
    assert answer.code == "no_household"
    key = appealed(session, (holder_id, answer.activity_id))
    if persons:
        household = Household(
            holder_id=holder_id, valid_from=date(2020, 1, 1), persons=persons,
            moved_in_on=date(2020, 1, 1), solar=False, tier=1, actor="test", recorded_at=NOW,
        )  # fmt: skip
        session.add(household)
        session.flush()

    if isinstance(outcome, int):
        answered(session, verdict(key, "overturn"))
        assert balance(session, holder_id) == outcome
        change(session, [Told(*key, 120)], Cause(uuid4(), "op", "misread", "op2"), now=NOW)
        assert balance(session, holder_id) == outcome + 30
    else:
        with pytest.raises(NotOverturnable) as refusal:
            answered(session, verdict(key, "overturn"))
        assert refusal.value.refusal_code == outcome


# --- Who and how often ---------------------------------------------------------------------------


def test_nobody_answers_their_own_appeal(session):
    _, key = refused(session)
    appealed(session, key)

    for action in ("uphold", "overturn"):
        with pytest.raises(OwnActivity):
            answered(session, verdict(key, action, str(key[0])))


def test_an_appeal_is_answered_once_and_the_same_again_is_a_retry(session):
    _, key = refused(session)
    appealed(session, key)
    one = verdict(key, "overturn", "olga")
    answered(session, one)

    assert answered(session, one)[0].state == "overturned"
    assert balance(session, key[0]) == 520
    for action in ("uphold", "overturn"):
        with pytest.raises(AppealAnswered) as refusal:
            answered(session, verdict(key, action, "pete"))
        assert (refusal.value.outcome, refusal.value.answered_by) == ("overturned", "olga")
    with pytest.raises(ReviewStepReused):
        answered(session, verdict(key, "overturn", "olga", step_id=one.step_id, text="other"))


def test_what_nobody_appealed_has_no_answer(session):
    _, key = refused(session)

    with pytest.raises(UnknownAppeal):
        answered(session, verdict(key, "uphold"))
    with pytest.raises(UnknownAppeal):
        get_appeal(session, *key)
    appealed(session, key)
    with pytest.raises(UnknownAppeal):
        answered(session, verdict((uuid4(), key[1]), "uphold"))


def test_above_the_limit_two_persons_overturn_and_one_may_uphold(session):
    _, key = refused(session, quantity=LIMIT + 1)
    appealed(session, key)

    assert answered(session, verdict(key, "overturn", "olga"))[0].state == "seconded"
    assert balance(session, key[0]) == 0
    assert get_appeal(session, *key).appeal.answer is None
    with pytest.raises(SecondReviewerNeeded):
        answered(session, verdict(key, "overturn", "olga"))

    (found,) = answered(session, verdict(key, "overturn", "pete", text="Right."))

    assert (found.state, found.appeal.answer) == ("overturned", "Right.")
    (one,) = history_of(session, *key)
    assert (one.actor, one.approved_by) == ("olga", "pete")
    assert balance(session, key[0]) == LIMIT + 1


def test_another_may_uphold_what_one_would_overturn(session):
    _, key = refused(session, quantity=LIMIT + 1)
    appealed(session, key)
    answered(session, verdict(key, "overturn", "olga"))

    assert answered(session, verdict(key, "uphold", "pete"))[0].state == "upheld"
    query = select(ReviewStep.action).where(ReviewStep.activity_id == key[1])
    assert list(session.scalars(query.order_by(ReviewStep.at))) == [
        "appeal", "overturn", "uphold",
    ]  # fmt: skip


def test_of_two_who_answer_at_once_one_does(database):
    key = database.transact(lambda s: appealed(s, refused(s)[1]))

    def work(number: int) -> str:
        one = verdict(key, "uphold" if number % 2 else "overturn", f"op{number}")
        try:
            return database.transact(lambda s: answered(s, one))[0].state
        except AppealAnswered:
            return "late"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(6)))

    assert outcomes.count("late") == 5
    with database.snapshot() as session:
        assert balance(session, key[0]) == (520 if "overturned" in outcomes else 0)


def test_an_overturned_appeal_racing_the_same_act_grants_it_once(database):
    def set_up(session: Session) -> tuple[Place, Key]:
        place, key = refused(session, quantity=520)
        return place, appealed(session, key)

    place, key = database.transact(set_up)

    def overturn() -> None:
        with suppress(ActTaken):
            database.transact(lambda s: answered(s, verdict(key, "overturn")))

    def tell_again() -> None:
        def work(session: Session) -> None:
            place.trial.session = session
            place.act(key[0], quantity=52)

        database.transact(work)

    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(overturn), pool.submit(tell_again)]:
            job.result()

    with database.snapshot() as session:
        assert balance(session, key[0]) in (52, 520)


def test_books_agree_afterwards(fresh_database):
    def work(session: Session) -> None:
        cap = {"kind": "cap", "per": "month", "points": 100}
        place, key = refused(session, cap, NO_OVERLAP, quantity=520)
        place.act(key[0], 60, quantity=30)
        held = a_place(session).held()
        decided(session, decision(held, "reject"))
        large = refused(session, quantity=LIMIT + 7)[1]
        for one in (key, held, large):
            appealed(session, one)
            answered(session, verdict(one, "overturn"))
        answered(session, verdict(large, "overturn", "pete"))
        withdraw(session, [key], Cause(uuid4(), "partner:p", "wrong"), now=NOW)

    fresh_database.transact(work)

    with fresh_database.snapshot() as session:
        assert [*audit_ledger(session), *audit_activities(session)] == []


def test_many_answers_cost_as_many_statements_as_few(session, statements):
    place = a_place(session, RANGE, NO_OVERLAP, held=False)
    seen = []
    for count in (2, 40):
        keys = [place.act(place.trial.resident(), quantity=520) for _ in range(count)]
        for key in keys:
            appealed(session, key)
        verdicts = [verdict(k, ("overturn", "uphold")[n % 2]) for n, k in enumerate(keys)]
        with statements() as sent:
            answered(session, *verdicts)
        seen.append(len(sent))

    assert seen[1] <= seen[0] <= 45


def test_the_list_pages_from_the_oldest(session):
    place = a_place(session, RANGE, held=False)
    keys = [place.act(place.trial.resident(), quantity=520) for _ in range(5)]
    for n, key in enumerate(keys):
        open_appeal(session, *key, words="?", now=NOW + timedelta(minutes=n))

    seen, after = [], None
    while True:
        page = appeals(session, programme_code=place.trial.code, after=after, limit=2)
        seen += [one.appeal.activity_id for one in page.appeals]
        if (after := page.next_after) is None:
            break

    assert seen == [id_ for _, id_ in keys]
