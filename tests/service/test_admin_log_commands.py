"""Each command by which somebody acts leaves its row; `tanhui admin-log` reads them."""

import csv
import io
import json
import os
import pwd
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from activities.catalogue.models import Programme, Rule
from activities.reviewing.appeals import open_appeal
from rewards.redeeming.redemption import redeem
from rewards.settling.settlements import approve, confirm
from rewards.tills.consuming import consume
from service.admin.models import AdminAct
from service.cli import tanhui
from service.db import Database
from service.feeds import keys
from tests import makers, shopping
from tests.catalogues import NOW as THEN
from tests.catalogues import found_wrong
from tests.makers import CODES, NOW, a_buyer, a_resident, a_walk, recorded
from tests.reviewing import a_place
from tests.scenes import a_scene
from tests.service.districts.issuing import APRIL, a_district
from tests.service.districts.worlds import summed
from tests.settlements import LATELY, a_drafted, lines_for

pytestmark = pytest.mark.once

USER = pwd.getpwuid(os.getuid()).pw_name
HERE = f"{USER}@{socket.gethostname()}"
PARTNER = "fitbit-sample"
RULES = "code,version,programme_code,behaviour_code,parameters,valid_from,valid_to,document"
EVENTS = "event_id,holder_id,started_at,ended_at,quantity"
REASON = ("--reason", "复核")


@dataclass
class World:
    """``by`` is who acts in this test."""

    database: Database
    folder: Any
    by: str


@dataclass
class Deed:
    """A command's words; what is written, about what, and of which programme."""

    words: tuple[object, ...]
    whats: tuple[str, ...]
    object_kind: str
    programme: str = "demo-2016"
    named: bool = True  # Whether the command takes a name; else it is the machine's user.
    role: str = "operator"


def recomputing(world: World) -> Deed:
    def work(session: Any) -> None:
        recorded(session, a_walk(a_resident(session), 5_000))
        found_wrong(session, 10_000)

    world.database.transact(work)
    period = ("--programme", "demo-2016", "--from", "2016-04-01", "--to", "2016-04-30")
    names = ("--by", world.by, "--approved-by", "ben")
    words = ("corrections", "recompute", *period, *names, *REASON)
    return Deed(words, ("activities.recompute",), "recomputation")


def loading(world: World) -> Deed:
    cap = '"{""kind"": ""daily_cap"", ""max"": 8000}",2016-01-01,2017-01-01,a test'
    code = f"walking.{uuid4().hex[:8]}"
    (world.folder / "rules.csv").write_text(f"{RULES}\n{code},1,demo-2016,walking,{cap}\n")
    words = ("catalogue", "load", world.folder, "--by", world.by)
    return Deed(words, ("catalogue.load",), "catalogue", "*")


def approving_drafts(world: World) -> Deed:
    codes = [f"walking.{uuid4().hex[:8]}" for _ in range(2)]
    for code in codes:
        rule = Rule(
            code=code,
            version=1,
            programme_code="demo-2016",
            behaviour_code="walking",
            parameters={"kind": "quantity_range", "min": 1, "max": 50_000},
            valid_from="1999-01-01",
            valid_to="1999-01-02",
            document="a test",
            drafted_by="ben",
        )
        world.database.transact(lambda session, rule=rule: session.add(rule))
    names = [f"rule:{code}@1" for code in codes]
    words = ("catalogue", "approve", *names, "--by", world.by)
    return Deed(words, ("draft.approve",) * 2, "draft")


def reviewing(action: str) -> Callable[[World], Deed]:
    def prepare(world: World) -> Deed:
        def work(session: Any) -> tuple[str, list[Any]]:
            place = a_place(session)
            return place.trial.code, [place.held()[1] for _ in range(2)]

        programme, ids = world.database.transact(work)
        words = ("review", action, *ids, "--by", world.by, *REASON)
        return Deed(words, (f"review.{action}",) * 2, "review", programme)

    return prepare


