"""Drafts decide nothing until a second person approves them; then what comes in goes by them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from activities.catalogue.differences import described, waiting
from activities.catalogue.drafts import approve, draft_factors, find, name_of
from activities.catalogue.loading import Origin, load
from activities.catalogue.models import MethodMaterial, Rule, Tariff
from activities.errors import (
    CatalogueRefused,
    DraftNeedsSecondPerson,
    FactorsNotApproved,
    UnknownDraft,
)
from activities.models import Activity
from activities.scene_steps import Asked
from activities.scene_steps import approve as approve_scene
from activities.scenes import standing
from tests.catalogues import OF_OLD, Trial, a_programme, an_act

LATER = datetime(2026, 11, 22, 4, tzinfo=UTC)
DRAFT: dict[str, Any] = {
    "drafted_by": "wang", "drafted_at": LATER, "approved_by": None, "approved_at": None
}  # fmt: skip


def draft_of(row: Any) -> Any:
    for name, value in DRAFT.items():
        setattr(row, name, value)
    return row


def a_draft_rule(trial: Trial, name: str, number: str, version: int, **parameters: Any) -> str:
    """A further version of a trial's rule; answers its name."""
    behaviour = trial.behaviours[name]
    rule = Rule(
        code=f"{behaviour}.{number}",
        version=version,
        programme_code=trial.code,
        behaviour_code=behaviour,
        parameters=parameters,
        **OF_OLD,
        **DRAFT,
    )
    trial.session.add(rule)
    trial.session.flush()
    return name_of(rule)


def a_draft_factor(trial: Trial, ug: int, unit: str = "count") -> str:
    factor = draft_of(trial.factor(f"F-{uuid4().hex[:8]}", ug, unit))
    trial.session.add(factor)
    trial.session.flush()
    return name_of(factor)


def a_draft_method(trial: Trial, name: str, version: int, factor: str, **chosen: Any) -> str:
    code = factor.partition(":")[2] or None
    trial.method(name, version, factor_code=code, **DRAFT, **chosen)
    return f"method:{trial.behaviours[name]}@{version}"


@pytest.fixture
def trial(session) -> Trial:
    """A metro ride saves a gram a count; at most 10 count."""
    made = a_programme(session)
    made.behaviour("metro", rules=[{"kind": "quantity_range", "min": 1, "max": 10}])
    return made


def test_a_draft_decides_nothing_and_an_approved_one_what_comes_after(fresh_database):
    def drafted(session):
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "quantity_range", "min": 1, "max": 10}])
        scene, holder_id = trial.scene("metro"), trial.resident()
        name = a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)
        (answer,) = trial.record(an_act(scene, holder_id, quantity=8))
        return trial.code, scene, holder_id, name, answer

    def again(session):
        (answer,) = Trial(session, code, holder_id).record(an_act(scene, holder_id, 60, quantity=8))
        return answer

    transact = fresh_database.transact
    code, scene, holder_id, name, first = transact(drafted)
    transact(lambda s: approve(s, [name], approved_by="li", now=LATER) and None)
    second = transact(again)

    assert (first.decision, second.code) == ("verified", "quantity_out_of_range")
    kept = transact(lambda s: s.get_one(Activity, (holder_id, first.activity_id)))
    assert (kept.decision, kept.saved_mg_co2e, kept.points) == ("verified", 8_000, 8)


def test_two_approvals_in_one_microsecond_both_take_effect(fresh_database):
    """How many are approved says whether what was read still holds, not only when."""

    def drafted(session):
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "quantity_range", "min": 1, "max": 10}])
        names = [
            a_draft_rule(trial, "metro", "00", version, kind="quantity_range", min=1, max=most)
            for version, most in ((2, 6), (3, 4))
        ]
        return trial.code, trial.scene("metro"), trial.resident(), names

    transact = fresh_database.transact
    code, scene, holder_id, names = transact(drafted)
    codes = []
    for minute, name in enumerate((None, *names)):
        if name:
            transact(lambda s, name=name: approve(s, [name], approved_by="li", now=LATER) and None)
        act = an_act(scene, holder_id, 60 * minute, quantity=5)
        codes += transact(lambda s, act=act: Trial(s, code, holder_id).record(act))

    assert [answer.code for answer in codes] == ["verified", "verified", "quantity_out_of_range"]


