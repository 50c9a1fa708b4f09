"""What one row of a catalogue cannot know alone: references, validity, versions, scenes.

Asks no database: it looks at the rows given, among those known already (what is loaded, or what is
bundled). Every problem names file and line. Factors and methods are measured in
``activities.catalogue.measuring``, rules judged in ``activities.catalogue.judging``.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from activities.catalogue import judging, measuring
from activities.catalogue.dating import boundaries, standing
from activities.catalogue.files import BUNDLED, FILES, Line, Tables, key_of, read_folder, table_of
from activities.events import CHANNELS
from ledgers.expiry import GRACE_DAYS_MAX, PERIODS_MAX

CATEGORIES = ("transport", "waste_sorting", "recycling", "home_energy", "consumption", "reuse")
ALLOWED: dict[tuple[str, str], Collection[str]] = {
    ("divisions.csv.gz", "level"): ("province", "city", "district", "town"),
    ("behaviours.csv", "base_unit"): measuring.BASE_UNITS,
    ("behaviours.csv", "claimed_by"): ("start", "day", "month", "object"),
    ("behaviours.csv", "category"): CATEGORIES,
    ("factors.csv", "base_unit"): measuring.BASE_UNITS,
    ("factors.csv", "confidence"): ("seen", "recalled"),
    ("methods.csv", "form"): measuring.FORMS,
    ("scenes.csv", "channel"): CHANNELS,
}
LIMITS: dict[tuple[str, str], tuple[int, int]] = {
    ("factors.csv", "ug_co2e_per_unit"): (1, 2**62),
    ("methods.csv", "version"): (1, 1_000_000),
    ("methods.csv", "share_permille"): (1, 1000),
    ("method_materials.csv", "share_permille"): (1, 1000),
    ("city_baselines.csv", "month"): (1, 12),
    ("city_baselines.csv", "quantity_per_person"): (1, 1_000_000_000),
    ("tariffs.csv", "mg_co2e_per_point"): (1, 1_000_000_000),
    ("rules.csv", "version"): (1, 1_000_000),
    ("scenes.csv", "consent_version"): (1, 1_000_000),
    ("consent_texts.csv", "version"): (1, 1_000_000),
}
CONSENT_TEXT_LENGTH_MAX = 10_000
PERIODS = {"scenes.csv": ("approved_from", "approved_to")}


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows were looked at, what is wrong with them, and what may be a slip."""

    files: int
    rows: int
    problems: list[str]
    warnings: list[str]


def check_folder(folder: Path = BUNDLED, *, feed_formats: Collection[str] = ()) -> Checked:
    """Check the files of a folder; what is bundled counts as known.

    Args:
        feed_formats: the shapes of files that scenes may name; none: not looked at.

    Raises CatalogueRefused where none of the files is there.
    """
    problems: list[str] = []
    given = read_folder(folder, problems)
    known = {} if folder.resolve() == BUNDLED else _bundled()
    tables = Tables.of(given, known)
    problems += check(given, tables, feed_formats=feed_formats)
    rows = sum(len(lines) for lines in given.values())
    return Checked(len(given), rows, problems, warnings(tables))


@cache  # They change with a release alone.
def _bundled() -> dict[str, list[Line]]:
    bundled = read_folder(BUNDLED, [])
    return {
        name: [Line(f"the bundled {line.place}", line.values, given=False) for line in lines]
        for name, lines in bundled.items()
    }


def check(
    given: Mapping[str, list[Line]], tables: Tables, *, feed_formats: Collection[str] = ()
) -> list[str]:
    """Every problem of the given rows among all of ``tables``, in the order of the files."""
    found = [
        *_twice(given),
        *_out_of_limits(tables),
        *_unknown_references(tables),
        *_reversed(tables),
        *_programmes(tables),
        *_expiry_policies(tables),
        *_divisions(tables),
        *measuring.factors(tables),
        *measuring.methods(tables),
        *measuring.materials(tables),
        *_method_versions(tables),
        *_city_months(tables),
        *_overlapping(tables.all("expiry_policies.csv"), "issuer_id"),
        *_overlapping(tables.all("tariffs.csv"), "programme_code", supersede=True),
        *judging.rules(tables),
        *_scenes(tables, feed_formats),
        *_consent_texts(tables),
    ]
    return list(dict.fromkeys(found))