def answering(world: World) -> Deed:
    def work(session: Any) -> tuple[str, Any]:
        place = a_place(session, {"kind": "quantity_range", "min": 1, "max": 100}, held=False)
        key = place.act(place.trial.resident(), quantity=520)
        open_appeal(session, *key, words="那天骑的是双人车。", now=THEN)
        return place.trial.code, key[1]

    programme, id_ = world.database.transact(work)
    words = ("appeals", "answer", id_, "uphold", "--by", world.by, "--text", "超出范围。")
    return Deed(words, ("appeal.uphold",), "appeal", programme)


def scene_step(step: str, *more: str) -> Callable[[World], Deed]:
    def prepare(world: World) -> Deed:
        code = world.database.transact(lambda session: a_scene(session).code)
        if step == "approve":
            run("scenes", "suspend", code, "--by", "ben", *REASON)
        words = ("scenes", step, code, *more, "--by", world.by, *REASON)
        return Deed(words, (f"scene.{step}",), "scene")

    return prepare


def making_a_key(world: World) -> Deed:
    words = ("feeds", "key", "new", PARTNER, "--by", world.by)
    return Deed(words, ("feed_key.make",), "feed_key", "*")


def retiring_a_key(world: World) -> Deed:
    now = datetime.now(UTC)  # Of a partner's keys two may be live.
    key = world.database.transact(lambda s: keys.make(s, PARTNER, made_by="ben", now=now))
    words = ("feeds", "key", "retire", key.id, "--by", world.by)
    return Deed(words, ("feed_key.retire",), "feed_key", "*")


def importing(world: World) -> Deed:
    holder_id = world.database.transact(a_resident)
    scene = world.database.transact(lambda s: a_scene(s, feed_format="native").code)
    file = world.folder / "days.csv"
    day = "2026-11-01T00:00:00+08:00,2026-11-02T00:00:00+08:00"
    lines = [f"{uuid4().hex},{holder_id},{day},5000", f"{uuid4().hex},nobody,{day},5000"]
    file.write_text("\n".join([EVENTS, *lines, ""]))
    words = ("import", file, "--scene", scene)
    return Deed(words, ("import.begin", "import.end"), "import", named=False)


def running_a_job(world: World) -> Deed:
    words = ("jobs", "once", "make_partitions")
    return Deed(words, ("job.run",), "job", "*", named=False)


def administering(
    what: str, kind: str, programme: str = "*"
) -> Callable[[Callable[[World], tuple[object, ...]]], Callable[[World], Deed]]:
    """A deed of these words and ``--by``."""

    def decorate(words: Callable[[World], tuple[object, ...]]) -> Callable[[World], Deed]:
        def prepare(world: World) -> Deed:
            said = (*words(world), "--by", world.by)
            return Deed(said, (what,), kind, programme, role="administrator")

        return prepare

    return decorate


def a_member() -> str:
    login = f"x-{uuid4().hex[:12]}"
    run("staff", "add", login, "--name", "李娜", "--by", "ben")
    return login


@administering("staff.add", "staff")
def adding_a_member(_: World) -> tuple[object, ...]:
    return "staff", "add", f"x-{uuid4().hex[:12]}", "--name", "李娜"


@administering("staff.reset", "staff")
def resetting_a_member(_: World) -> tuple[object, ...]:
    return "staff", "reset", a_member()


@administering("staff.block", "staff")
def blocking_a_member(_: World) -> tuple[object, ...]:
    return "staff", "block", a_member()


@administering("staff.unblock", "staff")
def unblocking_a_member(_: World) -> tuple[object, ...]:
    run("staff", "block", login := a_member(), "--by", "ben")
    return "staff", "unblock", login


@administering("staff.grant", "staff", "demo-2016")
def granting(_: World) -> tuple[object, ...]:
    return "staff", "grant", a_member(), "operator", "--programme", "demo-2016"


@administering("staff.end_grant", "staff", "demo-2016")
def ending_a_grant(_: World) -> tuple[object, ...]:
    role = ("operator", "--programme", "demo-2016")
    said = run("staff", "grant", login := a_member(), *role, "--by", "ben")
    return "staff", "end-grant", login, said.split()[1].removesuffix(":")


