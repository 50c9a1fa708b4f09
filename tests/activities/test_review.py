"""What was held is decided by a person, once; caps, claims and the ledger agree afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from activities.catalogue.models import CityBaseline
from activities.changes.adjusting import current, history_of
from activities.changes.corrections import Cause, withdraw
from activities.models import Household, ReviewStep
from activities.reviewing.cases import cases_of
from activities.reviewing.errors import (
    CaseClosed,
    OwnActivity,
    QuestionNotOpen,
    ReviewStepReused,
    SecondReviewerNeeded,
    UnknownCase,
)
from activities.reviewing.queue import Filter, dossier, queue
from activities.reviewing.review import answer
from ledgers.audit import audit as audit_ledger
from ledgers.models import Posting, Transfer
from tests.catalogues import MONDAY, NOW, a_programme, an_act
from tests.makers import balance
from tests.reviewing import HELD, LIMIT, Key, a_place, decided, decision

NO_OVERLAP = {"kind": "no_overlap"}


def state_of(session: Session, key: Key):
    return current(session, [key])[key[1]]


def case_of(session: Session, key: Key):
    return cases_of(session, [key])[key[1]]


def steps_of(session: Session, key: Key) -> list[tuple[str, str]]:
    query = select(ReviewStep).where(ReviewStep.activity_id == key[1]).order_by(ReviewStep.at)
    return [(step.action, step.actor) for step in session.scalars(query)]


# --- Approve -------------------------------------------------------------------------------------


def test_what_is_approved_earns_and_the_statement_shows_it(session):
    key = a_place(session).held(quantity=52)
    assert balance(session, key[0]) == 0

    (case,) = decided(session, decision(key, "approve", "anna", text="photo fits"))

    assert (case.state, case.closed_at) == ("closed", NOW)
    state = state_of(session, key)
    assert (state.decision, state.code) == ("verified", "approved")
    assert (state.saved_mg_co2e, state.points, state.trimmed_points) == (52_000, 52, 0)
    assert balance(session, key[0]) == 52
    assert balance(session, key[0], "mg_co2e") == 52_000
    (one,) = history_of(session, *key)
    assert (one.kind, one.actor, one.approved_by, one.reason) == (
        "review", "anna", None, "photo fits",
    )  # fmt: skip
    earned = select(Transfer).where(Transfer.reference == key[1], Transfer.unit == "point")
    transfer = session.scalars(earned).one()
    assert (transfer.kind, transfer.amount, transfer.posting_id) == ("earn", 52, one.posting_id)


def test_it_is_quantified_by_the_policy_that_held_it(session):
    place = a_place(session)
    key = place.held(quantity=10)
    place.trial.session.add(place.trial.factor("doubled" + place.trial.code, 2_000_000))
    place.trial.method("ride", 2, factor_code="doubled" + place.trial.code)
    later = place.held(quantity=10)

    decided(session, decision(key, "approve"), decision(later, "approve"))

    assert state_of(session, key).points == 10
    assert state_of(session, key).method_version == 1
    assert state_of(session, later).points == 20
    assert state_of(session, later).policy_id != state_of(session, key).policy_id


@pytest.mark.parametrize(
    ("cap", "first", "points", "code"),
    [
        ({"per": "day", "points": 100}, 48, 52, "approved"),
        ({"per": "day", "points": 100}, 100, 0, "daily_cap"),
        ({"per": "day", "points": 100}, 60, 40, "daily_cap"),
        ({"per": "week", "points": 80}, 60, 20, "weekly_cap"),
        ({"per": "month", "points": 60}, 60, 0, "monthly_cap"),
        ({"per": "year", "points": 61}, 60, 1, "yearly_cap"),
        ({"per": "day", "acts": 1}, 60, 0, "daily_cap"),
        ({"per": "day", "acts": 1}, 30, 22, "daily_cap"),
    ],
)
def test_caps_apply_as_they_stand_at_the_approval(session, cap, first, points, code):
    trial = a_programme(session)
    rule = {"kind": "cap", **cap}
    trial.behaviour("ride", rules=[rule, {"kind": "shared_device", "holders": 1}])
    scene, holder_id, device = trial.scene("ride"), trial.resident(), uuid4()
    trial.record(an_act(scene, trial.resident(), device=device))
    (held,) = trial.record(an_act(scene, holder_id, 60, quantity=52, device=device))
    (granted,) = trial.record(an_act(scene, holder_id, 120, quantity=first))
    assert (held.code, granted.points) == ("shared_device", min(first, cap.get("points", first)))
    key = holder_id, held.activity_id

    decided(session, decision(key, "approve"))

    state = state_of(session, key)
    assert (state.decision, state.code) == ("verified", code)
    assert (state.saved_mg_co2e, state.points, state.trimmed_points) == (
        52_000,
        points,
        52 - points,
    )


def test_two_approvals_in_one_list_share_a_cap(session):
    place = a_place(session, {"kind": "cap", "per": "day", "points": 80})
    holder_id = place.trial.resident()
    keys = [place.held(holder_id, minute, quantity=52) for minute in (0, 60)]

    decided(session, *(decision(key, "approve") for key in keys))

    assert [state_of(session, key).points for key in keys] == [52, 28]
    assert balance(session, holder_id) == 80


def test_a_household_is_quantified_by_the_baseline_that_was_told(session):
    place = a_place(session, unit="Wh", claimed_by="month", form="own_baseline")
    holder_id = place.trial.resident()
    household = Household(
        holder_id=holder_id, valid_from=date(2020, 1, 1), persons=2, moved_in_on=date(2020, 1, 1),
        solar=False, tier=1, actor="test", recorded_at=NOW,
    )  # fmt: skip
    city = CityBaseline(
        programme_code=place.trial.code, behaviour_code=place.trial.behaviours["ride"], month=10,
        valid_from=date(2020, 1, 1), quantity_per_person=100, publisher="test", document="a test",
        source_address="here",
    )  # fmt: skip
    session.add_all([household, city])
    session.flush()
    october = (MONDAY.replace(month=10, day=1) - MONDAY) / timedelta(minutes=1) - 24 * 60
    minutes = 31 * 24 * 60
    event = an_act(place.scene, holder_id, october, minutes=minutes, quantity=150, object_id="m1")
    (held,) = place.trial.record(event)
    assert held.code == "sampled"
    key = holder_id, held.activity_id

    decided(session, decision(key, "approve"))

    assert (state_of(session, key).points, state_of(session, key).quantity) == (50, 150)


# --- Two persons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("points", "state"), [(LIMIT, "closed"), (LIMIT + 1, "seconded")])
def test_above_the_limit_one_approval_is_not_enough(session, points, state):
    key = a_place(session).held(quantity=points)

    (case,) = decided(session, decision(key, "approve", "anna"))

    assert case.state == state
    assert balance(session, key[0]) == (points if state == "closed" else 0)


def test_somebody_else_has_to_approve_it_too(session):
    key = a_place(session).held(quantity=LIMIT + 1)
    decided(session, decision(key, "approve", "anna"))
    with pytest.raises(SecondReviewerNeeded) as refusal:
        decided(session, decision(key, "approve", "anna"))
    assert (refusal.value.approved_by, refusal.value.limit_points) == ("anna", LIMIT)

    (case,) = decided(session, decision(key, "approve", "ben"))

    assert case.state == "closed"
    (one,) = history_of(session, *key)
    assert (one.actor, one.approved_by) == ("anna", "ben")
    posting = session.get_one(Posting, one.posting_id)
    assert (posting.actor, posting.approved_by) == ("anna", "ben")
    assert balance(session, key[0]) == LIMIT + 1
    assert steps_of(session, key) == [("approve", "anna"), ("approve", "ben")]


def test_a_question_in_between_undoes_the_first_approval(session):
    key = a_place(session).held(quantity=LIMIT + 1)
    question = decision(key, "ask", "ben")
    decided(session, decision(key, "approve", "anna"))
    decided(session, question)
    answer(session, *key, question_id=question.step_id, text="yes", now=NOW)

    (case,) = decided(session, decision(key, "approve", "ben"))

    assert case.state == "seconded"
    assert decided(session, decision(key, "approve", "anna"))[0].state == "closed"


def test_one_may_reject_what_another_approved(session):
    key = a_place(session).held(quantity=LIMIT + 1)
    decided(session, decision(key, "approve", "anna"))

    (case,) = decided(session, decision(key, "reject", "ben"))

    assert case.state == "closed"
    assert state_of(session, key).code == "review_rejected"
    assert balance(session, key[0]) == 0


# --- Reject --------------------------------------------------------------------------------------


def test_what_is_rejected_earns_nothing_and_says_why(session):
    key = a_place(session).held()

    (case,) = decided(session, decision(key, "reject", "anna", text="the photo is of a cat"))

    assert case.state == "closed"
    (one,) = history_of(session, *key)
    assert (one.kind, one.decision, one.code) == ("review", "rejected", "review_rejected")
    assert (one.saved_mg_co2e, one.points, one.posting_id, one.reversal_id) == (0, 0, None, None)
    assert (one.actor, one.reason) == ("anna", "the photo is of a cat")


def test_a_rejected_act_and_its_time_are_free_again(session):
    place = a_place(session, NO_OVERLAP)
    holder_id = place.trial.resident()
    key = place.held(holder_id, 0)
    same, other = place.act(holder_id, 0), place.act(holder_id, 5)
    assert {state_of(session, one).code for one in (same, other)} == {"already_claimed"}

    decided(session, decision(key, "reject"))

    assert state_of(session, place.act(holder_id, 5)).code == "sampled"


# --- Ask -----------------------------------------------------------------------------------------


def test_a_question_is_answered_and_the_case_is_open_again(session):
    key = a_place(session).held()
    question = decision(key, "ask", text="Which bin?")

    (case,) = decided(session, question)
    assert case.state == "asked"
    case = answer(session, *key, question_id=question.step_id, text="The blue one.\n", now=NOW)

    assert case.state == "open"
    again = answer(session, *key, question_id=question.step_id, text="The blue one.\n", now=NOW)
    assert again.state == "open"
    assert steps_of(session, key) == [("ask", "anna"), ("answer", str(key[0]))]
    with pytest.raises(QuestionNotOpen):
        answer(session, *key, question_id=question.step_id, text="The red one.", now=NOW)


def test_only_the_latest_question_can_be_answered(session):
    key = a_place(session).held()
    first, second = decision(key, "ask"), decision(key, "ask", "ben")
    decided(session, first)
    decided(session, second)

    with pytest.raises(QuestionNotOpen):
        answer(session, *key, question_id=first.step_id, text="?", now=NOW)
    with pytest.raises(QuestionNotOpen):
        answer(session, *key, question_id=uuid4(), text="?", now=NOW)

    assert answer(session, *key, question_id=second.step_id, text="!", now=NOW).state == "open"


def test_a_reviewer_need_not_wait_for_the_answer(session):
    key = a_place(session).held()
    question = decision(key, "ask")
    decided(session, question)

    assert decided(session, decision(key, "approve"))[0].state == "closed"

    with pytest.raises(QuestionNotOpen):
        answer(session, *key, question_id=question.step_id, text="late", now=NOW)


# --- Refusals and retries ------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["approve", "reject", "ask"])
def test_nobody_decides_on_their_own_activity(session, action):
    key = a_place(session).held()

    for name in (str(key[0]), str(key[0]).upper(), key[0].hex):
        with pytest.raises(OwnActivity):
            decided(session, decision(key, action, name))
    assert case_of(session, key).state == "open"


@pytest.mark.parametrize("action", ["approve", "reject", "ask"])
@pytest.mark.parametrize("before", ["approve", "reject"])
def test_a_case_is_decided_once(session, before, action):
    key = a_place(session).held()
    decided(session, decision(key, before))

    with pytest.raises(CaseClosed) as refusal:
        decided(session, decision(key, action, "ben"))

    assert refusal.value.decision == ("verified" if before == "approve" else "rejected")


@pytest.mark.parametrize("action", ["approve", "reject", "ask"])
def test_the_same_decision_again_changes_nothing(session, action):
    key = a_place(session).held()
    one = decision(key, action)
    (first,) = decided(session, one)
    steps, points, state = steps_of(session, key), balance(session, key[0]), first.state

    (again,) = decided(session, one)

    assert again.state == state
    assert (steps_of(session, key), balance(session, key[0])) == (steps, points)


def test_an_id_stands_for_one_step(session):
    place = a_place(session)
    key, step_id = place.held(), uuid4()
    other = place.held(key[0], 60)
    decided(session, decision(key, "ask", step_id=step_id, text="?"))

    for changed in (
        decision(key, "ask", step_id=step_id, text="!"),
        decision(key, "ask", "ben", step_id=step_id, text="?"),
        decision(key, "reject", step_id=step_id, text="?"),
        decision(other, "ask", step_id=step_id, text="?"),
    ):
        with pytest.raises(ReviewStepReused):
            decided(session, changed)


def test_what_was_never_held_has_no_case(session):
    place = a_place(session, held=False)
    key = place.act(place.trial.resident())

    for wrong in (key, (key[0], uuid4()), (uuid4(), key[1])):
        with pytest.raises(UnknownCase):
            decided(session, decision(wrong, "approve"))


def test_of_a_list_with_one_refusal_nothing_is_decided(database):
    def held(session: Session) -> list[Key]:
        place = a_place(session)
        return [place.held() for _ in range(3)]

    keys = database.transact(held)
    database.transact(lambda s: decided(s, decision(keys[1], "reject")))

    with pytest.raises(CaseClosed):
        database.transact(lambda s: decided(s, *(decision(key, "approve") for key in keys)))

    with database.snapshot() as session:
        assert [case_of(session, key).state for key in keys] == ["open", "closed", "open"]
        assert [balance(session, key[0]) for key in keys] == [0, 0, 0]


def test_many_decisions_cost_as_many_statements_as_few(session, statements):
    place = a_place(session, {"kind": "cap", "per": "month", "points": 10_000}, NO_OVERLAP)
    seen = []
    for count in (2, 60):
        holders = [place.trial.resident() for _ in range(count)]
        keys = [place.held(holder_id, 20 * n) for n, holder_id in enumerate(holders)]
        keys += [place.held(holder_id, 5_000 + 20 * n) for n, holder_id in enumerate(holders)]
        mixed = [
            decision(key, ("approve", "reject", "approve", "ask")[n % 4])
            for n, key in enumerate(keys)
        ]
        session.expire_all()
        with statements() as sent:
            decided(session, *mixed)
        seen.append(len(sent))

    assert seen[1] <= seen[0] <= 40


# --- Meanwhile -----------------------------------------------------------------------------------


def test_a_withdrawn_activity_closes_its_case(session):
    key = a_place(session).held()

    withdraw(session, [key], Cause(uuid4(), "partner:p", "by mistake"), now=NOW)

    assert case_of(session, key).state == "closed"
    with pytest.raises(CaseClosed) as refusal:
        decided(session, decision(key, "approve"))
    assert refusal.value.decision_code == "withdrawn"


def test_a_superseded_activity_closes_its_case(session):
    place = a_place(session)
    key = place.held()
    light = place.trial.scene("ride", "app")
    holder_id = place.trial.resident()
    (app,) = place.trial.record(an_act(light, holder_id, 30, quantity=7))
    assert app.decision == "held"

    weighty = place.act(holder_id, 30, quantity=7)

    assert state_of(session, (holder_id, app.activity_id)).code == "superseded"
    assert case_of(session, (holder_id, app.activity_id)).state == "closed"
    assert case_of(session, weighty).state == "open"
    assert case_of(session, key).state == "open"


def test_of_two_reviewers_at_once_one_decides(database):
    key = database.transact(lambda s: a_place(s).held())

    def work(number: int) -> str:
        action = "reject" if number % 2 else "approve"
        try:
            database.transact(lambda s: decided(s, decision(key, action, f"op{number}")))
        except CaseClosed:
            return "closed"
        return action

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(6)))

    assert outcomes.count("closed") == 5
    (won,) = set(outcomes) - {"closed"}
    with database.snapshot() as session:
        assert balance(session, key[0]) == (52 if won == "approve" else 0)
        assert [action for action, _ in steps_of(session, key)] == [won]
        assert len(history_of(session, *key)) == 1


def test_of_two_first_approvals_at_once_the_second_books(database):
    key = database.transact(lambda s: a_place(s).held(quantity=LIMIT + 1))

    def approve(name: str) -> str:
        return database.transact(lambda s: decided(s, decision(key, "approve", name)))[0].state

    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(approve, ["anna", "ben"]))

    assert sorted(states) == ["closed", "seconded"]
    with database.snapshot() as session:
        assert balance(session, key[0]) == LIMIT + 1


def test_an_approval_racing_a_withdrawal_leaves_nothing(database):
    """Whichever comes first: it is withdrawn in the end."""

    def held(session: Session) -> list[Key]:
        place = a_place(session, {"kind": "cap", "per": "day", "points": 500}, NO_OVERLAP)
        return [place.held() for _ in range(6)]

    keys = database.transact(held)

    def approve(key: Key) -> str:
        try:
            database.transact(lambda s: decided(s, decision(key, "approve")))
        except CaseClosed:
            return "late"
        return "approved"

    def take_back(key: Key) -> str:
        cause = Cause(uuid4(), "partner:p", "by mistake")
        database.transact(lambda s: withdraw(s, [key], cause, now=NOW))
        return "withdrawn"

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(work, key) for key in keys for work in (approve, take_back)]
        assert {job.result() for job in jobs} <= {"approved", "late", "withdrawn"}

    with database.snapshot() as session:
        for key in keys:
            assert state_of(session, key).code == "withdrawn"
            assert case_of(session, key).state == "closed"
            assert balance(session, key[0]) == 0


def test_approvals_racing_intake_never_pass_a_cap(database):
    def set_up(session: Session):
        trial = a_programme(session)
        cap = {"kind": "cap", "per": "day", "points": 100}
        trial.behaviour("ride", rules=[cap])
        trial.behaviour("walk", rules=[HELD])
        trial.rule(None, "99", kind="cap", per="day", points=120)
        scenes, holder_id = (trial.scene("ride"), trial.scene("walk")), trial.resident()
        held = trial.record(*(an_act(scenes[1], holder_id, n, quantity=30) for n in range(4)))
        return trial, scenes[0], holder_id, [(holder_id, one.activity_id) for one in held]

    trial, ride, holder_id, keys = database.transact(set_up)

    def approve(key: Key) -> None:
        database.transact(lambda s: decided(s, decision(key, "approve")))

    def send(minute: int) -> None:
        def work(session: Session) -> None:
            trial.session = session
            trial.record(an_act(ride, holder_id, 100 + minute, quantity=30))

        database.transact(work)

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(3) as many:
        jobs = [one.submit(send, n) for n in range(4)] + [many.submit(approve, k) for k in keys]
        for job in jobs:
            job.result()

    with database.snapshot() as session:
        assert balance(session, holder_id) == 120
        assert balance(session, holder_id, "mg_co2e") == 240_000


def test_books_agree_after_every_kind_of_decision(fresh_database):
    def work(session: Session) -> list[Key]:
        place = a_place(session, {"kind": "cap", "per": "day", "points": 90}, NO_OVERLAP)
        holder_id = place.trial.resident()
        keys = [place.held(holder_id, 60 * n) for n in range(4)]
        keys.append(place.held(quantity=LIMIT + 1))
        actions = ("approve", "approve", "reject", "ask", "approve")
        for key, action in zip(keys, actions, strict=True):
            decided(session, decision(key, action))
        decided(session, decision(keys[4], "approve", "ben"))
        withdraw(session, [keys[0]], Cause(uuid4(), "partner:p", "wrong"), now=NOW)
        return keys

    keys = fresh_database.transact(work)

    with fresh_database.snapshot() as session:
        assert [*audit_ledger(session), *audit_activities(session)] == []
        assert [state_of(session, key).points for key in keys] == [0, 52, 0, 0, 90]


# --- What a reviewer sees ------------------------------------------------------------------------


def keys_in(session: Session, **chosen) -> list[UUID]:
    return [case.activity_id for case, _ in queue(session, Filter(**chosen)).cases]


def test_the_queue_is_by_age_and_can_be_narrowed(session):
    trial = a_programme(session)
    trial.behaviour("ride", rules=[{"kind": "shared_device", "holders": 1}, HELD])
    scene, device = trial.scene("ride"), uuid4()
    acts = []
    for n in range(5):
        event = an_act(scene, trial.resident(), 10 * n, **({"device": device} if n > 2 else {}))
        at = NOW - timedelta(hours=10 - n)
        (answered,) = trial.record(event, at=at)
        acts.append((event.holder_id, answered.activity_id))
    ids = [id_ for _, id_ in acts]
    decided(session, decision(acts[0], "reject"), decision(acts[1], "ask"))
    mine = {"programme_code": trial.code}

    assert keys_in(session, **mine) == ids[1:]
    assert keys_in(session, **mine, state="asked") == [ids[1]]
    assert keys_in(session, **mine, state="open") == ids[2:]
    assert keys_in(session, **mine, state="closed") == [ids[0]]
    assert keys_in(session, **mine, code="shared_device") == [ids[4]]
    assert keys_in(session, **mine, code="sampled") == ids[1:4]
    assert keys_in(session, **mine, opened_before=NOW - timedelta(hours=7)) == ids[1:3]
    assert keys_in(session, programme_code="sh-2026") == []


def test_the_queue_pages_without_a_gap(session):
    place = a_place(session)
    holder_id = place.trial.resident()
    events = [an_act(place.scene, holder_id, 20 * n) for n in range(7)]
    ids = {answer_.activity_id for answer_ in place.trial.record(*events)}

    seen, after = [], None
    while True:
        page = queue(session, Filter(place.trial.code), after=after, limit=3)
        seen += [one.case.activity_id for one in page.cases]
        if (after := page.next_after) is None:
            break

    assert (len(seen), set(seen)) == (7, ids)


def test_a_reviewer_sees_evidence_steps_and_what_else_the_resident_did(session):
    place = a_place(session, {"kind": "quantity_range", "min": 1, "max": 5_000})
    holder_id = place.trial.resident()
    earlier = [place.held(holder_id, 20 * n) for n in range(3)]
    refused = place.act(holder_id, 100, quantity=9_999)
    decided(session, decision(earlier[0], "approve"), decision(earlier[1], "reject"))
    key = place.held(holder_id, 200, photo_sha256="ab" * 32, odometer_m=(1, 9))
    decided(session, decision(key, "ask", text="Which bin?"))

    found = dossier(session, *key)

    assert (found.activity.id, found.state.code) == (key[1], "sampled")
    assert (found.case.state, found.case.code, found.case.points) == ("asked", "sampled", 52)
    assert '"photo_sha256":"' + "ab" * 32 in found.activity.details
    assert [step.text for step in found.steps] == ["Which bin?"]
    assert found.history.counts == {"verified": 1, "held": 2, "rejected": 2}
    assert [one.activity.id for one in found.history.recent] == [
        refused[1], *(id_ for _, id_ in reversed(earlier)),
    ]  # fmt: skip
    by_id = {one.activity.id: one.state.code for one in found.history.recent}
    assert by_id[earlier[0][1]] == "approved"
    assert {case.activity_id for case in found.history.cases} == {id_ for _, id_ in earlier}
