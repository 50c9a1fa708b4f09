"""``tanhui staff``: who is of the staff, and who may do what; the first administrator comes so.

Whoever runs these has the machine, so they reach everybody; the log says which user of it that was.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import click
import msgspec
from sqlalchemy.orm import Session

from service import printing, starting
from service.admin.log import Actor
from service.admin.origin import from_command
from service.identity.staff import grants, members
from service.identity.staff.errors import UnknownMember
from service.identity.staff.models import ALL, Staff
from service.identity.tokens import STAFF_ROLES
from service.services import Services
from service.settings import Settings

PAGE = 1_000
_LOGIN_HELP = "3 to 64 of a-z, 0-9, dot, hyphen, underscore and @"


def _login(_: click.Context, __: click.Parameter, value: str) -> str:
    if not members.LOGIN.fullmatch(value):
        raise click.BadParameter(_LOGIN_HELP)
    return value


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    """One line that says something."""
    if not value.strip() or not value.isprintable() or len(value) > 100:
        raise click.BadParameter("one line of text, at most 100 characters")
    return value.strip()


_who = click.argument("login", callback=_login)
_by = click.option("--by", required=True, callback=_name, metavar="NAME", help="Who does it.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def staff() -> None:
    """Staff: added, granted roles, reset, blocked."""


@staff.command("add", epilog="Example: tanhui staff add li.na --name 李娜 --by wang")
@_who
@click.option("--name", required=True, callback=_name, help="As others read it.")
@_by
def add(login: str, name: str, by: str) -> None:
    """Invite somebody: prints the address of the invitation, good for seven days."""
    now = datetime.now(UTC)

    def work(session: Session, services: Services, actor: Actor) -> members.Invited:
        new = members.NewMember(uuid4(), login, name)
        return members.add(session, services.keyring, new, actor=actor, now=now)

    _hand_over(_done(by, work))


@staff.command("reset", epilog="Example: tanhui staff reset li.na --by wang")
@_who
@_by
def reset(login: str, by: str) -> None:
    """Take password, authenticator and sessions, and print a new invitation."""
    now = datetime.now(UTC)

    def work(session: Session, services: Services, actor: Actor) -> members.Invited:
        found, reset_id = _get(session, login), uuid4()
        return members.reset(session, services.keyring, found.id, reset_id, actor=actor, now=now)

    _hand_over(_done(by, work))


@staff.command(
    "grant", epilog="Example: tanhui staff grant li.na operator --programme sh-2026 --by wang"
)
@_who
@click.argument("role", type=click.Choice(STAFF_ROLES))
@click.option("--programme", default=ALL, help="Its code; every one when not said.")
@click.option("--scope", default="", help="Merchant id, partner code or division of the role.")
@_by
def grant(login: str, role: str, programme: str, scope: str, by: str) -> None:
    """Give a role, in one programme or in every one, within a scope."""
    now = datetime.now(UTC)

    def work(session: Session, _: Services, actor: Actor) -> str:
        new = grants.NewGrant(uuid4(), _get(session, login).id, role, programme, scope)
        given = grants.give(session, new, actor=actor, now=now)
        return f"grant {given.id}: {login} is {_role_text(role, programme, scope)}"

    click.echo(_done(by, work))


@staff.command("end-grant", epilog="Example: tanhui staff end-grant li.na 4b1f… --by wang")
@_who
@click.argument("grant_id", type=click.UUID)
@_by
def end_grant(login: str, grant_id: UUID, by: str) -> None:
    """End a grant and the sessions begun with it."""
    now = datetime.now(UTC)

    def work(session: Session, _: Services, actor: Actor) -> str:
        ended = grants.end(session, _get(session, login).id, grant_id, actor=actor, now=now)
        return f"grant {ended.id} of {login} ended at {_seconds(ended.ended_at)}"

    click.echo(_done(by, work))


@staff.command("block", epilog="Example: tanhui staff block li.na --by wang")
@_who
@_by
def block(login: str, by: str) -> None:
    """Let somebody in no more, and end their sessions."""
    now = datetime.now(UTC)

    def work(session: Session, _: Services, actor: Actor) -> str:
        found = members.block(session, _get(session, login).id, actor=actor, now=now)
        return f"{login} is blocked since {_seconds(found.blocked_at)}"

    click.echo(_done(by, work))


@staff.command("unblock", epilog="Example: tanhui staff unblock li.na --by wang")
@_who
@_by
def unblock(login: str, by: str) -> None:
    """Let somebody in again."""
    now = datetime.now(UTC)

    def work(session: Session, _: Services, actor: Actor) -> str:
        members.unblock(session, _get(session, login).id, actor=actor, now=now)
        return f"{login} is not blocked"

    click.echo(_done(by, work))


@staff.command("list", epilog="Example: tanhui staff list --json")
@_json
def list_(as_json: bool) -> None:
    """List the staff with the grants that are in force."""
    actor = from_command()

    def told(session: Session) -> str:
        found: list[Staff] = []
        while page := members.listed(
            session, actor, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        facts = [_facts(session, each) for each in sorted(found, key=lambda one: one.login)]
        return msgspec.json.encode(facts).decode() if as_json else _text(facts)

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


def _done(by: str, work: Callable[[Session, Services, Actor], Any]) -> Any:
    with starting.connected(Settings.from_env()) as services:

        def whole(session: Session) -> Any:
            members.check_by(session, by)
            return work(session, services, from_command(by, role="administrator"))

        return services.database.transact(whole)


def _hand_over(invited: members.Invited) -> None:
    # A secret: on stdout, whose reader asked for it, and not where messages are kept.
    click.echo(f"{Settings.from_env().public_url}/staff/invitation/{invited.invitation}")
    ends = _seconds(invited.staff.invitation_ends_at)
    click.echo(f"{invited.staff.login} is invited until {ends}, at this address", err=True)


def _get(session: Session, login: str) -> Staff:
    if (found := members.find_by_login(session, login)) is None:
        raise UnknownMember(login)
    return found


def _facts(session: Session, one: Staff) -> dict[str, Any]:
    held = grants.in_force(session, one.id)
    return {
        "id": one.id,
        "login": one.login,
        "display_name": one.display_name,
        "state": "blocked" if one.blocked_at else "ready" if members.enrolled(one) else "invited",
        "grants": [
            {
                "id": each.id,
                "role": each.role,
                "programme": each.programme_code,
                "scope": each.scope,
            }
            for each in held
        ],
    }


def _text(found: list[dict[str, Any]]) -> str:
    rows = []
    for one in found:
        names = (one["login"], one["display_name"], one["state"])
        for each in one["grants"] or [None]:
            role = _role_text(each["role"], each["programme"], each["scope"]) if each else "–"
            rows.append((*names, role, str(each["id"]) if each else "–"))
    return f"{printing.table(('login', 'name', 'state', 'may', 'grant'), rows)}\n{len(found)} staff"


def _role_text(role: str, programme: str, scope: str) -> str:
    where = "every programme" if programme == ALL else programme
    return f"{role} of {where}" + (f" within {scope}" if scope else "")


def _seconds(at: datetime | None) -> str:
    return "–" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