@administering("api_key.make", "api_key")
def making_a_systems_key(_: World) -> tuple[object, ...]:
    return "api-keys", "new", "verifier", f"v-{uuid4().hex[:8]}", "--name", "实名核验"


@administering("api_key.retire", "api_key")
def retiring_a_systems_key(world: World) -> tuple[object, ...]:
    owner = f"v-{uuid4().hex[:8]}"
    run("api-keys", "new", "verifier", owner, "--name", "实名核验", "--by", "ben")
    (key,) = json.loads(run("api-keys", "list", "--owner", owner, "--json"))
    return "api-keys", "retire", key["id"]


@administering("token_key.add", "token_key")
def adding_a_token_key(_: World) -> tuple[object, ...]:
    return "keys", "add"


def with_a_webhook(what: str, *, dead: bool = False) -> Callable[[World], Deed]:
    def prepare(world: World) -> Deed:
        def work(session: Any) -> tuple[Any, Any]:
            issuer = session.get_one(Programme, "demo-2016").holder_id
            merchant_id = shopping.a_merchant(session, issuer)
            return merchant_id, shopping.a_webhook(session, merchant_id, dead=dead)[0]

        words = ("webhooks", what, *world.database.transact(work), "--by", world.by)
        if dead:
            return Deed((*words, "--all"), ("webhook.redeliver_dead",), "webhook")
        return Deed(words, (f"webhook.{what}",), "webhook_message")

    return prepare


def settling_a_top_up(world: World) -> Deed:
    def work(session: Any) -> Any:
        return shopping.an_open_top_up(session, a_resident(session))

    id_ = world.database.transact(work)
    return Deed(("top-ups", "settle", id_, "--by", world.by), ("top_up.check",), "top_up")


def ticking_off_a_top_up(world: World) -> Deed:
    def work(session: Any) -> Any:
        return shopping.a_contradicted_top_up(session, a_resident(session))

    id_ = world.database.transact(work)
    words = ("top-ups", "settled", id_, *REASON, "--by", world.by)
    return Deed(words, ("top_up.tick_off",), "top_up")


def refunding(world: World) -> Deed:
    """A voucher that was used."""

    def work(session: Any) -> Any:
        holder_id, offer = a_resident(session, points=300), makers.an_offer(session)
        bought, id_ = uuid4(), uuid4()
        buyer, now = a_buyer(session, holder_id), datetime.now(UTC)
        redeem(session, bought, buyer=buyer, offer_id=offer.id, codes=CODES, now=now)
        code = CODES.of_redemption(bought)
        consume(
            session, id_, merchant_id=offer.merchant_id, code=code, codes=CODES, now=now,
            actor="till",
        )  # fmt: skip
        return id_

    id_ = world.database.transact(work)
    words = ("vouchers", "refund", id_, *REASON, "--by", world.by)
    return Deed(words, ("voucher.refund",), "consumption")


def settling(step: str, *more: str) -> Callable[[World], Deed]:
    """Of a merchant with a line from before today; drafted and confirmed by others."""

    def prepare(world: World) -> Deed:
        def work(session: Any) -> Any:
            issuer = session.get_one(Programme, "demo-2016").holder_id
            merchant_id = shopping.a_merchant(session, issuer)
            lines_for(session, merchant_id, [500], at=LATELY.begins_at)
            if step == "draft":
                return merchant_id
            key = a_drafted(session, merchant_id, LATELY)
            if step in ("approve", "pay"):
                confirm(session, key, actor="manager", now=NOW)
            if step == "pay":
                approve(session, key, actor="ben", now=NOW)
            return key.id

        id_ = world.database.transact(work)
        days = ("--from", str(LATELY.since), "--to", str(LATELY.to)) if step == "draft" else ()
        words = ("settlements", step, id_, *days, *more, "--by", world.by)
        return Deed(words, (f"settlement.{step}",), "settlement")

    return prepare


