"""The explanation: every rule with its version, inputs and result, and the figure recomputed."""

from decimal import Decimal

from sqlalchemy import select

from activities.models import Activity
from activities.tracing import traced
from tests.catalogues import a_programme, an_act

RULES = (
    {"kind": "quantity_range", "min": 1, "max": 50_000},
    {"kind": "speed_range", "min_m_per_h": 1_000, "max_m_per_h": 30_000},
    {"kind": "no_overlap"},
    {"kind": "min_interval", "seconds": 120},
    {"kind": "velocity", "acts_a_day": 9},
    {"kind": "sample", "permille": 1},
    {"kind": "cap", "per": "day", "points": 100},
)


def told(session, *acts):
    """The traces of acts, by the order in which they were recorded."""
    trial = a_programme(session)
    trial.behaviour("ride", ug=48_700, unit="m", rules=RULES)
    scene, holder = trial.scene("ride"), trial.resident()
    answers = trial.record(*(an_act(scene, holder, minute, quantity=q) for minute, q in acts))
    rows = {a.id: a for a in session.scalars(select(Activity).where(Activity.holder_id == holder))}
    return [traced(session, rows[answer.activity_id]) for answer in answers]


def results(trace):
    return {finding.kind: finding.result for finding in trace.findings}


def test_a_verified_ride_shows_every_rule_passed_and_its_figure_exactly(session):
    (trace,) = told(session, (0, 1_333))

    assert set(results(trace).values()) == {"passed"}
    assert [f.version for f in trace.findings if f.kind == "speed_range"] == [1]
    speed = next(f for f in trace.findings if f.kind == "speed_range")
    assert speed.inputs == {"distance_m": 1_333, "duration_s": 600}
    assert speed.parameters == {"min_m_per_h": 1_000, "max_m_per_h": 30_000}
    quantified = trace.quantified
    assert Decimal(quantified.exact_ug) == 1_333 * Decimal(48_700)
    assert (quantified.saved_mg_co2e, quantified.points_before_caps) == (64_917, 64)
    assert quantified.method["factor"]["publisher"] == "a test"
    assert quantified.tariff["mg_co2e_per_point"] == 1_000
    assert set(trace.reason) == {"zh-CN", "en"}


def test_after_the_rule_that_refused_nothing_is_reached(session):
    (trace,) = told(session, (0, 6_000))  # 36 km/h.

    found = results(trace)
    assert found["speed_range"] == "refused"
    assert found["quantity_range"] == "passed"
    assert {found[kind] for kind in ("no_overlap", "claimed_once", "cap")} == {"not_reached"}
    assert trace.quantified is None


def test_a_cap_shows_what_it_left(session):
    _, trace = told(session, (0, 1_500), (30, 1_500))  # 73 points each.

    cap = next(f for f in trace.findings if f.kind == "cap")
    assert cap.result == "trimmed"
    assert cap.inputs == {"points": 73, "left_points": 27}


def test_an_overlap_names_the_other_act(session):
    _, trace = told(session, (0, 1_500), (5, 1_500))

    assert results(trace)["claimed_once"] == "refused"


def test_too_soon_names_the_neighbour(session):
    _, trace = told(session, (0, 1_500), (11, 1_500))

    finding = next(f for f in trace.findings if f.kind == "min_interval")
    assert finding.result == "refused"
    assert finding.inputs["near"]["behaviour"].startswith("ride")
