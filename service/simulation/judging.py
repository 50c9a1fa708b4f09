"""How well the rules told fraud from honest acts, by the labels that they never saw.

- A flagged event is one whose last word is rejected or held: the first decision, or what an
  adjustment (superseded, withdrawn) made of it.
- No flag: what was held by deterministic sampling, which holds honest acts by design (``sampled``,
  counted apart, and no fraud counts as caught by it), points trimmed by a cap, and a month of
  electricity that has no baseline or saved nothing (``NOT_ELIGIBLE``).
- Recall of a kind: its flagged events by all of its events.
- Precision of a kind: its events flagged by the codes that are meant for it (``MEANT``), by those
  and the honest events flagged by one of the same codes, of the behaviours in which it is
  committed. A code meant for two kinds counts its false alarms against both.
- Precision overall: all flagged fraud by all flagged fraud and all flagged honest events.
- Operators' faults are neither: they are reported by what became of them.

Precision depends on how much fraud there is, and the simulation has far more than a city: so the
false alarms in ten thousand honest events stand beside it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from activities.events import Answer, Event
from service.simulation import labels
from service.simulation.city import KITCHEN_WASTE, RECYCLABLES, RIDES, WALK, City

NOT_ELIGIBLE = frozenset({"no_household", "solar_household", "top_tier_household", "no_saving"})
SAMPLED = "sampled"


class Meant(NamedTuple):
    """The codes that are meant for a kind of fraud, and the behaviours in which it is committed
    (None: in all).
    """

    codes: frozenset[str]
    behaviours: frozenset[str] | None = None


_RIDES = frozenset(RIDES)
MEANT: dict[str, Meant] = {
    labels.REPLAY: Meant(frozenset({"already_claimed", "overlaps"})),
    labels.TELEPORT: Meant(
        frozenset({"speed_out_of_range", "quantity_out_of_range", "outside_area", "place_jump"}),
        _RIDES,
    ),
    labels.STEP_SHAKER: Meant(
        frozenset({"rate_out_of_range", "stride_out_of_range", "quantity_out_of_range"}),
        frozenset({WALK}),
    ),
    labels.SHARED_DEVICE: Meant(frozenset({"shared_device"})),
    labels.SPLIT_TRIP: Meant(frozenset({"too_soon"}), _RIDES),
    labels.DOUBLE_CLAIM: Meant(frozenset({"already_claimed", "superseded", "overlaps"}), _RIDES),
    labels.OVERWEIGHT: Meant(
        frozenset({"quantity_out_of_range"}), frozenset({KITCHEN_WASTE, RECYCLABLES})
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event. ``code`` is "known" for one that was sent before."""

    label: str | None
    decision: str
    code: str
    behaviour: str
    event: Event

    def by(self, meant: Meant) -> bool:
        """Whether its code is one of these, in one of their behaviours."""
        return self.code in meant.codes and (
            meant.behaviours is None or self.behaviour in meant.behaviours
        )

    @property
    def flagged(self) -> bool:
        return (
            self.decision in ("rejected", "held")
            and self.code != SAMPLED
            and self.code not in NOT_ELIGIBLE
        )


@dataclass(slots=True)
class Score:
    """One kind of fraud: how many there were, how many were flagged, by codes meant for it, and
    how many honest events were flagged by the same codes.
    """

    events: int = 0
    flagged: int = 0
    by_its_codes: int = 0
    false_alarms: int = 0

    @property
    def recall(self) -> float | None:
        return self.flagged / self.events if self.events else None

    @property
    def precision(self) -> float | None:
        told = self.by_its_codes + self.false_alarms
        return self.by_its_codes / told if told else None


