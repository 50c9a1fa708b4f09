"""What a caller's grant reaches: the one place that decides it.

A route names its roles and its extent (``service.auth.requires``): which of the rows that the role
may see at all this caller may see. What is out of reach is answered like what does not exist, so
that nobody learns by guessing ids. docs/roles.md is made from the routes (``tanhui routes``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from activities.catalogue.models import Programme, Scene
from activities.errors import UnknownDivision, UnknownProgramme, UnknownResident, UnknownScene
from activities.models import Participant
from ledgers.accounts import ISSUED, account_key
from ledgers.errors import UnknownAccount
from rewards.errors import UnknownMerchant
from rewards.models import Merchant
from service.errors import OutOfReach
from service.identity.staff.models import ALL
from service.identity.tokens import Caller
from service.language import Text

MERCHANT_ROLES = ("merchant", "merchant_manager")


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows of what a route is about a caller reaches.

    ``check`` gets the session, the caller and the arguments of the path, and raises what the route
    answers for a row that does not exist; None where the view itself holds to it, by the caller's
    own id or by a function of this module.
    """

    name: str
    says: Text
    check: Callable[[Session, Caller, Mapping[str, Any]], None] | None = None


def reaches_all(caller: Caller) -> bool:
    """Whether the grant is for every programme and every division."""
    return caller.programme == ALL and caller.scope == ""


def check_all(_: Session, caller: Caller, __: Mapping[str, Any]) -> None:
    """Raises OutOfReach."""
    if not reaches_all(caller):
        raise OutOfReach


class Granted(Protocol):
    """Whoever acts within a programme: a caller, or the admin log's ``Actor``."""

    @property
    def programme(self) -> str: ...


def reaches_programme(who: Granted, programme_code: str) -> bool:
    """Whether the grant is for this programme (or for all)."""
    return who.programme in (ALL, programme_code)


def check_programme(caller: Caller, programme_code: str) -> None:
    """Raises UnknownProgramme."""
    if not reaches_programme(caller, programme_code):
        raise UnknownProgramme(programme_code)


def only_programme(who: Granted) -> str | None:
    """The one programme of the grant, as domain functions take it; None for all."""
    return None if who.programme == ALL else who.programme


def reaches_holder(session: Session, caller: Caller, holder_id: UUID) -> bool:
    """Whether the holder is a resident of the grant's programme and division.

    Who takes part nowhere, as a merchant or a programme itself, is for grants that reach all.
    """
    if reaches_all(caller):
        return True
    found = session.get(Participant, holder_id)
    return (
        found is not None
        and reaches_programme(caller, found.programme_code)
        and found.division_code.startswith(caller.scope)
    )


def sees_residents(caller: Caller) -> bool:
    """Whether who works in this role is told anything of a single resident."""
    return caller.role != "administrator"


def check_holder(session: Session, caller: Caller, holder_id: UUID) -> None:
    """Raises UnknownResident for a holder of another programme or division, and for none."""
    if not reaches_holder(session, caller, holder_id):
        raise UnknownResident(holder_id)


def check_issuer(session: Session, caller: Caller, issuer_id: UUID, unit: str) -> None:
    """Raises UnknownAccount for what another programme gives, and for what none does."""
    if caller.programme == ALL:
        return
    own = select(Programme.holder_id).where(Programme.code == caller.programme)
    if session.scalar(own) != issuer_id:
        raise UnknownAccount([UUID(account_key(issuer_id, unit, ISSUED).id)])


def check_scene(session: Session, caller: Caller, scene_code: str) -> None:
    """Raises UnknownScene for a scene of another programme. A scene has no division."""
    if caller.programme == ALL:
        return
    found = session.get(Scene, scene_code)
    if found is None or found.programme_code != caller.programme:
        raise UnknownScene(scene_code)


def check_merchant(session: Session, caller: Caller, merchant_id: UUID) -> Merchant:
    """The merchant; raises UnknownMerchant for who works at another or for another programme."""
    found = session.get(Merchant, merchant_id)
    if found is None:
        raise UnknownMerchant(merchant_id)
    if caller.role in MERCHANT_ROLES:
        reached = caller.scope == str(merchant_id)
    else:
        own = only_programme(caller)
        query = select(Programme.code).where(Programme.holder_id == found.programme_holder_id)
        reached = own is None or session.scalar(query) == own
    if not reached:
        raise UnknownMerchant(merchant_id)
    return found


def only_pauses_offers(caller: Caller) -> bool:
    """Whether who works on an offer takes it off sale for now, and no further: a merchant's own
    people do; the programme's put it on sale and end it.
    """
    return caller.role in MERCHANT_ROLES


