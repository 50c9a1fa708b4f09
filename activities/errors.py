"""Refusals of this package. A single event's refusal is an answer, not an exception."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from ledgers.errors import DomainError


class CatalogueRefused(DomainError):
    """Rows that do not load; each problem names file and line. Nothing was loaded."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class UnknownProgramme(DomainError):
    """No programme has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no programme {code!r}")
        self.code = code


class UnknownScene(DomainError):
    """No scene has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no scene {code!r}")
        self.code = code


class UnknownConsentText(DomainError):
    """The scene has, and asks for, no consent text of this version."""

    def __init__(self, scene_code: str, version: int) -> None:
        super().__init__(f"scene {scene_code!r} has no consent text {version}")
        self.scene_code = scene_code
        self.version = version


class UnknownDivision(DomainError):
    """No administrative division has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no division {code!r}")
        self.code = code


class UnknownResident(DomainError):
    """The holder takes part in no programme."""

    def __init__(self, holder_id: UUID) -> None:
        super().__init__(f"no resident {holder_id}")
        self.holder_id = holder_id


class ResidentClosed(DomainError):
    """The resident closed their account: what they did stays as it stood then."""

    def __init__(self, holder_id: UUID) -> None:
        super().__init__("the resident has closed the account")
        self.holder_id = holder_id


class ConsentNotAsked(DomainError):
    """The scene asks for no consent: its data are open, or the resident's own."""

    def __init__(self, code: str) -> None:
        super().__init__(f"scene {code!r} asks for no consent")
        self.code = code


class ConsentTextOutdated(DomainError):
    """Consent is to the text that the scene shows now, and this is another version of it."""

    def __init__(self, code: str, text_version: int, current_text_version: int) -> None:
        super().__init__(
            f"scene {code!r} asks for consent to text {current_text_version}, not {text_version}"
        )
        self.code = code
        self.text_version = text_version
        self.current_text_version = current_text_version


class SceneStepNotAllowed(DomainError):
    """A scene of this status does not get that one: an end is final, for one."""

    def __init__(self, code: str, scene_status: str, wanted: str) -> None:
        super().__init__(f"scene {code!r} is {scene_status}: it cannot become {wanted}")
        self.code = code
        self.scene_status = scene_status
        self.wanted = wanted


class SceneChangeBackdated(DomainError):
    """A change holds from now on or later: what was decided before stays decided."""

    def __init__(self, code: str, effective_at: datetime, earliest_at: datetime) -> None:
        super().__init__(
            f"scene {code!r} cannot change as of {effective_at.isoformat()}:"
            f" {earliest_at.isoformat()} at the earliest"
        )
        self.code = code
        self.effective_at = effective_at
        self.earliest_at = earliest_at


class SceneChangeReused(DomainError):
    """At that instant the scene already changes otherwise."""

    def __init__(self, code: str, effective_at: datetime) -> None:
        super().__init__(f"scene {code!r} already changes at {effective_at.isoformat()}")
        self.code = code
        self.effective_at = effective_at


class SceneNeedsSecondPerson(DomainError):
    """Who asks for an approval or an extension does not give it."""

    def __init__(self, code: str, actor: str) -> None:
        super().__init__(f"scene {code!r}: {actor} asks, somebody else approves")
        self.code = code
        self.actor = actor


class ExtensionNotLater(DomainError):
    """An extension leads beyond the present end, and into the future."""

    def __init__(self, code: str, approved_to: date, asked_to: date) -> None:
        super().__init__(f"scene {code!r} is approved to {approved_to}: {asked_to} extends nothing")
        self.code = code
        self.approved_to = approved_to
        self.asked_to = asked_to


class HouseholdReused(DomainError):
    """Another household was declared as of that day; what was declared stays."""

    def __init__(self, valid_from: date) -> None:
        super().__init__(f"another household is declared as of {valid_from}")
        self.valid_from = valid_from


class HouseholdOutOfBounds(DomainError):
    """A declaration's days or numbers are not possible; ``field`` says which."""

    def __init__(self, field: str, lowest: object, highest: object) -> None:
        super().__init__(f"{field} must be from {lowest} to {highest}")
        self.field = field
        self.lowest = str(lowest)
        self.highest = str(highest)


class UnknownActivity(DomainError):
    """The holder has no activity of this id."""

    def __init__(self, activity_id: UUID) -> None:
        super().__init__(f"no activity {activity_id}")
        self.activity_id = activity_id


class EventIdReused(DomainError):
    """The id that the client made already stands for an activity with other content."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"{event_id} stands for another activity")
        self.event_id = event_id


class WrongChannel(DomainError):
    """A scene is fed through its own channel, and this is another."""

    def __init__(self, code: str, channel: str) -> None:
        super().__init__(f"scene {code!r} is fed by channel {channel!r}")
        self.code = code
        self.channel = channel


class ActivityNotVerified(DomainError):
    """Only what is verified has a quantity to correct; this was refused, is held, or withdrawn."""

    def __init__(self, activity_id: UUID, decision: str, code: str) -> None:
        super().__init__(f"activity {activity_id} is {decision} ({code})")
        self.activity_id = str(activity_id)
        self.decision = decision
        self.decision_code = code


class CorrectionImplausible(DomainError):
    """The rules that decided the act would refuse the quantity; ``refusal_code`` says why."""

    def __init__(self, activity_id: UUID, quantity: int, code: str) -> None:
        super().__init__(f"{quantity} would be refused: {code}")
        self.activity_id = str(activity_id)
        self.quantity = quantity
        self.refusal_code = code


class UnknownBehaviour(DomainError):
    """The programme has no scene of this behaviour."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no behaviour {code!r} in this programme")
        self.code = code


class UnknownDraft(DomainError):
    """Names of no factor, method, rule or tariff that was ever drafted."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"no draft {', '.join(names)}")
        self.names = list(names)


class DraftReused(DomainError):
    """Another content stands under a draft's name: what is drafted is never changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stands with other content")
        self.name = name


class DraftNeedsSecondPerson(DomainError):
    """Who drafted a version does not approve it."""

    def __init__(self, names: Sequence[str], actor: str) -> None:
        super().__init__(f"{actor} drafted {', '.join(names)}, somebody else approves")
        self.names = list(names)
        self.actor = actor


class FactorsNotApproved(DomainError):
    """A method is approved after its factors, or together with them."""

    def __init__(self, names: Sequence[str], factors: Sequence[str]) -> None:
        super().__init__(f"{', '.join(names)} first needs {', '.join(factors)} approved")
        self.names = list(names)
        self.factors = list(factors)


class DraftApproved(DomainError):
    """What is approved decides already: there is nothing to compare with."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"approved already: {', '.join(names)}")
        self.names = list(names)