@dataclass(slots=True)
class Judgement:
    """The figures of a run; precision and recall are None where there was nothing to count."""

    events: int
    honest: int
    by_kind: dict[str, Score]
    false_alarms: list[Outcome]
    misses: list[Outcome]
    faults: dict[str, Counter[str]]
    sampled: int
    not_eligible: int

    @property
    def flagged_fraud(self) -> int:
        return sum(score.flagged for score in self.by_kind.values())

    @property
    def recall(self) -> float | None:
        fraud = sum(score.events for score in self.by_kind.values())
        return self.flagged_fraud / fraud if fraud else None

    @property
    def precision(self) -> float | None:
        told = self.flagged_fraud + len(self.false_alarms)
        return self.flagged_fraud / told if told else None

    @property
    def false_alarms_in_10_000(self) -> float:
        return 10_000 * len(self.false_alarms) / max(self.honest, 1)


@dataclass(slots=True)
class Judge:
    """Sees every answer with its label, and keeps what is labelled or was not simply verified.

    ``behaviours`` by the codes of their scenes.
    """

    behaviours: Mapping[str, str]
    events: int = 0
    by_code: Counter[str] = field(default_factory=Counter)
    _kept: dict[UUID, Outcome] = field(default_factory=dict)
    _known: list[Outcome] = field(default_factory=list)
    _honest: int = 0

    @classmethod
    def of(cls, city: City) -> "Judge":
        return cls({scene.code: scene.behaviour for scene in city.scenes.values()})

    def hear(self, event: Event, label: str | None, answer: Answer) -> None:
        """One event's first decision."""
        self.events += 1
        self._honest += label is None
        known = not answer.written and answer.code != "event_id_reused"
        self.by_code["known" if known else answer.code] += 1
        if known:
            self._known.append(self._outcome(label, "known", "known", event))
        elif label is not None or answer.decision != "verified":
            self._kept[answer.activity_id] = self._outcome(
                label, answer.decision, answer.code, event
            )

    def amend(self, activity_id: UUID, decision: str, code: str, event: Event) -> None:
        """A later word on an activity, in their order. One that is not kept has no label."""
        kept = self._kept.get(activity_id)
        label, event = (kept.label, kept.event) if kept else (None, event)
        self._kept[activity_id] = self._outcome(label, decision, code, event)

    def _outcome(self, label: str | None, decision: str, code: str, event: Event) -> Outcome:
        return Outcome(label, decision, code, self.behaviours[event.scene], event)

    def judge(self) -> Judgement:
        """The figures, once everything was heard and amended."""
        outcomes = [*self._kept.values(), *self._known]
        honest = [each for each in outcomes if each.label is None]
        alarms = [each for each in honest if each.flagged]
        return Judgement(
            events=self.events,
            honest=self._honest,
            by_kind={kind: _score(kind, outcomes, alarms) for kind in labels.FRAUD},
            false_alarms=alarms,
            misses=[e for e in outcomes if e.label in labels.FRAUD and not e.flagged],
            faults={
                fault: Counter(each.code for each in outcomes if each.label == fault)
                for fault in labels.FAULTS
            },
            sampled=sum(each.code == SAMPLED for each in outcomes),
            not_eligible=sum(each.code in NOT_ELIGIBLE for each in honest),
        )


def _score(kind: str, outcomes: Iterable[Outcome], alarms: Iterable[Outcome]) -> Score:
    score = Score()
    for each in outcomes:
        if each.label == kind:
            score.events += 1
            score.flagged += each.flagged
            score.by_its_codes += each.flagged and each.by(MEANT[kind])
    score.false_alarms = sum(each.by(MEANT[kind]) for each in alarms)
    return score


def told(outcome: Outcome) -> str:
    """An event in one line, with the figures that a rule could have gone by."""
    event, details = outcome.event, outcome.event.details
    facts = [
        f"{event.started_at:%m-%d %H:%M:%S}",
        f"{event.duration_s} s",
        f"quantity {event.quantity}",
    ]
    if details.active_s:
        facts.append(f"{event.quantity * 60 // details.active_s} a minute")
        facts.append(f"{(details.distance_m or 0) * 1000 // max(event.quantity, 1)} mm each")
    elif details.distance_m is not None:
        facts.append(f"{details.distance_m} m")
    if details.place:
        facts.append(f"in {details.place}")
    return f"{outcome.code}: {event.scene}, {', '.join(facts)}"
