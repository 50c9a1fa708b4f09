"""``tanhui scenes``: how scenes stand, and what operators do to them.

To suspend or end one takes one person; to open or extend one takes two, each by their name.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import click
import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import SceneChange
from activities.programmes import get_programme
from activities.scene_steps import Asked, approve, end, ends_soon, extend, suspend
from activities.scenes import ENDED, Standing, standing, standings
from service import starting
from service.admin import objects
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.commands.lines import line
from service.identity.staff.members import check_by
from service.printing import table
from service.settings import Settings

_HEADER = ("scene", "name", "behaviour", "status", "from", "to", "ends in", "consent text")
_CHANGES = ("from", "status", "to", "by", "approved by", "reason")


def instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """An instant with its offset; None where none was given."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("an instant is written as 2027-01-01T00:00:00+08:00") from None
    if at.tzinfo is None or not 2000 <= at.year < 2200:
        raise click.BadParameter("an instant has an offset, and lies from 2000 to 2199")
    return at


_code = click.argument("code")
_at = click.option("--at", callback=instant, metavar="INSTANT", help="From when on (default: now).")
_by = click.option("--by", required=True, callback=line, help="Who asks for it.")
_approved_by = click.option(
    "--approved-by", required=True, callback=line, help="Who approves it: somebody else."
)
_reason = click.option("--reason", required=True, callback=line, help="Auditors read it.")


@click.group()
def scenes() -> None:
    """Scenes: their status over time, suspended, ended, approved, extended."""


