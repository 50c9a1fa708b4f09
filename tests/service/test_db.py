"""Two who make the same row at once: both are answered, as one after the other would be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from rewards.merchants import merchants
from rewards.offers import budgets, projects
from rewards.webhooks import endpoints, messages
from tests.makers import NOW, programme_holder
from tests.shopping import a_merchant

AT_ONCE = 6
MADE = {"made_by": "tests", "now": NOW}


def of_merchant(session: Session) -> Callable[[Session], object]:
    new = merchants.NewMerchant(uuid4(), programme_holder(session), "甲", "A")
    return lambda s: merchants.enter(s, new, **MADE).id


def of_budget(session: Session) -> Callable[[Session], object]:
    days = date(2026, 1, 1), date(2027, 1, 1)
    new = budgets.NewBudget(uuid4(), programme_holder(session), "2026", *days, 5)
    return lambda s: budgets.put(s, new, **MADE).id


def of_project(session: Session) -> Callable[[Session], object]:
    issuer = programme_holder(session)
    merchant_id = a_merchant(session, issuer)
    new = projects.NewProject(uuid4(), issuer, merchant_id, "林", "Grove", "", "", 5)
    return lambda s: projects.put(s, new, **MADE).id


def of_ping(session: Session) -> Callable[[Session], object]:
    merchant_id = a_merchant(session, programme_holder(session))
    new = endpoints.NewEndpoint(uuid4(), merchant_id, "https://shop.example/", ("offer.ended",))
    endpoints.make(session, new, private=False, **MADE)
    id_ = uuid4()
    return lambda s: messages.ping(s, merchant_id, new.id, id_, now=NOW).id


@pytest.mark.parametrize("making", [of_merchant, of_budget, of_project, of_ping])
def test_the_same_made_by_many_at_once_is_made_once_and_told_to_all(database, making):
    for _ in range(3):
        work, gate = database.transact(making), Barrier(AT_ONCE)

        def make(_: int, work=work, gate=gate) -> object:
            gate.wait()
            return database.transact(work)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = list(pool.map(make, range(AT_ONCE)))

        assert len(told) == AT_ONCE
        assert len(set(told)) == 1
