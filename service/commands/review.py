"""``tanhui review`` and ``tanhui appeals``: what waits for a person, and what a person decides.

An activity's id is enough; whose it is, the program finds. Each names by whom, for the record and
because two persons can only be told apart by names.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

import click
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from activities.reviewing.appeal_queue import appeals as listed_appeals
from activities.reviewing.appeal_queue import find_appeals
from activities.reviewing.appeals import Verdict
from activities.reviewing.errors import UnknownAppeal, UnknownCase
from activities.reviewing.queue import (
    Filter,
    dossier,
    find_cases,
    queue,
)
from activities.reviewing.review import Decision
from activities.reviewing.steps import TEXT_MAX
from service import starting
from service.admin.batches import answer, decide
from service.admin.origin import from_command
from service.commands.lines import line
from service.commands.review_printing import (
    APPEALS,
    QUEUE,
    appeal_facts,
    appeal_row,
    case_facts,
    case_row,
    dossier_facts,
    dossier_text,
    written,
)
from service.identity.staff.members import check_by
from service.printing import table
from service.services import Services
from service.settings import Settings

Action = Literal["approve", "reject", "ask"]
_PRESENT = {"approve": "approved", "reject": "rejected", "ask": "asked"}


def _words(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.strip() or "\0" in value or len(value) > TEXT_MAX:
        raise click.BadParameter(f"a text of at most {TEXT_MAX} characters")
    return value.strip()


_activity_ids = click.argument("activity_ids", metavar="ACTIVITY…", nargs=-1, required=True,
                               type=click.UUID)  # fmt: skip
_activity_id = click.argument("activity_id", metavar="ACTIVITY", type=click.UUID)
_by = click.option("--by", required=True, callback=line, metavar="NAME", help="Who decides.")
_reason = click.option(
    "--reason", required=True, callback=line, help="Why; the resident and auditors read it."
)
_programme = click.option("--programme", metavar="CODE", help="Only this programme's.")
_limit = click.option("--limit", type=click.IntRange(1, 200), default=50, help="At most so many.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def review() -> None:
    """Held activities that wait for a person: looked at, approved, rejected, asked about."""


@review.command("list", epilog="Example: tanhui review list --programme sh-2026 --older-than 3")
@_programme
@click.option("--code", help="Only those held by it: sampled, velocity, shared_device.")
@click.option(
    "--state",
    type=click.Choice(["open", "asked", "seconded", "closed"]),
    help="Default: all that are not closed.",
)
@click.option("--older-than", type=click.IntRange(0, 10_000), metavar="DAYS", help="In the queue.")
@_limit
@_json
def list_(
    programme: str | None,
    code: str | None,
    state: str | None,
    older_than: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what waits, the oldest first."""
    now = datetime.now(UTC)
    before = None if older_than is None else now - timedelta(days=older_than)

    def told(session: Session) -> str:
        if programme is not None:
            get_programme(session, programme)
        page = queue(session, Filter(programme, code, state, before), limit=limit)
        if as_json:
            return written({"reviews": [case_facts(each, now) for each in page.cases]})
        rows = [case_row(each, now) for each in page.cases]
        more = ", and more" if page.next_after else ""
        return f"{table(QUEUE, rows)}\n{len(rows)} cases{more}"

    click.echo(_transacted(told))


