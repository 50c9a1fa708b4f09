"""Refusals of review and appeals. Nothing is written by any of them."""

from uuid import UUID

from ledgers.errors import DomainError


class UnknownCase(DomainError):
    """The holder has no activity of this id that was held for review."""

    def __init__(self, activity_id: UUID) -> None:
        super().__init__(f"no case of activity {activity_id}")
        self.activity_id = activity_id


class CaseClosed(DomainError):
    """The case is decided, or its activity was withdrawn or superseded meanwhile."""

    def __init__(self, activity_id: UUID, decision: str, decision_code: str) -> None:
        super().__init__(
            f"the case of activity {activity_id} is closed: {decision} ({decision_code})"
        )
        self.activity_id = activity_id
        self.decision = decision
        self.decision_code = decision_code


class ReviewStepReused(DomainError):
    """The id that the client made already stands for another step."""

    def __init__(self, step_id: UUID) -> None:
        super().__init__(f"{step_id} stands for another step")
        self.step_id = step_id


class OwnActivity(DomainError):
    """Nobody decides on an activity of their own, or on one that they entered at the desk."""

    def __init__(self, activity_id: UUID) -> None:
        super().__init__(f"activity {activity_id} is the reviewer's own, or was entered by them")
        self.activity_id = activity_id


class SecondReviewerNeeded(DomainError):
    """Above ``limit_points`` two persons approve, and ``approved_by`` has."""

    def __init__(
        self, activity_id: UUID, potential_points: int, limit_points: int, approved_by: str
    ) -> None:
        super().__init__(
            f"activity {activity_id} would earn {potential_points} points, above {limit_points}:"
            f" {approved_by} has approved it, somebody else must too"
        )
        self.activity_id = activity_id
        self.potential_points = potential_points
        self.limit_points = limit_points
        self.approved_by = approved_by


class QuestionNotOpen(DomainError):
    """Nobody asked this, it was answered otherwise, or something later came of the case."""

    def __init__(self, activity_id: UUID, question_id: UUID) -> None:
        super().__init__(f"no open question {question_id} about activity {activity_id}")
        self.activity_id = activity_id
        self.question_id = question_id


class NotAppealable(DomainError):
    """Only a refusal can be appealed: this activity is verified, or still held."""

    def __init__(self, activity_id: UUID, decision: str) -> None:
        super().__init__(f"activity {activity_id} is {decision}: there is no refusal to appeal")
        self.activity_id = activity_id
        self.decision = decision


class AlreadyAppealed(DomainError):
    """A refusal is appealed once."""

    def __init__(self, activity_id: UUID) -> None:
        super().__init__(f"activity {activity_id} was appealed before")
        self.activity_id = activity_id


class UnknownAppeal(DomainError):
    """The holder has not appealed against this activity's refusal."""

    def __init__(self, activity_id: UUID) -> None:
        super().__init__(f"no appeal about activity {activity_id}")
        self.activity_id = activity_id


class AppealAnswered(DomainError):
    """An appeal is answered once."""

    def __init__(self, activity_id: UUID, outcome: str, answered_by: str) -> None:
        super().__init__(f"{answered_by} has answered the appeal: {outcome}")
        self.activity_id = activity_id
        self.outcome = outcome
        self.answered_by = answered_by


class OwnRefusal(DomainError):
    """Somebody else than who refused it answers an appeal."""

    def __init__(self, activity_id: UUID, refused_by: str) -> None:
        super().__init__(f"{refused_by} refused activity {activity_id}; somebody else answers")
        self.activity_id = activity_id
        self.refused_by = refused_by


class NotOverturnable(DomainError):
    """The act cannot be quantified, so nothing could be granted; ``refusal_code`` says why, as the
    code of a refusal would.
    """

    def __init__(self, activity_id: UUID, refusal_code: str) -> None:
        super().__init__(f"activity {activity_id} cannot be granted: {refusal_code}")
        self.activity_id = activity_id
        self.refusal_code = refusal_code


class ActTaken(DomainError):
    """The act, or its time, belongs to another activity, which would have to be withdrawn first."""

    def __init__(self, activity_id: UUID, taken_by: UUID) -> None:
        super().__init__(f"the act of activity {activity_id} is counted by activity {taken_by}")
        self.activity_id = activity_id
        self.taken_by = taken_by
