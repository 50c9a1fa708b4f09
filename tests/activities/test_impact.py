"""Impact: exactly what drafts would have changed in a past period, and nothing written."""

from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from activities.catalogue.drafts import approve
from activities.catalogue.models import CityBaseline, Rule, Tariff
from activities.changes.adjusting import Change, adjust
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.errors import DraftApproved, UnknownDraft, UnknownProgramme
from activities.impact import Effect, Impact, impact
from activities.models import Activity, Household
from activities.participants import enrol
from activities.replaying import Window
from service.db import Database
from tests.activities.test_drafts import (
    DRAFT,
    LATER,
    a_draft_factor,
    a_draft_method,
    a_draft_rule,
    draft_of,
)
from tests.catalogues import NOW, OF_OLD, Trial, a_programme, an_act

DAY = date(2026, 11, 16)  # The Monday of acts without another time.
WEEK = Window(DAY, DAY + timedelta(days=6))
JIADING = "310114001"  # Trials live in Qingpu.
MINUTES_A_DAY = 24 * 60


class Drawn(NamedTuple):
    """What a test set up: the trial's programme, scenes and residents, and its drafts."""

    code: str
    scenes: list[str]
    residents: list[UUID]
    drafts: list[str]


def of(found: Effect) -> tuple[int, ...]:
    """Newly verified, newly refused, granted otherwise; difference in mg and points."""
    return (
        found.newly_verified,
        found.newly_refused,
        found.regranted,
        found.after.saved_mg_co2e - found.before.saved_mg_co2e,
        found.after.points - found.before.points,
    )


def adds_up(found: Impact) -> bool:
    """Whether behaviours, and districts, come to the total."""

    def figures(effect: Effect) -> list[int]:
        of_both = [
            getattr(side, name)
            for side in (effect.before, effect.after)
            for name in ("grants", "saved_mg_co2e", "points", "trimmed_points")
        ]
        return [*of(effect), *of_both]

    return all(
        figures(found.total) == [sum(each) for each in zip(*map(figures, groups), strict=True)]
        for groups in (found.by_behaviour.values(), found.by_division.values())
        if groups
    )


def asked(database: Database, drawn: Drawn, period: Window = WEEK, **more: Any) -> Impact:
    with database.snapshot() as session:
        found = impact(session, drawn.drafts, period, **more)
    assert adds_up(found)
    return found


@pytest.fixture(scope="module")
def url(copied_database):
    with copied_database() as found:
        yield found


@pytest.fixture(scope="module")
def database(url):
    """Of these tests' own: drafts that nobody approves stay in it."""
    found = Database(url)
    yield found
    found.dispose()


@pytest.fixture
def metro(database):
    """Two residents of two districts ride the metro 3 and 8 counts, and one 12, too many."""

    def work(session) -> Drawn:
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "quantity_range", "min": 1, "max": 10}])
        scene, one, two = trial.scene("metro"), trial.resident(), uuid4()
        enrol(session, trial.code, {two: JIADING}, now=NOW)
        trial.record(
            an_act(scene, one, 0, quantity=3),
            an_act(scene, one, 60, quantity=12),
            an_act(scene, two, 0, quantity=8),
        )
        return Drawn(trial.code, [scene], [one, two], [])

    return database.transact(work)


def drafted(database: Database, drawn: Drawn, make: Any) -> Drawn:
    """With a draft that ``make`` makes of a trial."""

    def work(session) -> list[str]:
        trial = Trial(session, drawn.code, drawn.residents[0])
        trial.behaviours = {
            code.rpartition("-")[0]: code
            for (code,) in session.execute(
                text("SELECT code FROM behaviour WHERE code LIKE :own"), {"own": f"%-{drawn.code}"}
            )
        }
        return make(trial)

    names = database.transact(work)
    return drawn._replace(drafts=[names] if isinstance(names, str) else names)


def test_a_lower_factor_costs_exactly_the_arithmetic(database, metro):
    """1,000,000 µg become 600,001: 3 and 8 counts save 1,800 and 4,800 mg; points are grams."""

    def lower(trial: Trial) -> str:
        return a_draft_method(trial, "metro", 2, a_draft_factor(trial, 600_001))

    found = asked(database, drafted(database, metro, lower))

    assert (found.acts, len(found.along)) == (3, 1)
    assert of(found.total) == (0, 0, 2, (1_800 + 4_800) - 11_000, (1 + 4) - 11)
    assert of(found.by_division["310118"]) == (0, 0, 1, 1_800 - 3_000, 1 - 3)
    assert of(found.by_division["310114"]) == (0, 0, 1, 4_800 - 8_000, 4 - 8)
    assert list(found.by_behaviour) == [f"metro-{metro.code}"]


