"""Merchants from a draft to their end, and every step that is none."""

from uuid import uuid4

import pytest

from ledgers.accounts import CLEARING, ISSUED, account_key
from ledgers.models import Account
from rewards.errors import UnknownMerchant
from rewards.merchants import merchants
from rewards.merchants.errors import (
    BadCreditCode,
    CreditCodeMissing,
    CreditCodeStays,
    MerchantEnded,
    MerchantReused,
    MerchantStepRefused,
    OffersStillOpen,
)
from rewards.models import Offer
from tests.catalogues import a_programme
from tests.makers import NOW
from tests.shopping import a_merchant, an_offer

CODE, OTHER_CODE = "91110000600037341L", "91110108551385082Q"
ALLOWED = {
    ("draft", "approved"),
    ("draft", "ended"),
    ("approved", "suspended"),
    ("approved", "ended"),
    ("suspended", "approved"),
    ("suspended", "ended"),
}


@pytest.fixture
def programme(session):
    return a_programme(session).holder_id


def entered(session, programme, **changes):
    new = merchants.NewMerchant(uuid4(), programme, "便利店", "Corner shop", CODE)._replace(
        **changes
    )
    return merchants.enter(session, new, made_by="li.na", now=NOW)


def in_state(session, programme, state):
    found = entered(session, programme)
    found.state = state
    session.flush()
    return found


def step(session, merchant, state):
    return merchants.take_step(session, merchant.id, state, now=NOW)


def test_a_merchant_is_entered_as_a_draft(session, programme):
    found = entered(session, programme, credit_code=f" {CODE.lower()} ")

    assert (found.state, found.credit_code, found.made_by) == ("draft", CODE, "li.na")
    again = merchants.NewMerchant(found.id, programme, "便利店", "Corner shop", CODE)
    assert merchants.enter(session, again, made_by="wang", now=NOW).made_by == "li.na"


@pytest.mark.parametrize("state", merchants.STATES)
@pytest.mark.parametrize("asked", ["approved", "suspended", "ended"])
def test_of_all_steps_those_are_taken_that_there_are(session, programme, state, asked):
    merchant = in_state(session, programme, state)
    if (state, asked) in ALLOWED or state == asked:
        assert step(session, merchant, asked).state == asked
        return
    with pytest.raises(MerchantStepRefused) as caught:
        step(session, merchant, asked)
    assert (caught.value.state, caught.value.asked_state) == (state, asked)
    assert merchant.state == state


def test_approval_opens_the_accounts_that_fen_are_owed_on(session, programme):
    merchant = entered(session, programme)
    key = account_key(merchant.id, "fen", CLEARING)
    issued = account_key(programme, "fen", ISSUED)
    assert session.get(Account, (merchant.id, key.id)) is None

    step(session, merchant, "approved")
    step(session, merchant, "suspended")
    step(session, merchant, "approved")

    assert session.get(Account, (merchant.id, key.id)) is not None
    assert session.get(Account, (programme, issued.id)) is not None


def test_nobody_is_approved_without_a_credit_code(session, programme):
    merchant = entered(session, programme, credit_code=None)
    with pytest.raises(CreditCodeMissing):
        step(session, merchant, "approved")
    entered(session, programme, id=merchant.id)
    assert step(session, merchant, "approved").state == "approved"


def test_a_wrong_credit_code_is_refused(session, programme):
    with pytest.raises(BadCreditCode):
        entered(session, programme, credit_code="91110000600037341M")


def test_names_change_and_the_code_of_who_was_approved_stays(session, programme):
    merchant = entered(session, programme)
    assert entered(session, programme, id=merchant.id, credit_code=OTHER_CODE).credit_code == (
        OTHER_CODE
    )
    step(session, merchant, "approved")

    changed = entered(session, programme, id=merchant.id, name_en="Shop", credit_code=OTHER_CODE)
    assert (changed.name_en, changed.state) == ("Shop", "approved")
    for code in (CODE, None):
        with pytest.raises(CreditCodeStays):
            entered(session, programme, id=merchant.id, credit_code=code)


def test_an_id_stays_one_programmes(session, programme):
    merchant = entered(session, programme)
    with pytest.raises(MerchantReused):
        entered(session, a_programme(session).holder_id, id=merchant.id)


def test_who_has_ended_is_changed_no_more(session, programme):
    merchant = in_state(session, programme, "ended")
    with pytest.raises(MerchantEnded):
        entered(session, programme, id=merchant.id, name_zh="新名")
    with pytest.raises(MerchantEnded):
        merchants.get_open(session, merchant.id)
    assert entered(session, programme, id=merchant.id).state == "ended"


def test_a_merchant_ends_after_its_offers(session, programme):
    merchant_id = a_merchant(session, programme)
    offers = [an_offer(session, programme, merchant_id) for _ in range(2)]
    session.get_one(Offer, offers[0]).state = "ended"

    with pytest.raises(OffersStillOpen) as caught:
        merchants.take_step(session, merchant_id, "ended", now=NOW)
    assert caught.value.open_offers == 1

    session.get_one(Offer, offers[1]).state = "ended"
    assert merchants.take_step(session, merchant_id, "ended", now=NOW).state == "ended"


def test_nobody_is_unknown(session):
    for act in (merchants.get, merchants.get_open):
        with pytest.raises(UnknownMerchant):
            act(session, uuid4())


def test_the_list_is_of_one_programme_and_pages_by_id(session, programme):
    made = sorted(entered(session, programme).id for _ in range(3))
    entered(session, a_programme(session).holder_id)

    def page(**more):
        found = merchants.listed(session, programme_holder_id=programme, **more)
        return [each.id for each in found]

    assert page(limit=2) == made[:2]
    assert page(limit=2, after=made[1]) == made[2:]
    assert page(limit=9, state="approved") == []
    assert set(made) < {each.id for each in merchants.listed(session, limit=10_000)}
