"""One operator proposes, another approves; nothing is posted before, and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from activities.audit import audit as audit_activities
from ledgers.audit import audit as audit_ledger
from ledgers.corrections import (
    Grant,
    approve,
    get_correction,
    grant_of,
    pending,
    propose,
    reject,
    reversals_of,
)
from ledgers.errors import (
    CorrectionDecided,
    CorrectionReused,
    DomainError,
    InvalidAmount,
    NotReversible,
    PostingReused,
    SecondPersonNeeded,
    UnknownAccount,
    UnknownCorrection,
    UnknownTransfer,
)
from ledgers.models import Correction, Lot, Posting, Transfer
from ledgers.posting import post
from ledgers.reversal import reverse
from tests.makers import (
    NOW,
    a_resident,
    a_walk,
    balance,
    debt,
    earning,
    programme_holder,
    recorded,
    spending,
)

LATER = NOW + timedelta(hours=1)


def earned(session, holder_id, points) -> UUID:
    posting = earning(session, holder_id, points)
    post(session, posting, now=NOW)
    return session.scalars(select(Transfer.id).where(Transfer.posting_id == posting.id)).one()


def a_grant(session, points=25, unit="point") -> Grant:
    return Grant(programme_holder(session), unit, points)


def proposed(session, holder_id, what, correction_id=None, *, reason="wrong", by="anna", at=NOW):
    return propose(
        session,
        correction_id or uuid4(),
        holder_id=holder_id,
        reversals={} if isinstance(what, Grant) else what,
        grant=what if isinstance(what, Grant) else None,
        reason=reason,
        proposed_by=by,
        now=at,
    )


def approved(session, correction, *, by="ben", at=LATER, request_id="r-1"):
    return approve(
        session,
        correction.id,
        holder_id=correction.holder_id,
        approved_by=by,
        now=at,
        request_id=request_id,
    )


def rejected(session, correction, *, by="ben", reason=None):
    return reject(
        session,
        correction.id,
        holder_id=correction.holder_id,
        rejected_by=by,
        now=LATER,
        reason=reason,
    )


def written(session) -> list[int]:
    """How many rows there are of what a correction could write."""
    tables = (Correction, Posting, Transfer, Lot)
    return [session.scalar(select(func.count()).select_from(table)) for table in tables]


@pytest.fixture
def holder_id(session):
    return a_resident(session, points=100)


def test_a_proposal_posts_nothing(session, holder_id):
    transfer_id = earned(session, holder_id, 80)
    before = written(session)

    correction = proposed(session, holder_id, {transfer_id: None})

    assert (correction.state, correction.decided_by) == ("proposed", None)
    assert written(session) == [before[0] + 1, *before[1:]]
    assert (balance(session, holder_id), debt(session, holder_id)) == (180, 0)


def test_an_approved_reversal_is_one_posting_with_both_persons_and_the_reason(session, holder_id):
    transfer_id = earned(session, holder_id, 80)
    correction = proposed(session, holder_id, {transfer_id: 30}, reason="读数错误")

    done = approved(session, correction)

    assert (done.state, done.decided_by, done.decided_at) == ("approved", "ben", LATER)
    posting = session.get_one(Posting, correction.id)
    assert (posting.kind, posting.actor, posting.approved_by) == ("correction", "anna", "ben")
    assert (posting.reason, posting.request_id) == ("读数错误", "r-1")
    assert posting.recorded_at == LATER
    (transfer,) = session.scalars(select(Transfer).where(Transfer.posting_id == posting.id))
    assert (transfer.reverses_id, transfer.amount) == (transfer_id, 30)
    assert balance(session, holder_id) == 150


def test_an_approved_grant_gives_and_pays_a_debt_first(session):
    holder_id = a_resident(session)
    transfer_id = earned(session, holder_id, 80)
    post(session, spending(session, holder_id, 70), now=NOW)
    approved(session, proposed(session, holder_id, {transfer_id: None}))
    assert debt(session, holder_id) == 70

    correction = proposed(session, holder_id, a_grant(session, 90))
    approved(session, correction)

    assert (balance(session, holder_id), debt(session, holder_id)) == (20, 0)
    (transfer,) = session.scalars(select(Transfer).where(Transfer.posting_id == correction.id))
    assert (transfer.kind, transfer.reference) == ("grant", correction.id)


def test_co2e_can_be_granted_as_well(session, holder_id):
    approved(session, proposed(session, holder_id, a_grant(session, 5_000, "mg_co2e")))

    assert balance(session, holder_id, "mg_co2e") == 5_000


def test_the_audits_find_nothing_after_corrections(fresh_database):
    def corrected(session):
        holder_id = a_resident(session)
        recorded(session, a_walk(holder_id, 9_000))
        own = select(Transfer).where(Transfer.holder_id == holder_id)
        amounts = {t.id: t.amount // 2 for t in session.scalars(own)}
        approved(session, proposed(session, holder_id, amounts))
        approved(session, proposed(session, holder_id, a_grant(session)))

    fresh_database.transact(corrected)

    with fresh_database.snapshot() as session:
        assert [*audit_ledger(session), *audit_activities(session)] == []


def test_the_same_proposal_again_is_a_retry_and_tells_how_it_stands(session, holder_id):
    transfer_ids = sorted(earned(session, holder_id, n) for n in (80, 81))
    what = dict.fromkeys(transfer_ids)
    first = proposed(session, holder_id, what)
    before = written(session)

    again = proposed(session, holder_id, dict(reversed(what.items())), first.id, at=LATER)

    assert (again.id, again.proposed_at, again.state) == (first.id, NOW, "proposed")
    approved(session, first)
    after = proposed(session, holder_id, what, first.id, at=LATER)
    assert (after.state, after.decided_by) == ("approved", "ben")
    assert written(session)[0] == before[0]


def test_an_id_stands_for_one_proposal_of_one_person(session, holder_id):
    transfer_id, other = earned(session, holder_id, 80), earned(session, holder_id, 80)
    first = proposed(session, holder_id, {transfer_id: 5})
    before = written(session)

    others = [
        {"what": {transfer_id: 6}},
        {"what": {transfer_id: None}},
        {"what": {other: 5}},
        {"what": {transfer_id: 5, other: 5}},
        {"what": a_grant(session, 5)},
        {"what": {transfer_id: 5}, "reason": "another"},
        {"what": {transfer_id: 5}, "by": "ben"},
    ]
    for each in others:
        with pytest.raises(CorrectionReused):
            proposed(session, holder_id, correction_id=first.id, **each)

    assert written(session) == before
    assert reversals_of(first) == {transfer_id: 5}


def test_what_could_never_be_posted_is_not_proposed(session, holder_id):
    transfer_id, spent = earned(session, holder_id, 80), spending(session, holder_id, 7)
    post(session, spent, now=NOW)
    other = a_resident(session)
    theirs = earned(session, other, 80)
    undone = earned(session, holder_id, 9)
    done = proposed(session, holder_id, {undone: None})
    approved(session, done)
    (reversal,) = session.scalars(select(Transfer.id).where(Transfer.posting_id == done.id))
    before = written(session)

    cases = [
        ({theirs: None}, UnknownTransfer),
        ({uuid4(): None}, UnknownTransfer),
        ({transfer_id: None, uuid4(): 1}, UnknownTransfer),
        ({transfer_id: 81}, NotReversible),
        ({undone: 1}, NotReversible),
        ({undone: None}, NotReversible),
        ({reversal: None}, NotReversible),
        ({transfer_id: 0}, InvalidAmount),
        ({transfer_id: -1}, InvalidAmount),
        ({transfer_id: 2**53 + 1}, InvalidAmount),
        (Grant(uuid4(), "point", 5), UnknownAccount),
        (Grant(holder_id, "point", 5), UnknownAccount),
        (Grant(programme_holder(session), "fen", 5), UnknownAccount),
        (a_grant(session, 0), InvalidAmount),
        (a_grant(session, 2**53 + 1), InvalidAmount),
    ]
    for what, refusal in cases:
        with pytest.raises(refusal):
            proposed(session, holder_id, what)
    with pytest.raises(UnknownAccount):
        proposed(session, uuid4(), a_grant(session))
    with pytest.raises(UnknownAccount):
        proposed(session, programme_holder(session), a_grant(session))

    assert written(session) == before
    assert balance(session, holder_id) == 173


@pytest.mark.parametrize("kind", ["reversal", "grant"])
def test_an_id_of_another_posting_is_not_proposed(session, holder_id, kind):
    taken = earning(session, holder_id, 80)
    post(session, taken, now=NOW)
    transfer_id = earned(session, holder_id, 5)

    what = {transfer_id: None} if kind == "reversal" else a_grant(session)

    with pytest.raises(PostingReused):
        proposed(session, holder_id, what, taken.id)


def test_neither_both_nor_nothing_is_proposed(session, holder_id):
    transfer_id = earned(session, holder_id, 80)
    for reversals, grant in (({}, None), ({transfer_id: None}, a_grant(session))):
        with pytest.raises(AssertionError):
            propose(
                session,
                uuid4(),
                holder_id=holder_id,
                reversals=reversals,
                grant=grant,
                reason="x",
                proposed_by="anna",
                now=NOW,
            )


def test_who_proposed_does_not_approve(session, holder_id):
    correction = proposed(session, holder_id, a_grant(session))
    before = written(session)

    for _ in range(2):
        with pytest.raises(SecondPersonNeeded) as refusal:
            approved(session, correction, by="anna")

    assert refusal.value.proposed_by == "anna"
    assert written(session) == before
    assert get_correction(session, holder_id, correction.id).state == "proposed"
    assert approved(session, correction).state == "approved"


def test_the_same_approval_again_is_a_retry(session, holder_id):
    correction = proposed(session, holder_id, a_grant(session))
    approved(session, correction)
    before = written(session)

    again = approved(session, correction, at=LATER + timedelta(days=1), request_id="r-2")

    assert (again.state, again.decided_by, again.decided_at) == ("approved", "ben", LATER)
    assert written(session) == before
    assert session.get_one(Posting, correction.id).request_id == "r-1"
    assert balance(session, holder_id) == 125


def test_what_is_decided_is_decided(session, holder_id):
    yes, no = [proposed(session, holder_id, a_grant(session)) for _ in range(2)]
    approved(session, yes)
    rejected(session, no, reason="not ours")
    before = written(session)

    attempts = [
        lambda: approved(session, yes, by="cleo"),
        lambda: approved(session, yes, by="anna"),
        lambda: rejected(session, yes),
        lambda: rejected(session, yes, by="anna"),
        lambda: approved(session, no),
        lambda: approved(session, no, by="anna"),
        lambda: rejected(session, no, by="cleo", reason="not ours"),
        lambda: rejected(session, no, reason="another"),
        lambda: rejected(session, no),
    ]
    for attempt in attempts:
        with pytest.raises(CorrectionDecided) as refusal:
            attempt()
        assert refusal.value.decided_by == "ben"

    assert refusal.value.state == "rejected"
    assert written(session) == before
    assert balance(session, holder_id) == 125


@pytest.mark.parametrize("by", ["anna", "ben"], ids=["withdrawn", "rejected"])
def test_a_rejection_posts_nothing_and_a_retry_changes_nothing(session, holder_id, by):
    correction = proposed(session, holder_id, a_grant(session))
    before = written(session)

    answers = [rejected(session, correction, by=by, reason="not ours") for _ in range(2)]

    for answer in answers:
        assert (answer.state, answer.decided_by) == ("rejected", by)
        assert answer.content["rejection_reason"] == "not ours"
        assert grant_of(answer) == a_grant(session)
    assert written(session) == before
    assert proposed(session, holder_id, a_grant(session), correction.id).state == "rejected"


def test_somebody_elses_correction_is_unknown(session, holder_id):
    correction = proposed(session, holder_id, a_grant(session))
    stranger = a_resident(session)

    with pytest.raises(UnknownCorrection):
        get_correction(session, stranger, correction.id)
    for decide in (approve, reject):
        who = {approve: "approved_by", reject: "rejected_by"}[decide]
        with pytest.raises(UnknownCorrection):
            decide(session, correction.id, holder_id=stranger, now=NOW, **{who: "ben"})


def test_what_cannot_be_posted_any_more_stays_proposed(session, holder_id):
    transfer_id = earned(session, holder_id, 80)
    whole, part = [proposed(session, holder_id, {transfer_id: n}) for n in (None, 50)]
    session.flush()
    with session.begin_nested():
        reverse(
            session,
            uuid4(),
            holder_id=holder_id,
            amounts={transfer_id: 40},
            actor="x",
            reason="y",
            now=NOW,
        )

    with pytest.raises(NotReversible), session.begin_nested():
        approved(session, part)
    approved(session, whole)

    assert get_correction(session, holder_id, part.id).state == "proposed"
    (transfer,) = session.scalars(select(Transfer).where(Transfer.posting_id == whole.id))
    assert transfer.amount == 40
    with pytest.raises(NotReversible), session.begin_nested():
        approved(session, part)
    assert balance(session, holder_id) == 100


def test_one_id_used_for_two_holders_is_posted_once(session):
    first, second = a_resident(session), a_resident(session)
    correction_id, grant = uuid4(), a_grant(session)
    ours, theirs = [proposed(session, h, grant, correction_id) for h in (first, second)]
    approved(session, ours)

    with pytest.raises(PostingReused), session.begin_nested():
        approved(session, theirs)

    assert (balance(session, first), balance(session, second)) == (25, 0)
    assert get_correction(session, second, correction_id).state == "proposed"


def test_those_that_wait_are_paged_from_the_oldest_each_once(fresh_database):
    """Three have one instant, of one holder or of two."""

    def made(session):
        holders = [a_resident(session), a_resident(session)]
        at = [NOW, NOW, NOW, LATER, NOW - timedelta(days=1)]
        waiting = [
            proposed(session, holders[n % 2], a_grant(session), at=when).id
            for n, when in enumerate(at)
        ]
        approved(session, proposed(session, holders[0], a_grant(session)))
        rejected(session, proposed(session, holders[0], a_grant(session)))
        return waiting

    waiting = fresh_database.transact(made)

    def walked(session, limit):
        found, after = [], None
        while True:
            page = pending(session, after=after, limit=limit)
            assert len(page.corrections) <= limit
            found += [correction.id for correction in page.corrections]
            if (after := page.next_after) is None:
                return found

    for limit in (1, 2, 3, 5, 200):
        found = fresh_database.transact(lambda s, n=limit: walked(s, n))
        assert len(found) == 5
        assert set(found) == set(waiting)
        assert (found[0], found[-1]) == (waiting[4], waiting[3])


def test_statements_do_not_grow_with_the_reversals(database, statements):
    def counted(number) -> tuple[int, int, int]:
        holder_id = database.transact(a_resident)
        what = database.transact(lambda s: {earned(s, holder_id, 8): None for _ in range(number)})
        correction = Correction(holder_id=holder_id, id=uuid4())
        counts = []
        for work in (
            lambda s: proposed(s, holder_id, what, correction.id),
            lambda s: proposed(s, holder_id, what, correction.id),
            lambda s: approved(s, correction),
        ):
            with statements() as sent:
                database.transact(work)
            counts.append(len(sent))
        return tuple(counts)

    few, many = counted(1), counted(60)

    assert few == many
    assert max(few) <= 20, few


THREADS = 8


def raced(works) -> list[object]:
    """The answers of several at once, refusals among them."""
    start = Barrier(len(works))

    def run(work):
        start.wait(10)
        try:
            return work()
        except DomainError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_of_several_approvers_at_once_one_posts(database):
    holder_id = database.transact(a_resident)
    correction = database.transact(lambda s: proposed(s, holder_id, a_grant(s)))

    answers = raced(
        [
            lambda n=n: database.transact(lambda s: approved(s, correction, by=f"second-{n % 2}"))
            for n in range(THREADS)
        ]
    )

    refused = [answer for answer in answers if isinstance(answer, CorrectionDecided)]
    assert len(refused) == THREADS // 2
    (winner,) = {a.decided_by for a in answers if isinstance(a, Correction)}
    assert {refusal.decided_by for refusal in refused} == {winner}
    assert database.transact(lambda s: balance(s, holder_id)) == 25
    posting = database.transact(lambda s: s.get_one(Posting, correction.id))
    assert posting.approved_by == winner


def test_an_approval_and_a_withdrawal_at_once_agree(database):
    for _ in range(5):
        holder_id = database.transact(a_resident)
        correction = database.transact(lambda s, h=holder_id: proposed(s, h, a_grant(s)))

        answers = raced(
            [
                lambda c=correction: database.transact(lambda s: approved(s, c)),
                lambda c=correction: database.transact(lambda s: rejected(s, c, by="anna")),
            ]
        )

        refused = [answer for answer in answers if isinstance(answer, CorrectionDecided)]
        assert len(refused) == 1
        state = database.transact(
            lambda s, c=correction: get_correction(s, c.holder_id, c.id)
        ).state
        points = database.transact(lambda s, h=holder_id: balance(s, h))
        assert (state, points) in {("approved", 25), ("rejected", 0)}
        assert refused[0].state == state


def test_of_several_proposals_at_once_under_one_id_one_stands(database):
    holder_id = database.transact(a_resident)
    correction_id = uuid4()

    answers = raced(
        [
            lambda n=n: database.transact(
                lambda s: proposed(s, holder_id, a_grant(s, 25 + n % 2), correction_id)
            )
            for n in range(THREADS)
        ]
    )

    assert sum(isinstance(answer, CorrectionReused) for answer in answers) == THREADS // 2
    kept = database.transact(lambda s: grant_of(get_correction(s, holder_id, correction_id)))
    assert {grant_of(answer) for answer in answers if isinstance(answer, Correction)} == {kept}


def test_two_corrections_of_one_transfer_at_once_reverse_it_once(database):
    holder_id = database.transact(a_resident)
    transfer_id = database.transact(lambda s: earned(s, holder_id, 80))
    corrections = [
        database.transact(lambda s: proposed(s, holder_id, {transfer_id: 60})) for _ in range(4)
    ]

    answers = raced([lambda c=c: database.transact(lambda s: approved(s, c)) for c in corrections])

    assert sum(isinstance(answer, NotReversible) for answer in answers) == 3
    assert database.transact(lambda s: balance(s, holder_id)) == 20


@pytest.mark.parametrize("second", [None, "anna"], ids=["nobody", "the same person"])
def test_the_database_itself_refuses_a_posted_correction_of_one_person(session, second):
    insert = text(
        "INSERT INTO posting (id, kind, actor, content_sha256, transfer_count, recorded_at,"
        " approved_by) VALUES (:id, 'correction', 'anna', '', 1, :now, :second)"
    )

    with pytest.raises(IntegrityError, match="ck_posting_second_person"):
        session.execute(insert, {"id": uuid4(), "now": NOW, "second": second})


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'approved', decided_by = 'anna', decided_at = now()", "second_person"),
        ("state = 'approved'", "decided"),
        ("state = 'rejected', decided_by = 'ben'", "decided"),
        ("state = 'approved', decided_at = now()", "decided"),
        ("decided_by = 'ben', decided_at = now()", "decided"),
        ("state = 'posted', decided_by = 'ben', decided_at = now()", "state"),
    ],
)
def test_the_database_itself_refuses_a_decision_that_is_none(
    session, holder_id, change, constraint
):
    correction = proposed(session, holder_id, a_grant(session))
    update = text(f"UPDATE correction SET {change} WHERE id = :id")

    with pytest.raises(IntegrityError, match=f"ck_correction_{constraint}"):
        session.execute(update, {"id": correction.id})


def test_the_database_itself_lets_the_service_delete_no_correction(session, holder_id):
    proposed(session, holder_id, a_grant(session))

    with pytest.raises(Exception, match="permission denied"):
        session.execute(text("DELETE FROM correction"))
