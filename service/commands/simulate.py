"""``tanhui simulate``: simulated days of residents, as files or through the intake."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from service import starting
from service.settings import Settings
from service.simulation import recording
from service.simulation.city import CITIES, read_city
from service.simulation.files import write_all
from service.simulation.judging import Judge, Judgement
from service.simulation.people import Resident
from service.simulation.printed import judgement_text
from service.simulation.stream import Plan, simulate

RESIDENTS_MAX = 1_000_000
DAYS_MAX = 366
EVENTS_A_DAY = 2.5  # Of a resident, about: for the progress bar.


@click.command(
    "simulate", epilog="Example: tanhui simulate --residents 1000 --days 28 --seed 1 --out days/"
)
@click.option("--residents", required=True, type=click.IntRange(10, RESIDENTS_MAX))
@click.option("--days", required=True, type=click.IntRange(1, DAYS_MAX))
@click.option("--seed", required=True, type=click.IntRange(0), help="The same seed: the same days.")
@click.option(
    "--programme", default="sh-2026", type=click.Choice(sorted(CITIES)), show_default=True
)
@click.option(
    "--from", "first_day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
    help="First day (default: so that the last day is yesterday).",
)  # fmt: skip
@click.option("--honest", is_flag=True, help="Without fraud and operators' faults.")
@click.option("--out", type=click.Path(path_type=Path), help="Write files to this empty folder.")
@click.option("--record", is_flag=True, help="Enrol the residents and send all through the intake.")
def command(
    residents: int,
    days: int,
    seed: int,
    programme: str,
    first_day: datetime | None,
    honest: bool,
    out: Path | None,
    record: bool,
) -> None:
    """Simulate residents' days over real divisions, with labelled fraud and operators' faults.

    --out writes an NDJSON file a scene, and the labels beside them; --record needs a loaded
    catalogue and ends with what the rules found. The rules never see a label. See
    docs/simulation.md.
    """
    if (out is None) != record:
        raise click.UsageError("give --out FOLDER or --record, one of them")
    city = read_city(programme)
    first = first_day.date() if first_day else _ending_yesterday(days, city.zone)
    today = datetime.now(city.zone).date()
    plan = Plan(
        city, residents, days, seed, first, crime=not honest, late_until=today if record else None
    )
    people = plan.people()
    with _bar(plan) as progress:
        if out is not None:
            written = write_all(out, people, simulate(plan, people), progress)
            told = f"{sum(written.values()):,} events of {len(written)} scenes in {out}"
        else:
            told = judgement_text(_record(plan, people, progress))
    click.echo(told)


def _record(plan: Plan, people: list[Resident], progress: Callable[[int], None]) -> Judgement:
    judge = Judge.of(plan.city)
    with starting.connected(Settings.from_env()) as services:
        recording.check(services.database, plan)
        recording.settle(services.database, plan, people)
        recording.record_all(services.database, simulate(plan, people), judge, progress)
        recording.amend(services.database, people, judge)
    return judge.judge()


def _ending_yesterday(days: int, zone: ZoneInfo) -> date:
    return datetime.now(zone).date() - timedelta(days=days)


@contextmanager
def _bar(plan: Plan) -> Iterator[Callable[[int], None]]:
    """How many events there will be is not known ahead: about so many."""
    length = int(plan.residents * plan.days * EVENTS_A_DAY)
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label="events", file=sys.stderr, hidden=hidden) as bar:
        yield lambda done: bar.update(min(done, length) - bar.pos)
        bar.update(length - bar.pos)