@review.command("show", epilog="Example: tanhui review show 019aa3a5-1a80-7000-8000-000000000002")
@_activity_id
@_json
def show(activity_id: UUID, as_json: bool) -> None:
    """Show a held or appealed activity: evidence, steps so far, the resident's history."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        holders = [one.holder_id for one in find_cases(session, [activity_id])]
        holders += [one.holder_id for one in find_appeals(session, [activity_id])]
        if not holders:
            raise UnknownCase(activity_id)
        found = dossier(session, holders[0], activity_id)
        return written(dossier_facts(found, now)) if as_json else dossier_text(found, now)

    click.echo(_transacted(told))


@review.command(
    "approve",
    epilog="Example: tanhui review approve 019aa3a5-1a80-7000-8000-000000000002 --by anna"
    " --reason '照片相符'",
)
@_activity_ids
@_by
@_reason
def approve(activity_ids: tuple[UUID, ...], by: str, reason: str) -> None:
    """Book held activities: all that are named, or none. Large ones take two persons."""
    _decide(activity_ids, "approve", by, reason)


@review.command(
    "reject",
    epilog="Example: tanhui review reject 019aa3a5-1a80-7000-8000-000000000002 --by anna"
    " --reason '照片不符'",
)
@_activity_ids
@_by
@_reason
def reject(activity_ids: tuple[UUID, ...], by: str, reason: str) -> None:
    """Refuse held activities: all that are named, or none."""
    _decide(activity_ids, "reject", by, reason)


@review.command(
    "ask",
    epilog="Example: tanhui review ask 019aa3a5-1a80-7000-8000-000000000002 --by anna"
    " --reason '是哪个回收箱？'",
)
@_activity_ids
@_by
@_reason
def ask(activity_ids: tuple[UUID, ...], by: str, reason: str) -> None:
    """Ask the residents; --reason is the question."""
    _decide(activity_ids, "ask", by, reason)


@click.group()
def appeals() -> None:
    """Appeals against refusals: listed, answered."""


@appeals.command("list", epilog="Example: tanhui appeals list --programme sh-2026")
@_programme
@click.option("--answered", is_flag=True, help="Those that have their answer.")
@_limit
@_json
def list_appeals(programme: str | None, answered: bool, limit: int, as_json: bool) -> None:
    """List appeals that wait for an answer, the oldest first."""
    now = datetime.now(UTC)

    def told(session: Session) -> str:
        if programme is not None:
            get_programme(session, programme)
        page = listed_appeals(session, programme_code=programme, answered=answered, limit=limit)
        if as_json:
            return written({"appeals": [appeal_facts(each) for each in page.appeals]})
        rows = [appeal_row(each, now) for each in page.appeals]
        more = ", and more" if page.next_after else ""
        return f"{table(APPEALS, rows)}\n{len(rows)} appeals{more}"

    click.echo(_transacted(told))


@appeals.command(
    "answer",
    epilog="Example: tanhui appeals answer 019aa3a5-1a80-7000-8000-000000000002 overturn --by olga"
    " --text '核实无误，予以入账。'",
)
@_activity_id
@click.argument("action", type=click.Choice(["uphold", "overturn"]))
@_by
@click.option("--text", required=True, callback=_words, help="The answer; the resident reads it.")
def answer_(activity_id: UUID, action: Literal["uphold", "overturn"], by: str, text: str) -> None:
    """Uphold a refusal, or overturn it and book the activity. Not by who refused it."""
    now, who = datetime.now(UTC), from_command(by)

    def done(session: Session, limit: int) -> str:
        check_by(session, by)
        known = find_appeals(session, [activity_id])
        if not known:
            raise UnknownAppeal(activity_id)
        verdict = Verdict(uuid4(), known[0].holder_id, activity_id, action, by, text)
        (heard,) = answer(session, who, [verdict], two_persons_above_points=limit, now=now)
        waits = ": somebody else has to overturn it, too" if heard.state == "seconded" else ""
        return f"appeal about {activity_id} is {heard.state}{waits}"

    click.echo(_connected(lambda services: _limited(services, done)))


def _decide(activity_ids: Sequence[UUID], action: Action, by: str, reason: str) -> None:
    now, wanted, who = datetime.now(UTC), list(dict.fromkeys(activity_ids)), from_command(by)

    def done(session: Session, limit: int) -> str:
        check_by(session, by)
        holders = {case.activity_id: case.holder_id for case in find_cases(session, wanted)}
        for id_ in wanted:
            if id_ not in holders:
                raise UnknownCase(id_)
        decisions = [Decision(uuid4(), holders[id_], id_, action, by, reason) for id_ in wanted]
        cases = decide(session, who, decisions, two_persons_above_points=limit, now=now)
        seconded = sum(case.state == "seconded" for case in cases)
        said = f"{_PRESENT[action]} {len(cases)}"
        return said + (f", of which {seconded} wait for a second person" if seconded else "")

    click.echo(_connected(lambda services: _limited(services, done)))


def _connected(work: Callable[[Services], str]) -> str:
    with starting.connected(Settings.from_env()) as services:
        return work(services)


def _transacted(work: Callable[[Session], str]) -> str:
    return _connected(lambda services: services.database.transact(work))


def _limited(services: Services, work: Callable[[Session, int], str]) -> str:
    limit = services.settings.review_two_persons_points
    return services.database.transact(lambda session: work(session, limit))
