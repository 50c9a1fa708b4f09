"""Verification rules: typed kinds with parameters.

A rule holds no code and no expression: a new kind is a struct here. Its parameters come from
``rule.parameters``; every row names the document behind it. Order of effect, fixed for everybody:

1. scene known, resident known, times in order and not in the future
2. scene approved at that time, resident's consent in force
3. a method and a tariff in force
4. rules of one event alone, in the order of ``ALONE``
5. the same act not claimed, time not overlapping (the weightier channel wins)
6. rules of an event among others, in the order of ``AMONG``
7. signals that hold an act for review, in the order of ``SIGNALS``
8. quantified; caps trim points, never the saved CO2e

The first that refuses gives the code; a signal holds only what nothing refused.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec

from activities.events import Event

CLOCK_TOLERANCE = timedelta(minutes=5)  # Senders' clocks differ; the future does not count.
_Bound = Annotated[int, msgspec.Meta(ge=0)]
_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
_Permille = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_Prefix = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,12}\Z")]


Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """What a rule of one event alone looks at."""

    event: Event
    base_unit: str
    received_at: datetime

    @property
    def distance_m(self) -> int | None:
        """What was said, or the quantity where that is a distance."""
        return self.event.quantity if self.base_unit == "m" else self.event.details.distance_m


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A kind of rule; its tag is its name in the catalogue, ``code`` the code of its refusal."""


class AloneKind(_Kind, frozen=True):
    """``fits`` is None where the rule has nothing to look at, and so refuses nothing."""

    code: ClassVar[str]

    def fits(self, act: Act) -> bool | None:
        raise NotImplementedError

    def inputs(self, act: Act) -> Inputs:
        """What it looked at, with its unit in the name, for the explanation."""
        raise NotImplementedError


# --- One event alone -----------------------------------------------------------------------------


class Freshness(AloneKind, frozen=True, tag="freshness"):
    """Refuse what was reported more than ``max_days`` days after it ended."""

    code = "too_late"
    max_days: _AtLeastOne

    def fits(self, act: Act) -> bool | None:
        return act.received_at - act.event.ended_at <= timedelta(days=self.max_days)

    def inputs(self, act: Act) -> Inputs:
        return {"ended_at": act.event.ended_at, "received_at": act.received_at}


class QuantityRange(AloneKind, frozen=True, tag="quantity_range"):
    """Refuse a quantity that nobody does: below ``min`` or above ``max``, in the base unit."""

    code = "quantity_out_of_range"
    min: _Bound
    max: _Bound

    def fits(self, act: Act) -> bool | None:
        return self.min <= act.event.quantity <= self.max

    def inputs(self, act: Act) -> Inputs:
        return {"quantity": act.event.quantity, "base_unit": act.base_unit}


class DurationRange(AloneKind, frozen=True, tag="duration_range"):
    """Refuse an act shorter or longer than is plausible."""

    code = "duration_out_of_range"
    min_s: _Bound
    max_s: _Bound

    def fits(self, act: Act) -> bool | None:
        return self.min_s <= act.event.duration_s <= self.max_s

    def inputs(self, act: Act) -> Inputs:
        return {"duration_s": act.event.duration_s}


class SpeedRange(AloneKind, frozen=True, tag="speed_range"):
    """Refuse a distance over time that the vehicle does not do. The distance is
    ``details.distance_m``, or the quantity where that is in metres; without one there is no speed.
    """

    code = "speed_out_of_range"
    min_m_per_h: _Bound
    max_m_per_h: _AtLeastOne

    def fits(self, act: Act) -> bool | None:
        if (distance_m := act.distance_m) is None:
            return None
        seconds = act.event.duration_s
        return self.min_m_per_h * seconds <= distance_m * 3600 <= self.max_m_per_h * seconds

    def inputs(self, act: Act) -> Inputs:
        return {"distance_m": act.distance_m, "duration_s": act.event.duration_s}


class RateRange(AloneKind, frozen=True, tag="rate_range"):
    """Refuse a quantity an hour that nobody does (steps by a machine). The time is
    ``details.active_s``; without it there is no rate.
    """

    code = "rate_out_of_range"
    min_per_h: _Bound
    max_per_h: _AtLeastOne

    def fits(self, act: Act) -> bool | None:
        if (seconds := act.event.details.active_s) is None:
            return None
        hourly = act.event.quantity * 3600
        return self.min_per_h * seconds <= hourly <= self.max_per_h * seconds

    def inputs(self, act: Act) -> Inputs:
        return {"quantity": act.event.quantity, "active_s": act.event.details.active_s}


class StrideRange(AloneKind, frozen=True, tag="stride_range"):
    """Refuse a distance that does not fit the quantity, in mm a unit: a shaken phone goes nowhere.

    Without ``details.distance_m`` there is no stride.
    """

    code = "stride_out_of_range"
    min_mm: _Bound
    max_mm: _AtLeastOne

    def fits(self, act: Act) -> bool | None:
        if (distance_m := act.event.details.distance_m) is None:
            return None
        quantity = act.event.quantity
        return self.min_mm * quantity <= distance_m * 1000 <= self.max_mm * quantity

    def inputs(self, act: Act) -> Inputs:
        return {"quantity": act.event.quantity, "distance_m": act.event.details.distance_m}