def test_an_approval_that_began_before_another_and_commits_after_it_takes_effect(fresh_database):
    """Its transaction has the lower number: what was read meanwhile must not be kept for it."""

    def drafted(session):
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "quantity_range", "min": 1, "max": 10}])
        names = [
            a_draft_rule(trial, "metro", "00", version, kind="quantity_range", min=1, max=most)
            for version, most in ((3, 4), (2, 6))
        ]
        return trial.code, trial.scene("metro"), trial.resident(), names

    transact = fresh_database.transact
    code, scene, holder_id, (late, early) = transact(drafted)

    def told(minute):
        act = an_act(scene, holder_id, minute, quantity=5)
        (answer,) = transact(lambda s: Trial(s, code, holder_id).record(act))
        return answer.code

    with Session(fresh_database.engine) as session:
        approve(session, [late], approved_by="li", now=LATER)
        session.flush()
        transact(lambda s: approve(s, [early], approved_by="li", now=LATER) and None)
        assert told(0) == "verified"
        session.commit()

    assert told(60) == "quantity_out_of_range"


def test_who_drafted_does_not_approve(session, trial):
    name = a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)

    for actor in ("wang", " Wang "):
        with pytest.raises(DraftNeedsSecondPerson) as refused:
            approve(session, [name], approved_by=actor, now=LATER)
        assert (refused.value.names, refused.value.actor) == ([name], actor)

    assert find(session, [name])[0].approved_at is None


def test_the_database_holds_the_second_person_too(session, trial):
    a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)

    with pytest.raises(DBAPIError, match="second_person"):
        session.execute(text("UPDATE rule SET approved_by = 'wang', approved_at = :at WHERE"
                             " drafted_by = 'wang'"), {"at": LATER})  # fmt: skip


def test_approving_again_is_a_retry_that_answers_as_it_stands(session, trial):
    name = a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)
    approve(session, [name], approved_by="li", now=LATER)

    for actor in ("li", "zhao", "wang"):
        (row,) = approve(session, [name], approved_by=actor, now=LATER + timedelta(hours=1))

        assert (row.approved_by, row.approved_at) == ("li", LATER)


@pytest.mark.parametrize(
    "name",
    ["", "rule", "rule:", "rule:x", "rule:x@", "rule:x@one", "rule:x@1", "rule:x@99999999999",
     "factor:", "factor:none", "tariff:demo-2016", "tariff:demo-2016@2016", "scene:demo.bike",
     "tariff:demo-2016@20160101", "rule:walking.range@01", "method:walking.per_step@¹"],
)  # fmt: skip
def test_a_name_of_nothing_is_refused_and_nothing_is_approved(session, trial, name):
    known = a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)

    with pytest.raises(UnknownDraft) as refused:
        approve(session, [known, name], approved_by="li", now=LATER)

    assert refused.value.names == [name]
    assert find(session, [known])[0].approved_at is None


def test_a_method_needs_its_factors_approved_before_or_with_it(session, trial):
    factor = a_draft_factor(trial, 500_000)
    method = a_draft_method(trial, "metro", 2, factor)

    with pytest.raises(FactorsNotApproved) as refused:
        approve(session, [method], approved_by="li", now=LATER)
    assert (refused.value.names, refused.value.factors) == ([method], [factor])

    rows = approve(session, [method, factor], approved_by="li", now=LATER)
    assert [name_of(row) for row in rows] == [factor, method]
    assert {row.approved_by for row in rows} == {"li"}


def test_a_method_needs_the_factors_of_its_materials_approved(session, trial):
    trial.behaviour("bottles", unit="g")
    factor = a_draft_factor(trial, 900_000, "g")
    method = a_draft_method(trial, "bottles", 2, "", form="mass")
    code = trial.behaviours["bottles"]
    session.add(
        MethodMaterial(
            method_code=code,
            version=2,
            material="PET",
            factor_code=factor.partition(":")[2],
            document="a test",
        )
    )
    session.flush()

    with pytest.raises(FactorsNotApproved) as refused:
        approve(session, [method], approved_by="li", now=LATER)
    assert refused.value.factors == [factor]
    assert [name_of(row) for row in draft_factors(session, find(session, [method]))] == [factor]

    approve(session, [factor], approved_by="li", now=LATER)
    (row,) = approve(session, [method], approved_by="li", now=LATER)
    assert row.approved_by == "li"


def test_racing_approvers_leave_one_approval(fresh_database):
    def drafted(session):
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "no_overlap"}] * 8)
        return [
            a_draft_rule(trial, "metro", f"{number:02}", 2, kind="no_overlap")
            for number in range(8)
        ]

    names = fresh_database.transact(drafted)

    def by(number: int):
        order = names if number % 2 else names[::-1]

        def work(session):
            rows = approve(session, order, approved_by=f"person {number}", now=LATER)
            return [(name_of(row), row.approved_by) for row in rows]

        return fresh_database.transact(work)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(by, range(8)))

    assert all(answer == answers[0] for answer in answers)
    assert len({actor for _, actor in answers[0]}) == 1