def test_a_narrower_range_refuses_and_a_wider_one_verifies(database, metro):
    def ranged(most: int) -> Effect:
        def make(trial: Trial) -> str:
            return a_draft_rule(trial, "metro", "00", most, kind="quantity_range", min=1, max=most)

        return asked(database, drafted(database, metro, make)).total

    assert of(ranged(7)) == (0, 1, 0, -8_000, -8)
    assert of(ranged(12)) == (1, 0, 0, 12_000, 12)
    assert of(ranged(11)) == (0, 0, 0, 0, 0)


def test_a_cap_trims_points_and_leaves_the_co2e(database, metro):
    def capped(trial: Trial) -> str:
        return a_draft_rule(trial, "metro", "01", 1, kind="cap", per="day", points=5)

    found = asked(database, drafted(database, metro, capped))

    assert of(found.total) == (0, 0, 1, 0, -3)
    assert (found.total.before.trimmed_points, found.total.after.trimmed_points) == (0, 3)


def test_a_tariff_changes_points_alone(database, metro):
    def dearer(trial: Trial) -> str:
        row = Tariff(
            programme_code=trial.code,
            valid_from=date(2021, 1, 1),
            mg_co2e_per_point=2_000,
            document="a test",
        )
        trial.session.add(draft_of(row))
        return f"tariff:{trial.code}@2021-01-01"

    found = asked(database, drafted(database, metro, dearer))

    assert of(found.total) == (0, 0, 2, 0, (1 + 4) - 11)


def test_a_rule_of_all_behaviours_is_felt_in_each(database, metro):
    def capped(trial: Trial) -> str:
        rule = Rule(
            code=f"{trial.code}.all",
            version=1,
            programme_code=trial.code,
            behaviour_code=None,
            parameters={"kind": "cap", "per": "week", "points": 7},
            **OF_OLD,
            **DRAFT,
        )
        trial.session.add(rule)
        return f"rule:{trial.code}.all@1"

    found = asked(database, drafted(database, metro, capped))

    assert of(found.total) == (0, 0, 1, 0, -1)


def test_only_the_period_and_the_programme_count(database, metro):
    def lower(trial: Trial) -> str:
        return a_draft_method(trial, "metro", 2, a_draft_factor(trial, 500_000))

    drawn = drafted(database, metro, lower)

    before = Window(DAY - timedelta(days=30), DAY - timedelta(days=1))
    assert asked(database, drawn, before).acts == 0
    assert asked(database, drawn, Window(DAY, DAY)).acts == 3
    assert asked(database, drawn, programme_code=metro.code).acts == 3
    other = asked(database, drawn, programme_code="demo-2016")
    assert (other.acts, of(other.total)) == (0, (0, 0, 0, 0, 0))


def test_a_month_is_capped_with_what_came_before_the_period(database):
    """7 points on the Monday count for the month's cap of 10; the Tuesday is asked about."""

    def work(session) -> Drawn:
        trial = a_programme(session)
        trial.behaviour("metro", rules=[{"kind": "cap", "per": "month", "points": 100}])
        scene, holder_id = trial.scene("metro"), trial.resident()
        trial.record(
            an_act(scene, holder_id, quantity=7),
            an_act(scene, holder_id, MINUTES_A_DAY, quantity=7),
        )
        name = a_draft_rule(trial, "metro", "00", 2, kind="cap", per="month", points=10)
        return Drawn(trial.code, [scene], [holder_id], [name])

    drawn = database.transact(work)
    tuesday = DAY + timedelta(days=1)
    found = asked(database, drawn, Window(tuesday, tuesday))

    assert found.acts == 1
    assert of(found.total) == (0, 0, 1, 0, 3 - 7)


def test_what_somebody_claimed_stays_refused(database, metro):
    """The ride of 12 was told again, rightly: a wider range does not grant it twice."""

    def retold(trial: Trial) -> str:
        trial.record(an_act(metro.scenes[0], metro.residents[0], 60, quantity=9))
        return a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=20)

    found = asked(database, drafted(database, metro, retold))

    assert (found.acts, of(found.total)) == (4, (0, 0, 0, 0, 0))