def _twice(given: Mapping[str, list[Line]]) -> Iterator[str]:
    for name, lines in given.items():
        seen: dict[tuple[Any, ...], Line] = {}
        for line in lines:
            key = tuple(line[column] for column in key_of(name))
            first = seen.setdefault(key, line)
            if first is not line:
                told = " ".join(str(part) for part in key)
                yield f"{line.place}: {told} stands twice, first in {first.place}"


def _out_of_limits(tables: Tables) -> Iterator[str]:
    for (name, column), allowed in ALLOWED.items():
        for line in tables.given(name):
            if line[column] not in allowed:
                yield f"{line.place}: {column} is {line[column]!r}, none of {', '.join(allowed)}"
    for (name, column), (low, high) in LIMITS.items():
        for line in tables.given(name):
            if line[column] is not None and not low <= line[column] <= high:
                yield f"{line.place}: {column} is {line[column]}, not from {low} to {high}"


def _unknown_references(tables: Tables) -> Iterator[str]:
    """What a foreign key of the table would refuse, by name."""
    file_of = {str(model.__tablename__): name for name, model in FILES.items()}
    for name in FILES:
        for constraint in table_of(name).foreign_key_constraints:
            columns = [column.name for column in constraint.columns]
            target = file_of[constraint.referred_table.name]
            for line in tables.given(name):
                key = [line[column] for column in columns]
                if None not in key and tables.find(target, *key) is None:
                    told = " ".join(str(part) for part in key)
                    yield f"{line.place}: {' and '.join(columns)}: {told} is unknown in {target}"


def _reversed(tables: Tables) -> Iterator[str]:
    for name in FILES:
        start, end = PERIODS.get(name, ("valid_from", "valid_to"))
        if end not in table_of(name).columns:
            continue
        for line in tables.given(name):
            if line[end] is not None and line[end] <= line[start]:
                yield f"{line.place}: {end} {line[end]} is not after {start} {line[start]}"


def _programmes(tables: Tables) -> Iterator[str]:
    holders: dict[Any, Line] = {}
    for line in tables.all("programmes.csv"):
        first = holders.setdefault(line["holder_id"], line)
        if first is not line and line.given:
            yield f"{line.place}: holder_id is that of {first.place}"
        if line.given and line["zone"] not in available_timezones():
            yield f"{line.place}: zone {line['zone']!r} is unknown"


def _expiry_policies(tables: Tables) -> Iterator[str]:
    """Of nobody, of unknown zones, or beyond the ten years that Shenzhen allows."""
    issuers = {line["holder_id"] for line in tables.all("programmes.csv")}
    for line in tables.given("expiry_policies.csv"):
        if line["issuer_id"] not in issuers:
            yield f"{line.place}: issuer_id is no programme's holder_id"
        if line["zone"] not in available_timezones():
            yield f"{line.place}: zone {line['zone']!r} is unknown"
        if line["ends"] not in PERIODS_MAX:
            yield f"{line.place}: ends is {line['ends']!r}, neither year nor month"
        elif not 0 <= line["periods"] <= PERIODS_MAX[line["ends"]]:
            yield f"{line.place}: points live ten years at most"
        if not 0 <= line["grace_days"] <= GRACE_DAYS_MAX:
            yield f"{line.place}: grace_days is not from 0 to {GRACE_DAYS_MAX}"


def _divisions(tables: Tables) -> Iterator[str]:
    for line in tables.given("divisions.csv.gz"):
        parent = line["parent_code"]
        if parent is not None and tables.find("divisions.csv.gz", parent) is None:
            yield f"{line.place}: parent_code {parent} is unknown"
    into = {line["code"]: line["into_code"] for line in tables.all("division_merges.csv")}
    for line in tables.given("division_merges.csv"):
        code = line["into_code"]
        for _ in into:  # Longer than all merges no way is.
            if code == line["code"]:
                yield f"{line.place}: {code} comes to merge into itself"
                break
            code = into.get(code)


