"""Late grants: acts that a person lets count after they were held or refused."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from activities.changes.adjusting import Change, adjust
from activities.changes.corrections import event_of
from activities.changes.regranting import Counted, Due, Standing, regrant
from activities.deciding.decisions import CAPPED
from activities.methods import points_for, saved_mg
from activities.policies import DayPolicy
from activities.reviewing.errors import NotOverturnable


def due(standing: Standing, policy: DayPolicy, policy_id: UUID, *, quantity: int) -> Due:
    """What an act that counts for nothing so far shall count for by a policy, before its caps.

    ``quantity`` is what is quantified: the act's, or what a home's baseline exceeds its reading by,
    in the behaviour's base unit. Raises NotOverturnable where the policy has no method or tariff,
    or does not know the material.
    """
    activity, method, per_point = standing.activity, policy.method, policy.mg_co2e_per_point
    if method is None or per_point is None:
        raise NotOverturnable(activity.id, "no_method")
    net = method.net_of(event_of(activity, quantity).details.material)
    if net is None:
        raise NotOverturnable(activity.id, "unknown_material")
    mg = saved_mg(quantity, net)
    return Due(
        standing,
        standing.state.quantity,
        mg,
        points_for(mg, per_point),
        policy.caps,
        method.code,
        method.version,
        policy_id,
    )


class Cause(NamedTuple):
    """Who lets an act count, by which step, and why; ``approved_by`` where it took two persons."""

    step_id: UUID
    actor: str
    approved_by: str | None
    reason: str


def grant_late(
    session: Session, granted: Sequence[tuple[Due, Cause]], kind: str, *, now: datetime
) -> None:
    """Count the acts in their tallies, trim them by their caps, and post what is left: an
    adjustment of each, of the ``kind`` "review" or "appeal".

    Some statements, however many. The residents are locked; locks their accounts.
    """
    if not granted:
        return
    causes = {due.standing.activity.id: cause for due, cause in granted}
    counted = regrant(session, [], [due for due, _ in granted])
    changes = [_change(one, causes[one.due.standing.activity.id], kind) for one in counted]
    adjust(session, changes, now=now)


def adjustment_id(step_id: UUID, activity_id: UUID) -> UUID:
    """Follows from the step that decided."""
    return uuid5(step_id, activity_id.hex)


def _change(counted: Counted, cause: Cause, kind: str) -> Change:
    """A review's code is that of the cap that trimmed it, so that it says where the points are; an
    appeal's is always ``overturned``, for its answer says the rest.
    """
    due, activity = counted.due, counted.due.standing.activity
    code = "overturned"
    if kind == "review":
        code = CAPPED[counted.by.per] if counted.by else "approved"
    return Change(
        id=adjustment_id(cause.step_id, activity.id),
        activity=activity,
        kind=kind,
        decision="verified",
        code=code,
        quantity=due.quantity,
        saved_mg_co2e=due.saved_mg_co2e,
        points=counted.points,
        trimmed_points=counted.trimmed_points,
        method_code=due.method_code,
        method_version=due.method_version,
        policy_id=due.policy_id,
        actor=cause.actor,
        approved_by=cause.approved_by,
        reason=cause.reason,
    )