def test_two_refused_reports_of_one_act_are_let_pass_once(database, metro):
    def twice(trial: Trial) -> str:
        trial.record(an_act(metro.scenes[0], metro.residents[0], 60, quantity=15))
        return a_draft_rule(trial, "metro", "00", 2, kind="quantity_range", min=1, max=20)

    found = asked(database, drafted(database, metro, twice))

    assert of(found.total) == (1, 0, 0, 12_000, 12)


def test_acts_are_replayed_as_they_stand(database, metro):
    """What was withdrawn is out; what was told anew has its new quantity."""

    def corrected(trial: Trial) -> str:
        session = trial.session
        ids = dict(
            session.execute(
                text("SELECT quantity, id FROM activity WHERE scene_code = :scene"),
                {"scene": metro.scenes[0]},
            ).all()
        )
        cause = Cause(uuid4(), "partner:metro", "a slip", None)
        withdraw(session, [(metro.residents[1], ids[8])], cause, now=NOW)
        cause = Cause(uuid4(), "partner:metro", "a slip", None)
        change(session, [Told(metro.residents[0], ids[3], 5)], cause, now=NOW)
        return a_draft_method(trial, "metro", 2, a_draft_factor(trial, 500_000))

    found = asked(database, drafted(database, metro, corrected))

    assert found.acts == 2
    assert of(found.total) == (0, 0, 1, 2_500 - 5_000, 2 - 5)


def test_what_a_person_let_pass_passes_and_is_quantified_anew(database, metro):
    """The ride of 12 counts is refused by the rules of both, and was granted on appeal."""

    def overturned(trial: Trial) -> str:
        scene = metro.scenes[0]
        query = select(Activity).where(Activity.scene_code == scene, Activity.quantity == 12)
        activity = trial.session.scalars(query).one()
        appeal = Change(
            id=uuid4(),
            activity=activity,
            kind="appeal",
            decision="verified",
            code="overturned",
            quantity=12,
            saved_mg_co2e=12_000,
            points=12,
            actor="zhao",
            reason="证据充分",
        )
        adjust(trial.session, [appeal], now=NOW)
        return a_draft_method(trial, "metro", 2, a_draft_factor(trial, 500_000))

    found = asked(database, drafted(database, metro, overturned))

    assert found.total.before.saved_mg_co2e == 3_000 + 8_000 + 12_000
    assert of(found.total) == (0, 0, 3, -11_500, (1 + 4 + 6) - 23)


def test_however_the_stream_is_cut_the_figures_are_the_same(database, metro, monkeypatch):
    def more(trial: Trial) -> str:
        for number in range(8):
            holder_id = trial.resident()
            minutes = [60 * number + 20 * ride for ride in range(4)]
            acts = [an_act(metro.scenes[0], holder_id, minute, quantity=4) for minute in minutes]
            trial.record(*acts)
        return a_draft_rule(trial, "metro", "01", 1, kind="cap", per="week", points=9)

    drawn = drafted(database, metro, more)
    whole = asked(database, drawn)
    monkeypatch.setattr("activities.replaying.CHUNK_ROWS", 1)
    monkeypatch.setattr("activities.replaying.FETCH_ROWS", 2)
    monkeypatch.setattr("activities.impact.count_slices", lambda _: 16)
    seen: list[tuple[int, int]] = []
    parts = asked(database, drawn, progress=lambda *done: seen.append(done))

    assert parts == whole
    assert of(whole.total) == (0, 0, 16, 0, -8 * (16 - 9))
    assert seen == [(done, 16) for done in range(1, 17)]


def test_a_rule_among_others_is_said_not_to_be_replayed(database, metro):
    def velocity(trial: Trial) -> str:
        return a_draft_rule(trial, "metro", "05", 1, kind="velocity", acts_a_day=1)

    drawn = drafted(database, metro, velocity)
    found = asked(database, drawn)

    assert found.not_replayed == drawn.drafts
    assert of(found.total) == (0, 0, 0, 0, 0)