def _method_versions(tables: Tables) -> Iterator[str]:
    """A code is one programme's and one behaviour's, and they have one method on any day."""
    yield from judging.moved_codes(tables, "methods.csv")
    groups: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in tables.all("methods.csv"):
        groups[line["programme_code"], line["behaviour_code"]].append(line)
    for lines in groups.values():
        for day in boundaries(lines):
            for earlier, later in pairwise(standing(lines, day)):
                if later.given or earlier.given:
                    first, second = (earlier, later) if later.given else (later, earlier)
                    yield f"{second.place}: its validity overlaps {first.place}"


def _city_months(tables: Tables) -> Iterator[str]:
    """A city's means come for the whole year, or a household's month finds none."""
    years: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in tables.all("city_baselines.csv"):
        years[line["programme_code"], line["behaviour_code"], line["valid_from"]].append(line)
    for lines in years.values():
        missing = set(range(1, 13)) - {line["month"] for line in lines}
        if missing and any(line.given for line in lines):
            told = ", ".join(str(month) for month in sorted(missing))
            yield f"{lines[-1].place}: its year lacks month {told}"


def _overlapping(lines: Iterable[Line], group: str, *, supersede: bool = False) -> Iterator[str]:
    """Two rows of one group on the same day; ``supersede``: a later one may end an open one."""
    ordered = sorted(lines, key=lambda line: (str(line[group]), line["valid_from"]))
    for earlier, later in pairwise(ordered):
        if earlier[group] != later[group] or not (earlier.given or later.given):
            continue
        if supersede and earlier["valid_to"] is None:
            continue
        if (earlier["valid_to"] or date.max) > later["valid_from"]:
            first, second = (earlier, later) if later.given else (later, earlier)
            yield f"{second.place}: its validity overlaps {first.place}"


def _scenes(tables: Tables, feed_formats: Collection[str]) -> Iterator[str]:
    for line in tables.given("scenes.csv"):
        if line["consent_version"] is not None and line["exclusions"] is None:
            yield f"{line.place}: exclusions is empty: say which other schemes must not count it"
        if feed_formats and line["feed_format"] not in feed_formats:
            yield f"{line.place}: feed_format {line['feed_format']!r} is unknown"


def _consent_texts(tables: Tables) -> Iterator[str]:
    """Nobody can consent to what cannot be read: a scene comes with the text that it asks for."""
    for line in tables.given("scenes.csv"):
        version = line["consent_version"]
        if version and tables.find("consent_texts.csv", line["code"], version) is None:
            yield (
                f"{line.place}: scene {line['code']} asks for consent to text {version}, which is"
                " not in consent_texts.csv"
            )
    for line in tables.given("consent_texts.csv"):
        for column in ("text_zh", "text_en"):
            if len(line[column]) > CONSENT_TEXT_LENGTH_MAX:
                yield f"{line.place}: {column} has more than {CONSENT_TEXT_LENGTH_MAX} characters"


def warnings(tables: Tables) -> list[str]:
    """What loads and may be a slip: validity beyond what it rests on, scenes without a method."""
    return [*measuring.outlived_factors(tables), *_idle_scenes(tables)]


def _idle_scenes(tables: Tables) -> Iterator[str]:
    methods = {(m["programme_code"], m["behaviour_code"]) for m in tables.all("methods.csv")}
    for line in tables.given("scenes.csv"):
        if (line["programme_code"], line["behaviour_code"]) not in methods:
            yield f"{line.place}: its programme has no method for {line['behaviour_code']}"
        programme = tables.find("programmes.csv", line["programme_code"])
        if programme is not None and (
            line["approved_from"] < programme["valid_from"]
            or line["approved_to"] > (programme["valid_to"] or date.max)
        ):
            yield f"{line.place}: its approval goes beyond the programme's validity"