def an_offer(state: str = "published", kind: str = "voucher") -> Callable[[Any], Any]:
    """Of a merchant with whom something is agreed."""

    def make(session: Any) -> tuple[Any, Any]:
        issuer = session.get_one(Programme, "demo-2016").holder_id
        merchant_id = shopping.a_merchant(session, issuer)
        shopping.an_agreement(session, merchant_id)
        return merchant_id, shopping.an_offer(
            session, issuer, merchant_id, state=state, kind=kind, stock_units=0
        )

    return make


def offer_step(step: str, state: str, *more: str) -> Callable[[World], Deed]:
    def prepare(world: World) -> Deed:
        _, offer_id = world.database.transact(an_offer(state))
        words = ("offers", step, offer_id, "--by", world.by, *more)
        return Deed(words, (f"offer.{step}",), "offer")

    return prepare


def drafting_an_offer(world: World) -> Deed:
    merchant_id, offer_id = world.database.transact(an_offer())
    file = world.folder / "tea.toml"
    file.write_text(
        f'merchant_id = "{merchant_id}"\nkind = "voucher"\n[terms]\n'
        'title_zh = "茶"\ntitle_en = "Tea"\nprice_points = 5\n'
        "on_sale_from = 2026-01-01T00:00:00+08:00\non_sale_to = 2027-01-01T00:00:00+08:00\n"
    )
    return Deed(("offers", "draft", offer_id, file, "--by", world.by), ("offer.draft",), "offer")


def putting_stock(world: World) -> Deed:
    _, offer_id = world.database.transact(an_offer())
    words = ("offers", "stock", offer_id, "7", "--by", world.by)
    return Deed(words, ("offer.put_stock",), "stock_change")


def loading_codes(world: World) -> Deed:
    _, offer_id = world.database.transact(an_offer(kind="pool_code"))
    file = world.folder / "codes.txt"
    file.write_text("A-1\nA-2\n")
    words = ("offers", "load-codes", offer_id, file, "--by", world.by)
    return Deed(words, ("offer.load_codes",), "code_file")


def a_merchant(world: World, state: str = "approved") -> Any:
    def work(session: Any) -> Any:
        issuer = session.get_one(Programme, "demo-2016").holder_id
        return shopping.a_merchant(session, issuer, state=state)

    return world.database.transact(work)


def merchant_step(step: str, state: str = "approved") -> Callable[[World], Deed]:
    def prepare(world: World) -> Deed:
        words = ("merchants", step, a_merchant(world, state), "--by", world.by, *REASON)
        return Deed(words, (f"merchant.{step}",), "merchant")

    return prepare


def approving_a_merchant(world: World) -> Deed:
    id_ = uuid4()
    code = ("--credit-code", "91110000600037341L")
    run("merchants", "enter", "--id", id_, *A_MERCHANT, *code, "--by", "ben")
    words = ("merchants", "approve", id_, "--by", world.by, *REASON)
    return Deed(words, ("merchant.approve",), "merchant")


def entering_a_merchant(world: World) -> Deed:
    words = ("merchants", "enter", *A_MERCHANT, "--by", world.by)
    return Deed(words, ("merchant.enter",), "merchant")


def opening_a_shop(world: World) -> Deed:
    names = ("--name-zh", "公园路店", "--name-en", "Park Road", "--address", "公园路 1 号")
    words = ("merchants", "shop", a_merchant(world), *names, "--by", world.by)
    return Deed(words, ("shop.put",), "shop")


def agreeing(world: World) -> Deed:
    terms = ("--from", "2026-01-01", "--to", "2027-01-01", "--document", "2026-031")
    words = ("merchants", "agreement", a_merchant(world), *terms, "--by", world.by)
    return Deed(words, ("agreement.put",), "agreement")


def putting_a_budget(world: World) -> Deed:
    days = ("--from", "2026-01-01", "--to", "2027-01-01")
    what = ("--programme", "demo-2016", "--name", "四季度", "--total-fen", "50000")
    return Deed(("budgets", "put", *what, *days, "--by", world.by), ("budget.put",), "budget")


def issuing_a_report(world: World) -> Deed:
    code = world.database.transact(a_district)
    summed(world.database)
    words = ("reports", "issue", code, APRIL, "--by", world.by)
    return Deed(words, ("district_report.issue",), "district_report", "*")


