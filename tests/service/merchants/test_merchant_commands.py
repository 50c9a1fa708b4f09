"""``tanhui merchants``, ``budgets`` and ``liability``: what they do, say and refuse."""

import json
from uuid import uuid4

import pytest
from click.testing import CliRunner

from ledgers.errors import DomainError
from rewards.merchants.errors import BadCreditCode, CreditCodeMissing, MerchantStepRefused
from rewards.models import Merchant
from rewards.offers.budget_errors import BudgetDrawn
from service.cli import tanhui
from service.demo_shops import DEMO_PROGRAMME
from tests import shopping
from tests.catalogues import a_programme
from tests.makers import programme_holder

BY = ("--by", "li.na")
REASON = ("--reason", "资质齐全")
CODE = "91110000600037341L"
NAMES = ("--name-zh", "便利店", "--name-en", "Corner shop")


@pytest.fixture
def environ(database_url, urls, tmp_path) -> dict[str, str]:
    return {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }


@pytest.fixture
def run(environ):
    """What a command printed; raises what it refused."""

    def call(*words, exit_code=0):
        done = CliRunner().invoke(tanhui, [str(word) for word in words], env=environ)
        if isinstance(done.exception, DomainError):
            raise done.exception
        assert done.exit_code == exit_code, done.output
        return done.output

    return call


def enter(run, *more):
    id_ = uuid4()
    what = ("--id", id_, "--programme", DEMO_PROGRAMME, *NAMES)
    return id_, run("merchants", "enter", *what, *more, *BY)


def test_a_merchant_is_entered_approved_suspended_and_ended(run, database):
    id_, said = enter(run, "--credit-code", CODE)
    assert said == f"merchant {id_} of {DEMO_PROGRAMME} is draft\n"
    for step, state in (("approve", "approved"), ("suspend", "suspended"), ("end", "ended")):
        said = run("merchants", step, id_, *BY, *REASON)
        assert said == f"merchant {id_} of {DEMO_PROGRAMME} is {state}\n"
    assert database.transact(lambda s: s.get(Merchant, id_)).state == "ended"
    with pytest.raises(MerchantStepRefused):
        run("merchants", "approve", id_, *BY, *REASON)


def test_what_is_refused_over_http_is_refused_here(run):
    id_, _ = enter(run)
    with pytest.raises(CreditCodeMissing):
        run("merchants", "approve", id_, *BY, *REASON)
    with pytest.raises(BadCreditCode):
        enter(run, "--credit-code", "91110000600037341M")
    run("merchants", "approve", id_, "--by", " ", *REASON, exit_code=2)


def test_a_merchant_is_shown_with_its_shops_and_agreements(run):
    id_, _ = enter(run, "--credit-code", CODE)
    shop = run("merchants", "shop", id_, *NAMES, "--address", "公园路 1 号", *BY)
    terms = ("--from", "2026-01-01", "--to", "2027-01-01", "--document", "2026-031")
    priced = run("merchants", "agreement", id_, *terms, "--share-bp", 8_000, *BY)
    assert shop.endswith(f"of {id_} is open\n")
    assert priced.endswith("holds to 2027-01-01: 80 % of the face value\n")

    told = run("merchants", "show", id_)
    facts = json.loads(run("merchants", "show", id_, "--json"))

    for words in ("便利店", CODE, "公园路 1 号", "2026-031", "80 % of the face value"):
        assert words in told
    assert (facts["programme"], facts["state"]) == (DEMO_PROGRAMME, "draft")
    assert [len(facts[name]) for name in ("shops", "agreements")] == [1, 1]


def test_the_list_chooses_programme_and_state(run, database):
    id_, _ = enter(run)
    drafts = ("merchants", "list", "--programme", DEMO_PROGRAMME, "--state", "draft")
    assert str(id_) in run(*drafts)
    assert str(id_) in {each["id"] for each in json.loads(run(*drafts, "--json"))}
    other = database.transact(lambda session: a_programme(session).code)
    assert json.loads(run("merchants", "list", "--programme", other, "--json")) == []


def test_a_budget_is_put_and_listed(run, database):
    code = database.transact(lambda session: a_programme(session).code)
    id_, days = uuid4(), ("--from", "2026-01-01", "--to", "2027-01-01")
    what = ("budgets", "put", "--id", id_, "--programme", code, "--name", "四季度", *days)
    said = run(*what, "--total-fen", 50_000, *BY)
    assert said == f"budget {id_} of {code}: 50,000 fen, 0 drawn\n"
    run(*what, "--total-fen", 40_000, *BY)

    (row,) = json.loads(run("budgets", "list", "--programme", code, "--json"))

    assert (row["id"], row["total_fen"], row["left_fen"]) == (str(id_), 40_000, 40_000)
    assert "40,000" in run("budgets", "list", "--programme", code)


def test_a_budget_is_not_lowered_below_what_is_drawn(run, database):
    def work(session):
        budget_id = uuid4()
        session.add(
            shopping.Budget(
                id=budget_id, programme_holder_id=programme_holder(session), name="b",
                valid_from=shopping.LONG_AGO.date(), valid_to=shopping.FAR_AWAY.date(),
                total_fen=100, drawn_fen=60, made_by="t", made_at=shopping.LONG_AGO,
            )
        )  # fmt: skip
        return budget_id

    id_ = database.transact(work)
    days = ("--from", "2016-01-01", "--to", "2040-01-01")
    what = ("budgets", "put", "--id", id_, "--programme", DEMO_PROGRAMME, "--name", "b", *days)
    with pytest.raises(BudgetDrawn):
        run(*what, "--total-fen", 59, *BY)
    assert "60 drawn" in run(*what, "--total-fen", 60, *BY)


def test_the_liability_is_told_as_a_table_and_as_json(run, database):
    def work(session):
        trial = a_programme(session)
        shop = shopping.a_merchant(session, trial.holder_id)
        shopping.an_offer(session, trial.holder_id, shop, settlement_fen=300, stock_units=4)
        return trial.code

    code = database.transact(work)

    facts = json.loads(run("liability", code, "--format", "json"))
    told = run("liability", code)

    assert (facts["total_fen"], facts["stock_points"]) == (1_200, 400)
    assert [each["stock_fen"] for each in facts["offers"]] == [1_200]
    assert told.splitlines()[-1] == "total: 1,200 fen"
