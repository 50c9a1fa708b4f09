"""A judgement for people: a line a kind, then what was missed and what was wrongly flagged."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import mean

from service.printing import table
from service.simulation import labels
from service.simulation.judging import Judgement, Outcome, told

EXAMPLES = 3  # Of each kind and code, in a list of misses.


def judgement_text(found: Judgement) -> str:
    """The whole judgement of one run; the last line sums up."""
    return "\n".join(
        [
            kinds_table([found]),
            *faults_lines([found]),
            *missed_lines([found]),
            *alarm_lines([found]),
            f"{found.events:,} events of which {found.honest:,} honest: recall"
            f" {share(found.recall)}, precision {share(found.precision)},"
            f" {found.false_alarms_in_10_000:.1f} false alarms in 10,000 honest events",
        ]
    )


def kinds_table(runs: Sequence[Judgement]) -> str:
    """Recall and precision of each kind, the means over the runs that have any."""
    header = ("fraud", "events", "flagged", "false alarms", "recall", "precision")
    rows: list[tuple[object, ...]] = []
    for kind in labels.FRAUD:
        scores = [run.by_kind[kind] for run in runs]
        rows.append(
            (
                kind,
                sum(score.events for score in scores),
                sum(score.flagged for score in scores),
                sum(score.false_alarms for score in scores),
                share(mean_of(score.recall for score in scores)),
                share(mean_of(score.precision for score in scores)),
            )
        )
    return table(header, rows)


def faults_lines(runs: Sequence[Judgement]) -> Iterator[str]:
    """What became of operators' faults, and of what is no flag."""
    for fault in labels.FAULTS:
        codes: Counter[str] = Counter()
        for run in runs:
            codes += run.faults[fault]
        if codes:
            became = ", ".join(f"{number:,} {code}" for code, number in codes.most_common())
            yield f"operators' fault {fault}: {became}"
    yield (
        f"no flags: {sum(run.sampled for run in runs):,} held by sampling,"
        f" {sum(run.not_eligible for run in runs):,} readings without a saving or a baseline"
    )


def missed_lines(runs: Sequence[Judgement]) -> Iterator[str]:
    """The frauds that were not flagged: how many of each kind by code, with examples."""
    missed = [each for run in runs for each in run.misses]
    yield f"missed: {len(missed):,}"
    yield from _listed(missed, lambda each: f"{each.label}, {each.code}")


def alarm_lines(runs: Sequence[Judgement]) -> Iterator[str]:
    """Honest events that were flagged: how many by scene and code, with examples."""
    alarms = [each for run in runs for each in run.false_alarms]
    yield f"false alarms: {len(alarms):,}"
    yield from _listed(alarms, lambda each: f"{each.event.scene}, {each.code}")


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def mean_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _listed(outcomes: Sequence[Outcome], name: Callable[[Outcome], str]) -> Iterator[str]:
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        groups.setdefault(name(each), []).append(each)
    for group, members in sorted(groups.items()):
        yield f"  {len(members):,} {group}"
        yield from (f"    {told(each)}" for each in members[:EXAMPLES])