def reporting_a_value(world: World) -> Deed:
    source = ("--source", "统计公报", "--source-date", "2026-03-01")
    value = ("310118", "resident_population", "2025", "1270000")
    words = ("indicators", "enter", *value, *source, "--by", world.by)
    return Deed(words, ("reported_value.enter",), "reported_value", "*")


def uploading_values(world: World) -> Deed:
    file = world.folder / "values.csv"
    columns = "indicator,period,value,unit,source,source_date"
    file.write_text(f"{columns}\nsorted_waste,2025,1.5,t,{uuid4().hex},2026-03-01\n")
    words = ("indicators", "upload", "310118", file, "--by", world.by)
    return Deed(words, ("reported_value.upload",), "reported_value_file", "*")


A_MERCHANT = ("--programme", "demo-2016", "--name-zh", "便利店", "--name-en", "Corner shop")
TWO = ("--approved-by", "ben")
DEEDS: dict[str, Callable[[World], Deed]] = {
    "api-keys new": making_a_systems_key,
    "api-keys retire": retiring_a_systems_key,
    "appeals answer": answering,
    "budgets put": putting_a_budget,
    "catalogue approve": approving_drafts,
    "catalogue load": loading,
    "corrections recompute": recomputing,
    "feeds key new": making_a_key,
    "feeds key retire": retiring_a_key,
    "import": importing,
    "indicators enter": reporting_a_value,
    "indicators upload": uploading_values,
    "jobs once": running_a_job,
    "keys add": adding_a_token_key,
    "merchants agreement": agreeing,
    "merchants approve": approving_a_merchant,
    "merchants end": merchant_step("end"),
    "merchants enter": entering_a_merchant,
    "merchants shop": opening_a_shop,
    "merchants suspend": merchant_step("suspend"),
    "offers draft": drafting_an_offer,
    "offers end": offer_step("end", "published", *REASON),
    "offers load-codes": loading_codes,
    "offers pause": offer_step("pause", "published", *REASON),
    "offers publish": offer_step("publish", "paused", "--version", "1"),
    "offers resume": offer_step("resume", "paused", *REASON),
    "offers stock": putting_stock,
    "reports issue": issuing_a_report,
    "review approve": reviewing("approve"),
    "review ask": reviewing("ask"),
    "review reject": reviewing("reject"),
    "scenes approve": scene_step("approve", *TWO),
    "scenes end": scene_step("end"),
    "scenes extend": scene_step("extend", "--to", "2029-01-01", *TWO),
    "scenes suspend": scene_step("suspend"),
    "settlements approve": settling("approve"),
    "settlements draft": settling("draft"),
    "settlements pay": settling("pay", "--reference", "bank-1"),
    "settlements void": settling("void"),
    "staff add": adding_a_member,
    "staff block": blocking_a_member,
    "staff end-grant": ending_a_grant,
    "staff grant": granting,
    "staff reset": resetting_a_member,
    "staff unblock": unblocking_a_member,
    "top-ups settle": settling_a_top_up,
    "top-ups settled": ticking_off_a_top_up,
    "vouchers refund": refunding,
    "webhooks ping": with_a_webhook("ping"),
    "webhooks redeliver": with_a_webhook("redeliver", dead=True),
}
_READS = "reads only"
_SCHEMA = "the shape of the tables, as their owner, before there is a log; the version is in them"
_PERIODS = "what the schedule does by itself"
EXEMPT = {
    "activities show": _READS,
    "api-keys list": _READS,
    "admin-log export": _READS,
    "admin-log list": _READS,
    "appeals list": _READS,
    "audit": _READS,
    "budgets list": _READS,
    "catalogue check": _READS,
    "catalogue drafts": _READS,
    "catalogue impact": _READS,
    "catalogue list": _READS,
    "db distribute": _SCHEMA,
    "db status": _READS,
    "db upgrade": _SCHEMA,
    "demo": "a demonstration's own programme; nobody acts",
    "districts rebuild": "figures from the log once more; the same ones",
    "feeds key list": _READS,
    "identity keys": _READS,
    "identity retention": _READS,
    "indicators list": _READS,
    "jobs list": _READS,
    "liability": _READS,
    "merchants list": _READS,
    "merchants show": _READS,
    "jobs run": _PERIODS,
    "log checkpoint": _READS,
    "keys list": _READS,
    "log key": _READS,
    "log prove": _READS,
    "log totals": _READS,
    "log verify": _READS,
    "offers list": _READS,
    "offers show": _READS,
    "report": _READS,
    "reports list": _READS,
    "reports show": _READS,
    "reports verify": _READS,
    "review list": _READS,
    "review show": _READS,
    "routes": _READS,
    "scenes list": _READS,
    "scenes show": _READS,
    "serve": _PERIODS,
    "settlements export": _READS,
    "double-uses list": _READS,
    "settlements list": _READS,
    "settlements reconcile": _READS,
    "settlements show": _READS,
    "staff list": _READS,
    "simulate": "a simulation's own programme; nobody acts",
    "token": "refused in production; touches no database",
    "top-ups list": _READS,
    "vouchers show": _READS,
    "top-ups show": _READS,
    "webhooks dead": _READS,
    "webhooks list": _READS,
}

