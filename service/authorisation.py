"""What a caller's grant reaches: the one place that decides it.

A route names its roles and its extent (``service.auth.requires``): which of the rows that the role
may see at all this caller may see. What is out of reach is answered like what does not exist, so
that nobody learns by guessing ids. docs/roles.md is made from the routes (``tanhui routes``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from activities.catalogue.models import Scene
from activities.errors import UnknownProgramme, UnknownResident, UnknownScene
from activities.models import Participant
from service.districts.errors import NotADistrict
from service.errors import OutOfReach
from service.identity.staff.models import ALL
from service.identity.tokens import Caller
from service.language import Text


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows of what a route is about a caller reaches.

    ``check`` gets the session, the caller and the arguments of the path, and raises what the route
    answers for a row that does not exist; None where the view itself holds to it, by the caller's
    own id or by a filter of this module.
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


def reaches_programme(caller: Caller, programme_code: str) -> bool:
    """Whether the grant is for this programme (or for all)."""
    return caller.programme in (ALL, programme_code)


def check_programme(caller: Caller, programme_code: str) -> None:
    """Raises UnknownProgramme."""
    if not reaches_programme(caller, programme_code):
        raise UnknownProgramme(programme_code)


def check_holder(session: Session, caller: Caller, holder_id: UUID) -> None:
    """Raises UnknownResident for a holder of another programme or division, and for none.

    Who takes part nowhere, as a merchant or a programme itself, is for grants that reach all.
    """
    if reaches_all(caller):
        return
    found = session.get(Participant, holder_id)
    if (
        found is None
        or not reaches_programme(caller, found.programme_code)
        or not found.division_code.startswith(caller.scope)
    ):
        raise UnknownResident(holder_id)


def check_scene(session: Session, caller: Caller, scene_code: str) -> None:
    """Raises UnknownScene for a scene of another programme. A scene has no division."""
    if caller.programme == ALL:
        return
    found = session.get(Scene, scene_code)
    if found is None or found.programme_code != caller.programme:
        raise UnknownScene(scene_code)


def check_division(caller: Caller, division_code: str) -> None:
    """Raises NotADistrict for a division out of the grant's."""
    if not division_code.startswith(caller.scope):
        raise NotADistrict(division_code)


def of_programme(
    caller: Caller, column: InstrumentedAttribute[str] | ColumnElement[str]
) -> ColumnElement[bool]:
    """A list's condition on its column of programme codes."""
    return true() if caller.programme == ALL else column == caller.programme


def of_residents(caller: Caller) -> ColumnElement[bool]:
    """A list's condition on the joined ``Participant``."""
    within = Participant.division_code.startswith(caller.scope, autoescape=True)
    return and_(
        of_programme(caller, Participant.programme_code), within if caller.scope else true()
    )


def _holder(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_holder(session, caller, values["holder_id"])


def _scene(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_scene(session, caller, values.get("scene_code") or values["code"])


def _programme(_: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_programme(caller, values["code"])


def _division(_: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    check_division(caller, values["division_code"])


OWN = Extent("own", Text("本人的", "one's own"))
SHARED = Extent("shared", Text("人人相同", "the same for everybody"))
LISTED = Extent("listed", Text("所属项目和区划以内", "of the grant's programme and division"))
HOLDER = Extent(
    "holder",
    Text("所属项目和区划的居民", "of residents of the grant's programme and division"),
    _holder,
)
SCENE = Extent("scene", Text("所属项目的场景", "of scenes of the grant's programme"), _scene)
PROGRAMME = Extent("programme", Text("所属项目", "the grant's programme"), _programme)
DIVISION = Extent("division", Text("所属区划", "the grant's division"), _division)
EVERYWHERE = Extent(
    "everywhere", Text("仅限全部项目的授权", "grants of all programmes only"), check_all
)