@scenes.command("list", epilog="Example: tanhui scenes list --programme shanghai")
@click.option("--programme", help="Only this programme's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(programme: str | None, as_json: bool) -> None:
    """List scenes: status, approval, when it ends, and which text residents consent to."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        if programme is not None:
            get_programme(session, programme)
        found = standings(session, now=now, programme_code=programme)
        if as_json:
            return _json({"scenes": [_facts(each) for each in found]})
        open_ = sum(each.open for each in found)
        return f"{table(_HEADER, map(_row, found))}\n{open_} of {len(found)} scenes take acts now"

    click.echo(_in_transaction(told))


@scenes.command(epilog="Example: tanhui scenes show demo.bike")
@_code
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(code: str, as_json: bool) -> None:
    """Show a scene, what became of it and what is recorded for later."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        found = standing(session, code, now=now)
        if as_json:
            return _json(_facts(found) | {"changes": [_change(each) for each in found.changes]})
        return _text(found)

    click.echo(_in_transaction(told))


@scenes.command(
    "suspend", epilog="Example: tanhui scenes suspend demo.bike --by wang --reason 停运"
)
@_code
@_at
@_by
@_reason
def suspend_(code: str, at: datetime | None, by: str, reason: str) -> None:
    """Take no acts from then on, until it is approved again; what was granted stays."""
    now = datetime.now(UTC)
    asked = Asked(at or now, by, reason)
    _done("scene.suspend", code, asked, now, lambda s: suspend(s, code, asked, now=now))


@scenes.command("end", epilog="Example: tanhui scenes end demo.bike --by wang --reason 合作期满")
@_code
@_at
@_by
@_reason
def end_(code: str, at: datetime | None, by: str, reason: str) -> None:
    """Take no acts from then on, for good; what was granted stays."""
    now = datetime.now(UTC)
    asked = Asked(at or now, by, reason)
    _done("scene.end", code, asked, now, lambda s: end(s, code, asked, now=now))


@scenes.command(
    "approve",
    epilog="Example: tanhui scenes approve demo.bike --by wang --approved-by li --reason 复核通过",
)
@_code
@_at
@_by
@_approved_by
@_reason
def approve_(code: str, at: datetime | None, by: str, approved_by: str, reason: str) -> None:
    """Open a draft or a suspended scene; takes two persons."""
    now = datetime.now(UTC)
    asked = Asked(at or now, by, reason, approved_by)
    _done("scene.approve", code, asked, now, lambda s: approve(s, code, asked, now=now))


@scenes.command(
    "extend",
    epilog="Example: tanhui scenes extend demo.bike --to 2029-01-01 --by wang --approved-by li"
    " --reason 续批",
)
@_code
@click.option(
    "--to", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The new end, exclusive."
)
@_at
@_by
@_approved_by
@_reason
def extend_(
    code: str, to: datetime, at: datetime | None, by: str, approved_by: str, reason: str
) -> None:
    """Approve a scene to a later day; takes two persons."""
    now = datetime.now(UTC)
    asked = Asked(at or now, by, reason, approved_by)
    _done("scene.extend", code, asked, now, lambda s: extend(s, code, to.date(), asked, now=now))


def _in_transaction(work: Callable[[Session], str]) -> str:
    with starting.connected(Settings.from_env()) as services:
        return services.database.transact(work)


def _done(
    what: str, code: str, asked: Asked, now: datetime, step: Callable[[Session], SceneChange]
) -> None:
    who = from_command(asked.actor)

    def told(session: Session) -> str:
        check_by(session, asked.actor, asked.approved_by)
        about = objects.scene(session, code, asked, now=now)
        change = acting_on(session, who, what, about, lambda: step(session), now=now)
        to = f" to {change.approved_to}" if change.approved_to else ""
        return f"{change.scene_code} is {change.status}{to} from {_at_second(change.effective_at)}"

    click.echo(_in_transaction(told))


def _at_second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _row(found: Standing) -> tuple[str, ...]:
    scene = found.scene
    return (
        scene.code,
        scene.name_zh,
        scene.behaviour_code,
        found.status,
        str(scene.approved_from),
        str(found.ends_on),
        _ends_in(found),
        str(scene.consent_version or "-"),
    )


def _ends_in(found: Standing) -> str:
    if found.status == ENDED:
        return "-"
    if found.days_left <= 0:
        return "over"
    days = f"{found.days_left:,} day" + "s" * (found.days_left > 1)
    return f"{days}: ask for extension" if ends_soon(found) else days


def _text(found: Standing) -> str:
    scene = found.scene
    lines = [
        f"{scene.code}  {scene.name_zh}  {scene.name_en}",
        f"behaviour {found.behaviour.code}  {found.behaviour.name_zh}  {found.behaviour.name_en}",
        f"partner {scene.partner_code}, programme {scene.programme_code}, channel {scene.channel}",
        f"{found.status}, approved {scene.approved_from} to {found.ends_on} ({_ends_in(found)})",
        f"document: {scene.document}",
        f"excluded elsewhere: {scene.exclusions or '-'}",
        f"consent text: {scene.consent_version or 'none is asked'}",
    ]
    if found.changes:
        rows = [
            (
                _at_second(each.effective_at),
                each.status,
                str(each.approved_to or "-"),
                each.actor,
                each.approved_by or "-",
                each.reason,
            )
            for each in found.changes
        ]
        lines.append(table(_CHANGES, rows))
    lines.append("it takes acts now" if found.open else "it takes no acts now")
    return "\n".join(lines)


def _facts(found: Standing) -> dict[str, Any]:
    scene = found.scene
    return {
        "code": scene.code,
        "programme": scene.programme_code,
        "partner": scene.partner_code,
        "behaviour": scene.behaviour_code,
        "name_zh": scene.name_zh,
        "name_en": scene.name_en,
        "status": found.status,
        "open": found.open,
        "approved_from": scene.approved_from,
        "approved_to": found.ends_on,
        "days_left": max(0, found.days_left),
        "ends_soon": ends_soon(found),
        "exclusions": scene.exclusions,
        "consent_text_version": scene.consent_version,
    }


def _change(change: SceneChange) -> dict[str, date | datetime | str | None]:
    return {
        "effective_at": change.effective_at,
        "status": change.status,
        "approved_to": change.approved_to,
        "actor": change.actor,
        "approved_by": change.approved_by,
        "reason": change.reason,
        "recorded_at": change.recorded_at,
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