# Written down too, and shown where there is what they need: a checkpoint, a key of ten minutes ago.
ELSEWHERE = {
    "identity move-subjects": "identity/test_identity_commands.py",
    "identity new-key": "identity/test_identity_commands.py",
    "identity promote-key": "identity/test_identity_commands.py",
    "identity retire-key": "identity/test_identity_commands.py",
    "keys promote": "identity/test_token_keys.py",
    "keys retire": "identity/test_token_keys.py",
    "log cosign": "test_log_commands.py",
}


@pytest.fixture(scope="module")
def shared_url(copied_database) -> Iterator[str]:
    """Of all tests here: each looks at the rows that it adds."""
    with copied_database() as url:
        yield url


@pytest.fixture(scope="module")
def shared(shared_url) -> Iterator[Database]:
    database = Database(shared_url)
    yield database
    database.dispose()


@pytest.fixture(autouse=True)
def _environ(shared_url, urls, tmp_path, monkeypatch):
    monkeypatch.setenv("TANHUI_DATABASE_URL", shared_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", urls["redis"])
    monkeypatch.setenv("TANHUI_VAR_DIR", str(tmp_path / "var"))


@pytest.fixture
def world(shared, tmp_path) -> World:
    folder = tmp_path / "mine"
    folder.mkdir()
    return World(shared, folder, f"anna-{uuid4().hex[:8]}")


def run(*words: object) -> str:
    done = CliRunner().invoke(
        tanhui, [*map(str, words)], standalone_mode=False, catch_exceptions=False
    )
    if done.exception is not None:
        raise done.exception
    return done.stdout


def acts(database: Database) -> list[AdminAct]:
    query = select(AdminAct).order_by(AdminAct.id)
    return database.transact(lambda session: list(session.scalars(query)))


def leaves(command: click.Command, name: str = "") -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield name.strip()
        return
    for word in command.list_commands(context := click.Context(command)):
        yield from leaves(command.get_command(context, word), f"{name} {word}")


def test_every_command_is_in_the_table_or_named_as_none_of_its_matter():
    assert sorted(leaves(tanhui)) == sorted([*DEEDS, *EXEMPT, *ELSEWHERE])  # Each in one.


@pytest.mark.parametrize("file", sorted(set(ELSEWHERE.values())))
def test_what_is_shown_elsewhere_is_shown_there(file):
    assert "AdminAct" in (Path(__file__).parent / file).read_text()


@pytest.mark.parametrize("command", DEEDS)
def test_a_command_leaves_its_rows_with_who_and_from_where(world, command):
    deed = DEEDS[command](world)
    before = {act.id for act in acts(world.database)}

    run(*deed.words)

    new = [act for act in acts(world.database) if act.id not in before]
    assert tuple(act.what for act in new) == deed.whats
    for act in new:
        assert act.object_kind == deed.object_kind
        assert act.actor == (world.by if deed.named else USER)
        assert (act.role, act.channel, act.from_address) == (deed.role, "command", HERE)
        assert re.fullmatch("[a-z_]+[.][a-z_]+", act.what)
        assert (act.programme_code, act.request_id) == (deed.programme, "")
        assert act.before != act.after


@pytest.mark.parametrize(
    "command", ["catalogue approve", "catalogue load", "corrections recompute", "feeds key retire",
                "import", "indicators upload", "reports issue"]
)  # fmt: skip
def test_again_there_is_nothing_to_write_down(world, command):
    deed = DEEDS[command](world)
    run(*deed.words)
    before = len(acts(world.database))

    run(*deed.words)

    assert len(acts(world.database)) == before


@pytest.mark.parametrize("command", ["corrections recompute", "import"])
def test_a_dry_run_is_no_act(world, command):
    deed = DEEDS[command](world)
    before = len(acts(world.database))

    run(*deed.words, "--dry-run")

    assert len(acts(world.database)) == before


def test_an_import_says_what_it_came_to(world):
    words = importing(world).words
    before = len(acts(world.database))

    run(*words)

    begun, ended = acts(world.database)[before:]
    assert begun.object_id == ended.object_id
    assert begun.after["file"] == "days.csv"
    facts = ended.after
    assert (facts["rows"], facts["recorded"], facts["unreadable"]) == (2, 1, 1)


# --- Reading --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read(copied_database) -> Iterator[Database]:
    with copied_database() as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture
def log(read, monkeypatch) -> Database:
    """A database with a scene suspended and ended; all these tests only read it."""
    monkeypatch.setenv("TANHUI_DATABASE_URL", read.engine.url.render_as_string(False))
    if not acts(read):
        code = read.transact(lambda session: a_scene(session).code)
        for step in ("suspend", "end"):
            run("scenes", step, code, "--by", "anna", "--reason", "停运")
    return read


def test_it_is_listed_the_newest_first(log):
    table = run("admin-log", "list").splitlines()

    assert table[0].split()[:2] == ["acted", "at"]
    assert [line.split()[5] for line in table[1:3]] == ["scene.end", "scene.suspend"]
    assert HERE in table[1]
    assert table[-1] == "2 acts"
    assert run("admin-log", "list", "--limit", "1").endswith("1 acts, and more\n")
    found = json.loads(run("admin-log", "list", "--what", "scene.end", "--json"))["acts"]
    assert [(each["before"]["status"], each["after"]["status"]) for each in found] == [
        ("suspended", "ended")
    ]
    for words in (("--actor", "nobody"), ("--programme", "sh-2026"), ("--holder", uuid4())):
        assert run("admin-log", "list", *words).endswith("0 acts\n")
    assert run("admin-log", "list", "--until", "2020-01-01T00:00:00Z").endswith("0 acts\n")
    with pytest.raises(click.UsageError):
        run("admin-log", "list", "--object", "1")


def test_it_is_exported_the_oldest_first(log, tmp_path):
    told = [json.loads(line) for line in run("admin-log", "export").splitlines()]

    assert [each["what"] for each in told] == ["scene.suspend", "scene.end"]
    rows = list(csv.DictReader(io.StringIO(run("admin-log", "export", "--format", "csv"))))
    assert [(row["what"], row["programme"]) for row in rows] == [
        ("scene.suspend", "demo-2016"), ("scene.end", "demo-2016"),
    ]  # fmt: skip
    assert json.loads(rows[1]["after"]) == told[1]["after"]
    file = tmp_path / "log.ndjson"
    run("admin-log", "export", "--what", "scene.end", "--output", file)
    assert [json.loads(line) for line in file.read_text().splitlines()] == told[1:]
    since = told[1]["acted_at"]
    assert len(run("admin-log", "export", "--since", since).splitlines()) == 1
    with pytest.raises(click.UsageError):
        run("admin-log", "export", "--output", tmp_path / "no" / "where")


def test_reading_is_no_act(log):
    before = len(acts(log))
    run("admin-log", "list")
    run("admin-log", "export")

    assert len(acts(log)) == before
