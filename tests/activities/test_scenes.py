"""Scenes over time: which acts they take, which steps they allow, who is reminded of their end."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from activities.catalogue.models import Scene, SceneChange, SceneReminder
from activities.errors import (
    ExtensionNotLater,
    SceneChangeBackdated,
    SceneChangeReused,
    SceneNeedsSecondPerson,
    SceneStepNotAllowed,
    UnknownScene,
)
from activities.scene_steps import (
    Asked,
    approve,
    due_reminders,
    end,
    extend,
    months_before,
    remind,
    start_as_draft,
    suspend,
)
from activities.scenes import standing, standings, timeline, timeline_of
from service.demo_shops import DEMO_PROGRAMME
from tests.scenes import a_scene

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
SCENE = Scene(code="s", approved_from=date(2026, 1, 1), approved_to=date(2027, 1, 1))
OPENS = datetime(2026, 1, 1, tzinfo=SHANGHAI)
CLOSES = datetime(2027, 1, 1, tzinfo=SHANGHAI)


def change(at: datetime, status: str, approved_to: date | None = None) -> SceneChange:
    return SceneChange(scene_code="s", effective_at=at, status=status, approved_to=approved_to)


def line(*changes: SceneChange):
    return timeline_of(SCENE, SHANGHAI, changes)


def asked(at: datetime = NOW, *, by="wang", approved_by=None, reason="a reason") -> Asked:
    return Asked(at, by, reason, approved_by)


def two(at: datetime = NOW) -> Asked:
    return asked(at, approved_by="li")


@pytest.mark.parametrize(
    ("changes", "instant", "status", "opened"),
    [
        pytest.param([], OPENS - TICK, "approved", False, id="the last instant before"),
        pytest.param([], OPENS, "approved", True, id="midnight in Shanghai"),
        pytest.param([], CLOSES - TICK, "approved", True, id="the last instant"),
        pytest.param([], CLOSES, "approved", False, id="ended yesterday"),
        pytest.param([change(NOW, "suspended")], NOW - TICK, "approved", True, id="not yet"),
        pytest.param([change(NOW, "suspended")], NOW, "suspended", False, id="suspended"),
        pytest.param(
            [change(NOW, "suspended"), change(NOW + DAY, "approved")],
            NOW + DAY,
            "approved",
            True,
            id="resumed",
        ),
        pytest.param([change(NOW, "ended")], NOW + DAY, "ended", False, id="ended"),
        pytest.param(
            [change(NOW, "ended"), change(NOW + HOUR, "approved", date(2030, 1, 1))],
            NOW + DAY,
            "ended",
            False,
            id="an end is final, whatever was written after it",
        ),
        pytest.param([change(NOW, "draft")], OPENS, "draft", False, id="a draft before its row"),
        pytest.param(
            [change(NOW, "draft"), change(NOW + DAY, "approved")],
            NOW + DAY - TICK,
            "draft",
            False,
            id="a draft until its approval",
        ),
        pytest.param(
            [change(NOW, "draft"), change(NOW + DAY, "approved")],
            NOW + DAY,
            "approved",
            True,
            id="a draft approved",
        ),
        pytest.param(
            [change(NOW, "approved", date(2028, 1, 1))],
            CLOSES,
            "approved",
            True,
            id="extended in time",
        ),
        pytest.param(
            [change(CLOSES + DAY, "approved", date(2028, 1, 1))],
            CLOSES,
            "approved",
            False,
            id="extended late: the gap stays",
        ),
        pytest.param(
            [change(CLOSES + DAY, "approved", date(2028, 1, 1))],
            CLOSES + DAY,
            "approved",
            True,
            id="extended late: from then on",
        ),
        pytest.param(
            [
                change(NOW, "approved", date(2028, 1, 1)),
                change(NOW + DAY, "suspended"),
                change(NOW + 2 * DAY, "approved"),
            ],
            CLOSES + DAY,
            "approved",
            True,
            id="an extension outlives a suspension",
        ),
    ],
)
def test_which_acts_a_scene_takes(changes, instant, status, opened):
    for given_in in (changes, changes[::-1]):
        found = line(*given_in)
        assert (found.status_at(instant), found.open_at(instant)) == (status, opened)


def test_what_is_open_at_a_stretch_is_one_time():
    extended = line(change(NOW, "approved", date(2028, 1, 1)))

    assert extended.open == ((OPENS, datetime(2028, 1, 1, tzinfo=SHANGHAI)),)
    assert extended.approved_to(NOW - TICK) == date(2027, 1, 1)
    assert extended.approved_to(NOW) == date(2028, 1, 1)


_STATUSES = st.sampled_from(["draft", "approved", "suspended", "ended"])


@given(
    st.lists(st.tuples(st.integers(0, 800), _STATUSES, st.none() | st.dates()), max_size=6),
    st.integers(-10, 900),
)
def test_open_is_approved_on_an_approved_day(steps, day):
    """Whatever stands in the rows, in whatever order."""
    by_instant = {OPENS + n * DAY: (status, to) for n, status, to in steps}
    found = line(*(change(at, status, to) for at, (status, to) in by_instant.items()))
    instant = OPENS + day * DAY

    today = instant.date()
    expected = found.status_at(
        instant
    ) == "approved" and SCENE.approved_from <= today < found.approved_to(instant)
    assert found.open_at(instant) is expected
    assert all(start < end for start, end in found.open)


def test_timelines_of_many_scenes_are_two_statements(session, statements):
    codes = [a_scene(session).code for _ in range(5)]
    suspend(session, codes[0], asked(), now=NOW)

    with statements() as sent:
        found = timeline(session, [*codes, "no.such.scene"])

    assert len(sent) == 2
    assert found.keys() == set(codes)
    assert [found[code].open_at(NOW) for code in codes] == [False, True, True, True, True]


def test_the_demo_s_scenes_are_approved_for_the_days_of_the_catalogue(session):
    demo = timeline(session, ["demo.bike"])["demo.bike"]

    assert len(demo.open) == 1
    assert demo.open_at(datetime(2016, 1, 10, tzinfo=SHANGHAI))
    assert not demo.open_at(datetime(2017, 1, 1, tzinfo=SHANGHAI))


def test_a_life_from_draft_to_end(session):
    code = a_scene(session).code
    start_as_draft(session, [code], actor="loader", reason="loaded", now=NOW)
    start_as_draft(session, [code], actor="loader", reason="loaded", now=NOW + TICK)
    told = []
    steps = (
        lambda at: approve(session, code, two(at), now=at),
        lambda at: suspend(session, code, asked(at), now=at),
        lambda at: approve(session, code, two(at), now=at),
        lambda at: extend(session, code, date(2029, 1, 1), two(at), now=at),
        lambda at: end(session, code, asked(at), now=at),
    )
    for n, step in enumerate(steps, start=1):
        told.append(step(NOW + n * HOUR).status)

    found = standing(session, code, now=NOW + DAY)

    assert told == ["approved", "suspended", "approved", "approved", "ended"]
    assert [each.status for each in found.changes] == ["draft", *told]
    assert [each.approved_by for each in found.changes] == [None, "li", None, "li", "li", None]
    assert (found.status, found.open, found.approved_to) == ("ended", False, date(2029, 1, 1))
    assert found.timeline.open == (
        (NOW + HOUR, NOW + 2 * HOUR),
        (NOW + 3 * HOUR, NOW + 5 * HOUR),
    )


@pytest.mark.parametrize(
    ("before", "step", "refused"),
    [
        ("draft", suspend, ("draft", "suspended")),
        ("approved", approve, ("approved", "approved")),
        ("suspended", suspend, ("suspended", "suspended")),
        ("ended", suspend, ("ended", "suspended")),
        ("ended", approve, ("ended", "approved")),
        ("ended", end, ("ended", "ended")),
    ],
)
def test_steps_that_a_status_does_not_allow(session, before, step, refused):
    code = a_scene(session).code
    if before == "draft":
        start_as_draft(session, [code], actor="loader", reason="loaded", now=NOW)
    elif before == "suspended":
        suspend(session, code, asked(), now=NOW)
    elif before == "ended":
        end(session, code, asked(), now=NOW)

    with pytest.raises(SceneStepNotAllowed) as refusal:
        step(session, code, two(NOW + HOUR), now=NOW + HOUR)

    assert (refusal.value.scene_status, refusal.value.wanted) == refused


@pytest.mark.parametrize("before", ["draft", "suspended", "ended"])
def test_only_an_approved_scene_is_extended(session, before):
    code = a_scene(session).code
    if before == "draft":
        start_as_draft(session, [code], actor="loader", reason="loaded", now=NOW)
    else:
        {"suspended": suspend, "ended": end}[before](session, code, asked(), now=NOW)

    with pytest.raises(SceneStepNotAllowed) as refusal:
        extend(session, code, date(2030, 1, 1), two(NOW + HOUR), now=NOW + HOUR)

    assert (refusal.value.scene_status, refusal.value.wanted) == (before, "extended")


def test_a_step_must_fit_what_is_recorded_for_later(session):
    code = a_scene(session).code
    end(session, code, asked(NOW + 10 * DAY), now=NOW)

    suspend(session, code, asked(NOW + DAY), now=NOW)  # The end follows from it as well.
    with pytest.raises(SceneStepNotAllowed):
        suspend(session, code, asked(NOW + 11 * DAY), now=NOW)
    with pytest.raises(SceneStepNotAllowed):
        end(session, code, asked(NOW + 2 * DAY), now=NOW)

    found = standing(session, code, now=NOW)
    assert [each.status for each in found.changes] == ["suspended", "ended"]


@pytest.mark.parametrize(
    ("ago", "allowed"), [(timedelta(minutes=5), True), (timedelta(minutes=5) + TICK, False)]
)
def test_a_change_holds_from_now_on(session, ago, allowed):
    code, at = a_scene(session).code, NOW - ago

    if allowed:
        assert suspend(session, code, asked(at), now=NOW).effective_at == at
        return
    with pytest.raises(SceneChangeBackdated) as refusal:
        suspend(session, code, asked(at), now=NOW)
    assert refusal.value.earliest_at == NOW - timedelta(minutes=5)
    assert standing(session, code, now=NOW).changes == []


def test_the_same_again_is_a_retry_even_much_later_and_other_content_is_refused(session):
    code = a_scene(session).code
    first = suspend(session, code, asked(), now=NOW)

    assert suspend(session, code, asked(), now=NOW + DAY) is first
    assert first.recorded_at == NOW
    for other in (asked(reason="another"), asked(by="li")):
        with pytest.raises(SceneChangeReused):
            suspend(session, code, other, now=NOW)
    with pytest.raises(SceneChangeReused):
        end(session, code, asked(), now=NOW)


@pytest.mark.parametrize("approved_by", [None, "", " ", "wang", "Wang", " WANG "])
def test_an_approval_and_an_extension_need_a_second_person(session, approved_by):
    code = a_scene(session).code
    with pytest.raises(SceneNeedsSecondPerson):
        extend(session, code, date(2030, 1, 1), asked(approved_by=approved_by), now=NOW)
    suspend(session, code, asked(), now=NOW)
    with pytest.raises(SceneNeedsSecondPerson):
        approve(session, code, replace(two(NOW + HOUR), approved_by=approved_by), now=NOW + HOUR)


@pytest.mark.parametrize(
    ("approved_to", "asked_to", "allowed"),
    [
        (date(2027, 1, 1), date(2027, 1, 2), True),
        (date(2027, 1, 1), date(2027, 1, 1), False),
        (date(2027, 1, 1), date(2026, 12, 1), False),
        (date(2026, 6, 1), date(2026, 11, 22), True),  # Over already: from now on.
        (date(2026, 6, 1), date(2026, 11, 21), False),
    ],
)
def test_an_extension_leads_beyond_the_end_and_today(session, approved_to, asked_to, allowed):
    code = a_scene(session, approved_to=approved_to).code
    if allowed:
        extend(session, code, asked_to, two(), now=NOW)
        assert standing(session, code, now=NOW).open
        return
    with pytest.raises(ExtensionNotLater) as refusal:
        extend(session, code, asked_to, two(), now=NOW)
    assert refusal.value.approved_to == max(approved_to, date(2026, 11, 21))


@pytest.mark.parametrize("step", [suspend, end, approve])
def test_a_scene_that_is_not_there(session, step):
    with pytest.raises(UnknownScene):
        step(session, "no.such.scene", two(), now=NOW)
    with pytest.raises(UnknownScene):
        standing(session, "no.such.scene", now=NOW)


def test_of_two_operators_at_the_same_instant_one_is_heard(database):
    code = database.transact(lambda session: a_scene(session).code)

    def one(by: str) -> str:
        try:
            database.transact(lambda s: suspend(s, code, asked(by=by), now=NOW))
        except SceneChangeReused:
            return "refused"
        return by

    with ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(one, ["a", "b", "c", "d"]))

    assert sorted(heard)[1:] == ["refused"] * 3


def test_standings_are_two_statements_however_many(session, statements):
    mine = a_scene(session)
    with statements() as sent:
        found = standings(session, now=NOW, programme_code=DEMO_PROGRAMME)
    assert len(sent) == 2
    assert {each.scene.programme_code for each in found} == {DEMO_PROGRAMME}
    assert mine.code in {each.scene.code for each in found}
    assert len(standings(session, now=NOW)) >= len(found)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2027, 3, 31), 3, date(2026, 12, 31)),
        (date(2027, 5, 31), 3, date(2027, 2, 28)),
        (date(2028, 5, 31), 3, date(2028, 2, 29)),
        (date(2027, 1, 1), 3, date(2026, 10, 1)),
        (date(2027, 12, 15), 3, date(2027, 9, 15)),
    ],
)
def test_three_calendar_months_before(day, months, before):
    assert months_before(day, months) == before


def reminded(session, now: datetime) -> set[str]:
    return {each.scene.code for each in remind(session, now=now)}


def test_a_scene_is_reminded_of_once_from_three_months_before_its_end(session):
    code = a_scene(session, approved_to=date(2027, 2, 28)).code  # From 28 November on.
    day = datetime(2026, 11, 28, tzinfo=SHANGHAI)

    assert code not in reminded(session, day - TICK)
    assert code in {each.scene.code for each in due_reminders(session, now=day)}
    assert code in reminded(session, day)
    assert code not in reminded(session, day)
    assert code not in reminded(session, day + 30 * DAY)

    extend(session, code, date(2027, 8, 31), two(day), now=day)
    assert code not in reminded(session, datetime(2027, 5, 30, tzinfo=SHANGHAI))
    assert code in reminded(session, datetime(2027, 6, 1, tzinfo=SHANGHAI))
    query = select(func.count()).where(SceneReminder.scene_code == code)
    assert session.scalar(query) == 2


@pytest.mark.parametrize(
    ("prepare", "due"),
    [
        (lambda s, code: None, True),
        (lambda s, code: suspend(s, code, asked(), now=NOW), True),
        (lambda s, code: end(s, code, asked(), now=NOW), False),
        (lambda s, code: end(s, code, asked(NOW + 9 * DAY), now=NOW), False),
        (lambda s, code: extend(s, code, date(2030, 1, 1), two(), now=NOW), False),
        (lambda s, code: extend(s, code, date(2030, 1, 1), two(NOW + DAY), now=NOW), False),
        (lambda s, code: start_as_draft(s, [code], actor="l", reason="l", now=NOW), False),
    ],
)
def test_whose_end_is_worth_a_reminder(session, prepare, due):
    code = a_scene(session, approved_to=date(2026, 12, 24)).code
    prepare(session, code)

    found = {each.scene.code for each in due_reminders(session, now=NOW + HOUR)}

    assert (code in found) is due


def test_an_approval_that_is_over_is_not_reminded_of(session):
    code = a_scene(session, approved_to=date(2026, 11, 21)).code
    assert code not in reminded(session, NOW)
    tomorrow = a_scene(session, approved_to=date(2026, 11, 22)).code
    assert tomorrow in reminded(session, NOW)


def test_of_two_jobs_at_once_one_reminds(database):
    code = database.transact(lambda s: a_scene(s, approved_to=date(2026, 12, 24)).code)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: database.transact(lambda s: reminded(s, NOW)), range(4)))

    assert sum(code in each for each in found) == 1