class Geofence(AloneKind, frozen=True, tag="geofence"):
    """Refuse what happened outside these divisions, given by the first digits of their codes; an
    act without a place did.
    """

    code = "outside_area"
    divisions: Annotated[tuple[_Prefix, ...], msgspec.Meta(min_length=1, max_length=100)]

    def fits(self, act: Act) -> bool | None:
        place = act.event.details.place
        return place is not None and place.startswith(self.divisions)

    def inputs(self, act: Act) -> Inputs:
        return {"place": act.event.details.place}


class EvidenceRequired(AloneKind, frozen=True, tag="evidence_required"):
    """Refuse an act without a photo's hash, or without an odometer pair: one that agrees with the
    distance to ``tolerance_permille`` (1000: to the double) where that is the quantity, else one
    that did not move, for then the act is that the car stood still.
    """

    code = "evidence_missing"
    evidence: Literal["photo", "odometer"]
    tolerance_permille: _Permille = 100

    def fits(self, act: Act) -> bool | None:
        if self.evidence == "photo":
            return act.event.details.photo_sha256 is not None
        if (pair := act.event.details.odometer_m) is None:
            return False
        driven_m, claimed_m = pair[1] - pair[0], act.event.quantity
        if act.base_unit != "m":
            return driven_m == 0
        return abs(driven_m - claimed_m) * 1000 <= claimed_m * self.tolerance_permille

    def inputs(self, act: Act) -> Inputs:
        details = act.event.details
        if self.evidence == "photo":
            return {"photo_sha256": details.photo_sha256}
        return {"odometer_m": details.odometer_m, "quantity": act.event.quantity}


class AttestationRequired(AloneKind, frozen=True, tag="attestation_required"):
    """Refuse what no attested device reported."""

    code = "attestation_missing"

    def fits(self, act: Act) -> bool | None:
        return act.event.details.attested

    def inputs(self, act: Act) -> Inputs:
        return {"attested": act.event.details.attested}


# --- An event among the resident's others --------------------------------------------------------


class NoOverlap(_Kind, frozen=True, tag="no_overlap"):
    """Refuse an act at a time that another act under such a rule takes, of whatever behaviour."""


class MinInterval(_Kind, frozen=True, tag="min_interval"):
    """Refuse an act that begins less than ``seconds`` after one of the same behaviour ended, or
    ends less than that before one begins: one trip split in two. Needs ``no_overlap``.
    """

    seconds: _AtLeastOne


class PlaceJump(_Kind, frozen=True, tag="place_jump"):
    """Refuse an act in another place than one less than ``seconds`` before or after. Two places
    are the same when the first ``digits`` of their codes are (4: city, 6: district). Needs
    ``no_overlap``.
    """

    digits: Literal[2, 4, 6]
    seconds: _AtLeastOne


# --- Signals: held for review --------------------------------------------------------------------


class Velocity(_Kind, frozen=True, tag="velocity"):
    """Hold a resident's acts of a day, of all behaviours, beyond ``acts_a_day``."""

    acts_a_day: _AtLeastOne


class SharedDevice(_Kind, frozen=True, tag="shared_device"):
    """Hold what comes from a device that has reported for more than ``holders`` residents."""

    holders: _AtLeastOne


class Sample(_Kind, frozen=True, tag="sample"):
    """Hold ``permille`` of a thousand acts, drawn by the id that the activity gets here: no sender
    can choose it, and anybody can check.
    """

    permille: _Permille


# --- Caps ----------------------------------------------------------------------------------------


class DailyCap(_Kind, frozen=True, tag="daily_cap"):
    """Grant points for at most ``max`` base units a day; the saved CO2e stands."""

    max: _Bound


class Cap(_Kind, frozen=True, tag="cap"):
    """Grant at most ``points``, or points for the best ``acts``, in a day, ISO week, month or year.

    A total over the period does not depend on the order in which its acts arrive. Weeks do not
    nest in months: a behaviour has caps by the one or by the other.
    """

    per: Literal["day", "week", "month", "year"]
    points: _AtLeastOne | None = None
    acts: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None

    def __post_init__(self) -> None:
        if (self.points is None) == (self.acts is None):
            raise ValueError("give points or acts, one of them")


Alone = (
    Freshness
    | QuantityRange
    | DurationRange
    | SpeedRange
    | RateRange
    | StrideRange
    | Geofence
    | EvidenceRequired
    | AttestationRequired
)
Among = NoOverlap | MinInterval | PlaceJump
Signal = Velocity | SharedDevice | Sample
RuleKind = Alone | Among | Signal | DailyCap | Cap

ALONE = (
    Freshness,
    QuantityRange,
    DurationRange,
    SpeedRange,
    RateRange,
    StrideRange,
    Geofence,
    EvidenceRequired,
    AttestationRequired,
)
AMONG = (NoOverlap, MinInterval, PlaceJump)
SIGNALS = (Velocity, SharedDevice, Sample)


@dataclass(frozen=True, slots=True)
class Dated:
    """From ``valid_from`` until the day before ``valid_to``; None means no end."""

    valid_from: date
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class DatedRule(Dated):
    code: str
    version: int
    for_all: bool  # Of all the programme's behaviours.
    kind: RuleKind
    document: str

    def content(self) -> dict[str, Any]:
        """As it is kept beside the decisions it made."""
        return {
            "code": self.code,
            "version": self.version,
            "for_all": self.for_all,
            "parameters": msgspec.to_builtins(self.kind),
            "document": self.document,
        }


D = TypeVar("D", bound=Dated)


def on_day(rows: list[D], day: date) -> list[D]:
    """The rows that hold on a day, in their order."""
    return [row for row in rows if row.holds_on(day)]
