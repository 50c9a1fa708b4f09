"""Impact: what drafts would have changed in a past period, without writing anything.

The period's recorded acts are replayed twice (``activities.replaying`` says what that is and what
is taken as recorded): by what is approved today, and by the same with the drafts. The difference
is the drafts' own: neither what an approval since then changed nor what people decided is in it.

Acts outside the period count for the caps of the weeks, months and years that it touches, and are
decided by what is approved today both times; they are not in the figures.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from activities.catalogue.drafts import Row, draft_factors, find, name_of
from activities.catalogue.models import Rule
from activities.catalogue.reading import Catalogue
from activities.deciding.tallies import Granted
from activities.errors import DraftApproved
from activities.policies import ScenePolicy, first_day, load_policies
from activities.programmes import get_programme
from activities.replaying import (
    Book,
    Quantified,
    Recorded,
    Window,
    chunks,
    owners,
    quantified,
)
from activities.rules import ALONE, Cap, DailyCap
from ledgers.slices import all_bounds, count_slices

DISTRICT_DIGITS = 6
Progress = Callable[[int, int], None]  # How many ranges of holders are done, of how many.
Scenes = Mapping[str, ScenePolicy]


def no_progress(_done: int, _of: int) -> None:
    """For those who do not watch."""


@dataclass(slots=True)
class Figures:
    """Of acts that are granted."""

    grants: int = 0
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0

    def add(self, granted: Granted | None, saved_mg_co2e: int) -> None:
        if granted is not None:
            self.grants += 1
            self.saved_mg_co2e += saved_mg_co2e
            self.points += granted.points
            self.trimmed_points += granted.trimmed


@dataclass(slots=True)
class Effect:
    """What a group of acts comes to before and after: by what is approved, and with the drafts.

    ``regranted`` are granted both times, with other figures.
    """

    before: Figures = field(default_factory=Figures)
    after: Figures = field(default_factory=Figures)
    newly_verified: int = 0
    newly_refused: int = 0
    regranted: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.newly_verified or self.newly_refused or self.regranted)


@dataclass(slots=True)
class Impact:
    """What drafts would have changed. ``along`` are the draft factors of methods among them,
    which were taken as approved too; ``not_replayed`` those that rest on what else was known, and
    so show no effect here. ``acts`` is how many were replayed within the period.
    """

    drafts: list[str]
    along: list[str]
    not_replayed: list[str]
    period: Window
    acts: int = 0
    total: Effect = field(default_factory=Effect)
    by_behaviour: defaultdict[str, Effect] = field(default_factory=lambda: defaultdict(Effect))
    by_division: defaultdict[str, Effect] = field(default_factory=lambda: defaultdict(Effect))


class _Twice(NamedTuple):
    """An act by both replays, before caps."""

    act: Recorded
    behaviour: str
    before: Quantified | None
    after: Quantified | None


def impact(
    session: Session,
    names: Collection[str],
    period: Window,
    *,
    programme_code: str | None = None,
    progress: Progress = no_progress,
) -> Impact:
    """What drafts would have changed in a period, by behaviour and by district.

    Args:
        session: an unchanging snapshot; nothing is written.
        names: of drafts (``activities.catalogue.drafts``).
        period: days of the programmes' zones, first and last of them included.
        programme_code: only this programme's acts.

    Raises:
        UnknownDraft: there is none of a name.
        DraftApproved: one is approved, so it is in both replays.
        UnknownProgramme: there is none of this code.

    Streams acts in ranges of holders: memory stays flat over any period.
    """
    assert period.first <= period.last
    if programme_code is not None:
        get_programme(session, programme_code)
    rows = find(session, names)
    if approved := [name_of(row) for row in rows if row.approved_at is not None]:
        raise DraftApproved(approved)
    drafts = {name_of(row) for row in rows}
    along = {name_of(factor) for factor in draft_factors(session, rows)} - drafts
    before = load_policies(session, ())
    after = load_policies(session, (), drafts=drafts | along)
    touched = _touched(before, after, programme_code)
    found = Impact(sorted(drafts), sorted(along), [*_not_replayed(rows)], period)
    if touched:
        window = _widened(period, (before, after), touched)
        slices = count_slices(session)
        for done, holders in enumerate(all_bounds(slices), 1):
            for acts in chunks(session, touched, window, holders):
                _replay(session, found, acts, before, after)
            progress(done, slices)
    return found


def _touched(before: Scenes, after: Scenes, programme_code: str | None) -> list[str]:
    """The scenes of programmes in which something differs: a cap may count all behaviours."""
    programmes = {
        policy.programme_code
        for code, policy in before.items()
        if programme_code in (None, policy.programme_code)
        and _holding(policy.catalogue, policy) != _holding(after[code].catalogue, policy)
    }
    return [code for code, policy in before.items() if policy.programme_code in programmes]


def _holding(catalogue: Catalogue, policy: ScenePolicy) -> tuple[object, ...]:
    """All that a catalogue says about a scene's behaviour."""
    programme, behaviour = policy.programme_code, policy.behaviour_code
    return (
        catalogue.rules.get((programme, behaviour)),
        catalogue.rules.get((programme, None)),
        catalogue.methods.get((programme, behaviour)),
        catalogue.tariffs.get(programme),
    )