def check_division(caller: Caller, division_code: str) -> None:
    """Raises UnknownDivision for one out of the grant's, and for any where an officer has none.

    What is told of a division is of all its residents, whatever their programme: figures of one
    programme beside those of all would, by subtraction, show the residents of a small one.
    """
    officer = caller.role == "district_officer"
    if not division_code.startswith(caller.scope) or (officer and not caller.scope):
        raise UnknownDivision(division_code)


def only_programme_holder(session: Session, who: Granted) -> UUID | None:
    """The own holder of the grant's one programme, as domain functions take it; None for all. A
    grant that names no programme gets a holder that nobody is.
    """
    if (own := only_programme(who)) is None:
        return None
    found = session.scalar(select(Programme.holder_id).where(Programme.code == own))
    return found or UUID(int=0)


def of_programme(
    who: Granted, column: InstrumentedAttribute[str] | ColumnElement[str]
) -> ColumnElement[bool]:
    """A list's condition on its column of programme codes."""
    return true() if who.programme == ALL else column == who.programme


def of_residents(caller: Caller) -> ColumnElement[bool]:
    """A list's condition on the joined ``Participant``."""
    within = Participant.division_code.startswith(caller.scope, autoescape=True)
    return and_(
        of_programme(caller, Participant.programme_code), within if caller.scope else true()
    )


def of_holders(
    caller: Caller, column: InstrumentedAttribute[UUID] | ColumnElement[UUID]
) -> ColumnElement[bool]:
    """A list's condition on its column of holders; on one machine and on many, a look by key."""
    if reaches_all(caller):
        return true()
    found = select(Participant.holder_id).where(Participant.holder_id == column)
    return found.where(of_residents(caller)).exists()


def _holder(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_holder(session, caller, values["holder_id"])


def _scene(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_scene(session, caller, values.get("scene_code") or values["code"])


def _whole_scene(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    _scene(session, caller, values)
    _whole_programme(session, caller, values)


def _merchant(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_merchant(session, caller, values["merchant_id"])


def _whole_merchant(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    """What a programme agrees with a merchant is not for staff who are bound to a division."""
    if caller.role not in MERCHANT_ROLES:
        _whole_programme(session, caller, values)
    check_merchant(session, caller, values["merchant_id"])


def _programme(_: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_programme(caller, values["code"])


def _whole_programme(_: Session, caller: Caller, __: Mapping[str, Any]) -> None:
    """What has no division is not for who is bound to one."""
    if caller.scope:
        raise OutOfReach


def _division_of_all(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    """Exact figures of all programmes' residents are not for staff of one programme."""
    if caller.programme != ALL:
        raise OutOfReach
    _division(session, caller, values)


def _division(_: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_division(caller, values["division_code"])


OWN = Extent("own", Text("本人的", "one's own"))
OWN_MERCHANT = Extent(  # The path names no merchant: it is the caller's.
    "own_merchant", Text("本商户的", "of one's own merchant")
)
SHARED = Extent("shared", Text("人人相同", "the same for everybody"))
LISTED = Extent("listed", Text("所属项目和区划以内", "of the grant's programme and division"))
HOLDER = Extent(
    "holder",
    Text("所属项目和区划的居民", "of residents of the grant's programme and division"),
    _holder,
)
FOUND = Extent(HOLDER.name, HOLDER.says)  # The path names no holder: the view asks.
ORDER = Extent("order", Text("消息所指的充值订单", "of the top-up that the message names"))
SCENE = Extent("scene", Text("所属项目的场景", "of scenes of the grant's programme"), _scene)
WHOLE_SCENE = Extent(
    "whole_scene",
    Text(
        "所属项目的场景，授权不限区划",
        "of the programme's scenes, for grants of no division",
    ),
    _whole_scene,
)
MERCHANT = Extent(
    "merchant",
    Text("本商户；平台人员为所属项目的商户", "one's own merchant; for staff, the programme's"),
    _merchant,
)
WHOLE_MERCHANT = Extent(
    "whole_merchant",
    Text(
        "本商户；平台人员为所属项目的商户，授权不限区划",
        "one's own merchant; for staff, the programme's, for grants of no division",
    ),
    _whole_merchant,
)
PROGRAMME = Extent("programme", Text("所属项目", "the grant's programme"), _programme)
WHOLE_PROGRAMME = Extent(
    "whole_programme",
    Text("所属项目，授权不限区划", "of the grant's programme, for grants of no single division"),
    _whole_programme,
)
DIVISION = Extent("division", Text("所属区划", "the grant's division"), _division)
DIVISION_OF_ALL = Extent(
    "division_of_all",
    Text("所属区划，授权须包含全部项目", "the grant's division, for grants of all programmes"),
    _division_of_all,
)
EVERYWHERE = Extent(
    "everywhere", Text("仅限全部项目的授权", "grants of all programmes only"), check_all
)
