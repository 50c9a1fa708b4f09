"""Held and refused acts of a programme of the test's own, for a person to look at."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from activities.models import ReviewCase
from activities.reviewing.appeal_queue import Heard
from activities.reviewing.appeals import Verdict
from activities.reviewing.appeals import answer as answer_appeals
from activities.reviewing.review import Decision, decide
from tests.catalogues import NOW, Trial, a_programme, an_act

LIMIT = 2_000  # Points above which two persons approve.
HELD: dict[str, Any] = {"kind": "sample", "permille": 1000}
Key = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Place:
    """A programme with one scene; an act of quantity n saves n grams and earns n points."""

    trial: Trial
    scene: str

    def act(self, holder_id: UUID, minute: float = 0, *, quantity: int = 52, **more: Any) -> Key:
        """The key of an act as it was recorded."""
        (answer,) = self.trial.record(
            an_act(self.scene, holder_id, minute, quantity=quantity, **more)
        )
        return holder_id, answer.activity_id

    def held(self, holder_id: UUID | None = None, minute: float = 0, **more: Any) -> Key:
        return self.act(holder_id or self.trial.resident(), minute, **more)


def a_place(session: Session, *rules: dict[str, Any], held: bool = True, **behaviour: Any) -> Place:
    """Under these rules; whatever they let through is held, or else verified."""
    trial = a_programme(session)
    trial.behaviour("ride", rules=[*rules, *([HELD] if held else [])], **behaviour)
    return Place(trial, trial.scene("ride"))


def decision(key: Key, action: str, by: str = "anna", **more: Any) -> Decision:
    return Decision(
        more.pop("step_id", None) or uuid4(),
        *key,
        action,  # type: ignore[arg-type]
        by,
        more.pop("text", f"{by} says {action}"),
    )


def decided(session: Session, *decisions: Decision, limit: int = LIMIT) -> list[ReviewCase]:
    return decide(session, decisions, two_persons_above_points=limit, now=NOW)


def verdict(key: Key, action: str, by: str = "olga", **more: Any) -> Verdict:
    return Verdict(
        more.pop("step_id", None) or uuid4(),
        *key,
        action,  # type: ignore[arg-type]
        by,
        more.pop("text", f"{by}: {action}"),
    )


def answered(session: Session, *verdicts: Verdict, limit: int = LIMIT) -> list[Heard]:
    return answer_appeals(session, verdicts, two_persons_above_points=limit, now=NOW)
