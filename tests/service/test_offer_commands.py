"""``tanhui offers``: the same by commands."""

import json
import os
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from activities.catalogue.models import Programme
from rewards.errors import UnknownOffer
from rewards.models import OfferStock
from rewards.offers.errors import PoolCodeRepeated, PriceNotPositive
from rewards.redeeming.top_up_errors import TopUpsNotOffered
from service.cli import tanhui
from service.demo_shops import DEMO_PROGRAMME
from service.errors import CommandRefused
from tests import shopping
from tests.service.gateways import key_file

BY = ("--by", "anna")
WHY = (*BY, "--reason", "补货")
TERMS = {
    "title_zh": "茶一杯",
    "title_en": "A cup of tea",
    "price_points": 120,
    "on_sale_from": "2026-01-01T00:00:00+08:00",
    "on_sale_to": "2027-01-01T00:00:00+08:00",
}


@pytest.fixture
def offers(database_url, urls, tmp_path):
    """The command; what it printed."""
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }

    def run(*words: object, **more: str) -> str:
        others = {name: None for name in os.environ if name.startswith("TANHUI_")}
        done = CliRunner().invoke(
            tanhui,
            ["offers", *map(str, words)],
            env=others | environ | more,
            standalone_mode=False,
            catch_exceptions=False,
        )
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


@pytest.fixture
def merchant_id(database):
    def work(session):
        issuer = session.get_one(Programme, DEMO_PROGRAMME).holder_id
        id_ = shopping.a_merchant(session, issuer)
        shopping.an_agreement(session, id_)
        return id_

    return database.transact(work)


@pytest.fixture
def written(tmp_path, merchant_id):
    """A file with a draft, with changes to its terms or beside them."""

    def write(kind="voucher", more=None, **changes):
        file = tmp_path / "draft.json"
        terms = TERMS | changes
        whole = {"merchant_id": str(merchant_id), "kind": kind, "terms": terms} | (more or {})
        file.write_text(json.dumps(whole))
        return file

    return write


def test_an_offer_from_its_draft_to_its_end(offers, written, merchant_id):
    id_ = uuid4()

    assert offers("draft", id_, written(), *BY) == f"offer {id_}: version 1, 0 fen a unit\n"
    assert offers("draft", id_, written(price_points=130), *BY).startswith(
        f"offer {id_}: version 2"
    )
    said = offers("publish", id_, "--version", 2, *BY)
    assert said == f"offer {id_} is published, version 2\n"
    assert offers("stock", id_, 9, *BY) == f"offer {id_}: +9 units, 9 units left\n"
    assert offers("stock", id_, *BY, "--", -4) == f"offer {id_}: -4 units, 5 units left\n"
    for step, state in (("pause", "paused"), ("resume", "published"), ("end", "ended")):
        assert offers(step, id_, *WHY) == f"offer {id_} is {state}, version 2\n"
    listed = offers("list", "--merchant", merchant_id)
    assert str(id_) in listed
    assert "ended" in listed
    (facts,) = json.loads(offers("list", "--merchant", merchant_id, "--json"))
    assert (facts["price_points"], facts["stock_units"]) == (130, 5)
    shown = json.loads(offers("show", id_, "--json"))
    assert [each["price_points"] for each in shown["versions"]] == [120, 130]
    assert "version 2 (published), made by anna" in offers("show", id_)


def test_a_change_of_stock_has_an_id(offers, written):
    id_, change = uuid4(), uuid4()
    offers("draft", id_, written(), *BY)

    for _ in range(2):
        offers("stock", id_, 9, "--id", change, *BY)

    offers("publish", id_, "--version", 1, *BY)
    assert json.loads(offers("show", id_, "--json"))["stock_units"] == 9


def test_a_top_up_is_published_where_a_gateway_is_set_up(offers, written, tmp_path):
    id_ = uuid4()
    offers("draft", id_, written("top_up", face_value_fen=1_000), *BY)

    with pytest.raises(TopUpsNotOffered):
        offers("publish", id_, "--version", 1, *BY)

    assert json.loads(offers("show", id_, "--json"))["state"] == "draft"
    gateway = {
        "TANHUI_TOP_UP_URL": "https://cards.example.cn",
        "TANHUI_TOP_UP_KEY_FILE": str(key_file(tmp_path)),
    }
    said = offers("publish", id_, "--version", 1, *BY, **gateway)
    assert said == f"offer {id_} is published, version 1\n"


def test_codes_are_loaded_whole_or_not(offers, written, tmp_path, database):
    id_, file, file_id = uuid4(), tmp_path / "codes.csv", uuid4()
    offers("draft", id_, written("pool_code"), *BY)
    offers("publish", id_, "--version", 1, *BY)
    file.write_text("code\nA-1\nA-1\n")
    with pytest.raises(PoolCodeRepeated, match=r"line 3: the same code as on line 2"):
        offers("load-codes", id_, file, *BY)
    file.write_text("code\nA-1\nA-2\n")

    for _ in range(2):
        said = offers("load-codes", id_, file, "--id", file_id, *BY)

    assert said == f"offer {id_}: 2 codes of file {file_id}\n"
    stock = database.transact(lambda session: session.get_one(OfferStock, id_))
    assert stock.stock_units == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"terms": TERMS | {"colour": "red"}}, "no such terms: colour"),
        ({"terms": {}}, "missing required field"),
        ({"kind": "cake"}, "Invalid enum value"),
        ({"colour": "red"}, "unknown field"),
        ({"terms": TERMS | {"on_sale_to": "2027-01-01T00:00:00"}}, "on_sale_to has no offset"),
        ({"terms": 5}, "draft.json"),
    ],
)
def test_a_file_that_is_no_draft_is_refused(offers, written, more, says):
    with pytest.raises(CommandRefused, match=says):
        offers("draft", uuid4(), written(more=more), *BY)


def test_refusals_are_the_domains(offers, written, tmp_path):
    with pytest.raises(PriceNotPositive):
        offers("draft", uuid4(), written(price_points=-1), *BY)
    with pytest.raises(UnknownOffer):
        offers("publish", uuid4(), "--version", 1, *BY)
    with pytest.raises(click.BadParameter):
        offers("stock", uuid4(), 0, *BY)
    broken = tmp_path / "broken.toml"
    broken.write_text("kind = ")
    with pytest.raises(CommandRefused, match=r"broken\.toml"):
        offers("draft", uuid4(), broken, *BY)
