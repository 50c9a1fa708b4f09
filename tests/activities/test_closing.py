"""Who closed the account takes part no more; what comes late about them fails nobody else's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from activities.audit import audit
from activities.changes import proposals
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.changes.recomputing import Period, recompute
from activities.closing import leave
from activities.consents import give, open_consents
from activities.errors import ResidentClosed
from activities.events import Batch
from activities.households import Declared, declare
from activities.intake import record
from activities.models import Activity, Adjustment, Appeal, Consent, Participant, ReviewCase
from activities.reviewing import appeals, review
from activities.reviewing.errors import AppealAnswered, CaseClosed
from ledgers.audit import audit as audit_ledger
from ledgers.closing import close_holder
from ledgers.errors import AccountClosed
from tests.catalogues import NOW, a_programme, an_act, found_wrong
from tests.makers import a_resident, a_walk, balance, programme_holder, recorded

CAUSE = Cause(uuid4(), "operator-1", "told wrongly", approved_by="operator-2")


def close(session, holder_id, issuer_id):
    assert leave(session, holder_id, actor="test", now=NOW).issuer_id == issuer_id
    close_holder(session, holder_id, issuer_id=issuer_id, actor="test", now=NOW)


@pytest.fixture
def trial(session):
    made = a_programme(session)
    made.behaviour("ride")
    return made


def test_an_act_of_who_left_earns_nothing_and_the_batch_goes_on(session, trial):
    scene, left, other = trial.scene("ride"), trial.resident(), trial.resident()
    trial.record(an_act(scene, left))
    close(session, left, trial.holder_id)

    refused, booked = trial.record(an_act(scene, left, 60), an_act(scene, other))

    assert (refused.code, booked.code) == ("unknown_resident", "verified")
    assert (balance(session, left), balance(session, left, "mg_co2e")) == (0, 1_000)


def test_leaving_twice_is_leaving_once(session, trial):
    holder_id = trial.resident()

    assert leave(session, holder_id, actor="a", now=NOW) == leave(
        session, holder_id, actor="b", now=NOW
    )
    assert session.get_one(Participant, holder_id).turns == 1
    assert leave(session, uuid4(), actor="a", now=NOW) is None


def test_what_is_told_late_of_who_left_is_refused_alone(session, trial):
    scene, left = trial.scene("ride"), trial.resident()
    (act,) = trial.record(an_act(scene, left))
    close(session, left, trial.holder_id)

    with pytest.raises(ResidentClosed):
        withdraw(session, [(left, act.activity_id)], CAUSE, now=NOW)
    with pytest.raises(ResidentClosed):
        change(session, [Told(left, act.activity_id, 2)], CAUSE, now=NOW)
    with pytest.raises(ResidentClosed):
        proposals.propose(
            session, uuid4(), holder_id=left, activity_id=act.activity_id, quantity=None,
            reason="r", proposed_by="a", now=NOW,
        )  # fmt: skip
    assert session.scalars(select(Adjustment).where(Adjustment.holder_id == left)).all() == []


def test_a_factor_found_wrong_changes_nothing_of_who_left_and_all_of_the_others(fresh_database):
    def work(session):
        left, other = a_resident(session), a_resident(session)
        recorded(session, a_walk(left), a_walk(other))
        before = {h: balance(session, h, "mg_co2e") for h in (left, other)}
        close(session, left, programme_holder(session))
        found_wrong(session, 10_000)
        period = Period("demo", None, date(2016, 4, 1), date(2016, 4, 30))
        period = period._replace(programme_code=session.get_one(Participant, left).programme_code)
        done = recompute(session, period, CAUSE, now=NOW)
        after = {h: balance(session, h, "mg_co2e") for h in (left, other)}
        return done, before, after, left, other

    done, before, after, left, other = fresh_database.transact(work)

    assert (done.activities, done.changed) == (2, 1)
    assert before[left] == after[left] > 0
    assert after[other] < before[other]
    with fresh_database.snapshot() as session:
        assert [*audit(session), *audit_ledger(session)] == []


def test_what_was_open_is_closed_as_it_stands(session, trial):
    trial.behaviour("drawn", rules=[{"kind": "sample", "permille": 1000}])
    trial.behaviour("never", rules=[{"kind": "quantity_range", "min": 5, "max": 9}])
    holder_id = trial.resident()
    held, refused = trial.record(
        an_act(trial.scene("drawn"), holder_id), an_act(trial.scene("never"), holder_id, 60)
    )
    assert (held.decision, refused.decision) == ("held", "rejected")
    appeals.open_appeal(session, holder_id, refused.activity_id, words="I did", now=NOW)

    close(session, holder_id, trial.holder_id)

    case = session.get_one(ReviewCase, (holder_id, held.activity_id), populate_existing=True)
    assert (case.state, case.closed_at) == ("closed", NOW)
    appeal = session.get_one(Appeal, (holder_id, refused.activity_id), populate_existing=True)
    assert (appeal.outcome, appeal.answered_by, appeal.answered_at) == ("upheld", "test", NOW)
    decision = review.Decision(uuid4(), holder_id, held.activity_id, "approve", "op", "fine")
    with pytest.raises(CaseClosed):
        review.decide(session, [decision], two_persons_above_points=9, now=NOW)
    verdict = appeals.Verdict(uuid4(), holder_id, refused.activity_id, "overturn", "op", "so")
    with pytest.raises(AppealAnswered):
        appeals.answer(session, [verdict], two_persons_above_points=9, now=NOW)
    assert balance(session, holder_id) == 0


def test_consents_are_withdrawn_and_nothing_is_declared_any_more(session, trial):
    holder_id, scene = trial.resident(), trial.scene("ride", consent_version=1)
    give(session, holder_id, scene, 1, now=NOW, actor="resident")
    (act,) = trial.record(an_act(scene, holder_id))

    close(session, holder_id, trial.holder_id)

    session.expire_all()
    assert open_consents(session, holder_id) == {}
    (consent,) = session.scalars(select(Consent).where(Consent.holder_id == holder_id))
    assert consent.withdrawn_at == NOW
    home = Declared(NOW.date(), 2, date(2020, 1, 1), False, 1)
    refused = [
        lambda: give(session, holder_id, scene, 1, now=NOW, actor="resident"),
        lambda: declare(session, holder_id, home, now=NOW, actor="resident"),
        lambda: appeals.open_appeal(session, holder_id, act.activity_id, words="x", now=NOW),
        lambda: review.answer(
            session, holder_id, act.activity_id, question_id=uuid4(), text="x", now=NOW
        ),
    ]
    for each in refused:
        with pytest.raises(AccountClosed):
            each()


def test_of_acting_and_leaving_at_once_neither_fails_nor_is_anything_credited_afterwards(database):
    """A batch that waits for who leaves finds them gone, and books everybody else's."""
    issuer = database.transact(programme_holder)
    for _ in range(5):
        left, other = database.transact(lambda s: (a_resident(s), a_resident(s)))

        def act(day, left=left, other=other):
            events = [a_walk(left, day=day), a_walk(other, day=day)]
            return database.transact(lambda s: record(s, Batch(events, "test", NOW)))

        def depart(left=left):
            database.transact(lambda s: close(s, left, issuer))

        with ThreadPoolExecutor(20) as pool:
            batches = [pool.submit(act, day) for day in range(16)]
            departures = [pool.submit(depart) for _ in range(4)]
            answers = [future.result() for future in batches]
            for future in departures:
                future.result()
        assert all(theirs.code != "unknown_resident" for _, theirs in answers)
        with database.snapshot() as session:
            assert balance(session, left) == 0
            query = select(Activity.saved_mg_co2e).where(Activity.holder_id == left)
            assert balance(session, left, "mg_co2e") == sum(session.scalars(query))
            gone = text(
                "SELECT bool_and(closed_at IS NOT NULL) FROM account WHERE holder_id = :holder"
            )
            assert session.scalar(gone, {"holder": left})
