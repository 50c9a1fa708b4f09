"""``tanhui catalogue drafts``, ``approve`` and ``impact``: new versions, from draft to decision."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.differences import Draft, described, waiting
from activities.catalogue.drafts import NAMES_MAX
from activities.impact import Effect, Impact, impact
from activities.replaying import Window
from service import starting
from service.admin.batches import approve_drafts
from service.admin.origin import from_command
from service.identity.staff.members import check_by
from service.printing import grams, table
from service.settings import Settings

_COLUMNS = (
    *("grants", "new", "refused", "otherwise", "CO2e g", "then g", "difference g"),
    *("points", "then", "difference"),
)
_names = click.argument("names", nargs=-1, required=True, metavar="DRAFT...")


def person(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Who does it: a name that says something; None where none was given."""
    if value is None:
        return None
    if not value.strip() or not value.isprintable() or len(value) > 200:
        raise click.BadParameter("a name on one line, at most 200 characters")
    return value.strip()


@click.command(epilog="Example: tanhui catalogue drafts --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drafts(as_json: bool) -> None:
    """List drafts: by whom, since when, and what each changes in the version in force."""

    def told(session: Session) -> str:
        found = waiting(session)
        if as_json:
            return _json({"drafts": found})
        lines = [line for draft in found for line in _draft_lines(draft)]
        return "\n".join(
            [*lines, f"{_counted(len(found), 'draft')} for a second person to approve"]
        )

    click.echo(_in_transaction(told))


@click.command(
    "approve", epilog="Example: tanhui catalogue approve factor:METRO.SH method:metro@2 --by li"
)
@_names
@click.option("--by", required=True, callback=person, help="Who approves: not who drafted.")
def approve_(names: tuple[str, ...], by: str) -> None:
    """Approve drafts, all or none; they decide what comes in from now on.

    DRAFT is factor:CODE, method:CODE@VERSION, rule:CODE@VERSION or tariff:PROGRAMME@YYYY-MM-DD.
    What was granted before stays as it is. One approved before stays so too, and is said again.
    """
    wanted, now, who = _wanted(names), datetime.now(UTC), from_command(by)

    def told(session: Session) -> str:
        check_by(session, by)
        rows = described(session, approve_drafts(session, who, wanted, now=now))
        return "\n".join(
            f"{row.name} is approved by {row.approved_by} since {_at_second(row.approved_at)}"
            for row in rows
        )

    click.echo(_in_transaction(told))


@click.command(
    "impact",
    epilog="Example: tanhui catalogue impact rule:walking.cap@2 --from 2016-04-01 --to 2016-04-30",
)
@_names
@click.option(
    "--from", "first", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day."
)
@click.option("--to", "last", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option("--programme", help="Only this programme's acts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def impact_(
    names: tuple[str, ...], first: datetime, last: datetime, programme: str | None, as_json: bool
) -> None:
    """What drafts would have changed in a past period, by behaviour and district.

    Replays the recorded acts, once by what is approved and once by the drafts too; writes nothing.
    What rests on other acts or people's decisions is taken as it was recorded (docs/operators.md).
    """
    wanted, period = _wanted(names), Window(first.date(), last.date())
    if not 2000 <= first.year <= last.year < 2200 or last < first:
        raise click.UsageError("--from is not after --to, and both are from 2000 to 2199")
    with (
        starting.connected(Settings.from_env()) as services,
        services.database.snapshot(unhurried=True) as session,
        _bar() as progress,
    ):
        found = impact(session, wanted, period, programme_code=programme, progress=progress)
    click.echo(_json(_impact_facts(found)) if as_json else _impact_text(found))


def _wanted(names: tuple[str, ...]) -> frozenset[str]:
    if len(names) > NAMES_MAX:
        raise click.UsageError(f"at most {NAMES_MAX} drafts at once")
    if any("\0" in name for name in names):
        raise click.UsageError("a name holds no zero character")
    return frozenset(names)


def _in_transaction(work: Callable[[Session], str]) -> str:
    with starting.connected(Settings.from_env()) as services:
        return services.database.transact(work)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    with click.progressbar(
        length=1, label="replaying", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def progress(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield progress


def _draft_lines(draft: Draft) -> Iterator[str]:
    whose = " ".join(filter(None, (draft.programme_code, draft.behaviour_code)))
    since = _at_second(draft.drafted_at) if draft.drafted_at else "an unknown day"
    yield f"{draft.name}  {whose}".rstrip()
    yield f"  drafted by {draft.drafted_by} on {since}, valid from {draft.valid_from}"
    yield f"  in place of {draft.against}:" if draft.against else "  new:"
    for each in draft.differences:
        shown = "-" if each.after is None else each.after
        yield (
            f"    {each.field}: {'-' if each.before is None else each.before} → {shown}"
            if draft.against
            else f"    {each.field}: {shown}"
        )


def _impact_text(found: Impact) -> str:
    lines = [f"{name} is taken along" for name in found.along]
    lines += [
        f"{name} rests on more than one act alone: its effect is not replayed"
        for name in found.not_replayed
    ]
    for title, groups in (("behaviour", found.by_behaviour), ("district", found.by_division)):
        rows = [(name, *_cells(effect)) for name, effect in _with_effect(groups)]
        if rows:
            header = (title, *_COLUMNS)
            lines += [table(header, [*rows, ("all", *_cells(found.total))]), ""]
    total = found.total
    lines.append(
        f"{_counted(found.acts, 'act')} from {found.period.first} to {found.period.last} replayed:"
        f" {total.newly_verified:,} newly verified, {total.newly_refused:,} newly refused,"
        f" {total.regranted:,} granted otherwise; {_grams(_mg(total))} g CO2e,"
        f" {_points(total):,} points; nothing was written"
    )
    return "\n".join(lines)


def _with_effect(groups: Mapping[str, Effect]) -> Iterator[tuple[str, Effect]]:
    return ((name or "-", effect) for name, effect in sorted(groups.items()) if not effect.nothing)


def _cells(effect: Effect) -> tuple[str, ...]:
    before, after = effect.before, effect.after
    return (
        f"{before.grants:,}",
        f"{effect.newly_verified:,}",
        f"{effect.newly_refused:,}",
        f"{effect.regranted:,}",
        grams(before.saved_mg_co2e),
        grams(after.saved_mg_co2e),
        _grams(_mg(effect)),
        f"{before.points:,}",
        f"{after.points:,}",
        f"{_points(effect):,}",
    )


def _mg(effect: Effect) -> int:
    return effect.after.saved_mg_co2e - effect.before.saved_mg_co2e


def _points(effect: Effect) -> int:
    return effect.after.points - effect.before.points


def _grams(mg: int) -> str:
    return f"-{grams(-mg)}" if mg < 0 else grams(mg)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _impact_facts(found: Impact) -> dict[str, Any]:
    return {
        "drafts": found.drafts,
        "along": found.along,
        "not_replayed": found.not_replayed,
        "from": found.period.first,
        "to": found.period.last,
        "acts": found.acts,
        "total": found.total,
        "by_behaviour": dict(sorted(found.by_behaviour.items())),
        "by_division": dict(sorted(found.by_division.items())),
    }


def _at_second(at: datetime | None) -> str:
    assert at is not None
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
