"""Statement pages: newest first, by cursor, one holder's alone."""

from uuid import UUID, uuid4

import pytest

from ledgers.accounts import PERSONAL, account_key
from ledgers.errors import UnknownAccount
from ledgers.posting import post
from ledgers.statements import page
from tests.makers import NOW, a_resident, earning


def points_account(holder_id) -> UUID:
    return UUID(account_key(holder_id, "point", PERSONAL).id)


def test_pages_join_to_the_whole_statement_without_gap_or_repeat(session):
    holder_id = a_resident(session)
    for amount in range(1, 8):
        post(session, earning(session, holder_id, amount), now=NOW)

    seen, before = [], None
    while True:
        found = page(session, holder_id, points_account(holder_id), before=before, limit=3)
        seen += [entry.amount for entry in found.entries]
        before = found.next_before
        if before is None:
            break

    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7]
    assert len(seen) == 7


def test_a_full_last_page_has_no_next(session):
    holder_id = a_resident(session, points=1)

    assert page(session, holder_id, points_account(holder_id), limit=1).next_before is None


def test_somebody_elses_account_is_unknown(session):
    holder_id, other = a_resident(session), a_resident(session)

    with pytest.raises(UnknownAccount):
        page(session, holder_id, points_account(other))
    with pytest.raises(UnknownAccount):
        page(session, holder_id, uuid4())