def test_unknown_and_approved_drafts_are_refused(database, metro):
    def cap(trial: Trial) -> str:
        return a_draft_rule(trial, "metro", "01", 1, kind="cap", per="day", points=5)

    drawn = drafted(database, metro, cap)

    with pytest.raises(UnknownDraft):
        asked(database, drawn._replace(drafts=["rule:none@1"]))
    with pytest.raises(UnknownProgramme):
        asked(database, drawn, programme_code="none")
    database.transact(lambda s: approve(s, drawn.drafts, approved_by="li", now=LATER) and None)
    with pytest.raises(DraftApproved):
        asked(database, drawn)


def test_nothing_is_written(database, metro):
    tables = ("activity", "adjustment", "tally", "period_tally", "transfer", "policy", "claim")

    def counts() -> list[int]:
        return database.transact(
            lambda s: [s.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables]
        )

    def lower(trial: Trial) -> str:
        return a_draft_method(trial, "metro", 2, a_draft_factor(trial, 500_000))

    drawn = drafted(database, metro, lower)
    before = counts()
    with database.snapshot() as session:
        impact(session, drawn.drafts, WEEK)
        assert not session.new
        assert not session.dirty
        with pytest.raises(DBAPIError, match="read-only"):
            session.execute(text("DELETE FROM occupied"))
    assert counts() == before


def test_a_household_is_replayed_by_the_baseline_on_record(database):
    """The reading is 100 Wh under the mean of two persons that was found when it came."""

    def work(session) -> Drawn:
        trial = a_programme(session)
        trial.behaviour("power", unit="Wh", form="own_baseline", claimed_by="month")
        scene, holder_id = trial.scene("power"), trial.resident()
        session.add(
            Household(
                holder_id=holder_id,
                valid_from=date(2026, 1, 1),
                persons=2,
                moved_in_on=date(2020, 1, 1),
                solar=False,
                tier=1,
                actor="test",
                recorded_at=NOW,
            )
        )
        session.add(
            CityBaseline(
                programme_code=trial.code,
                behaviour_code=trial.behaviours["power"],
                month=10,
                valid_from=date(2026, 1, 1),
                quantity_per_person=500,
                **dict.fromkeys(("publisher", "document", "source_address"), "a test"),
            )
        )
        session.flush()
        october = -46 * MINUTES_A_DAY  # From Monday, 16 November.
        trial.record(an_act(scene, holder_id, october, minutes=31 * MINUTES_A_DAY, quantity=900))
        name = a_draft_method(
            trial, "power", 2, a_draft_factor(trial, 400_000, "Wh"), form="own_baseline"
        )
        return Drawn(trial.code, [scene], [holder_id], [name])

    drawn = database.transact(work)
    found = asked(database, drawn, Window(date(2026, 10, 1), date(2026, 10, 31)))

    assert of(found.total) == (0, 0, 1, 40_000 - 100_000, 40 - 100)


ACTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(1, 14)), min_size=1, max_size=12
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
def test_a_draft_that_says_the_same_changes_nothing(database, acts):
    """And what is replayed by what is approved is what was granted."""

    def work(session) -> Drawn:
        trial = a_programme(session)
        rules = [
            {"kind": "quantity_range", "min": 2, "max": 12},
            {"kind": "cap", "per": "day", "points": 20},
            {"kind": "cap", "per": "week", "acts": 2},
        ]
        trial.behaviour("metro", rules=rules)
        scene, holders = trial.scene("metro"), [trial.resident() for _ in range(3)]
        for who, half_day, quantity in acts:
            trial.record(an_act(scene, holders[who], half_day * 720, quantity=quantity))
        names = [
            a_draft_rule(trial, "metro", f"{number:02}", 2, **rule)
            for number, rule in enumerate(rules)
        ]
        names.append(a_draft_method(trial, "metro", 2, f"factor:{trial.behaviours['metro']}"))
        return Drawn(trial.code, [scene], holders, names)

    drawn = database.transact(work)
    found = asked(database, drawn)

    assert of(found.total) == (0, 0, 0, 0, 0)
    granted = text("""
        SELECT count(*) FILTER (WHERE decision = 'verified'), coalesce(sum(saved_mg_co2e), 0),
            coalesce(sum(points), 0), coalesce(sum(trimmed_points), 0)
        FROM activity WHERE scene_code = :scene
    """)
    recorded = database.transact(lambda s: s.execute(granted, {"scene": drawn.scenes[0]}).one())
    before = found.total.before
    assert tuple(recorded) == (
        before.grants, before.saved_mg_co2e, before.points, before.trimmed_points
    )  # fmt: skip