def test_a_draft_says_what_it_changes_in_the_version_in_force(session, trial):
    name = a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=5)
    factor = a_draft_factor(trial, 500_000)
    method = a_draft_method(trial, "metro", 2, factor)
    new = a_draft_rule(trial, "metro", "07", 1, kind="no_overlap")
    code = trial.behaviours["metro"]

    found = {draft.name: draft for draft in waiting(session)}

    rule = found[name]
    assert (rule.drafted_by, rule.drafted_at, rule.approved_by) == ("wang", LATER, None)
    assert (rule.programme_code, rule.behaviour_code) == (trial.code, code)
    assert rule.against == f"rule:{code}.00@1"
    assert [(d.field, d.before, d.after) for d in rule.differences] == [("max", "10", "5")]
    assert found[method].against == f"method:{code}@1"
    assert [(d.field, d.before, d.after) for d in found[method].differences] == [
        ("factor", f"{code} (1000000 µg CO2e/count)",
         f"{factor.partition(':')[2]} (500000 µg CO2e/count)")
    ]  # fmt: skip
    assert found[new].against is None
    assert ("kind", None, "no_overlap") in [
        (d.field, d.before, d.after) for d in found[new].differences
    ]
    assert found[factor].against is None
    assert found[factor].differences[0].after == "500000 µg CO2e/count"


def test_a_tariff_is_held_against_the_one_before(session, trial):
    tariff = draft_of(
        Tariff(
            programme_code=trial.code,
            valid_from=date(2026, 12, 1),
            mg_co2e_per_point=500,
            document="a test",
        )
    )
    session.add(tariff)
    session.flush()
    name = f"tariff:{trial.code}@2026-12-01"

    (found,) = described(session, find(session, [name]))

    assert (found.name, found.against) == (name, f"tariff:{trial.code}@2020-01-01")
    assert found.differences[0].before == "1000"
    assert found.differences[0].after == "500"


def test_a_folder_of_ones_own_is_loaded_as_drafts(session, tmp_path):
    header = "code,version,programme_code,behaviour_code,parameters,valid_from,valid_to,document"
    row = 'walking.cap,2,demo-2016,walking,"{""kind"": ""daily_cap"", ""max"": 8000}",2016-01-01,'
    (tmp_path / "rules.csv").write_text(f"{header}\n{row}2017-01-01,a test\n")

    written = load(session, tmp_path, now=LATER, origin=Origin("wang", None))

    assert written == {"rules.csv": 1}
    (draft,) = [each for each in waiting(session) if each.name == "rule:walking.cap@2"]
    assert (draft.drafted_by, draft.drafted_at, draft.approved_at) == ("wang", LATER, None)
    assert ("max", "10000", "8000") in [(d.field, d.before, d.after) for d in draft.differences]
    assert load(session, tmp_path, now=LATER, origin=Origin("li", None)) == {"rules.csv": 0}


def test_a_material_does_not_slip_into_an_approved_method(session, trial, tmp_path):
    trial.behaviour("bottles", unit="g")
    trial.session.add(trial.factor("PET.A-TEST", 1_000_000, "g"))
    trial.method("bottles", 2, form="mass", factor_code=None)
    code = trial.behaviours["bottles"]
    (tmp_path / "method_materials.csv").write_text(
        "method_code,version,material,factor_code,share_permille,document\n"
        f"{code},2,PET,PET.A-TEST,1000,a test\n"
    )

    with pytest.raises(CatalogueRefused, match=r"materials\.csv line 2: .* a new version"):
        load(session, tmp_path, now=LATER, origin=Origin("wang", None))


def test_what_is_bundled_is_approved_as_shipped(session):
    (row,) = find(session, ["rule:walking.cap@1"])

    assert (row.drafted_by, row.approved_by) == ("tanhui", "tanhui release")
    assert row.drafted_at == row.approved_at


def test_a_scene_of_ones_own_folder_waits_for_a_second_person_too(session):
    load(session, Path(__file__).parent / "catalogue", now=LATER, origin=Origin("wang", None))
    code, soon = "xx.bus.operator", LATER + timedelta(seconds=1)
    assert standing(session, code, now=LATER).status == "draft"

    approve_scene(session, code, Asked(soon, "zhang", "checked", "li"), now=LATER)

    assert standing(session, code, now=LATER).status == "draft"
    assert standing(session, code, now=soon).status == "approved"