def _not_replayed(rows: Iterable[Row]) -> Iterable[str]:
    """Rules among others and signals."""
    kinds = {kind.__struct_config__.tag for kind in (*ALONE, DailyCap, Cap)}
    for row in rows:
        if isinstance(row, Rule) and row.parameters["kind"] not in kinds:
            yield name_of(row)


def _widened(period: Window, both: Iterable[Scenes], touched: Collection[str]) -> Window:
    """The period with the whole of each week, month or year that a cap counts and it touches."""
    pers = {
        rule.kind.per
        for scenes in both
        for code in touched
        for rules in (
            scenes[code].catalogue.rules.get((scenes[code].programme_code, which), [])
            for which in (scenes[code].behaviour_code, None)
        )
        for rule in rules
        if isinstance(rule.kind, Cap)
    }
    return Window(
        min([period.first, *(first_day(per, period.first) for per in pers)]),
        max([period.last, *(_last_day(per, period.last) for per in pers)]),
    )


def _last_day(per: str, day: date) -> date:
    """The last day of the day, ISO week, month or year of a day."""
    lengths = {"day": 1, "week": 7, "month": 31, "year": 366}
    following = first_day(per, first_day(per, day) + timedelta(days=lengths[per]))
    return following - timedelta(days=1)


def _replay(
    session: Session, found: Impact, acts: Iterable[Recorded], before: Scenes, after: Scenes
) -> None:
    """Replay whole residents, and add what differs."""
    twice = [_decided(act, found.period, before, after) for act in acts]
    owned = owners(
        session,
        (
            each.fingerprint
            for one in twice
            if not one.act.verified
            for each in (one.before, one.after)
            if each is not None and each.fingerprint is not None
        ),
    )
    books = Book(owned), Book(owned)
    for one in twice:
        granted = (
            books[0].grant(one.act, one.before, one.behaviour),
            books[1].grant(one.act, one.after, one.behaviour),
        )
        if found.period.first <= one.act.day <= found.period.last:
            found.acts += 1
            district = one.act.division_code[:DISTRICT_DIGITS]
            for effect in (
                found.total,
                found.by_behaviour[one.behaviour],
                found.by_division[district],
            ):
                _add(effect, one, *granted)


def _decided(act: Recorded, period: Window, before: Scenes, after: Scenes) -> _Twice:
    old, new = before[act.event.scene], after[act.event.scene]
    first = quantified(act, old)
    if not period.first <= act.day <= period.last or old.on(act.day).id == new.on(act.day).id:
        return _Twice(act, old.behaviour_code, first, first)
    return _Twice(act, old.behaviour_code, first, quantified(act, new))


def _add(effect: Effect, one: _Twice, before: Granted | None, after: Granted | None) -> None:
    mg_before = one.before.saved_mg_co2e if one.before else 0
    mg_after = one.after.saved_mg_co2e if one.after else 0
    effect.before.add(before, mg_before)
    effect.after.add(after, mg_after)
    if before is None:
        effect.newly_verified += after is not None
    elif after is None:
        effect.newly_refused += 1
    else:
        effect.regranted += (mg_before, before.points) != (mg_after, after.points)
